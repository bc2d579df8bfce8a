//! The command line: `portal serve`, `portal check`, `portal import-agents`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{
    CheckConfig, Config, Error, Language, Portal, Sidecar,
    config::Overrides,
    report,
    store::{Store, agents},
};

/// 签印参考门户：双向 TLS、实时证书状态、说明原因的页面。
/// Reference portal: mutual TLS, live certificate status, pages that say why.
#[derive(Debug, Parser)]
#[command(name = "portal", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// 消息的语言，默认取自 LANG。 Language of messages, by default from LANG.
    #[arg(long, global = true, env = "PORTAL_LANG", value_enum)]
    lang: Option<Language>,
    /// 标准输出和错误采用 JSON。 Standard output and errors as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 启动门户，Ctrl-C 停止。 Serve until Ctrl-C or SIGTERM.
    Serve(Serve),
    /// 供 nginx 等服务器核对客户端证书。 A sidecar that checks client certificates for nginx and others.
    Check(Check),
    /// 导入经办人名册(CSV)。 Bring agents and their units from a CSV file.
    ImportAgents(ImportAgents),
}

#[derive(Debug, Args)]
struct Check {
    /// 配置文件(TOML)。 The configuration file.
    #[arg(long, env = "PORTAL_CHECK_CONFIG", value_name = "FILE")]
    config: PathBuf,
}

#[derive(Debug, Args)]
struct ImportAgents {
    /// 配置文件(TOML)。 The configuration file.
    #[arg(long, env = "PORTAL_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// 列 card,name,password,uscc,confirmed,qualified_until[,reset]。 With these columns.
    #[arg(value_name = "FILE")]
    register: PathBuf,
}

#[derive(Debug, Args)]
struct Serve {
    /// 配置文件(TOML)。 The configuration file.
    #[arg(long, env = "PORTAL_CONFIG", value_name = "FILE")]
    config: PathBuf,
    /// 监听地址，替代配置中的 listen。 ADDRESS:PORT in place of `listen`.
    #[arg(long, env = "PORTAL_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// CRL 轮询间隔(毫秒),替代 poll_ms。 Milliseconds between polls in place of `poll_ms`.
    #[arg(long, env = "PORTAL_POLL_MS", value_name = "MS")]
    poll_ms: Option<u64>,
    /// 就绪后写入 HOST:PORT 的文件。 File to write HOST:PORT to when ready.
    #[arg(long, env = "PORTAL_READY_FILE", value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// The whole program. Exit codes: 0 done, 1 failed, 2 usage.
#[must_use]
pub fn run() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let language = cli.lang.unwrap_or_else(language_of_environment);
    start_log();
    let done = match &cli.command {
        Command::Serve(serve) => serve_until_stopped(serve, cli.json),
        Command::Check(check) => check_until_stopped(check, cli.json),
        Command::ImportAgents(import) => import_agents(import, cli.json, language),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = report::error(&error, language);
            // Nothing is left to do when standard error is closed.
            let _ = if cli.json {
                writeln!(std::io::stderr(), "{}", serde_json::json!({ "error": text }))
            } else {
                writeln!(std::io::stderr(), "{text}")
            };
            ExitCode::FAILURE
        }
    }
}

fn language_of_environment() -> Language {
    let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    Language::of_locale(&locale.unwrap_or_default())
}

/// One JSON line an event on standard error; `RUST_LOG` chooses. Logins are target `login`.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn serve_until_stopped(serve: &Serve, json: bool) -> Result<(), Error> {
    let overrides = Overrides { listen: serve.listen.clone(), poll_ms: serve.poll_ms };
    let config = Config::read_with(&serve.config, overrides)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let portal = Portal::bind(config).await?;
        announce(&portal, serve.ready_file.as_deref(), json)?;
        portal.run(stop).await;
        Ok(())
    })
}

fn check_until_stopped(check: &Check, json: bool) -> Result<(), Error> {
    let config = CheckConfig::read(&check.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::Runtime)?;
    runtime.block_on(async {
        let stop = stop_signal()?;
        let sidecar = Sidecar::bind(config).await?;
        // A closed standard output is no reason not to serve.
        let _ = if json {
            writeln!(std::io::stdout(), "{}", serde_json::json!({ "ready": sidecar.place() }))
        } else {
            writeln!(std::io::stdout(), "check ready {}", sidecar.place())
        };
        sidecar.run(stop).await
    })
}

/// Ready at Ctrl-C or SIGTERM; both are caught from now on.
fn stop_signal() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Runtime)?;
    Ok(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn import_agents(import: &ImportAgents, json: bool, language: Language) -> Result<(), Error> {
    let services = Config::read(&import.config)?.services;
    let services = services.ok_or_else(|| Error::NoServices(import.config.clone()))?;
    let file = services.database;
    let store = Store::open(&file).map_err(|cause| Error::Store { file, cause })?;
    let failed = |cause| Error::Register { file: import.register.clone(), cause };
    let register =
        fs::File::open(&import.register).map_err(|cause| failed(csv::Error::from(cause).into()))?;
    let done = agents::import(&store, register).map_err(failed)?;
    let text = match language {
        _ if json => serde_json::json!({ "agents": done.agents, "pairs": done.pairs }).to_string(),
        Language::Zh => format!("已导入 {} 名经办人、{} 个单位关系。", done.agents, done.pairs),
        Language::En => format!("{} agents and {} pairs imported.", done.agents, done.pairs),
    };
    // The import is done, whoever reads this or not.
    let _ = writeln!(std::io::stdout(), "{text}");
    Ok(())
}

/// Tells whoever started the portal where it listens.
fn announce(portal: &Portal, ready_file: Option<&Path>, json: bool) -> Result<(), Error> {
    let address = portal.address();
    if let Some(file) = ready_file {
        let failed = |cause| Error::ReadyFile { file: file.to_owned(), cause };
        // Renamed into place, so that a reader never sees half of it.
        let draft = file.with_extension("draft");
        fs::write(&draft, format!("{address}\n")).map_err(failed)?;
        fs::rename(&draft, file).map_err(failed)?;
    }
    let url = format!("https://{address}");
    // A closed standard output is no reason not to serve.
    let _ = if json {
        writeln!(std::io::stdout(), "{}", serde_json::json!({ "ready": url }))
    } else {
        writeln!(std::io::stdout(), "portal ready {url}")
    };
    Ok(())
}

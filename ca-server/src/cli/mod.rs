//! The command line. Exit status: 0 success, 1 refused or failed, 2 usage.

mod bench;
mod bench_ocsp;
mod bench_orders;
mod bench_register;
mod bench_search;
mod certificate_status;
mod doctor;
mod erase;
mod export;
mod import;
mod import_register;
mod import_tokens;
mod init;
mod log;
mod revoke;
mod revoke_list;
mod root_crl;
mod staff;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::{
    ceremony,
    config::Config,
    problem::{Failure, Problem},
    rule::Language,
    serve,
};

/// Qianyin (签印): an open certificate authority for organisations.
/// 签印：面向单位的开放认证机构。
#[derive(Parser)]
#[command(name = "ca-server", version)]
struct Arguments {
    /// Language of messages; default: from LANG, else zh | 消息语言
    #[arg(long, global = true, value_enum)]
    lang: Option<Tag>,
    /// Machine-readable output | 供程序读取的输出
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tag {
    Zh,
    En,
}

/// Which server.
#[derive(Args)]
struct Server {
    /// Configuration file | 配置文件
    #[arg(long, env = "QIANYIN_CONFIG", default_value = "var/demo/ca-server.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Make a demonstration CA on SoftHSM2 tokens | 建立演示用 CA
    Init(init::Init),
    /// Hold the key ceremony that FILE describes | 按文件举行密钥仪式
    Ceremony {
        /// The reviewed plan, TOML | 经审核的计划文件
        file: PathBuf,
    },
    /// Serve HTTP and HTTPS, with the workers | 启动服务
    Serve(Server),
    /// Bring the database's schema up to date | 升级数据库结构
    Migrate {
        /// sqlite:PATH or postgres://…; default: DATABASE_URL, or the configuration's | 数据库地址
        #[arg(long, env = "DATABASE_URL")]
        database: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Import units and agents from a TOML file | 从文件导入单位和经办人
    Import(import::Import),
    /// Import the register of insured units from a CSV file | 导入参保单位名册
    ImportRegister(import_register::ImportRegister),
    /// Take a vendor's list of tokens into stock | 导入 U-key 交货清单
    ImportTokens(import_tokens::ImportTokens),
    /// Members of staff and their certificates | 工作人员及其证书
    #[command(subcommand)]
    Staff(staff::Staff),
    /// Revoke a certificate for ever | 吊销证书
    Revoke(revoke::Revoke),
    /// Revoke every certificate of a list, after an incident | 按清单批量吊销
    RevokeList(revoke_list::RevokeList),
    /// How a certificate stands, or stood at a moment | 查询证书状态
    CertificateStatus(certificate_status::CertificateStatus),
    /// Put a certificate on hold | 冻结证书
    Hold(revoke::Change),
    /// End a hold | 解冻证书
    Release(revoke::Change),
    /// Renew the root's CRL with the root's token | 用根密码卡更新根 CRL
    RootCrl(root_crl::RootCrl),
    /// The audit log | 审计日志
    #[command(subcommand)]
    Log(log::Log),
    /// Everything in the database as JSON Lines, for ca-audit | 导出数据供审计
    Export(export::Export),
    /// Erase personal data whose time is over | 删除保存期满的个人信息
    Erase(erase::Erase),
    /// Measure issuing on this machine with a throw-away CA | 用临时 CA 测量签发速度
    Bench(bench::Bench),
    /// Check configuration, policies, database, token, CRL | 检查运行环境
    Doctor(Server),
}

pub(crate) fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .with_writer(std::io::stderr)
        .init();
    let language = match arguments.lang {
        Some(Tag::Zh) => Language::Zh,
        Some(Tag::En) => Language::En,
        None => Language::from_tag(&std::env::var("LANG").unwrap_or_default()),
    };
    let out = Out { language, json: arguments.json };
    match run(arguments.command, &out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Refused(problem)) => {
            if let Some(cause) = problem.cause() {
                tracing::error!(%cause, "failed");
            }
            let (situation, remedy) = problem.texts(language);
            eprintln!("{situation}\n{remedy} [{}]", problem.rule.name());
            ExitCode::FAILURE
        }
        Err(Stop::Failed(failure)) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// How results are shown.
struct Out {
    language: Language,
    json: bool,
}

impl Out {
    fn say(&self, zh: &str, en: &str) {
        println!("{}", self.choose(zh, en));
    }

    fn choose<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self.language {
            Language::Zh => zh,
            Language::En => en,
        }
    }
}

/// Why a command ends with status 1.
enum Stop {
    Refused(Problem),
    Failed(Failure),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

fn run(command: Command, out: &Out) -> Result<(), Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Io)?;
    match command {
        Command::Init(init) => runtime.block_on(init.run(out)),
        Command::Ceremony { file } => {
            let plan = ceremony::Plan::load(&file)?;
            let report = runtime.block_on(ceremony::hold(&plan))?;
            out.say(
                &format!("密钥仪式完成，报告：{}", report.display()),
                &format!("The ceremony is done; report: {}", report.display()),
            );
            Ok(())
        }
        Command::Serve(server) => Ok(runtime.block_on(serve::serve(Config::load(&server.config)?))?),
        Command::Migrate { database, server } => {
            let database = match database {
                Some(database) => database,
                None => Config::load(&server.config)?.database,
            };
            let applied = ca_store::Store::migrate(&database).map_err(Failure::Store)?;
            for name in &applied {
                println!("{name}");
            }
            out.say(
                &format!("已应用 {} 个迁移。", applied.len()),
                &format!("{} migrations applied.", applied.len()),
            );
            Ok(())
        }
        Command::Import(import) => runtime.block_on(import.run(out)),
        Command::ImportRegister(import) => runtime.block_on(import.run(out)),
        Command::ImportTokens(import) => runtime.block_on(import.run(out)),
        Command::Staff(staff) => runtime.block_on(staff.run(out)),
        Command::Revoke(revoke) => runtime.block_on(revoke.run(out)),
        Command::RevokeList(list) => runtime.block_on(list.run(out)),
        Command::CertificateStatus(status) => status.run(out),
        Command::Hold(change) => runtime.block_on(change.hold(out)),
        Command::Release(change) => runtime.block_on(change.release(out)),
        Command::RootCrl(root_crl) => runtime.block_on(root_crl.run(out)),
        Command::Log(log) => log.run(out),
        Command::Export(export) => export.run(),
        Command::Bench(bench) => runtime.block_on(bench.run(out)),
        Command::Doctor(server) => runtime.block_on(doctor::doctor(&server, out)),
        Command::Erase(erase) => runtime.block_on(erase.run(out)),
    }
}

/// The system's user, for the log: whom the kernel says, and not a variable that anybody can set. Under sudo the
/// person who called it is named; who may be root could write anything anyway.
fn operator() -> String {
    let uid = rustix::process::getuid().as_raw();
    if let (0, Ok(person)) = (uid, std::env::var("SUDO_USER")) {
        return person;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let of_user = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    };
    users.lines().find_map(of_user).unwrap_or_else(|| format!("uid-{uid}"))
}

//! The command line. Help is in both languages, because it is read before a language is chosen.

mod activate;
mod api;
mod counter;
mod doctor;
mod enrol;
mod pin;
mod renew;
mod revoke;
mod root;
mod status;
mod test;

use std::{
    path::PathBuf,
    sync::{Arc, Once},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Parser, Subcommand, builder::PossibleValuesParser};
use hsm::{Module, Pin, Token};
use rustls_pki_types::CertificateDer;
use ukey::{Error, client::Client, home::Home, tls, trial};
use zeroize::Zeroizing;

use crate::{
    report::{Language, Voice},
    secret::Source,
};

/// A driver that says nothing for so long is slow: longer than a key pair usually takes.
const DRIVER_SLOW: Duration = Duration::from_secs(15);
const DRIVER_LOOK: Duration = Duration::from_secs(1);

/// U-key 助手：柜台工作站与持证单位使用；在终端单独启动则显示菜单。 / For counters and holders of a U-key; alone at a terminal, a menu.
#[derive(Debug, Parser)]
#[command(name = "ukey", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// 语言，默认取自 LANG，否则中文 / Language; from LANG, otherwise Chinese
    #[arg(long, global = true, value_enum)]
    pub(crate) lang: Option<Language>,
    /// 以 JSON 输出，供程序使用 / Output in JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// U-key 厂商的 PKCS#11 模块文件 / The PKCS#11 module of the U-key's vendor
    #[arg(long, global = true, env = "PKCS11_MODULE", value_name = "FILE")]
    module: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// The module that the command line or the environment names.
    pub(crate) fn module_named() -> Option<PathBuf> {
        std::env::var_os("PKCS11_MODULE").filter(|path| !path.is_empty()).map(PathBuf::from)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 柜台工作站：连接服务器并执行制证任务 / Counter's workstation: connect and do the server's jobs on tokens
    Counter(counter::Arguments),
    /// 列出 U-key、证书、剩余天数与口令状态 / List tokens, certificates, days left and the PIN's state
    Status(status::Arguments),
    /// 口令 / The PIN
    #[command(subcommand)]
    Pin(pin::Command),
    /// 修改初始口令并激活证书 / Replace the initial PIN and activate the certificate
    Activate(activate::Arguments),
    /// 在本 U-key 上续期：已审核并缴费的续期申请 / Renew on this token, once the renewal is approved and paid
    Renew(renew::Arguments),
    /// 用 U-key 中的密钥吊销证书，不可恢复 / Revoke the certificates for ever, with their own keys
    Revoke(revoke::Arguments),
    /// 初始化一个空白 U-key（工作人员） / Initialise a blank token (staff)
    Init(enrol::Init),
    /// 在 U-key 内生成密钥并导出证书请求（工作人员） / Make a key pair on the token and its request (staff)
    Request(enrol::Request),
    /// 把证书写入 U-key（工作人员） / Write the certificate to the token (staff)
    Install(enrol::Install),
    /// 试用：签名并登录门户，逐步说明哪里不对 / Try it: sign and log in to the portal, step by step
    Test(test::Arguments),
    /// CA 的根证书 / The CA's root certificate
    #[command(subcommand)]
    Root(root::Command),
    /// 检查模块、U-key、算法与网络 / Check module, tokens, mechanisms and network
    Doctor(doctor::Arguments),
    /// 以 U-key 调用 CA 接口 / Call the CA's API with a token
    Api(api::Arguments),
}

/// Which token, and its PIN.
#[derive(Debug, Args)]
struct TokenArguments {
    /// U-key 的标签或序列号；只插着一个时不必给 / The token's label or serial number; not needed while only one is there
    #[arg(long, env = "TOKEN_LABEL", value_name = "NAME")]
    token: Option<String>,
    /// 存有口令的文件；不给则提示输入 / File with the PIN; asked for when not given
    #[arg(long, value_name = "FILE", conflicts_with = "pin_fd")]
    pin_file: Option<PathBuf>,
    /// 读取口令的文件描述符 / File descriptor to read the PIN from
    #[arg(long, value_name = "N")]
    pin_fd: Option<u32>,
}

/// Which server.
#[derive(Debug, Args)]
struct ServerArguments {
    /// 服务器地址，https://主机:端口 / The server, https://host:port
    #[arg(long, value_name = "URL")]
    server: String,
    #[command(flatten)]
    root: RootArguments,
    /// 随本人证书发送的 CA 证书（PEM） / CA certificates to send with one's own (PEM)
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

/// Whom to trust.
#[derive(Debug, Args)]
struct RootArguments {
    /// 根证书文件（PEM）；已运行 ukey root install 则不必给 / The root certificate (PEM); not needed after `ukey root install`
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// Does what the command line says.
pub(crate) fn run(cli: Cli, voice: &Arc<Voice>) -> Result<(), Error> {
    if let Command::Root(command) = cli.command {
        return root::run(command, voice);
    }
    let module = Module::load(cli.module.ok_or(Error::NoModule)?)?;
    // The counter says by itself which token it is, and goes on with the others.
    if !matches!(cli.command, Command::Counter(_)) {
        tell_of_slow_driver(module.clone(), Arc::clone(voice));
    }
    match cli.command {
        Command::Root(command) => root::run(command, voice),
        Command::Counter(arguments) => counter::run(&module, arguments, voice),
        Command::Status(arguments) => status::run(&module, &arguments, voice),
        Command::Pin(command) => pin::run(&module, command, voice),
        Command::Activate(arguments) => activate::run(&module, arguments, voice),
        Command::Renew(arguments) => renew::run(&module, arguments, voice),
        Command::Revoke(arguments) => revoke::run(&module, &arguments, voice),
        Command::Init(arguments) => enrol::init(&module, arguments, voice),
        Command::Request(arguments) => enrol::request(&module, &arguments, voice),
        Command::Install(arguments) => enrol::install(&module, &arguments, voice),
        Command::Test(arguments) => test::run(&module, arguments, voice),
        Command::Doctor(arguments) => doctor::run(&module, &arguments, voice),
        Command::Api(arguments) => api::run(&module, arguments, voice),
    }
}

/// Whoever waits for a driver that does not answer hears what can be done, once.
fn tell_of_slow_driver(module: Module, voice: Arc<Voice>) {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(move || {
        std::thread::spawn(move || {
            while module.still_for().is_none_or(|still| still < DRIVER_SLOW) {
                std::thread::sleep(DRIVER_LOOK);
            }
            voice.driver_is_slow();
        });
    });
}

impl TokenArguments {
    fn find(&self, module: &Module) -> Result<Token, Error> {
        trial::find_token(module, self.token.as_deref())
    }

    fn source(&self) -> Source {
        Source::of(self.pin_file.clone(), self.pin_fd)
    }

    /// Says how the PIN stands before asking for it: a wrong try may be the last one.
    fn pin_text(&self, token: &Token, voice: &Voice) -> Result<Zeroizing<String>, Error> {
        let info = token.info()?;
        voice.pin_state(&info);
        if info.pin == hsm::PinState::Locked {
            return Err(hsm::Error::PinLocked { token: info.serial }.into());
        }
        self.source().read(&voice.ask_pin(&info))
    }

    fn pin(&self, token: &Token, voice: &Voice) -> Result<Pin, Error> {
        Ok(Pin::new(self.pin_text(token, voice)?)?)
    }
}

impl RootArguments {
    /// The file that was given, or the root that was compared and kept.
    fn known(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        match &self.anchor {
            Some(file) => tls::read_pem(file),
            None => Ok(Home::of_user().map(|home| home.root()).transpose()?.flatten().into_iter().collect()),
        }
    }

    fn anchors(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let known = self.known()?;
        if known.is_empty() { Err(Error::NoAnchor) } else { Ok(known) }
    }
}

/// Now, in seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i64::try_from(since).unwrap_or(i64::MAX)
}

impl ServerArguments {
    fn anchors(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        self.root.anchors()
    }

    fn client(&self, anchors: &[CertificateDer<'static>], identity: &tls::Identity) -> Result<Client, Error> {
        Client::new(&self.server, anchors, Some(identity))
    }

    async fn connect(
        &self,
        anchors: &[CertificateDer<'static>],
        identity: &tls::Identity,
    ) -> Result<Client, Error> {
        Client::connect(&self.server, anchors, Some(identity)).await
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Error::System)
}

fn methods() -> PossibleValuesParser {
    PossibleValuesParser::new(["GET", "POST", "PUT", "PATCH", "DELETE"])
}

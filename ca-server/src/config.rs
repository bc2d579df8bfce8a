//! The server's configuration: one TOML file; `DATABASE_URL` overrides the database. Secrets stand in files of
//! their own, named here.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::Failure;

/// `ca-server.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `sqlite:PATH` or `postgres://…`.
    pub(crate) database: String,
    /// O of the certificates that the CA gives to its own staff.
    pub(crate) organization: String,
    /// Folder of `policies/`.
    pub(crate) policies: PathBuf,
    /// First octet of serial numbers: names this instance and its restore epoch (1 to 127).
    pub(crate) serial_prefix: u8,
    pub(crate) listen: Listen,
    pub(crate) urls: UrlConfig,
    pub(crate) hsm: HsmConfig,
    pub(crate) tls: TlsConfig,
    pub(crate) notices: Notices,
    /// Where online payments go; none: nobody pays online.
    #[serde(default, rename = "gateway", skip_serializing_if = "Vec::is_empty")]
    pub(crate) gateways: Vec<GatewayConfig>,
    #[serde(default)]
    pub(crate) receipts: Receipts,
    /// Not written by the ceremony: what is left out follows the machine.
    #[serde(default, skip_serializing)]
    pub(crate) ocsp: OcspConfig,
}

/// What this instance spends on OCSP.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OcspConfig {
    /// Answers kept in memory, of about 1.5 KB each.
    #[serde(default = "cached_default")]
    pub(crate) cached: usize,
    /// Threads that sign at once for those who sent a nonce, and as many for first answers.
    #[serde(default = "signers_default")]
    pub(crate) signers: usize,
}

impl Default for OcspConfig {
    fn default() -> Self {
        Self { cached: cached_default(), signers: signers_default() }
    }
}

impl OcspConfig {
    fn check(&self) -> Result<(), String> {
        if !(1..=64).contains(&self.signers) || self.cached > 20_000_000 {
            return Err("[ocsp] signers must be 1 to 64, cached at most 20000000".to_owned());
        }
        Ok(())
    }
}

fn cached_default() -> usize {
    200_000
}

/// Half of the cores, so that cached answers have the other half.
fn signers_default() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Where the server listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    /// Status only: OCSP, CRL, AIA.
    pub(crate) http: SocketAddr,
    /// API.
    pub(crate) https: SocketAddr,
}

/// What certificates say of where to ask; they must answer for as long as the certificates live.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UrlConfig {
    /// Base of `/ocsp`, `/crl/…` and `/ca/…`, without a slash at the end.
    pub(crate) status: String,
    /// The certification practice statement.
    pub(crate) cps: String,
}

/// Tokens of the CA. The root's token is not here: it is needed at ceremonies only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HsmConfig {
    /// PKCS#11 module.
    pub(crate) module: PathBuf,
    /// Variables that the module reads when it is loaded, such as SOFTHSM2_CONF.
    #[serde(default)]
    pub(crate) environment: BTreeMap<String, String>,
    /// Label of the issuing CA's token.
    pub(crate) issuing_token: String,
    /// File with its user PIN.
    pub(crate) issuing_pin_file: PathBuf,
    /// Sessions kept open for signatures.
    #[serde(default = "sessions_default")]
    pub(crate) sessions: usize,
}

/// The server's own certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsConfig {
    /// PEM: its certificate and the issuing CA's.
    pub(crate) chain: PathBuf,
    /// PEM, PKCS#8, mode 0600.
    pub(crate) key: PathBuf,
}

/// How messages to agents and units go out.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notices {
    /// One file a message, for whatever sends them; used where neither mail nor webhook applies.
    pub(crate) outbox: PathBuf,
    /// Seconds from each failure to the next try. After one more failure than there are pauses it is given up.
    #[serde(default = "retry_default")]
    pub(crate) retry_secs: Vec<u32>,
    /// How long one try may take.
    #[serde(default = "timeout_default")]
    pub(crate) timeout_secs: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) smtp: Option<SmtpConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) webhook: Option<WebhookConfig>,
}

/// The mail server that takes our mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SmtpConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: SmtpTls,
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// File with the user's password.
    #[serde(default)]
    pub(crate) password_file: Option<PathBuf>,
    /// Sender, such as `签印 <ca@example.org>`.
    pub(crate) from: String,
    /// PEM: whom to trust instead of the machine's own list.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SmtpTls {
    /// Plain at first, TLS before anything is said; refused without.
    StartTls,
    /// TLS from the first octet.
    Tls,
    /// Not at all: to this machine only.
    None,
}

/// Another program that is told of every message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookConfig {
    /// `https://…`, or `http://…` on this machine.
    pub(crate) url: String,
    /// File with the key of the signature.
    pub(crate) secret_file: PathBuf,
    /// PEM: whom to trust instead of the machine's own list.
    #[serde(default)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether activation codes go there, too: for a gateway that sends short messages.
    #[serde(default)]
    pub(crate) activation_code: bool,
}

/// A payment gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayConfig {
    /// Ours for it, in URLs and records: `[a-z0-9-]{1,32}`. Never changed once a payment went through it.
    pub(crate) name: String,
    /// The gateway's number for us.
    pub(crate) merchant: String,
    /// How the gateway signs. What it sends may not choose.
    pub(crate) algorithm: GatewaySigns,
    /// What its signatures are checked with: the shared key, mode 0600, or its public key in PEM.
    pub(crate) key_file: PathBuf,
    /// What our requests are signed with (HMAC-SHA-256), mode 0600; another key than `key_file`.
    pub(crate) merchant_key_file: PathBuf,
    /// Base of its operations: `https://…`, or `http://…` on this machine.
    pub(crate) url: String,
    /// PEM: whom to trust instead of the machine's own list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// How a gateway signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GatewaySigns {
    /// With a key that both sides know.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// With its own RSA key, PKCS#1 v1.5.
    #[serde(rename = "rsa-sha256")]
    RsaSha256,
}

/// Each has a form, and each name stands once.
fn check_gateways(gateways: &[GatewayConfig]) -> Result<(), String> {
    let named = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let mut names = std::collections::BTreeSet::new();
    for GatewayConfig { name, merchant, .. } in gateways {
        if !(1..=32).contains(&name.len()) || !name.bytes().all(named) {
            return Err(format!("gateway.name: 1 to 32 of a-z, 0-9 and - are needed, found {name:?}"));
        }
        if !names.insert(name) {
            return Err(format!("gateway.name: {name} stands twice"));
        }
        if !ca_core::gateway_text(merchant) {
            let detail = "1 to 64 visible ASCII characters are needed";
            return Err(format!("gateway.merchant of {name}: {detail}, found {merchant:?}"));
        }
    }
    Ok(())
}

impl GatewayConfig {
    fn files_named(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        [&mut self.key_file, &mut self.merchant_key_file].into_iter().chain(&mut self.ca_file)
    }
}

/// Receipts for payments.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receipts {
    /// TrueType or OpenType font that has the characters of names.
    #[serde(default = "font_default")]
    pub(crate) font: PathBuf,
    /// Which font of a collection.
    #[serde(default)]
    pub(crate) font_index: u32,
    /// Base of the public pages that the QR codes name, without a slash at the end. They are served over HTTPS: without
    /// this, the address where the API listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
}

impl Default for Receipts {
    fn default() -> Self {
        Self { font: font_default(), font_index: 0, url: None }
    }
}

impl Receipts {
    /// QR codes hold it, and people type it.
    const URL_MAX: usize = 128;

    fn check(&self) -> Result<(), String> {
        match &self.url {
            Some(url)
                if !url.starts_with("https://")
                    || url.ends_with('/')
                    || url.len() > Self::URL_MAX
                    || !url.bytes().all(|c| c.is_ascii_graphic()) =>
            {
                Err(format!(
                    "[receipts] url must be https://…, of at most 128 characters, without / at the end: {url}"
                ))
            }
            _ => Ok(()),
        }
    }
}

/// Debian's fonts-wqy-microhei (Apache-2.0).
fn font_default() -> PathBuf {
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc".into()
}

impl Notices {
    /// The outbox and nothing else.
    pub(crate) fn files(outbox: impl Into<PathBuf>) -> Self {
        Self {
            outbox: outbox.into(),
            retry_secs: retry_default(),
            timeout_secs: timeout_default(),
            smtp: None,
            webhook: None,
        }
    }

    fn files_named(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let smtp =
            self.smtp.iter_mut().flat_map(|smtp| smtp.password_file.iter_mut().chain(&mut smtp.ca_file));
        let webhook = self
            .webhook
            .iter_mut()
            .flat_map(|webhook| std::iter::once(&mut webhook.secret_file).chain(&mut webhook.ca_file));
        std::iter::once(&mut self.outbox).chain(smtp).chain(webhook)
    }
}

/// One minute, five, thirty, two hours, six, a day.
fn retry_default() -> Vec<u32> {
    vec![60, 300, 1_800, 7_200, 21_600, 86_400]
}

fn timeout_default() -> u16 {
    30
}

fn sessions_default() -> usize {
    4
}

impl Config {
    /// Reads the file; relative paths in it are relative to its folder.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
        let mut config: Self = toml::from_str(&text)
            .map_err(|error| Failure::Config { file: path.to_owned(), detail: error.to_string() })?;
        let base = path.parent().unwrap_or(Path::new(""));
        for file in [
            &mut config.policies,
            &mut config.hsm.issuing_pin_file,
            &mut config.tls.chain,
            &mut config.tls.key,
            &mut config.receipts.font,
        ]
        .into_iter()
        .chain(config.notices.files_named())
        .chain(config.gateways.iter_mut().flat_map(GatewayConfig::files_named))
        {
            *file = base.join(&file);
        }
        if let Some(relative) = config.database.strip_prefix("sqlite:") {
            config.database = format!("sqlite:{}", base.join(relative).display());
        }
        if let Ok(url) = std::env::var("DATABASE_URL") {
            config.database = url;
        }
        if !(1..0x80).contains(&config.serial_prefix) {
            let detail = format!("serial_prefix must be 1 to 127, found {}", config.serial_prefix);
            return Err(Failure::Config { file: path.to_owned(), detail });
        }
        config.ocsp.check().map_err(|detail| Failure::Config { file: path.to_owned(), detail })?;
        check_gateways(&config.gateways)
            .map_err(|detail| Failure::Config { file: path.to_owned(), detail })?;
        config.receipts.check().map_err(|detail| Failure::Config { file: path.to_owned(), detail })?;
        if !config.gateways.is_empty()
            && config.receipts.url.is_none()
            && config.listen.https.ip().is_unspecified()
        {
            let detail = format!(
                "[receipts] url is needed with [[gateway]]: nobody can call back to {}",
                config.listen.https
            );
            return Err(Failure::Config { file: path.to_owned(), detail });
        }
        Ok(config)
    }
}

/// Makes these variables this process's own, by starting the same command anew where one differs.
pub(crate) fn enter(environment: &BTreeMap<String, String>) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    if environment.iter().all(|(name, value)| std::env::var(name).as_ref() == Ok(value)) {
        return Ok(());
    }
    let program = std::env::current_exe()?;
    Err(Failure::Io(
        std::process::Command::new(program).args(std::env::args_os().skip(1)).envs(environment).exec(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = r#"
[[gateway]]
name = "unionpay-1"
merchant = "M001"
algorithm = "rsa-sha256"
key_file = "gateway.pem"
merchant_key_file = "merchant.key"
url = "https://pay.example.org/v1"
"#;

    /// A configuration as `init` writes it, with something more at its end.
    fn load(more: &str) -> Result<Config, String> {
        load_as(str::to_owned, more)
    }

    fn load_as(change: impl Fn(&str) -> String, more: &str) -> Result<Config, String> {
        let config = r#"
            database = "sqlite:ca.db"
            organization = "O"
            policies = "policies"
            serial_prefix = 1
            [listen]
            http = "127.0.0.1:0"
            https = "127.0.0.1:0"
            [urls]
            status = "http://localhost"
            cps = "http://localhost/cps"
            [hsm]
            module = "/m.so"
            issuing_token = "t"
            issuing_pin_file = "pin"
            [tls]
            chain = "server.pem"
            key = "server.key"
            [notices]
            outbox = "outbox"
        "#;
        let number = crate::wire::random::<8>().unwrap();
        let file = std::env::temp_dir().join(format!("qianyin-config-{}.toml", hex::encode(number)));
        std::fs::write(&file, format!("{}{more}", change(config))).unwrap();
        let loaded = Config::load(&file).map_err(|failure| failure.to_string());
        std::fs::remove_file(&file).unwrap();
        loaded
    }

    #[test]
    fn gateways_are_read_and_written_back() {
        assert!(load("").unwrap().gateways.is_empty());
        let other = GATEWAY.replace("unionpay-1", "b").replace("rsa", "hmac");
        let config = load(&format!("{GATEWAY}ca_file = \"ca.pem\"\n{other}")).unwrap();
        let [first, second] = &config.gateways[..] else { panic!("{:?}", config.gateways) };
        assert_eq!((first.algorithm, second.algorithm), (GatewaySigns::RsaSha256, GatewaySigns::HmacSha256));
        for file in [&first.key_file, &first.merchant_key_file, first.ca_file.as_ref().unwrap()] {
            assert_eq!(file.parent(), Some(std::env::temp_dir().as_path()), "relative to the configuration");
        }
        let written: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(written.gateways.len(), 2);
    }

    #[test]
    fn gateways_need_an_address_to_call_back_to() {
        let everywhere = |text: &str| text.replace("https = \"127.0.0.1:0\"", "https = \"0.0.0.0:0\"");
        assert!(load_as(everywhere, "").is_ok());
        let refusal = load_as(everywhere, GATEWAY).unwrap_err();
        assert!(refusal.contains("[receipts] url is needed"), "{refusal}");
        let named = "[receipts]\nurl = \"https://ca.example.org\"\n";
        assert!(load_as(everywhere, &format!("{named}{GATEWAY}")).is_ok());
        assert!(load(GATEWAY).is_ok());
    }

    #[test]
    fn gateways_that_cannot_be_are_refused() {
        let long = "a".repeat(33);
        for (from, to, said) in [
            ("unionpay-1", "", "gateway.name"),
            ("unionpay-1", "UnionPay", "gateway.name"),
            ("unionpay-1", "a/b", "gateway.name"),
            ("unionpay-1", "银联", "gateway.name"),
            ("unionpay-1", long.as_str(), "gateway.name"),
            ("M001", "", "gateway.merchant"),
            ("M001", "M 1", "gateway.merchant"),
            ("rsa-sha256", "rsa-sha1", "unknown variant"),
            ("rsa-sha256", "none", "unknown variant"),
            ("algorithm = \"rsa-sha256\"\n", "", "missing field `algorithm`"),
            ("key_file = \"gateway.pem\"\n", "", "missing field `key_file`"),
            ("merchant_key_file = \"merchant.key\"\n", "", "missing field `merchant_key_file`"),
            ("url =", "secret = \"s\"\nurl =", "unknown field `secret`"),
        ] {
            let text = GATEWAY.replacen(from, to, 1);
            assert_ne!(text, GATEWAY);
            let refusal = load(&text).unwrap_err();
            assert!(refusal.contains(said), "{to:?}: {refusal}");
        }
        let twice = load(&format!("{GATEWAY}{GATEWAY}")).unwrap_err();
        assert!(twice.contains("stands twice"), "{twice}");
    }

    #[test]
    fn the_address_of_receipts() {
        let check =
            |url: Option<&str>| Receipts { url: url.map(str::to_owned), ..Receipts::default() }.check();
        for good in [None, Some("https://ca.example.org"), Some("https://ca.example.org/ca")] {
            assert!(check(good).is_ok(), "{good:?}");
        }
        let long = format!("https://{}", "a".repeat(121));
        for bad in [
            "",
            "ca.example.org",
            "http://ca.example.org",
            "https://ca.example.org/",
            "https://签印.cn",
            &long,
        ] {
            assert!(check(Some(bad)).is_err(), "{bad}");
        }
    }
}

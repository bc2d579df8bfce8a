//! `init`: a demonstration CA. SoftHSM2 tokens stand for the HSM; the rest is the same ceremony as in production.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use ca_store::kill_point;
use clap::Args;
use hsm::{Module, Pin, SoPin, TokenSerial};
use zeroize::Zeroizing;

use super::{Out, Stop};
use crate::{
    ceremony::{self, CONFIG_FILE, CaPlan, Person, Plan, TlsPlan, UrlPlan},
    config, files,
    problem::Failure,
    wire,
};

const SOFTHSM_CONF: &str = "SOFTHSM2_CONF";
const DEFAULT_MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const ROOT_TOKEN: &str = "qianyin-root";
const ISSUING_TOKEN: &str = "qianyin-issuing";

#[derive(Args)]
pub(super) struct Init {
    /// Folder of the demonstration | 演示目录
    #[arg(long, default_value = "var/demo")]
    dir: PathBuf,
    /// Folder of the policies | 策略目录
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// PKCS#11 module | PKCS#11 模块
    #[arg(long, env = "PKCS11_MODULE", default_value = DEFAULT_MODULE)]
    module: PathBuf,
}

impl Init {
    /// With the module of the environment.
    pub(super) fn at(dir: &Path, policies: &Path) -> Self {
        let module = std::env::var_os("PKCS11_MODULE").unwrap_or_else(|| DEFAULT_MODULE.into());
        Self { dir: dir.to_owned(), policies: policies.to_owned(), module: module.into() }
    }

    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let dir = absolute(&self.dir)?;
        let file = dir.join("ceremony.toml");
        // A plan without a CA is what a crash left: the same ceremony is held again, with the same tokens.
        if !file.exists() {
            self.prepare(&dir, &file)?;
        }
        let report = ceremony::hold(&Plan::load(&file)?).await?;
        out.say(
            &format!("演示 CA 已建立：{}\n密钥仪式报告：{}", dir.display(), report.display()),
            &format!("Demonstration CA: {}\nCeremony report: {}", dir.display(), report.display()),
        );
        Ok(())
    }

    /// Tokens, and the ceremony's plan as the last file: what stands before it may be made again.
    fn prepare(&self, dir: &Path, file: &Path) -> Result<(), Failure> {
        if dir.join(CONFIG_FILE).exists() {
            let dir = dir.display();
            return Err(Failure::Refused(format!(
                "{dir} 中已有一个 CA，没有做任何更改。要重新开始，请先删除该目录。\n\
                 There is a CA in {dir}; nothing was changed. To begin anew, delete that folder first."
            )));
        }
        let conf = dir.join("hsm/softhsm2.conf");
        let tokens = dir.join("hsm/tokens");
        std::fs::create_dir_all(&tokens).map_err(|error| Failure::file(&tokens, error))?;
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        files::write_public(&conf, text.as_bytes())?;
        // PKCS#11 modules read their environment once, so it must be right before the module is loaded.
        let environment = [(SOFTHSM_CONF.to_owned(), conf.display().to_string())].into();
        config::enter(&environment)?;
        for token in [ROOT_TOKEN, ISSUING_TOKEN] {
            init_token(&self.module, dir, token)?;
        }
        let plan = demonstration(dir, &absolute(&self.policies)?, &self.module, environment)?;
        write_ports(dir, &plan)?;
        let text = toml::to_string_pretty(&plan).map_err(Failure::inconsistent)?;
        files::write_public(file, text.as_bytes())
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

fn pin_file(dir: &Path, token: &str) -> PathBuf {
    dir.join(format!("hsm/{token}.pin"))
}

/// Initialises a blank token, or once more one that a crash left.
fn init_token(module: &Path, dir: &Path, label: &str) -> Result<(), Failure> {
    let pin = secret_in(&pin_file(dir, label))?;
    let so_pin = SoPin::new(secret_in(&dir.join(format!("hsm/{label}.so-pin")))?)?;
    let module = Module::load(module)?;
    let made = module.tokens()?.into_iter().find(|token| token.label == label);
    let serial = made.map_or_else(|| TokenSerial::new(""), |token| token.serial);
    let token = module.token(&serial)?.init(&so_pin, label)?;
    kill_point("init-token:after");
    token.so_session(&so_pin)?.init_user_pin(&Pin::new(pin)?)?;
    Ok(())
}

/// The secret in this file, which is made when it is not there.
fn secret_in(file: &Path) -> Result<Zeroizing<String>, Failure> {
    if !file.exists() {
        files::write_secret(file, hex::encode(wire::random::<8>()?).as_bytes())?;
    }
    files::read_secret(file)
}

fn demonstration(
    dir: &Path,
    policies: &Path,
    module: &Path,
    environment: std::collections::BTreeMap<String, String>,
) -> Result<Plan, Failure> {
    let [http, https, portal] = free_ports()?;
    let ca = |token: &str, common_name: &str, years| CaPlan {
        token: token.to_owned(),
        pin_file: pin_file(dir, token),
        key: "ec-p256".to_owned(),
        organization: "签印演示".to_owned(),
        common_name: common_name.to_owned(),
        years,
    };
    let tls =
        |listen| TlsPlan { listen, names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()], years: 1 };
    let person = |name: &str, role: &str| Person { name: name.to_owned(), role: role.to_owned() };
    // RFC 5280 §4.2.1.6: the host of a URL is a fully qualified name or an address, which localhost is not.
    let base = format!("http://{http}");
    Ok(Plan {
        title: "签印演示 CA / Qianyin demonstration CA".to_owned(),
        people: vec![person("演示管理员", "administrator"), person("演示见证人", "witness")],
        module: module.to_owned(),
        environment,
        database: format!("sqlite:{}", dir.join("ca.db").display()),
        policies: policies.to_owned(),
        output: dir.to_owned(),
        serial_prefix: 1,
        root: ca(ROOT_TOKEN, "签印演示根 Qianyin Demo Root", 20),
        issuing: ca(ISSUING_TOKEN, "签印演示签发 Qianyin Demo Issuing", 10),
        responder_years: 1,
        server: tls(https),
        portal: tls(portal),
        urls: UrlPlan { listen: http, status: base.clone(), cps: format!("{base}/cps") },
    })
}

/// Three ports that nobody uses now, held together so that they differ.
fn free_ports() -> Result<[SocketAddr; 3], Failure> {
    let held: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
    let mut ports = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?;
    }
    Ok(ports)
}

fn write_ports(dir: &Path, plan: &Plan) -> Result<(), Failure> {
    let text = format!(
        "CA_HTTP={}\nCA_HTTPS={}\nPORTAL_HTTPS={}\n",
        plan.urls.listen, plan.server.listen, plan.portal.listen
    );
    files::write_public(&dir.join("ports.env"), text.as_bytes())
}

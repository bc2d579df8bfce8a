//! `root-crl`: the root's token is taken out of its safe, signs one CRL and goes back.

use std::path::PathBuf;

use ca_core::{Actor, Issuer};
use ca_store::Store;
use clap::Args;
use hsm::{Module, Pin};
use zeroize::Zeroizing;

use super::{Out, Server, Stop, operator};
use crate::{
    app::root_crl,
    ca::{self, label},
    config::{self, Config},
    draft::ROOT_CRL_DAYS,
    files,
    problem::Failure,
};

#[derive(Args)]
pub(super) struct RootCrl {
    /// Label of the root's token | 根密码卡的标签
    #[arg(long)]
    token: String,
    /// File with its user PIN; asked for when left out | 口令文件；不给则询问
    #[arg(long)]
    pin_file: Option<PathBuf>,
    /// PKCS#11 module; default: the server's | PKCS#11 模块
    #[arg(long)]
    module: Option<PathBuf>,
    /// Days that it is good for, 365 at most | 有效天数
    #[arg(long, default_value_t = ROOT_CRL_DAYS, value_parser = clap::value_parser!(i64).range(1..=ROOT_CRL_DAYS))]
    days: i64,
    #[command(flatten)]
    server: Server,
}

impl RootCrl {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        config::enter(&config.hsm.environment)?;
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let Some(certificate) =
            store.read(|reader| reader.ca_certificate(label::ROOT)).map_err(Failure::Store)?
        else {
            return Err(Failure::no_ceremony().into());
        };
        let root = Issuer::load(&certificate).map_err(Failure::inconsistent)?;
        let module =
            Module::load(self.module.as_ref().unwrap_or(&config.hsm.module)).map_err(Failure::Hsm)?;
        let token = module.token_named(&self.token).map_err(Failure::Hsm)?;
        let signer = ca::root_signer(&token, self.pin(out)?, &certificate)?;
        let crl =
            root_crl::renew(&store, Actor::Operator(operator()), &root, self.days, |tbs| signer.sign(tbs))
                .await?;
        let (number, next) = (crl.number, crl.next_update);
        out.say(
            &format!("根 CRL 编号 {number}，有效至 {next}"),
            &format!("Root CRL number {number}, good until {next}"),
        );
        Ok(())
    }

    /// From the file, or typed: never an argument, which every user of the machine can read.
    fn pin(&self, out: &Out) -> Result<Pin, Failure> {
        let text = match &self.pin_file {
            Some(file) => files::read_secret(file)?,
            None => Zeroizing::new(rpassword::prompt_password(
                out.choose("根密码卡口令：", "PIN of the root's token: "),
            )?),
        };
        Ok(Pin::new(text)?)
    }
}

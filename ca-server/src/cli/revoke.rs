//! `revoke`, `hold`, `release`: for whoever holds the server's command line; the log names the system's user.

use std::path::PathBuf;

use ca_core::CertificateState;
use ca_store::Store;
use ca_verifier::{Reason, Serial};
use clap::Args;

use super::{Out, Server, Stop, operator};
use crate::{
    app::status,
    config::Config,
    files,
    permit::Permit,
    policies,
    problem::{Failure, Problem},
    rule::Rule,
};

#[derive(Args)]
pub(super) struct Change {
    /// Serial number, hexadecimal, or a PEM file of the certificate | 证书序列号（十六进制）或证书文件
    certificate: String,
    #[command(flatten)]
    server: Server,
}

#[derive(Args)]
pub(super) struct Revoke {
    #[command(flatten)]
    change: Change,
    /// RFC 5280 reason: keyCompromise, affiliationChanged, superseded, cessationOfOperation, privilegeWithdrawn,
    /// cACompromise, unspecified | 吊销原因
    #[arg(long, default_value = "unspecified")]
    reason: String,
}

impl Revoke {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let reason = Reason::from_name(&self.reason)
            .ok_or_else(|| Problem::new(Rule::ReasonUnknown).with("found", &self.reason))?;
        let (store, serial) = self.change.open()?;
        let permit = Permit::of_operator(&operator());
        show(out, serial, status::revoke(&store, &permit, serial, reason).await?);
        Ok(())
    }
}

impl Change {
    pub(super) async fn hold(self, out: &Out) -> Result<(), Stop> {
        let (store, serial) = self.open()?;
        let rules = policies::load(&Config::load(&self.server.config)?.policies)?.status().holds();
        let permit = Permit::of_operator(&operator());
        show(out, serial, status::hold(&store, &permit, serial, rules).await?);
        Ok(())
    }

    pub(super) async fn release(self, out: &Out) -> Result<(), Stop> {
        let (store, serial) = self.open()?;
        let permit = Permit::of_operator(&operator());
        show(out, serial, status::release(&store, &permit, serial).await?);
        Ok(())
    }

    pub(super) fn open(&self) -> Result<(Store, Serial), Stop> {
        let config = Config::load(&self.server.config)?;
        let file = PathBuf::from(&self.certificate);
        let serial = if file.is_file() {
            let der = files::read_certificate(&file)?;
            ca_core::serial_of_certificate(&der).map_err(Failure::inconsistent)?
        } else {
            Serial::from_hex(&self.certificate).map_err(|_| Problem::not_found("certificate"))?
        };
        Ok((Store::open(&config.database).map_err(Failure::Store)?, serial))
    }
}

fn show(out: &Out, serial: Serial, state: CertificateState) {
    let state = state.name();
    if out.json {
        println!("{}", serde_json::json!({ "serial": serial.to_string(), "state": state }));
    } else {
        out.say(
            &format!("证书 {serial} 现在的状态：{state}"),
            &format!("Certificate {serial} is now: {state}"),
        );
    }
}

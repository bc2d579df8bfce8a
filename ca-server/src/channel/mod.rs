//! The ways out of this machine: notices by mail and webhook, and payment gateways. None stores or logs what a
//! message says or to which address it goes; what the other side answers is never repeated, for it may say either.

mod endpoint;
pub(crate) mod gateway;
mod smtp;
mod webhook;

use std::{net::IpAddr, path::Path};

use ca_core::{Contact, NoticeId, NoticeKind, Unit};
use ca_verifier::Time;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use self::{smtp::Mailer, webhook::Webhook};
use crate::{
    config::Notices,
    message::Message,
    problem::{Failure, Problem},
    rule::Rule,
};

/// What the configuration gives.
pub(crate) struct Channels {
    mailer: Option<Mailer>,
    webhook: Option<Webhook>,
}

/// One message on its way.
pub(crate) struct Letter<'a> {
    pub(crate) id: &'a NoticeId,
    pub(crate) kind: NoticeKind,
    /// When it was asked for.
    pub(crate) at: Time,
    /// None: a person who paid.
    pub(crate) unit: Option<&'a Unit>,
    pub(crate) contact: &'a Contact,
    pub(crate) message: &'a Message,
}

impl Channels {
    /// Reads secrets and roots; refuses what would send in the clear past this machine.
    pub(crate) fn open(config: &Notices) -> Result<Self, Failure> {
        if config.timeout_secs == 0 {
            return Err(wrong("notices.timeout_secs", "a second at least is needed"));
        }
        let mailer = config.smtp.as_ref().map(|smtp| Mailer::open(smtp, config.timeout_secs)).transpose()?;
        let webhook = config.webhook.as_ref().map(Webhook::open).transpose()?;
        Ok(Self { mailer, webhook })
    }

    pub(crate) fn has_mail(&self) -> bool {
        self.mailer.is_some()
    }

    /// Whether the webhook takes messages of this kind: those with a secret only when it was said so.
    pub(crate) fn webhook_takes(&self, kind: NoticeKind) -> bool {
        self.webhook.as_ref().is_some_and(|webhook| !kind.is_secret() || webhook.takes_secrets())
    }

    pub(crate) async fn mail(&self, letter: &Letter<'_>) -> Result<(), Problem> {
        self.mailer.as_ref().ok_or_else(|| unconfigured("[notices.smtp]"))?.send(letter).await
    }

    pub(crate) async fn post(&self, letter: &Letter<'_>) -> Result<(), Problem> {
        let webhook = self.webhook.as_ref().filter(|_| self.webhook_takes(letter.kind));
        webhook.ok_or_else(|| unconfigured("[notices.webhook]"))?.send(letter).await
    }
}

fn unconfigured(section: &str) -> Problem {
    Problem::new(Rule::NoticeUnconfigured).with("detail", section)
}

/// The other side cannot be reached or did not take it; tried again.
fn unreachable(detail: impl std::fmt::Display) -> Problem {
    Problem::new(Rule::NoticeUnreachable).with("detail", detail)
}

/// A value of the configuration that cannot be used.
fn wrong(key: &str, detail: impl std::fmt::Display) -> Failure {
    Failure::Refused(format!("配置 {key} 不能使用。\nThe configuration's {key} cannot be used: {detail}"))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom to trust: the file's certificates, or else the machine's own list.
fn roots(file: Option<&Path>, key: &str) -> Result<RootCertStore, Failure> {
    let certificates: Vec<CertificateDer<'static>> = match file {
        Some(file) => {
            let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(key, error))?;
            certificates.collect::<Result<_, _>>().map_err(|error| wrong(key, error))?
        }
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 { Err(wrong(key, "it holds no certificate")) } else { Ok(roots) }
}

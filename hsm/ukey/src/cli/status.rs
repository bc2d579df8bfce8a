//! `ukey status`: what is on the tokens, and how each certificate stands now; no PIN is needed.

use std::{cell::RefCell, path::PathBuf};

use ca_verifier::Time;
use clap::Args;
use hsm::Module;
use rustls_pki_types::CertificateDer;
use ukey::{
    Error, certificate,
    standing::{Known, Question, Unknown},
    tls,
};

use super::RootArguments;
use crate::report::{CertificateView, TokenView, Voice};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// 只看这个 U-key（标签或序列号） / Only this token (label or serial number)
    #[arg(long, value_name = "NAME")]
    token: Option<String>,
    #[command(flatten)]
    root: RootArguments,
    /// 签发证书的 CA 证书（PEM）；不给则按证书所写地址下载 / The issuing CA's certificate (PEM); fetched when not given
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// 不联网查询状态 / Do not ask the CA how the certificates stand
    #[arg(long)]
    offline: bool,
}

pub(super) fn run(module: &Module, arguments: &Arguments, voice: &Voice) -> Result<(), Error> {
    let now = super::now();
    let asker = Asker {
        anchors: arguments.root.known()?,
        issuers: arguments.chain.as_deref().map(tls::read_pem).transpose()?.unwrap_or_default(),
        offline: arguments.offline,
        now: Time::from_secs(now),
        silent: RefCell::default(),
        runtime: super::runtime()?,
    };
    let chosen = arguments.token.as_deref().map(|name| module.token_named(name)).transpose()?;
    let mut views = Vec::new();
    for info in module.tokens()? {
        // SoftHSM's ever-present blank token is no U-key.
        let wanted = chosen.as_ref().is_none_or(|token| *token.serial() == info.serial);
        if info.serial.as_str().is_empty() || !wanted {
            continue;
        }
        let objects = if info.initialised { module.token(&info.serial)?.certificates()? } else { Vec::new() };
        let read = objects.iter().filter_map(|object| {
            let fields = certificate::read(&object.der)?;
            let standing = asker.ask(&object.der, &fields);
            Some(CertificateView { fields, standing })
        });
        views.push(TokenView { info, certificates: read.collect() });
    }
    voice.status(&views, now);
    Ok(())
}

struct Asker {
    anchors: Vec<CertificateDer<'static>>,
    issuers: Vec<CertificateDer<'static>>,
    offline: bool,
    now: Time,
    /// Addresses at which nobody answered: a token may hold many certificates, and each would be waited for.
    silent: RefCell<Vec<String>>,
    runtime: tokio::runtime::Runtime,
}

impl Asker {
    fn ask(&self, der: &[u8], fields: &certificate::Fields) -> Result<Known, Unknown> {
        if self.offline {
            return Err(Unknown::Offline);
        }
        let Self { anchors, issuers, now, silent, .. } = self;
        let mut addresses = [&fields.ocsp_url, &fields.issuer_url].into_iter().flatten();
        if let Some(url) = addresses.find(|url| silent.borrow().contains(url)) {
            let detail = "no answer a moment ago".to_owned();
            return Err(Unknown::Silent(Error::Unreachable { url: url.clone(), detail }));
        }
        let known = self.runtime.block_on(Question { der, fields, anchors, issuers, now: *now }.ask());
        if let Err(Unknown::Silent(Error::Unreachable { url, .. })) = &known {
            silent.borrow_mut().push(url.clone());
        }
        known
    }
}

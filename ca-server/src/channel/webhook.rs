//! The webhook: one signed POST a message, for a program of the operator's own, such as a gateway for short messages.
//! 2xx means that it was taken. The answer's body is not read.

use std::sync::Arc;

use http_body_util::Full;
use hyper::{
    Request, Uri,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use ring::hmac;
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::{Letter, is_loopback, roots, unreachable, wrong};
use crate::{
    config::WebhookConfig,
    files,
    problem::{Failure, Problem},
    wire,
};

const KEY: &str = "notices.webhook";
/// Of the secret: fewer could be guessed.
const SECRET_OCTETS_MIN: usize = 16;

/// Posts messages.
pub(super) struct Webhook {
    url: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    key: hmac::Key,
    takes_secrets: bool,
}

impl Webhook {
    pub(super) fn open(config: &WebhookConfig) -> Result<Self, Failure> {
        let url: Uri = config.url.parse().map_err(|error| wrong("notices.webhook.url", error))?;
        let host = url.host().ok_or_else(|| wrong("notices.webhook.url", "it names no host"))?.to_owned();
        let (tls, port) = match url.scheme_str() {
            Some("https") => (Some(connector(config, &host)?), 443),
            Some("http") if is_loopback(&host) => (None, 80),
            _ => return Err(wrong("notices.webhook.url", "https is needed; http is for this machine only")),
        };
        let secret = files::read_secret(&config.secret_file)?;
        if secret.len() < SECRET_OCTETS_MIN {
            let detail = format!("at least {SECRET_OCTETS_MIN} characters are needed");
            return Err(wrong("notices.webhook.secret_file", detail));
        }
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_u16().unwrap_or(port),
            url,
            tls,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            takes_secrets: config.activation_code,
        })
    }

    pub(super) fn takes_secrets(&self) -> bool {
        self.takes_secrets
    }

    pub(super) async fn send(&self, letter: &Letter<'_>) -> Result<(), Problem> {
        let body = body(letter);
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, authority)
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("qianyin/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", letter.id.as_str())
            .header("Qianyin-Signature", self.signature(wire::now().secs(), &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::inconsistent)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(unreachable)?;
                exchange(stream, request).await
            }
            None => exchange(stream, request).await,
        }
    }

    /// Over the time, too, so that a copied request is old.
    fn signature(&self, at: i64, body: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{at}.{body}").as_bytes());
        format!("t={at},v1={}", hex::encode(tag))
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(), Problem> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await;
    driver.abort();
    let status = answer.map_err(unreachable)?.status();
    if status.is_success() { Ok(()) } else { Err(unreachable(format!("HTTP {}", status.as_u16()))) }
}

fn body(letter: &Letter<'_>) -> String {
    let text = |text: &crate::message::Text| json!({ "subject": text.subject, "body": text.body });
    json!({
        "id": letter.id.as_str(),
        "kind": letter.kind.name(),
        "at": letter.at.to_string(),
        "recipient": {
            "uscc": letter.unit.code.to_string(),
            "name": letter.unit.name.as_str(),
            "phone": letter.contact.phone.as_ref().map(ca_core::Phone::reveal),
        },
        "zh": text(&letter.message.zh),
        "en": text(&letter.message.en),
    })
    .to_string()
}

fn connector(config: &WebhookConfig, host: &str) -> Result<(TlsConnector, ServerName<'static>), Failure> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare).map_err(|error| wrong("notices.webhook.url", error))?;
    let roots = roots(config.ca_file.as_deref(), "notices.webhook.ca_file")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(KEY, error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(client)), name))
}

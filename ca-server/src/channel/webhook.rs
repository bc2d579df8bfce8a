//! The webhook: one signed POST a message, for a program of the operator's own, such as a gateway for short messages.
//! 2xx means that it was taken. The answer's body is not read.

use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use ring::hmac;
use serde_json::json;

use super::{Letter, endpoint::Endpoint, unreachable, wrong};
use crate::{
    config::WebhookConfig,
    files,
    problem::{Failure, Problem},
    wire,
};

/// Of the secret: fewer could be guessed.
const SECRET_OCTETS_MIN: usize = 16;

/// Posts messages.
pub(super) struct Webhook {
    endpoint: Endpoint,
    key: hmac::Key,
    takes_secrets: bool,
}

impl Webhook {
    pub(super) fn open(config: &WebhookConfig) -> Result<Self, Failure> {
        let endpoint = Endpoint::open(&config.url, config.ca_file.as_deref(), "notices.webhook")?;
        let secret = files::read_secret(&config.secret_file)?;
        if secret.len() < SECRET_OCTETS_MIN {
            let detail = format!("at least {SECRET_OCTETS_MIN} characters are needed");
            return Err(wrong("notices.webhook.secret_file", detail));
        }
        Ok(Self {
            endpoint,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            takes_secrets: config.activation_code,
        })
    }

    pub(super) fn takes_secrets(&self) -> bool {
        self.takes_secrets
    }

    pub(super) async fn send(&self, letter: &Letter<'_>) -> Result<(), Problem> {
        let body = body(letter);
        let request = Request::post(self.endpoint.path())
            .header(HOST, self.endpoint.authority())
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("qianyin/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", letter.id.as_str())
            .header("Qianyin-Signature", self.signature(wire::now().secs(), &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(Failure::inconsistent)?;
        let answer = self.endpoint.send(request).await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(unreachable(format!("HTTP {}", status.as_u16()))) }
    }

    /// Over the time, too, so that a copied request is old.
    fn signature(&self, at: i64, body: &str) -> String {
        let tag = hmac::sign(&self.key, format!("{at}.{body}").as_bytes());
        format!("t={at},v1={}", hex::encode(tag))
    }
}

fn body(letter: &Letter<'_>) -> String {
    let text = |text: &crate::message::Text| json!({ "subject": text.subject, "body": text.body });
    json!({
        "id": letter.id.as_str(),
        "kind": letter.kind.name(),
        "at": letter.at.to_string(),
        "recipient": {
            "uscc": letter.unit.map(|unit| unit.code.to_string()),
            "name": letter.unit.map(|unit| unit.name.as_str()),
            "phone": letter.contact.phone.as_ref().map(ca_core::Phone::reveal),
        },
        "zh": text(&letter.message.zh),
        "en": text(&letter.message.en),
    })
    .to_string()
}

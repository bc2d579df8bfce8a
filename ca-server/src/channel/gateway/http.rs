//! A gateway over HTTP: one signed POST an operation, one signed answer.

use std::time::Duration;

use ca_core::{AuthenticBody, Fen, GatewayKey, GatewayNotice, MerchantKey, SIGNATURE_HEADER};
use ca_verifier::Time;
use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use serde_json::{Value, json};

use super::{
    Closing, Gateway, NewOnlinePayment, Outcome, PayLink, RefundStanding, SignedNotice, answer::Asked, key,
};
use crate::{
    channel::endpoint::Endpoint,
    config::GatewayConfig,
    problem::{Failure, Problem},
    wire,
};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_OCTETS_MAX: usize = 64 * 1024;
const CURRENCY: &str = "CNY";
/// The gateway's words for what it never heard of.
const UNKNOWN_ORDER: &str = "unknown-order";
const UNKNOWN_REFUND: &str = "unknown-refund";

/// A gateway that is reached over HTTP.
pub(crate) struct HttpGateway {
    name: String,
    merchant: String,
    endpoint: Endpoint,
    theirs: GatewayKey,
    ours: MerchantKey,
    timeout: Duration,
}

struct Answer {
    status: hyper::StatusCode,
    signature: String,
    body: Bytes,
}

impl HttpGateway {
    /// Reads keys and roots; refuses what cannot be used.
    pub(crate) fn open(config: &GatewayConfig) -> Result<Self, Failure> {
        let section = format!("gateway.{}", config.name);
        let endpoint = Endpoint::open(&config.url, config.ca_file.as_deref(), &section)?;
        let (theirs, ours) = key::read(config)?;
        let (name, merchant) = (config.name.clone(), config.merchant.clone());
        Ok(Self { name, merchant, endpoint, theirs, ours, timeout: TIMEOUT })
    }

    #[cfg(test)]
    pub(super) fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Asks, and reads what is the gateway's answer to this request: `sure` from 2xx, its refusal from 4xx.
    async fn ask<T>(
        &self,
        operation: &'static str,
        order: &str,
        more: Value,
        sure: impl FnOnce(&Asked<'_>, AuthenticBody<'_>) -> Option<T>,
    ) -> Outcome<T> {
        let unknown = |why: String| Outcome::Unknown { why };
        let request = match wire::random::<16>() {
            Ok(random) => hex::encode(random),
            Err(failure) => return unknown(failure.to_string()),
        };
        let asked = Asked { operation, request: &request, merchant: &self.merchant, order };
        let answer = match self.exchange(&asked, more).await {
            Ok(answer) => answer,
            Err(why) => return unknown(why),
        };
        let body = match self.theirs.verify(&answer.signature, &answer.body, wire::now()) {
            Ok(body) => body,
            Err(refusal) => return unknown(refusal.to_string()),
        };
        let outcome = if answer.status.is_success() {
            sure(&asked, body).map(Outcome::Sure)
        } else if answer.status.is_client_error() {
            asked.refused(body).map(|code| Outcome::Refused { code })
        } else {
            None
        };
        let status = answer.status.as_u16();
        outcome.unwrap_or_else(|| unknown(format!("HTTP {status}, not an answer to this request")))
    }

    async fn exchange(&self, asked: &Asked<'_>, mut more: Value) -> Result<Answer, String> {
        for (name, value) in [
            ("operation", asked.operation),
            ("request", asked.request),
            ("merchant", asked.merchant),
            ("order", asked.order),
        ] {
            more[name] = value.into();
        }
        let body = more.to_string();
        let path = format!("{}/{}", self.endpoint.path().trim_end_matches('/'), asked.operation);
        let request = Request::post(path)
            .header(HOST, self.endpoint.authority())
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("qianyin/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, self.ours.sign(body.as_bytes(), wire::now()))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.endpoint.send(request).await.map_err(|error| error.to_string())?;
            let status = answer.status();
            let signature = answer.header(SIGNATURE_HEADER).map(str::to_owned);
            let signature = signature.ok_or_else(|| format!("HTTP {}, not signed", status.as_u16()))?;
            let body = answer.body(ANSWER_OCTETS_MAX).await;
            let body = body.ok_or_else(|| format!("HTTP {}, broken off or too large", status.as_u16()))?;
            Ok(Answer { status, signature, body })
        };
        let timed = tokio::time::timeout(self.timeout, exchange).await;
        timed.map_err(|_| format!("no answer within {} s", self.timeout.as_secs()))?
    }
}

impl Gateway for HttpGateway {
    fn name(&self) -> &str {
        &self.name
    }

    fn merchant(&self) -> &str {
        &self.merchant
    }

    fn read(&self, notice: &SignedNotice, now: Time) -> Result<GatewayNotice, Problem> {
        Ok(GatewayNotice::parse(self.theirs.verify(&notice.signature, &notice.body, now)?)?)
    }

    async fn create(&self, new: &NewOnlinePayment) -> Outcome<PayLink> {
        let more = json!({
            "amount": new.amount.get(),
            "currency": CURRENCY,
            "nonce": new.nonce,
            "description": new.description,
            "notify_url": new.notify_url,
            "return_url": new.return_url,
            "expires_at": new.expires_at.to_string(),
        });
        self.ask("create", &new.order, more, |asked, body| asked.created(&new.nonce, body)).await
    }

    async fn query(&self, order: &str) -> Outcome<Option<SignedNotice>> {
        let unknown = |why| Outcome::Unknown { why };
        let request = match wire::random::<16>() {
            Ok(random) => hex::encode(random),
            Err(failure) => return unknown(failure.to_string()),
        };
        let asked = Asked { operation: "query", request: &request, merchant: &self.merchant, order };
        let Answer { status, signature, body } = match self.exchange(&asked, json!({})).await {
            Ok(answer) => answer,
            Err(why) => return unknown(why),
        };
        if status.is_success() {
            // Read by the caller, as a callback is.
            return Outcome::Sure(Some(SignedNotice { body: body.to_vec(), signature }));
        }
        let said = self.theirs.verify(&signature, &body, wire::now());
        let code = said.ok().filter(|_| status.is_client_error()).and_then(|body| asked.refused(body));
        match code {
            Some(code) if code == UNKNOWN_ORDER => Outcome::Sure(None),
            Some(code) => Outcome::Refused { code },
            None => unknown(format!("HTTP {}, not an answer to this request", status.as_u16())),
        }
    }

    async fn close(&self, order: &str) -> Outcome<Closing> {
        self.ask("close", order, json!({}), |asked, body| asked.closed(body)).await
    }

    async fn refund(&self, order: &str, refund: &str, amount: Fen) -> Outcome<RefundStanding> {
        let fen = amount.get();
        let more = json!({ "refund": refund, "amount": fen });
        self.ask("refund", order, more, |asked, body| asked.refunded(refund, fen, body)).await
    }

    async fn query_refund(&self, order: &str, refund: &str, amount: Fen) -> Outcome<Option<RefundStanding>> {
        let (fen, more) = (amount.get(), json!({ "refund": refund }));
        match self.ask("query-refund", order, more, |asked, body| asked.refunded(refund, fen, body)).await {
            Outcome::Sure(standing) => Outcome::Sure(Some(standing)),
            Outcome::Refused { code } if code == UNKNOWN_REFUND => Outcome::Sure(None),
            Outcome::Refused { code } => Outcome::Refused { code },
            Outcome::Unknown { why } => Outcome::Unknown { why },
        }
    }
}

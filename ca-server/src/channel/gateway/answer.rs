//! What a gateway answers, beside notices: JSON objects that name what was asked, so that no answer serves another
//! request.

use ca_core::AuthenticBody;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Closing, PayLink, RefundStanding};
use crate::channel::is_loopback;

const URL_MAX: usize = 2_048;
const CODE_MAX: usize = 64;

/// What was asked: an answer repeats it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) operation: &'static str,
    /// Random, of this one request.
    pub(super) request: &'a str,
    pub(super) merchant: &'a str,
    pub(super) order: &'a str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    operation: String,
    request: String,
    merchant: String,
    order: String,
    refused: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Created {
    operation: String,
    request: String,
    merchant: String,
    order: String,
    nonce: String,
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Closed {
    operation: String,
    request: String,
    merchant: String,
    order: String,
    state: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refunded {
    operation: String,
    request: String,
    merchant: String,
    order: String,
    refund: String,
    amount: i64,
    state: String,
}

impl Asked<'_> {
    fn is(&self, operation: &str, request: &str, merchant: &str, order: &str) -> bool {
        (operation, request, merchant, order) == (self.operation, self.request, self.merchant, self.order)
    }

    /// The gateway's word for why not.
    pub(super) fn refused(&self, body: AuthenticBody<'_>) -> Option<String> {
        let said: Refusal = object(body)?;
        let formed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let code = (1..=CODE_MAX).contains(&said.refused.len()) && said.refused.bytes().all(formed);
        let mine = self.is(&said.operation, &said.request, &said.merchant, &said.order);
        (code && mine).then_some(said.refused)
    }

    /// Where the payer pays.
    pub(super) fn created(&self, nonce: &str, body: AuthenticBody<'_>) -> Option<PayLink> {
        let said: Created = object(body)?;
        let mine =
            self.is(&said.operation, &said.request, &said.merchant, &said.order) && said.nonce == nonce;
        (mine && is_page(&said.url)).then_some(PayLink { url: said.url })
    }

    pub(super) fn closed(&self, body: AuthenticBody<'_>) -> Option<Closing> {
        let said: Closed = object(body)?;
        let mine = self.is(&said.operation, &said.request, &said.merchant, &said.order);
        match said.state.as_str() {
            "closed" if mine => Some(Closing::Closed),
            "paid" if mine => Some(Closing::Paid),
            _ => None,
        }
    }

    pub(super) fn refunded(
        &self,
        refund: &str,
        amount: i64,
        body: AuthenticBody<'_>,
    ) -> Option<RefundStanding> {
        let said: Refunded = object(body)?;
        let mine = self.is(&said.operation, &said.request, &said.merchant, &said.order)
            && said.refund == refund
            && said.amount == amount;
        match said.state.as_str() {
            "accepted" if mine => Some(RefundStanding::Accepted),
            "done" if mine => Some(RefundStanding::Done),
            "failed" if mine => Some(RefundStanding::Failed),
            _ => None,
        }
    }
}

/// An object, and not an array of its values, which a derived reader takes, too.
fn object<T: DeserializeOwned>(body: AuthenticBody<'_>) -> Option<T> {
    let octets = body.octets();
    octets.iter().find(|octet| !octet.is_ascii_whitespace()).filter(|octet| **octet == b'{')?;
    serde_json::from_slice(octets).ok()
}

/// Only what a browser may be sent to.
fn is_page(url: &str) -> bool {
    if url.len() > URL_MAX || !url.bytes().all(|c| c.is_ascii_graphic()) {
        return false;
    }
    let Ok(url) = url.parse::<hyper::Uri>() else { return false };
    match (url.scheme_str(), url.host()) {
        (Some("https"), Some(host)) => !host.is_empty(),
        (Some("http"), Some(host)) => is_loopback(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_to_pages_only() {
        for good in [
            "https://pay.example.org/p/1?x=y",
            "http://127.0.0.1:8080/pay/1",
            "http://localhost/",
            "http://[::1]:1/",
        ] {
            assert!(is_page(good), "{good}");
        }
        let long = format!("https://pay.example.org/{}", "x".repeat(URL_MAX));
        for bad in [
            "",
            "javascript:alert(1)",
            "http://pay.example.org/",
            "//pay.example.org/",
            "/pay/1",
            "ftp://localhost/",
            "https://",
            "https://pay.example.org/a b",
            "https://pay.example.org/\n",
            long.as_str(),
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}

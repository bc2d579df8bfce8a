//! Payment gateways: what is asked of one, and how its word is read. The protocol is in `docs/gateway.md`.
//!
//! A callback and the answer of a query are the same kind of thing, a [`SignedNotice`], and go through
//! [`Gateway::read`]. Whether an operation took place is an [`Outcome`]: what is not known is not a failure, and is asked
//! again under the same identifier.

mod answer;
mod http;
mod key;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use ca_core::{Fen, GatewayNotice, Mismatch, NoticeForm, SignatureRefusal};
use ca_verifier::Time;

pub(crate) use self::http::HttpGateway;
use crate::{
    config::GatewayConfig,
    problem::{Failure, Problem},
    rule::Rule,
};

/// What came of an operation at a gateway.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    /// The gateway says so, with its signature, in answer to this request.
    Sure(T),
    /// The gateway says no, with its signature, in answer to this request: nothing was done.
    Refused {
        /// The gateway's own word for why: `[a-z0-9-]{1,64}`.
        code: String,
    },
    /// Anything else: no connection, no answer in time, an answer that is not the gateway's. It may have been done; ask
    /// again with the same identifiers.
    Unknown {
        /// For the trace; nothing that the other side said.
        why: String,
    },
}

/// An online payment that a gateway is to open.
#[derive(Clone, Debug)]
pub(crate) struct NewOnlinePayment {
    /// Our identifier; the same again gives the same page.
    pub(crate) order: String,
    pub(crate) amount: Fen,
    /// Random; comes back in every notice.
    pub(crate) nonce: String,
    /// What the payer reads.
    pub(crate) description: String,
    /// Where notices go.
    pub(crate) notify_url: String,
    /// Where the payer goes afterwards.
    pub(crate) return_url: String,
    /// When nobody can pay any more.
    pub(crate) expires_at: Time,
}

/// Where the payer pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PayLink {
    /// `https://…`, or `http://…` on this machine.
    pub(crate) url: String,
}

/// A notice as it came, by callback or as the answer of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SignedNotice {
    /// The octets exactly as received.
    pub(crate) body: Vec<u8>,
    /// The value of `Qianyin-Gateway-Signature`.
    pub(crate) signature: String,
}

/// What became of closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Nobody can pay it any more.
    Closed,
    /// It was paid before: query it.
    Paid,
}

/// How a refund stands at the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundStanding {
    /// Taken on; the money is on its way.
    Accepted,
    /// The payer has it.
    Done,
    /// The money could not be given back; nothing was.
    Failed,
}

/// A payment gateway.
pub(crate) trait Gateway: Send + Sync {
    /// Our name for it.
    fn name(&self) -> &str;

    /// Its number for us.
    fn merchant(&self) -> &str;

    /// Checks signature and form. What it says is compared by [`GatewayNotice::check`].
    fn read(&self, notice: &SignedNotice, now: Time) -> Result<GatewayNotice, Problem>;

    /// Opens an online payment.
    fn create(&self, new: &NewOnlinePayment) -> impl Future<Output = Outcome<PayLink>> + Send;

    /// Asks how it stands, for when no callback comes. `None`: the gateway never heard of it.
    fn query(&self, order: &str) -> impl Future<Output = Outcome<Option<SignedNotice>>> + Send;

    /// Lets nobody pay it any more.
    fn close(&self, order: &str) -> impl Future<Output = Outcome<Closing>> + Send;

    /// Gives money back. The same refund again is the same refund.
    #[cfg_attr(not(test), expect(dead_code, reason = "refunds are paid out by hand so far"))]
    fn refund(
        &self,
        order: &str,
        refund: &str,
        amount: Fen,
    ) -> impl Future<Output = Outcome<RefundStanding>> + Send;

    /// Asks how a refund stands. `None`: the gateway never heard of it.
    #[cfg_attr(not(test), expect(dead_code, reason = "refunds are paid out by hand so far"))]
    fn query_refund(
        &self,
        order: &str,
        refund: &str,
        amount: Fen,
    ) -> impl Future<Output = Outcome<Option<RefundStanding>>> + Send;
}

/// Every gateway of the configuration, by our name for it.
pub(crate) struct Gateways(BTreeMap<String, HttpGateway>);

impl Gateways {
    /// Reads keys and roots; refuses what cannot be used.
    pub(crate) fn open(configs: &[GatewayConfig]) -> Result<Self, Failure> {
        let open = |config: &GatewayConfig| Ok((config.name.clone(), HttpGateway::open(config)?));
        configs.iter().map(open).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(crate) fn named(&self, name: &str) -> Result<&HttpGateway, Problem> {
        self.0.get(name).ok_or_else(|| Problem::new(Rule::GatewayUnknown).with("gateway", name))
    }
}

impl From<SignatureRefusal> for Problem {
    fn from(refusal: SignatureRefusal) -> Self {
        Self::new(Rule::GatewaySignature).with("rule", refusal.rule()).with("detail", refusal)
    }
}

impl From<NoticeForm> for Problem {
    fn from(refusal: NoticeForm) -> Self {
        Self::new(Rule::GatewayNotice).with("detail", refusal)
    }
}

impl From<Mismatch> for Problem {
    fn from(mismatch: Mismatch) -> Self {
        Self::new(Rule::GatewayMismatch).with("field", mismatch.field()).with("detail", mismatch)
    }
}

//! The use cases: the only place where core, store and tokens meet. One file a step of the path (ARCHITECTURE.md).
//!
//! A use case asks for a [`Permit`](crate::permit::Permit), decides with ca-core, and changes state and log in one
//! transaction. What a rule refuses is logged too, by [`App::audited`].

mod account;
mod adjustment;
mod apply;
pub(crate) mod appointment;
mod bank;
mod bank_line;
pub(crate) mod batch;
mod bill;
mod chargeback;
mod claim;
pub(crate) mod clock;
mod collect;
mod contact;
mod crl;
mod decide;
mod deliver;
mod enroll;
pub(crate) mod erase;
mod gate;
mod hold;
mod invoice;
mod issue;
mod key_revocation;
mod leftover;
mod line;
mod notice;
mod ocsp;
mod online;
mod pay;
mod person;
mod personalise;
pub(crate) mod presence;
mod push;
mod receipt;
mod recover;
mod reenroll;
pub(crate) mod register;
mod renew;
pub(crate) mod renewal_order;
pub(crate) mod report;
mod report_loss;
pub(crate) mod revocation_list;
pub(crate) mod root_crl;
pub(crate) mod shift;
pub(crate) mod standing;
pub(crate) mod status;
mod status_feed;
pub(crate) mod stock;
mod token_pin;
mod training;
pub(crate) mod unit_change;
pub(crate) mod unit_event;
pub(crate) mod unit_fate;
mod unlock;

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, OnceLock, atomic::AtomicI64},
    time::Instant,
};

use ca_core::{Action, Actor, AuditEntry, Policies, RevocationKey, Vault, personal};
use ca_store::{Store, WriteSite};
use ca_verifier::{Serial, Time};
use tokio::sync::Semaphore;

pub(crate) use self::{
    account::{LogIn, NewPassword, Opened},
    adjustment::{NewAdjustment, PayOut},
    apply::NewApplication,
    bank::{ImportedLine, LineOutcome, counts},
    chargeback::{NewChargeback, NewSettlement, bought},
    claim::Claim,
    collect::Collection,
    contact::ContactForm,
    crl::{Published, PublishedCrl},
    deliver::Activation,
    enroll::NewUnit,
    invoice::{INVOICE_FILE_MAX, NewInvoice, invoice_erased, to_red_letter},
    issue::IssueOrder,
    key_revocation::{KeyRevocation, Named},
    line::{LineView, NewLine},
    notice::Addressee,
    ocsp::{Responding, SignedAnswer},
    pay::{Due, NewPayment},
    person::{AgentSearch, NewAgent, NewCard, Revealed, Seen},
    personalise::Exchange,
    presence::Presence,
    push::StatusStream,
    receipt::{ReceiptState, ReceiptStatus},
    reenroll::Reenrolled,
    renew::Renewal,
    report_loss::{LossReport, Reported},
    standing::{CertificateReport, NewStatusQuestion, StatusQuestion, StatusReport},
    status_feed::StatusFeed,
    training::{Decision, NewResult, NewSession, NewTraining},
    unit_event::NewUnitEvent,
};
use crate::{
    ca::Ca,
    channel::{Channels, gateway::Gateways},
    config::Config,
    problem::Problem,
    receipt::ReceiptFont,
    rule::Rule,
    turnstile::Turnstile,
    wire,
};

/// Passwords hashed at once.
const HASHING: usize = 2;
/// How often a write is tried that somebody else was faster at.
const TRIES: usize = 5;

/// Everything a use case needs.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) policies: Policies,
    pub(crate) ca: Ca,
    pub(crate) channels: Channels,
    pub(crate) gateways: Gateways,
    /// Seals and opens personal data.
    pub(crate) vault: Arc<Vault>,
    /// Computes the challenges of whoever revokes with the key.
    pub(crate) revocation_key: RevocationKey,
    /// How often strangers may ask.
    pub(crate) turnstile: Turnstile,
    /// The CRLs that are being served; a certificate is not written to a token before its hold stands in its shard's.
    pub(crate) published: Published,
    /// OCSP.
    pub(crate) responding: Responding,
    /// What moved.
    pub(crate) feed: StatusFeed,
    /// Status by push.
    pub(crate) stream: StatusStream,
    /// Read when the first receipt is asked for.
    receipt_font: OnceLock<ReceiptFont>,
    /// Turns for passwords to be hashed.
    hashing: Semaphore,
    /// Since when the served CRL lists a certificate that waits to be written to its token.
    listed: Mutex<HashMap<Serial, Instant>>,
    /// Which workstations are there.
    pub(crate) presences: presence::Presences,
    /// The latest time that an intent carries, in milliseconds: the clock may not fall behind it (I5).
    latest_intent: AtomicI64,
}

impl App {
    pub(crate) fn new(
        config: Config,
        store: Store,
        policies: Policies,
        ca: Ca,
        (channels, gateways): (Channels, Gateways),
        (vault, revocation_key): (Arc<Vault>, RevocationKey),
        epoch: i64,
    ) -> Self {
        let responding = Responding::new(epoch, config.ocsp.cached, config.ocsp.signers);
        Self {
            config,
            store,
            policies,
            ca,
            channels,
            gateways,
            vault,
            revocation_key,
            turnstile: Turnstile::default(),
            published: Published::default(),
            responding,
            feed: StatusFeed::new(epoch),
            stream: StatusStream::new(epoch),
            receipt_font: OnceLock::new(),
            hashing: Semaphore::new(HASHING),
            listed: Mutex::default(),
            presences: presence::Presences::default(),
            latest_intent: AtomicI64::new(0),
        }
    }

    /// See [`audited`].
    pub(crate) async fn audited<T>(
        &self,
        about: About<'_>,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        audited(&self.store, about, work).await
    }
}

/// Runs a use case and, when a rule refuses, writes the refusal to the log. Nothing else was changed then.
pub(crate) async fn audited<T>(
    store: &Store,
    about: About<'_>,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let problem = match work.await {
        Ok(value) => return Ok(value),
        Err(problem) => problem,
    };
    if problem.rule.status() < 500 {
        note_refusal(store, about, &problem).await?;
    }
    Err(problem)
}

/// What a rule refused, in the log.
async fn note_refusal(store: &Store, about: About<'_>, problem: &Problem) -> Result<(), Problem> {
    // The log forgets nothing: a number that somebody typed into the wrong field must not get there.
    let id = personal::masked_id_cards(about.id);
    let mut entry = AuditEntry::done(wire::now(), about.actor, about.action, about.object, id)
        .refused(problem.rule.name());
    for (name, value) in problem.facts() {
        entry = entry.with(name, personal::masked_id_cards(value));
    }
    store.write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from)).await
}

/// Tries again when somebody else was faster: the next look shows what is left to do.
async fn again<T, W>(mut work: impl FnMut() -> W) -> Result<T, Problem>
where
    W: Future<Output = Result<T, Problem>>,
{
    let mut tries = 1;
    loop {
        match work().await {
            Err(problem) if is_race(problem.rule) && tries < TRIES => tries += 1,
            done => return done,
        }
    }
}

fn is_race(rule: Rule) -> bool {
    matches!(rule, Rule::Stale | Rule::PaidAlready | Rule::Duplicate)
}

/// What a person wrote: not empty, not too long, on several lines if need be, and without other control characters.
fn free_text(field: &'static str, text: String, most: usize) -> Result<String, Problem> {
    let hidden = |c: char| c.is_control() && c != '\n';
    if text.trim().is_empty() || text.chars().count() > most || text.chars().any(hidden) {
        let detail = format!("1 to {most} characters are needed, and no control characters");
        return Err(Problem::field(field, detail));
    }
    if personal::has_id_card(&text) {
        let detail = "an identity card number must not stand here; name the agent by our identifier";
        return Err(Problem::field(field, detail));
    }
    Ok(text)
}

/// What a use case is about, for the log.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) action: Action,
    pub(crate) object: &'static str,
    pub(crate) id: &'a str,
}

/// A thing made by a request that carries an idempotency key: made now, or made before by the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made<T> {
    /// Made now.
    Now(T),
    /// Made by an earlier sending of this request.
    Before(T),
}

/// The key that makes a repeated request harmless, and the digest of what was asked with it.
#[derive(Clone, Debug)]
pub(crate) struct Once {
    pub(crate) key: String,
    pub(crate) request_sha256: [u8; 32],
}

/// Claims the key for `resource` inside the transaction that makes it.
///
/// Gives the earlier resource when the same request was done before.
fn once(
    tx: &mut ca_store::Tx<'_>,
    actor: &Actor,
    once: &Once,
    resource: &str,
    now: Time,
) -> Result<Option<String>, Problem> {
    match tx.claim_idempotency(&actor.to_string(), &once.key, &once.request_sha256, resource, now)? {
        ca_store::Claim::Fresh => Ok(None),
        ca_store::Claim::Replay { resource } => Ok(Some(resource)),
        ca_store::Claim::Mismatch => Err(Problem::new(Rule::IdempotencyKeyReused)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_race_is_tried_again_and_nothing_else_is() {
        for (rule, tries) in [
            (Rule::Stale, TRIES),
            (Rule::PaidAlready, TRIES),
            (Rule::Duplicate, TRIES),
            (Rule::WrongState, 1),
            (Rule::Busy, 1),
        ] {
            let count = Cell::new(0);
            let work = || {
                count.set(count.get() + 1);
                std::future::ready(Err::<(), _>(Problem::new(rule)))
            };
            assert_eq!((again(work).await.unwrap_err().rule, count.get()), (rule, tries));
        }
        let count = Cell::new(0);
        let third = || {
            count.set(count.get() + 1);
            std::future::ready(if count.get() < 3 { Err(Problem::new(Rule::Stale)) } else { Ok(count.get()) })
        };
        assert_eq!(again(third).await.unwrap(), 3);
    }
}

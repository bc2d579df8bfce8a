//! Step 9: OCSP (RFC 6960), signed by the delegated responder from the live status.
//!
//! An answer without nonce is kept for as long as no status moves: it names the epoch that it was made from.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
};

use ca_core::{CertAnswer, CertificateState, OcspAnswer, OcspError, OcspPlan, OcspRequest, ocsp_error};
use ca_store::{CertificateStatus, StatusRecord};
use ca_verifier::{Reason, Time};

use super::{App, crl::ISSUING};
use crate::{
    problem::{Failure, Problem},
    wire,
};

/// Requests kept at most: past that the cache is emptied, so that strangers cannot fill the memory.
const CACHED_MAX: usize = 100_000;

/// One signed answer.
#[derive(Debug)]
pub(crate) struct SignedAnswer {
    pub(crate) der: Vec<u8>,
    /// `None` when it must not be cached: it carries a nonce or is an error.
    pub(crate) fresh: Option<(Time, Time)>,
}

/// Answers by request.
#[derive(Debug)]
pub(crate) struct AnswerCache {
    answers: RwLock<Answers>,
}

/// All of one epoch.
#[derive(Debug)]
struct Answers {
    epoch: i64,
    by_request: HashMap<Vec<u8>, Arc<SignedAnswer>>,
}

impl AnswerCache {
    pub(crate) fn new(epoch: i64) -> Self {
        Self { answers: RwLock::new(Answers { epoch, by_request: HashMap::new() }) }
    }

    /// Everything that was signed before `epoch`.
    pub(crate) fn forget(&self, epoch: i64) {
        if let Ok(mut cached) = self.answers.write() {
            *cached = Answers { epoch, by_request: HashMap::new() };
        }
    }

    /// An answer that was signed after `since`.
    fn get(&self, request: &[u8], since: Time) -> Option<Arc<SignedAnswer>> {
        let cached = self.answers.read().ok()?;
        let answer = cached.by_request.get(request)?;
        (answer.fresh?.0 >= since).then(|| Arc::clone(answer))
    }

    fn put(&self, epoch: i64, request: &[u8], answer: &Arc<SignedAnswer>) {
        let Ok(mut cached) = self.answers.write() else { return };
        if cached.by_request.len() >= CACHED_MAX {
            cached.by_request.clear();
        }
        // What was read before the last change was heard of may be what the change was about.
        if cached.epoch <= epoch {
            cached.by_request.insert(request.to_vec(), Arc::clone(answer));
        }
    }
}

impl App {
    /// The OCSPResponse for a DER request; malformed ones get RFC 6960's error answers, which are not signed.
    pub(crate) async fn answer_ocsp(self: &Arc<Self>, request: &[u8]) -> Arc<SignedAnswer> {
        match self.signed_answer(request).await {
            Ok(answer) => answer,
            Err(error) => Arc::new(SignedAnswer { der: ocsp_error(error), fresh: None }),
        }
    }

    async fn signed_answer(self: &Arc<Self>, der: &[u8]) -> Result<Arc<SignedAnswer>, OcspError> {
        let now = wire::now();
        let since = now.plus_secs(-self.policies.status().ocsp_refresh_secs());
        if let Some(answer) = self.answers.get(der, since) {
            return Ok(answer);
        }
        let request = OcspRequest::read(der).map_err(|refusal| refusal.error())?;
        if request.ids().iter().any(|id| !id.is_of(&self.ca.issuing)) {
            return Err(OcspError::Unauthorized);
        }
        let failed = |error: Problem| {
            tracing::error!(cause = ?error.cause(), "OCSP: {}", error.rule.name());
            OcspError::InternalError
        };
        let (epoch, answers) = self.look_up(&request, now).map_err(failed)?;
        let nonce = request.nonce().map(<[u8]>::to_vec);
        let fresh = nonce.is_none().then_some((now, self.next_update(now)));
        let der_answer = self.sign_answer(answers, nonce, now).await.map_err(failed)?;
        let answer = Arc::new(SignedAnswer { der: der_answer, fresh });
        if answer.fresh.is_some() {
            self.answers.put(epoch, der, &answer);
        }
        Ok(answer)
    }

    fn look_up(&self, request: &OcspRequest, now: Time) -> Result<(i64, Vec<OcspAnswer>), Problem> {
        let this_update = Time::from_secs(now.secs());
        self.store.read(|reader| {
            let mut answers = Vec::new();
            for id in request.ids() {
                let record = reader.status(&id.serial())?.filter(|record| record.issuer == ISSUING);
                answers.push(OcspAnswer {
                    id: id.clone(),
                    status: record.map_or(CertAnswer::Unknown, |record| answer(&record)),
                    this_update,
                    next_update: self.next_update(this_update),
                });
            }
            Ok::<_, Problem>((reader.epoch()?, answers))
        })
    }

    async fn sign_answer(
        self: &Arc<Self>,
        answers: Vec<OcspAnswer>,
        nonce: Option<Vec<u8>>,
        now: Time,
    ) -> Result<Vec<u8>, Problem> {
        let app = Arc::clone(self);
        let work = move || {
            let plan = OcspPlan {
                responder: &app.ca.responder,
                produced_at: Time::from_secs(now.secs()),
                answers: &answers,
                nonce: nonce.as_deref(),
            };
            let signer = app.ca.responder_signer();
            plan.prepare().sign(|tbs| signer.sign(tbs)).map_err(Failure::inconsistent)
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(Failure::inconsistent)??)
    }

    fn next_update(&self, this_update: Time) -> Time {
        // No answer outlives the certificate that vouches for it.
        this_update.plus_secs(self.policies.status().ocsp_lifetime_secs()).min(self.ca.responder.not_after())
    }
}

/// Never "good" for what was burned, not activated or on hold (I6).
fn answer(record: &StatusRecord) -> CertAnswer {
    match record.state {
        CertificateStatus::Burned { at } => CertAnswer::Revoked { at, reason: Reason::Unspecified },
        CertificateStatus::Issued(CertificateState::Good) => CertAnswer::Good,
        CertificateStatus::Issued(CertificateState::Revoked { reason, at }) => {
            CertAnswer::Revoked { at, reason }
        }
        CertificateStatus::Issued(CertificateState::NotActivated) => {
            CertAnswer::NotActivated { since: record.changed_at }
        }
        CertificateStatus::Issued(CertificateState::Held { .. }) => {
            CertAnswer::Held { since: record.changed_at }
        }
    }
}

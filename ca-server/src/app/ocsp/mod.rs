//! Step 9: OCSP (RFC 6960), signed by the delegated responder from the live status.
//!
//! Answers about one certificate without a nonce are kept until it moves or they grow old; the rest is signed on the spot
//! by a bounded share of the machine.

mod ahead;
mod cache;
mod lane;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use ca_core::{
    CertAnswer, CertId, CertificateState, OcspAnswer, OcspError, OcspPlan, OcspRequest, ocsp_error,
};
use ca_store::{CertificateStatus, StatusRecord};
use ca_verifier::{Reason, Time};
use ring::digest::{SHA256, digest};

pub(crate) use self::cache::{AnswerCache, Fresh, SignedAnswer};
use self::{
    ahead::Moved,
    cache::Wish,
    lane::{Lane, Turn},
};
use super::{App, crl::ISSUING};
use crate::{
    problem::{Failure, Problem},
    wire,
};

/// What answers are made with, beside the token.
#[derive(Debug)]
pub(crate) struct Responding {
    pub(crate) cache: AnswerCache,
    /// What is signed anew before anybody asks.
    pub(crate) moved: Moved,
    /// First answers about certificates of ours: as many as there are certificates, then they are cached.
    certificates: Lane,
    /// What anybody can ask for again and again: nonces, serial numbers that we never issued, several in one.
    strangers: Lane,
    pub(crate) counts: Counts,
}

/// What was told, since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) cached: AtomicU64,
    pub(crate) signed: AtomicU64,
    /// `tryLater`.
    pub(crate) busy: AtomicU64,
    /// `internalError`.
    pub(crate) failed: AtomicU64,
    /// `malformedRequest` and `unauthorized`.
    pub(crate) refused: AtomicU64,
}

impl Responding {
    pub(crate) fn new(epoch: i64, cached: usize, signers: usize) -> Self {
        Self {
            cache: AnswerCache::new(epoch, cached),
            moved: Moved::default(),
            certificates: Lane::new(signers),
            strangers: Lane::new(signers),
            counts: Counts::default(),
        }
    }
}

impl Counts {
    fn count(&self, told: &Result<Arc<SignedAnswer>, OcspError>) {
        let which = match told {
            Ok(_) => return,
            Err(OcspError::TryLater) => &self.busy,
            Err(OcspError::InternalError) => &self.failed,
            Err(OcspError::MalformedRequest | OcspError::Unauthorized) => &self.refused,
        };
        which.fetch_add(1, Ordering::Relaxed);
    }
}

impl App {
    /// The OCSPResponse for a DER request. What cannot be answered gets RFC 6960's error answers, which are not signed.
    pub(crate) async fn answer_ocsp(self: &Arc<Self>, request: &[u8]) -> Arc<SignedAnswer> {
        let told = self.signed_answer(request).await;
        self.responding.counts.count(&told);
        told.unwrap_or_else(|error| Arc::new(SignedAnswer { der: ocsp_error(error).into(), fresh: None }))
    }

    async fn signed_answer(self: &Arc<Self>, der: &[u8]) -> Result<Arc<SignedAnswer>, OcspError> {
        let request = OcspRequest::read(der).map_err(|refusal| refusal.error())?;
        if request.ids().iter().any(|id| !id.is_of(&self.ca.issuing)) {
            return Err(OcspError::Unauthorized);
        }
        match (request.ids(), request.nonce()) {
            ([id], None) => self.answer_about(id).await,
            (ids, nonce) => self.answer_on_the_spot(ids, nonce).await,
        }
    }

    /// About one certificate, for everybody who asks.
    async fn answer_about(self: &Arc<Self>, id: &CertId) -> Result<Arc<SignedAnswer>, OcspError> {
        let key = (id.form(), id.serial());
        let cached = || {
            let since = wire::now().plus_secs(-self.policies.status().ocsp_refresh_secs());
            let found = self.responding.cache.get(&key, since);
            if found.is_some() {
                self.responding.counts.cached.fetch_add(1, Ordering::Relaxed);
            }
            found
        };
        if let Some(answer) = cached() {
            return Ok(answer);
        }
        let ids = std::slice::from_ref(id);
        let (_, answers) = self.look_up(ids, wire::now()).map_err(failed)?;
        if answers.iter().any(|answer| answer.status == CertAnswer::Unknown) {
            return self.answer_on_the_spot(ids, None).await;
        }
        let turn = self.responding.certificates.enter().await.ok_or(OcspError::TryLater)?;
        // Whoever was before in the queue may have asked the same.
        if let Some(answer) = cached() {
            return Ok(answer);
        }
        // Looked up again: what was found may have moved while this waited.
        let now = wire::now();
        let (epoch, answers) = self.look_up(ids, now).map_err(failed)?;
        let der = self.sign_answer(answers, None, now, turn).await.map_err(failed)?;
        let answer = Arc::new(self.fresh_answer(der, now));
        self.responding.cache.put(epoch, key, &answer, Wish::Asked);
        Ok(answer)
    }

    /// For this client only, and kept by nobody.
    async fn answer_on_the_spot(
        self: &Arc<Self>,
        ids: &[CertId],
        nonce: Option<&[u8]>,
    ) -> Result<Arc<SignedAnswer>, OcspError> {
        let turn = self.responding.strangers.enter().await.ok_or(OcspError::TryLater)?;
        let now = wire::now();
        let (_, answers) = self.look_up(ids, now).map_err(failed)?;
        let nonce = nonce.map(<[u8]>::to_vec);
        let der = self.sign_answer(answers, nonce, now, turn).await.map_err(failed)?;
        Ok(Arc::new(SignedAnswer { der: der.into(), fresh: None }))
    }

    /// What answers would say now, without a signature.
    pub(crate) fn ocsp_statuses(&self, ids: &[CertId]) -> Result<Vec<CertAnswer>, Problem> {
        let (_, answers) = self.look_up(ids, wire::now())?;
        Ok(answers.into_iter().map(|answer| answer.status).collect())
    }

    fn fresh_answer(&self, der: Vec<u8>, now: Time) -> SignedAnswer {
        let this_update = Time::from_secs(now.secs());
        let tag = hex::encode(digest(&SHA256, &der));
        let fresh = Fresh { this_update, next_update: self.next_update(this_update), tag };
        SignedAnswer { der: der.into(), fresh: Some(fresh) }
    }

    /// What stands in the database, and the epoch at which it stood there.
    fn look_up(&self, ids: &[CertId], now: Time) -> Result<(i64, Vec<OcspAnswer>), Problem> {
        let this_update = Time::from_secs(now.secs());
        self.store.read(|reader| {
            let mut answers = Vec::new();
            for id in ids {
                let record = reader.status(&id.serial())?.filter(|record| record.issuer == ISSUING);
                let mut cert_hash = None;
                if self.policies.status().ocsp_cert_hash() && record.is_some() {
                    // A burned serial number has none.
                    cert_hash = reader.certificate(&id.serial())?.map(|made| made.sha256);
                }
                answers.push(OcspAnswer {
                    id: id.clone(),
                    status: record.map_or(CertAnswer::Unknown, |record| answer(&record)),
                    this_update,
                    next_update: self.next_update(this_update),
                    cert_hash,
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
        turn: Turn,
    ) -> Result<Vec<u8>, Problem> {
        let app = Arc::clone(self);
        let work = move || {
            let _turn = turn;
            app.sign_now(&answers, nonce.as_deref(), now)
        };
        Ok(tokio::task::spawn_blocking(work).await.map_err(Failure::inconsistent)??)
    }

    /// One C_Sign, in this thread.
    fn sign_now(&self, answers: &[OcspAnswer], nonce: Option<&[u8]>, now: Time) -> Result<Vec<u8>, Failure> {
        let responder = &self.ca.responder;
        let plan = OcspPlan {
            responder,
            produced_at: Time::from_secs(now.secs()),
            answers,
            nonce,
            // Status is kept for ever, also of certificates that have ended: a sealed document is checked years later.
            archive_cutoff: self.ca.issuing.not_before(),
        };
        let signer = self.ca.responder_signer();
        let der = plan.prepare().sign(|tbs| signer.sign(tbs)).map_err(Failure::inconsistent)?;
        self.responding.counts.signed.fetch_add(1, Ordering::Relaxed);
        Ok(der)
    }

    fn next_update(&self, this_update: Time) -> Time {
        // No answer outlives the certificate that vouches for it.
        this_update.plus_secs(self.policies.status().ocsp_lifetime_secs()).min(self.ca.responder.not_after())
    }
}

fn failed(error: Problem) -> OcspError {
    tracing::error!(cause = ?error.cause(), "OCSP: {}", error.rule.name());
    OcspError::InternalError
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

#[cfg(test)]
mod tests {
    use ca_verifier::Serial;

    use super::*;

    /// Good is said of one state only; a number that is being signed or was never issued has no record at all.
    #[test]
    fn only_the_good_are_good() {
        let (since, at) = (Time::from_secs(9), Time::from_secs(7));
        let said = |state| {
            answer(&StatusRecord {
                serial: Serial::from_random(1, &[5; 17]).unwrap(),
                issuer: ISSUING.to_owned(),
                shard: 0,
                state,
                not_after: Time::from_secs(100),
                changed_at: since,
                invalid_since: None,
            })
        };
        let (reason, issued) = (Reason::KeyCompromise, CertificateStatus::Issued);
        for (state, expected) in [
            (issued(CertificateState::Good), CertAnswer::Good),
            (issued(CertificateState::NotActivated), CertAnswer::NotActivated { since }),
            (issued(CertificateState::Held { activated: true }), CertAnswer::Held { since }),
            (issued(CertificateState::Held { activated: false }), CertAnswer::Held { since }),
            (issued(CertificateState::Revoked { reason, at }), CertAnswer::Revoked { at, reason }),
            (CertificateStatus::Burned { at }, CertAnswer::Revoked { at, reason: Reason::Unspecified }),
        ] {
            assert_eq!(said(state), expected, "{state:?}");
        }
    }
}

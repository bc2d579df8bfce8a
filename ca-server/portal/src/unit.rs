//! Who a request comes from: admitted once per connection, checked and logged for each request.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use ca_verifier::{Gate, Refusal, Time, UnitCertificate, VerifiedPath, VerifiedUnit};
use rustls_pki_types::CertificateDer;

use crate::{captcha::Fingerprint, language::Language, pages, routes::Site, secret, server::now};

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer(Arc<Admission>);

#[derive(Debug)]
struct Admission {
    path: Result<VerifiedPath, Refusal>,
    /// Serial number and USCC as the certificate claims them, for the log of refusals only.
    claimed: Option<(String, String)>,
    /// Of the leaf: what a session is bound to.
    fingerprint: Fingerprint,
}

impl Peer {
    pub(crate) fn admit(gate: &Gate, certificates: Option<&[CertificateDer<'_>]>, at: Time) -> Self {
        let leaf = certificates.and_then(<[_]>::first);
        let claimed = leaf.and_then(|leaf| UnitCertificate::read(leaf).ok());
        Self(Arc::new(Admission {
            path: gate.admit(certificates, at),
            claimed: claimed.map(|unit| (unit.serial().to_string(), unit.code().to_string())),
            fingerprint: secret::sha256(leaf.map_or(&[], |leaf| leaf.as_ref())),
        }))
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// Who it is, by the status of this moment.
    pub(crate) fn check(&self, gate: &Gate) -> Result<VerifiedUnit, Refusal> {
        match &self.0.path {
            Ok(path) => gate.check(path, now()),
            Err(refusal) => Err(refusal.clone()),
        }
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.0.path.is_ok()
    }

    pub(crate) fn log(&self, outcome: Result<(), &Refusal>) {
        let (serial, uscc) = self.0.claimed.as_ref().map_or(("", ""), |(serial, uscc)| (serial, uscc));
        let verified = self.0.path.is_ok();
        match outcome {
            Ok(()) => {
                tracing::info!(target: "login", serial, uscc, verified, decision = "accepted", code = "good")
            }
            Err(refusal) => {
                let code = refusal.code();
                tracing::info!(target: "login", serial, uscc, verified, decision = "refused", code, why = %refusal);
            }
        }
    }
}

/// Stands before every page that only units may see: puts a [`ca_verifier::VerifiedUnit`] into the request or
/// answers with the refusal.
pub(crate) async fn require_unit(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return pages::refused(&request, &Refusal::NoCertificate);
    };
    match peer.check(&site.gate) {
        Ok(unit) => {
            peer.log(Ok(()));
            let language = Language::of_request(request.uri().query(), request.headers());
            request.extensions_mut().insert(unit);
            request.extensions_mut().insert(language);
            next.run(request).await
        }
        Err(refusal) => {
            peer.log(Err(&refusal));
            pages::refused(&request, &refusal)
        }
    }
}

//! Who is asking: the client certificate of the connection, looked up and checked in the live status each time; for
//! accounts of units and agents a bearer token, looked up likewise.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{header, request::Parts},
};
use ca_core::{Action, Actor, AuditEntry, CertificateState, Staff, personal::masked_id_cards};
use ca_store::{AccountRecord, CertificateStatus, WriteSite};
use ca_verifier::Serial;

use crate::{
    app::App,
    permit::{Permission, Permit},
    problem::Problem,
    rule::Rule,
    wire,
};

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Its certificate, DER: TLS has proved that it holds the key, and nothing else.
    pub(crate) certificate: Option<Arc<[u8]>>,
    /// Where it is on the network.
    pub(crate) address: IpAddr,
}

/// Who asks for what, once that is known: what is wrong with the rest of the request is then refused in the log, too.
#[derive(Clone)]
pub(super) struct Asking {
    actor: Actor,
    action: Action,
}

impl Asking {
    /// Logs a refusal by its rule alone: the body's own words may hold a code.
    pub(super) async fn refused(self, app: &App, problem: &Problem, path: &str) -> Result<(), Problem> {
        let entry = AuditEntry::done(wire::now(), &self.actor, self.action, "path", masked_id_cards(path));
        let entry = entry.refused(problem.rule.name());
        app.store
            .write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from))
            .await
    }
}

/// The serial number of a certificate that is, octet for octet, one that we issued.
pub(super) async fn issued_certificate(
    parts: &mut Parts,
    app: &App,
) -> Result<(Serial, CertificateStatus), Problem> {
    let peer = ConnectInfo::<Peer>::from_request_parts(parts, app).await;
    let peer = peer.map_err(|_| Problem::new(Rule::NoCertificate))?;
    let der = peer.0.certificate.ok_or_else(|| Problem::new(Rule::NoCertificate))?;
    let unknown = || Problem::new(Rule::UnknownCertificate);
    let serial = ca_core::serial_of_certificate(&der).map_err(|_| unknown())?;
    app.store.read(|reader| {
        let record = reader.certificate(&serial)?.ok_or_else(unknown)?;
        if record.der.as_slice() != &*der {
            return Err(unknown());
        }
        let status = reader.status(&serial)?.ok_or_else(unknown)?;
        if wire::now() > status.not_after {
            return Err(Problem::new(Rule::CertificateNotGood).with("state", "expired"));
        }
        Ok((serial, status.state))
    })
}

async fn staff(parts: &mut Parts, app: &App) -> Result<Staff, Problem> {
    let (serial, state) = issued_certificate(parts, app).await?;
    match state {
        CertificateStatus::Issued(CertificateState::Good) => {}
        CertificateStatus::Issued(state) => {
            return Err(Problem::new(Rule::CertificateNotGood).with("state", state.name()));
        }
        CertificateStatus::Burned { .. } => return Err(Problem::new(Rule::UnknownCertificate)),
    }
    let known = app.store.read(|reader| reader.staff_by_certificate(&serial.to_string()))?;
    known.ok_or_else(|| Problem::new(Rule::UnknownCertificate))
}

impl<P: Permission> FromRequestParts<Arc<App>> for Permit<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let refused = match staff(parts, app).await {
            Ok(staff) => match Self::of_staff(&staff, app.policies.roles()) {
                Some(permit) => {
                    parts.extensions.insert(Asking { actor: permit.actor().clone(), action: P::ACTION });
                    return Ok(permit);
                }
                None => (
                    Actor::Staff(staff.id),
                    Problem::new(Rule::NotPermitted).with("action", P::ACTION.name()),
                ),
            },
            Err(problem) => (Actor::System("http"), problem),
        };
        log_refusal(app, refused.0, &refused.1, P::ACTION, parts.uri.path()).await?;
        Err(refused.1)
    }
}

/// A unit or an agent who has logged in. Made from a bearer token, never from a certificate: what an account may do is
/// held to what is its own.
pub(super) struct Own<P> {
    pub(super) permit: Permit<P>,
    pub(super) account: AccountRecord,
    pub(super) token: String,
}

impl<P: Permission> FromRequestParts<Arc<App>> for Own<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let refused = match own(parts, app) {
            Ok((account, token)) => match Permit::of_account(&account.owner, app.policies.roles()) {
                Some(permit) if !account.initial || P::ACTION == Action::ChangePassword => {
                    parts.extensions.insert(Asking { actor: permit.actor().clone(), action: P::ACTION });
                    return Ok(Self { permit, account, token });
                }
                Some(permit) => (permit.actor().clone(), Problem::new(Rule::PasswordInitial)),
                None => {
                    let problem = Problem::new(Rule::NotPermitted).with("action", P::ACTION.name());
                    (account.owner.actor(), problem)
                }
            },
            Err(problem) => (Actor::System("http"), problem),
        };
        log_refusal(app, refused.0, &refused.1, P::ACTION, parts.uri.path()).await?;
        Err(refused.1)
    }
}

fn own(parts: &Parts, app: &App) -> Result<(AccountRecord, String), Problem> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default().trim();
    let account = app.session(token)?.ok_or_else(|| Problem::new(Rule::SessionNone))?;
    Ok((account, token.to_owned()))
}

async fn log_refusal(
    app: &App,
    actor: Actor,
    problem: &Problem,
    wanted: Action,
    path: &str,
) -> Result<(), Problem> {
    let entry = AuditEntry::done(wire::now(), &actor, Action::Authenticate, "path", masked_id_cards(path))
        .with("wanted", wanted.name())
        .refused(problem.rule.name());
    app.store.write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from)).await
}

/// The holder of a unit certificate, whatever its status: activation is for those that are not good yet.
pub(super) struct Holder(pub(super) Serial);

impl FromRequestParts<Arc<App>> for Holder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match issued_certificate(parts, app).await {
            Ok((serial, _)) => {
                let actor = Actor::Holder(serial.to_string());
                parts.extensions.insert(Asking { actor, action: Action::ActivateCertificate });
                Ok(Self(serial))
            }
            Err(problem) => {
                let actor = Actor::System("http");
                log_refusal(app, actor, &problem, Action::ActivateCertificate, parts.uri.path()).await?;
                Err(problem)
            }
        }
    }
}

//! Step 11: somebody says that a token is gone: by telephone with weak proof, or with the own account. Its certificates are on
//! hold within the same call, and nothing else: what ends a hold needs an application, which an officer decides.
//!
//! Whoever gives wrong data is told the same whatever part was wrong, and is counted: the refusals in the log are the
//! counter, so that none can be forgotten.

use ca_core::{
    Action, Actor, AgentId, AuditEntry, CertificateState, Hold, HoldReason, Identity, Name, Phone, Unit,
    UnitId, personal::Place,
};
use ca_store::{AccountOwner, CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::{Serial, Time, UnitCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, free_text,
    hold::{Placing, place, place_instead},
    status::standing,
    unit_change::touched,
};
use crate::{
    permit::{Permit, ReportLoss},
    personal::unopened,
    problem::Problem,
    rule::Rule,
    wire,
};

/// Wrong tries for a unit within an hour.
const TRIES: i64 = 5;
const HOUR_SECS: i64 = 3600;
const REASON_MAX: usize = 200;
const TAIL: usize = 4;
/// Every certificate of the unit.
const ALL: &str = "all";

/// What a caller says, as the hotline types it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossReport {
    /// The unit, by its unified social credit code or its organisation code.
    pub(crate) uscc: String,
    /// The agent's name.
    pub(crate) agent_name: String,
    /// The last four characters of the agent's identity card number.
    pub(crate) id_card_tail: String,
    /// `all`, or one: the serial number on the token, or the certificate's.
    pub(crate) certificate: String,
    /// The caller's telephone number. Kept sealed with the hold.
    pub(crate) phone: String,
    /// What the caller says has happened. Kept sealed with the hold.
    pub(crate) reason: String,
}

/// What became of one certificate.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) serial: Serial,
    pub(crate) token: Option<String>,
    /// Where it stands now.
    pub(crate) state: CertificateState,
    /// Since when it is on hold; `None` when it is revoked.
    pub(crate) since: Option<Time>,
    /// Whether it was on hold before this call.
    pub(crate) before: bool,
    /// How its hold ends by itself.
    pub(crate) hold: Option<Hold>,
}

impl App {
    /// Wrong data is the inner error: it stands in the log already.
    pub(crate) async fn report_loss(
        &self,
        permit: Permit<ReportLoss>,
        report: LossReport,
    ) -> Result<Result<Vec<Reported>, Problem>, Problem> {
        let phone = Phone::parse(&report.phone)?;
        let reason = free_text("reason", report.reason.clone(), REASON_MAX)?;
        let caller = format!("{}\n{reason}", phone.reveal());
        let vault = std::sync::Arc::clone(&self.vault);
        let placing = self.placing(HoldReason::Lost);
        self.store
            .write(WriteSite::ReportLoss, move |tx| {
                let now = wire::now();
                // What was typed is repeated nowhere unless it is a code.
                let code = UnitCode::parse(report.uscc.trim()).ok();
                let object = code.map_or_else(|| "?".to_owned(), |code| code.to_string());
                let unit = code.map(|code| tx.unit_by_code(&code)).transpose()?.flatten();
                if let Some(unit) = &unit {
                    // Tries that come at once are counted one after the other.
                    tx.lock_unit(&unit.id)?;
                }
                if code.is_some() {
                    refuse_locked(tx, &object, now)?;
                }
                let Some((agent, chosen)) = proved(tx, &vault, unit.as_ref(), &report)? else {
                    let problem = Problem::new(Rule::HotlineWrong);
                    let entry = AuditEntry::done(now, permit.actor(), Action::ReportLoss, "unit", &object);
                    tx.append_audit(&entry.refused(problem.rule.name()))?;
                    return Ok(Err(problem));
                };
                let placing = Placing { caller: Some((&vault, &caller)), ..placing };
                let mut reported = Vec::with_capacity(chosen.len());
                for serial in chosen {
                    reported.push(hold_lost(tx, permit.actor(), serial, placing, now)?);
                }
                let entry = AuditEntry::done(now, permit.actor(), Action::ReportLoss, "unit", &object);
                let entry = entry.with("agent", agent).with("phone", phone.masked());
                tx.append_audit(&entry.with("certificates", reported.len()))?;
                Ok(Ok(reported))
            })
            .await
    }

    /// One of the own unit's certificates; another's is not found.
    pub(crate) async fn report_own_loss(
        &self,
        permit: Permit<ReportLoss>,
        owner: AccountOwner,
        serial: Serial,
    ) -> Result<Reported, Problem> {
        let placing = self.placing(HoldReason::Lost);
        self.store
            .write(WriteSite::ReportLoss, move |tx| {
                let now = wire::now();
                let record = tx.certificate(&serial)?;
                let unit = record.and_then(|record| record.unit);
                let unit = unit.ok_or_else(|| Problem::not_found("certificate"))?;
                if !is_own(tx, &owner, &unit)? {
                    return Err(Problem::not_found("certificate"));
                }
                let status = tx.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
                let state = standing(tx, serial)?;
                let ended = now > status.not_after;
                if ended || matches!(state, CertificateState::Revoked { .. }) {
                    let state = if ended { "expired" } else { state.name() };
                    return Err(Problem::new(Rule::CertificateUnfit)
                        .with("state", state)
                        .with("kind", "hold"));
                }
                let reported = hold_lost(tx, permit.actor(), serial, placing, now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ReportLoss, "certificate", serial);
                tx.append_audit(&entry.with("before", reported.before))?;
                Ok(reported)
            })
            .await
    }
}

fn is_own(reader: &mut Reader<'_>, owner: &AccountOwner, unit: &UnitId) -> Result<bool, Problem> {
    match owner {
        AccountOwner::Unit { unit: own, .. } => Ok(own == unit),
        AccountOwner::Agent(agent) => Ok(reader.pair_confirmed(agent, unit)?),
    }
}

/// So many wrong tries within an hour, and nobody is believed until the first of them is an hour old. The same for units
/// that are not registered.
fn refuse_locked(tx: &mut Tx<'_>, code: &str, now: Time) -> Result<(), Problem> {
    let wrong = (Action::ReportLoss, code);
    let rule = Rule::HotlineWrong.name();
    let tries = tx.refusals_since(wrong, rule, now.plus_secs(-HOUR_SECS), TRIES)?;
    match tries.last() {
        Some(first) if i64::try_from(tries.len()) == Ok(TRIES) => {
            let until = wire::china_time(first.plus_secs(HOUR_SECS));
            Err(Problem::new(Rule::HotlineLocked).with("until", until))
        }
        _ => Ok(()),
    }
}

/// The agent who was named, and the certificates; `None` when anything at all does not fit.
fn proved(
    tx: &mut Tx<'_>,
    vault: &ca_core::Vault,
    unit: Option<&Unit>,
    report: &LossReport,
) -> Result<Option<(AgentId, Vec<Serial>)>, Problem> {
    let (Some(unit), Ok(name)) = (unit, Name::parse(report.agent_name.trim())) else { return Ok(None) };
    let (index, tail) = (vault.name_index(&name), report.id_card_tail.trim().to_ascii_uppercase());
    let mut found = None;
    for agent in tx.agents_of_unit(&unit.id)? {
        let Identity::Known { name, id_card: Some(number) } = &agent.identity else { continue };
        let place = Place::id_card(&agent.id);
        let number = vault.open(place, &number.cipher).map_err(|_| unopened(place))?;
        let fits = tail.len() == TAIL && number.to_ascii_uppercase().ends_with(&tail);
        if name.index == index && fits {
            found = Some(agent.id);
        }
    }
    let chosen = chosen(tx, &unit.id, report.certificate.trim())?;
    Ok(found.zip(chosen))
}

/// All that can be used, or the one that was named.
fn chosen(tx: &mut Tx<'_>, unit: &UnitId, named: &str) -> Result<Option<Vec<Serial>>, Problem> {
    if named == ALL {
        let all = touched(tx, unit, wire::now())?;
        return Ok(Some(all.into_iter().map(|touched| touched.serial).collect()));
    }
    let on_token = tx.token(named)?.and_then(|token| token.state.certificate());
    let serial = on_token.or_else(|| Serial::from_hex(named).ok());
    let mut own = tx.certificates_of_unit(unit)?.into_iter().map(|record| record.serial);
    Ok(serial.and_then(|serial| own.find(|own| *own == serial)).map(|serial| vec![serial]))
}

/// On hold from now on because its token is gone, if it was not so before.
fn hold_lost(
    tx: &mut Tx<'_>,
    actor: &Actor,
    serial: Serial,
    placing: Placing<'_>,
    now: Time,
) -> Result<Reported, Problem> {
    let status = tx.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let known = tx.open_hold(&serial)?;
    let (since, before, hold) = match status.state {
        CertificateStatus::Issued(CertificateState::Good | CertificateState::NotActivated) => {
            (Some(now), false, Some(place(tx, actor, serial, placing, now)?))
        }
        CertificateStatus::Issued(CertificateState::Held { .. }) => {
            let since = Some(status.changed_at);
            match known {
                Some(known) if known.reason == HoldReason::Lost => (since, true, Some(known)),
                // For money, say: released when it is paid, unless this is written down.
                _ => (since, true, Some(place_instead(tx, actor, serial, placing, now)?)),
            }
        }
        _ => (None, true, None),
    };
    let token = tx.intent(&serial)?.and_then(|intent| intent.token);
    Ok(Reported { serial, token, state: standing(tx, serial)?, since, before, hold })
}

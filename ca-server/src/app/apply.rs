//! Step 2: an application with its documents; corrected when it came back, taken back, ended when nobody goes on.

use ca_core::{
    Action, Actor, AgentId, Application, ApplicationCommand, ApplicationId, ApplicationKind,
    ApplicationState, AuditEntry, Author, CertificateState, Ciphertext, Document, HoldReason, Loss, StaffId,
    Unit,
};
use ca_store::{ApplicationFilter, CertificateStatus, Reader, Tx, WriteSite};
use ca_verifier::{Serial, Time, UnitCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    batch::unknown_counter,
    bill,
    enroll::registered_unit,
    free_text,
    gate::{self, NewDocument},
    hold::{Placing, place, place_instead},
    once,
    unit_change::make_way,
};
use crate::{
    permit::{CorrectApplication, Permit, SubmitApplication, WithdrawApplication},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// An application, as the counter enters it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApplication {
    /// The unit, by its unified social credit code or its organisation code.
    pub(crate) uscc: String,
    /// The agent, by our identifier.
    pub(crate) agent: String,
    /// `new`, `renew`, `rekey`, `replace`, `change`, `revoke`, `hold`, `release` or `unlock`.
    #[serde(default = "new")]
    pub(crate) kind: String,
    /// Serial number of the certificate that it is about; none for a new one.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    /// For `replace`: `lost`, `damaged`, or `repair` for a temporary one; for `revoke`: a reason of RFC 5280.
    #[serde(default)]
    pub(crate) cause: Option<String>,
    /// Years that are bought, for `new` and `renew`.
    #[serde(default)]
    pub(crate) years: u16,
    /// Version of the certification practice statement that was accepted (`/cps`).
    pub(crate) cps: String,
    /// The counter that hands the token over: a code or name of `policies/counters.toml`.
    #[serde(default)]
    pub(crate) counter: Option<String>,
    /// Whom to call about it.
    #[serde(default)]
    pub(crate) contact: Option<String>,
    /// What lies with it.
    #[serde(default)]
    pub(crate) documents: Vec<NewDocument>,
}

fn new() -> String {
    ApplicationKind::New.name().to_owned()
}

pub(super) const PROFILE: &str = "unit-sign";
const DAY_SECS: i64 = 86_400;
const CONTACT_MAX: usize = 100;
/// Applications that expire in one transaction.
const EXPIRED_MOST: i64 = 100;

/// What was entered, read: all but what only the database knows.
struct Draft {
    id: ApplicationId,
    code: UnitCode,
    agent: AgentId,
    kind: ApplicationKind,
    years: u16,
    cps: String,
    counter: Option<String>,
    contact: Option<Ciphertext>,
    documents: Vec<Document>,
    clerk: StaffId,
    now: Time,
    /// What the gate says of papers and statement.
    missing: Vec<Problem>,
}

impl Draft {
    /// With the unit as it is now: what the certificate will say of it is what is approved.
    fn of(self, unit: Unit, entered_before: Vec<Author>) -> Application {
        Application {
            id: self.id,
            kind: self.kind,
            unit: unit.id,
            unit_name: unit.name,
            unit_code: unit.code,
            agent: self.agent,
            profile: PROFILE.to_owned(),
            years: self.years,
            cps: self.cps,
            counter: self.counter,
            contact: self.contact,
            documents: self.documents,
            entered_by: Author::Staff(self.clerk),
            entered_before,
            entered_at: self.now,
            state: ApplicationState::Submitted,
        }
    }
}

impl App {
    pub(crate) async fn submit(
        &self,
        permit: Permit<SubmitApplication>,
        new: NewApplication,
        key: Once,
    ) -> Result<Made<ApplicationId>, Problem> {
        let now = wire::now();
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let id = ApplicationId::new(now, wire::random()?);
        let mut draft = self.draft(id.clone(), new, clerk, now)?;
        let tariff = self.tariff(now)?;
        let rules = self.policies.eligibility().clone();
        let (days_max, placing) = (self.days_max()?, self.placing(HoldReason::Lost));
        self.store
            .write(WriteSite::SubmitApplication, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(ApplicationId::parse(&before)?));
                }
                let kind = draft.kind;
                let unit = registered_unit(tx, &draft.code)?;
                let mut closed = gate::missing(tx, &rules, kind, (&unit, &draft.agent), now)?;
                closed.append(&mut draft.missing);
                Problem::unless_empty(closed)?;
                make_way(tx, kind, now)?;
                may_apply(tx, kind, &unit, (draft.years, days_max), now)?;
                let application = draft.of(unit, Vec::new());
                tx.insert_application(&application)?;
                let quote = bill::quote(tx, &tariff, kind, application.years, now)?;
                bill::quoted(tx, &application, &quote, now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::SubmitApplication, "application", &id);
                tx.append_audit(
                    &told(entry, &application)
                        .with("uscc", application.unit_code)
                        .with("fee", quote.total.get()),
                )?;
                if let ApplicationKind::Replace { of, cause: Loss::Lost } = kind {
                    hold_lost(tx, permit.actor(), of, placing, now)?;
                }
                Ok(Made::Now(id))
            })
            .await
    }

    /// What came back is put right and decided anew. What it asks for, and for whom, stays: that would be another one.
    pub(crate) async fn correct(
        &self,
        permit: Permit<CorrectApplication>,
        id: ApplicationId,
        new: NewApplication,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let mut draft = self.draft(id.clone(), new, clerk, now)?;
        let tariff = self.tariff(now)?;
        let rules = self.policies.eligibility().clone();
        let days_max = self.days_max()?;
        self.store
            .write(WriteSite::SubmitApplication, move |tx| {
                let known = tx.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
                let kind = draft.kind;
                let unit = registered_unit(tx, &draft.code)?;
                if unit.id != known.unit || kind != known.kind {
                    return Err(Problem::field(
                        "kind",
                        "unit, kind and certificate stay; withdraw it instead",
                    ));
                }
                let state = advance(tx, &id, ApplicationCommand::Correct)?;
                let mut closed = gate::missing(tx, &rules, kind, (&unit, &draft.agent), now)?;
                closed.append(&mut draft.missing);
                Problem::unless_empty(closed)?;
                lasts_not_too_long(tx, kind, (draft.years, days_max), now)?;
                let mut entered_before = known.entered_before;
                entered_before.push(known.entered_by);
                let application = draft.of(unit, entered_before);
                tx.correct_application(&application)?;
                let quote = bill::quote(tx, &tariff, kind, application.years, now)?;
                let before = bill::bill_of(tx, &id)?;
                let total = quote.total;
                bill::requote(tx, &before, &[(id.clone(), quote)], now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::CorrectApplication, "application", &id);
                tx.append_audit(&told(entry, &application).with("fee", total.get()))?;
                Ok(state)
            })
            .await
    }

    pub(crate) async fn withdraw(
        &self,
        permit: Permit<WithdrawApplication>,
        id: ApplicationId,
    ) -> Result<ApplicationState, Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                // Another's application is not there for a unit's account.
                let known = tx.application(&id)?.filter(|known| permit.owns(&known.unit));
                known.ok_or_else(|| Problem::not_found("application"))?;
                let state = advance(tx, &id, ApplicationCommand::Withdraw)?;
                bill::cancel(tx, &id, now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::WithdrawApplication, "application", &id);
                tx.append_audit(&entry)?;
                Ok(state)
            })
            .await
    }

    /// Ends what nobody decided or paid for in time; gives how many.
    pub(crate) async fn expire_applications(&self, now: Time) -> Result<usize, Problem> {
        let days = self.policies.applications().expire_after_days();
        let before = now.plus_secs(-i64::from(days) * DAY_SECS);
        self.store
            .write(WriteSite::DecideApplication, move |tx| {
                let mut expired = 0;
                for state in ["submitted", "approved"] {
                    let filter = ApplicationFilter {
                        state: Some(state.to_owned()),
                        entered_before: Some(before),
                        by_persons: true,
                        limit: EXPIRED_MOST,
                        ..ApplicationFilter::default()
                    };
                    for application in tx.applications(&filter)? {
                        expire(tx, &application.id, ("days", days.to_string()), now)?;
                        expired += 1;
                    }
                }
                Ok(expired)
            })
            .await
    }

    /// Ends renewals of certificates that have ended; gives how many.
    pub(crate) async fn expire_renewals(&self, now: Time) -> Result<usize, Problem> {
        let mut count = 0;
        loop {
            let ended = self.store.read(|reader| reader.ended_renewals(now, EXPIRED_MOST))?;
            if ended.is_empty() {
                return Ok(count);
            }
            count += ended.len();
            self.store
                .write(WriteSite::DecideApplication, move |tx| {
                    let facts = || ("ended", now.to_string());
                    ended.iter().try_for_each(|id| expire(tx, id, facts(), now))
                })
                .await?;
        }
    }

    /// Reads what was entered, without the database.
    fn draft(
        &self,
        id: ApplicationId,
        new: NewApplication,
        clerk: StaffId,
        now: Time,
    ) -> Result<Draft, Problem> {
        let code = UnitCode::parse(&new.uscc)?;
        let agent = AgentId::parse(&new.agent)?;
        let certificate = new.certificate.as_deref().map(Serial::from_hex).transpose();
        let certificate = certificate.map_err(|_| Problem::not_found("certificate"))?;
        let kind = ApplicationKind::from_parts(&new.kind, certificate, new.cause.as_deref())?;
        // The sum needs the database, whether years can be bought does not.
        self.tariff(now)?.quote(kind, new.years, None, now)?;
        let documents = gate::documents(new.documents, &clerk, now)?;
        let mut missing = Vec::new();
        missing.extend(gate::missing_documents(self.policies.documents(), kind.operation(), &documents));
        missing.extend(gate::missing_statement(self.policies.applications(), &new.cps));
        let contact = new.contact.map(|text| free_text("contact", text, CONTACT_MAX)).transpose()?;
        let contact = contact.map(|text| self.seal_application_contact(&id, &text)).transpose()?;
        let counter = new.counter.map(|text| self.counter(&text)).transpose()?;
        let (years, cps) = (new.years, new.cps);
        Ok(Draft { id, code, agent, kind, years, cps, counter, contact, documents, clerk, now, missing })
    }

    pub(super) fn counter(&self, text: &str) -> Result<String, Problem> {
        let known = self.policies.counters().find(text);
        known.map(str::to_owned).ok_or_else(|| unknown_counter(&self.policies))
    }

    pub(super) fn days_max(&self) -> Result<u16, Problem> {
        let profile = self.policies.profile(PROFILE).map_err(Failure::inconsistent)?;
        Ok(profile.lifetime_days_max())
    }
}

fn expire(
    tx: &mut Tx<'_>,
    id: &ApplicationId,
    (name, fact): (&'static str, String),
    now: Time,
) -> Result<(), Problem> {
    advance(tx, id, ApplicationCommand::Expire)?;
    bill::cancel(tx, id, now)?;
    let (actor, action) = (Actor::System("applications"), Action::ExpireApplication);
    tx.append_audit(&AuditEntry::done(now, &actor, action, "application", id).with(name, fact))?;
    Ok(())
}

pub(super) fn told(entry: AuditEntry, application: &Application) -> AuditEntry {
    let entry = entry.with("kind", application.kind.name()).with("years", application.years);
    let entry = entry.with("cps", &application.cps);
    match (application.kind.certificate(), application.kind.cause()) {
        (Some(of), Some(cause)) => entry.with("certificate", of).with("cause", cause),
        (Some(of), None) => entry.with("certificate", of),
        _ => entry,
    }
}

/// The unit's own certificate in a state that fits; one successor at a time; not too early for its profile.
pub(super) fn may_apply(
    reader: &mut Reader<'_>,
    kind: ApplicationKind,
    unit: &Unit,
    (years, days_max): (u16, u16),
    now: Time,
) -> Result<(), Problem> {
    gate::certificate_fits(reader, kind, unit)?;
    lasts_not_too_long(reader, kind, (years, days_max), now)?;
    let Some(of) = kind.certificate().filter(|_| kind.makes_certificate()) else { return Ok(()) };
    let doubled = match kind.is_temporary() {
        true => temporary(reader, of, now)?,
        false => reader.successor_of(&of)?,
    };
    match doubled {
        Some(_) => Err(Problem::new(Rule::SuccessorDoubled).with("serial", of)),
        None => Ok(()),
    }
}

/// The temporary certificate that serves while the token of this one is repaired, or will: its application.
pub(super) fn temporary(
    reader: &mut Reader<'_>,
    of: Serial,
    now: Time,
) -> Result<Option<ApplicationId>, Problem> {
    let Some(id) = reader.temporary_of(&of)? else { return Ok(None) };
    let made = match reader.application_state(&id)? {
        Some((_, ApplicationState::Delivered { serial } | ApplicationState::Active { serial })) => serial,
        _ => return Ok(Some(id)),
    };
    let over = reader.status(&made)?.is_none_or(|status| {
        let revoked = matches!(status.state, CertificateStatus::Issued(CertificateState::Revoked { .. }));
        revoked || now > status.not_after
    });
    Ok((!over).then_some(id))
}

/// Not so early that the renewed certificate would live longer than its profile allows.
fn lasts_not_too_long(
    reader: &mut Reader<'_>,
    kind: ApplicationKind,
    (years, days_max): (u16, u16),
    now: Time,
) -> Result<(), Problem> {
    let ApplicationKind::Renew { of } = kind else { return Ok(()) };
    let record = reader.certificate(&of)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let last = wire::last_second(record.not_after.plus_secs(1), years)?;
    let days = (last.secs() - now.secs()) / DAY_SECS + 1;
    if days > i64::from(days_max) {
        return Err(Problem::new(Rule::RenewalTooLong).with("days", days).with("most", days_max));
    }
    Ok(())
}

/// Whoever found a lost token must not use it while the application is looked at.
fn hold_lost(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    placing: Placing<'_>,
    now: Time,
) -> Result<(), Problem> {
    match tx.status(&of)?.map(|status| status.state) {
        Some(CertificateStatus::Issued(CertificateState::Good | CertificateState::NotActivated)) => {
            place(tx, actor, of, placing, now).map(drop)
        }
        // For another reason, and whoever would release it for that must not.
        Some(CertificateStatus::Issued(CertificateState::Held { .. }))
            if tx.open_hold(&of)?.is_none_or(|hold| hold.reason != HoldReason::Lost) =>
        {
            place_instead(tx, actor, of, placing, now).map(drop)
        }
        _ => Ok(()),
    }
}

/// Moves an application by one command, inside the caller's transaction.
pub(super) fn advance(
    tx: &mut Tx<'_>,
    id: &ApplicationId,
    command: ApplicationCommand,
) -> Result<ApplicationState, Problem> {
    let (entered_by, state) = tx.application_state(id)?.ok_or_else(|| Problem::not_found("application"))?;
    let next = state.clone().transition(&entered_by, command)?;
    tx.move_application(id, &state, &next)?;
    Ok(next)
}

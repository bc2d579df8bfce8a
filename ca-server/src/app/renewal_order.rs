//! Step 11, before it: renewals that nobody has to apply for.
//!
//! Some time before a certificate ends, its renewal is entered and approved by the policy, when nothing of what two
//! persons approved has changed since: the unit, its agent, the statement that was accepted. Its order waits to be paid.
//! Where something has changed, nothing is made: the list says what, for a person to see to.

use ca_core::{
    Action, Actor, Application, ApplicationCommand, ApplicationId, ApplicationKind, ApplicationState,
    AuditEntry, Author, NoticeAbout, NoticeKind,
    billing::Tariff,
    policy::{ApplicationRules, EligibilityRules, RenewalRules},
};
use ca_store::{Ending, EndingFilter, Reader, Tx, WriteSite};
use ca_verifier::{Serial, Time};

use super::{
    App,
    apply::{advance, may_apply, told},
    bill, gate,
    notice::{notice_id, notify},
};
use crate::{problem::Problem, rule::Rule, wire};

const DAY_SECS: i64 = 86_400;
/// Certificates looked at in one turn.
const TURN: i64 = 100;

/// What a renewal goes by.
#[derive(Clone)]
struct Rules {
    eligibility: EligibilityRules,
    applications: ApplicationRules,
    renewal: RenewalRules,
    tariff: Tariff,
    days_max: u16,
}

/// How it stands with the renewal of a certificate that ends soon.
pub(crate) enum Prospect {
    /// There is an application.
    Applied(Box<Application>),
    /// Somebody decided against it.
    Declined,
    /// It can be ordered.
    Open,
    /// It cannot, for these reasons.
    Closed(Vec<Problem>),
}

impl Prospect {
    /// Every name that is not an application's state.
    pub(crate) const NAMES: [&str; 3] = ["declined", "open", "closed"];

    /// The name in the API.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Applied(application) => application.state.name(),
            Self::Declined => "declined",
            Self::Open => "open",
            Self::Closed(_) => "closed",
        }
    }
}

impl App {
    /// Orders what can be ordered; gives how many.
    pub(crate) async fn order_renewals(&self, now: Time) -> Result<usize, Problem> {
        let rules = self.renewal_rules(now)?;
        if !rules.renewal.automatic {
            return Ok(0);
        }
        let mut filter = EndingFilter {
            now,
            until: now.plus_secs(i64::from(rules.renewal.days_before) * DAY_SECS),
            unordered: true,
            after: None,
            limit: TURN,
        };
        let mut ordered = 0;
        loop {
            let page = self.store.read(|reader| reader.ending(&filter))?;
            let Some(last) = page.last() else { return Ok(ordered) };
            filter.after = Some((last.not_after, last.serial));
            for ending in page {
                // Most of what stays unordered is closed for a reason: that is found without a write.
                let closed = self
                    .store
                    .read(|reader| Ok::<_, Problem>(draft(reader, &rules, &ending, now)?.is_err()))?;
                if closed {
                    continue;
                }
                let (serial, rules) = (ending.serial, rules.clone());
                let id = ApplicationId::new(now, wire::random()?);
                let notice = notice_id(now)?;
                let work = self.store.write(WriteSite::OrderRenewal, move |tx| {
                    let Ok(drafted) = draft(tx, &rules, &ending, now)? else { return Ok(false) };
                    let application = Application { id, ..drafted };
                    order(tx, &rules, &application, now)?;
                    let about = NoticeAbout::Application(application.id.clone());
                    notify(tx, notice, NoticeKind::RenewalOrdered, about, &application.agent)?;
                    Ok::<_, Problem>(true)
                });
                match work.await {
                    Ok(done) => ordered += usize::from(done),
                    // Another instance was faster, or it is another's to see to; the others must not wait for it.
                    Err(problem) => {
                        tracing::warn!(%serial, cause = ?problem.cause(), "renewal: {}", problem.rule.name());
                    }
                }
            }
        }
    }

    /// Certificates that end within so many days, each with the prospect of its renewal, the nearest end first.
    pub(crate) fn renewals(
        &self,
        days: u16,
        after: Option<Serial>,
        limit: i64,
    ) -> Result<Vec<(Ending, Prospect)>, Problem> {
        let now = wire::now();
        let rules = self.renewal_rules(now)?;
        self.store.read(|reader| {
            let after = match after {
                Some(serial) => {
                    let status = reader.status(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
                    Some((status.not_after, serial))
                }
                None => None,
            };
            let until = now.plus_secs(i64::from(days) * DAY_SECS);
            let found = reader.ending(&EndingFilter { now, until, unordered: false, after, limit })?;
            let judged = found.into_iter().map(|ending| {
                let prospect = prospect(reader, &rules, &ending, now)?;
                Ok((ending, prospect))
            });
            judged.collect()
        })
    }

    /// How it stands with the renewal of one good certificate.
    pub(super) fn prospect_of(&self, reader: &mut Reader<'_>, serial: Serial) -> Result<Prospect, Problem> {
        let now = wire::now();
        let rules = self.renewal_rules(now)?;
        let record = reader.certificate(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
        let unit = record.unit.ok_or_else(|| Problem::not_found("unit"))?;
        let (application, not_after) = (record.application, record.not_after);
        prospect(reader, &rules, &Ending { serial, not_after, unit, application }, now)
    }

    fn renewal_rules(&self, now: Time) -> Result<Rules, Problem> {
        Ok(Rules {
            eligibility: self.policies.eligibility().clone(),
            applications: self.policies.applications().clone(),
            renewal: self.policies.applications().renewal(),
            tariff: self.tariff(now)?,
            days_max: self.days_max()?,
        })
    }
}

fn prospect(reader: &mut Reader<'_>, rules: &Rules, ending: &Ending, now: Time) -> Result<Prospect, Problem> {
    if let Some(id) = reader.successor_of(&ending.serial)? {
        let known = reader.application(&id)?.ok_or_else(|| Problem::not_found("application"))?;
        return Ok(Prospect::Applied(Box::new(known)));
    }
    if reader.renewal_declined(&ending.serial)? {
        return Ok(Prospect::Declined);
    }
    Ok(match draft(reader, rules, ending, now)? {
        Ok(_) => Prospect::Open,
        Err(missing) => Prospect::Closed(missing),
    })
}

/// The renewal as the policy would enter it, or everything that stands in its way.
fn draft(
    reader: &mut Reader<'_>,
    rules: &Rules,
    ending: &Ending,
    now: Time,
) -> Result<Result<Application, Vec<Problem>>, Problem> {
    let kind = ApplicationKind::Renew { of: ending.serial };
    let former = match &ending.application {
        Some(id) => reader.application(id)?,
        None => None,
    };
    let Some(former) = former else {
        return Ok(Err(vec![Problem::new(Rule::RenewalImported).with("serial", ending.serial)]));
    };
    let unit = reader.unit(&ending.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    let mut missing = Vec::new();
    if (&unit.name, unit.code) != (&former.unit_name, former.unit_code) {
        missing.push(Problem::new(Rule::RenewalUnitChanged));
    }
    // Whoever applied last, or else whoever acts for the unit now.
    let mut agents = reader.qualified_agents_of(&unit.id)?;
    agents.sort_by_key(|agent| *agent != former.agent);
    let agent = agents.into_iter().next().unwrap_or(former.agent);
    missing.extend(gate::missing(reader, &rules.eligibility, kind, (&unit, &agent), now)?);
    missing.extend(gate::missing_statement(&rules.applications, &former.cps));
    match may_apply(reader, kind, &unit, (rules.renewal.years, rules.days_max), now) {
        Err(problem) if problem.rule.status() < 500 => missing.push(problem),
        fits => fits?,
    }
    if reader.unit_in_arrears(&unit.id)? {
        missing.push(Problem::new(Rule::UnitInArrears));
    }
    if reader.renewal_declined(&ending.serial)? {
        missing.push(Problem::new(Rule::RenewalDeclined).with("serial", ending.serial));
    }
    if !missing.is_empty() {
        return Ok(Err(missing));
    }
    Ok(Ok(Application {
        // Replaced by its own where it is made.
        id: former.id,
        kind,
        unit: unit.id,
        unit_name: unit.name,
        unit_code: unit.code,
        agent,
        profile: former.profile,
        years: rules.renewal.years,
        cps: former.cps,
        counter: former.counter,
        contact: None,
        documents: Vec::new(),
        entered_by: Author::Policy,
        entered_before: Vec::new(),
        entered_at: now,
        state: ApplicationState::Submitted,
    }))
}

/// Entered, quoted, approved and to be paid, in one transaction.
fn order(tx: &mut Tx<'_>, rules: &Rules, application: &Application, now: Time) -> Result<(), Problem> {
    let (id, actor) = (&application.id, Actor::System("renewals"));
    tx.insert_application(application)?;
    let quote = bill::quote(tx, &rules.tariff, application.kind, application.years, now)?;
    bill::quoted(tx, application, &quote, now)?;
    let entry = AuditEntry::done(now, &actor, Action::SubmitApplication, "application", id);
    let entry = told(entry, application).with("uscc", application.unit_code);
    tx.append_audit(&entry.with("fee", quote.total.get()))?;
    advance(tx, id, ApplicationCommand::Approve { by: Author::Policy })?;
    let entry = AuditEntry::done(now, &actor, Action::ApproveApplication, "application", id);
    tx.append_audit(&entry.with("kind", application.kind.name()))?;
    bill::open(tx, id, now)?;
    Ok(())
}

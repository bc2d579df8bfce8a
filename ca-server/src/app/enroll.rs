//! Step 1: units, agents, their training, and the pair of both.

use ca_core::{
    Action, Agent, AgentId, AuditEntry, IdCard, Name, Unit, UnitId,
    policy::{Eligibility, EligibilityRules},
};
use ca_store::{Tx, WriteSite};
use ca_verifier::{Time, Uscc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, once};
use crate::{
    permit::{ConfirmAgent, Permit, QualifyAgent, RegisterAgent, RegisterUnit, ReleaseAgent},
    problem::Problem,
    rule::Rule,
    wire,
};

/// A unit, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnit {
    /// 统一社会信用代码, 18 characters (GB 32100-2015).
    pub(crate) uscc: String,
    /// 劳动保障证号, eight digits.
    pub(crate) labour_no: String,
    /// Legal name.
    pub(crate) name: String,
    /// Province, for the certificate's ST.
    pub(crate) province: String,
    /// City, for the certificate's L.
    pub(crate) city: String,
    /// The agency that insures the unit (参保经办机构), a code of `policies/eligibility.toml`.
    pub(crate) agency: String,
    /// Why the register of insured units is wrong or incomplete, when it says something else.
    #[serde(default)]
    pub(crate) register_difference_reason: Option<String>,
}

/// An agent, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    /// Name.
    pub(crate) name: String,
    /// Identity card number, 18 characters (GB 11643-1999).
    pub(crate) id_card: String,
}

impl App {
    pub(crate) async fn register_unit(
        &self,
        permit: Permit<RegisterUnit>,
        new: NewUnit,
        key: Once,
    ) -> Result<Made<UnitId>, Problem> {
        let now = wire::now();
        Unit::check_labour_no(&new.labour_no)?;
        // ub-organization-name (RFC 5280 appendix A): found here, and not when the certificate is made.
        if new.name.chars().count() > 64 {
            return Err(Problem::field("name", "more than 64 characters cannot stand in a certificate"));
        }
        if !self.policies.eligibility().knows(&new.agency) {
            let codes: Vec<&str> = self.policies.eligibility().codes().collect();
            return Err(Problem::field("agency", format!("one of {} is needed", codes.join(", "))));
        }
        let unit = Unit {
            id: UnitId::new(now, wire::random()?),
            uscc: Uscc::parse(&new.uscc)?,
            labour_no: new.labour_no,
            name: Name::parse(&new.name)?,
            province: place("province", new.province)?,
            city: place("city", new.city)?,
            agency: Some(new.agency),
            registered_by: permit.actor().to_string(),
            registered_at: now,
        };
        self.store
            .write(WriteSite::RegisterUnit, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, unit.id.as_str(), now)? {
                    return Ok(Made::Before(UnitId::parse(&before)?));
                }
                super::register::admit(tx, &unit, new.register_difference_reason, permit.actor(), now)?;
                tx.insert_unit(&unit)?;
                tx.append_audit(
                    &AuditEntry::done(now, permit.actor(), Action::RegisterUnit, "unit", &unit.id)
                        .with("uscc", unit.uscc),
                )?;
                Ok(Made::Now(unit.id))
            })
            .await
    }

    pub(crate) async fn register_agent(
        &self,
        permit: Permit<RegisterAgent>,
        new: NewAgent,
        key: Once,
    ) -> Result<Made<AgentId>, Problem> {
        let now = wire::now();
        let agent = Agent {
            id: AgentId::new(now, wire::random()?),
            name: Name::parse(&new.name)?,
            id_card: IdCard::parse(&new.id_card)?,
            qualified_at: None,
        };
        self.store
            .write(WriteSite::RegisterAgent, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, agent.id.as_str(), now)? {
                    return Ok(Made::Before(AgentId::parse(&before)?));
                }
                tx.insert_agent(&agent)?;
                tx.append_audit(&AuditEntry::done(
                    now,
                    permit.actor(),
                    Action::RegisterAgent,
                    "agent",
                    &agent.id,
                ))?;
                Ok(Made::Now(agent.id))
            })
            .await
    }

    /// The agent passed the training.
    pub(crate) async fn qualify_agent(
        &self,
        permit: Permit<QualifyAgent>,
        agent: AgentId,
    ) -> Result<(), Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::QualifyAgent, move |tx| {
                let known = tx.agent(&agent)?.ok_or_else(|| Problem::not_found("agent"))?;
                if known.qualified_at.is_some() {
                    return Ok(());
                }
                tx.qualify_agent(&agent, now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::QualifyAgent, "agent", &agent);
                tx.append_audit(&entry)?;
                Ok(())
            })
            .await
    }

    /// The agent has left the unit: at once, for everything that asks.
    pub(crate) async fn release_agent(
        &self,
        permit: Permit<ReleaseAgent>,
        agent: AgentId,
        uscc: String,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let uscc = Uscc::parse(&uscc)?;
        self.store
            .write(WriteSite::ConfirmAgent, move |tx| {
                let unit = registered_unit(tx, &uscc)?;
                if !tx.pair_confirmed(&agent, &unit.id)? {
                    return Err(Problem::not_found("agent"));
                }
                tx.end_pair(&agent, &unit.id, now, &permit.actor().to_string())?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ReleaseAgent, "agent", &agent);
                tx.append_audit(&entry.with("unit", &unit.id))?;
                Ok(())
            })
            .await
    }

    /// The agent may act for the unit.
    pub(crate) async fn confirm_agent(
        &self,
        permit: Permit<ConfirmAgent>,
        agent: AgentId,
        uscc: String,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let uscc = Uscc::parse(&uscc)?;
        self.store
            .write(WriteSite::ConfirmAgent, move |tx| {
                let unit = registered_unit(tx, &uscc)?;
                tx.agent(&agent)?.ok_or_else(|| Problem::new(Rule::AgentUnknown))?;
                if tx.pair_confirmed(&agent, &unit.id)? {
                    return Ok(());
                }
                tx.confirm_pair(&agent, &unit.id, now, &permit.actor().to_string())?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ConfirmAgent, "agent", &agent);
                tx.append_audit(&entry.with("unit", &unit.id))?;
                Ok(())
            })
            .await
    }
}

/// A unit by its code.
pub(super) fn registered_unit(tx: &mut Tx<'_>, uscc: &Uscc) -> Result<Unit, Problem> {
    tx.unit_by_uscc(uscc)?.ok_or_else(|| Problem::new(Rule::UnitUnknown).with("uscc", uscc))
}

/// What must hold for an application, when it is entered and again when it is approved: unit eligible, agent
/// qualified, pair confirmed. A closed gate says what is missing.
pub(super) fn gate(
    tx: &mut Tx<'_>,
    rules: &EligibilityRules,
    unit: &Unit,
    agent: &AgentId,
    now: Time,
) -> Result<(), Problem> {
    eligible(rules, unit, now)?;
    let known = tx.agent(agent)?.ok_or_else(|| Problem::new(Rule::AgentUnknown))?;
    if known.qualified_at.is_none() {
        return Err(Problem::new(Rule::AgentNotQualified));
    }
    if !tx.pair_confirmed(agent, &unit.id)? {
        return Err(Problem::new(Rule::AgentNotConfirmed));
    }
    Ok(())
}

/// Whether the unit may have a certificate, by the agency that insures it.
pub(super) fn eligible(rules: &EligibilityRules, unit: &Unit, now: Time) -> Result<(), Problem> {
    let agency = unit.agency.as_deref().unwrap_or("");
    match rules.check(agency, now) {
        Eligibility::Eligible => Ok(()),
        Eligibility::Excluded(rule) => {
            let agency = format!("{} ({})", rule.zh(), rule.en());
            let problem = Problem::new(Rule::UnitNotEligible).with("agency", agency);
            Err(problem.with("basis", rule.basis()))
        }
        Eligibility::NoRule => Err(Problem::new(Rule::UnitAgencyUnclear).with("agency", agency)),
    }
}

/// A province or city as it stands in a subject: X.520 allows 128 characters, names of places need no more than 40.
fn place(field: &'static str, text: String) -> Result<String, Problem> {
    let name = Name::parse(&text).map_err(|error| Problem::field(field, error))?;
    if name.as_str().chars().count() > 40 {
        return Err(Problem::field(field, "more than 40 characters"));
    }
    Ok(text)
}

//! Step 1: units, the training of agents, and the pair of both. Who an agent is stands in `person.rs`.

use ca_core::{Action, Actor, Agent, AgentId, AuditEntry, Identity, Name, Unit, UnitId};
use ca_store::{Reader, Tx, WriteSite};
use ca_verifier::{OrgCode, Time, UnitCode, Uscc};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    gate::{self, NewDocument},
    once,
};
use crate::{
    permit::{ConfirmAgent, Permit, QualifyAgent, RegisterUnit, ReleaseAgent},
    problem::Problem,
    rule::Rule,
    sheet, wire,
};

const UNIT_NAME_MAX: usize = 64;

/// A unit, as the counter enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUnit {
    /// 统一社会信用代码, 18 characters (GB 32100-2015).
    #[serde(default)]
    pub(crate) uscc: Option<String>,
    /// 组织机构代码, nine characters (GB 11714-1997), of an older unit that has no unified code.
    #[serde(default)]
    pub(crate) org_code: Option<String>,
    /// 劳动保障证号, eight digits.
    pub(crate) labour_no: String,
    /// Legal name.
    pub(crate) name: String,
    /// Province, for the certificate's ST.
    pub(crate) province: String,
    /// City, for the certificate's L.
    pub(crate) city: String,
    /// District or county, six digits (GB/T 2260).
    #[serde(default)]
    pub(crate) region: Option<String>,
    /// The agency that insures the unit (参保经办机构), a code of `policies/eligibility.toml`.
    pub(crate) agency: String,
    /// The agent, by our identifier: the pair is confirmed with the registration.
    #[serde(default)]
    pub(crate) agent: Option<String>,
    /// What the counter saw (`policies/documents.toml`, `register-unit`).
    #[serde(default)]
    pub(crate) documents: Vec<NewDocument>,
    /// Why the register of insured units is wrong or incomplete, when it says something else.
    #[serde(default)]
    pub(crate) register_difference_reason: Option<String>,
}

impl NewUnit {
    /// The code that the unit is known by: one of the two.
    pub(crate) fn code(&self) -> Result<UnitCode, Problem> {
        match (&self.uscc, &self.org_code) {
            (Some(uscc), None) => Ok(UnitCode::Uscc(Uscc::parse(uscc)?)),
            (None, Some(code)) => Ok(UnitCode::Org(OrgCode::parse(code)?)),
            _ => Err(Problem::field("uscc", "either uscc or org_code is needed, and not both")),
        }
    }
}

impl App {
    pub(crate) async fn register_unit(
        &self,
        permit: Permit<RegisterUnit>,
        new: NewUnit,
        key: Once,
    ) -> Result<Made<UnitId>, Problem> {
        let now = wire::now();
        let (code, name) = (new.code()?, unit_name(&new.name)?);
        Unit::check_labour_no(&new.labour_no)?;
        new.region.as_deref().map(Unit::check_region).transpose()?;
        let agent = new.agent.as_deref().map(AgentId::parse).transpose()?;
        if !self.policies.eligibility().knows(&new.agency) {
            let codes: Vec<&str> = self.policies.eligibility().codes().collect();
            return Err(Problem::field("agency", format!("one of {} is needed", codes.join(", "))));
        }
        // Records from another system come without papers; a clerk has seen them.
        let documents = match permit.staff() {
            Some(clerk) => {
                let documents = gate::documents(new.documents, clerk, now)?;
                let missing = gate::missing_documents(self.policies.documents(), "register-unit", &documents);
                missing.map_or(Ok(()), Err)?;
                documents
            }
            None => Vec::new(),
        };
        let unit = Unit {
            id: UnitId::new(now, wire::random()?),
            code,
            labour_no: new.labour_no,
            name_flag: suspicion(&name),
            name,
            region: new.region,
            province: place("province", new.province)?,
            city: place("city", new.city)?,
            agency: Some(new.agency),
            registered_by: permit.actor().to_string(),
            registered_at: now,
            ended_at: None,
        };
        self.store
            .write(WriteSite::RegisterUnit, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, unit.id.as_str(), now)? {
                    return Ok(Made::Before(UnitId::parse(&before)?));
                }
                refuse_second_code(tx, &unit.code)?;
                super::register::admit(tx, &unit, new.register_difference_reason, permit.actor(), now)?;
                tx.insert_unit(&unit)?;
                tx.insert_unit_documents(&unit.id, &documents)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::RegisterUnit, "unit", &unit.id);
                let entry = entry.with("code", unit.code).with("documents", documents.len());
                tx.append_audit(&match &unit.name_flag {
                    Some(flag) => entry.with("name-flag", flag),
                    None => entry,
                })?;
                if let Some(agent) = agent {
                    confirm(tx, permit.actor(), &agent, &unit, now)?;
                }
                Ok(Made::Now(unit.id))
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
                if living_agent(tx, &agent)?.qualified_at.is_some() {
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
        let code = UnitCode::parse(&uscc)?;
        self.store
            .write(WriteSite::ConfirmAgent, move |tx| {
                let unit = registered_unit(tx, &code)?;
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
        let code = UnitCode::parse(&uscc)?;
        self.store
            .write(WriteSite::ConfirmAgent, move |tx| {
                let unit = registered_unit(tx, &code)?;
                confirm(tx, permit.actor(), &agent, &unit, now)
            })
            .await
    }
}

/// A unit by its code.
pub(super) fn registered_unit(reader: &mut Reader<'_>, code: &UnitCode) -> Result<Unit, Problem> {
    reader.unit_by_code(code)?.ok_or_else(|| Problem::new(Rule::UnitUnknown).with("uscc", code))
}

/// An agent about whom something new can be entered.
pub(super) fn living_agent(reader: &mut Reader<'_>, id: &AgentId) -> Result<Agent, Problem> {
    let known = reader.agent(id)?.ok_or_else(|| Problem::new(Rule::AgentUnknown))?;
    match known.identity {
        Identity::Known { .. } => Ok(known),
        Identity::Erased { at } => Err(Problem::new(Rule::AgentErased).with("at", at)),
    }
}

/// The same, and nobody erases the agent meanwhile: for what an agent's data is kept for from now on.
pub(super) fn locked_agent(tx: &mut Tx<'_>, id: &AgentId) -> Result<Agent, Problem> {
    tx.agent(id)?.ok_or_else(|| Problem::new(Rule::AgentUnknown))?;
    tx.lock_agent(id)?;
    living_agent(tx, id)
}

/// Confirms the pair of agent and unit, once.
fn confirm(tx: &mut Tx<'_>, actor: &Actor, agent: &AgentId, unit: &Unit, now: Time) -> Result<(), Problem> {
    locked_agent(tx, agent)?;
    if tx.pair_confirmed(agent, &unit.id)? {
        return Ok(());
    }
    tx.confirm_pair(agent, &unit.id, now, &actor.to_string())?;
    let entry = AuditEntry::done(now, actor, Action::ConfirmAgent, "agent", agent);
    tx.append_audit(&entry.with("unit", &unit.id))?;
    Ok(())
}

/// A unified code contains the organisation code: a unit that has both is one unit.
fn refuse_second_code(reader: &mut Reader<'_>, code: &UnitCode) -> Result<(), Problem> {
    let Some(org_code) = code.org_code() else { return Ok(()) };
    let known = match code {
        UnitCode::Uscc(_) => reader.unit_by_code(&UnitCode::Org(org_code))?,
        UnitCode::Org(_) => reader.unit_by_org_code(&org_code)?.filter(|unit| unit.code != *code),
    };
    match known {
        Some(unit) => {
            Err(Problem::new(Rule::UnitCodeKnown).with("org_code", org_code).with("code", unit.code))
        }
        None => Ok(()),
    }
}

/// A legal name that can stand in a certificate: ub-organization-name (RFC 5280 appendix A) allows 64 characters. Found
/// here, and not when the certificate is made.
pub(super) fn unit_name(text: &str) -> Result<Name, Problem> {
    let name = Name::parse(text)?;
    if name.as_str().chars().count() > UNIT_NAME_MAX {
        return Err(Problem::field("name", "more than 64 characters cannot stand in a certificate"));
    }
    Ok(name)
}

/// Why a person should look at a name: characters that look like others. They are allowed, as some names have them.
pub(super) fn suspicion(name: &Name) -> Option<String> {
    sheet::look_alike(name.as_str()).map(|characters| format!("look-alike characters: {characters}"))
}

/// A province or city as it stands in a subject: X.520 allows 128 characters, names of places need no more than 40.
fn place(field: &'static str, text: String) -> Result<String, Problem> {
    let name = Name::parse(&text).map_err(|error| Problem::field(field, error))?;
    if name.as_str().chars().count() > 40 {
        return Err(Problem::field(field, "more than 40 characters"));
    }
    Ok(text)
}

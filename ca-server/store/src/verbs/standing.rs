//! What a portal asks (step 9): where certificates stand, whose they are, who acts for those units, and what the log says of
//! their moves. One query for all that are asked for at once, each by an index.

use ca_core::{Action, AgentId, Name, StatusEntry, UnitId};
use ca_verifier::{Reason, Serial, Time, UnitCode};
use diesel::prelude::*;

use super::{StatusRecord, intact, status::Row, times};
use crate::{
    Reader, StoreError,
    schema::{agent, agent_unit, application, audit, certificate, status, unit},
    tx::run,
};

/// The log's entries that are moves of a certificate.
const MOVES: [Action; 5] = [
    Action::IssueCertificate,
    Action::ActivateCertificate,
    Action::HoldCertificate,
    Action::ReleaseCertificate,
    Action::RevokeCertificate,
];

/// One serial number, with what is on file about its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingRecord {
    /// Where it stands.
    pub status: StatusRecord,
    /// Its certificate; `None` of a burned number, which has none.
    pub issued: Option<IssuedFacts>,
}

/// A certificate without its octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFacts {
    /// Its profile.
    pub profile: String,
    /// Start of validity.
    pub not_before: Time,
    /// When it was committed.
    pub issued_at: Time,
    /// Whose it is; `None` for staff and for the CA's own.
    pub unit: Option<UnitFacts>,
}

/// A unit as the register has it now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitFacts {
    /// Our identifier.
    pub id: UnitId,
    /// The code that it is registered with.
    pub code: UnitCode,
    /// Its name.
    pub name: Name,
    /// When it ceased to exist.
    pub ended_at: Option<Time>,
    /// The code in the certificate; the unit may have another one by now.
    pub certified_code: Option<UnitCode>,
}

/// An agent who acts, or acted, for a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitPair {
    /// The unit.
    pub unit: UnitId,
    /// The agent.
    pub agent: AgentId,
    /// Since when.
    pub confirmed_at: Time,
    /// Since when no longer.
    pub ended_at: Option<Time>,
    /// When the agent passed the training.
    pub qualified_at: Option<Time>,
}

#[derive(Queryable)]
struct FoundRow {
    status: Row,
    issued: Option<(String, i64, i64, Option<String>)>,
    unit: Option<(String, String, String, Option<i64>)>,
    certified_code: Option<String>,
}

#[derive(Queryable)]
struct PairRow {
    unit: String,
    agent: String,
    confirmed_at: i64,
    ended_at: Option<i64>,
    qualified_at: Option<i64>,
}

impl Reader<'_> {
    /// Those of the serial numbers that this issuer has signed or burned, in no order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn standings(&mut self, issuer: &str, numbers: &[Serial]) -> Result<Vec<StandingRecord>, StoreError> {
        let numbers: Vec<Vec<u8>> = numbers.iter().map(|number| number.as_bytes().to_vec()).collect();
        let query = status::table
            .left_join(certificate::table.on(certificate::serial.eq(status::serial)))
            .left_join(unit::table.on(certificate::unit.eq(unit::id.nullable())))
            .left_join(application::table.on(certificate::application.eq(application::id.nullable())))
            .filter(status::serial.eq_any(numbers))
            .filter(status::issuer.eq(issuer));
        let issued =
            (certificate::profile, certificate::not_before, certificate::issued_at, certificate::unit);
        let owner = (unit::id, unit::code, unit::name, unit::ended_at);
        let rows: Vec<FoundRow> = run!(self, connection => query
            .select((Row::as_select(), issued.nullable(), owner.nullable(), application::unit_code.nullable()))
            .load(connection))?;
        rows.into_iter().map(StandingRecord::try_from).collect()
    }

    /// Who acted for these units at a moment, as far as the rows still say it: of a pair that ended and was confirmed again,
    /// only the last time is on file. At most `limit`, by unit and agent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pairs_of_units(
        &mut self,
        units: &[UnitId],
        at: Time,
        limit: i64,
    ) -> Result<Vec<UnitPair>, StoreError> {
        let units: Vec<&str> = units.iter().map(UnitId::as_str).collect();
        let lasted = agent_unit::ended_at.is_null().or(agent_unit::ended_at.gt(at.millis()));
        let query = agent_unit::table
            .inner_join(agent::table.on(agent::id.eq(agent_unit::agent)))
            .filter(agent_unit::unit.eq_any(units))
            .filter(agent_unit::confirmed_at.le(at.millis()))
            .filter(lasted)
            .order((agent_unit::unit, agent_unit::agent))
            .limit(limit)
            .select((
                agent_unit::unit,
                agent_unit::agent,
                agent_unit::confirmed_at,
                agent_unit::ended_at,
                agent::qualified_at,
            ));
        let rows: Vec<PairRow> = run!(self, connection => query.load(connection))?;
        rows.into_iter().map(UnitPair::try_from).collect()
    }

    /// What the log says of the moves of these certificates, in the order in which they were made.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn status_entries(&mut self, numbers: &[Serial]) -> Result<Vec<(Serial, StatusEntry)>, StoreError> {
        let numbers: Vec<String> = numbers.iter().map(Serial::to_string).collect();
        let query = audit::table
            .filter(audit::object_id.eq_any(numbers))
            .filter(audit::object.eq("certificate"))
            .filter(audit::rule.is_null())
            .filter(audit::action.eq_any(MOVES.map(Action::name)))
            .order(audit::id)
            .select((audit::id, audit::object_id, audit::at, audit::action, audit::detail));
        let rows: Vec<(i64, String, i64, String, String)> = run!(self, connection => query.load(connection))?;
        let entry = |(id, number, at, action, detail): (i64, String, i64, String, String)| {
            let detail: serde_json::Value = intact(serde_json::from_str(&detail), "audit", id)?;
            let entry = StatusEntry {
                at: Time::from_millis(at),
                action: intact(Action::from_name(&action), "audit", id)?,
                reason: detail["reason"].as_str().and_then(Reason::from_name),
            };
            Ok((intact(Serial::from_hex(&number), "audit", id)?, entry))
        };
        rows.into_iter().map(entry).collect()
    }
}

impl TryFrom<FoundRow> for StandingRecord {
    type Error = StoreError;

    fn try_from(row: FoundRow) -> Result<Self, StoreError> {
        let status = StatusRecord::try_from(row.status)?;
        let number = status.serial;
        let code = |text: Option<String>| {
            intact(text.as_deref().map(UnitCode::parse).transpose(), "application", number)
        };
        let certified_code = code(row.certified_code)?;
        let Some((profile, not_before, issued_at, owner)) = row.issued else {
            return Ok(Self { status, issued: None });
        };
        let unit = row.unit.map(|(id, code, name, ended_at)| {
            Ok::<_, StoreError>(UnitFacts {
                code: intact(UnitCode::parse(&code), "unit", &id)?,
                name: intact(Name::parse(&name), "unit", &id)?,
                id: intact(UnitId::parse(&id), "unit", &id)?,
                ended_at: times(ended_at),
                certified_code,
            })
        });
        let unit = unit.transpose()?;
        if owner.as_deref() != unit.as_ref().map(|unit| unit.id.as_str()) {
            return Err(StoreError::Corrupt { table: "certificate", id: number.to_string() });
        }
        let (not_before, issued_at) = (Time::from_millis(not_before), Time::from_millis(issued_at));
        Ok(Self { status, issued: Some(IssuedFacts { profile, not_before, issued_at, unit }) })
    }
}

impl TryFrom<PairRow> for UnitPair {
    type Error = StoreError;

    fn try_from(row: PairRow) -> Result<Self, StoreError> {
        Ok(Self {
            unit: intact(UnitId::parse(&row.unit), "agent_unit", &row.unit)?,
            agent: intact(AgentId::parse(&row.agent), "agent_unit", &row.agent)?,
            confirmed_at: Time::from_millis(row.confirmed_at),
            ended_at: times(row.ended_at),
            qualified_at: times(row.qualified_at),
        })
    }
}

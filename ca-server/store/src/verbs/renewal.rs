//! Certificates that end soon, and what became of their renewal (step 11).

use ca_core::{AgentId, ApplicationId, UnitId};
use ca_verifier::{Serial, Time};
use diesel::{
    dsl::{exists, not, sql},
    prelude::*,
    select,
    sql_types::Bool,
};

use super::{intact, serial};
use crate::{
    Reader, StoreError,
    schema::{agent, agent_unit, application, certificate, status},
    tx::run,
};

/// A unit's good certificate that ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its number.
    pub serial: Serial,
    /// When its validity ends.
    pub not_after: Time,
    /// Whose.
    pub unit: UnitId,
    /// The application that it was made for; none only of what was imported.
    pub application: Option<ApplicationId>,
}

/// Which certificates.
#[derive(Clone, Copy, Debug)]
pub struct EndingFilter {
    /// They end later than this.
    pub now: Time,
    /// And not later than this.
    pub until: Time,
    /// Only those without an application for a successor, whose renewal nobody declined.
    pub unordered: bool,
    /// Only what comes after this one, by end and number: the last of the page before.
    pub after: Option<(Time, Serial)>,
    /// How many at most.
    pub limit: i64,
}

type Row = (Vec<u8>, i64, String, Option<String>);

impl Reader<'_> {
    /// Good certificates of units that end soon, the nearest end first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ending(&mut self, filter: &EndingFilter) -> Result<Vec<Ending>, StoreError> {
        // Literals, because SQLite uses partial indexes only for conditions without parameters.
        let succeeded = application::table
            .filter(application::certificate.eq(status::serial.nullable()))
            .filter(sql::<Bool>(
                "kind <> 'revoke' AND kind <> 'hold' AND kind <> 'release' AND kind <> 'unlock' \
                 AND application.state <> 'rejected' AND application.state <> 'withdrawn' \
                 AND application.state <> 'expired'",
            ));
        let declined = application::table
            .filter(application::certificate.eq(status::serial.nullable()))
            .filter(sql::<Bool>(
                "kind = 'renew' AND (application.state = 'withdrawn' OR application.state = 'rejected')",
            ));
        let (from, past) = filter.after.map_or((filter.now, None), |(end, number)| (end, Some(number)));
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = status::table
                .inner_join(certificate::table.on(certificate::serial.eq(status::serial)))
                .filter(sql::<Bool>("status.state = 'good'"))
                .filter(status::not_after.le(filter.until.millis()))
                .filter(certificate::unit.is_not_null())
                .into_boxed();
            query = match past {
                // Those that end in the same moment go by their number.
                Some(number) => query.filter(status::not_after.gt(from.millis()).or(
                    status::not_after.eq(from.millis()).and(status::serial.gt(number.as_bytes().to_vec())),
                )),
                None => query.filter(status::not_after.gt(from.millis())),
            };
            if filter.unordered {
                query = query.filter(not(exists(succeeded))).filter(not(exists(declined)));
            }
            query
                .order((status::not_after, status::serial))
                .limit(filter.limit)
                .select((
                    status::serial,
                    status::not_after,
                    certificate::unit.assume_not_null(),
                    certificate::application,
                ))
                .load(connection)
        })?;
        let read = |(number, end, unit, made_for): Row| {
            let serial = serial(&number, "status", "of an unreadable serial number")?;
            let application = made_for.map(|id| intact(ApplicationId::parse(&id), "certificate", serial));
            Ok(Ending {
                serial,
                not_after: Time::from_millis(end),
                unit: intact(UnitId::parse(&unit), "certificate", serial)?,
                application: application.transpose()?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Renewals that nobody paid for, and what an event entered that nobody decided, before their certificate ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ended_renewals(&mut self, now: Time, limit: i64) -> Result<Vec<ApplicationId>, StoreError> {
        let query = application::table
            .inner_join(status::table.on(status::serial.nullable().eq(application::certificate)))
            .filter(application::state.eq_any(["submitted", "approved"]))
            .filter(application::kind.eq("renew").or(application::entered_by.like("unit-event:%")))
            .filter(status::not_after.lt(now.millis()))
            .order(application::id)
            .limit(limit)
            .select(application::id);
        let ids: Vec<String> = run!(self, connection => query.load(connection))?;
        ids.iter().map(|id| intact(ApplicationId::parse(id), "application", id)).collect()
    }

    /// Whether somebody decided against a renewal of this certificate.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn renewal_declined(&mut self, of: &Serial) -> Result<bool, StoreError> {
        let declined =
            application::table
                .filter(application::certificate.eq(of.as_bytes()))
                .filter(sql::<Bool>("kind = 'renew' AND (state = 'withdrawn' OR state = 'rejected')"));
        run!(self, connection => select(exists(declined)).get_result(connection))
    }

    /// Qualified agents who are confirmed for a unit, by identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn qualified_agents_of(&mut self, unit: &UnitId) -> Result<Vec<AgentId>, StoreError> {
        let query = agent_unit::table
            .inner_join(agent::table.on(agent::id.eq(agent_unit::agent)))
            .filter(agent_unit::unit.eq(unit.as_str()))
            .filter(agent_unit::ended_at.is_null())
            .filter(agent::qualified_at.is_not_null())
            .order(agent_unit::agent)
            .select(agent_unit::agent);
        let ids: Vec<String> = run!(self, connection => query.load(connection))?;
        ids.iter().map(|id| intact(AgentId::parse(id), "agent_unit", id)).collect()
    }
}

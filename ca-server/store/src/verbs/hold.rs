//! Holds on certificates: why, by whom, and how they end by themselves (step 11). Where the certificate stands is in
//! `status`.

use ca_core::{Ciphertext, Hold, HoldEnd, HoldId, HoldOutcome, HoldReason};
use ca_verifier::{Serial, Time};
use diesel::prelude::*;

use super::{intact, serial, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{hold, status},
    tx::{all, change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = hold, treat_none_as_default_value = false)]
struct Row {
    id: String,
    certificate: Vec<u8>,
    reason: String,
    placed_by: String,
    placed_at: i64,
    caller_sealed: Option<Vec<u8>>,
    #[diesel(embed)]
    end: EndColumns,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = hold, treat_none_as_default_value = false, treat_none_as_null = true)]
struct EndColumns {
    due_end: Option<String>,
    due_at: Option<i64>,
    told_at: Option<i64>,
    ended_at: Option<i64>,
    ended_by: Option<String>,
    ended_how: Option<String>,
}

impl Reader<'_> {
    /// A hold by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hold(&mut self, id: &HoldId) -> Result<Option<Hold>, StoreError> {
        one!(self, Row, hold::table.find(id.as_str()))?.map(Hold::try_from).transpose()
    }

    /// The hold that a certificate is on now; `None` for one of the days before there were reasons, too.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_hold(&mut self, number: &Serial) -> Result<Option<Hold>, StoreError> {
        let query =
            hold::table.filter(hold::certificate.eq(number.as_bytes())).filter(hold::ended_at.is_null());
        one!(self, Row, query)?.map(Hold::try_from).transpose()
    }

    /// Every hold of a certificate, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holds_of(&mut self, number: &Serial) -> Result<Vec<Hold>, StoreError> {
        let query = hold::table.filter(hold::certificate.eq(number.as_bytes())).order(hold::id);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// Holds that end by themselves until then, of certificates that have not ended at `now`: those whose unit was told, or
    /// those whose unit was not. In the order of their identifiers, only after the one given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holds_due(
        &mut self,
        (until, now): (Time, Time),
        told: bool,
        after: Option<&HoldId>,
        limit: i64,
    ) -> Result<Vec<Hold>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = hold::table
                .inner_join(status::table.on(status::serial.eq(hold::certificate)))
                .filter(hold::ended_at.is_null())
                .filter(hold::due_at.le(until.millis()))
                .filter(status::not_after.gt(now.millis()))
                .filter(hold::id.gt(after.map_or("", HoldId::as_str)))
                .into_boxed();
            query = if told {
                query.filter(hold::told_at.is_not_null())
            } else {
                query.filter(hold::told_at.is_null())
            };
            query.order(hold::id).limit(limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Hold::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `hold` when the certificate is on one already.
    pub fn insert_hold(&mut self, new: &Hold) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            certificate: new.certificate.as_bytes().to_vec(),
            reason: new.reason.name().to_owned(),
            placed_by: new.placed_by.clone(),
            placed_at: new.placed_at.millis(),
            caller_sealed: new.caller.as_ref().map(|sealed| sealed.as_bytes().to_vec()),
            end: EndColumns::from(new),
        };
        insert!(self, hold::table, &row)
    }

    /// Moves it on, if nobody told its unit or ended it since it was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `hold`.
    pub fn move_hold(&mut self, from: &Hold, to: &Hold) -> Result<(), StoreError> {
        let (open, to) =
            (hold::table.find(from.id.as_str()).filter(hold::ended_at.is_null()), EndColumns::from(to));
        match from.told_at {
            None => change_one!(self, "hold", diesel::update(open.filter(hold::told_at.is_null())).set(to)),
            Some(at) => {
                let told = open.filter(hold::told_at.eq(at.millis()));
                change_one!(self, "hold", diesel::update(told).set(to))
            }
        }
    }
}

impl From<&Hold> for EndColumns {
    fn from(hold: &Hold) -> Self {
        let (ended_at, ended_by, ended_how) = match &hold.ended {
            Some((at, by, how)) => (Some(at.millis()), Some(by.clone()), Some(how.name().to_owned())),
            None => (None, None, None),
        };
        Self {
            due_end: hold.due.map(|(end, _)| end.name().to_owned()),
            due_at: hold.due.map(|(_, at)| at.millis()),
            told_at: hold.told_at.map(Time::millis),
            ended_at,
            ended_by,
            ended_how,
        }
    }
}

impl TryFrom<Row> for Hold {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let Row { id, end, .. } = row;
        let due = match (end.due_end, end.due_at) {
            (Some(how), Some(at)) => {
                Some((intact(HoldEnd::from_name(&how), "hold", &id)?, Time::from_millis(at)))
            }
            (None, None) => None,
            _ => return Err(StoreError::Corrupt { table: "hold", id }),
        };
        let ended = match (end.ended_at, end.ended_by, end.ended_how) {
            (Some(at), Some(by), Some(how)) => {
                Some((Time::from_millis(at), by, intact(HoldOutcome::from_name(&how), "hold", &id)?))
            }
            (None, None, None) => None,
            _ => return Err(StoreError::Corrupt { table: "hold", id }),
        };
        Ok(Self {
            certificate: serial(&row.certificate, "hold", &id)?,
            reason: intact(HoldReason::from_name(&row.reason), "hold", &id)?,
            placed_by: row.placed_by,
            placed_at: Time::from_millis(row.placed_at),
            caller: intact(row.caller_sealed.map(Ciphertext::from_stored).transpose(), "hold", &id)?,
            due,
            told_at: times(end.told_at),
            ended,
            id: intact(HoldId::parse(&id), "hold", &id)?,
        })
    }
}

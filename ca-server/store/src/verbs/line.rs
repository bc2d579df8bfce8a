//! Issuing lines and the applications in them.

use ca_core::{ApplicationId, LineId, LineItemState, StaffId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::{intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{issuing_line, line_item},
    tx::{all, change_one, insert, one, run},
};

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRecord {
    /// Our identifier.
    pub id: LineId,
    /// At which workstation.
    pub workstation: String,
    /// Who works there.
    pub clerk: StaffId,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// One application of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineItem {
    /// Its place, from 1.
    pub position: i64,
    /// Which.
    pub application: ApplicationId,
    /// Where it stands.
    pub state: LineItemState,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = issuing_line, treat_none_as_default_value = false)]
struct LineRow {
    id: String,
    workstation: String,
    clerk: String,
    started_at: i64,
    ended_at: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = line_item, treat_none_as_default_value = false)]
struct ItemRow {
    line: String,
    position: i64,
    application: String,
    state: String,
    token: Option<String>,
    note: String,
}

impl Reader<'_> {
    /// The line that goes on at a workstation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn running_line(&mut self, workstation: &str) -> Result<Option<LineRecord>, StoreError> {
        let query = issuing_line::table
            .filter(issuing_line::workstation.eq(workstation))
            .filter(issuing_line::ended_at.is_null());
        one!(self, LineRow, query)?.map(LineRecord::try_from).transpose()
    }

    /// The latest line of a workstation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn last_line(&mut self, workstation: &str) -> Result<Option<LineRecord>, StoreError> {
        let query = issuing_line::table
            .filter(issuing_line::workstation.eq(workstation))
            .order(issuing_line::id.desc())
            .limit(1);
        one!(self, LineRow, query)?.map(LineRecord::try_from).transpose()
    }

    /// What is in a line, in its order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn line_items(&mut self, line: &LineId) -> Result<Vec<LineItem>, StoreError> {
        let query = line_item::table.filter(line_item::line.eq(line.as_str())).order(line_item::position);
        all!(self, ItemRow, query)?.into_iter().map(LineItem::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new line with its applications.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `issuing-line` when one goes on at the workstation, `line-item` when an application stands
    /// in one that goes on; [`StoreError::NotFound`] without application.
    pub fn insert_line(
        &mut self,
        new: &LineRecord,
        applications: &[ApplicationId],
    ) -> Result<(), StoreError> {
        let row = LineRow {
            id: new.id.to_string(),
            workstation: new.workstation.clone(),
            clerk: new.clerk.to_string(),
            started_at: new.started_at.millis(),
            ended_at: new.ended_at.map(Time::millis),
        };
        insert!(self, issuing_line::table, &row)?;
        for (position, application) in (1..).zip(applications) {
            let item = ItemRow {
                line: row.id.clone(),
                position,
                application: application.to_string(),
                state: LineItemState::Waiting.name().to_owned(),
                token: None,
                note: String::new(),
            };
            insert!(self, line_item::table, &item)?;
        }
        Ok(())
    }

    /// Moves an application of a line on, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `line-item`.
    pub fn move_line_item(
        &mut self,
        line: &LineId,
        item: &LineItem,
        to: &LineItemState,
    ) -> Result<(), StoreError> {
        let row = line_item::table
            .find((line.to_string(), item.position))
            .filter(line_item::state.eq(item.state.name()));
        let note = match to {
            LineItemState::Aside { note, .. } => note.as_str(),
            _ => "",
        };
        let set = (line_item::state.eq(to.name()), line_item::token.eq(to.token()), line_item::note.eq(note));
        change_one!(self, "line-item", diesel::update(row).set(set))
    }

    /// A line ends; what waits in it is free for another.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `issuing-line` when it ended before.
    pub fn end_line(&mut self, line: &LineId, at: Time) -> Result<(), StoreError> {
        let waiting = line_item::table
            .filter(line_item::line.eq(line.as_str()))
            .filter(line_item::state.eq("waiting").or(line_item::state.eq("working")));
        let aside = (line_item::state.eq("aside"), line_item::note.eq("已停止。 Stopped."));
        run!(self, connection => diesel::update(waiting).set(aside).execute(connection))?;
        let row = issuing_line::table.find(line.as_str()).filter(issuing_line::ended_at.is_null());
        let ended = issuing_line::ended_at.eq(Some(at.millis()));
        change_one!(self, "issuing-line", diesel::update(row).set(ended))
    }
}

impl TryFrom<LineRow> for LineRecord {
    type Error = StoreError;

    fn try_from(row: LineRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(LineId::parse(&row.id), "issuing_line", &row.id)?,
            clerk: intact(StaffId::parse(&row.clerk), "issuing_line", &row.id)?,
            workstation: row.workstation,
            started_at: Time::from_millis(row.started_at),
            ended_at: times(row.ended_at),
        })
    }
}

impl TryFrom<ItemRow> for LineItem {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        let id = format!("{} {}", row.line, row.position);
        Ok(Self {
            position: row.position,
            application: intact(ApplicationId::parse(&row.application), "line_item", &id)?,
            state: intact(LineItemState::read(&row.state, row.token, row.note), "line_item", &id)?,
        })
    }
}

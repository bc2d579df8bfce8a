//! Deliveries of notices: one row a channel on which a notice goes out. Columns after `attempts` hold what the state
//! knows.

use ca_core::{DeliveryState, NoticeChannel, NoticeId};
use ca_verifier::Time;
use diesel::{dsl::sql, prelude::*, sql_types::Bool};

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::notice_delivery,
    statement::{Column, Shift, Value},
    tx::{all, change_one, insert, run},
};

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    /// Of which notice.
    pub notice: NoticeId,
    /// On which way.
    pub channel: NoticeChannel,
    /// Where it stands.
    pub state: DeliveryState,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notice_delivery, treat_none_as_default_value = false)]
struct Row {
    notice: String,
    channel: String,
    #[diesel(embed)]
    state: StateColumns,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notice_delivery, treat_none_as_default_value = false)]
struct StateColumns {
    state: String,
    attempts: i64,
    next_at: Option<i64>,
    sent_at: Option<i64>,
    error: Option<String>,
}

impl Reader<'_> {
    /// The deliveries of a notice; none before it was routed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn deliveries_of(&mut self, notice: &NoticeId) -> Result<Vec<DeliveryRecord>, StoreError> {
        let query = notice_delivery::table
            .filter(notice_delivery::notice.eq(notice.as_str()))
            .order(notice_delivery::channel);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(DeliveryRecord::try_from).collect()
    }

    /// What is to be tried at `now` on a channel, the longest waiting first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn due_deliveries(
        &mut self,
        channel: NoticeChannel,
        now: Time,
        limit: i64,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        // Literal, because SQLite uses the partial index only for a condition without parameters.
        let query = notice_delivery::table
            .filter(notice_delivery::channel.eq(channel.name()))
            .filter(notice_delivery::next_at.le(now.millis()))
            .filter(sql::<Bool>("state = 'waiting'"))
            .order((notice_delivery::next_at, notice_delivery::notice))
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(DeliveryRecord::try_from).collect()
    }

    /// How many deliveries are in the state of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn count_deliveries(&mut self, state: &str) -> Result<i64, StoreError> {
        let query = notice_delivery::table.filter(notice_delivery::state.eq(state)).count();
        run!(self, connection => query.get_result(connection))
    }
}

impl Tx<'_> {
    /// One more way on which a notice goes out.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `notice-delivery`; [`StoreError::NotFound`] without notice.
    pub fn insert_delivery(&mut self, new: &DeliveryRecord) -> Result<(), StoreError> {
        let row = Row {
            notice: new.notice.to_string(),
            channel: new.channel.name().to_owned(),
            state: StateColumns::from(&new.state),
        };
        insert!(self, notice_delivery::table, &row)
    }

    /// Moves a delivery, if it is still in exactly the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `notice-delivery`.
    pub fn move_delivery(&mut self, known: &DeliveryRecord, to: &DeliveryState) -> Result<(), StoreError> {
        let key = ("notice", Value::Text(Some(known.notice.to_string())));
        let mut from = StateColumns::from(&known.state).into_columns();
        from.push(("channel", Value::Text(Some(known.channel.name().to_owned()))));
        let to = StateColumns::from(to).into_columns();
        change_one!(self, "notice-delivery", Shift::new("notice_delivery", key, from, to))
    }
}

impl TryFrom<Row> for DeliveryRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.notice;
        Ok(Self {
            channel: intact(NoticeChannel::from_name(&row.channel), "notice_delivery", &id)?,
            state: row.state.read(&id)?,
            notice: intact(NoticeId::parse(&id), "notice_delivery", &id)?,
        })
    }
}

impl From<&DeliveryState> for StateColumns {
    fn from(state: &DeliveryState) -> Self {
        let (next_at, sent_at) = match state {
            DeliveryState::Waiting { next_at, .. } => (Some(next_at.millis()), None),
            DeliveryState::Sent { at, .. } => (None, Some(at.millis())),
            DeliveryState::Failed { .. } => (None, None),
        };
        Self {
            state: state.name().to_owned(),
            attempts: i64::from(state.attempts()),
            next_at,
            sent_at,
            error: state.error().map(str::to_owned),
        }
    }
}

impl StateColumns {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("attempts", Value::Integer(Some(self.attempts))),
            ("next_at", Value::Integer(self.next_at)),
            ("sent_at", Value::Integer(self.sent_at)),
            ("error", Value::Text(self.error)),
        ]
    }

    fn read(self, id: &str) -> Result<DeliveryState, StoreError> {
        let attempts = intact(u16::try_from(self.attempts), "notice_delivery", id)?;
        Ok(match (self.state.as_str(), self.next_at, self.sent_at, self.error) {
            ("waiting", Some(next_at), None, error) => {
                DeliveryState::Waiting { attempts, next_at: Time::from_millis(next_at), error }
            }
            ("sent", None, Some(at), None) => DeliveryState::Sent { attempts, at: Time::from_millis(at) },
            ("failed", None, None, Some(error)) => DeliveryState::Failed { attempts, error },
            _ => return Err(StoreError::Corrupt { table: "notice_delivery", id: id.to_owned() }),
        })
    }
}

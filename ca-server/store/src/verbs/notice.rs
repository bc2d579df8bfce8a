//! The outbox: which message is to go to whom. What the message says, an activation code above all, is never here.

use ca_core::{ApplicationId, TrainingId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::notice,
    tx::{all, change_one, insert},
};

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRecord {
    /// Our identifier.
    pub id: String,
    /// To whom: an identifier of ours, not an address.
    pub recipient: String,
    /// Which text.
    pub template: String,
    /// About which application.
    pub application: Option<ApplicationId>,
    /// About which application for training.
    pub training: Option<TrainingId>,
    /// When it was asked for.
    pub created_at: Time,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = notice, treat_none_as_default_value = false)]
struct Row {
    id: String,
    recipient: String,
    template: String,
    application: Option<String>,
    created_at: i64,
    training: Option<String>,
}

impl Reader<'_> {
    /// What waits to be sent, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pending_notices(&mut self, limit: i64) -> Result<Vec<NoticeRecord>, StoreError> {
        let query = notice::table
            .filter(notice::sent_at.is_null())
            .order((notice::created_at, notice::id))
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(NoticeRecord::try_from).collect()
    }
}

impl Tx<'_> {
    /// Asks for a message.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `notice`; [`StoreError::NotFound`] without application.
    pub fn insert_notice(&mut self, new: &NoticeRecord) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.clone(),
            recipient: new.recipient.clone(),
            template: new.template.clone(),
            application: new.application.as_ref().map(ApplicationId::to_string),
            created_at: new.created_at.millis(),
            training: new.training.as_ref().map(TrainingId::to_string),
        };
        insert!(self, notice::table, &row)
    }

    /// It was sent.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `notice` when it was sent before or there is none.
    pub fn mark_notice_sent(&mut self, id: &str, at: Time) -> Result<(), StoreError> {
        let unsent = notice::table.find(id).filter(notice::sent_at.is_null());
        change_one!(self, "notice", diesel::update(unsent).set(notice::sent_at.eq(at.millis())))
    }
}

impl TryFrom<Row> for NoticeRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let application = row.application.as_deref().map(ApplicationId::parse).transpose();
        let training = row.training.as_deref().map(TrainingId::parse).transpose();
        Ok(Self {
            application: intact(application, "notice", &row.id)?,
            training: intact(training, "notice", &row.id)?,
            id: row.id,
            recipient: row.recipient,
            template: row.template,
            created_at: Time::from_millis(row.created_at),
        })
    }
}

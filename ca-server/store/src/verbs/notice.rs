//! The outbox: which message is to go to whom. What the message says, an activation code above all, is never here,
//! nor an address. How a notice goes out is in `delivery`.

use ca_core::{
    ApplicationId, HoldId, InvoiceId, NoticeAbout, NoticeId, NoticeKind, TrainingId, UnitEventId, UnitId,
};
use ca_verifier::{Serial, Time};
use diesel::{
    dsl::{exists, min, not, sql},
    prelude::*,
    sql_types::Bool,
};

use super::{intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{certificate, notice, notice_delivery, status},
    tx::{all, change_one, insert, one, run},
};

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeRecord {
    /// Our identifier.
    pub id: NoticeId,
    /// To whom: an identifier of ours, not an address.
    pub recipient: String,
    /// What it tells.
    pub kind: NoticeKind,
    /// About what.
    pub about: NoticeAbout,
    /// When it was asked for.
    pub created_at: Time,
}

/// Which notices to list, oldest first. The default lists nothing: `limit` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoticeFilter {
    /// Only those with a delivery in the state of this name.
    pub state: Option<String>,
    /// Only later ones than this.
    pub after: Option<NoticeId>,
    /// How many at most.
    pub limit: i64,
}

/// A certificate that is about to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// Which.
    pub serial: Serial,
    /// Whose.
    pub unit: UnitId,
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
    certificate: Option<Vec<u8>>,
    step: Option<i32>,
    invoice: Option<String>,
    hold: Option<String>,
    unit_event: Option<String>,
}

impl Reader<'_> {
    /// A notice by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn notice(&mut self, id: &NoticeId) -> Result<Option<NoticeRecord>, StoreError> {
        let row = one!(self, Row, notice::table.find(id.as_str()))?;
        row.map(NoticeRecord::try_from).transpose()
    }

    /// What has no way to go yet, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unrouted_notices(&mut self, limit: i64) -> Result<Vec<NoticeRecord>, StoreError> {
        let query = notice::table
            .filter(notice::routed_at.is_null())
            .order((notice::created_at, notice::id))
            .limit(limit);
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(NoticeRecord::try_from).collect()
    }

    /// Notices in the order of their identifiers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn notices(&mut self, filter: &NoticeFilter) -> Result<Vec<NoticeRecord>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = notice::table.into_boxed();
            if let Some(state) = &filter.state {
                let in_state = notice_delivery::table
                    .filter(notice_delivery::state.eq(state))
                    .select(notice_delivery::notice);
                query = query.filter(notice::id.eq_any(in_state));
            }
            if let Some(after) = &filter.after {
                query = query.filter(notice::id.gt(after.as_str()));
            }
            query.order(notice::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(NoticeRecord::try_from).collect()
    }

    /// When a notice of this kind about an application, asked for since a moment, was first taken by the other side.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn told_at(
        &mut self,
        kind: NoticeKind,
        application: &ApplicationId,
        since: Time,
    ) -> Result<Option<Time>, StoreError> {
        let query = notice::table
            .inner_join(notice_delivery::table.on(notice_delivery::notice.eq(notice::id)))
            .filter(notice::application.eq(application.as_str()))
            .filter(notice::template.eq(kind.name()))
            .filter(notice::created_at.ge(since.millis()))
            .select(min(notice_delivery::sent_at));
        let at: Option<i64> = run!(self, connection => query.get_result(connection))?;
        Ok(at.map(Time::from_millis))
    }

    /// Good certificates of units for which this reminder is due at `now`, and neither it nor a nearer one was asked
    /// for; the nearest end first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn expiring(&mut self, kind: NoticeKind, now: Time, limit: i64) -> Result<Vec<Expiring>, StoreError> {
        let (Some(days), Some((after, until))) = (kind.expiry_days(), kind.expiry_window(now)) else {
            return Ok(Vec::new());
        };
        let asked = notice::table
            .filter(notice::certificate.eq(status::serial.nullable()))
            .filter(notice::step.le(i32::from(days)));
        // Literal, because SQLite uses the partial index only for a condition without parameters.
        let query = status::table
            .inner_join(certificate::table.on(certificate::serial.eq(status::serial)))
            .filter(sql::<Bool>("status.state = 'good'"))
            .filter(status::not_after.gt(after.millis()))
            .filter(status::not_after.le(until.millis()))
            .filter(certificate::unit.is_not_null())
            .filter(not(exists(asked)))
            .order((status::not_after, status::serial))
            .limit(limit)
            .select((status::serial, certificate::unit.assume_not_null()));
        let rows: Vec<(Vec<u8>, String)> = run!(self, connection => query.load(connection))?;
        let read = |(number, unit): (Vec<u8>, String)| {
            let serial = serial(&number, "status", "of an unreadable serial number")?;
            Ok(Expiring { serial, unit: intact(UnitId::parse(&unit), "certificate", serial)? })
        };
        rows.into_iter().map(read).collect()
    }
}

impl Tx<'_> {
    /// Asks for a message.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `notice`; [`StoreError::NotFound`] without what it is about.
    pub fn insert_notice(&mut self, new: &NoticeRecord) -> Result<(), StoreError> {
        let row = Row::from(new);
        insert!(self, notice::table, &row)
    }

    /// Asks for a reminder of a certificate's end, unless this one was asked for before; gives whether it was not.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without certificate.
    pub fn insert_reminder(&mut self, new: &NoticeRecord) -> Result<bool, StoreError> {
        let row = Row::from(new);
        let insert = diesel::insert_into(notice::table).values(&row).on_conflict_do_nothing();
        run!(self, connection => insert.execute(connection)).map(|rows| rows == 1)
    }

    /// The ways on which it goes out stand fast.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `notice` when they did before, or there is no such notice.
    pub fn mark_notice_routed(&mut self, id: &NoticeId, at: Time) -> Result<(), StoreError> {
        let unrouted = notice::table.find(id.as_str()).filter(notice::routed_at.is_null());
        change_one!(self, "notice", diesel::update(unrouted).set(notice::routed_at.eq(at.millis())))
    }
}

impl From<&NoticeRecord> for Row {
    fn from(notice: &NoticeRecord) -> Self {
        let mut row = Self {
            id: notice.id.to_string(),
            recipient: notice.recipient.clone(),
            template: notice.kind.name().to_owned(),
            application: None,
            created_at: notice.created_at.millis(),
            training: None,
            certificate: None,
            step: notice.kind.expiry_days().map(i32::from),
            invoice: None,
            hold: None,
            unit_event: None,
        };
        match &notice.about {
            NoticeAbout::Application(id) => row.application = Some(id.to_string()),
            NoticeAbout::Training(id) => row.training = Some(id.to_string()),
            NoticeAbout::Certificate(serial) => row.certificate = Some(serial.as_bytes().to_vec()),
            NoticeAbout::Invoice(id) => row.invoice = Some(id.to_string()),
            NoticeAbout::Hold(id) => row.hold = Some(id.to_string()),
            NoticeAbout::UnitEvent(id) => row.unit_event = Some(id.to_string()),
        }
        row
    }
}

impl TryFrom<Row> for NoticeRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let known = (row.application, row.training, row.certificate, row.invoice, row.hold, row.unit_event);
        let about = match known {
            (Some(application), None, None, None, None, None) => {
                NoticeAbout::Application(intact(ApplicationId::parse(&application), "notice", &id)?)
            }
            (None, Some(training), None, None, None, None) => {
                NoticeAbout::Training(intact(TrainingId::parse(&training), "notice", &id)?)
            }
            (None, None, Some(number), None, None, None) => {
                NoticeAbout::Certificate(serial(&number, "notice", &id)?)
            }
            (None, None, None, Some(invoice), None, None) => {
                NoticeAbout::Invoice(intact(InvoiceId::parse(&invoice), "notice", &id)?)
            }
            (None, None, None, None, Some(hold), None) => {
                NoticeAbout::Hold(intact(HoldId::parse(&hold), "notice", &id)?)
            }
            (None, None, None, None, None, Some(event)) => {
                NoticeAbout::UnitEvent(intact(UnitEventId::parse(&event), "notice", &id)?)
            }
            _ => return Err(StoreError::Corrupt { table: "notice", id }),
        };
        Ok(Self {
            recipient: row.recipient,
            kind: intact(NoticeKind::from_name(&row.template), "notice", &id)?,
            about,
            created_at: Time::from_millis(row.created_at),
            id: intact(NoticeId::parse(&id), "notice", &id)?,
        })
    }
}

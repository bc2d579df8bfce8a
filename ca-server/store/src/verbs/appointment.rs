//! Appointments at counters. Seats of a counter's day are counted while its row in `counter_day` is held.

use ca_core::{ApplicationId, Appointment, AppointmentId, AppointmentState, Purpose, StaffId, UnitId};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{appointment, counter_day},
    tx::{all, change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = appointment, treat_none_as_default_value = false)]
struct Row {
    id: String,
    counter: String,
    day: String,
    slot: String,
    estimated: i16,
    purpose: String,
    unit: String,
    application: Option<String>,
    made_by: String,
    made_at: i64,
    state: String,
}

impl Reader<'_> {
    /// An appointment by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn appointment(&mut self, id: &AppointmentId) -> Result<Option<Appointment>, StoreError> {
        let row = one!(self, Row, appointment::table.find(id.as_str()))?;
        row.map(Appointment::try_from).transpose()
    }

    /// A counter's appointments of a day, `YYYY-MM-DD`, whatever became of them, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn appointments(&mut self, counter: &str, day: &str) -> Result<Vec<Appointment>, StoreError> {
        let query = appointment::table
            .filter(appointment::counter.eq(counter))
            .filter(appointment::day.eq(day))
            .order((appointment::slot, appointment::id));
        let rows = all!(self, Row, query)?;
        rows.into_iter().map(Appointment::try_from).collect()
    }
}

impl Tx<'_> {
    /// Takes the day of a counter, so that seats that are given at once are counted one after the other.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn lock_counter_day(&mut self, counter: &str, day: &str) -> Result<(), StoreError> {
        let row = (counter_day::counter.eq(counter), counter_day::day.eq(day));
        let new = diesel::insert_into(counter_day::table).values(row).on_conflict_do_nothing();
        run!(self, connection => new.execute(connection))?;
        let same = counter_day::day.eq(counter_day::day);
        change_one!(self, "counter-day", diesel::update(counter_day::table.find((counter, day))).set(same))
    }

    /// Books an appointment.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `appointment` when the application has one; [`StoreError::NotFound`] without unit or
    /// application.
    pub fn insert_appointment(&mut self, new: &Appointment) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            counter: new.counter.clone(),
            day: new.day.to_string(),
            slot: new.slot.clone(),
            estimated: i16::from(new.estimated),
            purpose: new.purpose.name().to_owned(),
            unit: new.unit.to_string(),
            application: new.application.as_ref().map(ApplicationId::to_string),
            made_by: new.made_by.to_string(),
            made_at: new.made_at.millis(),
            state: new.state.name().to_owned(),
        };
        insert!(self, appointment::table, &row)
    }

    /// Changes state, place and time of an appointment, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `appointment`.
    pub fn change_appointment(&mut self, from: AppointmentState, to: &Appointment) -> Result<(), StoreError> {
        let unchanged = appointment::table.find(to.id.as_str()).filter(appointment::state.eq(from.name()));
        let change = (
            appointment::counter.eq(&to.counter),
            appointment::day.eq(to.day.to_string()),
            appointment::slot.eq(&to.slot),
            appointment::estimated.eq(i16::from(to.estimated)),
            appointment::state.eq(to.state.name()),
        );
        change_one!(self, "appointment", diesel::update(unchanged).set(change))
    }
}

impl TryFrom<Row> for Appointment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let application = row.application.as_deref().map(ApplicationId::parse).transpose();
        Ok(Self {
            counter: row.counter,
            day: intact(row.day.parse(), "appointment", &id)?,
            slot: row.slot,
            estimated: row.estimated == 1,
            purpose: intact(Purpose::from_name(&row.purpose), "appointment", &id)?,
            unit: intact(UnitId::parse(&row.unit), "appointment", &id)?,
            application: intact(application, "appointment", &id)?,
            made_by: intact(StaffId::parse(&row.made_by), "appointment", &id)?,
            made_at: Time::from_millis(row.made_at),
            state: intact(AppointmentState::from_name(&row.state), "appointment", &id)?,
            id: intact(AppointmentId::parse(&id), "appointment", &id)?,
        })
    }
}

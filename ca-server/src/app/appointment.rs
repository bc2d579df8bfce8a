//! Appointments at counters: a seat of a counter's slot on a working day. Seats are counted in the transaction that
//! gives one away.

use ca_core::{
    Action, ApplicationId, Appointment, AppointmentCommand, AppointmentId, AppointmentState, AuditEntry,
    BatchId, Policies, Purpose, StaffId, UnitId, policy::Counter,
};
use ca_store::{Tx, WriteSite};
use ca_verifier::{Time, UnitCode};
use jiff::{ToSpan, civil::Date};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, batch::unknown_counter, enroll::registered_unit, once};
use crate::{
    permit::{BookAppointment, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// How far ahead days are given away.
const DAYS_AHEAD: i64 = 366;
/// States of an application whose U-key is still to be collected.
const OPEN: [&str; 5] = ["submitted", "approved", "paid", "personalising", "issued"];

/// An appointment to be booked.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAppointment {
    /// A code of `policies/counters.toml`.
    pub(crate) counter: String,
    /// `YYYY-MM-DD`.
    pub(crate) day: String,
    /// A slot of the counter, `HH:MM`.
    pub(crate) slot: String,
    /// The unit, by its unified social credit code.
    pub(crate) uscc: String,
    /// Which application it is about.
    #[serde(default)]
    pub(crate) application: Option<String>,
    /// `apply`, `collect` or `other`.
    pub(crate) purpose: String,
}

/// Where and when.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// A code of `policies/counters.toml`.
    pub(crate) counter: String,
    /// `YYYY-MM-DD`.
    pub(crate) day: String,
    /// A slot of the counter, `HH:MM`.
    pub(crate) slot: String,
}

/// Appointments for the lines of a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BatchPlan {
    /// The counter of lines that name none.
    pub(crate) counter: String,
    /// The first day, `YYYY-MM-DD`; following working days are filled in their order.
    pub(crate) from_day: String,
}

/// A place that exists, on a day on which people work.
struct Seat {
    counter: String,
    day: Date,
    slot: String,
    estimated: bool,
}

impl App {
    pub(crate) async fn book(
        &self,
        permit: Permit<BookAppointment>,
        new: NewAppointment,
        key: Once,
    ) -> Result<Made<AppointmentId>, Problem> {
        let now = wire::now();
        let made_by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let (seat, counter) =
            seat(&self.policies, Place { counter: new.counter, day: new.day, slot: new.slot }, now)?;
        let counter = counter.clone();
        let code = UnitCode::parse(&new.uscc)?;
        let application = new.application.as_deref().map(ApplicationId::parse).transpose()?;
        let purpose = Purpose::from_name(&new.purpose)
            .map_err(|_| Problem::field("purpose", "one of apply, collect, other is needed"))?;
        let id = AppointmentId::new(now, wire::random()?);
        self.store
            .write(WriteSite::BookAppointment, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(AppointmentId::parse(&before)?));
                }
                let unit = registered_unit(tx, &code)?.id;
                if let Some(id) = &application {
                    let known = tx.application(id)?.filter(|known| known.unit == unit);
                    known.ok_or_else(|| Problem::not_found("application"))?;
                }
                take(tx, &seat, &counter)?;
                let Seat { counter, day, slot, estimated } = seat;
                let state = AppointmentState::Booked;
                let new = Appointment {
                    id,
                    counter,
                    day,
                    slot,
                    estimated,
                    purpose,
                    unit,
                    application,
                    made_by,
                    made_at: now,
                    state,
                };
                tx.insert_appointment(&new)?;
                tx.append_audit(&entry(&permit, &new, "book", now))?;
                Ok(Made::Now(new.id))
            })
            .await
    }

    pub(crate) async fn move_appointment(
        &self,
        permit: Permit<BookAppointment>,
        id: AppointmentId,
        to: Place,
    ) -> Result<AppointmentState, Problem> {
        let now = wire::now();
        let (seat, counter) = seat(&self.policies, to, now)?;
        let counter = counter.clone();
        self.store
            .write(WriteSite::BookAppointment, move |tx| {
                let known = appointment(tx, &id)?;
                let state = known.state.transition(AppointmentCommand::Move)?;
                take(tx, &seat, &counter)?;
                let Seat { counter, day, slot, estimated } = seat;
                let moved = Appointment { counter, day, slot, estimated, state, ..known.clone() };
                tx.change_appointment(known.state, &moved)?;
                tx.append_audit(&entry(&permit, &moved, "move", now))?;
                Ok(state)
            })
            .await
    }

    /// Cancelled, kept or missed. What came of a day is not known before it.
    pub(crate) async fn end_appointment(
        &self,
        permit: Permit<BookAppointment>,
        id: AppointmentId,
        command: AppointmentCommand,
    ) -> Result<AppointmentState, Problem> {
        let now = wire::now();
        let today = wire::china_day(now)?;
        self.store
            .write(WriteSite::BookAppointment, move |tx| {
                let known = appointment(tx, &id)?;
                let state = known.state.transition(command)?;
                if command != AppointmentCommand::Cancel && known.day > today {
                    return Err(Problem::new(Rule::DayToCome).with("day", known.day));
                }
                let ended = Appointment { state, ..known.clone() };
                tx.change_appointment(known.state, &ended)?;
                tx.append_audit(&entry(&permit, &ended, command.name(), now))?;
                Ok(state)
            })
            .await
    }

    /// Gives each line of a list that waits for its U-key a seat, day after day. Sent again it goes on.
    pub(crate) async fn plan_batch(
        &self,
        permit: Permit<BookAppointment>,
        id: BatchId,
        plan: BatchPlan,
    ) -> Result<usize, Problem> {
        let now = wire::now();
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let from = day(&self.policies, &plan.from_day, now)?;
        self.policies.counters().get(&plan.counter).ok_or_else(|| unknown_counter(&self.policies))?;
        self.batch(&id)?;
        let codes: Vec<String> = self.policies.counters().iter().map(|(code, _)| code.to_owned()).collect();
        let mut booked = 0;
        for code in codes {
            let mut next = Some(from);
            while let Some(on) = next {
                let order = Order {
                    batch: id.clone(),
                    fallback: plan.counter.clone(),
                    counter: code.clone(),
                    day: on,
                };
                let (given, left) = self.fill_day(&permit, &clerk, order, now).await?;
                booked += given;
                next = if left == 0 { None } else { self.working_day_after(on, from) };
                if left > 0 && next.is_none() {
                    let problem = Problem::new(Rule::SlotFull).with("day", on);
                    return Err(problem.with("slot", "-"));
                }
            }
        }
        Ok(booked)
    }

    fn working_day_after(&self, day: Date, from: Date) -> Option<Date> {
        let last = from.checked_add(DAYS_AHEAD.days()).ok()?;
        let mut next = day.tomorrow().ok()?;
        while !self.policies.calendar().works(next) {
            next = next.tomorrow().ok()?;
        }
        (next <= last).then_some(next)
    }

    /// One counter's day in one transaction. Gives how many seats were taken and how many lines still have none.
    async fn fill_day(
        &self,
        permit: &Permit<BookAppointment>,
        clerk: &StaffId,
        order: Order,
        now: Time,
    ) -> Result<(usize, usize), Problem> {
        let counter = self.policies.counters().get(&order.counter);
        let counter = counter.ok_or_else(|| unknown_counter(&self.policies))?.clone();
        let estimated = self.policies.calendar().is_estimated(order.day);
        let (permit, clerk) = (permit.clone(), clerk.clone());
        self.store
            .write(WriteSite::BookAppointment, move |tx| {
                tx.lock_counter_day(&order.counter, &order.day.to_string())?;
                let waiting = waiting(tx, &order)?;
                let mut free = free_slots(tx, &order.counter, order.day, &counter)?;
                free.retain(|slot| !over(order.day, slot, now));
                let given = waiting.len().min(free.len());
                for ((unit, application), slot) in waiting.iter().zip(free) {
                    let new = Appointment {
                        id: AppointmentId::new(now, wire::random()?),
                        counter: order.counter.clone(),
                        day: order.day,
                        slot,
                        estimated,
                        purpose: Purpose::Collect,
                        unit: unit.clone(),
                        application: Some(application.clone()),
                        made_by: clerk.clone(),
                        made_at: now,
                        state: AppointmentState::Booked,
                    };
                    tx.insert_appointment(&new)?;
                    tx.append_audit(&entry(&permit, &new, "book", now).with("batch", &order.batch))?;
                }
                Ok((given, waiting.len() - given))
            })
            .await
    }
}

/// One counter's day for a list.
struct Order {
    batch: BatchId,
    /// The counter of lines that name none.
    fallback: String,
    counter: String,
    day: Date,
}

/// Lines of a list for this counter that have an application to collect and no appointment.
fn waiting(tx: &mut Tx<'_>, order: &Order) -> Result<Vec<(UnitId, ApplicationId)>, Problem> {
    let progress = tx.batch_progress(&order.batch)?;
    let open: std::collections::HashSet<u32> = progress
        .iter()
        .filter(|known| known.appointment.is_none() && OPEN.contains(&known.state.as_str()))
        .map(|known| known.line)
        .collect();
    let lines = tx.batch_lines(&order.batch, 0, i64::MAX)?;
    let here = lines.into_iter().filter(|line| {
        open.contains(&line.line) && *line.counter.as_ref().unwrap_or(&order.fallback) == order.counter
    });
    Ok(here.filter_map(|line| line.unit.zip(line.application)).collect())
}

/// Seats that are left, one entry a seat, the earliest first. The day must be locked.
fn free_slots(tx: &mut Tx<'_>, code: &str, day: Date, counter: &Counter) -> Result<Vec<String>, Problem> {
    let taken = tx.appointments(code, &day.to_string())?;
    let taken: Vec<&str> = taken
        .iter()
        .filter(|one| one.state != AppointmentState::Cancelled)
        .map(|one| one.slot.as_str())
        .collect();
    let mut free = Vec::new();
    for slot in counter.slots() {
        let here = taken.iter().filter(|taken| *taken == slot).count();
        let left = usize::from(counter.seats_per_slot()).saturating_sub(here);
        free.extend(std::iter::repeat_n(slot.clone(), left));
    }
    free.truncate(usize::from(counter.seats_per_day()).saturating_sub(taken.len()));
    Ok(free)
}

/// Takes a seat, or says that there is none.
fn take(tx: &mut Tx<'_>, seat: &Seat, counter: &Counter) -> Result<(), Problem> {
    tx.lock_counter_day(&seat.counter, &seat.day.to_string())?;
    let booked = tx.appointments(&seat.counter, &seat.day.to_string())?;
    let live: Vec<_> = booked.iter().filter(|one| one.state != AppointmentState::Cancelled).collect();
    let here = live.iter().filter(|one| one.slot == seat.slot).count();
    if here >= usize::from(counter.seats_per_slot()) || live.len() >= usize::from(counter.seats_per_day()) {
        return Err(Problem::new(Rule::SlotFull).with("day", seat.day).with("slot", &seat.slot));
    }
    Ok(())
}

fn seat(policies: &Policies, place: Place, now: Time) -> Result<(Seat, &Counter), Problem> {
    let counter = policies.counters().get(&place.counter).ok_or_else(|| unknown_counter(policies))?;
    let day = day(policies, &place.day, now)?;
    if !counter.slots().contains(&place.slot) {
        let problem = Problem::new(Rule::SlotUnknown).with("slot", &place.slot);
        return Err(problem.with("known", counter.slots().join(", ")));
    }
    if over(day, &place.slot, now) {
        return Err(Problem::new(Rule::DayPast).with("day", format!("{day} {}", place.slot)));
    }
    let estimated = policies.calendar().is_estimated(day);
    Ok((Seat { counter: place.counter, day, slot: place.slot, estimated }, counter))
}

/// Whether a slot has begun.
fn over(day: Date, slot: &str, now: Time) -> bool {
    format!("{day} {slot}") <= wire::china_time(now)
}

/// A working day from today on.
fn day(policies: &Policies, text: &str, now: Time) -> Result<Date, Problem> {
    let day: Date = text.parse().map_err(|_| Problem::field("day", "a day as 2026-12-01 is needed"))?;
    let today = wire::china_day(now)?;
    let last = today.checked_add(DAYS_AHEAD.days()).map_err(Failure::inconsistent)?;
    if day < today || day > last {
        return Err(Problem::new(Rule::DayPast).with("day", day));
    }
    if !policies.calendar().works(day) {
        return Err(Problem::new(Rule::DayClosed).with("day", day));
    }
    Ok(day)
}

fn appointment(tx: &mut Tx<'_>, id: &AppointmentId) -> Result<Appointment, Problem> {
    tx.appointment(id)?.ok_or_else(|| Problem::not_found("appointment"))
}

fn entry(permit: &Permit<BookAppointment>, of: &Appointment, step: &str, now: Time) -> AuditEntry {
    let entry = AuditEntry::done(now, permit.actor(), Action::BookAppointment, "appointment", &of.id);
    entry.with("step", step).with("counter", &of.counter).with("day", of.day).with("slot", &of.slot)
}

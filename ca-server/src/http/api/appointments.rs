//! Appointments at counters.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use ca_core::{Action, Appointment, AppointmentCommand, AppointmentId, AppointmentState};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, made};
use crate::{
    app::{
        About, App,
        appointment::{NewAppointment, Place},
    },
    http::problem::{Body, IdempotencyKey, Query},
    permit::{BookAppointment, Permit, ReadRecords},
    problem::Problem,
};

/// An appointment.
#[derive(Serialize, ToSchema)]
pub(super) struct AppointmentView {
    id: String,
    counter: String,
    day: String,
    slot: String,
    /// The day's year had no published calendar when it was booked: it may turn out to be a holiday.
    estimated: bool,
    purpose: &'static str,
    unit: String,
    application: Option<String>,
    made_by: String,
    /// `booked`, `kept`, `missed` or `cancelled`.
    state: &'static str,
}

impl From<Appointment> for AppointmentView {
    fn from(appointment: Appointment) -> Self {
        Self {
            id: appointment.id.to_string(),
            counter: appointment.counter,
            day: appointment.day.to_string(),
            slot: appointment.slot,
            estimated: appointment.estimated,
            purpose: appointment.purpose.name(),
            unit: appointment.unit.to_string(),
            application: appointment.application.map(|id| id.to_string()),
            made_by: appointment.made_by.to_string(),
            state: appointment.state.name(),
        }
    }
}

/// A counter.
#[derive(Serialize, ToSchema)]
pub(super) struct CounterView {
    code: String,
    zh: String,
    en: String,
    address: String,
    hours: String,
    slots: Vec<String>,
    seats_per_slot: u16,
    seats_per_day: u16,
}

/// Where units are sent to.
#[utoipa::path(get, path = "/api/v1/counters", responses((status = 200, body = [CounterView])))]
pub(super) async fn counters(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
) -> Json<Vec<CounterView>> {
    let view = |(code, counter): (&str, &ca_core::policy::Counter)| CounterView {
        code: code.to_owned(),
        zh: counter.zh().to_owned(),
        en: counter.en().to_owned(),
        address: counter.address().to_owned(),
        hours: counter.hours().to_owned(),
        slots: counter.slots().to_vec(),
        seats_per_slot: counter.seats_per_slot(),
        seats_per_day: counter.seats_per_day(),
    };
    Json(app.policies.counters().iter().map(view).collect())
}

/// Where an appointment stands now.
#[derive(Serialize, ToSchema)]
pub(super) struct AppointmentStateView {
    state: &'static str,
}

/// Which appointments.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AppointmentQuery {
    /// A code of `policies/counters.toml`.
    counter: String,
    /// `YYYY-MM-DD`.
    day: String,
}

/// A counter's appointments of a day, in their order.
#[utoipa::path(get, path = "/api/v1/appointments", params(AppointmentQuery),
    responses((status = 200, body = [AppointmentView])))]
pub(super) async fn appointments(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<AppointmentQuery>,
) -> Result<Json<Vec<AppointmentView>>, Problem> {
    let found = app.store.read(|reader| reader.appointments(&query.counter, &query.day))?;
    Ok(Json(found.into_iter().map(AppointmentView::from).collect()))
}

/// Book an appointment.
#[utoipa::path(post, path = "/api/v1/appointments", request_body = NewAppointment,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "no seat is left")))]
pub(super) async fn book(
    permit: Permit<BookAppointment>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewAppointment>,
) -> Result<Response, Problem> {
    let (actor, uscc) = (permit.actor().clone(), body.value.uscc.clone());
    let about = About { actor: &actor, action: Action::BookAppointment, object: "unit", id: &uscc };
    let once = key.once(&body);
    app.audited(about, app.book(permit, body.value, once)).await.map(made)
}

/// Runs a change of one appointment; its refusal goes to the log.
async fn change<F>(
    app: &App,
    permit: Permit<BookAppointment>,
    id: String,
    work: impl FnOnce(Permit<BookAppointment>, AppointmentId) -> F,
) -> Result<AppointmentState, Problem>
where
    F: Future<Output = Result<AppointmentState, Problem>>,
{
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::BookAppointment, object: "appointment", id: &id };
    let appointment = AppointmentId::parse(&id)?;
    app.audited(about, work(permit, appointment)).await
}

/// Move to another counter, day or slot.
#[utoipa::path(put, path = "/api/v1/appointments/{id}", params(("id" = String, Path)), request_body = Place,
    responses((status = 200, body = AppointmentStateView), (status = 409, description = "no seat is left")))]
pub(super) async fn move_to(
    permit: Permit<BookAppointment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Place>,
) -> Result<Json<AppointmentStateView>, Problem> {
    let work = |permit, id| app.move_appointment(permit, id, body.value);
    let state = change(&app, permit, id, work).await?;
    Ok(Json(AppointmentStateView { state: state.name() }))
}

/// Cancel: the seat is free again.
#[utoipa::path(delete, path = "/api/v1/appointments/{id}", params(("id" = String, Path)),
    responses((status = 204)))]
pub(super) async fn cancel(
    permit: Permit<BookAppointment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let work = |permit, id| app.end_appointment(permit, id, AppointmentCommand::Cancel);
    change(&app, permit, id, work).await.map(|_| StatusCode::NO_CONTENT)
}

/// Whether somebody came.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    result: Came,
}

/// How an appointment ended.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Came {
    /// Somebody came.
    Kept,
    /// Nobody came.
    Missed,
}

/// Record whether somebody came, on the day or later.
#[utoipa::path(post, path = "/api/v1/appointments/{id}/result", params(("id" = String, Path)),
    request_body = Outcome, responses((status = 200, body = AppointmentStateView)))]
pub(super) async fn result(
    permit: Permit<BookAppointment>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Outcome>,
) -> Result<Json<AppointmentStateView>, Problem> {
    let command = match body.value.result {
        Came::Kept => AppointmentCommand::Keep,
        Came::Missed => AppointmentCommand::Miss,
    };
    let work = |permit, id| app.end_appointment(permit, id, command);
    let state = change(&app, permit, id, work).await?;
    Ok(Json(AppointmentStateView { state: state.name() }))
}

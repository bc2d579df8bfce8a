//! Units: registration, search, and what happens to them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use ca_core::{
    Action, AgentId, Application, ApplicationKind, ApplicationState, Unit, UnitEvent, UnitEventId,
    UnitEventKind, UnitId,
};
use ca_store::{ApplicationFilter, Reader, UnitFilter};
use ca_verifier::{Time, UnitCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, applications::DocumentView, made};
use crate::{
    app::{
        About, App, Made, NewUnit, NewUnitEvent,
        unit_change::{Touched, touched, touched_by},
        unit_fate::{Outcome, outcomes},
    },
    http::problem::{Body, IdempotencyKey, Query},
    permit::{Permit, ReadRecords, RecordUnitEvent, RegisterUnit},
    problem::Problem,
    wire,
};

const PAGE: i64 = 50;
/// Two characters: one finds too much to look at.
const QUERY_LEAST: usize = 2;
const QUERY_MOST: usize = 64;

/// A registered unit.
#[derive(Serialize, ToSchema)]
pub(super) struct UnitView {
    id: String,
    /// 统一社会信用代码; null for an older unit that is known by its organisation code.
    uscc: Option<String>,
    /// 组织机构代码, of a unit without unified code.
    org_code: Option<String>,
    labour_no: String,
    name: String,
    province: String,
    city: String,
    region: Option<String>,
    agency: Option<String>,
    /// Why a person should look at the name.
    name_flag: Option<String>,
    registered_at: String,
    /// Since when it is merged or dissolved.
    ended_at: Option<String>,
    /// What was seen at the registration; in lists left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    documents: Vec<DocumentView>,
}

impl From<Unit> for UnitView {
    fn from(unit: Unit) -> Self {
        let (uscc, org_code) = match unit.code {
            UnitCode::Uscc(code) => (Some(code.to_string()), None),
            UnitCode::Org(code) => (None, Some(code.to_string())),
        };
        Self {
            id: unit.id.to_string(),
            uscc,
            org_code,
            labour_no: unit.labour_no,
            name: unit.name.as_str().to_owned(),
            province: unit.province,
            city: unit.city,
            region: unit.region,
            agency: unit.agency,
            name_flag: unit.name_flag,
            registered_at: unit.registered_at.to_string(),
            ended_at: unit.ended_at.map(|at| at.to_string()),
            documents: Vec::new(),
        }
    }
}

/// Register a unit.
#[utoipa::path(post, path = "/api/v1/units", request_body = NewUnit,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 409, description = "registered already")))]
pub(super) async fn register_unit(
    permit: Permit<RegisterUnit>,
    State(app): State<Arc<App>>,
    key: IdempotencyKey,
    body: Body<NewUnit>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let code = body.value.uscc.as_ref().or(body.value.org_code.as_ref()).cloned().unwrap_or_default();
    let about = About { actor: &actor, action: Action::RegisterUnit, object: "unit", id: &code };
    let once = key.once(&body);
    app.audited(about, app.register_unit(permit, body.value, once)).await.map(made)
}

/// Which units.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitQuery {
    /// A unified social credit code, an organisation code, a 劳动保障证号, or at least two characters of a name.
    q: Option<String>,
    /// Only those that this agent acts for, by our identifier.
    agent: Option<String>,
    /// `active` or `ended`.
    state: Option<String>,
    /// Only those whose name a person should look at.
    #[serde(default)]
    flagged: bool,
    /// Only those after this identifier: the last one of the page before.
    after: Option<String>,
}

/// Units in the order of registration, 50 at a time.
#[utoipa::path(get, path = "/api/v1/units", params(UnitQuery), responses((status = 200, body = [UnitView])))]
pub(super) async fn units(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<UnitQuery>,
) -> Result<Json<Vec<UnitView>>, Problem> {
    let filter = UnitFilter {
        name: None,
        agent: query.agent.as_deref().map(AgentId::parse).transpose()?,
        ended: match query.state.as_deref() {
            None => None,
            Some("active") => Some(false),
            Some("ended") => Some(true),
            Some(_) => return Err(Problem::field("state", "active or ended is needed")),
        },
        flagged: query.flagged,
        after: query.after.as_deref().map(UnitId::parse).transpose()?,
        limit: PAGE,
    };
    let text = query.q.unwrap_or_default();
    let found = app.store.read(|reader| search(reader, text.trim(), filter))?;
    Ok(Json(found.into_iter().map(UnitView::from).collect()))
}

fn search(reader: &mut Reader<'_>, text: &str, filter: UnitFilter) -> Result<Vec<Unit>, Problem> {
    if text.is_empty() {
        return Ok(reader.units(&filter)?);
    }
    if !(QUERY_LEAST..=QUERY_MOST).contains(&text.chars().count()) {
        return Err(Problem::field("q", "2 to 64 characters are needed"));
    }
    let one = if Unit::check_labour_no(text).is_ok() {
        reader.unit_by_labour_no(text)?
    } else if let Ok(code) = UnitCode::parse(text) {
        reader.unit_by_code(&code)?
    } else {
        return Ok(reader.units(&UnitFilter { name: Some(text.to_owned()), ..filter })?);
    };
    let Some(unit) = one else { return Ok(Vec::new()) };
    let fits = filter.ended.is_none_or(|ended| ended == unit.ended_at.is_some())
        && (!filter.flagged || unit.name_flag.is_some())
        && match &filter.agent {
            Some(agent) => reader.pair_confirmed(agent, &unit.id)?,
            None => true,
        };
    Ok(if fits { vec![unit] } else { Vec::new() })
}

/// A unit, by its code, with what was seen at its registration.
#[utoipa::path(get, path = "/api/v1/units/{uscc}", params(("uscc" = String, Path)), responses((status = 200, body = UnitView)))]
pub(super) async fn unit(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
) -> Result<Json<UnitView>, Problem> {
    let code = UnitCode::parse(&uscc)?;
    app.store.read(|reader| {
        let unit = reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?;
        let documents = reader.unit_documents(&unit.id)?.into_iter().map(DocumentView::from).collect();
        Ok(Json(UnitView { documents, ..UnitView::from(unit) }))
    })
}

/// Something that happens to a unit.
#[derive(Serialize, ToSchema)]
pub(super) struct UnitEventView {
    id: String,
    /// `rename`, `new-code`, `agent`, `merger` or `dissolution`.
    kind: &'static str,
    /// The new name or code, or the identifier of the new agent or of the unit that this one goes into.
    to: Option<String>,
    /// The name, code or agent that it had.
    before: Option<String>,
    basis: String,
    sha256: String,
    effective_at: String,
    recorded_by: String,
    recorded_at: String,
    /// `pending`, `applied` or `cancelled`.
    state: &'static str,
}

impl From<UnitEvent> for UnitEventView {
    fn from(event: UnitEvent) -> Self {
        let to = match &event.kind {
            UnitEventKind::Rename { name } => Some(name.as_str().to_owned()),
            UnitEventKind::NewCode { code } => Some(code.to_string()),
            UnitEventKind::Agent { to, .. } => Some(to.to_string()),
            UnitEventKind::Merger { successor } => Some(successor.to_string()),
            UnitEventKind::Dissolution => None,
        };
        Self {
            id: event.id.to_string(),
            kind: event.kind.name(),
            to,
            before: event.before,
            basis: event.basis,
            sha256: hex::encode(event.sha256),
            effective_at: event.effective_at.to_string(),
            recorded_by: event.recorded_by,
            recorded_at: event.recorded_at.to_string(),
            state: event.state.name(),
        }
    }
}

/// A certificate that an event touches, and what is to be done about it.
#[derive(Serialize, ToSchema)]
pub(super) struct TouchedView {
    serial: String,
    state: &'static str,
    not_after: String,
    /// The kind of application to be made for it; null when there is nothing to be done.
    remedy: Option<&'static str>,
}

/// What was recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordedView {
    event: UnitEventView,
    /// The unit's certificates that it touches still, neither revoked nor expired.
    certificates: Vec<TouchedView>,
    /// What it entered by itself, for an officer to decide.
    applications: Vec<EnteredView>,
    /// What became of each certificate and application of the unit, when the event was applied.
    outcomes: Vec<OutcomeView>,
}

/// What became of a certificate or an application by an event.
#[derive(Serialize, ToSchema)]
pub(super) struct OutcomeView {
    /// `certificate` or `application`.
    object: &'static str,
    /// Its serial number, or our identifier.
    id: String,
    /// Where it stood.
    before: String,
    /// For a certificate `unaffected`, `change-entered`, `revocation-entered`, `withdrawn`, `carried-over`, `replaced-soon`,
    /// `ends-by-itself` or `needs-person`; for an application `carried-over`, `approve-anew`, `expired`, `stopped` or
    /// `passed`. One that is not listed was not touched.
    fate: String,
    /// The application that was entered about the certificate, or goes on for it.
    application: Option<String>,
    zh: &'static str,
    en: &'static str,
}

impl From<Outcome> for OutcomeView {
    fn from(outcome: Outcome) -> Self {
        let Outcome { object, id, before, fate, application, texts: (zh, en) } = outcome;
        Self { object, id, before, fate, application, zh, en }
    }
}

/// What an event entered by itself.
#[derive(Serialize, ToSchema)]
pub(super) struct EnteredView {
    id: String,
    kind: &'static str,
    /// The certificate that it is about.
    certificate: Option<String>,
    state: &'static str,
    /// The certificate that came of it.
    serial: Option<String>,
}

impl From<Application> for EnteredView {
    fn from(application: Application) -> Self {
        let serial = match &application.state {
            ApplicationState::Issued { serial, .. }
            | ApplicationState::Delivered { serial }
            | ApplicationState::Active { serial } => Some(serial.to_string()),
            _ => None,
        };
        Self {
            id: application.id.to_string(),
            kind: application.kind.name(),
            certificate: application.kind.certificate().map(|of| of.to_string()),
            state: application.state.name(),
            serial,
        }
    }
}

fn recorded(reader: &mut Reader<'_>, id: &UnitEventId, now: Time) -> Result<RecordedView, Problem> {
    let event = reader.unit_event(id)?.ok_or_else(|| Problem::not_found("event"))?;
    let touched = touched_by(reader, &event, now)?.into_iter();
    let certificates = touched.map(|touched| {
        let remedy = event.kind.remedy(touched.serial).map(ApplicationKind::name);
        touched_view(&touched, remedy)
    });
    let filter = ApplicationFilter {
        unit: Some(event.unit.clone()),
        event: Some(id.clone()),
        limit: i64::from(u16::MAX),
        ..ApplicationFilter::default()
    };
    let applications = reader.applications(&filter)?.into_iter().map(EnteredView::from).collect();
    let outcomes = outcomes(reader, &event)?.into_iter().map(OutcomeView::from).collect();
    Ok(RecordedView { certificates: certificates.collect(), applications, outcomes, event: event.into() })
}

/// A unit's certificates that are neither revoked nor expired, with the same advice for each.
pub(super) fn touched_views(
    reader: &mut Reader<'_>,
    unit: &UnitId,
    now: Time,
    remedy: &'static str,
) -> Result<Vec<TouchedView>, Problem> {
    let all = touched(reader, unit, now)?;
    Ok(all.iter().map(|touched| touched_view(touched, Some(remedy))).collect())
}

fn touched_view(touched: &Touched, remedy: Option<&'static str>) -> TouchedView {
    TouchedView {
        serial: touched.serial.to_string(),
        state: touched.state.name(),
        not_after: touched.not_after.to_string(),
        remedy,
    }
}

/// Record what happens to a unit; tells the certificates that it touches.
#[utoipa::path(post, path = "/api/v1/units/{uscc}/events", request_body = NewUnitEvent,
    params(("uscc" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = RecordedView)))]
pub(super) async fn record_event(
    permit: Permit<RecordUnitEvent>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
    key: IdempotencyKey,
    body: Body<NewUnitEvent>,
) -> Result<Response, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RecordUnitEvent, object: "unit", id: &uscc };
    let once = key.once(&body);
    let work = async { app.record_unit_event(permit, UnitCode::parse(&uscc)?, body.value, once).await };
    let (status, id) = match app.audited(about, work).await? {
        Made::Now(id) => (StatusCode::CREATED, id),
        Made::Before(id) => (StatusCode::OK, id),
    };
    let view = app.store.read(|reader| recorded(reader, &id, wire::now()))?;
    Ok((status, Json(view)).into_response())
}

/// Everything that happened or will happen to a unit, by its day.
#[utoipa::path(get, path = "/api/v1/units/{uscc}/events", params(("uscc" = String, Path)),
    responses((status = 200, body = [UnitEventView])))]
pub(super) async fn events(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
) -> Result<Json<Vec<UnitEventView>>, Problem> {
    let code = UnitCode::parse(&uscc)?;
    app.store.read(|reader| {
        let unit = reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?;
        Ok(Json(reader.unit_events(&unit.id)?.into_iter().map(UnitEventView::from).collect()))
    })
}

/// An event, with the certificates that it touches still and what it entered about them.
#[utoipa::path(get, path = "/api/v1/units/{uscc}/events/{id}",
    params(("uscc" = String, Path), ("id" = String, Path)), responses((status = 200, body = RecordedView)))]
pub(super) async fn event(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path((uscc, id)): Path<(String, String)>,
) -> Result<Json<RecordedView>, Problem> {
    let (code, id) = (UnitCode::parse(&uscc)?, UnitEventId::parse(&id)?);
    app.store.read(|reader| {
        let unit = reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?;
        let known = reader.unit_event(&id)?.filter(|event| event.unit == unit.id);
        known.ok_or_else(|| Problem::not_found("event"))?;
        recorded(reader, &id, wire::now()).map(Json)
    })
}

/// Cancel an event whose day has not come.
#[utoipa::path(delete, path = "/api/v1/units/{uscc}/events/{id}",
    params(("uscc" = String, Path), ("id" = String, Path)), responses((status = 204)))]
pub(super) async fn cancel_event(
    permit: Permit<RecordUnitEvent>,
    State(app): State<Arc<App>>,
    Path((uscc, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RecordUnitEvent, object: "unit", id: &uscc };
    let work =
        async { app.cancel_unit_event(permit, UnitCode::parse(&uscc)?, UnitEventId::parse(&id)?).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

//! How units are reached, and how far the messages to them have come.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use ca_core::{Action, Contact, DeliveryState, MailAddress, NoticeAbout, NoticeChannel, NoticeId};
use ca_store::{DeliveryRecord, NoticeFilter, NoticeRecord, Reader};
use ca_verifier::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::check_known;
use crate::{
    app::{About, Addressee, App, ContactForm},
    http::problem::{Body, Query},
    permit::{ChangeContact, Permit, ReadRecords, RetryNotice},
    problem::Problem,
    rule::{Language, Rule},
};

const LIST_MAX: i64 = 100;
const STATES: [&str; 3] = ["waiting", "sent", "failed"];

/// A message and the ways on which it goes out. Its text is not here: it may hold an activation code.
#[derive(Serialize, ToSchema)]
pub(super) struct NoticeView {
    id: String,
    /// What it tells: `training-accepted`, `activation`, `expiry-30`, ...
    kind: &'static str,
    /// What kind of thing it is about: `application`, `training`, `certificate` or `invoice`.
    about: &'static str,
    /// Which one.
    about_id: String,
    /// The unit's unified social credit code; none of a person who paid.
    unit: Option<String>,
    created_at: String,
    /// None yet, for some moments after it was asked for.
    deliveries: Vec<DeliveryView>,
}

/// One way on which a message goes out.
#[derive(Serialize, ToSchema)]
struct DeliveryView {
    /// `mail`, `webhook` or `file`.
    channel: &'static str,
    /// The unit's mail address as it is now, or the one that stands on the invoice, masked.
    recipient: Option<String>,
    /// `waiting`, `sent` or `failed`.
    state: &'static str,
    attempts: u16,
    next_at: Option<String>,
    sent_at: Option<String>,
    /// Why the last try failed.
    error: Option<DeliveryError>,
}

/// Why a try failed.
#[derive(Serialize, ToSchema)]
struct DeliveryError {
    title: String,
    situation: Words,
    remedy: Words,
}

/// The same in both languages.
#[derive(Serialize, ToSchema)]
struct Words {
    zh: String,
    en: String,
}

fn view(app: &App, reader: &mut Reader<'_>, notice: NoticeRecord) -> Result<NoticeView, Problem> {
    let Addressee { unit, contact } = app.addressee(reader, &notice)?;
    let deliveries = reader.deliveries_of(&notice.id)?;
    let (about, about_id) = match &notice.about {
        NoticeAbout::Application(id) => ("application", id.to_string()),
        NoticeAbout::Training(id) => ("training", id.to_string()),
        NoticeAbout::Certificate(serial) => ("certificate", serial.to_string()),
        NoticeAbout::Invoice(id) => ("invoice", id.to_string()),
        NoticeAbout::Hold(id) => ("hold", id.to_string()),
        NoticeAbout::UnitEvent(id) => ("unit-event", id.to_string()),
    };
    Ok(NoticeView {
        id: notice.id.to_string(),
        kind: notice.kind.name(),
        about,
        about_id,
        unit: unit.map(|unit| unit.code.to_string()),
        created_at: notice.created_at.to_string(),
        deliveries: deliveries.into_iter().map(|delivery| delivery_view(delivery, &contact)).collect(),
    })
}

fn delivery_view(delivery: DeliveryRecord, contact: &Contact) -> DeliveryView {
    let (next_at, sent_at) = match &delivery.state {
        DeliveryState::Waiting { next_at, .. } => (Some(*next_at), None),
        DeliveryState::Sent { at, .. } => (None, Some(*at)),
        DeliveryState::Failed { .. } => (None, None),
    };
    DeliveryView {
        channel: delivery.channel.name(),
        recipient: match delivery.channel {
            NoticeChannel::Mail => contact.mail.as_ref().map(MailAddress::masked),
            NoticeChannel::Webhook | NoticeChannel::File => None,
        },
        state: delivery.state.name(),
        attempts: delivery.state.attempts(),
        next_at: next_at.as_ref().map(Time::to_string),
        sent_at: sent_at.as_ref().map(Time::to_string),
        error: delivery.state.error().map(explained),
    }
}

/// The words for what the delivery's row says: a rule's name and a detail.
fn explained(error: &str) -> DeliveryError {
    let (name, detail) = error.split_once(' ').unwrap_or((error, ""));
    let rule = Rule::ALL.iter().copied().find(|rule| rule.name() == name).unwrap_or(Rule::Internal);
    // Each of these rules has one value or none, under one of these names.
    let problem = Problem::new(rule).with("detail", detail).with("id", detail).with("object", detail);
    let ((zh, zh_remedy), (en, en_remedy)) = (problem.texts(Language::Zh), problem.texts(Language::En));
    DeliveryError {
        title: rule.name().to_owned(),
        situation: Words { zh, en },
        remedy: Words { zh: zh_remedy, en: en_remedy },
    }
}

/// Which messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeQuery {
    /// Only those with a way in this state: `waiting`, `sent` or `failed`.
    state: Option<String>,
    /// Only those after this one, by its identifier.
    after: Option<String>,
}

/// Messages and how far they have come, oldest first; 100 at most.
#[utoipa::path(get, path = "/api/v1/notices", params(NoticeQuery), responses((status = 200, body = [NoticeView])))]
pub(super) async fn notices(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<NoticeQuery>,
) -> Result<Json<Vec<NoticeView>>, Problem> {
    check_known("state", query.state.as_deref(), &STATES)?;
    let after = query.after.as_deref().map(NoticeId::parse).transpose()?;
    let filter = NoticeFilter { state: query.state, after, limit: LIST_MAX };
    app.store.read(|reader| {
        let found = reader.notices(&filter)?;
        found.into_iter().map(|notice| view(&app, reader, notice)).collect::<Result<_, _>>().map(Json)
    })
}

/// Send a message that was given up once more.
#[utoipa::path(post, path = "/api/v1/notices/{id}/retry", params(("id" = String, Path)),
    responses((status = 204), (status = 409, description = "nothing of it was given up")))]
pub(super) async fn retry_notice(
    permit: Permit<RetryNotice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RetryNotice, object: "notice", id: &id };
    let work = async { app.retry_notice(permit, NoticeId::parse(&id)?).await };
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

/// How a unit is reached, in full.
#[utoipa::path(get, path = "/api/v1/units/{uscc}/contact", params(("uscc" = String, Path)),
    responses((status = 200, body = ContactForm)))]
pub(super) async fn contact(
    permit: Permit<ChangeContact>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
) -> Result<Json<ContactForm>, Problem> {
    app.contact(permit, &uscc).map(Json)
}

/// Write down how a unit is reached, instead of what was there.
#[utoipa::path(put, path = "/api/v1/units/{uscc}/contact", request_body = ContactForm,
    params(("uscc" = String, Path)), responses((status = 204)))]
pub(super) async fn change_contact(
    permit: Permit<ChangeContact>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
    body: Body<ContactForm>,
) -> Result<StatusCode, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ChangeContact, object: "unit", id: &uscc };
    let work = app.change_contact(permit, uscc.clone(), body.value);
    app.audited(about, work).await.map(|()| StatusCode::NO_CONTENT)
}

//! Renewal: what ends soon and how it stands with it, for staff; and by the holder, with the holder's own token.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use ca_core::{Action, Actor, ApplicationState, Author};
use ca_store::Ending;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{certificates::read_serial, check_known, workstations::patiently};
use crate::{
    app::{About, App, Exchange, Renewal, renewal_order::Prospect},
    http::{
        auth::Holder,
        problem::{Body, Query, document},
    },
    permit::{Permit, ReadRecords},
    problem::{Failure, Problem},
    protocol::Command,
};

const PAGE: i64 = 100;
/// So many pages are searched for one state before the search is handed back to whoever asks.
const PAGES: usize = 20;
const DAYS_MAX: u16 = 366;
const DAYS: u16 = 90;

/// Which renewals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RenewalsQuery {
    /// Of certificates that end within so many days: 1 to 366, 90 when it is not said.
    days: Option<u16>,
    /// Only those in this state.
    state: Option<String>,
    /// Only after this certificate: `next` of the page before.
    after: Option<String>,
}

/// Certificates that end soon, the nearest end first.
#[derive(Serialize, ToSchema)]
pub(super) struct RenewalsView {
    renewals: Vec<ProspectView>,
    /// Ask for more with this as `after`; absent at the end.
    next: Option<String>,
}

/// How it stands with the renewal of one certificate.
#[derive(Serialize, ToSchema)]
pub(super) struct ProspectView {
    certificate: String,
    not_after: String,
    /// Our identifier of the unit.
    unit: String,
    unit_name: String,
    uscc: String,
    /// `closed`: something stands in its way. `open`: it can be applied for, or is about to be ordered by itself.
    /// `declined`: somebody decided against it. Otherwise the state of its application.
    state: &'static str,
    /// What stands in its way, each as a problem document.
    #[schema(value_type = [Object])]
    missing: Vec<Value>,
    application: Option<String>,
    /// `renew`, or what else makes the successor.
    kind: Option<&'static str>,
    /// Made by itself, or entered by a person.
    by_itself: Option<bool>,
}

/// Certificates that end soon, and how it stands with their renewal: `state=closed` is what a person must see to.
#[utoipa::path(get, path = "/api/v1/renewals", params(RenewalsQuery),
    responses((status = 200, body = RenewalsView)))]
pub(super) async fn renewals(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<RenewalsQuery>,
) -> Result<Json<RenewalsView>, Problem> {
    let names: Vec<&str> = Prospect::NAMES.into_iter().chain(ApplicationState::NAMES).collect();
    check_known("state", query.state.as_deref(), &names)?;
    let days = query.days.unwrap_or(DAYS);
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Problem::field("days", format!("1 to {DAYS_MAX} days are needed")));
    }
    let mut after = query.after.as_deref().map(read_serial).transpose()?;
    let page = usize::try_from(PAGE).map_err(Failure::inconsistent)?;
    let (mut found, mut next) = (Vec::new(), None);
    for _ in 0..PAGES {
        let read = app.renewals(days, after, PAGE)?;
        let full = read.len() == page;
        for (ending, prospect) in read {
            after = Some(ending.serial);
            if query.state.as_deref().is_none_or(|state| state == prospect.name()) {
                found.push((ending, prospect));
            }
        }
        next = after.filter(|_| full);
        if !full || found.len() >= page {
            break;
        }
    }
    let views = app.store.read(|reader| {
        let view = |(ending, prospect): (Ending, Prospect)| {
            let unit = reader.unit(&ending.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
            let (state, missing, application) = match prospect {
                Prospect::Applied(known) => (known.state.name(), Vec::new(), Some(known)),
                Prospect::Closed(missing) => ("closed", missing.iter().map(document).collect(), None),
                other => (other.name(), Vec::new(), None),
            };
            Ok::<_, Problem>(ProspectView {
                certificate: ending.serial.to_string(),
                not_after: ending.not_after.to_string(),
                unit: unit.id.to_string(),
                unit_name: unit.name.as_str().to_owned(),
                uscc: unit.code.to_string(),
                state,
                missing,
                kind: application.as_ref().map(|known| known.kind.name()),
                by_itself: application.as_ref().map(|known| known.entered_by == Author::Policy),
                application: application.map(|known| known.id.to_string()),
            })
        };
        found.into_iter().map(view).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(Json(RenewalsView { renewals: views, next: next.map(|serial| serial.to_string()) }))
}

/// A command, or the end.
#[derive(Serialize)]
#[serde(untagged)]
enum RenewalView {
    Command(Command),
    /// Serial number of the renewed certificate.
    Done {
        renewed: String,
    },
}

/// Report and ask for the next command, as a workstation does, for the certificate of this connection.
#[utoipa::path(post, path = "/api/v1/renewals/exchange",
    responses((status = 200, description = "a command without user_pin, or {\"renewed\": serial number}"),
        (status = 204, description = "nothing to do yet"), (status = 404, description = "no renewal was applied for")))]
pub(super) async fn renew(
    Holder(serial): Holder,
    State(app): State<Arc<App>>,
    body: Body<Exchange>,
) -> Result<Response, Problem> {
    let (actor, id) = (Actor::Holder(serial.to_string()), serial.to_string());
    let about = About { actor: &actor, action: Action::Personalise, object: "certificate", id: &id };
    patiently(body.value, |exchange| {
        let step = app.renew(serial, exchange);
        app.audited(about, async { Ok(step.await?.map(RenewalView::from)) })
    })
    .await
}

impl From<Renewal> for RenewalView {
    fn from(renewal: Renewal) -> Self {
        match renewal {
            Renewal::Command(command) => Self::Command(command),
            Renewal::Done(serial) => Self::Done { renewed: serial.to_string() },
        }
    }
}

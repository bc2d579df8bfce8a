//! The services' forms: shown, filled in again with what is wrong, kept.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    guard::{Sent, Visitor},
    now_ms, today,
    views::{self, Filled},
};
use crate::{
    fault::Fault,
    pages,
    routes::Site,
    secret,
    services::{
        Service,
        catalogue::{self, PERSON},
        check::{self, Errors, Values},
    },
    store::submissions::{self, Act, Draft, Kept},
};

pub(super) async fn page(
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(service) = catalogue::service(&name) else { return Ok(pages::not_found(&request)) };
    let filled =
        Filled { values: Values::default(), errors: Errors::new(), of: None, form: secret::token()? };
    Ok(views::form(StatusCode::OK, &visitor, service, filled))
}

/// The form again, with what an earlier submission said.
pub(super) async fn correction(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(receipt): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    let uscc = visitor.uscc();
    let old = desk.store.run(move |db| submissions::find(db, &uscc, &receipt)).await?;
    let Some(old) = old.filter(|old| old.replaced_by.is_none() && old.kind != "withdrawal") else {
        return Ok(views::stale(visitor.language));
    };
    let Some(service) = catalogue::service(&old.service) else { return Ok(pages::not_found(&request)) };
    let values = serde_json::from_str(&old.content)?;
    let filled = Filled { values, errors: Errors::new(), of: Some(old.receipt), form: secret::token()? };
    Ok(views::form(StatusCode::OK, &visitor, service, filled))
}

pub(super) async fn submit(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(name): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let Some(service) = catalogue::service(&name) else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let form = match sent.check(&visitor).and_then(|()| sent.form()) {
        Ok(form) => form,
        Err(refused) => return Ok(*refused),
    };
    let of = Some(sent.get("of")).filter(|of| !of.is_empty()).map(str::to_owned);
    match check::check(service, Values::of_form(service, &sent.0), today()) {
        Err((values, errors)) => {
            let filled = Filled { values, errors, of, form };
            Ok(views::form(StatusCode::UNPROCESSABLE_ENTITY, &visitor, service, filled))
        }
        Ok(values) => {
            let given = match &of {
                Some(of) => person_number(&site, &visitor, of.clone()).await?,
                None => None,
            };
            let content = content(service, values, given)?;
            let act = of.map_or(Act::New, Act::Correction);
            keep(&site, &visitor, Draft { service: service.name, act, content, form, line: 0 }).await
        }
    }
}

/// What the corrected submission gave the person: a correction changes a file, and not whose it is.
async fn person_number(site: &Site, visitor: &Visitor, of: String) -> Result<Option<String>, Fault> {
    let Some(desk) = &site.desk else { return Ok(None) };
    let uscc = visitor.uscc();
    let Some(old) = desk.store.run(move |db| submissions::find(db, &uscc, &of)).await? else {
        return Ok(None);
    };
    let values: Values = serde_json::from_str(&old.content)?;
    Ok(values.get("person_no").map(str::to_owned))
}

/// What is kept of a form. A new person file gets its number here: ten random digits.
pub(super) fn content(service: &Service, mut values: Values, given: Option<String>) -> Result<String, Fault> {
    if service.name == PERSON.name {
        let new = u64::from_be_bytes(secret::random()?) % 9_000_000_000 + 1_000_000_000;
        values.set("person_no", given.unwrap_or_else(|| new.to_string()));
    }
    Ok(serde_json::to_string(&values)?)
}

/// Keeps one draft, after the status was asked once more, and shows its receipt.
pub(super) async fn keep(site: &Site, visitor: &Visitor, draft: Draft) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    if let Err(refused) = visitor.still_good(site) {
        return Ok(*refused);
    }
    let (author, day) = (visitor.author(), today().strftime("%Y%m%d").to_string());
    let kept = desk.store.run(move |db| submissions::keep(db, &author, &draft, now_ms(), &day)).await?;
    Ok(match kept {
        Kept::Receipt(receipt) => Redirect::to(&format!("/submissions/{receipt}?done")).into_response(),
        Kept::Stale => views::stale(visitor.language),
    })
}

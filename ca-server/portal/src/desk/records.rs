//! A unit's own submissions: list, one of them, CSV, withdrawal.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    forms,
    guard::{Sent, Visitor},
    tables, views,
};
use crate::{
    fault::Fault,
    pages,
    routes::Site,
    secret,
    services::{catalogue, check::Values, sheet},
    store::submissions::{self, Act, Draft, Submission},
};

const PAGE: u32 = 20;
const EXPORT_MAX: u32 = 10_000;

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    let query = request.uri().query().unwrap_or_default();
    let before =
        query.split('&').find_map(|pair| pair.strip_prefix("before=")?.parse().ok()).unwrap_or(i64::MAX);
    let uscc = visitor.uscc();
    let mut found = desk.store.run(move |db| submissions::list(db, &uscc, before, PAGE + 1)).await?;
    let page = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = found.len() > page;
    found.truncate(page);
    let next = found.last().filter(|_| more).map(|last| last.id);
    Ok(views::list(&visitor, &found, next))
}

pub(super) async fn view(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(receipt): Path<String>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    let uscc = visitor.uscc();
    let Some(found) = desk.store.run(move |db| submissions::find(db, &uscc, &receipt)).await? else {
        return Ok(pages::not_found(&request));
    };
    let done = request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "done"));
    let values = serde_json::from_str(&found.content)?;
    Ok(views::submission(&visitor, &found, &values, done, secret::token()?))
}

pub(super) async fn withdraw(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    Path(receipt): Path<String>,
    sent: Sent,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let form = match sent.check(&visitor).and_then(|()| sent.form()) {
        Ok(form) => form,
        Err(refused) => return Ok(*refused),
    };
    let (uscc, old) = (visitor.uscc(), receipt.clone());
    let old = desk.store.run(move |db| submissions::find(db, &uscc, &old)).await?;
    let Some(old) = old else { return Ok(views::stale(visitor.language)) };
    let Some(service) = catalogue::service(&old.service) else { return Ok(views::stale(visitor.language)) };
    let draft =
        Draft { service: service.name, act: Act::Withdrawal(receipt), content: old.content, form, line: 0 };
    forms::keep(&site, &visitor, draft).await
}

pub(super) async fn export(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    let uscc = visitor.uscc();
    let found = desk.store.run(move |db| submissions::list(db, &uscc, i64::MAX, EXPORT_MAX)).await?;
    let t = |zh, en| visitor.language.t(zh, en).to_owned();
    let mut rows = vec![vec![
        t("回执号", "receipt"),
        t("时间", "time"),
        t("业务", "service"),
        t("类型", "kind"),
        t("对应回执", "of"),
        t("已被替代", "replaced by"),
        t("证书序列号", "certificate"),
        t("经办人", "agent"),
        t("社保卡号", "card"),
        t("内容", "content"),
    ]];
    for submission in &found {
        rows.push(row(&visitor, submission)?);
    }
    Ok(tables::download("submissions.csv", "text/csv; charset=utf-8", sheet::write_csv(&rows)?))
}

/// The values follow in cells of their own, each with its label before it.
fn row(visitor: &Visitor, submission: &Submission) -> Result<Vec<String>, Fault> {
    let author = &submission.author;
    let values: Values = serde_json::from_str(&submission.content)?;
    let mut row = vec![
        submission.receipt.clone(),
        views::moment(submission.at_ms),
        views::title(visitor.language, &submission.service).to_owned(),
        views::kind(visitor.language, &submission.kind).to_owned(),
        submission.of.clone().unwrap_or_default(),
        submission.replaced_by.clone().unwrap_or_default(),
        author.serial.clone(),
        author.agent_name.clone(),
        author.card.clone(),
    ];
    for (label, value) in views::shown(visitor.language, &submission.service, &values) {
        row.push(label.to_owned());
        row.push(value);
    }
    Ok(row)
}

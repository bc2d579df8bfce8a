//! 发票: checked, asked for, written, refused, taken back. What was filled in is shown to whoever writes it, and in no list.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Path, Query, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ca_core::{
    Action, InvoiceId, OrderId,
    billing::{INVOICE_FILE_MAX, Invoice, InvoiceFileKind, InvoiceState, Payer},
};
use ca_store::{AccountOwner, InvoiceFile, InvoiceFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, applications::Reasons, check_known, made};
use crate::{
    app::{About, App, CheckedForm, InvoiceFields, InvoiceSeen, InvoiceStep, Made, NewInvoice},
    http::{
        auth::{Asking, Own},
        problem::{Body, IdempotencyKey},
    },
    permit::{IssueInvoice, Permit, ReadOwnRecords, ReadRecords, RequestInvoice},
    problem::Problem,
    rule::Rule,
    wire,
};

const PAGE: i64 = 100;

/// An invoice. Not what was filled in.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceView {
    id: String,
    order: String,
    /// Who pays: `unit:` or `agent:` and our identifier.
    payer: String,
    /// `ordinary` or `special`.
    kind: &'static str,
    amount_fen: i64,
    /// Who asked; not told to the payer.
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<String>,
    requested_at: String,
    /// The first moment at which it is late.
    due_at: String,
    /// The deadline reaches into a year whose holidays are not published yet.
    due_estimated: bool,
    /// Nobody wrote it in time.
    overdue: bool,
    /// `requested`, `issued`, `red-lettered` or `refused`.
    state: &'static str,
    /// The tax bureau's number.
    number: Option<String>,
    /// SHA-256 of its file.
    file_sha256: Option<String>,
    /// The number of the invoice that takes it back.
    red_number: Option<String>,
    /// Why it was refused.
    reasons: Option<String>,
    /// What must be taken back of the order's invoices, because money was given back after it was invoiced, in fen.
    to_red_letter_fen: i64,
}

impl InvoiceView {
    fn staff(seen: InvoiceSeen) -> Self {
        let by = Some(seen.invoice.requested_by.clone());
        Self { requested_by: by, ..Self::own(seen) }
    }

    fn own(InvoiceSeen { invoice, to_red_letter }: InvoiceSeen) -> Self {
        let (overdue, state) = (invoice.is_overdue(wire::now()), invoice.state.name());
        let file_sha256 = invoice.state.file().map(hex::encode);
        let (number, red_number, reasons) = match invoice.state {
            InvoiceState::Requested => (None, None, None),
            InvoiceState::Issued { number, .. } => (Some(number), None, None),
            InvoiceState::RedLettered { number, red, .. } => (Some(number), Some(red), None),
            InvoiceState::Refused { reasons } => (None, None, Some(reasons)),
        };
        Self {
            id: invoice.id.to_string(),
            order: invoice.order.to_string(),
            payer: invoice.payer.to_string(),
            kind: invoice.kind.name(),
            amount_fen: invoice.amount.get(),
            requested_by: None,
            requested_at: invoice.requested_at.to_string(),
            due_at: invoice.due.at.to_string(),
            due_estimated: invoice.due.estimated,
            overdue,
            state,
            number: number.map(|number| number.as_str().to_owned()),
            file_sha256,
            red_number: red_number.map(|number| number.as_str().to_owned()),
            reasons,
            to_red_letter_fen: to_red_letter.get(),
        }
    }
}

/// An invoice with what was filled in.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeInvoiceView {
    #[serde(flatten)]
    invoice: InvoiceView,
    /// `null` once erased.
    form: Option<InvoiceFields>,
}

/// What a form that is right comes to.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckedFormView {
    kind: &'static str,
    /// What may be invoiced of the order now; nothing before it is paid.
    invoiceable_fen: i64,
}

/// The number that the tax bureau gave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    /// Eight digits, or twenty of a fully digital invoice.
    number: String,
}

async fn checked(
    app: &App,
    permit: Permit<RequestInvoice>,
    id: &str,
    fields: InvoiceFields,
) -> Result<Json<CheckedFormView>, Problem> {
    let about = About { actor: permit.actor(), action: Action::RequestInvoice, object: "order", id };
    let work = async { app.check_invoice(&permit, &OrderId::parse(id)?, fields) };
    let CheckedForm { kind, invoiceable } = app.audited(about, work).await?;
    Ok(Json(CheckedFormView { kind: kind.name(), invoiceable_fen: invoiceable.get() }))
}

async fn requested(
    app: &App,
    permit: Permit<RequestInvoice>,
    id: &str,
    key: IdempotencyKey,
    body: Body<NewInvoice>,
) -> Result<Made<InvoiceId>, Problem> {
    let (actor, once) = (permit.actor().clone(), key.once(&body));
    let about = About { actor: &actor, action: Action::RequestInvoice, object: "order", id };
    let work = async { app.request_invoice(permit, OrderId::parse(id)?, body.value, once).await };
    app.audited(about, work).await
}

/// Check what is filled in for an invoice, before anything is paid. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/orders/{id}/invoice-check", request_body = InvoiceFields,
    params(("id" = String, Path)), responses((status = 200, body = CheckedFormView),
        (status = 422, description = "which field is wrong")))]
pub(super) async fn check(
    permit: Permit<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<InvoiceFields>,
) -> Result<Json<CheckedFormView>, Problem> {
    checked(&app, permit, &id, body.value).await
}

/// Ask for an invoice over what was paid for an order, for its payer.
#[utoipa::path(post, path = "/api/v1/orders/{id}/invoices", request_body = NewInvoice,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView),
        (status = 422, description = "which field is wrong, or more than may be invoiced")))]
pub(super) async fn request(
    permit: Permit<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewInvoice>,
) -> Result<Response, Problem> {
    requested(&app, permit, &id, key, body).await.map(made)
}

/// Which invoices.
#[derive(Deserialize, IntoParams)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those that were to be written by now and are not.
    #[serde(default)]
    overdue: bool,
    /// Only those of orders with invoices over more than is still paid: something must be taken back.
    #[serde(default)]
    to_red_letter: bool,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Invoices, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/invoices", params(ListQuery),
    responses((status = 200, body = [InvoiceView])))]
pub(super) async fn invoices(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<InvoiceView>>, Problem> {
    check_known("state", query.state.as_deref(), &InvoiceState::NAMES)?;
    let filter = InvoiceFilter {
        state: query.state,
        payer: None,
        overdue_at: query.overdue.then(wire::now),
        too_much: query.to_red_letter,
        after: query.after.as_deref().map(InvoiceId::parse).transpose()?,
        limit: PAGE,
    };
    Ok(Json(app.invoices(&filter)?.into_iter().map(InvoiceView::staff).collect()))
}

/// One invoice with what was filled in, for whoever writes it.
#[utoipa::path(get, path = "/api/v1/invoices/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WholeInvoiceView)))]
pub(super) async fn invoice(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeInvoiceView>, Problem> {
    let (seen, form) = app.whole_invoice(&permit, &InvoiceId::parse(&id)?)?;
    Ok(Json(WholeInvoiceView { invoice: InvoiceView::staff(seen), form }))
}

async fn change(
    app: &App,
    permit: Permit<IssueInvoice>,
    id: &str,
    step: InvoiceStep,
) -> Result<Json<InvoiceView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::IssueInvoice, object: "invoice", id };
    let work = async { app.change_invoice(permit, InvoiceId::parse(id)?, step).await };
    app.audited(about, work).await.map(|seen| Json(InvoiceView::staff(seen)))
}

/// Record that the invoice was written, under the tax bureau's number.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/issue", request_body = Numbered,
    params(("id" = String, Path)), responses((status = 200, body = InvoiceView),
        (status = 409, description = "written or refused before, or the number was used")))]
pub(super) async fn issue(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Numbered>,
) -> Result<Json<InvoiceView>, Problem> {
    change(&app, permit, &id, InvoiceStep::Issue(body.value.number)).await
}

/// Refuse, with reasons that the payer reads.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/refusal", request_body = Reasons,
    params(("id" = String, Path)), responses((status = 200, body = InvoiceView)))]
pub(super) async fn refuse(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<InvoiceView>, Problem> {
    change(&app, permit, &id, InvoiceStep::Refuse(body.value.reasons)).await
}

/// Record that the invoice was taken back by a red-letter invoice (红字发票).
#[utoipa::path(post, path = "/api/v1/invoices/{id}/red-letter", request_body = Numbered,
    params(("id" = String, Path)), responses((status = 200, body = InvoiceView),
        (status = 409, description = "not written, taken back before, or the number was used")))]
pub(super) async fn red_letter(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Numbered>,
) -> Result<Json<InvoiceView>, Problem> {
    change(&app, permit, &id, InvoiceStep::RedLetter(body.value.number)).await
}

/// The file of an invoice as the body of a request, by its media type.
pub(super) struct Octets(InvoiceFileKind, Vec<u8>);

impl FromRequest<Arc<App>> for Octets {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (asking, path) = (request.extensions().get::<Asking>().cloned(), request.uri().path().to_owned());
        let problem = match octets(request, app).await {
            Ok(octets) => return Ok(octets),
            Err(problem) => problem,
        };
        if let Some(asking) = asking {
            asking.refused(app, &problem, &path).await?;
        }
        Err(problem)
    }
}

async fn octets(request: Request, app: &Arc<App>) -> Result<Octets, Problem> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = InvoiceFileKind::from_media_type(&media_type)?;
    let octets = Bytes::from_request(request, app).await;
    let octets = octets.map_err(|rejection| match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Rule::InvoiceFileSize).with("limit", INVOICE_FILE_MAX),
        _ => Problem::new(Rule::Malformed).with("detail", "the body did not arrive"),
    })?;
    Ok(Octets(kind, octets.to_vec()))
}

/// Keep the file of an invoice that was written: PDF, OFD or XML of at most 5 MiB, once.
#[utoipa::path(put, path = "/api/v1/invoices/{id}/file", params(("id" = String, Path)),
    request_body(content((Vec<u8> = "application/pdf"), (Vec<u8> = "application/ofd"),
        (String = "application/xml"))),
    responses((status = 200, body = InvoiceView), (status = 409, description = "not written, or it has a file"),
        (status = 413, description = "too large"), (status = 415, description = "not such a file")))]
pub(super) async fn attach(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Octets(kind, octets): Octets,
) -> Result<Json<InvoiceView>, Problem> {
    change(&app, permit, &id, InvoiceStep::Attach(kind, octets)).await
}

/// The file of an invoice, octet for octet.
#[utoipa::path(get, path = "/api/v1/invoices/{id}/file", params(("id" = String, Path)),
    responses((status = 200, description = "the file"), (status = 404, description = "it has none")))]
pub(super) async fn file(
    _permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    app.invoice_file(&InvoiceId::parse(&id)?, None).map(download)
}

fn download((invoice, file): (Invoice, InvoiceFile)) -> Response {
    let name = match &invoice.state {
        InvoiceState::Issued { number, .. } | InvoiceState::RedLettered { number, .. } => number.as_str(),
        InvoiceState::Requested | InvoiceState::Refused { .. } => invoice.id.as_str(),
    };
    // Others made it: it is saved, not shown as a page of ours.
    let headers = [
        (header::CONTENT_TYPE, file.kind.media_type().to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"invoice-{name}.{}\"", file.kind.extension()),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, file.content).into_response()
}

fn payer(owner: &AccountOwner) -> Payer {
    match owner {
        AccountOwner::Unit { unit, .. } => Payer::Unit(unit.clone()),
        AccountOwner::Agent(agent) => Payer::Agent(agent.clone()),
    }
}

/// Check what is filled in for an invoice over an own order, before anything is paid. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/own/orders/{id}/invoice-check", request_body = InvoiceFields,
    params(("id" = String, Path)), responses((status = 200, body = CheckedFormView),
        (status = 422, description = "which field is wrong")))]
pub(super) async fn check_own(
    own: Own<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<InvoiceFields>,
) -> Result<Json<CheckedFormView>, Problem> {
    checked(&app, own.permit, &id, body.value).await
}

/// Ask for an invoice over what was paid for an own order.
#[utoipa::path(post, path = "/api/v1/own/orders/{id}/invoices", request_body = NewInvoice,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView),
        (status = 422, description = "which field is wrong, or more than may be invoiced")))]
pub(super) async fn request_own(
    own: Own<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewInvoice>,
) -> Result<Response, Problem> {
    requested(&app, own.permit, &id, key, body).await.map(made)
}

/// Which own invoices.
#[derive(Deserialize, IntoParams)]
pub(super) struct OwnListQuery {
    /// Only those after this identifier.
    after: Option<String>,
}

/// The own invoices, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/own/invoices", params(OwnListQuery),
    responses((status = 200, body = [InvoiceView])))]
pub(super) async fn own_invoices(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<OwnListQuery>,
) -> Result<Json<Vec<InvoiceView>>, Problem> {
    let filter = InvoiceFilter {
        payer: Some(payer(&own.account.owner)),
        after: query.after.as_deref().map(InvoiceId::parse).transpose()?,
        limit: PAGE,
        ..InvoiceFilter::default()
    };
    Ok(Json(app.invoices(&filter)?.into_iter().map(InvoiceView::own).collect()))
}

/// The file of an own invoice, octet for octet.
#[utoipa::path(get, path = "/api/v1/own/invoices/{id}/file", params(("id" = String, Path)),
    responses((status = 200, description = "the file"), (status = 404, description = "it has none")))]
pub(super) async fn own_file(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    app.invoice_file(&InvoiceId::parse(&id)?, Some(&payer(&own.account.owner))).map(download)
}

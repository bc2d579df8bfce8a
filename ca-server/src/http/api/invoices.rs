//! Invoices (发票): checked, asked for, written, taken back, for staff and for those who pay.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use ca_core::{
    Action, InvoiceId, OrderId,
    billing::{Invoice, InvoiceState, KeptForm, Payer},
};
use ca_store::{InvoiceFilter, Reader};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{MadeView, applications::Reasons, check_known, made, own_orders::payer};
use crate::{
    app::{About, App, NewInvoice, invoice_erased, to_red_letter},
    http::{
        auth::Own,
        problem::{Body, IdempotencyKey, Query},
    },
    permit::{IssueInvoice, Permit, ReadOwnRecords, ReadRecords, RequestInvoice},
    problem::Problem,
    wire,
};

const PAGE: i64 = 100;

/// An invoice, without what stands on it.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceView {
    id: String,
    order: String,
    payer: String,
    /// `ordinary` or `special`.
    kind: &'static str,
    amount_fen: i64,
    requested_at: String,
    /// The first moment that is too late: 15 working days.
    due_at: String,
    /// It reaches into a year whose holidays are not published yet.
    due_estimated: bool,
    overdue: bool,
    /// `requested`, `issued`, `red-lettered` or `refused`.
    state: &'static str,
    /// The tax bureau's number.
    number: Option<String>,
    /// The number of the invoice that takes it back.
    red_number: Option<String>,
    /// Why it was refused.
    reasons: Option<String>,
    /// SHA-256 of its file, hexadecimal.
    file_sha256: Option<String>,
    /// When what stood on it was erased with the payer's personal data.
    erased_at: Option<String>,
    /// So much of the order's invoices must be taken back, because money went back.
    to_red_letter_fen: i64,
}

/// An invoice with what stands on it, for whoever writes it.
#[derive(Serialize, ToSchema)]
pub(super) struct WholeInvoiceView {
    #[serde(flatten)]
    invoice: InvoiceView,
    form: NewInvoice,
}

fn view(reader: &mut Reader<'_>, known: Invoice) -> Result<InvoiceView, Problem> {
    let overdue = known.state.is_overdue(known.due, wire::now());
    let (state, to_red_letter_fen) = (known.state.name(), to_red_letter(reader, &known.order)?.get());
    let (number, file, red_number, reasons) = match known.state {
        InvoiceState::Requested => (None, None, None, None),
        InvoiceState::Issued { number, file } => (Some(number), file, None, None),
        InvoiceState::RedLettered { number, red } => (Some(number), None, Some(red), None),
        InvoiceState::Refused { reasons } => (None, None, None, Some(reasons)),
    };
    Ok(InvoiceView {
        id: known.id.to_string(),
        order: known.order.to_string(),
        payer: known.payer.to_string(),
        kind: known.kind.name(),
        amount_fen: known.amount.get(),
        requested_at: known.requested_at.to_string(),
        due_at: known.due.at.to_string(),
        due_estimated: known.due.estimated,
        overdue,
        state,
        number: number.map(|number| number.as_str().to_owned()),
        red_number: red_number.map(|number| number.as_str().to_owned()),
        reasons,
        file_sha256: file.map(hex::encode),
        erased_at: match known.form {
            KeptForm::Sealed(_) => None,
            KeptForm::Erased { at } => Some(at.to_string()),
        },
        to_red_letter_fen,
    })
}

/// How much could be invoiced.
#[derive(Serialize, ToSchema)]
pub(super) struct InvoiceableView {
    /// Paid, not given back, and on no invoice; 0 before anything is paid.
    invoiceable_fen: i64,
}

async fn checked(
    app: &App,
    permit: Permit<RequestInvoice>,
    id: &str,
    new: &NewInvoice,
) -> Result<Json<InvoiceableView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RequestInvoice, object: "order", id };
    let work = async { app.check_invoice(&permit, &OrderId::parse(id)?, new) };
    let most = app.audited(about, work).await?;
    Ok(Json(InvoiceableView { invoiceable_fen: most.get().max(0) }))
}

async fn requested(
    app: &App,
    permit: Permit<RequestInvoice>,
    id: &str,
    (key, body): (IdempotencyKey, Body<NewInvoice>),
) -> Result<Response, Problem> {
    let (once, actor) = (key.once(&body), permit.actor().clone());
    let about = About { actor: &actor, action: Action::RequestInvoice, object: "order", id };
    let work = async { app.request_invoice(permit, OrderId::parse(id)?, body.value, once).await };
    app.audited(about, work).await.map(made)
}

/// Whether an invoice could be written so, before anything is paid. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/orders/{id}/invoice-check", request_body = NewInvoice,
    params(("id" = String, Path)), responses((status = 200, body = InvoiceableView),
        (status = 422, description = "title, tax number, bank or mail is wrong")))]
pub(super) async fn check(
    permit: Permit<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewInvoice>,
) -> Result<Json<InvoiceableView>, Problem> {
    checked(&app, permit, &id, &body.value).await
}

/// Ask for an invoice of what was paid for an order, or of a part.
#[utoipa::path(post, path = "/api/v1/orders/{id}/invoices", request_body = NewInvoice,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 201, body = MadeView), (status = 422, description = "something on it is wrong, or too much")))]
pub(super) async fn request(
    permit: Permit<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewInvoice>,
) -> Result<Response, Problem> {
    requested(&app, permit, &id, (key, body)).await
}

/// Which invoices.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those that are late.
    overdue: Option<bool>,
    /// Only issued ones of orders of which more stands on invoices than was paid and is not given back.
    to_red_letter: Option<bool>,
    /// Only those after this identifier.
    after: Option<String>,
}

fn list(app: &App, query: ListQuery, payer: Option<Payer>) -> Result<Json<Vec<InvoiceView>>, Problem> {
    check_known("state", query.state.as_deref(), &InvoiceState::NAMES)?;
    let after = query.after.as_deref().map(InvoiceId::parse).transpose()?;
    let overdue_at = query.overdue.unwrap_or(false).then(wire::now);
    app.store.read(|reader| {
        let to_red_letter = query.to_red_letter.unwrap_or(false);
        let filter =
            InvoiceFilter { state: query.state, payer, overdue_at, to_red_letter, after, limit: PAGE };
        let found = reader.invoices(&filter)?;
        let views: Result<Vec<_>, Problem> = found.into_iter().map(|known| view(reader, known)).collect();
        views.map(Json)
    })
}

/// Invoices, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/invoices", params(ListQuery), responses((status = 200, body = [InvoiceView])))]
pub(super) async fn invoices(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<InvoiceView>>, Problem> {
    list(&app, query, None)
}

/// One invoice with what stands on it.
#[utoipa::path(get, path = "/api/v1/invoices/{id}", params(("id" = String, Path)),
    responses((status = 200, body = WholeInvoiceView),
        (status = 410, description = "what stood on it was erased")))]
pub(super) async fn invoice(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<WholeInvoiceView>, Problem> {
    let id = InvoiceId::parse(&id)?;
    app.store.read(|reader| {
        let known = reader.invoice(&id)?.ok_or_else(|| Problem::not_found("invoice"))?;
        let form = app.invoice_form(&permit, &known)?;
        Ok(Json(WholeInvoiceView { invoice: view(reader, known)?, form }))
    })
}

/// The tax bureau's number.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    /// 8 digits, or 20 of a fully digital invoice (数电发票).
    number: String,
}

async fn moved<F: Future<Output = Result<Invoice, Problem>>>(
    app: &App,
    permit: &Permit<IssueInvoice>,
    id: &str,
    work: impl FnOnce(InvoiceId) -> F,
) -> Result<Json<InvoiceView>, Problem> {
    let about = About { actor: permit.actor(), action: Action::IssueInvoice, object: "invoice", id };
    let known = app.audited(about, async { work(InvoiceId::parse(id)?).await }).await?;
    app.store.read(|reader| view(reader, known).map(Json))
}

/// Record that it was written.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/issue", request_body = Numbered, params(("id" = String, Path)),
    responses((status = 200, body = InvoiceView), (status = 409, description = "the number stands on another")))]
pub(super) async fn issue(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Numbered>,
) -> Result<Json<InvoiceView>, Problem> {
    moved(&app, &permit, &id, |id| app.issue_invoice(permit.clone(), id, &body.value.number)).await
}

/// Refuse it, with reasons that the payer reads.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/refusal", request_body = Reasons, params(("id" = String, Path)),
    responses((status = 200, body = InvoiceView)))]
pub(super) async fn refuse(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<InvoiceView>, Problem> {
    moved(&app, &permit, &id, |id| app.refuse_invoice(permit.clone(), id, body.value.reasons)).await
}

/// Record the invoice over less than nothing (红字发票) that takes it back.
#[utoipa::path(post, path = "/api/v1/invoices/{id}/red-letter", request_body = Numbered, params(("id" = String, Path)),
    responses((status = 200, body = InvoiceView)))]
pub(super) async fn red_letter(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Numbered>,
) -> Result<Json<InvoiceView>, Problem> {
    moved(&app, &permit, &id, |id| app.red_letter_invoice(permit.clone(), id, &body.value.number)).await
}

/// Attach its file: PDF, OFD or XML, 5 MiB at most.
#[utoipa::path(put, path = "/api/v1/invoices/{id}/file", params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/pdf"),
    responses((status = 200, body = InvoiceView), (status = 409, description = "it has one, or is not issued"),
        (status = 410, description = "what stood on it was erased"),
        (status = 413, description = "too large"), (status = 415, description = "not such a file")))]
pub(super) async fn attach(
    permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<InvoiceView>, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    moved(&app, &permit, &id, |id| app.attach_invoice(permit.clone(), id, (&media_type, body.to_vec()))).await
}

fn download(reader: &mut Reader<'_>, known: &Invoice) -> Result<Response, Problem> {
    let id = &known.id;
    if matches!(known.form, KeptForm::Erased { .. }) {
        return Err(invoice_erased(id));
    }
    let (media_type, content) = reader.invoice_file(id)?.ok_or_else(|| Problem::not_found("file"))?;
    let ending = media_type.rsplit('/').next().unwrap_or_default();
    let name = format!("attachment; filename=\"invoice-{id}.{ending}\"");
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_DISPOSITION, name),
        // Others made it: it is saved, not shown as a page of ours.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, content).into_response())
}

/// Its file.
#[utoipa::path(get, path = "/api/v1/invoices/{id}/file", params(("id" = String, Path)),
    responses((status = 200, description = "the file", content_type = "application/pdf"),
        (status = 410, description = "it was erased")))]
pub(super) async fn file(
    _permit: Permit<IssueInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = InvoiceId::parse(&id)?;
    app.store.read(|reader| {
        let known = reader.invoice(&id)?.ok_or_else(|| Problem::not_found("invoice"))?;
        download(reader, &known)
    })
}

/// Whether an invoice for an own order could be written so. Nothing is kept.
#[utoipa::path(post, path = "/api/v1/own/orders/{id}/invoice-check", request_body = NewInvoice,
    params(("id" = String, Path)), responses((status = 200, body = InvoiceableView)))]
pub(super) async fn check_own(
    own: Own<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<NewInvoice>,
) -> Result<Json<InvoiceableView>, Problem> {
    checked(&app, own.permit, &id, &body.value).await
}

/// Ask for an invoice of what was paid for an own order.
#[utoipa::path(post, path = "/api/v1/own/orders/{id}/invoices", request_body = NewInvoice,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)), responses((status = 201, body = MadeView)))]
pub(super) async fn request_own(
    own: Own<RequestInvoice>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    key: IdempotencyKey,
    body: Body<NewInvoice>,
) -> Result<Response, Problem> {
    requested(&app, own.permit, &id, (key, body)).await
}

/// The own invoices, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/own/invoices", params(ListQuery), responses((status = 200, body = [InvoiceView])))]
pub(super) async fn own_invoices(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Vec<InvoiceView>>, Problem> {
    list(&app, query, Some(payer(&own.account.owner)))
}

/// The file of an own invoice.
#[utoipa::path(get, path = "/api/v1/own/invoices/{id}/file", params(("id" = String, Path)),
    responses((status = 200, description = "the file", content_type = "application/pdf"),
        (status = 410, description = "it was erased")))]
pub(super) async fn own_file(
    own: Own<ReadOwnRecords>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (id, payer) = (InvoiceId::parse(&id)?, payer(&own.account.owner));
    app.store.read(|reader| {
        let known = reader.invoice(&id)?.filter(|known| known.payer == payer);
        download(reader, &known.ok_or_else(|| Problem::not_found("invoice"))?)
    })
}

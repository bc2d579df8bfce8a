//! Bank statements: imported line by line, and what a person says of lines that fit no order.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use ca_core::{Action, BankLine, BankLineId, BankLineState, OrderId, UnmatchedReason};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{applications::Reasons, check_known};
use crate::{
    app::{About, App, ImportedLine, LineOutcome, counts},
    http::{
        problem::{Body, Query},
        upload::File,
    },
    permit::{ApproveReturn, AssignMoney, ImportStatement, Permit, ReadRecords, RequestReturn},
    problem::Problem,
    rule::Rule,
};

const PAGE: i64 = 100;

/// How a statement is imported.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// Count nothing, and say what would be.
    #[serde(default)]
    dry_run: bool,
}

/// What became of a statement.
#[derive(Serialize, ToSchema)]
pub(super) struct StatementReport {
    /// Lines that paid an order.
    matched: usize,
    /// Lines at which a person must look.
    unmatched: usize,
    /// Lines that were counted before.
    duplicate: usize,
    /// Lines that cannot be read; they were not counted.
    refused: usize,
    /// Every line.
    lines: Vec<ReportLine>,
}

/// What became of one line.
#[derive(Serialize, ToSchema)]
pub(super) struct ReportLine {
    /// Its number in the file; the header's is 1.
    line: u32,
    /// `matched`, `unmatched`, `duplicate` or `refused`.
    outcome: &'static str,
    /// The order that it paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// Why a person must look: `outgoing` (nothing came in; it is not kept), `amount-differs`, `name-differs`, `several`,
    /// `paid-above`, `number-used` (counted with another amount; it is not kept) or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Orders that it may be for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    /// What is wrong with it, in both languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl ReportLine {
    fn of(line: ImportedLine) -> Self {
        let row = |outcome| Self {
            line: line.number,
            outcome,
            order: None,
            reason: None,
            candidates: Vec::new(),
            problem: None,
        };
        match line.outcome {
            LineOutcome::Duplicate => row("duplicate"),
            LineOutcome::Matched(order) => Self { order: Some(order.to_string()), ..row("matched") },
            LineOutcome::Unmatched(reason, candidates) => Self {
                reason: Some(reason.name()),
                candidates: candidates.into_iter().map(|candidate| candidate.order.to_string()).collect(),
                problem: (reason == UnmatchedReason::NumberUsed)
                    .then(|| Problem::new(Rule::StatementNumber).to_string()),
                ..row("unmatched")
            },
            LineOutcome::Refused(finding) => {
                Self { problem: Some(finding.problem.to_string()), ..row("refused") }
            }
        }
    }
}

/// Import a bank's statement of at most 50,000 lines, as CSV or XLSX. A line counts once, for ever: an import that was cut
/// short is sent again.
#[utoipa::path(post, path = "/api/v1/bank-statements", params(ImportQuery),
    request_body(content((String = "text/csv"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses((status = 200, body = StatementReport), (status = 422, description = "no statement")))]
pub(super) async fn import(
    permit: Permit<ImportStatement>,
    State(app): State<Arc<App>>,
    Query(query): Query<ImportQuery>,
    file: File,
) -> Result<Json<StatementReport>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ImportStatement, object: "statement", id: "new" };
    let lines = app.audited(about, app.import_statement(permit, file.upload, query.dry_run)).await?;
    let [matched, unmatched, duplicate, refused] = counts(&lines);
    let lines = lines.into_iter().map(ReportLine::of).collect();
    Ok(Json(StatementReport { matched, unmatched, duplicate, refused, lines }))
}

/// A line of a statement.
#[derive(Serialize, ToSchema)]
pub(super) struct BankLineView {
    id: String,
    payment: String,
    /// The bank's day.
    booked_on: String,
    amount_fen: i64,
    imported_by: String,
    imported_at: String,
    /// `matched`, `unmatched`, `assigned`, `return-requested` or `returned`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<String>,
    /// Why a person must look.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// Who paid, as the bank says; as long as a person must look or send it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    payer: Option<String>,
    /// What the payer wrote; as long as a person must look.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    assigned_by: Option<String>,
    /// Why it is to go back; until it went.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_reason: Option<String>,
    /// Who asked that it go back.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_by: Option<String>,
    /// Who agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_approved_by: Option<String>,
    /// The bank's number of our transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    return_reference: Option<String>,
}

impl From<BankLine> for BankLineView {
    fn from(line: BankLine) -> Self {
        let state = line.state.name();
        let mut view = Self {
            id: line.id.to_string(),
            payment: line.payment.to_string(),
            booked_on: line.booked_on.to_string(),
            amount_fen: line.amount.get(),
            imported_by: line.imported_by.to_string(),
            imported_at: line.imported_at.to_string(),
            state,
            order: None,
            reason: None,
            payer: None,
            remark: None,
            assigned_by: None,
            return_reason: None,
            return_by: None,
            return_approved_by: None,
            return_reference: None,
        };
        match line.state {
            BankLineState::Matched { order } => view.order = Some(order.to_string()),
            BankLineState::Unmatched { reason, payer, remark } => {
                view.reason = Some(reason.name());
                (view.payer, view.remark) = (Some(payer), Some(remark));
            }
            BankLineState::Assigned { order, by } => {
                view.order = Some(order.to_string());
                view.assigned_by = Some(by.to_string());
            }
            BankLineState::ReturnRequested { reason, payer, remark, why, by } => {
                view.reason = Some(reason.name());
                (view.payer, view.remark) = (Some(payer), Some(remark));
                (view.return_reason, view.return_by) = (Some(why), Some(by.to_string()));
            }
            BankLineState::Returned { by, approved_by, reference } => {
                view.return_by = Some(by.to_string());
                view.return_approved_by = Some(approved_by.to_string());
                view.return_reference = Some(reference);
            }
        }
        view
    }
}

/// Which lines.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct LinesQuery {
    /// Only those in this state.
    state: Option<String>,
    /// Only those after this identifier.
    after: Option<String>,
}

/// Lines of statements, oldest first, 100 at a time.
#[utoipa::path(get, path = "/api/v1/bank-lines", params(LinesQuery),
    responses((status = 200, body = [BankLineView])))]
pub(super) async fn lines(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<LinesQuery>,
) -> Result<Json<Vec<BankLineView>>, Problem> {
    check_known("state", query.state.as_deref(), &BankLineState::NAMES)?;
    let after = query.after.as_deref().map(BankLineId::parse).transpose()?;
    let found = app.store.read(|reader| reader.bank_lines(query.state.as_deref(), after.as_ref(), PAGE))?;
    Ok(Json(found.into_iter().map(BankLineView::from).collect()))
}

/// For which order a line is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    /// Our identifier of the order.
    order: String,
}

/// Say for which order an unmatched line is. The money is its payer's, and pays the order as far as it goes.
#[utoipa::path(post, path = "/api/v1/bank-lines/{id}/assignment", request_body = Assignment,
    params(("id" = String, Path)),
    responses((status = 200, body = BankLineView), (status = 409, description = "it has an order already")))]
pub(super) async fn assign(
    permit: Permit<AssignMoney>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Assignment>,
) -> Result<Json<BankLineView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::AssignMoney, object: "bank-line", id: &id };
    let work = async {
        let (line, order) = (BankLineId::parse(&id)?, OrderId::parse(&body.value.order)?);
        app.assign_bank_line(permit, line, order).await
    };
    app.audited(about, work).await.map(|line| Json(line.into()))
}

/// Why a line is to go back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnRequest {
    /// For whoever decides; it is kept until the money went back.
    reason: String,
}

/// Ask that an unmatched line go back to whoever sent it. Another person decides.
#[utoipa::path(post, path = "/api/v1/bank-lines/{id}/return", request_body = ReturnRequest,
    params(("id" = String, Path)),
    responses((status = 200, body = BankLineView), (status = 409, description = "it is not unmatched")))]
pub(super) async fn request_return(
    permit: Permit<RequestReturn>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<ReturnRequest>,
) -> Result<Json<BankLineView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::RequestReturn, object: "bank-line", id: &id };
    let work = async { app.request_return(permit, BankLineId::parse(&id)?, body.value.reason).await };
    app.audited(about, work).await.map(|line| Json(line.into()))
}

/// How a line went back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReturnedMoney {
    /// The bank's number of our transfer; each is used once.
    reference: String,
}

/// Agree, and record that the money went back.
#[utoipa::path(post, path = "/api/v1/bank-lines/{id}/return/approval", request_body = ReturnedMoney,
    params(("id" = String, Path)),
    responses((status = 200, body = BankLineView), (status = 403, description = "the same person asked"),
        (status = 409, description = "nobody asked, or the number was used")))]
pub(super) async fn approve_return(
    permit: Permit<ApproveReturn>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<ReturnedMoney>,
) -> Result<Json<BankLineView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ApproveReturn, object: "bank-line", id: &id };
    let work = async { app.approve_return(permit, BankLineId::parse(&id)?, body.value.reference).await };
    app.audited(about, work).await.map(|line| Json(line.into()))
}

/// Do not agree: the line is unmatched again.
#[utoipa::path(post, path = "/api/v1/bank-lines/{id}/return/rejection", request_body = Reasons,
    params(("id" = String, Path)),
    responses((status = 200, body = BankLineView), (status = 403, description = "the same person asked")))]
pub(super) async fn reject_return(
    permit: Permit<ApproveReturn>,
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body<Reasons>,
) -> Result<Json<BankLineView>, Problem> {
    let actor = permit.actor().clone();
    let about = About { actor: &actor, action: Action::ApproveReturn, object: "bank-line", id: &id };
    let work = async { app.reject_return(permit, BankLineId::parse(&id)?, body.value.reasons).await };
    app.audited(about, work).await.map(|line| Json(line.into()))
}

//! Days reconciled, revenue, renewals to come, statements as tables. Each as JSON or, with `format=csv` or `format=xlsx`, as a
//! table that a spreadsheet opens: texts that it would take for formulas are guarded, amounts are yuan with two decimals.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use ca_core::{
    Fen, UnitId,
    billing::{Account, Payer},
};
use ca_verifier::UnitCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::check_known;
use crate::{
    app::{App, report::Finding},
    http::problem::Query,
    permit::{Permit, ReadRecords},
    problem::Problem,
    sheet::{self, Encoding, Format},
    wire,
};

/// Lines of a statement in one table.
const STATEMENT_MAX: i64 = 50_000;

/// In which form.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct FormatQuery {
    /// `csv` or `xlsx`; JSON when it is not said.
    format: Option<String>,
}

/// JSON, or the same as a table.
fn answer(
    format: Option<&str>,
    name: &str,
    (header, rows): (&[&str], Vec<Vec<String>>),
    json: impl Serialize,
) -> Result<Response, Problem> {
    check_known("format", format, &["csv", "xlsx"])?;
    let format = match format {
        None => return Ok(Json(json).into_response()),
        Some("xlsx") => Format::Xlsx,
        // With its mark, so that every spreadsheet reads Chinese.
        Some(_) => Format::Csv { encoding: Encoding::Utf8Bom, crlf: true },
    };
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let octets = sheet::write(format, &header, &rows)?;
    let file = format!("attachment; filename=\"{name}.{}\"", format.extension());
    let headers =
        [(header::CONTENT_TYPE, format.media_type().to_owned()), (header::CONTENT_DISPOSITION, file)];
    Ok((headers, octets).into_response())
}

/// Yuan with two decimals and nothing else, for a cell.
fn yuan(fen: Fen) -> String {
    let sign = if fen < Fen::ZERO { "-" } else { "" };
    let fen = fen.get().unsigned_abs();
    format!("{sign}{}.{:02}", fen / 100, fen % 100)
}

/// A line of a day's sums.
#[derive(Serialize, ToSchema)]
pub(super) struct SumView {
    /// Code of the counter; absent for what no counter took.
    counter: Option<String>,
    method: &'static str,
    payments: i64,
    amount_fen: i64,
    /// Paid out of the till.
    paid_out_fen: i64,
}

/// Something that a person must look at.
#[derive(Serialize, ToSchema)]
pub(super) struct FindingView {
    what: &'static str,
    zh: &'static str,
    en: &'static str,
    count: usize,
    /// The first of them.
    rows: Vec<String>,
}

impl From<Finding> for FindingView {
    fn from(known: Finding) -> Self {
        let Finding { what, zh, en, count, rows } = known;
        Self { what, zh, en, count, rows }
    }
}

/// A day, reconciled.
#[derive(Serialize, ToSchema)]
pub(super) struct ReconciliationView {
    day: String,
    /// Nothing differs.
    agrees: bool,
    sums: Vec<SumView>,
    /// What does not agree.
    differences: Vec<FindingView>,
    /// What waits for somebody.
    open: Vec<FindingView>,
}

/// Everything that is recorded of a day in two places, compared.
#[utoipa::path(get, path = "/api/v1/reconciliations/{day}", params(("day" = String, Path), FormatQuery),
    responses((status = 200, body = ReconciliationView)))]
pub(super) async fn reconciliation(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(day): Path<String>,
    Query(query): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let found = app.reconcile(&day)?;
    let mut rows = Vec::new();
    for sum in &found.sums {
        let counter = sum.counter.clone().unwrap_or_default();
        let (method, count) = (sum.method.name().to_owned(), sum.count.to_string());
        rows.push(vec![
            "sum".to_owned(),
            counter,
            method,
            count,
            yuan(sum.amount),
            yuan(sum.paid_out),
            String::new(),
        ]);
    }
    for (kind, findings) in [("difference", &found.differences), ("open", &found.open)] {
        for one in findings {
            let words = format!("{} {}", one.zh, one.en);
            let named = one.rows.join("; ");
            let (none, count) = (String::new(), one.count.to_string());
            rows.push(vec![kind.to_owned(), none.clone(), words, count, none.clone(), none, named]);
        }
    }
    let view = ReconciliationView {
        agrees: found.differences.is_empty(),
        sums: found
            .sums
            .into_iter()
            .map(|sum| SumView {
                counter: sum.counter,
                method: sum.method.name(),
                payments: sum.count,
                amount_fen: sum.amount.get(),
                paid_out_fen: sum.paid_out.get(),
            })
            .collect(),
        differences: found.differences.into_iter().map(FindingView::from).collect(),
        open: found.open.into_iter().map(FindingView::from).collect(),
        day: day.clone(),
    };
    let header = [
        "项目 item",
        "柜台 counter",
        "方式 method",
        "笔数 count",
        "收款(元) amount",
        "付出(元) paid out",
        "明细 rows",
    ];
    answer(query.format.as_deref(), &format!("reconciliation-{day}"), (&header, rows), view)
}

/// Which revenue.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct RevenueQuery {
    /// First day, YYYY-MM-DD in China.
    from: String,
    /// Last day.
    to: String,
    /// `day`, `counter` or `kind`.
    by: String,
    /// `csv` or `xlsx`; JSON when it is not said.
    format: Option<String>,
}

/// A part of the revenue.
#[derive(Serialize, ToSchema)]
pub(super) struct RevenueView {
    /// The day, the counter's code (empty for applications without one) or the kind.
    key: String,
    /// Earned less what was given back.
    amount_fen: i64,
}

/// What was earned: paid for, and handed over; less what was given back.
#[utoipa::path(get, path = "/api/v1/revenue", params(RevenueQuery), responses((status = 200, body = [RevenueView])))]
pub(super) async fn revenue(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<RevenueQuery>,
) -> Result<Response, Problem> {
    check_known("by", Some(&query.by), &["day", "counter", "kind"])?;
    let found = app.revenue(&query.from, &query.to, &query.by)?;
    let rows = found.iter().map(|one| vec![one.key.clone(), yuan(one.amount)]).collect();
    let views: Vec<RevenueView> =
        found.into_iter().map(|one| RevenueView { key: one.key, amount_fen: one.amount.get() }).collect();
    let header = [query.by.as_str(), "收入(元) revenue"];
    answer(query.format.as_deref(), "revenue", (&header, rows), views)
}

/// Which months.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct MonthsQuery {
    /// First month, YYYY-MM.
    from: String,
    /// How many, 1 to 24; 12 when it is not said.
    months: Option<u8>,
    /// `csv` or `xlsx`; JSON when it is not said.
    format: Option<String>,
}

/// Certificates that end in one month.
#[derive(Serialize, ToSchema)]
pub(super) struct MonthView {
    month: String,
    /// Good certificates of units that end in it.
    ending: i64,
    /// Of these: their renewal waits for a decision or for money.
    applied: i64,
    /// Of these: their renewal is settled.
    paid: i64,
    /// What the renewal of all of them costs by today's tariff.
    expected_fen: i64,
}

/// Renewals that are to be expected, by month.
#[utoipa::path(get, path = "/api/v1/renewals/expected", params(MonthsQuery),
    responses((status = 200, body = [MonthView])))]
pub(super) async fn expected_renewals(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Query(query): Query<MonthsQuery>,
) -> Result<Response, Problem> {
    let found = app.expected_renewals(&query.from, query.months.unwrap_or(12))?;
    let row = |one: &crate::app::report::Month| {
        let counts = [one.ending, one.applied, one.paid].map(|count| count.to_string());
        let mut row = vec![one.month.clone()];
        row.extend(counts);
        row.push(yuan(one.expected));
        row
    };
    let rows = found.iter().map(row).collect();
    let views: Vec<MonthView> = found
        .into_iter()
        .map(|one| MonthView {
            month: one.month,
            ending: one.ending,
            applied: one.applied,
            paid: one.paid,
            expected_fen: one.expected.get(),
        })
        .collect();
    let header = ["月 month", "到期 ending", "已申请 applied", "已缴费 paid", "预计(元) expected"];
    answer(query.format.as_deref(), "renewals", (&header, rows), views)
}

/// A unit's whole statement as a table.
#[utoipa::path(get, path = "/api/v1/units/{uscc}/statement/table", params(("uscc" = String, Path), FormatQuery),
    responses((status = 200, description = "CSV or XLSX", content_type = "text/csv")))]
pub(super) async fn statement_table(
    _permit: Permit<ReadRecords>,
    State(app): State<Arc<App>>,
    Path(uscc): Path<String>,
    Query(query): Query<FormatQuery>,
) -> Result<Response, Problem> {
    let code = UnitCode::parse(&uscc)?;
    let (name, account, entries) = app.store.read(|reader| {
        let unit = reader.unit_by_code(&code)?.ok_or_else(|| Problem::not_found("unit"))?;
        let account = account(unit.id);
        let entries = reader.booked(&account, 0, STATEMENT_MAX)?;
        Ok::<_, Problem>((unit.name.as_str().to_owned(), account, entries))
    })?;
    let rows = entries.into_iter().map(|booked| {
        let grew = booked.posting.credit() == &account;
        let other = if grew { booked.posting.debit() } else { booked.posting.credit() };
        let fen = booked.posting.amount().get();
        let order = booked.order.map(|id| id.to_string()).unwrap_or_default();
        vec![
            name.clone(),
            wire::china_time(booked.at),
            booked.reason,
            order,
            other.to_string(),
            yuan(Fen::new(if grew { fen } else { -fen })),
        ]
    });
    let header = ["单位 unit", "时间 time", "事由 reason", "订单 order", "对方 other", "金额(元) amount"];
    let format = query.format.as_deref().unwrap_or("csv");
    answer(Some(format), &format!("statement-{uscc}"), (&header, rows.collect()), ())
}

fn account(unit: UnitId) -> Account {
    Account::Credit(Payer::Unit(unit))
}

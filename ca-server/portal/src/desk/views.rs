//! The pages for agents: what the templates need, in the visitor's language.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use ca_verifier::VerifiedUnit;

use super::guard::Visitor;
use crate::{
    language::{Language, Text},
    pages::html,
    services::{
        Field, Kind, Service,
        catalogue::{self, BATCH, SERVICES},
        check::{Errors, Values},
        sheet::ROWS_MAX,
    },
    store::{pairs::Pair, submissions::Submission},
};

/// What stands around each page.
struct Frame<'a> {
    l: Language,
    unit: &'a str,
    agent: &'a str,
    csrf: &'a str,
    /// Where the switch of the language leads.
    path: String,
}

fn frame(visitor: &Visitor, path: impl Into<String>) -> Frame<'_> {
    Frame {
        l: visitor.language,
        unit: visitor.unit.name(),
        agent: &visitor.session.name,
        csrf: &visitor.session.csrf,
        path: path.into(),
    }
}

/// What went wrong, and what to do.
#[derive(Clone, Copy)]
pub(super) struct Problem {
    pub(super) what: Text,
    pub(super) remedy: Text,
}

#[derive(Template)]
#[template(path = "desk/problem.html")]
struct ProblemPage<'a> {
    f: Frame<'a>,
    status: u16,
    code: &'a str,
    problem: Problem,
}

pub(super) fn problem(language: Language, status: StatusCode, code: &str, problem: Problem) -> Response {
    let f = Frame { l: language, unit: "", agent: "", csrf: "", path: "/".to_owned() };
    html(status, ProblemPage { f, status: status.as_u16(), code, problem }.render())
}

pub(super) fn pair_refused(language: Language, pair: Pair) -> Response {
    let (code, what) = match pair {
        Pair::NotQualified => {
            ("not-qualified", Text("您的经办人资格已到期。", "Your qualification as an agent is over."))
        }
        Pair::Good | Pair::NotConfirmed => (
            "not-confirmed",
            Text(
                "本单位没有确认您为经办人，或确认已取消。",
                "This unit has not confirmed you as its agent, or not any more.",
            ),
        ),
    };
    let remedy = Text(
        "请单位填写《多单位用户(CA)经办人确认申请表》，或重新参加培训后再登录。",
        "Let the unit confirm you at the service counter, or have the training again; then log in.",
    );
    problem(language, StatusCode::FORBIDDEN, code, Problem { what, remedy })
}

pub(super) fn stale(language: Language) -> Response {
    let stale = Problem {
        what: Text(
            "原业务已被更正或撤回，或不存在，没有提交。",
            "The earlier submission was corrected or withdrawn already, or does not exist; nothing was submitted.",
        ),
        remedy: Text(
            "请在“办理记录”中查看最新状态。",
            "Look at the list of submissions for its latest state.",
        ),
    };
    problem(language, StatusCode::CONFLICT, "stale", stale)
}

pub(super) struct Login {
    pub(super) captcha: String,
    pub(super) card: String,
    pub(super) notice: Option<Text>,
    pub(super) error: Option<Text>,
}

#[derive(Template)]
#[template(path = "desk/login.html")]
struct LoginPage<'a> {
    f: Frame<'a>,
    uscc: String,
    serial: String,
    not_after: String,
    login: Login,
}

pub(super) fn login(status: StatusCode, language: Language, unit: &VerifiedUnit, login: Login) -> Response {
    let page = LoginPage {
        f: Frame { l: language, unit: unit.name(), agent: "", csrf: "", path: "/".to_owned() },
        uscc: unit.code().as_str().to_owned(),
        serial: unit.serial().to_string(),
        not_after: crate::pages::date(unit.not_after()),
        login,
    };
    html(status, page.render())
}

#[derive(Template)]
#[template(path = "desk/home.html")]
struct HomePage<'a> {
    f: Frame<'a>,
    services: &'static [&'static Service],
    batch: Text,
}

pub(super) fn home(visitor: &Visitor) -> Response {
    html(StatusCode::OK, HomePage { f: frame(visitor, "/"), services: &SERVICES, batch: BATCH }.render())
}

#[derive(Template)]
#[template(path = "desk/password.html")]
struct PasswordPage<'a> {
    f: Frame<'a>,
    must_change: bool,
    error: Option<Text>,
}

pub(super) fn password(status: StatusCode, visitor: &Visitor, error: Option<Text>) -> Response {
    let must_change = visitor.session.must_change;
    html(status, PasswordPage { f: frame(visitor, "/password"), must_change, error }.render())
}

/// A form and what is in it.
pub(super) struct Filled {
    pub(super) values: Values,
    pub(super) errors: Errors,
    pub(super) of: Option<String>,
    pub(super) form: String,
}

struct FieldView {
    field: &'static Field,
    value: String,
    error: Option<Text>,
    /// The kind of input.
    input: &'static str,
    input_mode: &'static str,
}

impl FieldView {
    fn has(&self, code: &str) -> bool {
        self.value.split(',').any(|value| value == code)
    }

    fn described_by(&self) -> String {
        let hint =
            if self.field.hint.0.is_empty() { String::new() } else { format!("{}-hint", self.field.name) };
        let error = self.error.map_or(String::new(), |_| format!("{}-error", self.field.name));
        format!("{hint} {error}").trim().to_owned()
    }
}

#[derive(Template)]
#[template(path = "desk/form.html")]
struct FormPage<'a> {
    f: Frame<'a>,
    service: &'static Service,
    fields: Vec<FieldView>,
    of: String,
    form: String,
    wrong: usize,
}

pub(super) fn form(
    status: StatusCode,
    visitor: &Visitor,
    service: &'static Service,
    filled: Filled,
) -> Response {
    let fields = service.fields.iter().map(|field| {
        let (input, input_mode) = match field.kind {
            Kind::One(_) => ("one", ""),
            Kind::Many(_) => ("many", ""),
            Kind::Date => ("date", ""),
            Kind::PersonNumber | Kind::Area => ("text", "numeric"),
            Kind::Mobile => ("tel", "numeric"),
            Kind::Money => ("text", "decimal"),
            Kind::Text(most) if most > 60 => ("long", ""),
            Kind::Text(_) | Kind::Name | Kind::IdNumber => ("text", ""),
        };
        let value = filled.values.get(field.name).unwrap_or_default().to_owned();
        FieldView { field, value, error: filled.errors.get(field.name).copied(), input, input_mode }
    });
    let path = match &filled.of {
        Some(of) => format!("/submissions/{of}/correction"),
        None => format!("/services/{}", service.name),
    };
    let page = FormPage {
        fields: fields.collect(),
        // What a browser sent comes back as a part of a path only when it looks like a receipt.
        f: frame(
            visitor,
            if is_receipt(filled.of.as_deref()) { path } else { format!("/services/{}", service.name) },
        ),
        service,
        of: filled.of.unwrap_or_default(),
        form: filled.form,
        wrong: filled.errors.len(),
    };
    html(status, page.render())
}

fn is_receipt(of: Option<&str>) -> bool {
    of.is_some_and(|of| of.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'))
}

pub(super) struct Upload {
    pub(super) form: String,
    pub(super) error: Option<Text>,
}

#[derive(Template)]
#[template(path = "desk/upload.html")]
struct UploadPage<'a> {
    f: Frame<'a>,
    title: Text,
    upload: Upload,
    rows_max: usize,
}

pub(super) fn upload(status: StatusCode, visitor: &Visitor, upload: Upload) -> Response {
    html(
        status,
        UploadPage { f: frame(visitor, "/batch"), title: BATCH, upload, rows_max: ROWS_MAX }.render(),
    )
}

/// What became of a line of a file.
pub(super) struct LineResult {
    pub(super) number: u32,
    pub(super) receipt: Option<String>,
    pub(super) errors: Errors,
}

struct LineView<'a> {
    number: u32,
    receipt: Option<&'a str>,
    /// Labels and texts.
    errors: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "desk/uploaded.html")]
struct UploadedPage<'a> {
    f: Frame<'a>,
    title: Text,
    lines: Vec<LineView<'a>>,
    kept: usize,
    wrong: usize,
}

pub(super) fn uploaded(status: StatusCode, visitor: &Visitor, results: &[LineResult]) -> Response {
    let l = visitor.language;
    let label = |name: &str| {
        catalogue::PERSON.field(name).map_or(l.t("整行", "Whole line"), |field| l.of(field.label))
    };
    let view = |result: &'_ LineResult| {
        result.errors.iter().map(|(name, text)| (label(name), l.of(*text))).collect()
    };
    let lines: Vec<LineView<'_>> = results
        .iter()
        .map(|result| LineView {
            number: result.number,
            receipt: result.receipt.as_deref(),
            errors: view(result),
        })
        .collect();
    let page = UploadedPage {
        f: frame(visitor, "/batch"),
        title: BATCH,
        kept: lines.iter().filter(|line| line.receipt.is_some()).count(),
        wrong: lines.iter().filter(|line| !line.errors.is_empty()).count(),
        lines,
    };
    html(status, page.render())
}

struct Row<'a> {
    submission: &'a Submission,
    title: &'static str,
    kind: &'static str,
    moment: String,
}

#[derive(Template)]
#[template(path = "desk/list.html")]
struct ListPage<'a> {
    f: Frame<'a>,
    rows: Vec<Row<'a>>,
    next: Option<i64>,
}

pub(super) fn list(visitor: &Visitor, found: &[Submission], next: Option<i64>) -> Response {
    let rows = found.iter().map(|submission| row(visitor.language, submission)).collect();
    html(StatusCode::OK, ListPage { f: frame(visitor, "/submissions"), rows, next }.render())
}

fn row(language: Language, submission: &Submission) -> Row<'_> {
    Row {
        submission,
        title: title(language, &submission.service),
        kind: kind(language, &submission.kind),
        moment: moment(submission.at_ms),
    }
}

#[derive(Template)]
#[template(path = "desk/submission.html")]
struct SubmissionPage<'a> {
    f: Frame<'a>,
    row: Row<'a>,
    values: Vec<(&'static str, String)>,
    done: bool,
    open: bool,
    form: String,
}

pub(super) fn submission(
    visitor: &Visitor,
    found: &Submission,
    values: &Values,
    done: bool,
    form: String,
) -> Response {
    let page = SubmissionPage {
        f: frame(visitor, format!("/submissions/{}", found.receipt)),
        row: row(visitor.language, found),
        values: shown(visitor.language, &found.service, values),
        done,
        open: found.replaced_by.is_none() && found.kind != "withdrawal",
        form,
    };
    html(StatusCode::OK, page.render())
}

/// The values of a submission as people read them.
pub(super) fn shown(language: Language, service: &str, values: &Values) -> Vec<(&'static str, String)> {
    let Some(service) = catalogue::service(service) else { return Vec::new() };
    let mut shown = Vec::new();
    if let Some(number) = values.get("person_no").filter(|_| service.field("person_no").is_none()) {
        shown.push((language.t("个人编号", "Person number"), number.to_owned()));
    }
    for field in service.fields {
        let Some(value) = values.get(field.name) else { continue };
        let text = |code: &str| {
            let choice = field.choices().iter().find(|choice| choice.0 == code);
            choice.map_or(code.to_owned(), |choice| language.of(choice.1).to_owned())
        };
        let value = match field.kind {
            Kind::One(_) | Kind::Many(_) => {
                value.split(',').map(text).collect::<Vec<_>>().join(language.t("、", ", "))
            }
            _ => value.to_owned(),
        };
        shown.push((language.of(field.label), value));
    }
    shown
}

pub(super) fn title(language: Language, service: &str) -> &'static str {
    catalogue::service(service).map_or("", |service| language.of(service.title))
}

pub(super) fn kind(language: Language, kind: &str) -> &'static str {
    match kind {
        "correction" => language.t("更正", "Correction"),
        "withdrawal" => language.t("撤回", "Withdrawal"),
        _ => language.t("新办", "New"),
    }
}

/// The time in China.
pub(super) fn moment(at_ms: i64) -> String {
    crate::pages::date(ca_verifier::Time::from_millis(at_ms))
}

//! Batches: lists of units for new certificates, line by line, with what became of each line.

use ca_core::{
    AgentId, ApplicationId, BatchId, BatchState, Document, DocumentForm, StaffId, UnitId, Verdict,
};
use ca_verifier::Time;
use diesel::{
    dsl::{count, count_star},
    prelude::*,
};
use serde_json::{Value, json};

use super::{digest, intact};
use crate::{
    Reader, StoreError, Tx,
    schema::{application, appointment, batch, batch_line},
    tx::{all, change_one, insert, one, run},
};

/// Lines in one statement: PostgreSQL takes 65 535 values, SQLite 32 766.
const LINES_AT_ONCE: usize = 500;
/// States in which an application still waits for its token to be handed over.
const OPEN: [&str; 5] = ["submitted", "approved", "paid", "personalising", "issued"];

/// A list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRecord {
    /// Our identifier.
    pub id: BatchId,
    /// SHA-256 of the file.
    pub file_sha256: [u8; 32],
    /// How the file was written, so that lines go back the same way.
    pub format: String,
    /// The file's first line.
    pub header: Vec<String>,
    /// Where it stands.
    pub state: BatchState,
    /// What lies with all of it, from its submission on.
    pub documents: Option<Vec<Document>>,
    /// Who sent it.
    pub entered_by: StaffId,
    /// When.
    pub entered_at: Time,
}

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchLine {
    /// Its number in the file.
    pub line: u32,
    /// What the check says.
    pub verdict: Verdict,
    /// The unit, when it is known.
    pub unit: Option<UnitId>,
    /// The agent, when it is known.
    pub agent: Option<AgentId>,
    /// Years of validity.
    pub years: Option<u16>,
    /// Where the token is to be collected.
    pub counter: Option<String>,
    /// The cells as they were sent, identity card numbers masked.
    pub cells: Vec<String>,
    /// What is wrong, for people: JSON, which the store does not read.
    pub findings: Value,
    /// The application that it became.
    pub application: Option<ApplicationId>,
}

/// How far a line's application has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The line's number.
    pub line: u32,
    /// The state of its application.
    pub state: String,
    /// Counter, day and slot of the appointment that is booked.
    pub appointment: Option<(String, String, String)>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = batch, treat_none_as_default_value = false)]
struct Row {
    id: String,
    file_sha256: Vec<u8>,
    format: String,
    header: String,
    state: String,
    documents: Option<String>,
    entered_by: String,
    entered_at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = batch_line, treat_none_as_default_value = false)]
struct LineRow {
    batch: String,
    line: i32,
    verdict: String,
    unit: Option<String>,
    agent: Option<String>,
    years: Option<i32>,
    counter: Option<String>,
    cells: String,
    findings: String,
    application: Option<String>,
}

impl Reader<'_> {
    /// A list by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch(&mut self, id: &BatchId) -> Result<Option<BatchRecord>, StoreError> {
        let row = one!(self, Row, batch::table.find(id.as_str()))?;
        row.map(BatchRecord::try_from).transpose()
    }

    /// Lists, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batches(&mut self, limit: i64) -> Result<Vec<BatchRecord>, StoreError> {
        let rows = all!(self, Row, batch::table.order(batch::id.desc()).limit(limit))?;
        rows.into_iter().map(BatchRecord::try_from).collect()
    }

    /// A list's lines after a number, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_lines(
        &mut self,
        id: &BatchId,
        after: u32,
        limit: i64,
    ) -> Result<Vec<BatchLine>, StoreError> {
        let query = batch_line::table
            .filter(batch_line::batch.eq(id.as_str()))
            .filter(batch_line::line.gt(i32::try_from(after).unwrap_or(i32::MAX)))
            .order(batch_line::line)
            .limit(limit);
        let rows = all!(self, LineRow, query)?;
        rows.into_iter().map(BatchLine::try_from).collect()
    }

    /// How many lines of a list there are of each verdict, and how many of them have an application.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_counts(&mut self, id: &BatchId) -> Result<Vec<(Verdict, i64, i64)>, StoreError> {
        let query = batch_line::table
            .filter(batch_line::batch.eq(id.as_str()))
            .group_by(batch_line::verdict)
            .order(batch_line::verdict)
            .select((batch_line::verdict, count_star(), count(batch_line::application)));
        let rows: Vec<(String, i64, i64)> = run!(self, connection => query.load(connection))?;
        let counted = rows.into_iter().map(|(verdict, all, submitted)| {
            let verdict = intact(Verdict::from_name(&verdict), "batch_line", id)?;
            Ok((verdict, all, submitted))
        });
        counted.collect()
    }

    /// The next good lines without an application, in their order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_lines_to_submit(&mut self, id: &BatchId, limit: i64) -> Result<Vec<BatchLine>, StoreError> {
        let query = batch_line::table
            .filter(batch_line::batch.eq(id.as_str()))
            .filter(batch_line::verdict.eq(Verdict::Good.name()))
            .filter(batch_line::application.is_null())
            .order(batch_line::line)
            .limit(limit);
        let rows = all!(self, LineRow, query)?;
        rows.into_iter().map(BatchLine::try_from).collect()
    }

    /// How far the applications of a list have come, in the order of its lines.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn batch_progress(&mut self, id: &BatchId) -> Result<Vec<Progress>, StoreError> {
        let query = batch_line::table
            .inner_join(application::table)
            .filter(batch_line::batch.eq(id.as_str()))
            .order(batch_line::line)
            .select((batch_line::line, application::id, application::state));
        let states: Vec<(i32, String, String)> = run!(self, connection => query.load(connection))?;
        let query = appointment::table
            .inner_join(batch_line::table.on(batch_line::application.eq(appointment::application)))
            .filter(batch_line::batch.eq(id.as_str()))
            .filter(appointment::state.eq("booked"))
            .select((batch_line::line, appointment::counter, appointment::day, appointment::slot));
        let booked: Vec<(i32, String, String, String)> = run!(self, connection => query.load(connection))?;
        let mut booked: std::collections::HashMap<i32, (String, String, String)> =
            booked.into_iter().map(|(line, counter, day, slot)| (line, (counter, day, slot))).collect();
        let progress = states.into_iter().map(|(line, id, state)| {
            let appointment = booked.remove(&line);
            Ok(Progress { line: number(line, &id)?, state, appointment })
        });
        progress.collect()
    }

    /// An application of the unit for a new certificate that has not come to its end.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_application(&mut self, unit: &UnitId) -> Result<Option<ApplicationId>, StoreError> {
        let query = application::table
            .filter(application::unit.eq(unit.as_str()))
            .filter(application::kind.eq("new"))
            .filter(application::state.eq_any(OPEN))
            .order(application::id)
            .select(application::id)
            .limit(1);
        let id: Option<String> = run!(self, connection => query.get_result(connection).optional())?;
        id.map(|id| intact(ApplicationId::parse(&id), "application", &id)).transpose()
    }
}

impl Tx<'_> {
    /// Enters a list with its lines.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `batch` or `batch-line`; [`StoreError::NotFound`] without a unit or agent.
    pub fn insert_batch(&mut self, new: &BatchRecord, lines: &[BatchLine]) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            file_sha256: new.file_sha256.to_vec(),
            format: new.format.clone(),
            header: json!(new.header).to_string(),
            state: new.state.name().to_owned(),
            documents: new.documents.as_deref().map(write_documents),
            entered_by: new.entered_by.to_string(),
            entered_at: new.entered_at.millis(),
        };
        insert!(self, batch::table, &row)?;
        let rows: Vec<LineRow> = lines.iter().map(|line| LineRow::of(&row.id, line)).collect();
        for some in rows.chunks(LINES_AT_ONCE) {
            insert!(self, batch_line::table, some)?;
        }
        Ok(())
    }

    /// Moves a list, if it is still in the state that was read; the documents come with its submission.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `batch`.
    pub fn move_batch(
        &mut self,
        id: &BatchId,
        from: BatchState,
        to: BatchState,
        documents: Option<&[Document]>,
    ) -> Result<(), StoreError> {
        let unchanged = batch::table.find(id.as_str()).filter(batch::state.eq(from.name()));
        let change = (batch::state.eq(to.name()), batch::documents.eq(documents.map(write_documents)));
        change_one!(self, "batch", diesel::update(unchanged).set(change))
    }

    /// A clerk has looked at a line: what was for review is good.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `batch-line` when it is not for review.
    pub fn pass_batch_line(&mut self, id: &BatchId, line: u32) -> Result<(), StoreError> {
        let row = batch_line::table
            .find((id.as_str(), i32::try_from(line).unwrap_or(i32::MAX)))
            .filter(batch_line::verdict.eq(Verdict::Review.name()));
        change_one!(self, "batch-line", diesel::update(row).set(batch_line::verdict.eq(Verdict::Good.name())))
    }

    /// The line has its application: once, for ever.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `batch-line` when it has one, or is not good; [`StoreError::Conflict`]
    /// `batch-application`.
    pub fn link_batch_line(
        &mut self,
        id: &BatchId,
        line: u32,
        made: &ApplicationId,
    ) -> Result<(), StoreError> {
        let row = batch_line::table
            .find((id.as_str(), i32::try_from(line).unwrap_or(i32::MAX)))
            .filter(batch_line::verdict.eq(Verdict::Good.name()))
            .filter(batch_line::application.is_null());
        let change = batch_line::application.eq(made.as_str());
        change_one!(self, "batch-line", diesel::update(row).set(change))
    }

    /// What was good when it was checked is good no longer.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `batch-line` when it has an application.
    pub fn refuse_batch_line(&mut self, id: &BatchId, line: u32, findings: &Value) -> Result<(), StoreError> {
        let row = batch_line::table
            .find((id.as_str(), i32::try_from(line).unwrap_or(i32::MAX)))
            .filter(batch_line::application.is_null());
        let change =
            (batch_line::verdict.eq(Verdict::Bad.name()), batch_line::findings.eq(findings.to_string()));
        change_one!(self, "batch-line", diesel::update(row).set(change))
    }
}

fn number(line: i32, id: &str) -> Result<u32, StoreError> {
    intact(u32::try_from(line), "batch_line", id)
}

fn write_documents(documents: &[Document]) -> String {
    let member = |document: &Document| {
        json!({
            "kind": document.kind,
            "form": document.form.name(),
            "seen_at": document.seen_at.millis(),
            "sha256": hex(&document.sha256),
            "seen_by": document.seen_by.as_str(),
        })
    };
    Value::Array(documents.iter().map(member).collect()).to_string()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read_documents(text: &str) -> Option<Vec<Document>> {
    let Value::Array(members) = serde_json::from_str(text).ok()? else { return None };
    let document = |member: Value| {
        let sha256 = member["sha256"].as_str().filter(|text| text.len() == 64 && text.is_ascii())?;
        let octets = (0..64).step_by(2).map(|at| u8::from_str_radix(&sha256[at..at + 2], 16).ok());
        Some(Document {
            kind: member["kind"].as_str()?.to_owned(),
            form: DocumentForm::from_name(member["form"].as_str()?).ok()?,
            seen_at: Time::from_millis(member["seen_at"].as_i64()?),
            sha256: octets.collect::<Option<Vec<u8>>>()?.try_into().ok()?,
            seen_by: StaffId::parse(member["seen_by"].as_str()?).ok()?,
        })
    };
    members.into_iter().map(document).collect()
}

impl LineRow {
    fn of(batch: &str, line: &BatchLine) -> Self {
        Self {
            batch: batch.to_owned(),
            line: i32::try_from(line.line).unwrap_or(i32::MAX),
            verdict: line.verdict.name().to_owned(),
            unit: line.unit.as_ref().map(UnitId::to_string),
            agent: line.agent.as_ref().map(AgentId::to_string),
            years: line.years.map(i32::from),
            counter: line.counter.clone(),
            cells: json!(line.cells).to_string(),
            findings: line.findings.to_string(),
            application: line.application.as_ref().map(ApplicationId::to_string),
        }
    }
}

impl TryFrom<Row> for BatchRecord {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = row.id;
        let documents = row.documents.as_deref().map(|text| read_documents(text).ok_or(()));
        Ok(Self {
            file_sha256: digest(row.file_sha256, "batch", &id)?,
            format: row.format,
            header: intact(serde_json::from_str(&row.header), "batch", &id)?,
            state: intact(BatchState::from_name(&row.state), "batch", &id)?,
            documents: intact(documents.transpose(), "batch", &id)?,
            entered_by: intact(StaffId::parse(&row.entered_by), "batch", &id)?,
            entered_at: Time::from_millis(row.entered_at),
            id: intact(BatchId::parse(&id), "batch", &id)?,
        })
    }
}

impl TryFrom<LineRow> for BatchLine {
    type Error = StoreError;

    fn try_from(row: LineRow) -> Result<Self, StoreError> {
        let id = format!("{}/{}", row.batch, row.line);
        let application = row.application.as_deref().map(ApplicationId::parse).transpose();
        Ok(Self {
            line: number(row.line, &id)?,
            verdict: intact(Verdict::from_name(&row.verdict), "batch_line", &id)?,
            unit: intact(row.unit.as_deref().map(UnitId::parse).transpose(), "batch_line", &id)?,
            agent: intact(row.agent.as_deref().map(AgentId::parse).transpose(), "batch_line", &id)?,
            years: intact(row.years.map(u16::try_from).transpose(), "batch_line", &id)?,
            counter: row.counter,
            cells: intact(serde_json::from_str(&row.cells), "batch_line", &id)?,
            findings: intact(serde_json::from_str(&row.findings), "batch_line", &id)?,
            application: intact(application, "batch_line", &id)?,
        })
    }
}

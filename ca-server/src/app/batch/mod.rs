//! Step 2 for many units at once: a department sends a list, every line is checked, good lines become applications, bad
//! lines go back with their reasons. The file itself is not kept, and no identity card number with its lines.

mod check;
mod rest;
mod submit;

use ca_core::{Action, AuditEntry, BatchCommand, BatchId, BatchState, Verdict};
use ca_store::{BatchLine, BatchRecord, Reader, WriteSite};

pub(super) use self::check::unknown_counter;
pub(crate) use self::{rest::Remainder, submit::Submission};
use super::{App, Made, Once, once};
use crate::{
    permit::{Permit, SubmitBatch},
    problem::Problem,
    rule::Rule,
    sheet::{self, Limits},
    wire,
};

/// Lines that a list can have.
pub(crate) const LINES_MAX: u32 = 5_000;
const LIMITS: Limits = Limits { lines: LINES_MAX, columns: 16, cell: 400 };
/// All lines of a list.
const ALL: i64 = 10_000;

/// A list as it was sent.
pub(crate) struct Upload {
    pub(crate) octets: Vec<u8>,
    pub(crate) xlsx: bool,
}

/// How many lines there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) good: i64,
    pub(crate) review: i64,
    pub(crate) bad: i64,
    pub(crate) submitted: i64,
}

impl Counts {
    pub(crate) fn read(reader: &mut Reader<'_>, id: &BatchId) -> Result<Self, Problem> {
        let mut counts = Self::default();
        for (verdict, all, submitted) in reader.batch_counts(id)? {
            counts.submitted += submitted;
            match verdict {
                Verdict::Good => counts.good = all,
                Verdict::Review => counts.review = all,
                Verdict::Bad => counts.bad = all,
            }
        }
        Ok(counts)
    }
}

impl App {
    /// Checks a list; nothing is made yet.
    pub(crate) async fn check_batch(
        &self,
        permit: Permit<SubmitBatch>,
        upload: Upload,
        key: Once,
    ) -> Result<Made<BatchId>, Problem> {
        let now = wire::now();
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let record = BatchRecord {
            id: BatchId::new(now, wire::random()?),
            file_sha256: key.request_sha256,
            format: String::new(),
            header: Vec::new(),
            state: BatchState::Checked,
            documents: None,
            entered_by: clerk,
            entered_at: now,
        };
        // Some thousand questions to the database: other requests go on meanwhile.
        let (record, lines) = tokio::task::block_in_place(|| {
            let sheet = sheet::read(&upload.octets, upload.xlsx, LIMITS)?;
            let lines =
                self.store.read(|reader| check::check(reader, (&self.policies, &self.vault), &sheet, now))?;
            if lines.is_empty() {
                return Err(Problem::new(Rule::SheetEmpty));
            }
            let record = BatchRecord { format: sheet.format.to_string(), header: sheet.header, ..record };
            Ok::<_, Problem>((record, lines))
        })?;
        self.store
            .write(WriteSite::CheckBatch, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, record.id.as_str(), now)? {
                    return Ok(Made::Before(BatchId::parse(&before)?));
                }
                tx.insert_batch(&record, &lines)?;
                let counts = Counts::read(tx, &record.id)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitBatch, "batch", &record.id);
                let entry = entry.with("step", "check").with("sha256", hex::encode(record.file_sha256));
                let entry = entry.with("lines", lines.len()).with("good", counts.good);
                tx.append_audit(&entry.with("review", counts.review).with("bad", counts.bad))?;
                Ok(Made::Now(record.id))
            })
            .await
    }

    /// Takes a list back of which nothing was made.
    pub(crate) async fn withdraw_batch(
        &self,
        permit: Permit<SubmitBatch>,
        id: BatchId,
    ) -> Result<BatchState, Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::CheckBatch, move |tx| {
                let known = batch(tx, &id)?;
                let next = known.state.transition(BatchCommand::Withdraw)?;
                tx.move_batch(&id, known.state, next, None)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitBatch, "batch", &id);
                tx.append_audit(&entry.with("step", "withdraw"))?;
                Ok(next)
            })
            .await
    }

    /// A list with all its lines.
    pub(crate) fn batch(&self, id: &BatchId) -> Result<(BatchRecord, Vec<BatchLine>), Problem> {
        self.store.read(|reader| Ok((batch(reader, id)?, reader.batch_lines(id, 0, ALL)?)))
    }
}

fn batch(reader: &mut Reader<'_>, id: &BatchId) -> Result<BatchRecord, Problem> {
    reader.batch(id)?.ok_or_else(|| Problem::not_found("batch"))
}

//! The applications of a list, some lines at a time. Each transaction marks its lines, so that a killed submission, sent
//! again, goes on where it was: one application a line, for ever.

use ca_core::{
    Action, Application, ApplicationId, ApplicationKind, ApplicationState, AuditEntry, Author, BatchCommand,
    BatchId, BatchState, Document, Policies, StaffId, Verdict,
};
use ca_store::{BatchLine, Tx, WriteSite};
use ca_verifier::Time;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::{
        App, bill,
        gate::{self, NewDocument},
    },
    Counts, batch,
    check::{for_people, still_good},
};
use crate::{
    permit::{Permit, SubmitBatch},
    problem::{Failure, Problem},
    rule::Rule,
    sheet::Finding,
    wire,
};

const PROFILE: &str = "unit-sign";
const KIND: ApplicationKind = ApplicationKind::New;
/// Lines in one transaction.
const CHUNK: i64 = 100;

/// What makes the applications of a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// Version of the certification practice statement that every unit of the list accepted (`/cps`).
    pub(crate) cps: String,
    /// What lies with every application of the list.
    #[serde(default)]
    pub(crate) documents: Vec<NewDocument>,
    /// Numbers of the lines for review that the clerk has looked at and lets pass.
    #[serde(default)]
    pub(crate) reviewed: Vec<u32>,
}

impl App {
    /// Makes the applications of all good lines; sent again, it goes on.
    pub(crate) async fn submit_batch(
        &self,
        permit: Permit<SubmitBatch>,
        id: BatchId,
        new: Submission,
    ) -> Result<Counts, Problem> {
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let documents = gate::documents(new.documents, &clerk, wire::now())?;
        let mut missing = Vec::new();
        missing.extend(gate::missing_documents(self.policies.documents(), KIND.operation(), &documents));
        missing.extend(gate::missing_statement(self.policies.applications(), &new.cps));
        Problem::unless_empty(missing)?;
        let documents = self.begin(&permit, &id, documents, new.reviewed).await?;
        if let Some(documents) = documents {
            while self.some_lines(&permit, &clerk, &id, &documents).await? > 0 {}
            self.finish(&permit, &id).await?;
        }
        self.store.read(|reader| Counts::read(reader, &id))
    }

    /// From here on the list is being submitted. Gives its documents; nothing when it is submitted already.
    async fn begin(
        &self,
        permit: &Permit<SubmitBatch>,
        id: &BatchId,
        documents: Vec<Document>,
        reviewed: Vec<u32>,
    ) -> Result<Option<Vec<Document>>, Problem> {
        let (permit, id, now) = (permit.clone(), id.clone(), wire::now());
        self.store
            .write(WriteSite::CheckBatch, move |tx| {
                let known = batch(tx, &id)?;
                if let Some(before) = known.documents {
                    let same = |one: &[Document]| {
                        one.iter().map(|one| (one.kind.clone(), one.form, one.sha256)).collect::<Vec<_>>()
                    };
                    if same(&before) != same(&documents) {
                        return Err(Problem::new(Rule::BatchDocuments));
                    }
                    return Ok((known.state == BatchState::Submitting).then_some(before));
                }
                let next = known.state.transition(BatchCommand::Begin)?;
                let lines = tx.batch_lines(&id, 0, super::ALL)?;
                for number in &reviewed {
                    let of = |line: &&BatchLine| line.line == *number && line.verdict == Verdict::Review;
                    if !lines.iter().any(|line| of(&line)) {
                        return Err(Problem::field("reviewed", format!("line {number} is not for review")));
                    }
                    tx.pass_batch_line(&id, *number)?;
                }
                if reviewed.is_empty() && Counts::read(tx, &id)?.good == 0 {
                    return Err(Problem::new(Rule::BatchEmpty));
                }
                tx.move_batch(&id, known.state, next, Some(&documents))?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitBatch, "batch", &id);
                let reviewed: Vec<String> = reviewed.iter().map(u32::to_string).collect();
                tx.append_audit(&entry.with("step", "begin").with("reviewed", reviewed.join(",")))?;
                Ok(Some(documents))
            })
            .await
    }

    /// The next lines, in one transaction; gives how many.
    async fn some_lines(
        &self,
        permit: &Permit<SubmitBatch>,
        clerk: &StaffId,
        id: &BatchId,
        documents: &[Document],
    ) -> Result<usize, Problem> {
        let (permit, id, policies, now) = (permit.clone(), id.clone(), self.policies.clone(), wire::now());
        let template = Template { clerk: clerk.clone(), documents: documents.to_vec(), now };
        self.store
            .write(WriteSite::SubmitBatch, move |tx| {
                let lines = tx.batch_lines_to_submit(&id, CHUNK)?;
                let count = lines.len();
                for line in lines {
                    if let Some(finding) = refused(tx, &policies, &line, now)? {
                        tx.refuse_batch_line(&id, line.line, &for_people(&[finding]))?;
                        continue;
                    }
                    let application = template.enter(tx, &policies, &line)?;
                    tx.link_batch_line(&id, line.line, &application)?;
                    let action = Action::SubmitApplication;
                    let entry = AuditEntry::done(now, permit.actor(), action, "application", &application);
                    tx.append_audit(&entry.with("batch", &id).with("line", line.line))?;
                }
                Ok(count)
            })
            .await
    }

    async fn finish(&self, permit: &Permit<SubmitBatch>, id: &BatchId) -> Result<(), Problem> {
        let (permit, id, now) = (permit.clone(), id.clone(), wire::now());
        self.store
            .write(WriteSite::CheckBatch, move |tx| {
                let known = batch(tx, &id)?;
                let next = known.state.transition(BatchCommand::Finish)?;
                tx.move_batch(&id, known.state, next, known.documents.as_deref())?;
                let counts = Counts::read(tx, &id)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitBatch, "batch", &id);
                let entry = entry.with("step", "finish").with("submitted", counts.submitted);
                Ok(tx.append_audit(&entry.with("bad", counts.bad))?)
            })
            .await
    }
}

/// What is wrong with a line by now: days may lie between check and submission.
fn refused(
    tx: &mut Tx<'_>,
    policies: &Policies,
    line: &BatchLine,
    now: Time,
) -> Result<Option<Finding>, Problem> {
    let (Some(unit), Some(agent)) = (&line.unit, &line.agent) else { return Ok(None) };
    let unit = tx.unit(unit)?.ok_or_else(|| Problem::not_found("unit"))?;
    match Problem::unless_empty(gate::missing(tx, policies.eligibility(), KIND, (&unit, agent), now)?) {
        Err(problem) => Ok(Some(Finding::refused("", problem))),
        Ok(()) => still_good(tx, policies, &unit, now),
    }
}

/// What all applications of a list have in common.
struct Template {
    clerk: StaffId,
    documents: Vec<Document>,
    now: Time,
}

impl Template {
    fn enter(
        &self,
        tx: &mut Tx<'_>,
        policies: &Policies,
        line: &BatchLine,
    ) -> Result<ApplicationId, Problem> {
        let incomplete = || Failure::inconsistent("a good line without its unit, agent or years");
        let (unit, agent) = line.unit.clone().zip(line.agent.clone()).ok_or_else(incomplete)?;
        let years = line.years.ok_or_else(incomplete)?;
        let known = tx.unit(&unit)?.ok_or_else(|| Problem::not_found("unit"))?;
        let tariff = policies.tariff(self.now).ok_or_else(|| Problem::new(Rule::TariffNone))?;
        let quote = bill::quote(tx, tariff, KIND, years, self.now)?;
        let id = ApplicationId::new(self.now, wire::random()?);
        let application = Application {
            id: id.clone(),
            kind: KIND,
            unit,
            unit_name: known.name,
            unit_code: known.code,
            agent,
            profile: PROFILE.to_owned(),
            years,
            cps: policies.applications().cps().to_owned(),
            counter: line.counter.clone(),
            contact: None,
            documents: self.documents.clone(),
            entered_by: Author::Staff(self.clerk.clone()),
            entered_before: Vec::new(),
            entered_at: self.now,
            state: ApplicationState::Submitted,
        };
        tx.insert_application(&application)?;
        bill::quoted(tx, &application, &quote, self.now)?;
        Ok(id)
    }
}

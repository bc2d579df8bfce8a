//! Step 5 for hundreds a day: an issuing line. The clerk gives a list of paid applications once and then only changes tokens;
//! each blank token that is plugged in becomes the next one. What fails is set aside and holds nothing up: it is paid still.
//!
//! The line is driven by the workstation's own exchanges and is in the database, so it does not matter which side crashes.

use ca_core::{
    Action, Actor, ApplicationId, ApplicationState, AttemptId, AttemptState, AuditEntry, LineId,
    LineItemCommand, LineItemState, Location, TokenState,
};
use ca_store::{AttemptRecord, LineItem, LineRecord, Reader, Tx, WriteSite};
use ca_verifier::Time;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Claim,
    claim::{Begin, give_up, take},
    personalise::{check_workstation, is_absence, is_failure},
};
use crate::{
    permit::{ClaimApplication, Permit, Personalise},
    problem::Problem,
    protocol::{LineNews, TokenSeen},
    rule::Rule,
    wire,
};

/// Applications that one line takes at most.
const LINE_MAX: usize = 500;
const NOTE_MAX: usize = 400;

/// What a line is to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    /// Paid applications, in the order in which they are to be made.
    pub(crate) applications: Vec<String>,
}

/// A line as people see it.
pub(crate) struct LineView {
    pub(crate) record: LineRecord,
    pub(crate) items: Vec<LineItem>,
}

impl App {
    /// Begins a line at a workstation.
    pub(crate) async fn start_line(
        &self,
        permit: Permit<ClaimApplication>,
        workstation: String,
        new: NewLine,
    ) -> Result<LineId, Problem> {
        let now = wire::now();
        check_workstation(&workstation)?;
        let clerk = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        if !(1..=LINE_MAX).contains(&new.applications.len()) {
            return Err(Problem::field("applications", format!("1 to {LINE_MAX} are needed")));
        }
        let applications: Result<Vec<_>, _> =
            new.applications.iter().map(|text| ApplicationId::parse(text)).collect();
        let (applications, id) = (applications?, LineId::new(now, wire::random()?));
        self.store
            .write(WriteSite::IssuingLine, move |tx| {
                // Before anybody plugs in a token: what cannot be made is named.
                let mut refused = Vec::new();
                for application in &applications {
                    if let Err(problem) = may_be_made(tx, application) {
                        refused.push(problem.with("application", application));
                    }
                }
                Problem::unless_empty(refused)?;
                let (started_at, ended_at) = (now, None);
                let record = LineRecord { id: id.clone(), workstation, clerk, started_at, ended_at };
                tx.insert_line(&record, &applications)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::ClaimApplication, "line", &id);
                let entry = entry.with("workstation", &record.workstation).with("step", "start-line");
                tx.append_audit(&entry.with("applications", applications.len()))?;
                Ok(id)
            })
            .await
    }

    /// Ends a line; what it has not begun is free for another one. What is being made is made to its end.
    pub(crate) async fn stop_line(
        &self,
        permit: Permit<ClaimApplication>,
        workstation: String,
    ) -> Result<(), Problem> {
        self.store
            .write(WriteSite::IssuingLine, move |tx| {
                let line = tx.running_line(&workstation)?.ok_or_else(|| Problem::not_found("line"))?;
                end(tx, permit.actor(), &line, "stop-line", wire::now())
            })
            .await
    }

    /// The line that goes on at a workstation, or its last one.
    pub(crate) fn line(&self, workstation: &str) -> Result<LineView, Problem> {
        self.store.read(|reader| {
            let record = reader.last_line(workstation)?.ok_or_else(|| Problem::not_found("line"))?;
            let items = reader.line_items(&record.id)?;
            Ok(LineView { record, items })
        })
    }

    /// Whether a workstation's line has something to do: looked at before each command, without writing. Gives what the
    /// clerk is to know.
    pub(super) async fn drive_line(
        &self,
        permit: &Permit<Personalise>,
        workstation: &str,
        tokens: &[TokenSeen],
    ) -> Result<Option<LineNews>, Problem> {
        let clerk = permit.staff().cloned();
        let step = self.store.read(|reader| {
            let Some(line) = reader.running_line(workstation)? else { return Ok(None) };
            if clerk.as_ref() != Some(&line.clerk) {
                return Ok(None);
            }
            let items = reader.line_items(&line.id)?;
            let step = next_step(reader, workstation, &items, tokens)?;
            Ok::<_, Problem>(step.map(|step| (line, step)))
        })?;
        let Some((line, step)) = step else { return Ok(None) };
        let (actor, attempt) = (permit.actor().clone(), AttemptId::new(wire::now(), wire::random()?));
        let aside = match step {
            LineStep::Claim(item, token) => {
                match self.claim_item(&actor, &line, &item, token, attempt).await {
                    // Somebody else was faster, or the database is busy: the next exchange looks anew.
                    Err(problem) if problem.rule.status() >= 500 || is_passing(problem.rule) => None,
                    Err(problem) => Some((item, problem.to_string(), false)),
                    Ok(()) => None,
                }
            }
            LineStep::SetAside(item, note, blame) => Some((item, note, blame)),
            LineStep::Finish(item) => {
                self.move_item(&actor, &line, item, LineItemCommand::Finish).await?;
                None
            }
            LineStep::End => {
                let (made, aside) = self.store.read(|reader| {
                    let items = reader.line_items(&line.id)?;
                    let count = |name: &str| items.iter().filter(|item| item.state.name() == name).count();
                    Ok::<_, Problem>((count("made"), count("aside")))
                })?;
                self.store
                    .write(WriteSite::IssuingLine, move |tx| end(tx, &actor, &line, "end-line", wire::now()))
                    .await?;
                return Ok(Some(LineNews::LineEnded { made, aside }));
            }
        };
        let Some((item, note, blame)) = aside else { return Ok(None) };
        let note: String = note.chars().take(NOTE_MAX).collect();
        let (application, reason) = (item.application.clone(), note.clone());
        match self.move_item(&actor, &line, item, LineItemCommand::SetAside { note, blame }).await {
            Err(problem) if is_passing(problem.rule) => return Ok(None),
            done => done?,
        }
        let items = self.store.read(|reader| reader.line_items(&line.id))?;
        let left = items.iter().filter(|item| item.state == LineItemState::Waiting).count();
        let line = self.line_text(workstation, &application)?.unwrap_or_default();
        Ok(Some(LineNews::SetAside { line, application: application.to_string(), reason, left }))
    }

    async fn claim_item(
        &self,
        actor: &Actor,
        line: &LineRecord,
        item: &LineItem,
        token: String,
        attempt: AttemptId,
    ) -> Result<(), Problem> {
        let (actor, line, item) = (actor.clone(), line.clone(), item.clone());
        let first_pin = self.first_pin(&token)?;
        self.store
            .write(WriteSite::ClaimApplication, move |tx| {
                let claim = Claim { workstation: line.workstation.clone(), token: token.clone() };
                let (clerk, application) = (line.clerk.clone(), &item.application);
                let begin = Begin { claim, id: attempt, first_pin };
                take(tx, &actor, clerk, application, begin, wire::now())?;
                let next = item.state.clone().transition(LineItemCommand::Take { token })?;
                Ok(tx.move_line_item(&line.id, &item, &next)?)
            })
            .await
    }

    /// Moves an application of a line on; what is set aside gives its attempt up, the line's and nobody else's.
    async fn move_item(
        &self,
        actor: &Actor,
        line: &LineRecord,
        item: LineItem,
        command: LineItemCommand,
    ) -> Result<(), Problem> {
        let (actor, id, workstation) = (actor.clone(), line.id.clone(), line.workstation.clone());
        self.store
            .write(WriteSite::IssuingLine, move |tx| {
                let next = item.state.clone().transition(command)?;
                tx.move_line_item(&id, &item, &next)?;
                if let LineItemState::Aside { note, .. } = &next {
                    let held = tx.live_attempt_of(&item.application)?;
                    if held.is_some_and(|held| !held.state.is_over() && is_of(&held, &item, &workstation)) {
                        give_up(tx, &actor, &item.application, "set aside in the line", wire::now())?;
                    }
                    let (action, object) = (Action::ClaimApplication, &item.application);
                    let entry = AuditEntry::done(wire::now(), &actor, action, "application", object);
                    tx.append_audit(&entry.with("step", "set-aside").with("line", &id).with("reason", note))?;
                }
                Ok(())
            })
            .await
    }

    /// What the clerk reads beside a command: which one of how many, and whose it is.
    pub(super) fn line_text(
        &self,
        workstation: &str,
        application: &ApplicationId,
    ) -> Result<Option<String>, Problem> {
        self.store.read(|reader| {
            let Some(line) = reader.running_line(workstation)? else { return Ok(None) };
            let items = reader.line_items(&line.id)?;
            let Some(item) = items.iter().find(|item| item.application == *application) else {
                return Ok(None);
            };
            let name = reader.application(application)?.map(|known| known.unit_name.as_str().to_owned());
            Ok(Some(format!("{}/{} {}", item.position, items.len(), name.unwrap_or_default())))
        })
    }
}

/// What a line does next.
enum LineStep {
    /// This one begins on this token.
    Claim(LineItem, String),
    /// This one does not go: why, and whether its token failed.
    SetAside(LineItem, String, bool),
    /// This one is ready.
    Finish(LineItem),
    /// Nothing is left.
    End,
}

fn next_step(
    reader: &mut Reader<'_>,
    workstation: &str,
    items: &[LineItem],
    tokens: &[TokenSeen],
) -> Result<Option<LineStep>, Problem> {
    if let Some(item) = items.iter().find(|item| matches!(item.state, LineItemState::Working { .. })) {
        return working(reader, (workstation, item), items, tokens);
    }
    let Some(item) = items.iter().find(|item| item.state == LineItemState::Waiting) else {
        return Ok(Some(LineStep::End));
    };
    // The clerk makes one by hand: the line waits.
    if reader.live_attempt_of_workstation(workstation)?.is_some() {
        return Ok(None);
    }
    let counter = reader.application(&item.application)?.and_then(|application| application.counter);
    let token = usable(reader, items, tokens, counter.as_deref())?;
    Ok(token.map(|token| LineStep::Claim(item.clone(), token)))
}

/// The one that is being made: ready, failed, or not there any more while another token is.
fn working(
    reader: &mut Reader<'_>,
    (workstation, item): (&str, &LineItem),
    items: &[LineItem],
    tokens: &[TokenSeen],
) -> Result<Option<LineStep>, Problem> {
    let attempt =
        reader.live_attempt_of(&item.application)?.filter(|attempt| is_of(attempt, item, workstation));
    let Some(AttemptRecord { state, note, .. }) = attempt else {
        let note = "制证已放弃。 The attempt was given up.".to_owned();
        return Ok(Some(LineStep::SetAside(item.clone(), note, false)));
    };
    if matches!(state, AttemptState::Proved { .. } | AttemptState::Delivered { .. }) {
        return Ok(Some(LineStep::Finish(item.clone())));
    }
    let counter = reader.application(&item.application)?.and_then(|application| application.counter);
    let failed = is_failure(&note)
        && (!is_absence(&note) || usable(reader, items, tokens, counter.as_deref())?.is_some());
    // The outcome of a signature comes by itself.
    let failed = failed && !matches!(state, AttemptState::Intended { .. });
    let reason = note.split_once('\n').map_or(note.as_str(), |(_, text)| text).to_owned();
    Ok(failed.then(|| LineStep::SetAside(item.clone(), reason, !is_absence(&note))))
}

/// Whether the line began this attempt: a clerk may have claimed the application elsewhere, and that attempt is not ours.
fn is_of(attempt: &AttemptRecord, item: &LineItem, workstation: &str) -> bool {
    attempt.workstation == workstation
        && item.state.token().is_some()
        && attempt.wanted_token.as_deref() == item.state.token()
}

/// A token at the workstation that is listed, blank, here, and did not fail in this line.
fn usable(
    reader: &mut Reader<'_>,
    items: &[LineItem],
    tokens: &[TokenSeen],
    counter: Option<&str>,
) -> Result<Option<String>, Problem> {
    for seen in tokens {
        let failed = items.iter().any(|item| item.state.token() == Some(&seen.serial));
        let Some(token) = reader.token(&seen.serial)?.filter(|_| !failed) else { continue };
        let here = counter.is_none_or(|counter| token.location == Location::Counter(counter.to_owned()));
        if token.state == TokenState::Blank && here {
            return Ok(Some(seen.serial.clone()));
        }
    }
    Ok(None)
}

/// Passes by itself, and says nothing of the application.
fn is_passing(rule: Rule) -> bool {
    matches!(rule, Rule::Stale | Rule::WorkstationBusy | Rule::TokenTaken | Rule::TokenNotBlank | Rule::Busy)
}

/// Paid, and made at a counter.
fn may_be_made(tx: &mut Tx<'_>, application: &ApplicationId) -> Result<(), Problem> {
    super::claim::check_made_at_counter(tx, application)?;
    let known = tx.application(application)?.ok_or_else(|| Problem::not_found("application"))?;
    if !known.kind.makes_certificate() {
        return Err(Problem::new(Rule::MakesNoCertificate).with("kind", known.kind.name()));
    }
    match known.state {
        ApplicationState::Paid { .. } => Ok(()),
        other => Err(ca_core::Refusal::WrongState { state: other.name(), command: "claim" }.into()),
    }
}

fn end(
    tx: &mut Tx<'_>,
    actor: &Actor,
    line: &LineRecord,
    step: &'static str,
    now: Time,
) -> Result<(), Problem> {
    tx.end_line(&line.id, now)?;
    let entry = AuditEntry::done(now, actor, Action::ClaimApplication, "line", &line.id);
    Ok(tx.append_audit(&entry.with("workstation", &line.workstation).with("step", step))?)
}

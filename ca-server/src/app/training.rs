//! Step 1, training: a unit applies for its agent, a trainer decides within three working days, invites to a session
//! with seats, and records how the agent did. One training serves every unit that applied for the agent.

use ca_core::{
    Action, Actor, AgentId, AuditEntry, Enterer, Name, NoticeAbout, NoticeKind, SessionId, Training,
    TrainingCommand, TrainingId, TrainingSession, TrainingState, UnitId,
    policy::{Calendar, Deadline},
};
use ca_store::{TrainingFilter, Tx, WriteSite};
use ca_verifier::{Time, UnitCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    App, Made, Once,
    enroll::{living_agent, locked_agent, registered_unit},
    free_text,
    notice::{notice_id, notify},
    once,
};
use crate::{
    permit::{DecideTraining, InviteAgent, Permit, PlanTraining, QualifyAgent, SubmitTraining},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// The guide, step 2: 三个工作日之内完成审核.
const DECIDED_WITHIN: u16 = 3;
const SEATS_MAX: u16 = 1000;
const REASONS_MAX: usize = 1000;
/// Applications that one agent can have at once; past that it is a mistake.
const UNITS_MAX: i64 = 500;

/// A unit's application for its agent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTraining {
    /// The unit, by its unified social credit code.
    pub(crate) uscc: String,
    /// The agent, by our identifier.
    pub(crate) agent: String,
}

/// A session to be planned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// When it begins, RFC 3339.
    pub(crate) starts_at: String,
    /// Where, as the invitation says it.
    pub(crate) place: String,
    /// How many agents have room.
    pub(crate) seats: u16,
}

/// How an agent did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Attendance {
    /// Qualified from now on.
    Passed,
    /// Attended and did not pass.
    Failed,
    /// Did not come; can be invited again.
    Absent,
}

/// The result of one agent in a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewResult {
    /// The agent, by our identifier.
    pub(crate) agent: String,
    /// How the agent did.
    pub(crate) result: Attendance,
    /// Why the agent did not pass.
    #[serde(default)]
    pub(crate) reasons: Option<String>,
}

/// What a trainer decides, or a unit asks, of an application.
pub(crate) enum Decision {
    Accept,
    Reject { reasons: String },
}

impl App {
    pub(crate) async fn submit_training(
        &self,
        permit: Permit<SubmitTraining>,
        code: UnitCode,
        agent: AgentId,
        key: Once,
    ) -> Result<Made<TrainingId>, Problem> {
        let now = wire::now();
        let entered_by = match permit.actor() {
            Actor::Staff(id) => Enterer::Staff(id.clone()),
            Actor::Unit(id) => Enterer::Unit(id.clone()),
            _ => return Err(Problem::new(Rule::NoCertificate)),
        };
        let due = due(self.policies.calendar(), now)?;
        let id = TrainingId::new(now, wire::random()?);
        self.store
            .write(WriteSite::SubmitTraining, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(TrainingId::parse(&before)?));
                }
                let unit = registered_unit(tx, &code)?;
                if let Some(ended) = unit.ended_at {
                    return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
                }
                if locked_agent(tx, &agent)?.qualified_at.is_some() {
                    return Err(Problem::new(Rule::TrainingNotNeeded));
                }
                tx.insert_training(&Training {
                    id: id.clone(),
                    unit: unit.id,
                    agent,
                    entered_by,
                    entered_at: now,
                    due,
                    state: TrainingState::Submitted,
                })?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitTraining, "training", &id);
                tx.append_audit(&entry.with("uscc", code).with("due", due.at))?;
                Ok(Made::Now(id))
            })
            .await
    }

    /// Corrected and submitted again: a new decision is due.
    pub(crate) async fn resubmit_training(
        &self,
        permit: Permit<SubmitTraining>,
        id: TrainingId,
    ) -> Result<TrainingState, Problem> {
        let now = wire::now();
        let due = due(self.policies.calendar(), now)?;
        self.store
            .write(WriteSite::SubmitTraining, move |tx| {
                owned(tx, &permit, &id)?;
                let agent = training(tx, &id)?.agent;
                locked_agent(tx, &agent)?;
                let state = advance(tx, &id, TrainingCommand::Resubmit)?;
                tx.set_training_due(&id, due)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitTraining, "training", &id);
                tx.append_audit(&entry.with("step", "resubmit").with("due", due.at))?;
                Ok(state)
            })
            .await
    }

    pub(crate) async fn withdraw_training(
        &self,
        permit: Permit<SubmitTraining>,
        id: TrainingId,
    ) -> Result<TrainingState, Problem> {
        let now = wire::now();
        self.store
            .write(WriteSite::SubmitTraining, move |tx| {
                owned(tx, &permit, &id)?;
                let state = advance(tx, &id, TrainingCommand::Withdraw)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::SubmitTraining, "training", &id);
                tx.append_audit(&entry.with("step", "withdraw"))?;
                Ok(state)
            })
            .await
    }

    /// An agent who was qualified meanwhile, for another unit, needs no session.
    pub(crate) async fn decide_training(
        &self,
        permit: Permit<DecideTraining>,
        id: TrainingId,
        decision: Decision,
    ) -> Result<TrainingState, Problem> {
        let now = wire::now();
        let by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let notice = notice_id(now)?;
        let (command, reasons) = match decision {
            Decision::Accept => (TrainingCommand::Accept { by }, None),
            Decision::Reject { reasons } => {
                let reasons = free_text("reasons", reasons, REASONS_MAX)?;
                (TrainingCommand::Reject { by, reasons: reasons.clone() }, Some(reasons))
            }
        };
        self.store
            .write(WriteSite::DecideTraining, move |tx| {
                let known = training(tx, &id)?;
                tx.lock_agent(&known.agent)?;
                let mut state = advance(tx, &id, command)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::DecideTraining, "training", &id);
                let entry = entry.with("decision", state.name());
                tx.append_audit(&match reasons {
                    Some(reasons) => entry.with("reasons", reasons),
                    None => entry,
                })?;
                let agent = living_agent(tx, &known.agent)?;
                if matches!(state, TrainingState::Accepted { .. }) && agent.qualified_at.is_some() {
                    state = advance(tx, &id, TrainingCommand::Pass { session: None })?;
                    confirm(tx, permit.actor(), &known.agent, &known.unit, now)?;
                }
                let told = match state {
                    TrainingState::Passed { .. } => NoticeKind::TrainingPassed,
                    TrainingState::Rejected { .. } => NoticeKind::TrainingRejected,
                    _ => NoticeKind::TrainingAccepted,
                };
                notify(tx, notice, told, NoticeAbout::Training(id), &known.agent)?;
                Ok(state)
            })
            .await
    }

    pub(crate) async fn plan_training(
        &self,
        permit: Permit<PlanTraining>,
        new: NewSession,
        key: Once,
    ) -> Result<Made<SessionId>, Problem> {
        let now = wire::now();
        let planned_by = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        let starts_at =
            wire::rfc3339(&new.starts_at).filter(|starts_at| *starts_at > now).ok_or_else(|| {
                Problem::field("starts_at", "a time to come is needed, as 2026-12-01T09:00:00+08:00")
            })?;
        let place = Name::parse(&new.place).map_err(|error| Problem::field("place", error))?;
        if new.seats == 0 || new.seats > SEATS_MAX {
            return Err(Problem::field("seats", format!("1 to {SEATS_MAX} are needed")));
        }
        let session = TrainingSession {
            id: SessionId::new(now, wire::random()?),
            starts_at,
            place: place.as_str().to_owned(),
            seats: new.seats,
            planned_by,
            planned_at: now,
        };
        self.store
            .write(WriteSite::PlanTraining, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, session.id.as_str(), now)? {
                    return Ok(Made::Before(SessionId::parse(&before)?));
                }
                tx.insert_training_session(&session)?;
                let (id, actor) = (&session.id, permit.actor());
                let entry = AuditEntry::done(now, actor, Action::PlanTraining, "training-session", id);
                tx.append_audit(&entry.with("starts_at", session.starts_at).with("seats", session.seats))?;
                Ok(Made::Now(session.id))
            })
            .await
    }

    /// A seat for the agent, and the invitation by message.
    pub(crate) async fn invite(
        &self,
        permit: Permit<InviteAgent>,
        id: TrainingId,
        session: SessionId,
    ) -> Result<TrainingState, Problem> {
        let now = wire::now();
        let notice = notice_id(now)?;
        self.store
            .write(WriteSite::InviteAgent, move |tx| {
                let planned = tx.training_session(&session)?;
                let planned = planned.ok_or_else(|| Problem::not_found("training session"))?;
                if planned.starts_at <= now {
                    return Err(Problem::new(Rule::SessionOver).with("starts_at", planned.starts_at));
                }
                tx.lock_training_session(&session)?;
                let known = training(tx, &id)?;
                locked_agent(tx, &known.agent)?;
                let state = advance(tx, &id, TrainingCommand::Invite { session: session.clone() })?;
                if tx.seats_taken(&session)?.len() > usize::from(planned.seats) {
                    return Err(Problem::new(Rule::SessionFull).with("seats", planned.seats));
                }
                let entry = AuditEntry::done(now, permit.actor(), Action::InviteAgent, "training", &id);
                tx.append_audit(&entry.with("session", &session))?;
                notify(tx, notice, NoticeKind::TrainingInvited, NoticeAbout::Training(id), &known.agent)?;
                Ok(state)
            })
            .await
    }

    /// How an agent did. Passed, every accepted application for the agent is passed with it, whichever unit sent it,
    /// and the agent may act for those units.
    pub(crate) async fn record_result(
        &self,
        permit: Permit<QualifyAgent>,
        session: SessionId,
        new: NewResult,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let agent = AgentId::parse(&new.agent)?;
        let reasons = match new.result {
            Attendance::Failed => free_text("reasons", new.reasons.unwrap_or_default(), REASONS_MAX)?,
            Attendance::Passed | Attendance::Absent => String::new(),
        };
        self.store
            .write(WriteSite::QualifyAgent, move |tx| {
                let planned = tx.training_session(&session)?;
                let planned = planned.ok_or_else(|| Problem::not_found("training session"))?;
                if now < planned.starts_at {
                    return Err(Problem::new(Rule::SessionToCome).with("starts_at", planned.starts_at));
                }
                tx.lock_agent(&agent)?;
                let filter =
                    TrainingFilter { agent: Some(agent.clone()), limit: UNITS_MAX, ..TrainingFilter::default() };
                let all = tx.trainings(&filter)?;
                let invited = |known: &Training| matches!(&known.state, TrainingState::Invited { session: seat, .. } if *seat == session);
                if !all.iter().any(invited) {
                    return Err(Problem::new(Rule::NotInvited));
                }
                for known in &all {
                    let command = match (new.result, &known.state) {
                        (Attendance::Passed, TrainingState::Invited { .. } | TrainingState::Accepted { .. } | TrainingState::Failed { .. }) => {
                            TrainingCommand::Pass { session: Some(session.clone()) }
                        }
                        (Attendance::Failed, _) if invited(known) => {
                            TrainingCommand::Fail { reasons: reasons.clone() }
                        }
                        (Attendance::Absent, _) if invited(known) => TrainingCommand::Miss,
                        _ => continue,
                    };
                    advance(tx, &known.id, command)?;
                    // Each unit is told, at its own address.
                    let about = NoticeAbout::Training(known.id.clone());
                    notify(tx, notice_id(now)?, told(new.result), about, &agent)?;
                    if new.result == Attendance::Passed {
                        confirm(tx, permit.actor(), &agent, &known.unit, now)?;
                    }
                }
                let qualified = tx.agent(&agent)?.is_some_and(|agent| agent.qualified_at.is_some());
                if new.result == Attendance::Passed && !qualified {
                    tx.qualify_agent(&agent, now)?;
                }
                let entry = AuditEntry::done(now, permit.actor(), Action::QualifyAgent, "agent", &agent);
                tx.append_audit(&entry.with("session", &session).with("result", result_name(new.result)))?;
                Ok(())
            })
            .await
    }
}

fn due(calendar: &Calendar, now: Time) -> Result<Deadline, Problem> {
    let due = calendar.deadline(now, DECIDED_WITHIN);
    due.ok_or_else(|| Problem::from(Failure::inconsistent("no deadline: the clock is past the calendar")))
}

fn told(result: Attendance) -> NoticeKind {
    match result {
        Attendance::Passed => NoticeKind::TrainingPassed,
        Attendance::Failed => NoticeKind::TrainingFailed,
        Attendance::Absent => NoticeKind::TrainingAbsent,
    }
}

fn result_name(result: Attendance) -> &'static str {
    match result {
        Attendance::Passed => "passed",
        Attendance::Failed => "failed",
        Attendance::Absent => "absent",
    }
}

fn training(tx: &mut Tx<'_>, id: &TrainingId) -> Result<Training, Problem> {
    tx.training(id)?.ok_or_else(|| Problem::not_found("training"))
}

/// Moves an application by one command, inside the caller's transaction.
/// Another unit's application is not there for a unit's account.
fn owned(tx: &mut Tx<'_>, permit: &Permit<SubmitTraining>, id: &TrainingId) -> Result<(), Problem> {
    let known = training(tx, id)?;
    if permit.owns(&known.unit) { Ok(()) } else { Err(Problem::not_found("training")) }
}

fn advance(tx: &mut Tx<'_>, id: &TrainingId, command: TrainingCommand) -> Result<TrainingState, Problem> {
    let known = training(tx, id)?;
    let next = known.state.clone().transition(&known.entered_by, command)?;
    tx.move_training(id, &known.state, &next)?;
    Ok(next)
}

fn confirm(tx: &mut Tx<'_>, actor: &Actor, agent: &AgentId, unit: &UnitId, now: Time) -> Result<(), Problem> {
    if tx.pair_confirmed(agent, unit)? {
        return Ok(());
    }
    tx.confirm_pair(agent, unit, now, &actor.to_string())?;
    let entry = AuditEntry::done(now, actor, Action::ConfirmAgent, "agent", agent);
    Ok(tx.append_audit(&entry.with("unit", unit))?)
}

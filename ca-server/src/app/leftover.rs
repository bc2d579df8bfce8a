//! Step 11: what an attempt that was given up or burned left on a holder's token. The holder's program names what lies there
//! by the attempts' identifiers; only what is known to be over, and belongs to that very token, is to be discarded.

use ca_core::{Action, Actor, AttemptId, AttemptState, AuditEntry, CertificateState};
use ca_store::{CertificateStatus, Reader, WriteSite};

use super::App;
use crate::{
    problem::Problem,
    protocol::{Command, Outcome, Report, Step, UserPin},
    rule::Rule,
    wire,
};

/// More than any token has room for.
const NAMED_MAX: usize = 64;

/// How it stands with what has an attempt's identifier.
#[derive(Debug, PartialEq, Eq)]
enum Remains {
    /// The attempt came to nothing, and so did its certificate, if there was one.
    Over,
    /// A signature may be under way.
    Open,
    /// In use, in work, another token's, or not ours.
    Kept,
}

/// The command that discards the first of `named` that is over. `live` is the attempt that is being executed.
///
/// # Errors
/// `busy` when nobody can say yet how one of them ends.
pub(super) fn discard_step(
    reader: &mut Reader<'_>,
    token: &str,
    named: &[String],
    live: Option<&AttemptId>,
) -> Result<Option<Command>, Problem> {
    for id in named.iter().take(NAMED_MAX).filter_map(|text| AttemptId::parse(text).ok()) {
        match remains(reader, token, &id)? {
            Remains::Over => {
                let step = Step::Discard { cka_id: hex::encode(id.cka_id()), pin: UserPin::default() };
                let attempt = id.to_string();
                return Ok(Some(Command { attempt, token: token.to_owned(), line: None, step }));
            }
            Remains::Open if live != Some(&id) => return Err(Problem::new(Rule::Busy)),
            Remains::Open | Remains::Kept => {}
        }
    }
    Ok(None)
}

fn remains(reader: &mut Reader<'_>, token: &str, id: &AttemptId) -> Result<Remains, Problem> {
    let Some(attempt) = reader.attempt(id)? else { return Ok(Remains::Kept) };
    // One that was given up has forgotten its token, not the one that it was begun for.
    if attempt.wanted_token.as_deref() != Some(token) {
        return Ok(Remains::Kept);
    }
    let outcome = match reader.intent_of_attempt(id)? {
        Some(intent) => Some(reader.status(&intent.serial)?.map(|record| record.state)),
        None => None,
    };
    Ok(match (attempt.state, outcome) {
        (_, Some(None)) => Remains::Open,
        (
            AttemptState::Abandoned { .. },
            None
            | Some(Some(
                CertificateStatus::Burned { .. }
                | CertificateStatus::Issued(CertificateState::Revoked { .. }),
            )),
        ) => Remains::Over,
        _ => Remains::Kept,
    })
}

impl App {
    /// What became of discarding something, for the log. The attempt stays as it is: it is over.
    pub(super) async fn take_discard(
        &self,
        actor: &Actor,
        token: &str,
        report: Report,
    ) -> Result<(), Problem> {
        let Ok(id) = AttemptId::parse(&report.attempt) else { return Ok(()) };
        if self.store.read(|reader| remains(reader, token, &id))? != Remains::Over {
            return Ok(());
        }
        let entry = AuditEntry::done(wire::now(), actor, Action::Personalise, "attempt", &id);
        let entry = entry.with("step", "discard").with("token", token);
        let entry = match report.outcome {
            Outcome::Done(_) => entry,
            Outcome::Failed(failed) => entry.with("code", failed.code).refused(Rule::TokenFailed.name()),
        };
        self.store
            .write(WriteSite::NoteAttempt, move |tx| tx.append_audit(&entry).map_err(Problem::from))
            .await
    }
}

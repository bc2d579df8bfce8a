//! Erasure of personal data whose time is over (`policies/retention.toml`). Needs the database only, not the key; `now` is
//! an argument.

use ca_core::{Action, AgentId, AuditEntry, Identity, Kept, policy::RetentionRules};
use ca_store::{Store, WriteSite};
use ca_verifier::Time;

use super::{About, audited, enroll::locked_agent};
use crate::{
    permit::{ErasePersonalData, Permit},
    personal::scrub_later,
    problem::Problem,
    rule::Rule,
};

const PAGE: i64 = 500;

/// Agents whose time is over, in the order of their registration.
pub(crate) fn erasable(store: &Store, rules: &RetentionRules, now: Time) -> Result<Vec<AgentId>, Problem> {
    store.read(|reader| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = reader.agents(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.clone());
            for agent in page.into_iter().filter(|agent| matches!(agent.identity, Identity::Known { .. })) {
                if reader.agent_ties(&agent.id)?.kept(rules, now).is_none() {
                    found.push(agent.id);
                }
            }
        }
    })
}

/// Erases who an agent is, unless something keeps it; a refusal is an entry, too. What was deleted leaves the database's
/// files with the next [`scrub`](crate::personal::scrub).
pub(crate) async fn erase(
    store: &Store,
    rules: &RetentionRules,
    permit: &Permit<ErasePersonalData>,
    id: &AgentId,
    now: Time,
) -> Result<(), Problem> {
    let about =
        About { actor: permit.actor(), action: Action::ErasePersonalData, object: "agent", id: id.as_str() };
    let (rules, actor, id) = (rules.clone(), permit.actor().clone(), id.clone());
    let work = store.write(WriteSite::ErasePersonal, move |tx| {
        locked_agent(tx, &id)?;
        if let Some(kept) = tx.agent_ties(&id)?.kept(&rules, now) {
            return Err(refusal(kept));
        }
        tx.erase_agent(&id, now)?;
        scrub_later(tx)?;
        let entry = AuditEntry::done(now, &actor, Action::ErasePersonalData, "agent", &id);
        Ok(tx.append_audit(&entry.with("years", rules.years()))?)
    });
    audited(store, about, work).await
}

fn refusal(kept: Kept) -> Problem {
    match kept {
        Kept::Pair(unit) => Problem::new(Rule::KeptPair).with("unit", unit),
        Kept::Application(id) => Problem::new(Rule::KeptApplication).with("application", id),
        Kept::Training(id) => Problem::new(Rule::KeptTraining).with("training", id),
        Kept::Certificate(serial, until) => {
            Problem::new(Rule::KeptCertificate).with("serial", serial).with("until", until)
        }
        Kept::Event(until) => Problem::new(Rule::KeptEvent).with("until", until),
        Kept::Unclear => Problem::new(Rule::KeptUnclear),
    }
}

//! What a ceremony is about to make, written to the log before it is made, so that the next one can remove what a
//! crash left. Only this database's own word counts: keys that it never began stay on their tokens.

use ca_core::{Action, Actor, AuditEntry};
use ca_store::{AuditFilter, Store, WriteSite};

use super::{Plan, keys::Ids};
use crate::{problem::Failure, wire};

const KEYS: &str = "keys";
const PLACE: &str = "place";

/// Before the first key is made.
pub(super) async fn begin(store: &Store, plan: &Plan, ids: &Ids) -> Result<(), Failure> {
    let entry =
        AuditEntry::done(wire::now(), &Actor::System("ceremony"), Action::Ceremony, "ca", &plan.title)
            .with("step", "begin")
            .with(PLACE, place(plan))
            .with(KEYS, ids.to_text());
    store.write(WriteSite::AppendAudit, move |tx| Ok::<_, Failure>(tx.append_audit(&entry)?)).await
}

/// The keys of the latest ceremony in this database, when it was to use the same folder and tokens and did not end.
pub(super) fn find(store: &Store, plan: &Plan) -> Result<Option<Ids>, Failure> {
    let filter = AuditFilter { action: Some(Action::Ceremony), ..AuditFilter::default() };
    let entries = store.read(|reader| reader.audit_log(&filter))?;
    let Some((_, latest)) = entries.last() else { return Ok(None) };
    let fact =
        |wanted: &str| latest.detail.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    if fact(PLACE) != Some(&place(plan)) {
        return Ok(None);
    }
    Ok(fact(KEYS).and_then(Ids::from_text))
}

fn place(plan: &Plan) -> String {
    format!("{} {} {}", plan.output.display(), plan.root.token, plan.issuing.token)
}

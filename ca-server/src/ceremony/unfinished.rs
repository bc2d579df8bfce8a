//! What a ceremony is about to make, written to the log before it is made, so that the next one can remove what a
//! crash left. Only this database's own word counts: keys that it never began stay on their tokens.

use ca_core::{Action, Actor, AuditEntry};
use ca_store::{AuditFilter, AuditRecord, Store, WriteSite};

use super::{Plan, keys::Ids};
use crate::{problem::Failure, wire};

const KEYS: &str = "keys";
const PLACE: &str = "place";

/// Before the first key is made.
pub(super) async fn begin(store: &Store, plan: &Plan, ids: &Ids) -> Result<(), Failure> {
    let entry =
        AuditEntry::done(wire::now(), &Actor::System("ceremony"), Action::Ceremony, "ca", &plan.title)
            .with("step", "begin")
            .with(PLACE, place(plan)?)
            .with(KEYS, ids.to_text());
    store.write(WriteSite::AppendAudit, move |tx| Ok::<_, Failure>(tx.append_audit(&entry)?)).await
}

/// The keys of the latest ceremony that this database began with the same folder and tokens. When it ended, they are
/// the CA's: whoever asks looks for its certificates first.
pub(super) fn find(store: &Store, plan: &Plan) -> Result<Option<Ids>, Failure> {
    let place = place(plan)?;
    let filter = AuditFilter { action: Some(Action::Ceremony), ..AuditFilter::default() };
    let entries = store.read(|reader| reader.audit_log(&filter))?;
    let here = entries.iter().rev().find(|(_, entry)| fact(entry, PLACE) == Some(&place));
    Ok(here.and_then(|(_, entry)| fact(entry, KEYS)).and_then(Ids::from_text))
}

fn fact<'a>(entry: &'a AuditRecord, wanted: &str) -> Option<&'a str> {
    entry.detail.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

/// The folder by its one true name, however the plan was called.
fn place(plan: &Plan) -> Result<String, Failure> {
    let output = std::fs::canonicalize(&plan.output).map_err(|error| Failure::file(&plan.output, error))?;
    Ok(format!("{} {} {}", output.display(), plan.root.token, plan.issuing.token))
}

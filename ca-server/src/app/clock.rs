//! I5 for commands that sign: the running server remembers the latest time it saw, a command asks the database.

use ca_store::Store;
use ca_verifier::Time;

use crate::{ca::label, problem::Problem, rule::Rule};

/// What two clocks may differ by without anybody having set one back.
pub(crate) const TOLERANCE_MILLIS: i64 = 1000;

/// Refuses while the clock is behind an intent or a CRL that is there.
pub(crate) fn check(store: &Store, now: Time) -> Result<(), Problem> {
    let (intent, crls) = store.read(|reader| {
        let crls = [reader.latest_crl(label::ROOT, 0)?, reader.latest_crl(label::ISSUING, 0)?];
        Ok::<_, Problem>((reader.latest_intent_time()?, crls))
    })?;
    let seen = crls.into_iter().flatten().map(|crl| crl.this_update).chain(intent);
    if seen.max().is_some_and(|latest| now.millis() + TOLERANCE_MILLIS < latest.millis()) {
        return Err(Problem::new(Rule::ClockBack));
    }
    Ok(())
}

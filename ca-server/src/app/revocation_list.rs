//! Step 11, many at once: what an incident makes worthless is on a list, and one command ends it all. First what would become
//! invalid, then each certificate in a transaction of its own, so that a list that was cut short is given again.

use std::collections::BTreeSet;

use ca_core::{CertificateState, Unit};
use ca_store::{CertificateStatus, Store};
use ca_verifier::{Reason, Serial, Time};
use tokio::task::JoinSet;

use super::status;
use crate::{
    permit::{Permit, RevokeCertificate},
    problem::{Failure, Problem},
    rule::Rule,
};

/// Octets of a list at most.
pub(crate) const OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Transactions under way at once: the store commits them together.
const AT_ONCE: usize = 64;

/// What the command does with one of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It becomes invalid, or a signature under this number would.
    Revoke,
    /// It is so already.
    Revoked,
    /// Its signature was cut short; the CRL lists it.
    Burned,
    /// No certificate of ours has this number.
    Unknown,
}

/// One of the list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) serial: Serial,
    pub(crate) fate: Fate,
    pub(crate) state: Option<CertificateState>,
    pub(crate) not_after: Option<Time>,
    /// `None` where it is the CA's own.
    pub(crate) unit: Option<Unit>,
}

impl Fate {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Revoked => "revoked",
            Self::Burned => "burned",
            Self::Unknown => "unknown",
        }
    }
}

/// Serial numbers in hexadecimal, the first column of each line; empty lines and what begins with `#` are passed over, one
/// that comes twice counts once.
///
/// # Errors
/// [`Rule::ListLine`] with the first line that is none; [`Rule::ListEmpty`].
pub(crate) fn read(text: &str) -> Result<Vec<Serial>, Problem> {
    let mut serials = BTreeSet::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        let first = line.split([',', ';', '\t']).next().unwrap_or_default().trim().trim_matches('"');
        if line.is_empty() || line.starts_with('#') || (number == 1 && first.eq_ignore_ascii_case("serial")) {
            continue;
        }
        let shown: String = first.chars().take(40).collect();
        let serial = Serial::from_hex(&first.to_ascii_lowercase());
        serials.insert(
            serial.map_err(|_| Problem::new(Rule::ListLine).with("line", number).with("found", shown))?,
        );
    }
    if serials.is_empty() {
        return Err(Problem::new(Rule::ListEmpty));
    }
    Ok(serials.into_iter().collect())
}

/// What would become of each, as things stand.
pub(crate) fn plan(store: &Store, serials: &[Serial]) -> Result<Vec<Listed>, Problem> {
    store.read(|reader| {
        let listed = serials.iter().map(|serial| {
            let Some(status) = reader.status(serial)? else {
                let (fate, serial) = (Fate::Unknown, *serial);
                return Ok(Listed { serial, fate, state: None, not_after: None, unit: None });
            };
            let (fate, state) = match status.state {
                CertificateStatus::Burned { .. } => (Fate::Burned, None),
                CertificateStatus::Issued(state @ CertificateState::Revoked { .. }) => {
                    (Fate::Revoked, Some(state))
                }
                CertificateStatus::Issued(state) => (Fate::Revoke, Some(state)),
            };
            let unit = match reader.certificate(serial)?.and_then(|record| record.unit) {
                Some(unit) => reader.unit(&unit)?,
                None => None,
            };
            Ok(Listed { serial: *serial, fate, state, not_after: Some(status.not_after), unit })
        });
        listed.collect()
    })
}

/// Revokes what is to be; one that somebody else revoked meanwhile is as good. Gives how many this call revoked, and calls
/// `done` after each.
pub(crate) async fn carry_out(
    store: &Store,
    user: &str,
    listed: &[Listed],
    reason: Reason,
    mut done: impl FnMut(),
) -> Result<usize, Problem> {
    let mut revoked = 0;
    let mut under_way = JoinSet::new();
    let mut waiting = listed.iter().filter(|one| one.fate == Fate::Revoke);
    loop {
        while under_way.len() < AT_ONCE
            && let Some(one) = waiting.next()
        {
            let (store, serial) = (store.clone(), one.serial);
            let permit: Permit<RevokeCertificate> = Permit::of_operator(user);
            under_way.spawn(async move { status::revoke(&store, &permit, serial, reason).await });
        }
        let Some(ended) = under_way.join_next().await else { return Ok(revoked) };
        match ended.map_err(Failure::inconsistent)? {
            Ok(_) => revoked += 1,
            Err(problem) if problem.rule == Rule::RevokedForEver => {}
            Err(problem) => return Err(problem),
        }
        done();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "01aabbccddeeff00112233445566778899aa";
    const TWO: &str = "01bbbbccddeeff00112233445566778899aa";

    #[test]
    fn lists_as_people_write_them() {
        let text = format!(
            "\u{feff}serial,unit\r\n# after the incident\r\n\r\n{TWO},x\r\n  {}\t\r\n\"{TWO}\"\n",
            ONE.to_uppercase()
        );
        let read: Vec<String> = read(&text).unwrap().iter().map(Serial::to_string).collect();
        assert_eq!(read, [ONE, TWO]);
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        for (text, rule, line) in [
            ("", "list.empty", None),
            ("# nothing\n\n", "list.empty", None),
            ("serial\n", "list.empty", None),
            (&format!("{ONE}\nunit\n"), "list.line", Some("2")),
            (&format!("{ONE}\n{}\n", &ONE[1..]), "list.line", Some("2")),
            (&format!("{ONE}{ONE}{ONE}\n"), "list.line", Some("1")),
            ("1.23E+40", "list.line", Some("1")),
        ] {
            let problem = read(text).unwrap_err();
            let named =
                problem.facts().iter().find(|(name, _)| *name == "line").map(|(_, value)| value.as_str());
            assert_eq!((problem.rule.name(), named), (rule, line), "{text}");
        }
    }
}

//! Step 9: what a portal asks about certificates: whether they are good, or were at a moment that is past, whose they are
//! and who acts for those units. Read off one snapshot, so that one epoch holds for the whole answer; nothing is locked.
//!
//! "Now" is the row that every change of status moves. The past is what the log says, and only where it leads to that row.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
};

use ca_core::{
    Action, AgentId, AuditEntry, BlindIndex, CardNumber, CertificateState, PastState, StatusEntry,
    StatusHistory, StatusVerdict, UnitId, Validity,
};
use ca_store::{CertificateStatus, IssuedFacts, Reader, StandingRecord, Store, UnitPair, WriteSite};
use ca_verifier::{Reason, Serial, Time};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, clock, crl::ISSUING};
use crate::{
    permit::{Permit, ReadStatus},
    problem::{Failure, Problem},
    wire,
};

/// Serial numbers in one question.
pub(crate) const SERIALS_MAX: usize = 1000;
/// Agents in one answer.
const PAIRS_MAX: usize = 10_000;

/// What is asked. No `Debug`: it may name a card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStatusQuestion {
    /// 1 to 1,000 serial numbers, hexadecimal.
    pub(crate) serials: Vec<String>,
    /// As of when, RFC 3339 with seconds and a zone; now when it is left out.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// Number of a social security card: which of the units' agents has it. The question stands in the log.
    #[serde(default)]
    pub(crate) card: Option<String>,
}

/// Who acts for which unit.
type Acting = HashMap<UnitId, Vec<UnitPair>>;

/// What is asked, read.
pub(crate) struct StatusQuestion {
    serials: Vec<Serial>,
    at: Option<Time>,
    card: Option<BlindIndex>,
}

/// What can be said.
#[derive(Debug)]
pub(crate) struct StatusReport {
    pub(crate) epoch: i64,
    pub(crate) answered_at: Time,
    pub(crate) at: Time,
    /// Whose card it is, if that agent acted for one of the units.
    pub(crate) agent: Option<AgentId>,
    /// One for each serial number, in the order in which they were asked for.
    pub(crate) certificates: Vec<CertificateReport>,
}

/// What can be said of one serial number.
#[derive(Clone, Debug)]
pub(crate) struct CertificateReport {
    pub(crate) serial: Serial,
    /// As of the moment that was asked for, by everything that is known now.
    pub(crate) verdict: StatusVerdict,
    /// As of that moment, as it was on record then, whatever became known later.
    pub(crate) recorded: Option<&'static str>,
    /// Since when it was on record so.
    pub(crate) since: Option<Time>,
    /// Why and when it was revoked, before or after that moment.
    pub(crate) revoked: Option<(Reason, Time)>,
    pub(crate) invalid_since: Option<Time>,
    pub(crate) not_after: Option<Time>,
    pub(crate) issued: Option<IssuedFacts>,
    pub(crate) agents: Vec<UnitPair>,
}

impl StatusQuestion {
    /// About one certificate.
    pub(crate) fn about(serial: &str, at: Option<&str>) -> Result<Self, Problem> {
        let number = Serial::from_hex(serial).map_err(|error| Problem::field("serial", error))?;
        Ok(Self { serials: vec![number], at: at.map(moment).transpose()?, card: None })
    }
}

impl App {
    /// About many certificates, or about an agent's card besides. Who asked for a card stands in the log before the answer
    /// leaves; the number does not.
    pub(crate) async fn ask_status(
        self: &Arc<Self>,
        permit: &Permit<ReadStatus>,
        new: NewStatusQuestion,
    ) -> Result<StatusReport, Problem> {
        let count = new.serials.len();
        if !(1..=SERIALS_MAX).contains(&count) {
            let detail = format!("1 to {SERIALS_MAX} serial numbers are needed, found {count}");
            return Err(Problem::field("serials", detail));
        }
        let read = |(place, text): (usize, &String)| {
            let wrong = |error| Problem::field("serials", format!("number {}: {error}", place + 1));
            Serial::from_hex(text).map_err(wrong)
        };
        let serials = new.serials.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        let card = new.card.as_deref().map(CardNumber::parse).transpose()?;
        let card = card.map(|number| self.vault.card_index(&number));
        let asks_for_card = card.is_some();
        let question = StatusQuestion { serials, at: new.at.as_deref().map(moment).transpose()?, card };
        let app = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || app.report_status(&question));
        let report = work.await.map_err(Failure::inconsistent)??;
        if asks_for_card {
            let found = report.agent.as_ref().map_or("", AgentId::as_str);
            let entry =
                AuditEntry::done(report.answered_at, permit.actor(), Action::ReadStatus, "agent", found);
            let entry = entry.with("by", "card").with("found", usize::from(report.agent.is_some()));
            let entry = entry.with("certificates", count);
            self.store
                .write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from))
                .await?;
        }
        Ok(report)
    }

    /// The answer, from this instance's database and clock.
    pub(crate) fn report_status(&self, question: &StatusQuestion) -> Result<StatusReport, Problem> {
        let latest = Time::from_millis(self.latest_intent.load(Ordering::Relaxed));
        report(&self.store, question, wire::now(), latest)
    }
}

/// The answer, without a running server too. A clock that is behind `latest` went back.
pub(crate) fn report(
    store: &Store,
    question: &StatusQuestion,
    now: Time,
    latest: Time,
) -> Result<StatusReport, Problem> {
    let at = question.at.unwrap_or(now);
    if at > now {
        return Err(Problem::field("at", "a moment in the past is needed, and this one lies in the future"));
    }
    store.read(|reader| {
        let epoch = reader.epoch()?;
        let found = reader.standings(ISSUING, &question.serials)?;
        let mut log = match question.at {
            Some(_) => by_serial(reader.status_entries(&issued(&found))?),
            None => HashMap::new(),
        };
        let (pairs, agent) = agents(reader, question, &found, at)?;
        let reports: HashMap<Serial, CertificateReport> = found
            .into_iter()
            .map(|record| {
                let entries = question.at.map(|_| log.remove(&record.status.serial).unwrap_or_default());
                let said = one(record, entries.as_deref(), (at, now, latest), &pairs);
                (said.serial, said)
            })
            .collect();
        let each = |serial: &Serial| reports.get(serial).cloned().unwrap_or_else(|| unknown(*serial));
        let certificates: Vec<_> = question.serials.iter().map(each).collect();
        if certificates.iter().map(|one| one.agents.len()).sum::<usize>() > PAIRS_MAX {
            return Err(too_many_agents());
        }
        Ok(StatusReport { epoch, answered_at: now, at, agent, certificates })
    })
}

/// A moment as RFC 3339 writes it, in full: what is left out would have to be guessed.
pub(crate) fn moment(text: &str) -> Result<Time, Problem> {
    let whole = |(place, wanted): (usize, u8)| text.as_bytes().get(place) == Some(&wanted);
    let form = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')].into_iter().all(whole);
    let read = wire::rfc3339(text).filter(|_| form && !text.contains('['));
    read.ok_or_else(|| {
        let detail =
            "a moment as in RFC 3339 is needed, as 2026-11-23T08:00:00Z or 2026-11-23T16:00:00+08:00";
        Problem::field("at", detail)
    })
}

fn one(
    record: StandingRecord,
    log: Option<&[StatusEntry]>,
    (at, now, latest): (Time, Time, Time),
    pairs: &Acting,
) -> CertificateReport {
    let StandingRecord { status, issued } = record;
    let blank = unknown(status.serial);
    let (state, issued) = match (status.state, issued) {
        (CertificateStatus::Issued(state), Some(issued)) => (state, issued),
        // What carries a burned number is revoked, and was at every moment.
        (CertificateStatus::Burned { at }, _) => {
            let revoked = Some((Reason::Unspecified, at));
            return CertificateReport { verdict: StatusVerdict::Revoked, revoked, ..blank };
        }
        // A status without its certificate.
        (CertificateStatus::Issued(_), None) => {
            return CertificateReport { verdict: StatusVerdict::Undetermined, ..blank };
        }
    };
    let stood = match log {
        None => PastState::Stood { state, since: status.changed_at },
        Some(entries) => {
            let born = match issued.unit {
                Some(_) => CertificateState::NotActivated,
                None => CertificateState::Good,
            };
            let history = StatusHistory::replay(born, state, entries);
            history.map_or(PastState::Undetermined, |history| history.at(at))
        }
    };
    let revoked = match state {
        CertificateState::Revoked { reason, at } => Some((reason, at)),
        _ => None,
    };
    let invalid_since = revoked.and(status.invalid_since);
    let validity = Validity { not_before: issued.not_before, not_after: status.not_after, invalid_since };
    let mut verdict = StatusVerdict::of(stood, validity, at);
    // The clock went back: how far anything is from its end, nobody knows.
    let known = latest.max(status.changed_at).max(issued.issued_at);
    if verdict == StatusVerdict::Good && now.millis() + clock::TOLERANCE_MILLIS < known.millis() {
        verdict = StatusVerdict::Undetermined;
    }
    let (recorded, since) = match stood {
        PastState::Stood { state, since } => (Some(state.name()), Some(since)),
        PastState::NotIssued | PastState::Undetermined => (None, None),
    };
    let agents = issued.unit.as_ref().and_then(|unit| pairs.get(&unit.id)).cloned().unwrap_or_default();
    let not_after = Some(status.not_after);
    CertificateReport {
        verdict,
        recorded,
        since,
        revoked,
        invalid_since,
        not_after,
        issued: Some(issued),
        agents,
        ..blank
    }
}

/// Never issued, or being signed right now.
fn unknown(serial: Serial) -> CertificateReport {
    CertificateReport {
        serial,
        verdict: StatusVerdict::Unknown,
        recorded: None,
        since: None,
        revoked: None,
        invalid_since: None,
        not_after: None,
        issued: None,
        agents: Vec::new(),
    }
}

/// Who acted for the units at that moment; and which of them has the card.
fn agents(
    reader: &mut Reader<'_>,
    question: &StatusQuestion,
    found: &[StandingRecord],
    at: Time,
) -> Result<(Acting, Option<AgentId>), Problem> {
    let unit_of = |record: &StandingRecord| Some(record.issued.as_ref()?.unit.as_ref()?.id.clone());
    let units: BTreeSet<UnitId> = found.iter().filter_map(unit_of).collect();
    let units: Vec<UnitId> = units.into_iter().collect();
    let most = i64::try_from(PAIRS_MAX).unwrap_or(i64::MAX).saturating_add(1);
    let pairs = if units.is_empty() { Vec::new() } else { reader.pairs_of_units(&units, at, most)? };
    if pairs.len() > PAIRS_MAX {
        return Err(too_many_agents());
    }
    let holder = match &question.card {
        Some(card) => reader.agent_by_card(card)?,
        None => None,
    };
    // Whoever acts for none of the units is none of the portal's business.
    let holder = holder.map(|agent| agent.id).filter(|id| pairs.iter().any(|pair| pair.agent == *id));
    let mut by_unit: Acting = HashMap::new();
    for pair in pairs {
        by_unit.entry(pair.unit.clone()).or_default().push(pair);
    }
    Ok((by_unit, holder))
}

fn issued(found: &[StandingRecord]) -> Vec<Serial> {
    let has_certificate = found.iter().filter(|record| record.issued.is_some());
    has_certificate.map(|record| record.status.serial).collect()
}

fn by_serial(entries: Vec<(Serial, StatusEntry)>) -> HashMap<Serial, Vec<StatusEntry>> {
    let mut found: HashMap<Serial, Vec<StatusEntry>> = HashMap::new();
    for (serial, entry) in entries {
        found.entry(serial).or_default().push(entry);
    }
    found
}

fn too_many_agents() -> Problem {
    let detail = format!("more than {PAIRS_MAX} agents act for their units; ask for fewer at once");
    Problem::field("serials", detail)
}

#[cfg(test)]
mod tests;

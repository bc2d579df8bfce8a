//! Where a certificate stood at a moment that is past (step 9): for documents that were signed then.
//!
//! The log has one entry for each move, written in the move's own transaction. Replayed with
//! [`CertificateState::transition`], they must lead exactly to where the certificate stands now: a log that does not
//! is believed in nothing.
//!
//! What deliberately does not live here: whether a signature is from that moment. Only a time-stamp proves that.

use ca_verifier::{Reason, Time};

use crate::{Action, CertificateCommand, CertificateState};

/// What the log says of one move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusEntry {
    /// When.
    pub at: Time,
    /// What was done.
    pub action: Action,
    /// Why, of a revocation.
    pub reason: Option<Reason>,
}

/// Every move of one certificate, in the order in which they were made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusHistory {
    moves: Vec<(Time, CertificateState)>,
}

/// What a history says of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastState {
    /// There was no certificate yet.
    NotIssued,
    /// It stood so.
    Stood {
        /// How.
        state: CertificateState,
        /// Since when.
        since: Time,
    },
    /// The clock was set back over that moment: nobody knows what was before and what after it.
    Undetermined,
}

/// What can be said of a certificate at one moment. Whoever relies on it relies on [`StatusVerdict::Good`] only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusVerdict {
    /// In use, and within its validity.
    Good,
    /// Not activated by its holder, or not handed over.
    NotActivated,
    /// On hold.
    Held,
    /// Revoked, or known by now to have been invalid already; or a number whose certificate nobody has.
    Revoked,
    /// After its validity.
    Expired,
    /// Before its validity.
    NotYetValid,
    /// Before it was made.
    NotIssued,
    /// No certificate of this CA.
    Unknown,
    /// It cannot be said beyond doubt.
    Undetermined,
}

/// What limits a certificate's use besides its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Start of validity.
    pub not_before: Time,
    /// End of validity.
    pub not_after: Time,
    /// Since when a revoked one was invalid in fact, where that is known (invalidityDate, RFC 5280 §5.3.2).
    pub invalid_since: Option<Time>,
}

impl StatusHistory {
    /// From the log's entries about a certificate that was `born` in one state and stands in `now`. `None` when they do not
    /// lead from the one to the other.
    #[must_use]
    pub fn replay(born: CertificateState, now: CertificateState, entries: &[StatusEntry]) -> Option<Self> {
        let mut moves: Vec<(Time, CertificateState)> = Vec::with_capacity(entries.len());
        for entry in entries {
            let next = match moves.last() {
                None if entry.action == Action::IssueCertificate => born,
                None => return None,
                Some((_, state)) => state.transition(command(entry)?).ok()?,
            };
            moves.push((entry.at, next));
        }
        (moves.last()?.1 == now).then_some(Self { moves })
    }

    /// How it stood at a moment, both ends included: a hold counts from its own millisecond on, and so does its end.
    #[must_use]
    pub fn at(&self, moment: Time) -> PastState {
        let set_back = |pair: &[(Time, CertificateState)]| matches!(pair, [(before, _), (after, _)] if after < before && (*after..=*before).contains(&moment));
        if self.moves.windows(2).any(set_back) {
            return PastState::Undetermined;
        }
        match self.moves.iter().rev().find(|(since, _)| *since <= moment) {
            Some(&(since, state)) => PastState::Stood { state, since },
            None => PastState::NotIssued,
        }
    }
}

impl StatusVerdict {
    /// What can be said of a certificate that stood so at `moment`.
    #[must_use]
    pub fn of(stood: PastState, validity: Validity, moment: Time) -> Self {
        let state = match stood {
            PastState::NotIssued => return Self::NotIssued,
            PastState::Undetermined => return Self::Undetermined,
            PastState::Stood { state, .. } => state,
        };
        if validity.invalid_since.is_some_and(|since| since <= moment) {
            return Self::Revoked;
        }
        match state {
            CertificateState::NotActivated => Self::NotActivated,
            CertificateState::Held { .. } => Self::Held,
            CertificateState::Revoked { .. } => Self::Revoked,
            CertificateState::Good if moment < validity.not_before => Self::NotYetValid,
            CertificateState::Good if moment > validity.not_after => Self::Expired,
            CertificateState::Good => Self::Good,
        }
    }

    /// The name in the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::NotActivated => "not-activated",
            Self::Held => "held",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::NotIssued => "not-issued",
            Self::Unknown => "unknown",
            Self::Undetermined => "undetermined",
        }
    }
}

fn command(entry: &StatusEntry) -> Option<CertificateCommand> {
    match entry.action {
        Action::ActivateCertificate => Some(CertificateCommand::Activate),
        Action::HoldCertificate => Some(CertificateCommand::Hold),
        Action::ReleaseCertificate => Some(CertificateCommand::Release),
        Action::RevokeCertificate => {
            entry.reason.map(|reason| CertificateCommand::Revoke { reason, at: entry.at })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: Validity =
        Validity { not_before: Time::from_secs(0), not_after: Time::from_secs(1000), invalid_since: None };
    const REASON: Reason = Reason::KeyCompromise;

    fn entry(at: i64, action: Action) -> StatusEntry {
        let reason = (action == Action::RevokeCertificate).then_some(REASON);
        StatusEntry { at: Time::from_secs(at), action, reason }
    }

    fn entries(moves: &[(i64, Action)]) -> Vec<StatusEntry> {
        moves.iter().map(|(at, action)| entry(*at, *action)).collect()
    }

    fn verdict(history: &StatusHistory, at: i64) -> &'static str {
        let at = Time::from_secs(at);
        StatusVerdict::of(history.at(at), NEVER, at).name()
    }

    use Action::{
        ActivateCertificate as Activate, HoldCertificate as Hold, IssueCertificate as Issue,
        ReleaseCertificate as Release, RevokeCertificate as Revoke,
    };

    #[test]
    fn a_whole_life() {
        let revoked = CertificateState::Revoked { reason: REASON, at: Time::from_secs(60) };
        let log = entries(&[
            (10, Issue),
            (20, Hold),
            (25, Release),
            (30, Activate),
            (40, Hold),
            (50, Release),
            (60, Revoke),
        ]);
        let history = StatusHistory::replay(CertificateState::NotActivated, revoked, &log).unwrap();
        let told: Vec<_> = [9, 10, 19, 20, 24, 25, 29, 30, 39, 40, 49, 50, 59, 60, 999]
            .map(|at| verdict(&history, at))
            .into();
        let (no, held, good) = ("not-activated", "held", "good");
        let expected = [
            "not-issued",
            no,
            no,
            held,
            held,
            no,
            no,
            good,
            good,
            held,
            held,
            good,
            good,
            "revoked",
            "revoked",
        ];
        assert_eq!(told, expected);
        let stood = PastState::Stood {
            state: CertificateState::Held { activated: true },
            since: Time::from_secs(40),
        };
        assert_eq!(history.at(Time::from_millis(49_999)), stood, "to the millisecond");
    }

    #[test]
    fn validity_and_invalidity_limit_what_was_good() {
        let log = entries(&[(10, Issue)]);
        let history = StatusHistory::replay(CertificateState::Good, CertificateState::Good, &log).unwrap();
        let of = |validity: Validity, at: i64| {
            StatusVerdict::of(history.at(Time::from_secs(at)), validity, Time::from_secs(at)).name()
        };
        let validity =
            Validity { not_before: Time::from_secs(20), not_after: Time::from_secs(30), invalid_since: None };
        let told: Vec<_> = [9, 10, 19, 20, 30, 31].map(|at| of(validity, at)).into();
        assert_eq!(told, ["not-issued", "not-yet-valid", "not-yet-valid", "good", "good", "expired"]);
        let invalid = Validity { invalid_since: Some(Time::from_secs(25)), ..validity };
        assert_eq!([20, 24, 25, 31].map(|at| of(invalid, at)), ["good", "good", "revoked", "revoked"]);
    }

    #[test]
    fn a_log_that_does_not_lead_to_now_is_believed_in_nothing() {
        let (born, good) = (CertificateState::NotActivated, CertificateState::Good);
        let revoked = CertificateState::Revoked { reason: REASON, at: Time::from_secs(40) };
        for (now, log) in [
            (good, vec![]),
            (good, vec![(10, Activate)]),
            (good, vec![(10, Issue)]),
            (born, vec![(10, Issue), (20, Activate)]),
            (good, vec![(10, Issue), (20, Activate), (30, Activate)]),
            (good, vec![(10, Issue), (20, Activate), (30, Release)]),
            (good, vec![(10, Issue), (20, Issue)]),
            (good, vec![(10, Issue), (20, Activate), (30, Action::ReadRecords)]),
            (good, vec![(10, Issue), (20, Activate), (40, Revoke), (50, Release)]),
            // Of another moment than the row says.
            (revoked, vec![(10, Issue), (20, Activate), (41, Revoke)]),
        ] {
            assert_eq!(StatusHistory::replay(born, now, &entries(&log)), None, "{log:?}");
        }
        let mut log = entries(&[(10, Issue), (20, Activate), (40, Revoke)]);
        assert!(StatusHistory::replay(born, revoked, &log).is_some());
        log[2].reason = None;
        assert_eq!(StatusHistory::replay(born, revoked, &log), None, "a revocation without its reason");
    }

    #[test]
    fn nothing_is_said_of_moments_that_the_clock_was_set_back_over() {
        let log = entries(&[(10, Issue), (500, Activate), (300, Hold), (400, Release)]);
        let history =
            StatusHistory::replay(CertificateState::NotActivated, CertificateState::Good, &log).unwrap();
        let told: Vec<_> = [9, 10, 299, 300, 350, 450, 500, 501].map(|at| verdict(&history, at)).into();
        let (no, unsure) = ("not-activated", "undetermined");
        assert_eq!(told, ["not-issued", no, no, unsure, unsure, unsure, unsure, "good"]);
    }

    proptest! {
        /// Whatever clocks did, good is said only of moments at which no order of the moves says otherwise.
        #[test]
        fn good_is_never_said_in_doubt(times in prop::collection::vec(0_i64..40, 2..12), at in 0_i64..40) {
            let mut log = vec![(times[0], Issue), (times[1], Activate)];
            let rest = times[2..].iter().enumerate();
            log.extend(rest.map(|(place, time)| (*time, if place % 2 == 0 { Hold } else { Release })));
            let now = match log.last() {
                Some((_, Hold)) => CertificateState::Held { activated: true },
                _ => CertificateState::Good,
            };
            let history = StatusHistory::replay(CertificateState::NotActivated, now, &entries(&log)).unwrap();
            if verdict(&history, at) == "good" {
                // Each move before it in the log was made by then, and none after it.
                let last = log.iter().rposition(|(time, _)| *time <= at).unwrap();
                prop_assert!(log[..=last].iter().all(|(time, _)| *time <= at));
                prop_assert!(log[last + 1..].iter().all(|(time, _)| *time > at));
                prop_assert!(matches!(log[last].1, Activate | Release));
            }
        }
    }
}

//! What stands between a signed CRL and the world: it must follow from the one before it. A database that lost rows, was cut
//! short or went back makes a CRL that looks right by itself.

use ca_core::CertificateState;
use ca_store::{CertificateStatus, StatusRecord};
use ca_verifier::{CLOCK_SKEW_SECS, Crl, Serial, Standing, Time};

use super::PublishedCrl;
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
};

/// Whether this is the guard's refusal.
pub(super) fn refused(problem: &Problem) -> bool {
    matches!(problem.rule, Rule::CrlGuard | Rule::CrlClock)
}

/// thisUpdate of the next CRL: later than the one before, so that nothing that relies on the order of CRLs meets two in the
/// wrong one, also when the clock was set back a little.
///
/// # Errors
/// [`Rule::CrlClock`] when the clock is so far behind that relying parties would take the CRL for one from the future: one of
/// the two times is wrong, and nobody here knows which.
pub(super) fn date(before: Option<Time>, now: Time) -> Result<Time, Problem> {
    let Some(before) = before else { return Ok(now) };
    let next = before.plus_secs(1);
    if now.plus_secs(CLOCK_SKEW_SECS) < next {
        let behind = next.secs() - now.secs();
        return Err(Problem::new(Rule::CrlClock).with("behind", behind));
    }
    Ok(now.max(next))
}

/// Refuses a CRL that does not follow. `expected`: how many entries were counted; `status`: what the database says now.
///
/// # Errors
/// [`Rule::CrlGuard`]: entries were counted that it does not list; its number, epoch or time do not rise; a certificate that
/// the one before listed is missing, and the database does not say why; a revocation became another one or none.
pub(super) fn check(
    before: Option<&PublishedCrl>,
    new: &PublishedCrl,
    expected: i64,
    forgets_before: Option<Time>,
    mut status: impl FnMut(&Serial) -> Result<Option<StatusRecord>, Problem>,
) -> Result<(), Problem> {
    let list = read(new)?;
    if i64::try_from(list.len()) != Ok(expected) {
        return Err(refuse(format!("{expected} entries were counted and {} read", list.len())));
    }
    let Some(before) = before else { return Ok(()) };
    let rises = [
        ("number", before.number < new.number),
        ("epoch", before.epoch <= new.epoch),
        ("thisUpdate", before.this_update < new.this_update),
    ];
    if let Some((what, _)) = rises.iter().find(|(_, rises)| !rises) {
        return Err(refuse(format!("its {what} goes back")));
    }
    for (serial, was) in read(before)?.entries() {
        match (was, list.standing(&serial)) {
            (Standing::Revoked(reason), Standing::Revoked(now)) if reason == now => {}
            (Standing::Held | Standing::NotActivated, now) if now != Standing::Good => {}
            (was, Standing::Good) if has_left(status(&serial)?, was, forgets_before) => {}
            (was, now) => {
                return Err(refuse(format!("certificate {serial} was {was:?} and would be {now:?}")));
            }
        }
    }
    Ok(())
}

/// Whether the database says why a certificate is listed no more: it became good, or it is over.
fn has_left(status: Option<StatusRecord>, was: Standing, forgets_before: Option<Time>) -> bool {
    let Some(status) = status else { return false };
    let good = status.state == CertificateStatus::Issued(CertificateState::Good);
    let is_over = forgets_before.is_some_and(|before| status.not_after < before);
    is_over || (good && !matches!(was, Standing::Revoked(_)))
}

fn read(crl: &PublishedCrl) -> Result<&Crl, Problem> {
    crl.read.as_ref().ok_or_else(|| Failure::inconsistent("a CRL that was not read back").into())
}

fn refuse(detail: String) -> Problem {
    Problem::new(Rule::CrlGuard).with("detail", detail)
}

#[cfg(test)]
mod tests {
    use ca_core::{CrlEntry, CrlPlan, CrlScope, CrlStanding, Issuer};
    use ca_store::CrlRecord;
    use ca_verifier::Reason;
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, KeyUsagePurpose, SigningKey};

    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const URL: &str = "http://crl.test/crl/issuing/0.crl";

    struct Signer {
        issuer: Issuer,
        key: KeyPair,
    }

    impl Signer {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
            let issuer = Issuer::load(params.self_signed(&key).unwrap().der()).unwrap();
            Self { issuer, key }
        }

        fn crl(&self, number: i64, epoch: i64, this_update: Time, rows: &[StatusRecord]) -> PublishedCrl {
            let mut entries: Vec<CrlEntry> = rows.iter().filter_map(entry).collect();
            entries.sort_unstable_by_key(|entry| entry.serial);
            let plan = CrlPlan {
                issuer: &self.issuer,
                scope: CrlScope::Shard(URL),
                number: number.try_into().unwrap(),
                this_update,
                next_update: this_update.plus_secs(60),
                epoch: epoch.try_into().unwrap(),
                expired_since: None,
                entries: entries.into_iter(),
            };
            let signed = plan.prepare().unwrap().sign(|tbs| self.key.sign(tbs)).unwrap();
            let read = Crl::verify(signed.der(), self.issuer.der()).unwrap();
            let record = CrlRecord {
                issuer: "issuing".to_owned(),
                shard: 0,
                number,
                this_update,
                next_update: this_update.plus_secs(60),
                epoch,
                der: signed.into_der(),
            };
            PublishedCrl::new(&record, read)
        }
    }

    fn entry(row: &StatusRecord) -> Option<CrlEntry> {
        let standing = match row.state {
            CertificateStatus::Issued(CertificateState::Good) => return None,
            CertificateStatus::Issued(CertificateState::NotActivated) => CrlStanding::NotActivated,
            CertificateStatus::Issued(CertificateState::Held { .. }) => CrlStanding::Held,
            CertificateStatus::Issued(CertificateState::Revoked { reason, .. }) => {
                CrlStanding::Revoked(reason)
            }
            CertificateStatus::Burned { .. } => CrlStanding::Revoked(Reason::Unspecified),
        };
        Some(CrlEntry { serial: row.serial, since: row.changed_at, standing, invalid_since: None })
    }

    fn row(octet: u8, state: u8) -> StatusRecord {
        let state = match state {
            0 => CertificateStatus::Issued(CertificateState::Good),
            1 => CertificateStatus::Issued(CertificateState::NotActivated),
            2 => CertificateStatus::Issued(CertificateState::Held { activated: true }),
            3 => CertificateStatus::Burned { at: NOW },
            _ => CertificateStatus::Issued(CertificateState::Revoked { reason: Reason::Superseded, at: NOW }),
        };
        StatusRecord {
            serial: Serial::from_random(1, &[octet; 17]).unwrap(),
            issuer: "issuing".to_owned(),
            shard: 0,
            state,
            not_after: NOW.plus_secs(1000),
            changed_at: NOW,
            invalid_since: None,
        }
    }

    fn is_listed(row: &StatusRecord) -> bool {
        entry(row).is_some()
    }

    fn is_revoked(row: &StatusRecord) -> bool {
        matches!(
            row.state,
            CertificateStatus::Burned { .. } | CertificateStatus::Issued(CertificateState::Revoked { .. })
        )
    }

    fn count(rows: &[StatusRecord]) -> i64 {
        rows.iter().filter(|row| is_listed(row)).count().try_into().unwrap()
    }

    fn told(rows: &[StatusRecord]) -> impl Fn(&Serial) -> Result<Option<StatusRecord>, Problem> + '_ {
        |serial| Ok(rows.iter().find(|row| row.serial == *serial).cloned())
    }

    /// Rows of 250 certificates at most, in any state.
    fn rows() -> impl Strategy<Value = Vec<StatusRecord>> {
        prop::collection::vec(0_u8..6, 3..250).prop_map(|states| {
            (0_u8..).zip(states).map(|(octet, state)| row(octet, state)).collect::<Vec<_>>()
        })
    }

    #[test]
    fn a_clock_that_went_back() {
        let after = |secs| date(Some(NOW), NOW.plus_secs(secs)).map_err(|problem| problem.to_string());
        assert_eq!(date(None, NOW).unwrap(), NOW);
        assert_eq!(after(600).unwrap(), NOW.plus_secs(600));
        for small in [0, -1, 1 - CLOCK_SKEW_SECS] {
            assert_eq!(after(small).unwrap(), NOW.plus_secs(1), "{small}");
        }
        for far in [-CLOCK_SKEW_SECS, -86_400] {
            let refusal = after(far).unwrap_err();
            assert!(refusal.contains(&format!("{} s behind", 1 - far)), "{refusal}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// What certificates really do passes: made, activated, held, released, revoked, ended.
        #[test]
        fn what_follows_is_published(before in rows(), moves in prop::collection::vec(any::<(u8, u8)>(), 0..40)) {
            let signer = Signer::new();
            let first = signer.crl(1, 5, NOW, &before);
            let mut after = before.clone();
            let forgets = NOW.plus_secs(100);
            for (which, to) in moves {
                let at = usize::from(which) % (after.len() + 1);
                match after.get_mut(at) {
                    None if at < 255 => after.push(row(u8::try_from(at).unwrap(), to % 6)),
                    Some(one) if to % 7 == 6 => one.not_after = NOW,
                    Some(one) if !is_revoked(one) => one.state = row(0, to % 7).state,
                    _ => {}
                }
            }
            let current: Vec<StatusRecord> =
                after.iter().filter(|row| row.not_after >= forgets).cloned().collect();
            let next = signer.crl(2, 6, NOW.plus_secs(1), &current);
            let checked = check(Some(&first), &next, count(&current), Some(forgets), told(&after));
            prop_assert!(checked.is_ok(), "{checked:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// Rows that are missing, a list that was cut, a revocation taken back, a clock, a number or an epoch that went back:
        /// a thousand, and none is published.
        #[test]
        fn what_does_not_follow_is_refused(
            before in rows(),
            kind in 0_u8..6,
            many in 1_usize..20,
            which in any::<prop::sample::Index>(),
        ) {
            let listed: Vec<usize> = (0..before.len()).filter(|at| is_listed(&before[*at])).collect();
            prop_assume!(!listed.is_empty());
            let revoked: Vec<usize> = (0..before.len()).filter(|at| is_revoked(&before[*at])).collect();
            let signer = Signer::new();
            let first = signer.crl(7, 5, NOW, &before);
            let (mut after, mut expected) = (before.clone(), None);
            let (mut number, mut epoch, mut at) = (8, 6, NOW.plus_secs(1));
            match kind {
                0 => {
                    let gone: Vec<Serial> = listed.iter().cycle().skip(which.index(listed.len()))
                        .take(many.min(listed.len())).map(|at| before[*at].serial).collect();
                    after.retain(|row| !gone.contains(&row.serial));
                }
                1 => {
                    expected = Some(count(&after));
                    let last = *listed.last().unwrap();
                    after.truncate(last - last.min(many - 1));
                }
                2 => {
                    prop_assume!(!revoked.is_empty());
                    let one = revoked[which.index(revoked.len())];
                    after[one].state = row(0, u8::try_from(many % 3).unwrap()).state;
                }
                3 => at = NOW.plus_secs(1 - i64::try_from(many).unwrap()),
                4 => number = 8 - i64::try_from(many.min(8)).unwrap(),
                _ => epoch = 5 - i64::try_from(many.min(5)).unwrap(),
            }
            let next = signer.crl(number, epoch, at, &after);
            let expected = expected.unwrap_or_else(|| count(&after));
            let checked = check(Some(&first), &next, expected, Some(NOW), told(&after));
            prop_assert!(checked.as_ref().is_err_and(refused), "{kind} {checked:?}");
        }
    }
}

//! `policies/status.toml`: how long a CRL and an OCSP answer can be relied on, when the next one is made, and how holds end
//! by themselves.

use ca_verifier::Time;

use super::reader::{PolicyError, Reader, Section};
use crate::{HoldEnd, HoldReason};

/// BR 4.9.7: nextUpdate at most 10 days after thisUpdate.
const CRL_LIFETIME: std::ops::RangeInclusive<i64> = 2..=240;
/// ETSI EN 319 411-1 CSS-6.3.9-05: a new CRL at least every 24 hours.
const CRL_REFRESH: std::ops::RangeInclusive<i64> = 1..=24;
/// BR 4.9.10: an answer is valid for 8 hours to 10 days.
const OCSP_LIFETIME: std::ops::RangeInclusive<i64> = 8..=240;
const OCSP_REFRESH: std::ops::RangeInclusive<i64> = 1..=96;

/// Of one address each; a portal that lists them all fetches all.
const CRL_SHARDS: std::ops::RangeInclusive<i64> = 1..=256;

/// Our own figure: a revocation is seen by portals within 5 seconds.
const PORTAL_LAG: std::ops::RangeInclusive<i64> = 1..=5;
/// The unit is told 7 days before the end.
const HOLD_DAYS: std::ops::RangeInclusive<i64> = 8..=365;
const DAY_SECS: i64 = 86_400;

/// How holds end by themselves, by their reasons; `None` where only a person ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldRules {
    lost: Option<(HoldEnd, i64)>,
    application: Option<(HoldEnd, i64)>,
    staff: Option<(HoldEnd, i64)>,
    repair: Option<(HoldEnd, i64)>,
}

impl HoldRules {
    /// How and when a hold that is placed at `now` ends by itself.
    #[must_use]
    pub fn due(&self, reason: HoldReason, now: Time) -> Option<(HoldEnd, Time)> {
        let rule = match reason {
            HoldReason::Lost => self.lost,
            HoldReason::Application => self.application,
            HoldReason::Staff => self.staff,
            HoldReason::Repair => self.repair,
            // Nothing is revoked for money, and nothing is given back without it.
            HoldReason::Arrears => None,
        };
        rule.map(|(end, days)| (end, now.plus_secs(days * DAY_SECS)))
    }
}

/// Lifetimes, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRules {
    crl_lifetime: i64,
    crl_refresh: i64,
    crl_shards: u16,
    crl_keeps_expired: bool,
    ocsp_lifetime: i64,
    ocsp_refresh: i64,
    ocsp_cert_hash: bool,
    portal_lag: i64,
    holds: HoldRules,
    sha256: [u8; 32],
}

impl StatusRules {
    /// From thisUpdate to nextUpdate of a CRL.
    #[must_use]
    pub fn crl_lifetime_secs(&self) -> i64 {
        self.crl_lifetime
    }

    /// From one CRL to the next when nothing changed.
    #[must_use]
    pub fn crl_refresh_secs(&self) -> i64 {
        self.crl_refresh
    }

    /// Shards of new certificates: 0 to one less. Those of older ones stay.
    #[must_use]
    pub fn crl_shards(&self) -> u16 {
        self.crl_shards
    }

    /// What ended before this is not listed any more; `None`: everything is, for ever.
    #[must_use]
    pub fn crl_forgets_before(&self, now: Time) -> Option<Time> {
        // One issue past the end, so that the CRL that covers its last second lists it (RFC 5280 §3.3).
        (!self.crl_keeps_expired).then(|| now.plus_secs(-self.crl_refresh))
    }

    /// From thisUpdate to nextUpdate of an OCSP answer.
    #[must_use]
    pub fn ocsp_lifetime_secs(&self) -> i64 {
        self.ocsp_lifetime
    }

    /// From one pre-signed answer to the next when nothing changed.
    #[must_use]
    pub fn ocsp_refresh_secs(&self) -> i64 {
        self.ocsp_refresh
    }

    /// Whether an OCSP answer carries the certificate's hash.
    #[must_use]
    pub fn ocsp_cert_hash(&self) -> bool {
        self.ocsp_cert_hash
    }

    /// How far a portal's CRL may lag behind the served one. A new certificate leaves the server only after its hold
    /// has been served for so long (I7).
    #[must_use]
    pub fn portal_lag_secs(&self) -> i64 {
        self.portal_lag
    }

    /// How holds end by themselves.
    #[must_use]
    pub fn holds(&self) -> HoldRules {
        self.holds
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<StatusRules, Vec<PolicyError>> {
    reader.read(|section| {
        let crl_lifetime = section.integer("crl-lifetime-hours", CRL_LIFETIME);
        let crl_refresh = section.integer("crl-refresh-hours", CRL_REFRESH);
        let crl_shards = section.integer("crl-shards", CRL_SHARDS);
        let crl_keeps_expired = section.flag("crl-keeps-expired");
        let ocsp_lifetime = section.integer("ocsp-lifetime-hours", OCSP_LIFETIME);
        let ocsp_refresh = section.integer("ocsp-refresh-hours", OCSP_REFRESH);
        let ocsp_cert_hash = section.flag("ocsp-cert-hash");
        // A missed refresh must not leave relying parties without status; BR 4.9.10 asks it of OCSP by name.
        for (key, refresh, lifetime) in [
            ("crl-refresh-hours", crl_refresh, crl_lifetime),
            ("ocsp-refresh-hours", ocsp_refresh, ocsp_lifetime),
        ] {
            if let (Some(refresh), Some(lifetime)) = (refresh, lifetime)
                && refresh * 2 > lifetime
            {
                section.refuse(
                    key,
                    format!("{key} must be at most half of the lifetime"),
                    refresh.to_string(),
                );
            }
        }
        let portal_lag = section.integer("portal-lag-secs", PORTAL_LAG);
        let holds = section.table("hold", holds);
        let seconds = |hours: Option<i64>| hours.map(|hours| hours * 3600);
        Some(StatusRules {
            crl_lifetime: seconds(crl_lifetime)?,
            crl_refresh: seconds(crl_refresh)?,
            crl_shards: crl_shards.and_then(|count| u16::try_from(count).ok())?,
            crl_keeps_expired: crl_keeps_expired?,
            ocsp_lifetime: seconds(ocsp_lifetime)?,
            ocsp_refresh: seconds(ocsp_refresh)?,
            ocsp_cert_hash: ocsp_cert_hash?,
            portal_lag: portal_lag?,
            holds: holds?,
            sha256: reader.sha256(),
        })
    })
}

fn holds(section: &Section<'_>) -> Option<HoldRules> {
    let lost = section.table("lost", |hold| ending(hold, HoldReason::Lost));
    let arrears = section.table("arrears", |hold| ending(hold, HoldReason::Arrears));
    let application = section.table("application", |hold| ending(hold, HoldReason::Application));
    let staff = section.table("staff", |hold| ending(hold, HoldReason::Staff));
    let repair = section.table("repair", |hold| ending(hold, HoldReason::Repair));
    arrears?;
    Some(HoldRules { lost: lost?, application: application?, staff: staff?, repair: repair? })
}

fn ending(section: &Section<'_>, reason: HoldReason) -> Option<Option<(HoldEnd, i64)>> {
    let end = section.parsed("hold-end", "revoke, release or never", |name| match name {
        "never" => Some(None),
        name => HoldEnd::from_name(name).ok().map(Some),
    })?;
    let Some(end) = end else { return Some(None) };
    match (reason, end) {
        (HoldReason::Arrears, _) => {
            section.refuse("hold-end", "a hold for arrears must never end by itself", end.name());
            None
        }
        // Whoever found the token would only have to wait.
        (HoldReason::Lost, HoldEnd::Release) => {
            section.refuse("hold-end", "a lost token must never be released by itself", end.name());
            None
        }
        _ => section.integer("hold-days", HOLD_DAYS).map(|days| Some((end, days))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn limits() {
        for (old, new, rule) in [
            (
                "crl-lifetime-hours = 72",
                "crl-lifetime-hours = 241",
                "crl-lifetime-hours must be 2 to 240, found 241",
            ),
            (
                "crl-lifetime-hours = 72",
                "crl-lifetime-hours = 30",
                "crl-refresh-hours must be at most half of the lifetime, found 24",
            ),
            (
                "crl-refresh-hours = 24",
                "crl-refresh-hours = 25",
                "crl-refresh-hours must be 1 to 24, found 25",
            ),
            ("crl-shards = 1", "crl-shards = 0", "crl-shards must be 1 to 256, found 0"),
            ("crl-shards = 1", "crl-shards = 257", "crl-shards must be 1 to 256, found 257"),
            (
                "ocsp-refresh-hours = 6",
                "ocsp-refresh-hours = 13",
                "ocsp-refresh-hours must be at most half of the lifetime, found 13",
            ),
        ] {
            let errors = testing::errors_after("status.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
        for (old, new, rule) in [
            ("hold-days = 30", "hold-days = 7", "hold-days must be 8 to 365, found 7"),
            ("hold-days = 30\n", "", "hold-days must be 8 to 365, found nothing"),
            (
                "hold-end = \"revoke\"",
                "hold-end = \"release\"",
                "a lost token must never be released by itself, found release",
            ),
            (
                "hold-end = \"revoke\"",
                "hold-end = \"burn\"",
                "hold-end must be revoke, release or never, found burn",
            ),
            (
                "[hold.arrears]\nhold-end = \"never\"",
                "[hold.arrears]\nhold-days = 30\nhold-end = \"revoke\"",
                "a hold for arrears must never end by itself, found revoke",
            ),
        ] {
            let errors = testing::errors_after("status.toml", old, new);
            assert!(errors.iter().any(|error| error.ends_with(rule)), "{rule}: {errors:?}");
        }
        assert_eq!(testing::policies().status().crl_lifetime_secs(), 72 * 3600);
    }

    #[test]
    fn holds_end_by_their_reasons() {
        let (holds, now) = (testing::policies().status().holds(), Time::from_secs(0));
        let month = now.plus_secs(30 * DAY_SECS);
        assert_eq!(holds.due(HoldReason::Lost, now), Some((HoldEnd::Revoke, month)));
        for reason in [HoldReason::Arrears, HoldReason::Application, HoldReason::Staff, HoldReason::Repair] {
            assert_eq!(holds.due(reason, now), None);
        }
    }
}

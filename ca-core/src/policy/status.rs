//! `policies/status.toml`: how long a CRL and an OCSP answer can be relied on, and when the next one is made.

use super::reader::{PolicyError, Reader};

/// BR 4.9.7: nextUpdate at most 10 days after thisUpdate.
const CRL_LIFETIME: std::ops::RangeInclusive<i64> = 2..=240;
/// ETSI EN 319 411-1 CSS-6.3.9-05: a new CRL at least every 24 hours.
const CRL_REFRESH: std::ops::RangeInclusive<i64> = 1..=24;
/// BR 4.9.10: an answer is valid for 8 hours to 10 days.
const OCSP_LIFETIME: std::ops::RangeInclusive<i64> = 8..=240;
const OCSP_REFRESH: std::ops::RangeInclusive<i64> = 1..=96;

/// Our own figure: a revocation is seen by portals within 5 seconds.
const PORTAL_LAG: std::ops::RangeInclusive<i64> = 1..=5;

/// Lifetimes, in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRules {
    crl_lifetime: i64,
    crl_refresh: i64,
    ocsp_lifetime: i64,
    ocsp_refresh: i64,
    portal_lag: i64,
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

    /// How far a portal's CRL may lag behind the served one. A new certificate leaves the server only after its hold
    /// has been served for so long (I7).
    #[must_use]
    pub fn portal_lag_secs(&self) -> i64 {
        self.portal_lag
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
        let ocsp_lifetime = section.integer("ocsp-lifetime-hours", OCSP_LIFETIME);
        let ocsp_refresh = section.integer("ocsp-refresh-hours", OCSP_REFRESH);
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
        let seconds = |hours: Option<i64>| hours.map(|hours| hours * 3600);
        Some(StatusRules {
            crl_lifetime: seconds(crl_lifetime)?,
            crl_refresh: seconds(crl_refresh)?,
            ocsp_lifetime: seconds(ocsp_lifetime)?,
            ocsp_refresh: seconds(ocsp_refresh)?,
            portal_lag: portal_lag?,
            sha256: reader.sha256(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;

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
            (
                "ocsp-refresh-hours = 6",
                "ocsp-refresh-hours = 13",
                "ocsp-refresh-hours must be at most half of the lifetime, found 13",
            ),
        ] {
            let errors = testing::errors_after("status.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
        assert_eq!(testing::policies().status().crl_lifetime_secs(), 72 * 3600);
    }
}

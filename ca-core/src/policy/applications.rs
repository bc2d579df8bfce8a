//! `policies/applications.toml`: what holds for every application, whatever it asks for.

use super::reader::{PolicyError, Reader, Section};

/// Ten years.
const DAYS_MAX: i64 = 3650;
const YEARS_MAX: i64 = 10;
/// Longer than that, and a token that is repaired is replaced.
const TEMPORARY_DAYS_MAX: i64 = 30;

/// Renewals that nobody has to apply for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenewalRules {
    /// Whether there are any.
    pub automatic: bool,
    /// How many days before a certificate's end its renewal is ordered.
    pub days_before: u16,
    /// How many years it buys.
    pub years: u16,
}

/// What holds for every application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRules {
    cps: String,
    project: String,
    expire_after_days: u16,
    temporary_days: u16,
    renewal: RenewalRules,
    sha256: [u8; 32],
}

impl ApplicationRules {
    /// The version of the certification practice statement that applicants accept (《电子签名法》 Art. 19).
    #[must_use]
    pub fn cps(&self) -> &str {
        &self.cps
    }

    /// The project whose tariff is quoted.
    #[must_use]
    pub fn project(&self) -> &str {
        &self.project
    }

    /// Days after which an application that nobody decided or paid for expires.
    #[must_use]
    pub fn expire_after_days(&self) -> u16 {
        self.expire_after_days
    }

    /// For how many days a certificate serves while another's token is repaired.
    #[must_use]
    pub fn temporary_days(&self) -> u16 {
        self.temporary_days
    }

    /// Renewals by themselves.
    #[must_use]
    pub fn renewal(&self) -> RenewalRules {
        self.renewal
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<ApplicationRules, Vec<PolicyError>> {
    reader.read(|section| {
        let (cps, project) = (section.text("cps"), section.text("project"));
        let expire_after_days = section.integer("expire-after-days", 1..=DAYS_MAX);
        let temporary_days = section.integer("temporary-days", 1..=TEMPORARY_DAYS_MAX);
        let renewal = section.table("renewal", renewal);
        Some(ApplicationRules {
            cps: cps?.to_owned(),
            project: project?.to_owned(),
            expire_after_days: u16::try_from(expire_after_days?).ok()?,
            temporary_days: u16::try_from(temporary_days?).ok()?,
            renewal: renewal?,
            sha256: reader.sha256(),
        })
    })
}

fn renewal(section: &Section<'_>) -> Option<RenewalRules> {
    let automatic = section.flag("automatic");
    let days_before = section.integer("days-before", 1..=DAYS_MAX);
    let years = section.integer("years", 1..=YEARS_MAX);
    Some(RenewalRules {
        automatic: automatic?,
        days_before: u16::try_from(days_before?).ok()?,
        years: u16::try_from(years?).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn the_rules() {
        let policies = testing::policies();
        let cps = &testing::files()["cps.md"];
        let version = format!("版本 Version: {}\n", policies.applications().cps());
        assert!(cps.contains(&version), "cps.md does not say {version}");
        let errors =
            testing::errors_after("applications.toml", "expire-after-days = 60", "expire-after-days = 0");
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}

//! `policies/applications.toml`: what holds for every application, whatever it asks for.

use super::reader::{PolicyError, Reader};

/// Ten years.
const DAYS_MAX: i64 = 3650;

/// What holds for every application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationRules {
    cps: String,
    project: String,
    expire_after_days: u16,
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
        Some(ApplicationRules {
            cps: cps?.to_owned(),
            project: project?.to_owned(),
            expire_after_days: u16::try_from(expire_after_days?).ok()?,
            sha256: reader.sha256(),
        })
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

//! What an auditor signs off: the files of `policies/`, read once into values that passed every limit.
//!
//! Text comes in as an argument. Every error names file, line and rule, and all errors are reported at once.
//! What deliberately does not live here: acting on a policy (`key`, `issuance`, `ca-server`).

mod applications;
mod calendar;
mod counters;
mod documents;
mod eligibility;
mod fees;
mod keys;
mod profile;
mod reader;
mod retention;
mod roles;
mod status;
#[cfg(test)]
pub(crate) mod testing;
mod tokens;

use std::collections::BTreeMap;

pub use applications::{ApplicationRules, RenewalRules};
pub use calendar::{Calendar, Deadline};
pub use counters::{Counter, Counters};
pub use documents::{DocumentRule, DocumentRules, MissingDocument};
pub use eligibility::{AgencyRule, Eligibility, EligibilityRules};
pub use fees::Fees;
pub use keys::KeyRules;
pub use profile::{AlternativeName, Attribute, ExtendedKeyUsage, KeyUsage, Kind, Profile};
pub use reader::PolicyError;
pub use retention::RetentionRules;
pub use roles::{AGENT_ACCOUNT, PORTAL, Roles, UNIT_ACCOUNT};
pub use status::{HoldRules, StatusRules};
pub use tokens::{InitialPin, TokenModel, TokenRules};

use ca_verifier::Time;

use crate::{Error, billing::Tariff};
use reader::Reader;

const KEYS: &str = "keys.toml";
const KNOWN_BAD: &str = "known-bad-keys.txt";
const FEES: &str = "fees.toml";
const ROLES: &str = "roles.toml";
const DOCUMENTS: &str = "documents.toml";
const TOKENS: &str = "tokens.toml";
const STATUS: &str = "status.toml";
const CALENDAR: &str = "calendar.toml";
const ELIGIBILITY: &str = "eligibility.toml";
const APPLICATIONS: &str = "applications.toml";
const RETENTION: &str = "retention.toml";
const COUNTERS: &str = "counters.toml";
const PROFILES: &str = "profiles/";

/// The profiles that the path of a certificate and the ceremony need.
const NEEDED_PROFILES: [&str; 6] =
    ["issuing-ca", "ocsp-signer", "root-ca", "staff-auth", "tls-server", "unit-sign"];

/// Every policy.
#[derive(Clone, Debug)]
pub struct Policies {
    profiles: BTreeMap<String, Profile>,
    keys: KeyRules,
    fees: Fees,
    roles: Roles,
    documents: DocumentRules,
    tokens: TokenRules,
    status: StatusRules,
    calendar: Calendar,
    eligibility: EligibilityRules,
    applications: ApplicationRules,
    retention: RetentionRules,
    counters: Counters,
    sha256: [u8; 32],
}

impl Policies {
    /// Reads all files; the keys are paths relative to `policies/`. Files ending in `.md` are for people.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of files and lines; a missing or unknown file is an error too.
    pub fn parse(files: &BTreeMap<String, String>) -> Result<Self, Vec<PolicyError>> {
        let mut errors = unknown_files(files);
        let mut read = |name: &str| match files.get(name) {
            Some(text) => text.as_str(),
            None => {
                errors.push(PolicyError::missing(name));
                ""
            }
        };
        let texts = [
            KEYS,
            KNOWN_BAD,
            FEES,
            ROLES,
            DOCUMENTS,
            TOKENS,
            STATUS,
            CALENDAR,
            ELIGIBILITY,
            APPLICATIONS,
            RETENTION,
            COUNTERS,
        ]
        .map(&mut read);
        let needed = NEEDED_PROFILES.map(|name| format!("{PROFILES}{name}.toml"));
        for name in &needed {
            read(name);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let [
            keys,
            known_bad,
            fees,
            roles,
            documents,
            tokens,
            status,
            calendar,
            eligibility,
            applications,
            retention,
            counters,
        ] = texts;
        let keys = keys::parse(&Reader::new(KEYS, keys), &Reader::new(KNOWN_BAD, known_bad));
        let fees = collect(&mut errors, fees::parse(&Reader::new(FEES, fees)));
        let roles = collect(&mut errors, roles::parse(&Reader::new(ROLES, roles)));
        let documents = collect(&mut errors, documents::parse(&Reader::new(DOCUMENTS, documents)));
        let tokens = collect(&mut errors, tokens::parse(&Reader::new(TOKENS, tokens)));
        let status = collect(&mut errors, status::parse(&Reader::new(STATUS, status)));
        let calendar = collect(&mut errors, calendar::parse(&Reader::new(CALENDAR, calendar)));
        let eligibility = collect(&mut errors, eligibility::parse(&Reader::new(ELIGIBILITY, eligibility)));
        let applications =
            collect(&mut errors, applications::parse(&Reader::new(APPLICATIONS, applications)));
        let retention = collect(&mut errors, retention::parse(&Reader::new(RETENTION, retention)));
        let counters = collect(&mut errors, counters::parse(&Reader::new(COUNTERS, counters)));
        let keys = collect(&mut errors, keys);
        let mut profiles = BTreeMap::new();
        for (name, text) in
            files.iter().filter(|(name, _)| name.starts_with(PROFILES) && name.ends_with(".toml"))
        {
            if let Some(profile) = collect(&mut errors, profile::parse(&Reader::new(name, text))) {
                profiles.insert(profile.name().to_owned(), profile);
            }
        }
        errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        match (
            keys,
            fees,
            roles,
            documents,
            tokens,
            status,
            calendar,
            eligibility,
            applications,
            retention,
            counters,
        ) {
            (
                Some(keys),
                Some(fees),
                Some(roles),
                Some(documents),
                Some(tokens),
                Some(status),
                Some(calendar),
                Some(eligibility),
                Some(applications),
                Some(retention),
                Some(counters),
            ) if errors.is_empty() => Ok(Self {
                profiles,
                keys,
                fees,
                roles,
                documents,
                tokens,
                status,
                calendar,
                eligibility,
                applications,
                retention,
                counters,
                sha256: digest_of(files),
            }),
            _ => Err(errors),
        }
    }

    /// A profile by its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn profile(&self, name: &str) -> Result<&Profile, Error> {
        self.profiles.get(name).ok_or_else(|| Error::Unknown { what: "profile", value: name.to_owned() })
    }

    /// Every profile, by name.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        self.profiles.values()
    }

    /// Which public keys are acceptable.
    #[must_use]
    pub fn keys(&self) -> &KeyRules {
        &self.keys
    }

    /// What things cost, and from when.
    #[must_use]
    pub fn fees(&self) -> &Fees {
        &self.fees
    }

    /// The tariff that is quoted at a moment; `None` before the first one begins.
    #[must_use]
    pub fn tariff(&self, now: Time) -> Option<&Tariff> {
        self.fees.at(self.applications.project(), now)
    }

    /// Which units may have a certificate.
    #[must_use]
    pub fn eligibility(&self) -> &EligibilityRules {
        &self.eligibility
    }

    /// How long applications stay open, and which statement they accept.
    #[must_use]
    pub fn applications(&self) -> &ApplicationRules {
        &self.applications
    }

    /// How long personal data is kept.
    #[must_use]
    pub fn retention(&self) -> &RetentionRules {
        &self.retention
    }

    /// Where units are sent to.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Working days.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Who may do what.
    #[must_use]
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Which documents an application needs.
    #[must_use]
    pub fn documents(&self) -> &DocumentRules {
        &self.documents
    }

    /// PINs of tokens.
    #[must_use]
    pub fn tokens(&self) -> &TokenRules {
        &self.tokens
    }

    /// SHA-256 over names and texts of all files: two servers with the same value decide alike.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Lifetimes of CRLs and OCSP answers.
    #[must_use]
    pub fn status(&self) -> &StatusRules {
        &self.status
    }
}

/// Each name and text with its length before it, so that no two sets of files have the same octets.
fn digest_of(files: &BTreeMap<String, String>) -> [u8; 32] {
    let mut all = Vec::new();
    for part in files.iter().flat_map(|(name, text)| [name, text]) {
        all.extend_from_slice(format!("{}:", part.len()).as_bytes());
        all.extend_from_slice(part.as_bytes());
    }
    crate::key::sha256(&all)
}

fn collect<T>(errors: &mut Vec<PolicyError>, result: Result<T, Vec<PolicyError>>) -> Option<T> {
    result.map_err(|mut found| errors.append(&mut found)).ok()
}

fn unknown_files(files: &BTreeMap<String, String>) -> Vec<PolicyError> {
    let known = [
        KEYS,
        KNOWN_BAD,
        FEES,
        ROLES,
        DOCUMENTS,
        TOKENS,
        STATUS,
        CALENDAR,
        ELIGIBILITY,
        APPLICATIONS,
        RETENTION,
        COUNTERS,
    ];
    let is_known = |name: &str| {
        known.contains(&name)
            || name.ends_with(".md")
            || (name.starts_with(PROFILES) && name.ends_with(".toml"))
    };
    files.keys().filter(|name| !is_known(name)).map(|name| PolicyError::unknown(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_repository_are_good() {
        let policies = Policies::parse(&testing::files()).unwrap();
        assert_eq!(policies.profiles().count(), NEEDED_PROFILES.len());
        assert_eq!(policies.profile("unit-sign").unwrap().name(), "unit-sign");
        assert!(matches!(policies.profile("unit"), Err(Error::Unknown { what: "profile", .. })));
    }

    #[test]
    fn missing_and_unknown_files_are_errors() {
        let mut files = testing::files();
        files.remove("fees.toml");
        files.remove("profiles/root-ca.toml");
        files.insert("fee.toml".to_owned(), String::new());
        let errors: Vec<String> =
            Policies::parse(&files).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            errors,
            [
                "policies/fee.toml:1: the name must be one that policies/README.md lists, found fee.toml",
                "policies/fees.toml:1: the file must exist, found nothing",
                "policies/profiles/root-ca.toml:1: the file must exist, found nothing",
            ]
        );
    }

    #[test]
    fn errors_of_several_files_come_together() {
        let mut files = testing::files();
        testing::replace(&mut files, "fees.toml", "years-max = 3", "years-max = 0");
        testing::replace(&mut files, "status.toml", "ocsp-lifetime-hours = 24", "ocsp-lifetime-hours = 4");
        testing::replace(
            &mut files,
            "keys.toml",
            "fermat-rounds = 100",
            "fermat-rounds = 100\ncolour = \"red\"",
        );
        let errors = Policies::parse(&files).unwrap_err();
        let named: Vec<&str> = errors.iter().map(|error| error.file.as_str()).collect();
        assert_eq!(named, ["fees.toml", "keys.toml", "status.toml"], "{errors:?}");
        assert!(errors[0].to_string().ends_with("years-max must be 1 to 10, found 0"), "{}", errors[0]);
        assert!(errors[1].to_string().contains("the key must be one of"), "{}", errors[1]);
    }
}

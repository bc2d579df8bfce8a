//! What goes wrong, in two kinds: a [`Problem`] is a rule's "no", told to a person and written to the log; a
//! [`Failure`] is the program's own, kept in the trace and shown as a number only.

use std::{fmt, path::PathBuf};

use ca_core::Refusal;
use ca_store::StoreError;

use crate::rule::{Language, Rule};

/// A rule that said no, with the values that were compared.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) rule: Rule,
    facts: Vec<(&'static str, String)>,
    /// What is missing, each by its own rule.
    parts: Vec<Problem>,
    /// What really happened, for the trace only.
    cause: Option<Box<Failure>>,
}

/// What the program itself could not do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// A file.
    #[error("{}: {error}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A configuration file.
    #[error("{}: {detail}", file.display())]
    Config {
        /// Which.
        file: PathBuf,
        /// Why.
        detail: String,
    },
    /// The operating system's random generator.
    #[error("the random generator failed or repeats itself")]
    Randomness,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A token of the CA.
    #[error(transparent)]
    Hsm(#[from] hsm::Error),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    /// Sockets.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Anything that should not be: what, in English, for whoever reads the trace.
    #[error("{0}")]
    Inconsistent(String),
    /// Several policy errors.
    #[error("{0}")]
    Policies(String),
    /// A rule, at the command line.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    pub(crate) fn file(file: impl Into<PathBuf>, error: std::io::Error) -> Self {
        Self::File { file: file.into(), error }
    }

    pub(crate) fn no_ceremony() -> Self {
        Self::Refused(
            "还没有举行密钥仪式。请先运行 ca-server init 或 ca-server ceremony。\n\
             No key ceremony has been held. Run ca-server init or ca-server ceremony first."
                .to_owned(),
        )
    }

    pub(crate) fn inconsistent(what: impl fmt::Display) -> Self {
        Self::Inconsistent(what.to_string())
    }
}

impl Problem {
    pub(crate) fn new(rule: Rule) -> Self {
        Self { rule, facts: Vec::new(), parts: Vec::new(), cause: None }
    }

    /// Everything that is missing at once: one lack is itself, several are a closed gate.
    pub(crate) fn unless_empty(mut missing: Vec<Self>) -> Result<(), Self> {
        match missing.len() {
            0 => Ok(()),
            1 => Err(missing.remove(0)),
            count => {
                let rules: Vec<&str> = missing.iter().map(|problem| problem.rule.name()).collect();
                let problem =
                    Self::new(Rule::GateClosed).with("count", count).with("missing", rules.join(", "));
                Err(Self { parts: missing, ..problem })
            }
        }
    }

    /// With everything that it is made of.
    pub(crate) fn made_of(mut self, parts: Vec<Self>) -> Self {
        self.parts = parts;
        self
    }

    /// With one more value for the text.
    pub(crate) fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }

    pub(crate) fn not_found(object: impl fmt::Display) -> Self {
        Self::new(Rule::NotFound).with("object", object)
    }

    pub(crate) fn field(field: &str, detail: impl fmt::Display) -> Self {
        Self::new(Rule::Field).with("field", field).with("detail", detail)
    }

    /// What happened and what to do.
    pub(crate) fn texts(&self, language: Language) -> (String, String) {
        let (situation, remedy) = self.rule.texts(language);
        let mut situation = self.fill(situation);
        for part in &self.parts {
            if language == Language::En {
                situation.push(' ');
            }
            situation.push_str(&part.texts(language).0);
        }
        (situation, self.fill(remedy))
    }

    /// The values, for problem documents and the log.
    pub(crate) fn facts(&self) -> &[(&'static str, String)] {
        &self.facts
    }

    /// What is missing, one by one; empty when the problem is one thing.
    pub(crate) fn parts(&self) -> &[Self] {
        &self.parts
    }

    pub(crate) fn cause(&self) -> Option<&Failure> {
        self.cause.as_deref()
    }

    fn fill(&self, text: &str) -> String {
        self.facts
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

impl fmt::Display for Problem {
    /// Both languages: for terminals and the trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (zh, zh_remedy) = self.texts(Language::Zh);
        let (en, en_remedy) = self.texts(Language::En);
        write!(f, "{zh}{zh_remedy}\n{en} {en_remedy} [{}]", self.rule.name())
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        if let Failure::Store(error) = failure {
            return Self::from(error);
        }
        let id = crate::wire::random::<4>().map(hex::encode).unwrap_or_default();
        Self { cause: Some(Box::new(failure)), ..Self::new(Rule::Internal).with("id", id) }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what } => Self::new(conflict(what)).with("object", what),
            StoreError::Stale { what } => Self::new(Rule::Stale).with("object", what),
            StoreError::NotFound => Self::not_found("record"),
            StoreError::Busy | StoreError::OutcomeUnknown => Self::new(Rule::Busy),
            other => {
                let id = crate::wire::random::<4>().map(hex::encode).unwrap_or_default();
                let cause = Some(Box::new(Failure::Store(other)));
                Self { cause, ..Self::new(Rule::Internal).with("id", id) }
            }
        }
    }
}

fn conflict(what: &str) -> Rule {
    match what {
        "payment-reference" => Rule::PaidAlready,
        "public-key" => Rule::KeyUsed,
        "live-attempt" | "workstation" => Rule::WorkstationBusy,
        _ => Rule::Duplicate,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SamePerson => Self::new(Rule::SamePerson),
            Refusal::PersonWanted => Self::new(Rule::PersonWanted),
            Refusal::Revoked => Self::new(Rule::RevokedForEver),
            Refusal::WrongState { state, command } => {
                Self::new(Rule::WrongState).with("state", state).with("command", command)
            }
            Refusal::PaidTwice { first, second } => {
                Self::new(Rule::PaidTwice).with("first", first).with("second", second)
            }
            other => Self::new(Rule::WrongState).with("state", "?").with("command", other),
        }
    }
}

impl From<ca_core::Error> for Problem {
    fn from(error: ca_core::Error) -> Self {
        use ca_core::Error as Core;
        use ca_verifier::Error as Shared;
        match error {
            Core::Verifier(Shared::UsccForm) => Self::new(Rule::UsccForm),
            Core::Verifier(Shared::UsccCheck { found, expected }) => {
                Self::new(Rule::UsccCheck).with("found", found).with("expected", expected)
            }
            Core::Years { asked, most } => {
                Self::new(Rule::YearsOutside).with("asked", asked).with("most", most)
            }
            Core::Name => Self::field("name", error),
            Core::LabourNumber => Self::field("labour_no", error),
            Core::IdCardForm | Core::IdCardDate | Core::IdCardCheck => Self::field("id_card", error),
            Core::Region => Self::field("region", error),
            Core::CertificateWanted { .. } => Self::field("certificate", error),
            Core::Unknown { what, .. } => Self::field(what, error),
            Core::Verifier(Shared::OrgCodeForm) => Self::new(Rule::OrgCodeForm),
            Core::Verifier(Shared::OrgCodeCheck { found, expected }) => {
                Self::new(Rule::OrgCodeCheck).with("found", found).with("expected", expected)
            }
            Core::CardNumber => Self::field("card", error),
            Core::Identifier => Self::field("id", error),
            Core::Mail => Self::field("mail", error),
            Core::Phone => Self::field("phone", error),
            Core::Token { part } => Self::field(part, error),
            other => Self::field("?", other),
        }
    }
}

impl From<ca_verifier::Error> for Problem {
    fn from(error: ca_verifier::Error) -> Self {
        Self::from(ca_core::Error::from(error))
    }
}

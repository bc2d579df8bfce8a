//! The crate's errors and refusals, with the values that were compared.

/// Input that cannot be read, or a value outside its limits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not one of our identifiers.
    #[error("identifier: 32 lower-case hexadecimal characters are needed")]
    Identifier,
    /// A name that cannot stand in a certificate.
    #[error("name: 1 to 100 characters without control, direction or zero-width characters are needed")]
    Name,
    /// 劳动保障证号.
    #[error("labour number: eight digits are needed")]
    LabourNumber,
    /// A kind of application that has a certificate too many or too few.
    #[error("certificate: {}", if *wanted { "this kind of application names one" } else { "a new one names none" })]
    CertificateWanted {
        /// Whether the kind names one.
        wanted: bool,
    },
    /// Region: six digits (GB/T 2260).
    #[error("region: six digits of GB/T 2260 are needed")]
    Region,
    /// Identity card: 17 digits and a check character.
    #[error("identity card: 17 digits and a check character are needed")]
    IdCardForm,
    /// Identity card: impossible date of birth.
    #[error("identity card: the date of birth does not exist")]
    IdCardDate,
    /// Identity card: check digit.
    #[error("identity card: the check digit does not fit")]
    IdCardCheck,
    /// A mail address.
    #[error("mail: an address as name@example.com is needed, in ASCII, 254 characters at most")]
    Mail,
    /// A telephone number.
    #[error("phone: a mobile number of 11 digits, or a landline with its area code, is needed")]
    Phone,
    /// The number of a social security card.
    #[error("social security card: 1 to 32 ASCII letters and digits are needed")]
    CardNumber,
    /// Personal data that was changed, moved, or sealed by another key. Says nothing of what it was.
    #[error("personal data: it does not open with this key at this place")]
    Personal,
    /// Years outside the tariff.
    #[error("{asked} years asked, 1 to {most} can be bought")]
    Years {
        /// As asked.
        asked: u16,
        /// The tariff's limit.
        most: u16,
    },
    /// A token's number, model, batch or box.
    #[error("{part}: {}", if *part == "serial" {
        "1 to 16 printable ASCII characters without spaces are needed, as the token says it"
    } else {
        "1 to 40 letters, digits, spaces, '-', '_', '.' or '/' are needed"
    })]
    Token {
        /// Which part.
        part: &'static str,
    },
    /// Past 2^63 fen.
    #[error("amount too large")]
    Overflow,
    /// A name that no list knows.
    #[error("unknown {what}: {value}")]
    Unknown {
        /// What kind of name.
        what: &'static str,
        /// As given.
        value: String,
    },
    /// A raw ECDSA signature of a length that P-256 does not have.
    #[error("signature: 64 octets are needed, found {octets}")]
    RawSignature {
        /// As given.
        octets: usize,
    },
    /// A signature that is not the key's over the message.
    #[error("signature: it does not verify")]
    Signature,
    /// A serial number of another form than this CA's.
    #[error("serial number {0}: 18 octets are needed")]
    Serial(ca_verifier::Serial),
    /// A certificate that cannot serve as what it should.
    #[error("certificate of the {what}: {why}")]
    Certificate {
        /// `issuer` or `responder`.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An address that cannot stand in a certificate.
    #[error("address: {schemes}, a host and visible ASCII are needed, found {found}")]
    Url {
        /// As given.
        found: String,
        /// Which schemes are possible here.
        schemes: String,
    },
    /// Neither an IP address nor a DNS name.
    #[error("host: an IP address or a lower-case DNS name without wildcard is needed")]
    Host,
    /// A payment cannot be taken back, or not so far.
    #[error("amount: {method} of {paid} cannot be taken back by {amount}")]
    NotTakenBack {
        /// How it was paid.
        method: &'static str,
        /// How much it was.
        paid: crate::Fen,
        /// How much would be taken back.
        amount: crate::Fen,
    },
    /// See [`ca_verifier::Error`].
    #[error(transparent)]
    Verifier(#[from] ca_verifier::Error),
}

/// A rule that said no. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The command does not fit the state.
    #[error("{command} is not possible in state {state}")]
    WrongState {
        /// Where it stands.
        state: &'static str,
        /// What was asked.
        command: &'static str,
    },
    /// I10: who enters does not decide.
    #[error("the person who entered an application cannot decide it")]
    SamePerson,
    /// I10: the policy approves nothing that a person entered or corrected.
    #[error("a person must decide it: a person entered it")]
    PersonWanted,
    /// I6: revoked stays revoked.
    #[error("the certificate is revoked, for ever")]
    Revoked,
    /// Money came twice for one online payment: a person must look, and give one of the two back.
    #[error(
        "paid by transaction {first} already; transaction {second} is a second payment, a person must look"
    )]
    PaidTwice {
        /// The gateway's number of the payment that counts.
        first: String,
        /// The gateway's number of the other one.
        second: String,
    },
}

impl Refusal {
    /// The rule's name in the log and in problem documents.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::WrongState { .. } => "wrong-state",
            Self::SamePerson => "same-person",
            Self::PersonWanted => "person-wanted",
            Self::Revoked => "revoked-for-ever",
            Self::PaidTwice { .. } => "paid-twice",
        }
    }
}

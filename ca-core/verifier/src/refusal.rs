//! Why a certificate is not accepted, in words that a program can compare and a page can explain.

use crate::{Reason, Time};

/// Why a portal lets nobody in. Every value is a refusal; there is no "warning".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The client showed no certificate.
    #[error("no certificate")]
    NoCertificate,
    /// Past notAfter.
    #[error("expired at {not_after}")]
    Expired {
        /// The certificate's notAfter.
        not_after: Time,
    },
    /// Before notBefore.
    #[error("not valid before {not_before}")]
    NotYetValid {
        /// The certificate's notBefore.
        not_before: Time,
    },
    /// A CA certificate on the path is past its notAfter or before its notBefore.
    #[error("a certificate authority on the path is outside its validity")]
    IssuerExpired,
    /// No path to a trust anchor: self-signed or from another CA.
    #[error("unknown issuer")]
    UnknownIssuer,
    /// A signature on the path does not verify or is of an algorithm that is not accepted.
    #[error("bad signature")]
    BadSignature,
    /// A CA certificate, or keyUsage lacks digitalSignature (RFC 5280 §4.2.1.3).
    #[error("key usage does not allow a login")]
    KeyUsage,
    /// extendedKeyUsage lacks clientAuth (RFC 5280 §4.2.1.12).
    #[error("extended key usage does not allow a login")]
    ExtendedKeyUsage,
    /// Not a certificate that RFC 5280 allows, too large, or too many certificates.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// No, or more than one, or a wrong unified social credit code in extension 1.2.156.10260.4.1.4.
    #[error("no unit identity")]
    NoIdentity,
    /// Revoked for ever.
    #[error("revoked: {}", .0.name())]
    Revoked(Reason),
    /// On hold.
    #[error("on hold")]
    Held,
    /// The holder has not activated it yet.
    #[error("not activated")]
    NotActivated,
    /// It cannot be told whether the certificate is good now.
    #[error("status unavailable: {0}")]
    StatusUnavailable(Unavailable),
}

impl Refusal {
    /// A short word for logs, JSON and tests.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no-certificate",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not-yet-valid",
            Self::IssuerExpired => "issuer-expired",
            Self::UnknownIssuer => "unknown-issuer",
            Self::BadSignature => "bad-signature",
            Self::KeyUsage => "key-usage",
            Self::ExtendedKeyUsage => "extended-key-usage",
            Self::Malformed(_) => "malformed",
            Self::NoIdentity => "no-identity",
            Self::Revoked(_) => "revoked",
            Self::Held => "held",
            Self::NotActivated => "not-activated",
            Self::StatusUnavailable(_) => "status-unavailable",
        }
    }
}

/// Why the status of a certificate is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The certificate names no CRL.
    #[error("the certificate names no CRL distribution point")]
    NoDistributionPoint,
    /// No CRL of the certificate's issuer is loaded for the distribution points that it names.
    #[error("no CRL is loaded for {url}")]
    NotLoaded {
        /// First distribution point of the certificate.
        url: String,
    },
    /// The loaded CRL is too old.
    #[error("the CRL {url} was current until {next_update}")]
    Stale {
        /// The distribution point.
        url: String,
        /// Its nextUpdate.
        next_update: Time,
    },
    /// No source has confirmed the loaded CRL for longer than the portal allows.
    #[error("the CRL {url} was last confirmed at {since}")]
    Unconfirmed {
        /// The distribution point.
        url: String,
        /// When a source last delivered or confirmed it.
        since: Time,
    },
    /// Push is configured, and its source has not been heard for longer than allowed, or never.
    #[error("the status source was last heard at {since:?}")]
    Silent {
        /// When it was last heard.
        since: Option<Time>,
    },
    /// The source of push took a revocation back.
    #[error("the status source took a revocation back and is not trusted any more")]
    Distrusted,
    /// The loaded CRL is from the future: one of the two clocks is wrong.
    #[error("the CRL {url} is current from {this_update} on")]
    NotYetCurrent {
        /// The distribution point.
        url: String,
        /// Its thisUpdate.
        this_update: Time,
    },
}

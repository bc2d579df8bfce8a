//! The intent: what is durable before a signature is made (I2), and the proof that it is.

use ca_verifier::{Serial, Time};

use crate::{ApplicationId, AttemptId, UnitId};

/// Everything that is fixed before a certificate is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The serial number: recorded once, signed at most once (I3).
    pub serial: Serial,
    /// Which of our CAs signs: `root` or `issuing`.
    pub issuer: String,
    /// Profile name.
    pub profile: String,
    /// SHA-256 of the profile's file, so that a mixed deployment is seen.
    pub profile_sha256: [u8; 32],
    /// The exact DER of TBSCertificate.
    pub tbs: Vec<u8>,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
    /// The subject's public key belongs to this unit; `None` for the CA's own certificates.
    pub unit: Option<UnitId>,
    /// The application that asked for it.
    pub application: Option<ApplicationId>,
    /// The attempt that it belongs to.
    pub attempt: Option<AttemptId>,
    /// The token that holds the key, by its serial number.
    pub token: Option<String>,
    /// Start of validity, whole seconds.
    pub not_before: Time,
    /// End of validity, whole seconds.
    pub not_after: Time,
    /// CRL shard, fixed for the certificate's life.
    pub shard: u16,
    /// Who asked, as the log writes it.
    pub actor: String,
    /// When it was prepared.
    pub at: Time,
}

/// Proof that an intent is durable. Without it nothing can be signed.
#[must_use = "a recorded intent is signed or burned"]
#[derive(Debug, PartialEq, Eq)]
pub struct RecordedIntent {
    serial: Serial,
}

impl RecordedIntent {
    /// To be called by the store, after the transaction that inserted the intent has been committed, and by
    /// nobody else: a test looks for other callers.
    pub fn assert_recorded(serial: Serial) -> Self {
        Self { serial }
    }

    /// Which intent.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.serial
    }
}

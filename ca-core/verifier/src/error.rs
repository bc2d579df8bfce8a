//! The crate's errors, with the values that were compared.

use crate::{Serial, Time};

/// What can be wrong with input.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a serial number (RFC 5280 §4.1.2.2).
    #[error("serial number: {0}")]
    Serial(&'static str),
    /// Not 18 characters of the code's alphabet (GB 32100-2015).
    #[error("unified social credit code: 18 characters of 0-9 and A-Y without I, O, S, V, Z are needed")]
    UsccForm,
    /// The check digit does not fit (GB 32100-2015 §4.6).
    #[error("unified social credit code: check digit is {found}, computed {expected}")]
    UsccCheck {
        /// As written.
        found: char,
        /// As computed.
        expected: char,
    },
    /// Not nine characters of the code's alphabet (GB 11714-1997).
    #[error("organisation code: eight digits or capital letters and a check of 0-9 or X are needed")]
    OrgCodeForm,
    /// The check does not fit (GB 11714-1997 §3.3).
    #[error("organisation code: check is {found}, computed {expected}")]
    OrgCodeCheck {
        /// As written.
        found: char,
        /// As computed.
        expected: char,
    },
    /// More octets than this crate reads.
    #[error("{what}: {found} octets, at most {limit} are read")]
    Size {
        /// What was to be read.
        what: &'static str,
        /// Octets found.
        found: usize,
        /// Octets read at most.
        limit: usize,
    },
    /// Not DER, or not the structure that the standard names.
    #[error("{what}: {why}")]
    Form {
        /// What was to be read.
        what: &'static str,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// An extension that must be understood and is not (RFC 5280 §4.2, §5.2, RFC 6960 §4.4).
    #[error("{what}: critical extension {oid} is unknown")]
    CriticalExtension {
        /// What was to be read.
        what: &'static str,
        /// Content octets of the object identifier, in hexadecimal.
        oid: String,
    },
    /// The signature is not the issuer's, or of an algorithm that is not accepted.
    #[error("{what}: signature does not verify with the issuer's key")]
    Signature {
        /// What was signed.
        what: &'static str,
    },
    /// Signed for another issuer than the one that was given.
    #[error("{what}: names another issuer")]
    Issuer {
        /// What was signed.
        what: &'static str,
    },
    /// The certificate must not sign what was checked (keyUsage, extendedKeyUsage, basicConstraints).
    #[error("{what}: the signer's certificate does not allow it: {why}")]
    Signer {
        /// What was signed.
        what: &'static str,
        /// What the certificate lacks.
        why: &'static str,
    },
    /// A CRL or OCSP answer from the future, beyond the tolerated clock skew.
    #[error("{what}: thisUpdate {this_update} lies after {now}")]
    NotYetCurrent {
        /// What was read.
        what: &'static str,
        /// Its thisUpdate.
        this_update: Time,
        /// The time given.
        now: Time,
    },
    /// A CRL or OCSP answer whose time is over.
    #[error("{what}: nextUpdate {next_update} lies before {now}")]
    NoLongerCurrent {
        /// What was read.
        what: &'static str,
        /// Its nextUpdate.
        next_update: Time,
        /// The time given.
        now: Time,
    },
    /// An older CRL than the one in use, or another one under the same number.
    #[error("CRL {url}: number {found} does not follow {held}")]
    CrlNumber {
        /// The distribution point.
        url: String,
        /// Number in use, hexadecimal.
        held: String,
        /// Number refused, hexadecimal.
        found: String,
    },
    /// The status epoch went back or disappeared.
    #[error("CRL {url}: epoch {found:?} does not follow {held}")]
    CrlEpoch {
        /// The distribution point.
        url: String,
        /// Epoch in use.
        held: u64,
        /// Epoch refused.
        found: Option<u64>,
    },
    /// An OCSP responder's error answer (RFC 6960 §4.2.1): 1 malformedRequest, 2 internalError, 3 tryLater,
    /// 5 sigRequired, 6 unauthorized.
    #[error("OCSP: the responder answered with error {0}")]
    OcspStatus(u8),
    /// The answer does not repeat the request's nonce (RFC 9654).
    #[error("OCSP: the answer's nonce is not the request's")]
    OcspNonce,
    /// No, or more than one, answer about the certificate that was asked for.
    #[error("OCSP: {found} answers about the certificate, exactly 1 is needed")]
    OcspAnswers {
        /// Answers that match.
        found: usize,
    },
    /// Changes between the own epoch and the message's are missing: take the snapshot.
    #[error("status: changes from epoch {held:?} to {from} are missing; take the snapshot")]
    StatusGap {
        /// The own epoch; `None` before the first snapshot.
        held: Option<u64>,
        /// Where the message begins.
        from: u64,
    },
    /// A message that was told before, or a source that has gone back.
    #[error(
        "status: what was told up to epoch {held} at {held_at} is newer than epoch {found} at {found_at}"
    )]
    StatusBack {
        /// The own epoch.
        held: u64,
        /// Time of the last message.
        held_at: Time,
        /// Epoch of the one refused.
        found: u64,
        /// Its time.
        found_at: Time,
    },
    /// The source took a revocation back, now or before: it is not trusted any more.
    #[error("status: the source took the revocation of {serial} back; it is not trusted any more")]
    StatusUnrevoked {
        /// Which.
        serial: Serial,
    },
    /// No push of status is expected from this issuer.
    #[error("status: this issuer is not configured as a source of push")]
    StatusUnexpected,
    /// rustls refused the portal's own certificate or key.
    #[error("TLS: {0}")]
    Tls(String),
}

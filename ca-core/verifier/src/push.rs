//! Status by push, as it comes: signed messages of changes, and the signed snapshot to start from. Both are JSON Web
//! Signatures (RFC 7515) by the delegated OCSP responder of the issuing CA.
//!
//! What deliberately does not live here: whether a message follows what is known (`pushed`), and transport.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    CERTIFICATE_OCTETS_MAX, CRL_ENTRIES_MAX, Error, Reason, Serial, Standing, Time,
    crl::CLOCK_SKEW_SECS,
    issuer::{Issuer, KeyHash, sha256},
    ocsp::check_delegation,
    read::limit,
};

/// Octets of one message read at most.
pub const STATUS_MESSAGE_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Changes in one message read at most.
pub const STATUS_CHANGES_MAX: usize = 50_000;
/// Octets of a snapshot read at most.
pub const STATUS_SNAPSHOT_OCTETS_MAX: usize = HEAD_OCTETS_MAX + CRL_ENTRIES_MAX * RECORD_OCTETS;

/// `typ` of a message: one kind must not pass for the other (RFC 8725 §3.11).
pub const STATUS_MESSAGE_TYPE: &str = "qianyin-status+jwt";
/// `typ` of a snapshot's head.
pub const STATUS_SNAPSHOT_TYPE: &str = "qianyin-status-snapshot+jwt";

const WHAT: &str = "status message";
const SNAPSHOT: &str = "status snapshot";
/// A certificate in base64, and little more.
const HEAD_OCTETS_MAX: usize = 4 * CERTIFICATE_OCTETS_MAX;
const RECORD_OCTETS: usize = Serial::ISSUED_OCTETS + 1;

/// A message whose signature and form have been checked. Only [`SignedStatus::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedStatus {
    issuer_key: KeyHash,
    from: u64,
    to: u64,
    at: Time,
    changes: Vec<StatusChange>,
}

/// Where a certificate stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusChange {
    /// Which.
    pub serial: Serial,
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Time,
    /// End of its validity.
    pub not_after: Time,
}

/// Everything that is not good, as of one epoch. Only [`StatusSnapshot::verify`] makes one.
#[derive(Debug)]
pub struct StatusSnapshot {
    issuer_key: KeyHash,
    epoch: u64,
    at: Time,
    /// By rising serial.
    entries: Vec<(Serial, Standing)>,
}

/// What is not understood may change what the rest means, so it is refused; `crit`, too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    x5c: [String; 1],
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    issuer: String,
    from: u64,
    to: u64,
    at: i64,
    changes: Vec<Change>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    serial: String,
    standing: String,
    reason: Option<String>,
    since: i64,
    not_after: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    issuer: String,
    epoch: u64,
    at: i64,
    count: usize,
    sha256: String,
}

impl SignedStatus {
    /// Checks a message with the certificate of the CA that it speaks of: signed by a responder that this CA
    /// certified for OCSP, and made within [`CLOCK_SKEW_SECS`] of `now`.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Form`], [`Error::Issuer`], [`Error::Signer`], [`Error::Signature`],
    /// [`Error::NotYetCurrent`], [`Error::NoLongerCurrent`].
    pub fn verify(jws: &[u8], issuer_der: &[u8], now: Time) -> Result<Self, Error> {
        limit(WHAT, jws, STATUS_MESSAGE_OCTETS_MAX)?;
        let issuer = Issuer::read(issuer_der)?;
        let message: Message = open(WHAT, STATUS_MESSAGE_TYPE, jws, &issuer, now)?;
        check_issuer(WHAT, &message.issuer, &issuer)?;
        let at = Time::from_millis(message.at);
        check_not_ahead(WHAT, at, now)?;
        let until = at.plus_secs(CLOCK_SKEW_SECS);
        if now > until {
            return Err(Error::NoLongerCurrent { what: WHAT, next_update: until, now });
        }
        if message.changes.len() > STATUS_CHANGES_MAX {
            return Err(form(WHAT, "more changes than are read"));
        }
        if message.from > message.to || (message.from == message.to && !message.changes.is_empty()) {
            return Err(form(WHAT, "its epochs do not fit its changes"));
        }
        let changes: Vec<_> = message.changes.iter().map(Change::read).collect::<Result<_, _>>()?;
        let mut serials: Vec<Serial> = changes.iter().map(|change| change.serial).collect();
        serials.sort_unstable();
        if serials.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(form(WHAT, "a serial comes twice"));
        }
        Ok(Self { issuer_key: issuer.key_hash, from: message.from, to: message.to, at, changes })
    }

    /// The epoch that must be known before.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// The epoch that is known with it.
    #[must_use]
    pub const fn to(&self) -> u64 {
        self.to
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.at
    }

    /// What moved; nothing in a heartbeat.
    #[must_use]
    pub fn changes(&self) -> &[StatusChange] {
        &self.changes
    }

    pub(crate) const fn issuer_key(&self) -> &KeyHash {
        &self.issuer_key
    }
}

impl StatusSnapshot {
    /// Checks a snapshot: a line with the signed head, then one record of 19 octets for each certificate that is not
    /// good. It may be old, since only the messages that follow say what is so now.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Form`], [`Error::Issuer`], [`Error::Signer`], [`Error::Signature`], [`Error::Serial`],
    /// [`Error::NotYetCurrent`].
    pub fn verify(octets: &[u8], issuer_der: &[u8], now: Time) -> Result<Self, Error> {
        limit(SNAPSHOT, octets, STATUS_SNAPSHOT_OCTETS_MAX)?;
        let issuer = Issuer::read(issuer_der)?;
        let end = octets.iter().take(HEAD_OCTETS_MAX).position(|octet| *octet == b'\n');
        let end = end.ok_or(form(SNAPSHOT, "no signed head"))?;
        let (jws, records) = (&octets[..end], &octets[end + 1..]);
        let head: Head = open(SNAPSHOT, STATUS_SNAPSHOT_TYPE, jws, &issuer, now)?;
        check_issuer(SNAPSHOT, &head.issuer, &issuer)?;
        let at = Time::from_millis(head.at);
        check_not_ahead(SNAPSHOT, at, now)?;
        if head.count.checked_mul(RECORD_OCTETS) != Some(records.len()) {
            return Err(form(SNAPSHOT, "it is cut"));
        }
        if head.sha256 != hex::encode(sha256(records)) {
            return Err(form(SNAPSHOT, "the records are not those that were signed"));
        }
        let mut entries: Vec<(Serial, Standing)> = Vec::with_capacity(head.count);
        for record in records.chunks_exact(RECORD_OCTETS) {
            let (serial, code) = record.split_at(Serial::ISSUED_OCTETS);
            let serial = Serial::from_content(serial)?;
            let standing = code.first().copied().and_then(Standing::from_code);
            if entries.last().is_some_and(|last| last.0 >= serial) {
                return Err(form(SNAPSHOT, "the serials do not rise"));
            }
            entries.push((serial, standing.ok_or(form(SNAPSHOT, "unknown standing"))?));
        }
        Ok(Self { issuer_key: issuer.key_hash, epoch: head.epoch, at, entries })
    }

    /// The epoch that it is of.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.at
    }

    pub(crate) const fn issuer_key(&self) -> &KeyHash {
        &self.issuer_key
    }

    pub(crate) fn into_entries(self) -> Vec<(Serial, Standing)> {
        self.entries
    }
}

impl Change {
    fn read(&self) -> Result<StatusChange, Error> {
        let reason = self.reason.as_deref();
        let standing = match (self.standing.as_str(), reason) {
            ("good", None) => Some(Standing::Good),
            ("not-activated", None) => Some(Standing::NotActivated),
            ("held", None) => Some(Standing::Held),
            ("revoked", Some(reason)) => Reason::from_name(reason).map(Standing::Revoked),
            _ => None,
        };
        Ok(StatusChange {
            serial: Serial::from_hex(&self.serial)?,
            standing: standing.ok_or(form(WHAT, "unknown standing"))?,
            since: Time::from_millis(self.since),
            not_after: Time::from_millis(self.not_after),
        })
    }
}

/// The payload of a JWS in compact serialization (RFC 7515 §7.1).
fn open<T: DeserializeOwned>(
    what: &'static str,
    kind: &str,
    jws: &[u8],
    issuer: &Issuer<'_>,
    now: Time,
) -> Result<T, Error> {
    let parts: Vec<&[u8]> = jws.split(|octet| *octet == b'.').take(4).collect();
    let [header, payload, signature] = parts[..] else {
        return Err(form(what, "not a JWS in three parts"));
    };
    limit(what, header, HEAD_OCTETS_MAX)?;
    let decode = |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| form(what, "not base64url"));
    let read: Header = serde_json::from_slice(&decode(header)?).map_err(|_| form(what, "unknown header"))?;
    if read.typ != kind {
        return Err(form(what, "another kind of message"));
    }
    let algorithm: &dyn VerificationAlgorithm = match read.alg.as_str() {
        "ES256" => &ECDSA_P256_SHA256_FIXED,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Error::Signature { what }),
    };
    if !issuer.is_ca {
        return Err(Error::Signer { what, why: "the issuer is not a CA" });
    }
    let [certificate] = &read.x5c;
    let der = STANDARD.decode(certificate).map_err(|_| form(what, "x5c is not base64"))?;
    let responder = Issuer::read(&der)?;
    check_delegation(&responder, issuer, now)?;
    let signed = &jws[..header.len() + 1 + payload.len()];
    UnparsedPublicKey::new(algorithm, &responder.key_bits)
        .verify(signed, &decode(signature)?)
        .map_err(|_| Error::Signature { what })?;
    // Read only now: what strangers wrote costs no more than its signature.
    serde_json::from_slice(&decode(payload)?).map_err(|_| form(what, "unknown payload"))
}

fn check_issuer(what: &'static str, named: &str, issuer: &Issuer<'_>) -> Result<(), Error> {
    if named == hex::encode(issuer.key_hash) { Ok(()) } else { Err(Error::Issuer { what }) }
}

fn check_not_ahead(what: &'static str, at: Time, now: Time) -> Result<(), Error> {
    if now.plus_secs(CLOCK_SKEW_SECS) < at {
        return Err(Error::NotYetCurrent { what, this_update: at, now });
    }
    Ok(())
}

const fn form(what: &'static str, why: &'static str) -> Error {
    Error::Form { what, why }
}

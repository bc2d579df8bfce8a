//! Writing status by push (step 9): a message of what moved, and the snapshot to start from. What is fixed →
//! [`PreparedStatus`] → one signature → a JSON Web Signature (RFC 7515 §7.1), by the delegated OCSP responder.
//!
//! The forms are those that `ca_verifier::SignedStatus` and `ca_verifier::StatusSnapshot` read.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ca_verifier::{STATUS_MESSAGE_TYPE, STATUS_SNAPSHOT_TYPE, Serial, Standing, StatusChange, Time};
use serde_json::{Value, json};

use crate::{Error, Issuer, Responder, SignError, SignatureAlgorithm, encode::ecdsa_raw, key::sha256};

/// What moved between two epochs; nothing in a heartbeat, whose epochs are one.
#[derive(Clone, Copy, Debug)]
pub struct StatusMessage<'a> {
    /// The CA whose certificates it speaks of.
    pub issuer: &'a Issuer,
    /// Who signs.
    pub responder: &'a Responder,
    /// The epoch that must be known before.
    pub from: u64,
    /// The epoch that is known with it.
    pub to: u64,
    /// When it is made; later with each message.
    pub at: Time,
    /// Where each that moved stands now; each once.
    pub changes: &'a [StatusChange],
}

impl<'a> StatusMessage<'a> {
    /// Fixes the octets to be signed.
    pub fn prepare(&self) -> PreparedStatus<'a> {
        let changes: Vec<Value> = self.changes.iter().map(change).collect();
        let payload = json!({
            "issuer": hex::encode(sha256(self.issuer.spki_der())),
            "from": self.from,
            "to": self.to,
            "at": self.at.millis(),
            "changes": changes,
        });
        PreparedStatus::new(STATUS_MESSAGE_TYPE, &payload, self.responder)
    }
}

/// Everything that is not good as of one epoch.
#[derive(Clone, Copy, Debug)]
pub struct StatusSnapshotPlan<'a> {
    /// The CA whose certificates it speaks of.
    pub issuer: &'a Issuer,
    /// Who signs.
    pub responder: &'a Responder,
    /// The epoch that it is of.
    pub epoch: u64,
    /// When it was so.
    pub at: Time,
    /// By rising serial number.
    pub entries: &'a [(Serial, Standing)],
}

impl<'a> StatusSnapshotPlan<'a> {
    /// Fixes the records, and the head that is signed over their digest.
    ///
    /// # Errors
    /// [`Error::Serial`] for a serial number that is not of this CA's form.
    pub fn prepare(&self) -> Result<PreparedSnapshot<'a>, Error> {
        let mut records = Vec::with_capacity(self.entries.len() * (Serial::ISSUED_OCTETS + 1));
        for (serial, standing) in self.entries {
            if serial.as_bytes().len() != Serial::ISSUED_OCTETS {
                return Err(Error::Serial(*serial));
            }
            records.extend_from_slice(serial.as_bytes());
            records.push(standing.code());
        }
        let head = json!({
            "issuer": hex::encode(sha256(self.issuer.spki_der())),
            "epoch": self.epoch,
            "at": self.at.millis(),
            "count": self.entries.len(),
            "sha256": hex::encode(sha256(&records)),
        });
        Ok(PreparedSnapshot {
            head: PreparedStatus::new(STATUS_SNAPSHOT_TYPE, &head, self.responder),
            records,
        })
    }
}

/// A message whose octets are fixed and which nobody has signed.
#[must_use = "a prepared message is signed or dropped"]
#[derive(Debug)]
pub struct PreparedStatus<'a> {
    signed: String,
    responder: &'a Responder,
}

impl<'a> PreparedStatus<'a> {
    fn new(kind: &str, payload: &Value, responder: &'a Responder) -> Self {
        let algorithm = match responder.algorithm() {
            SignatureAlgorithm::EcdsaP256Sha256 => "ES256",
            SignatureAlgorithm::RsaSha256 => "RS256",
        };
        let header = json!({ "alg": algorithm, "typ": kind, "x5c": [STANDARD.encode(responder.der())] });
        let [header, payload] = [&header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        Self { signed: format!("{header}.{payload}"), responder }
    }

    /// Signs and verifies with the responder's key. `sign` returns DER Ecdsa-Sig-Value or PKCS#1 octets.
    ///
    /// # Errors
    /// [`SignError::Signer`], [`SignError::Signature`].
    pub fn sign<E>(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<String, SignError<E>> {
        let signature = sign(self.signed.as_bytes()).map_err(SignError::Signer)?;
        self.responder.verify(self.signed.as_bytes(), &signature).map_err(|_| SignError::Signature)?;
        let signature = match self.responder.algorithm() {
            SignatureAlgorithm::RsaSha256 => signature,
            SignatureAlgorithm::EcdsaP256Sha256 => {
                ecdsa_raw(&signature).ok_or(SignError::Signature)?.to_vec()
            }
        };
        Ok(format!("{}.{}", self.signed, URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// A snapshot whose octets are fixed and which nobody has signed.
#[must_use = "a prepared snapshot is signed or dropped"]
#[derive(Debug)]
pub struct PreparedSnapshot<'a> {
    head: PreparedStatus<'a>,
    records: Vec<u8>,
}

impl PreparedSnapshot<'_> {
    /// Signs the head; a line feed and the records follow it. `sign` as in [`PreparedStatus::sign`].
    ///
    /// # Errors
    /// As [`PreparedStatus::sign`].
    pub fn sign<E>(self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, SignError<E>> {
        let mut octets = self.head.sign(sign)?.into_bytes();
        octets.push(b'\n');
        octets.extend(self.records);
        Ok(octets)
    }
}

fn change(change: &StatusChange) -> Value {
    let mut told = json!({
        "serial": change.serial.to_string(),
        "standing": change.standing.name(),
        "since": change.since.millis(),
        "not_after": change.not_after.millis(),
    });
    if let Standing::Revoked(reason) = change.standing {
        told["reason"] = reason.name().into();
    }
    told
}

#[cfg(test)]
mod tests {
    use ca_verifier::{Reason, SignedStatus, StatusSnapshot};
    use rcgen::SigningKey;

    use super::*;
    use crate::issuance::testing::{NOW, hierarchy};

    fn serial(octet: u8) -> Serial {
        Serial::from_random(1, &[octet; 17]).unwrap()
    }

    fn standings() -> Vec<Standing> {
        let revoked = Reason::ALL.into_iter().map(Standing::Revoked);
        [Standing::NotActivated, Standing::Held].into_iter().chain(revoked).collect()
    }

    #[test]
    fn messages_are_read_as_they_were_meant() {
        let hierarchy = hierarchy();
        let (issuer, (responder, key)) = (&hierarchy.issuing, hierarchy.responder());
        let standings = standings().into_iter().chain([Standing::Good]);
        let changes: Vec<StatusChange> = (1..)
            .zip(standings)
            .map(|(octet, standing)| StatusChange {
                serial: serial(octet),
                standing,
                since: Time::from_millis(NOW.millis() - 7),
                not_after: NOW.plus_secs(9),
            })
            .collect();
        // What DER makes shorter or longer is as long as ever in a JWS.
        for count in 0..40 {
            let at = Time::from_millis(NOW.millis() + count);
            let message =
                StatusMessage { issuer, responder: &responder, from: 7, to: 9, at, changes: &changes };
            let jws = message.prepare().sign(|octets| key.sign(octets)).unwrap();
            let read = SignedStatus::verify(jws.as_bytes(), issuer.der(), NOW).unwrap();
            assert_eq!((read.from(), read.to(), read.at()), (7, 9, at));
            assert_eq!(read.changes(), changes);
        }
    }

    #[test]
    fn snapshots_are_read_as_they_were_meant() {
        let hierarchy = hierarchy();
        let (issuer, (responder, key)) = (&hierarchy.issuing, hierarchy.responder());
        let entries: Vec<_> = (1..).map(serial).zip(standings()).collect();
        let plan = StatusSnapshotPlan { issuer, responder: &responder, epoch: 9, at: NOW, entries: &entries };
        let octets = plan.prepare().unwrap().sign(|octets| key.sign(octets)).unwrap();
        let read = StatusSnapshot::verify(&octets, issuer.der(), NOW).unwrap();
        assert_eq!((read.epoch(), read.at()), (9, NOW));
        let records = octets.splitn(2, |octet| *octet == b'\n').nth(1).unwrap();
        let told: Vec<_> = records
            .chunks(19)
            .map(|record| {
                (Serial::from_content(&record[..18]).unwrap(), Standing::from_code(record[18]).unwrap())
            })
            .collect();
        assert_eq!(told, entries);
        let short = Serial::from_content(&[5]).unwrap();
        let foreign = [(short, Standing::Held)];
        let refused = StatusSnapshotPlan { entries: &foreign, ..plan }.prepare().err();
        assert_eq!(refused, Some(Error::Serial(short)));
        // One kind does not pass for the other.
        assert!(SignedStatus::verify(&octets, issuer.der(), NOW).is_err());
    }

    #[test]
    fn a_signature_of_another_key_goes_nowhere() {
        let hierarchy = hierarchy();
        let (issuer, (responder, _)) = (&hierarchy.issuing, hierarchy.responder());
        let message = StatusMessage { issuer, responder: &responder, from: 7, to: 7, at: NOW, changes: &[] };
        assert_eq!(message.prepare().sign(|octets| hierarchy.sign(octets)), Err(SignError::Signature));
        assert_eq!(message.prepare().sign(|_| Err("no session")), Err(SignError::Signer("no session")));
    }
}

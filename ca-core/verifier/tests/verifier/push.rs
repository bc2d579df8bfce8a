//! Status by push: signed by the responder, in order, never silent, never back.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ca_verifier::{Error, Gate, Reason, Refusal, SignedStatus, Time, Unavailable, VerifiedPath};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SigningKey};
use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::pki::{Ca, Entry, NOW, SERIAL, reason, two_tiers};

const MESSAGE: &str = "qianyin-status+jwt";
const SNAPSHOT: &str = "qianyin-status-snapshot+jwt";

struct Source {
    issuing: Ca,
    responder: CertificateDer<'static>,
    key: KeyPair,
}

impl Source {
    fn new(issuing: Ca, purpose: ExtendedKeyUsagePurpose) -> Self {
        let (responder, key) = issuing.leaf_and_key(|params| params.extended_key_usages = vec![purpose]);
        Self { issuing, responder, key }
    }

    fn issuer(&self) -> String {
        let spki = X509Certificate::from_der(&self.issuing.der).unwrap().1.public_key().raw.to_vec();
        hex::encode(digest(&SHA256, &spki))
    }

    fn sign(&self, kind: &str, payload: &str) -> Vec<u8> {
        let header =
            format!(r#"{{"alg":"ES256","typ":"{kind}","x5c":["{}"]}}"#, STANDARD.encode(&self.responder));
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = raw(&self.key.sign(signed.as_bytes()).unwrap());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into_bytes()
    }

    fn delta(&self, from: u64, to: u64, at: Time, changes: &str) -> Vec<u8> {
        let (issuer, at) = (self.issuer(), at.millis());
        let payload =
            format!(r#"{{"issuer":"{issuer}","from":{from},"to":{to},"at":{at},"changes":[{changes}]}}"#);
        self.sign(MESSAGE, &payload)
    }

    fn snapshot(&self, epoch: u64, records: &[u8]) -> Vec<u8> {
        let (issuer, at, count) = (self.issuer(), NOW.millis(), records.len() / 19);
        let sha256 = hex::encode(digest(&SHA256, records));
        let head = format!(
            r#"{{"issuer":"{issuer}","epoch":{epoch},"at":{at},"count":{count},"sha256":"{sha256}"}}"#
        );
        [&self.sign(SNAPSHOT, &head)[..], b"\n", records].concat()
    }
}

/// Ecdsa-Sig-Value to its two numbers of 32 octets.
fn raw(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut out = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = if number[0] == 0 { &number[1..] } else { number };
        out.extend(vec![0; 32 - number.len()]);
        out.extend(number);
        rest = after;
    }
    out
}

fn moved(standing: &str) -> String {
    let serial = hex::encode(SERIAL);
    format!(r#"{{"serial":"{serial}",{standing},"since":0,"not_after":1}}"#)
}

const REVOKED: &str = r#""standing":"revoked","reason":"keyCompromise""#;

fn site() -> (Gate, VerifiedPath, Source) {
    let (_, issuing, trust) = two_tiers();
    let gate = Gate::new(trust).expect_push(&issuing.der, 10).unwrap();
    let path = gate.admit(Some(&[issuing.leaf(|_| {})]), NOW).unwrap();
    (gate, path, Source::new(issuing, ExtendedKeyUsagePurpose::OcspSigning))
}

fn at(millis: i64) -> Time {
    Time::from_millis(NOW.millis() + millis)
}

#[test]
fn a_snapshot_then_messages_then_silence() {
    let (gate, path, source) = site();
    let issuer = &source.issuing.der;
    let silent = |since| Err(Refusal::StatusUnavailable(Unavailable::Silent { since }));
    assert_eq!(gate.check(&path, NOW), silent(None));
    let first = source.delta(7, 7, at(1), "");
    assert_eq!(gate.apply(&first, issuer, NOW), Err(Error::StatusGap { held: None, from: 7 }));
    assert_eq!(gate.load_snapshot(&source.snapshot(7, &[]), issuer, NOW), Ok(7));
    assert_eq!(gate.check(&path, NOW), silent(None), "a snapshot may be old");
    assert_eq!(gate.apply(&first, issuer, NOW), Ok(7));
    assert!(gate.check(&path, NOW.plus_secs(10)).is_ok());
    assert_eq!(gate.check(&path, NOW.plus_secs(11)), silent(Some(NOW)));
    assert!(matches!(gate.apply(&first, issuer, NOW.plus_secs(9)), Err(Error::StatusBack { .. })));
    for (message, refusal) in [
        (source.delta(7, 8, at(2), &moved(r#""standing":"held""#)), Some(Refusal::Held)),
        (source.delta(8, 9, at(3), &moved(r#""standing":"good""#)), None),
        (source.delta(9, 11, at(4), &moved(r#""standing":"not-activated""#)), Some(Refusal::NotActivated)),
        (source.delta(11, 12, at(5), &moved(REVOKED)), Some(Refusal::Revoked(Reason::KeyCompromise))),
    ] {
        gate.apply(&message, issuer, NOW).unwrap();
        assert_eq!(gate.check(&path, NOW).err(), refusal);
    }
    let gap = gate.apply(&source.delta(13, 14, at(6), ""), issuer, NOW);
    assert_eq!(gap, Err(Error::StatusGap { held: Some(12), from: 13 }));
    assert!(matches!(
        gate.load_snapshot(&source.snapshot(11, &[]), issuer, NOW),
        Err(Error::StatusBack { .. })
    ));
    gate.load_snapshot(&source.snapshot(14, &[]), issuer, NOW).unwrap();
    assert_eq!(gate.check(&path, NOW), Err(Refusal::Revoked(Reason::KeyCompromise)), "stays revoked");
    assert_eq!((gate.push_status()[0].epoch, gate.push_status()[0].entries), (Some(14), 1));
}

#[test]
fn a_source_that_takes_a_revocation_back_is_not_trusted_any_more() {
    let (gate, path, source) = site();
    let issuer = &source.issuing.der;
    gate.load_snapshot(&source.snapshot(1, &[&SERIAL[..], &[17]].concat()), issuer, NOW).unwrap();
    gate.apply(&source.delta(1, 1, at(1), ""), issuer, NOW).unwrap();
    assert_eq!(gate.check(&path, NOW), Err(Refusal::Revoked(Reason::KeyCompromise)));
    let back = source.delta(1, 2, at(2), &moved(r#""standing":"good""#));
    for message in [back, source.delta(1, 1, at(3), "")] {
        assert!(matches!(gate.apply(&message, issuer, NOW), Err(Error::StatusUnrevoked { .. })));
    }
    assert_eq!(gate.check(&path, NOW), Err(Refusal::StatusUnavailable(Unavailable::Distrusted)));
}

#[test]
fn of_push_and_list_the_worse_word_counts() {
    let (gate, path, source) = site();
    let issuer = &source.issuing.der;
    gate.load_snapshot(&source.snapshot(1, &[]), issuer, NOW).unwrap();
    gate.apply(&source.delta(1, 1, at(1), ""), issuer, NOW).unwrap();
    assert!(gate.check(&path, NOW).is_ok());
    let crl = source.issuing.crl(|spec| spec.entries = vec![Entry::new(&SERIAL, &[reason(1)])]);
    gate.load_crl(&crl, issuer, NOW).unwrap();
    assert_eq!(gate.check(&path, NOW), Err(Refusal::Revoked(Reason::KeyCompromise)));
}

#[test]
fn every_damaged_octet_is_refused() {
    let (gate, _, source) = site();
    let issuer = &source.issuing.der;
    let message = source.delta(1, 2, NOW, &moved(REVOKED));
    assert!(SignedStatus::verify(&message, issuer, NOW).is_ok());
    for place in 0..message.len() {
        let mut damaged = message.clone();
        damaged[place] ^= 1;
        assert!(SignedStatus::verify(&damaged, issuer, NOW).is_err(), "{place}");
        assert!(SignedStatus::verify(&message[..place], issuer, NOW).is_err(), "{place}");
    }
    let snapshot = source.snapshot(1, &[&SERIAL[..], &[17]].concat());
    for place in 0..snapshot.len() {
        let mut damaged = snapshot.clone();
        damaged[place] ^= 1;
        assert!(gate.load_snapshot(&damaged, issuer, NOW).is_err(), "{place}");
    }
    assert!(gate.load_snapshot(&snapshot, issuer, NOW).is_ok());
}

#[test]
fn others_and_other_times_are_refused() {
    let (_, _, source) = site();
    let message = source.delta(1, 1, NOW, "");
    for secs in [-61, 61] {
        assert!(SignedStatus::verify(&message, &source.issuing.der, NOW.plus_secs(secs)).is_err(), "{secs}");
    }
    let other = Ca::root();
    assert!(matches!(SignedStatus::verify(&message, &other.der, NOW), Err(Error::Signer { .. })));
    let client = Source::new(source.issuing, ExtendedKeyUsagePurpose::ClientAuth);
    let message = client.delta(1, 1, NOW, "");
    let refused = SignedStatus::verify(&message, &client.issuing.der, NOW);
    assert!(matches!(refused, Err(Error::Signer { why: "extendedKeyUsage lacks OCSPSigning", .. })));
    let right = Source::new(client.issuing, ExtendedKeyUsagePurpose::OcspSigning);
    let payload = r#"{"issuer":"","epoch":1,"at":0,"count":0,"sha256":""}"#;
    assert!(SignedStatus::verify(&right.sign(SNAPSHOT, payload), &right.issuing.der, NOW).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Held and released at random, in messages that come in order, twice or not at all, with snapshots between.
    #[test]
    fn follows_a_model(steps in proptest::collection::vec((0_u8..5, proptest::bool::ANY), 1..40)) {
        let (gate, path, source) = site();
        let issuer = &source.issuing.der;
        gate.load_snapshot(&source.snapshot(1, &[]), issuer, NOW).unwrap();
        gate.apply(&source.delta(1, 1, at(1), ""), issuer, NOW).unwrap();
        let (mut epoch, mut held) = (1, false);
        for (millis, (what, hold)) in (2..).zip(steps) {
            let change = moved(if hold { r#""standing":"held""# } else { r#""standing":"good""# });
            match what {
                0 => {
                    let lost = source.delta(epoch + 1, epoch + 2, at(millis), &change);
                    let gap = Error::StatusGap { held: Some(epoch), from: epoch + 1 };
                    assert_eq!(gate.apply(&lost, issuer, NOW), Err(gap));
                }
                1 => {
                    let old = source.delta(epoch - 1, epoch, at(millis), &change);
                    let refused = gate.apply(&old, issuer, NOW);
                    assert!(matches!(refused, Err(Error::StatusBack { .. })));
                }
                2 => {
                    let records = if hold { [&SERIAL[..], &[2]].concat() } else { Vec::new() };
                    epoch += 3;
                    assert_eq!(gate.load_snapshot(&source.snapshot(epoch, &records), issuer, NOW), Ok(epoch));
                    held = hold;
                }
                _ => {
                    let next = source.delta(epoch, epoch + 1, at(millis), &change);
                    epoch += 1;
                    assert_eq!(gate.apply(&next, issuer, NOW), Ok(epoch));
                    held = hold;
                }
            }
            assert_eq!(gate.check(&path, NOW).err(), held.then_some(Refusal::Held));
        }
    }
}

//! Revocation by whoever has the key: what is signed, and the challenge that is in it (step 11).
//!
//! The challenge is computed, not kept, so that nobody can fill anything with challenges: it says until when it is good and
//! carries a MAC over that and the serial number. It can be used once because what it does can be done once: a revoked
//! certificate stays revoked (I6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ca_verifier::{Serial, Time};
use ring::hmac::{HMAC_SHA256, Key, sign, verify};

/// How long a challenge is good.
const LIFETIME_SECS: i64 = 300;
const RANDOM: usize = 16;
const EXPIRY: usize = 8;

/// Computes challenges and recognises them.
pub struct RevocationKey(Key);

impl RevocationKey {
    /// What the CA's HMAC key is applied to, to get this key: the same one in every process and after every start.
    pub const DERIVATION: &'static [u8] = b"qianyin-key-revocation-key-v1";

    /// From 32 octets that nobody else knows.
    #[must_use]
    pub fn new(root: &[u8; 32]) -> Self {
        Self(Key::new(HMAC_SHA256, root))
    }

    /// A challenge for one serial number, and until when it is good.
    #[must_use]
    pub fn challenge(&self, serial: &Serial, random: [u8; RANDOM], now: Time) -> (String, Time) {
        let expires_at = Time::from_secs(now.secs() + LIFETIME_SECS);
        let mut octets = expires_at.secs().to_be_bytes().to_vec();
        octets.extend_from_slice(&random);
        let tag = sign(&self.0, &message(serial, &octets));
        octets.extend_from_slice(tag.as_ref());
        (BASE64.encode(octets), expires_at)
    }

    /// Whether it is one of ours, for this serial number, and good still.
    #[must_use]
    pub fn is_good(&self, serial: &Serial, challenge: &str, now: Time) -> bool {
        let Ok(octets) = BASE64.decode(challenge) else { return false };
        let Some((said, tag)) = octets.split_at_checked(EXPIRY + RANDOM) else { return false };
        let Some((expiry, _)) = said.split_first_chunk::<EXPIRY>() else { return false };
        verify(&self.0, &message(serial, said), tag).is_ok()
            && now <= Time::from_secs(i64::from_be_bytes(*expiry))
    }
}

impl std::fmt::Debug for RevocationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RevocationKey")
    }
}

/// What is signed with the key: words that a person can read, and that no other program of ours ever signs.
#[must_use]
pub fn key_revocation_text(serial: &Serial, challenge: &str) -> String {
    format!(
        "qianyin-key-revocation-v1\nI have the key of this certificate and revoke it for ever.\nserial: {serial}\nchallenge: {challenge}\n"
    )
}

fn message(serial: &Serial, said: &[u8]) -> Vec<u8> {
    // The expiry and the random octets have a fixed length: the serial number is what is left.
    [said, serial.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_795_392_000);

    #[test]
    fn good_for_its_serial_number_and_its_time_only() {
        let key = RevocationKey::new(&[7; 32]);
        let (serial, other) = (Serial::from_content(&[9]).unwrap(), Serial::from_content(&[10]).unwrap());
        let (challenge, expires_at) = key.challenge(&serial, [3; RANDOM], NOW);
        assert!(key.is_good(&serial, &challenge, NOW) && key.is_good(&serial, &challenge, expires_at));
        assert!(!key.is_good(&serial, &challenge, expires_at.plus_secs(1)), "over");
        assert!(!key.is_good(&other, &challenge, NOW), "another certificate");
        assert!(!RevocationKey::new(&[8; 32]).is_good(&serial, &challenge, NOW), "another key");
        let octets = BASE64.decode(&challenge).unwrap();
        for place in 0..octets.len() {
            let mut changed = octets.clone();
            changed[place] ^= 1;
            assert!(!key.is_good(&serial, &BASE64.encode(changed), NOW), "octet {place}");
        }
        for bad in ["", "AAAA", "?", &challenge[..challenge.len() - 4], &format!("{challenge}AAAA")] {
            assert!(!key.is_good(&serial, bad, NOW), "{bad}");
        }
        assert_ne!(key.challenge(&serial, [4; RANDOM], NOW).0, challenge);
    }

    #[test]
    fn the_text_names_what_it_is_for() {
        let serial = Serial::from_content(&[0x01, 0xab]).unwrap();
        insta::assert_snapshot!(key_revocation_text(&serial, "CHALLENGE"));
    }
}

//! Signatures between us and a gateway: `Qianyin-Gateway-Signature: t=<unix seconds>,alg=<name>,v=<base64>`, over the
//! octets `t "." body` exactly as they came. Which algorithm counts is our configuration's, never the header's.

use base64::{Engine, engine::general_purpose::STANDARD};
use ca_verifier::Time;
use ring::hmac;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::SignatureAlgorithm;

/// The header's name.
pub const SIGNATURE_HEADER: &str = "Qianyin-Gateway-Signature";

/// An RSA-8192 signature has 1,368 characters.
const HEADER_MAX: usize = 1_536;
const BODY_MAX: usize = 8 * 1024;
const AGE_SECS_MAX: i64 = 300;
const AHEAD_SECS_MAX: i64 = 60;
const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 32..=1024;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// How a gateway signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayAlgorithm {
    /// HMAC-SHA-256 (RFC 2104) with a key that both sides know.
    HmacSha256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2) with the gateway's own key.
    RsaSha256,
}

impl GatewayAlgorithm {
    /// The name in the header and in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::RsaSha256 => "rsa-sha256",
        }
    }
}

/// A key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyUnfit {
    /// A shared key that could be guessed, or that is no key.
    #[error("32 to 1024 octets are needed, found {found}")]
    Secret {
        /// Octets.
        found: usize,
    },
    /// Not an RSA key.
    #[error("not a DER SubjectPublicKeyInfo of an RSA key")]
    NotRsa,
    /// A modulus that could be factored, or that no signature is checked with.
    #[error("an RSA key of 2048 to 8192 bits is needed, found {found}")]
    Size {
        /// Bits.
        found: usize,
    },
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureRefusal {
    /// The header is not of its only form.
    #[error("the header is not t=<unix seconds>,alg=<name>,v=<base64>")]
    Form,
    /// The header names another algorithm than the configuration.
    #[error("{expected} is needed here")]
    Algorithm {
        /// As configured.
        expected: &'static str,
    },
    /// Older than five minutes.
    #[error("signed {age_secs} seconds ago, at most 300 are taken")]
    Old {
        /// How old.
        age_secs: i64,
    },
    /// More than a minute ahead.
    #[error("signed {ahead_secs} seconds ahead of our clock, at most 60 are taken")]
    Ahead {
        /// How far.
        ahead_secs: i64,
    },
    /// The body is larger than 8 KiB.
    #[error("the body has {found} octets, at most 8192 are read")]
    TooLarge {
        /// Octets.
        found: usize,
    },
    /// Not made with the gateway's key over these octets.
    #[error("the signature is not the gateway's over this body")]
    Wrong,
}

impl SignatureRefusal {
    /// The rule's name in the log.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Form => "signature.form",
            Self::Algorithm { .. } => "signature.algorithm",
            Self::Old { .. } => "signature.old",
            Self::Ahead { .. } => "signature.ahead",
            Self::TooLarge { .. } => "signature.body-too-large",
            Self::Wrong => "signature.wrong",
        }
    }
}

/// Octets that a gateway signed, a short time ago.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticBody<'a>(&'a [u8]);

impl<'a> AuthenticBody<'a> {
    /// The octets.
    #[must_use]
    pub fn octets(self) -> &'a [u8] {
        self.0
    }

    #[cfg(test)]
    pub(super) fn testing(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

/// What a gateway's signatures are checked with. One key has one algorithm.
#[derive(Debug)]
pub struct GatewayKey(Key);

#[derive(Debug)]
enum Key {
    Hmac(hmac::Key),
    Rsa {
        /// DER SubjectPublicKeyInfo.
        spki: Vec<u8>,
    },
}

impl GatewayKey {
    /// A key that both sides know.
    ///
    /// # Errors
    /// [`KeyUnfit::Secret`].
    pub fn shared(secret: &[u8]) -> Result<Self, KeyUnfit> {
        hmac_key(secret).map(|key| Self(Key::Hmac(key)))
    }

    /// The gateway's public key, as DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KeyUnfit::NotRsa`], [`KeyUnfit::Size`].
    pub fn rsa(spki_der: &[u8]) -> Result<Self, KeyUnfit> {
        let Ok(([], spki)) = SubjectPublicKeyInfo::from_der(spki_der) else { return Err(KeyUnfit::NotRsa) };
        let Ok(PublicKey::RSA(key)) = spki.parsed() else { return Err(KeyUnfit::NotRsa) };
        // The parser counts whole octets; a modulus may begin with zero bits.
        let zeros = key.modulus.iter().position(|octet| *octet != 0).unwrap_or(key.modulus.len());
        let significant = key.modulus.get(zeros..).unwrap_or_default();
        let spare = significant.first().map_or(0, |octet| octet.leading_zeros());
        let found = significant.len() * 8 - usize::try_from(spare).unwrap_or_default();
        if !RSA_BITS.contains(&found) {
            return Err(KeyUnfit::Size { found });
        }
        Ok(Self(Key::Rsa { spki: spki_der.to_vec() }))
    }

    /// The algorithm of this key.
    #[must_use]
    pub fn algorithm(&self) -> GatewayAlgorithm {
        match self.0 {
            Key::Hmac(_) => GatewayAlgorithm::HmacSha256,
            Key::Rsa { .. } => GatewayAlgorithm::RsaSha256,
        }
    }

    /// Checks the header's signature over the body's octets as they came, and its time against `now`.
    ///
    /// # Errors
    /// [`SignatureRefusal`]. The signature is compared in constant time (HMAC).
    pub fn verify<'a>(
        &self,
        header: &str,
        body: &'a [u8],
        now: Time,
    ) -> Result<AuthenticBody<'a>, SignatureRefusal> {
        let (time, algorithm, signature) = read(header).ok_or(SignatureRefusal::Form)?;
        let expected = self.algorithm().name();
        if algorithm != expected {
            return Err(SignatureRefusal::Algorithm { expected });
        }
        if body.len() > BODY_MAX {
            return Err(SignatureRefusal::TooLarge { found: body.len() });
        }
        let message = signed(time, body);
        let genuine = match &self.0 {
            Key::Hmac(key) => hmac::verify(key, &message, &signature).is_ok(),
            Key::Rsa { spki } => SignatureAlgorithm::RsaSha256.verify(spki, &message, &signature).is_ok(),
        };
        if !genuine {
            return Err(SignatureRefusal::Wrong);
        }
        // The time counts only where it is the gateway's.
        let age_secs = now.secs().saturating_sub(time);
        if age_secs > AGE_SECS_MAX {
            return Err(SignatureRefusal::Old { age_secs });
        }
        if age_secs < -AHEAD_SECS_MAX {
            return Err(SignatureRefusal::Ahead { ahead_secs: age_secs.saturating_neg() });
        }
        Ok(AuthenticBody(body))
    }
}

/// What our requests to a gateway are signed with: HMAC-SHA-256, whatever the gateway signs with.
#[derive(Debug)]
pub struct MerchantKey(hmac::Key);

impl MerchantKey {
    /// A key that both sides know; another one than the gateway signs with.
    ///
    /// # Errors
    /// [`KeyUnfit::Secret`].
    pub fn new(secret: &[u8]) -> Result<Self, KeyUnfit> {
        hmac_key(secret).map(Self)
    }

    /// The header's value for a body that is sent now.
    #[must_use]
    pub fn sign(&self, body: &[u8], now: Time) -> String {
        let time = now.secs();
        let tag = hmac::sign(&self.0, &signed(time, body));
        format!("t={time},alg={},v={}", GatewayAlgorithm::HmacSha256.name(), STANDARD.encode(tag))
    }
}

fn hmac_key(secret: &[u8]) -> Result<hmac::Key, KeyUnfit> {
    if !SECRET_OCTETS.contains(&secret.len()) {
        return Err(KeyUnfit::Secret { found: secret.len() });
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, secret))
}

fn signed(time: i64, body: &[u8]) -> Vec<u8> {
    [time.to_string().as_bytes(), b".", body].concat()
}

/// Time, algorithm and signature: in this order, without spaces, each once.
fn read(header: &str) -> Option<(i64, &str, Vec<u8>)> {
    if header.len() > HEADER_MAX {
        return None;
    }
    let mut parts = header.split(',');
    let (time, algorithm, signature, end) = (parts.next()?, parts.next()?, parts.next()?, parts.next());
    let digits = time.strip_prefix("t=")?;
    // One moment has one form: what is signed is the number as we write it.
    let canonical = (1..=12).contains(&digits.len())
        && digits.bytes().all(|c| c.is_ascii_digit())
        && !digits.starts_with('0');
    if end.is_some() || !canonical {
        return None;
    }
    let signature = STANDARD.decode(signature.strip_prefix("v=")?).ok()?;
    Some((digits.parse().ok()?, algorithm.strip_prefix("alg=")?, signature))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{KeyPair, PublicKeyData};

    use super::*;

    const NOW: Time = Time::from_secs(1_795_392_000);
    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const BODY: &[u8] = b"{\"order\":1}";

    fn key() -> GatewayKey {
        GatewayKey::shared(SECRET).unwrap()
    }

    fn header(at: Time) -> String {
        MerchantKey::new(SECRET).unwrap().sign(BODY, at)
    }

    /// Made by `printf '1795392000.{"order":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef -binary | base64`.
    const OPENSSL: &str = "t=1795392000,alg=hmac-sha256,v=bYOx8k1fbMeYWsiE5uukdBNmyXgX1ldURgE1VTNxtmw=";

    #[test]
    fn agrees_with_openssl() {
        assert_eq!(header(NOW), OPENSSL);
        assert_eq!(key().verify(OPENSSL, BODY, NOW).unwrap().octets(), BODY);
    }

    #[test]
    fn time_is_bounded_on_both_sides() {
        let at = |secs: i64| key().verify(&header(NOW.plus_secs(secs)), BODY, NOW).map(|_| ());
        for fits in [-300, 0, 60] {
            assert_eq!(at(fits), Ok(()), "{fits}");
        }
        assert_eq!(at(-301), Err(SignatureRefusal::Old { age_secs: 301 }));
        assert_eq!(at(61), Err(SignatureRefusal::Ahead { ahead_secs: 61 }));
        let later = OPENSSL.replace("t=1795392000", "t=1795392001");
        assert_eq!(
            key().verify(&later, BODY, NOW).unwrap_err(),
            SignatureRefusal::Wrong,
            "the time is signed"
        );
    }

    #[test]
    fn only_these_octets_and_this_key() {
        let refused = |key: &GatewayKey, body: &[u8]| key.verify(OPENSSL, body, NOW).unwrap_err();
        assert_eq!(refused(&key(), b"{\"order\": 1}"), SignatureRefusal::Wrong);
        assert_eq!(refused(&key(), b""), SignatureRefusal::Wrong);
        let other = GatewayKey::shared(&[7; 32]).unwrap();
        assert_eq!(refused(&other, BODY), SignatureRefusal::Wrong);
        assert_eq!(refused(&key(), &[b' '; 8193]), SignatureRefusal::TooLarge { found: 8193 });
        // The dot: a time that takes a digit of the body says something else.
        let moved = OPENSSL.replace("t=1795392000", "t=179539200");
        assert_eq!(key().verify(&moved, b"0.{\"order\":1}", NOW).unwrap_err(), SignatureRefusal::Wrong);
    }

    #[test]
    fn the_header_does_not_choose_the_algorithm() {
        for name in ["rsa-sha256", "none", "hmac-sha1", "", "HMAC-SHA256"] {
            let header = OPENSSL.replace("hmac-sha256", name);
            let refusal = key().verify(&header, BODY, NOW).unwrap_err();
            assert_eq!(refusal, SignatureRefusal::Algorithm { expected: "hmac-sha256" }, "{name}");
        }
        // The old trap: the public key, which everybody knows, taken for the shared one.
        let spki = crate::spki_from_rsa(&[0xff; 256], &[1, 0, 1]);
        let forged = MerchantKey::new(&spki).unwrap().sign(BODY, NOW);
        let refusal = GatewayKey::rsa(&spki).unwrap().verify(&forged, BODY, NOW).unwrap_err();
        assert_eq!(refusal, SignatureRefusal::Algorithm { expected: "rsa-sha256" });
    }

    #[test]
    fn the_header_has_one_form() {
        let tag = OPENSSL.rsplit_once("v=").unwrap().1;
        let long = format!("t=1795392000,alg=hmac-sha256,v={}", "A".repeat(1_520));
        for bad in [
            "",
            "t=1795392000",
            "t=1795392000,alg=hmac-sha256",
            &format!("alg=hmac-sha256,t=1795392000,v={tag}"),
            &format!("t=1795392000, alg=hmac-sha256, v={tag}"),
            &format!("t=01795392000,alg=hmac-sha256,v={tag}"),
            &format!("t=+1795392000,alg=hmac-sha256,v={tag}"),
            &format!("t=-1795392000,alg=hmac-sha256,v={tag}"),
            &format!("t=,alg=hmac-sha256,v={tag}"),
            &format!("t=1795392000000,alg=hmac-sha256,v={tag}"),
            &format!("t=1795392000,alg=hmac-sha256,v={}", tag.trim_end_matches('=')),
            &format!("t=1795392000,alg=hmac-sha256,v={tag},v={tag}"),
            &format!("t=1795392000,t=1795392000,alg=hmac-sha256,v={tag}"),
            &format!("{OPENSSL} "),
            long.as_str(),
        ] {
            assert_eq!(key().verify(bad, BODY, NOW).unwrap_err(), SignatureRefusal::Form, "{bad}");
        }
        let empty = "t=1795392000,alg=hmac-sha256,v=";
        assert_eq!(key().verify(empty, BODY, NOW).unwrap_err(), SignatureRefusal::Wrong);
        let short = format!("t=1795392000,alg=hmac-sha256,v={}", STANDARD.encode([0; 16]));
        assert_eq!(key().verify(&short, BODY, NOW).unwrap_err(), SignatureRefusal::Wrong);
    }

    #[test]
    fn weak_keys_are_refused() {
        for octets in [0, 1, 31, 1025] {
            assert_eq!(GatewayKey::shared(&vec![1; octets]).unwrap_err(), KeyUnfit::Secret { found: octets });
            assert_eq!(MerchantKey::new(&vec![1; octets]).unwrap_err(), KeyUnfit::Secret { found: octets });
        }
        assert!(GatewayKey::shared(&[1; 1024]).is_ok());
        let ec = KeyPair::generate().unwrap();
        assert_eq!(GatewayKey::rsa(&ec.subject_public_key_info()).unwrap_err(), KeyUnfit::NotRsa);
        assert_eq!(GatewayKey::rsa(b"").unwrap_err(), KeyUnfit::NotRsa);
        for (bits, fits) in
            [(1024_usize, false), (2047, false), (2048, true), (4096, true), (8192, true), (8200, false)]
        {
            let mut modulus = vec![0xff_u8; bits.div_ceil(8)];
            modulus[0] = 0xff >> (modulus.len() * 8 - bits);
            let spki = crate::spki_from_rsa(&modulus, &[1, 0, 1]);
            match GatewayKey::rsa(&spki) {
                Ok(key) => assert!(fits && key.algorithm() == GatewayAlgorithm::RsaSha256, "{bits}"),
                Err(refusal) => {
                    assert!(!fits && refusal == KeyUnfit::Size { found: bits }, "{bits}: {refusal}")
                }
            }
        }
    }

    proptest! {
        #[test]
        fn random_headers_never_panic(header in "\\PC{0,200}|t=[0-9]{0,14},alg=hmac-sha256,v=[A-Za-z0-9+/=]{0,60}") {
            prop_assert!(key().verify(&header, BODY, NOW).is_err());
        }

        #[test]
        fn mutated_headers_are_refused(at in 0..OPENSSL.len(), octet in any::<u8>()) {
            let mut octets = OPENSSL.as_bytes().to_vec();
            octets[at] = octet;
            if let Ok(header) = std::str::from_utf8(&octets) && header != OPENSSL {
                prop_assert!(key().verify(header, BODY, NOW).is_err());
            }
        }

        #[test]
        fn mutated_bodies_are_refused(at in 0..BODY.len(), octet in any::<u8>()) {
            let mut octets = BODY.to_vec();
            octets[at] = octet;
            prop_assert_eq!(key().verify(OPENSSL, &octets, NOW).is_ok(), octets == BODY);
        }
    }
}

//! Which public keys are acceptable (BR 6.1.1.3, 6.1.5, 6.1.6): one rule a file, each refusal with its rule's name.
//!
//! What deliberately does not live here: whether the key was seen before, which only the store can know.

mod algorithm;
mod curve;
mod exponent;
mod fermat;
mod known_bad;
mod point;
mod roca;
mod size;
mod small_factor;

pub(crate) use curve::named;
use num_bigint::BigUint;
use ring::digest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::encode::{spki_from_ec_point, spki_from_rsa};
use crate::policy::KeyRules;
use crate::{Error, SignatureAlgorithm};

/// An RSA-8192 key has 1,062 octets: larger ones are refused before they are read.
const SPKI_OCTETS_MAX: usize = 2048;

/// A kind of key that the rules can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256.
    EcP256,
    /// RSA with a modulus of 2048 bits.
    Rsa2048,
    /// RSA with a modulus of 3072 bits.
    Rsa3072,
    /// RSA with a modulus of 4096 bits.
    Rsa4096,
}

impl KeyAlgorithm {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::EcP256, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096];

    /// The name in `policies/`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EcP256 => "ec-p256",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| Error::Unknown { what: "key algorithm", value: name.to_owned() })
    }

    /// How such a key signs.
    #[must_use]
    pub fn signature(self) -> SignatureAlgorithm {
        match self {
            Self::EcP256 => SignatureAlgorithm::EcdsaP256Sha256,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => SignatureAlgorithm::RsaSha256,
        }
    }
}

/// Why a public key is not accepted, with the values compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// Not one DER SubjectPublicKeyInfo in its only encoding.
    #[error("key.encoding: not a DER SubjectPublicKeyInfo in its shortest form")]
    Encoding,
    /// Neither EC nor RSA, or not allowed here.
    #[error("key.algorithm: {found} is not accepted")]
    Algorithm {
        /// The object identifier or our name for the kind.
        found: String,
    },
    /// Not the named curve P-256.
    #[error("key.curve: only the named curve P-256 is accepted, found {found}")]
    Curve {
        /// The curve's object identifier, or `none`.
        found: String,
    },
    /// Not an uncompressed point on the curve.
    #[error("key.point: {why}")]
    Point {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Modulus size.
    #[error("key.size: {found} bits are not accepted")]
    Size {
        /// Bits of the modulus.
        found: u64,
    },
    /// Public exponent.
    #[error("key.exponent: an odd number from {least} to {most} is needed, found {found}")]
    Exponent {
        /// The least that is accepted.
        least: u64,
        /// The most that is accepted.
        most: u64,
        /// As in the key.
        found: String,
    },
    /// A small prime divides the modulus.
    #[error("key.small-factor: {factor} divides the modulus")]
    SmallFactor {
        /// The prime.
        factor: u32,
    },
    /// CVE-2017-15361.
    #[error("key.roca: the modulus has the structure of CVE-2017-15361")]
    Roca,
    /// The primes are close together.
    #[error("key.fermat: the primes are so close that {rounds} rounds of Fermat's method find them")]
    Fermat {
        /// How many rounds were enough.
        rounds: u32,
    },
    /// The private key is public knowledge.
    #[error("key.known-bad: the private key of {spki_sha256} is public")]
    KnownBad {
        /// SHA-256 of the SubjectPublicKeyInfo, hexadecimal.
        spki_sha256: String,
    },
}

impl KeyRefusal {
    /// The rule's name in the log and in problem documents.
    #[must_use]
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Encoding => "key.encoding",
            Self::Algorithm { .. } => "key.algorithm",
            Self::Curve { .. } => "key.curve",
            Self::Point { .. } => "key.point",
            Self::Size { .. } => "key.size",
            Self::Exponent { .. } => "key.exponent",
            Self::SmallFactor { .. } => "key.small-factor",
            Self::Roca => "key.roca",
            Self::Fermat { .. } => "key.fermat",
            Self::KnownBad { .. } => "key.known-bad",
        }
    }
}

/// A public key that every rule accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectKey {
    algorithm: KeyAlgorithm,
    spki: Vec<u8>,
    bits: Vec<u8>,
    sha256: [u8; 32],
}

impl SubjectKey {
    /// Reads and judges a DER SubjectPublicKeyInfo. For keys of the CA itself; a holder's key comes with a proof of
    /// possession, in a [`crate::ValidatedCsr`].
    ///
    /// # Errors
    /// [`KeyRefusal`], by the first rule that refuses.
    pub fn from_spki(der: &[u8], rules: &KeyRules) -> Result<Self, KeyRefusal> {
        if der.len() > SPKI_OCTETS_MAX {
            return Err(KeyRefusal::Encoding);
        }
        let Ok(([], spki)) = SubjectPublicKeyInfo::from_der(der) else {
            return Err(KeyRefusal::Encoding);
        };
        if spki.subject_public_key.unused_bits != 0 {
            return Err(KeyRefusal::Encoding);
        }
        let bits = spki.subject_public_key.data.to_vec();
        let (algorithm, canonical) = match algorithm::check(&spki.algorithm)? {
            algorithm::Family::Ec => {
                curve::check(&spki.algorithm)?;
                (KeyAlgorithm::EcP256, spki_from_ec_point(&point::check(&bits)?))
            }
            algorithm::Family::Rsa => rsa(&bits, rules)?,
        };
        // One key has one encoding, or the same key could be certified twice under two hashes.
        if canonical != der {
            return Err(KeyRefusal::Encoding);
        }
        if !rules.algorithms().contains(&algorithm) {
            return Err(KeyRefusal::Algorithm { found: algorithm.name().to_owned() });
        }
        let sha256 = sha256(der);
        known_bad::check(&sha256, rules.known_bad())?;
        Ok(Self { algorithm, spki: canonical, bits, sha256 })
    }

    /// Which kind.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// DER of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of [`Self::spki_der`].
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Content of the subjectPublicKey BIT STRING.
    pub(crate) fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// subjectKeyIdentifier: leftmost 160 bits of SHA-256 of the BIT STRING's content (RFC 7093 §2, method 1).
    #[must_use]
    pub fn identifier(&self) -> [u8; 20] {
        key_identifier(&self.bits)
    }
}

pub(crate) fn key_identifier(bits: &[u8]) -> [u8; 20] {
    let mut identifier = [0; 20];
    identifier.copy_from_slice(&digest::digest(&digest::SHA256, bits).as_ref()[..20]);
    identifier
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, octets).as_ref());
    hash
}

/// The rules for RSA, cheapest first.
fn rsa(bits: &[u8], rules: &KeyRules) -> Result<(KeyAlgorithm, Vec<u8>), KeyRefusal> {
    let Ok(([], key)) = RSAPublicKey::from_der(bits) else {
        return Err(KeyRefusal::Encoding);
    };
    let modulus = BigUint::from_bytes_be(key.modulus);
    let algorithm = size::check(&modulus)?;
    exponent::check(key.exponent, rules)?;
    small_factor::check(&modulus, rules.small_factor_below())?;
    roca::check(&modulus)?;
    fermat::check(&modulus, rules.fermat_rounds())?;
    Ok((algorithm, spki_from_rsa(key.modulus, key.exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing;
    use rcgen::{KeyPair, PublicKeyData};

    #[test]
    fn a_fresh_key_is_accepted_and_only_in_one_form() {
        let rules = testing::key_rules();
        let spki = KeyPair::generate().unwrap().subject_public_key_info();
        let key = SubjectKey::from_spki(&spki, &rules).unwrap();
        assert_eq!(key.algorithm(), KeyAlgorithm::EcP256);
        assert_eq!(key.spki_der(), spki);
        let trailing = [&spki[..], &[0]].concat();
        assert_eq!(SubjectKey::from_spki(&trailing, &rules).unwrap_err().rule(), "key.encoding");
        let long_length = [&[0x30, 0x81, 0x59][..], &spki[2..]].concat();
        assert_eq!(SubjectKey::from_spki(&long_length, &rules).unwrap_err().rule(), "key.encoding");
        for length in 0..spki.len() {
            assert!(SubjectKey::from_spki(&spki[..length], &rules).is_err());
        }
        assert_eq!(SubjectKey::from_spki(&vec![0x30; 3000], &rules).unwrap_err().rule(), "key.encoding");
    }
}

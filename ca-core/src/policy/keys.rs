//! `policies/keys.toml` and `policies/known-bad-keys.txt`: the limits that `key` applies.

use std::collections::BTreeSet;

use super::reader::{PolicyError, Reader};
use crate::KeyAlgorithm;

/// BR 6.1.6: the exponent should lie between 2^16 + 1 and 2^256 − 1; ring reads up to 33 bits.
const EXPONENT: std::ops::RangeInclusive<i64> = 65_537..=(1 << 33) - 1;
/// BR 6.1.6: no factor smaller than 752. Rising the limit costs time on every request.
const SMALL_FACTOR: std::ops::RangeInclusive<i64> = 752..=10_000;
/// BR 6.1.1.3: 100 rounds.
const FERMAT: std::ops::RangeInclusive<i64> = 100..=10_000;
const KNOWN_BAD_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// Which public keys are acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRules {
    algorithms: BTreeSet<KeyAlgorithm>,
    rsa_exponent: (u64, u64),
    small_factor_below: u32,
    fermat_rounds: u32,
    known_bad: BTreeSet<[u8; 32]>,
    sha256: [u8; 32],
}

impl KeyRules {
    /// Kinds of key.
    #[must_use]
    pub fn algorithms(&self) -> &BTreeSet<KeyAlgorithm> {
        &self.algorithms
    }

    /// Least and most public exponent of RSA.
    #[must_use]
    pub fn rsa_exponent(&self) -> (u64, u64) {
        self.rsa_exponent
    }

    /// Primes below this must not divide a modulus.
    #[must_use]
    pub fn small_factor_below(&self) -> u32 {
        self.small_factor_below
    }

    /// Rounds of Fermat's method.
    #[must_use]
    pub fn fermat_rounds(&self) -> u32 {
        self.fermat_rounds
    }

    /// SHA-256 of SubjectPublicKeyInfos whose private key is public.
    #[must_use]
    pub fn known_bad(&self) -> &BTreeSet<[u8; 32]> {
        &self.known_bad
    }

    /// SHA-256 of `keys.toml`.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>, list: &Reader<'_>) -> Result<KeyRules, Vec<PolicyError>> {
    let known_bad = known_bad(list);
    let rules = reader.read(|section| {
        let algorithms = section.list("algorithms", "ec-p256, rsa-2048, rsa-3072 or rsa-4096", |name| {
            KeyAlgorithm::from_name(name).ok()
        });
        let least = section.integer("rsa-exponent-min", EXPONENT);
        let most = section.integer("rsa-exponent-max", EXPONENT);
        let small_factor = section.integer("small-factor-below", SMALL_FACTOR);
        let fermat = section.integer("fermat-rounds", FERMAT);
        if algorithms.as_ref().is_some_and(Vec::is_empty) {
            section.refuse("algorithms", "algorithms must name one or more", "none");
        }
        if least > most {
            section.refuse(
                "rsa-exponent-max",
                "rsa-exponent-max must not be below rsa-exponent-min",
                format!("{}", most?),
            );
        }
        Some(KeyRules {
            algorithms: algorithms?.into_iter().map(|(_, algorithm)| algorithm).collect(),
            rsa_exponent: (u64::try_from(least?).ok()?, u64::try_from(most?).ok()?),
            small_factor_below: u32::try_from(small_factor?).ok()?,
            fermat_rounds: u32::try_from(fermat?).ok()?,
            known_bad: BTreeSet::new(),
            sha256: reader.sha256(),
        })
    });
    match (rules, known_bad) {
        (Ok(rules), Ok(known_bad)) => Ok(KeyRules { known_bad, ..rules }),
        (rules, known_bad) => Err([rules.err(), known_bad.err()].into_iter().flatten().flatten().collect()),
    }
}

/// One hash a line; `#` begins a comment.
fn known_bad(reader: &Reader<'_>) -> Result<BTreeSet<[u8; 32]>, Vec<PolicyError>> {
    let mut hashes = BTreeSet::new();
    if reader.text().len() > KNOWN_BAD_OCTETS_MAX {
        let rule = format!("the file must be at most {KNOWN_BAD_OCTETS_MAX} octets");
        reader.error(1, rule, reader.text().len().to_string());
        return reader.finish(Some(hashes));
    }
    for (index, line) in reader.text().lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let mut hash = [0; 32];
        match hex::decode_to_slice(entry, &mut hash) {
            Ok(()) => drop(hashes.insert(hash)),
            Err(_) => reader.error(index + 1, "each line must be 64 hexadecimal characters", entry),
        }
    }
    reader.finish(Some(hashes))
}

#[cfg(test)]
mod tests {
    use super::super::testing;

    #[test]
    fn limits() {
        for (file, old, new, rule) in [
            (
                "keys.toml",
                "fermat-rounds = 100",
                "fermat-rounds = 99",
                "fermat-rounds must be 100 to 10000, found 99",
            ),
            (
                "keys.toml",
                "small-factor-below = 752",
                "small-factor-below = 751",
                "small-factor-below must be 752 to 10000, found 751",
            ),
            (
                "keys.toml",
                "rsa-exponent-min = 65537",
                "rsa-exponent-min = 3",
                "rsa-exponent-min must be 65537 to 8589934591, found 3",
            ),
            ("keys.toml", "rsa-exponent-max = 4294967295", "rsa-exponent-max = 65537", ""),
            (
                "keys.toml",
                "\"ec-p256\"",
                "\"ec-p384\"",
                "each of algorithms must be ec-p256, rsa-2048, rsa-3072 or rsa-4096, found ec-p384",
            ),
            (
                "known-bad-keys.txt",
                "b2b04340",
                "b2b0434",
                "each line must be 64 hexadecimal characters, found b2b0434cfaee616ec9c2c62d261b208e54bb197498df52e8cadede23ac0ba5e",
            ),
        ] {
            let errors = testing::errors_after(file, old, new);
            match rule {
                "" => assert!(errors.is_empty(), "{errors:?}"),
                rule => assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}"),
            }
        }
        assert!(testing::key_rules().known_bad().len() >= 8);
    }
}

//! Passwords of accounts: argon2id (RFC 9106) with the parameters that OWASP recommends, and what makes one acceptable.
//!
//! The clear text has no `Debug` and is wiped; what is stored is a PHC string.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    problem::{Failure, Problem},
    rule::Rule,
};

/// 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LEAST: usize = 8;
const MOST: usize = 128;
/// Seen first in every list of leaked passwords; digits are here because people take their birthday or these.
const COMMON: [&str; 12] = [
    "12345678",
    "123456789",
    "1234567890",
    "87654321",
    "11111111",
    "88888888",
    "00000000",
    "password",
    "qwertyui",
    "abcd1234",
    "a1234567",
    "iloveyou",
];
/// Without 0, 1, I, L, O, U: nothing that can be misread from a slip of paper. 30 characters.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
const INITIAL_CHARACTERS: usize = 12;

/// A password as a person typed it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub(crate) struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl Password {
    /// One for a slip of paper, which must be replaced at once. The draws are even: octets past 240 are left out.
    pub(crate) fn initial() -> Result<Self, Failure> {
        let mut text = String::new();
        while text.len() < INITIAL_CHARACTERS {
            let [octet] = crate::wire::random::<1>()?;
            if octet < 240 {
                text.push(char::from(ALPHABET[usize::from(octet) % ALPHABET.len()]));
            }
        }
        Ok(Self(Zeroizing::new(text)))
    }

    /// The characters: for the slip of paper only.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it may be chosen for the account of `name`.
    pub(crate) fn check(&self, name: &str) -> Result<(), Problem> {
        let weak = |detail: &str| Err(Problem::new(Rule::PasswordWeak).with("detail", detail));
        let count = self.0.chars().count();
        let lower = self.0.to_lowercase();
        if !(LEAST..=MOST).contains(&count) {
            return weak("8 to 128 characters are needed");
        }
        if self.0.chars().any(char::is_control) {
            return weak("control characters");
        }
        if !name.is_empty() && lower.contains(&name.to_lowercase()) {
            return weak("it contains the user name");
        }
        let mut characters = lower.chars();
        let first = characters.next();
        if COMMON.contains(&lower.as_str()) || characters.all(|c| Some(c) == first) {
            return weak("it is a common one");
        }
        Ok(())
    }

    /// The PHC string to be stored. Costs memory and milliseconds: never on a thread that serves others.
    pub(crate) fn hash(&self) -> Result<String, Failure> {
        let salt = crate::wire::random::<16>()?;
        let hash: PasswordHash =
            hasher()?.hash_password_with_salt(self.0.as_bytes(), &salt).map_err(Failure::inconsistent)?;
        Ok(hash.to_string())
    }

    /// Whether it is the one that was stored. Costs what [`Self::hash`] costs, whatever the answer.
    pub(crate) fn is(&self, stored: &str) -> Result<bool, Failure> {
        let stored = PasswordHash::new(stored).map_err(Failure::inconsistent)?;
        Ok(hasher()?.verify_password(self.0.as_bytes(), &stored).is_ok())
    }
}

fn hasher() -> Result<Argon2<'static>, Failure> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(Failure::inconsistent)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    #[test]
    fn the_right_one_and_no_other() {
        let hash = password("梧桐树-2026").hash().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, password("梧桐树-2026").hash().unwrap(), "salted");
        assert!(password("梧桐树-2026").is(&hash).unwrap());
        assert!(!password("梧桐树-2027").is(&hash).unwrap());
        assert!(password("x").is("not a hash").is_err());
    }

    #[test]
    fn what_is_weak() {
        for weak in [
            "",
            "short",
            "12345678",
            "PASSWORD",
            "aaaaaaaaaa",
            "x32010001x",
            "a\u{7}bcdefgh",
            &"长".repeat(129),
        ] {
            assert!(password(weak).check("32010001").is_err(), "{weak}");
        }
        assert!(password("梧桐树下有一只猫").check("32010001").is_ok());
        let initial = Password::initial().unwrap();
        assert!(initial.check("32010001").is_ok() && initial.reveal().len() == INITIAL_CHARACTERS);
        assert_ne!(initial.reveal(), Password::initial().unwrap().reveal());
    }
}

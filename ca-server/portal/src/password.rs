//! Query passwords of agents: argon2id (RFC 9106), and what makes one acceptable. What is stored is a PHC string.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use zeroize::Zeroizing;

use crate::{fault::Fault, language::Text, secret};

/// 19 MiB, two passes, one lane: what OWASP recommends.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LEAST: usize = 8;
const MOST: usize = 128;
const COMMON: [&str; 6] = ["12345678", "123456789", "87654321", "password", "qwertyui", "abcd1234"];

/// A password as a person typed it: no `Debug`, wiped when it is dropped.
pub(crate) struct Password(Zeroizing<String>);

impl Password {
    pub(crate) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        secret::same(&self.0, &other.0)
    }

    /// Why it may not be chosen by the holder of `card`.
    pub(crate) fn weakness(&self, card: &str) -> Option<Text> {
        let count = self.0.chars().count();
        let lower = self.0.to_lowercase();
        let mut characters = lower.chars();
        let first = characters.next();
        if !(LEAST..=MOST).contains(&count) || self.0.chars().any(char::is_control) {
            return Some(Text("密码须为 8 到 128 个字符。请换一个。", "Use 8 to 128 characters."));
        }
        if lower.contains(&card.to_lowercase()) {
            return Some(Text("密码不能包含社保卡号。请换一个。", "Leave the card number out of it."));
        }
        (COMMON.contains(&lower.as_str()) || characters.all(|c| Some(c) == first))
            .then_some(Text("这个密码太常见。请换一个。", "This password is a common one. Choose another."))
    }

    /// The PHC string to be stored. Costs memory and milliseconds: never on a thread that serves others.
    pub(crate) fn hash(&self) -> Result<String, Fault> {
        let salt = secret::random::<16>()?;
        let failed = |error: &dyn std::fmt::Display| Fault::Hash(error.to_string());
        let hash: PasswordHash =
            hasher()?.hash_password_with_salt(self.0.as_bytes(), &salt).map_err(|error| failed(&error))?;
        Ok(hash.to_string())
    }

    /// Whether it is the one that was stored. With nothing stored it costs the same, and is not.
    pub(crate) fn is(&self, stored: Option<&str>) -> Result<bool, Fault> {
        let Some(stored) = stored else {
            self.hash()?;
            return Ok(false);
        };
        let stored = PasswordHash::new(stored).map_err(|error| Fault::Hash(error.to_string()))?;
        Ok(hasher()?.verify_password(self.0.as_bytes(), &stored).is_ok())
    }
}

fn hasher() -> Result<Argon2<'static>, Fault> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).map_err(|error| Fault::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_one_and_no_other() {
        let password = |text: &str| Password::new(text.to_owned());
        let hash = password("梧桐树-2026").hash().unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(password("梧桐树-2026").is(Some(&hash)).unwrap());
        assert!(!password("梧桐树-2027").is(Some(&hash)).unwrap());
        assert!(!password("梧桐树-2026").is(None).unwrap());
        for weak in ["", "short", "12345678", "aaaaaaaaaa", "x32010001x", "a\u{7}bcdefgh"] {
            assert!(password(weak).weakness("32010001").is_some(), "{weak}");
        }
        assert!(password("梧桐树下有一只猫").weakness("32010001").is_none());
    }
}

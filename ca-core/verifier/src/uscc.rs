//! 统一社会信用代码, the unified social credit code (GB 32100-2015): 18 characters, the last one a check.

use std::fmt;

use crate::Error;

const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
const LENGTH: usize = 18;

/// A unified social credit code whose alphabet and check digit have been verified.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uscc([u8; LENGTH]);

impl Uscc {
    /// Reads 18 characters; no spaces, no lower case, no full-width digits: those are for a person to mend.
    ///
    /// # Errors
    /// [`Error::UsccForm`] for length or alphabet, [`Error::UsccCheck`] for the check digit (GB 32100-2015 §4.6).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let code: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| Error::UsccForm)?;
        let mut sum = 0;
        let mut weight = 1;
        for character in &code[..LENGTH - 1] {
            sum += weight * value(*character)?;
            weight = weight * 3 % 31;
        }
        value(code[LENGTH - 1])?;
        // The outer remainder matters: without it a sum divisible by 31 has no check digit.
        let expected = ALPHABET[(31 - sum % 31) % 31];
        if code[LENGTH - 1] == expected {
            Ok(Self(code))
        } else {
            Err(Error::UsccCheck { found: char::from(code[LENGTH - 1]), expected: char::from(expected) })
        }
    }

    /// The 18 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII from ALPHABET gets past parse().
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn value(character: u8) -> Result<usize, Error> {
    ALPHABET.iter().position(|known| *known == character).ok_or(Error::UsccForm)
}

impl fmt::Display for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Uscc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uscc({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_published_and_synthetic_codes() {
        for code in [
            "91350100M000100Y43",
            "91110000101623741K",
            "911101066976941872",
            "12100000425006133D",
            "91320104000000019U",
            "91320106MA1X00017N",
        ] {
            assert_eq!(Uscc::parse(code).unwrap().as_str(), code);
        }
    }

    #[test]
    fn names_the_expected_check_digit() {
        let error = Uscc::parse("91310115MA1H8R7C6D").unwrap_err();
        assert!(matches!(error, Error::UsccCheck { found: 'D', expected: '7' }), "{error:?}");
    }

    #[test]
    fn refuses_other_forms() {
        for code in [
            "",
            "91350100M000100Y4",
            "91350100M000100Y433",
            "91350100m000100Y43",
            "9135010OM000100Y43",
            "91350100M000100Y4３",
        ] {
            assert!(matches!(Uscc::parse(code), Err(Error::UsccForm)), "{code}");
        }
    }
}

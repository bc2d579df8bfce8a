//! What a unit is known by: 统一社会信用代码, or 组织机构代码 for the units that have none yet.

use std::fmt;

use crate::{Error, Uscc};

const WEIGHTS: [u32; 8] = [3, 7, 9, 10, 5, 8, 4, 2];
const LENGTH: usize = 9;

/// 组织机构代码, an organisation code (GB 11714-1997): eight digits or capital letters and a check, without the hyphen
/// that stands before the check on paper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrgCode([u8; LENGTH]);

impl OrgCode {
    /// Reads nine characters, or ten with the hyphen.
    ///
    /// # Errors
    /// [`Error::OrgCodeForm`] for length or alphabet, [`Error::OrgCodeCheck`] for the check (GB 11714-1997 §3.3).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let plain = match text.split_once('-') {
            Some((body, check)) if check.len() == 1 => format!("{body}{check}"),
            _ => text.to_owned(),
        };
        let code: [u8; LENGTH] = plain.as_bytes().try_into().map_err(|_| Error::OrgCodeForm)?;
        let mut sum = 0;
        for (character, weight) in code.iter().zip(WEIGHTS) {
            sum += weight * value(*character).ok_or(Error::OrgCodeForm)?;
        }
        let expected = match 11 - sum % 11 {
            10 => 'X',
            11 => '0',
            digit => char::from_digit(digit, 10).unwrap_or('0'),
        };
        let found = char::from(code[LENGTH - 1]);
        if !found.is_ascii_digit() && found != 'X' {
            return Err(Error::OrgCodeForm);
        }
        if found == expected { Ok(Self(code)) } else { Err(Error::OrgCodeCheck { found, expected }) }
    }

    /// The nine characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII gets past parse().
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn value(character: u8) -> Option<u32> {
    match character {
        b'0'..=b'9' | b'A'..=b'Z' => char::from(character).to_digit(36),
        _ => None,
    }
}

impl fmt::Display for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for OrgCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrgCode({self})")
    }
}

/// The one code that a unit is registered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UnitCode {
    /// 统一社会信用代码.
    Uscc(Uscc),
    /// 组织机构代码.
    Org(OrgCode),
}

impl UnitCode {
    /// Reads either kind, told apart by its length.
    ///
    /// # Errors
    /// Those of [`OrgCode::parse`] for nine characters, or ten with a hyphen; else those of [`Uscc::parse`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.len() {
            9 | 10 => OrgCode::parse(text).map(Self::Org),
            _ => Uscc::parse(text).map(Self::Uscc),
        }
    }

    /// The characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Uscc(code) => code.as_str(),
            Self::Org(code) => code.as_str(),
        }
    }

    /// The organisation code: characters 9 to 17 of a unified social credit code (GB 32100-2015 §4.5). It stays when
    /// a unit is given its unified code. `None` where those characters are none, as in some codes that were given out.
    #[must_use]
    pub fn org_code(&self) -> Option<OrgCode> {
        match self {
            Self::Uscc(code) => OrgCode::parse(&code.as_str()[8..17]).ok(),
            Self::Org(code) => Some(*code),
        }
    }
}

impl fmt::Display for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Uscc> for UnitCode {
    fn from(code: Uscc) -> Self {
        Self::Uscc(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_organisation_codes() {
        for code in
            ["692454192", "053582091", "L6005760X", "L60057722", "743719761", "66195133X", "783059753"]
        {
            assert_eq!(OrgCode::parse(code).unwrap().as_str(), code);
        }
        assert_eq!(OrgCode::parse("L6005760-X").unwrap().as_str(), "L6005760X");
    }

    #[test]
    fn refusals() {
        assert!(matches!(
            OrgCode::parse("692454193"),
            Err(Error::OrgCodeCheck { found: '3', expected: '2' })
        ));
        for code in
            ["", "69245419", "6924541922", "l6005760X", "６92454192", "69245419A", "692454-192", "-692454192"]
        {
            assert!(matches!(OrgCode::parse(code), Err(Error::OrgCodeForm)), "{code}");
        }
    }

    #[test]
    fn either_kind() {
        let code = UnitCode::parse("91110000101623741K").unwrap();
        assert!(matches!(code, UnitCode::Uscc(_)));
        assert_eq!(code.org_code().unwrap().as_str(), "101623741");
        let code = UnitCode::parse("66195133-X").unwrap();
        assert_eq!((code.as_str(), code.org_code().unwrap().as_str()), ("66195133X", "66195133X"));
        assert!(matches!(UnitCode::parse("91110000101623741"), Err(Error::UsccForm)));
    }
}

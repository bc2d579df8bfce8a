//! Which PIN a holder may choose. The certificate is worthless while the PIN is one that everybody knows (I7).
//!
//! The holder's own program knows the rules of `policies/tokens.toml` as they were when it was built; the counter's
//! workstation is told today's by the server.

use serde::Deserialize;

/// PINs that manuals print and people try first; a test compares them with the policy.
const DENIED: [&str; 21] = [
    "123456",
    "654321",
    "000000",
    "111111",
    "222222",
    "333333",
    "444444",
    "555555",
    "666666",
    "777777",
    "888888",
    "999999",
    "123123",
    "112233",
    "121212",
    "520520",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "password",
];
const CHARACTERS_MIN: usize = 6;
const CHARACTERS_MAX: usize = 16;

/// What a PIN must be.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct PinRule {
    /// Fewest characters.
    pub least: usize,
    /// Most characters.
    pub most: usize,
    /// PINs that are refused.
    pub denied: Vec<String>,
    /// The unit's code, whose last characters are no secret.
    #[serde(default)]
    pub code: Option<String>,
}

/// Why a PIN is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinRefusal {
    /// Everybody knows it, or reads it in the certificate.
    WellKnown,
    /// Too few characters.
    TooShort {
        /// So many are needed.
        least: usize,
    },
    /// Too many characters.
    TooLong {
        /// So many are possible.
        most: usize,
    },
}

impl Default for PinRule {
    fn default() -> Self {
        let denied = DENIED.map(str::to_owned).to_vec();
        Self { least: CHARACTERS_MIN, most: CHARACTERS_MAX, denied, code: None }
    }
}

impl PinRule {
    /// The same for the holder of a certificate.
    #[must_use]
    pub fn of_unit(code: Option<&str>) -> Self {
        Self { code: code.map(str::to_owned), ..Self::default() }
    }

    /// Checks a PIN that a holder wants.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, pin: &str) -> Result<(), PinRefusal> {
        let characters = pin.chars().count();
        if characters < self.least {
            Err(PinRefusal::TooShort { least: self.least })
        } else if self.denied.iter().any(|denied| denied == pin) || self.is_of_code(pin) {
            Err(PinRefusal::WellKnown)
        } else if characters > self.most {
            Err(PinRefusal::TooLong { most: self.most })
        } else {
            Ok(())
        }
    }

    /// The end of the unit's code, as people type it.
    fn is_of_code(&self, pin: &str) -> bool {
        let end = pin.to_ascii_uppercase();
        self.code.as_ref().is_some_and(|code| {
            let digits: String = code.chars().filter(char::is_ascii_digit).collect();
            code.to_ascii_uppercase().ends_with(&end) || digits.ends_with(&end)
        })
    }
}

/// Whether everybody knows this PIN, so that a certificate under it is worth nothing.
#[must_use]
pub fn is_well_known(pin: &str) -> bool {
    PinRule::default().check(pin).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_short_and_long_pins_are_refused() {
        let rule = PinRule::default();
        for pin in ["123456", "000000", "12345678", "111111", "password"] {
            assert_eq!(rule.check(pin), Err(PinRefusal::WellKnown), "{pin}");
        }
        for pin in ["", "1", "27182", "口令口令口"] {
            assert_eq!(rule.check(pin), Err(PinRefusal::TooShort { least: 6 }), "{pin}");
        }
        assert_eq!(rule.check("27182818284590452"), Err(PinRefusal::TooLong { most: 16 }));
        for pin in ["271828", "70718293", "口令口令口令"] {
            assert_eq!(rule.check(pin), Ok(()), "{pin}");
        }
    }

    #[test]
    fn the_end_of_the_units_code_is_no_secret() {
        let rule = PinRule::of_unit(Some("91320104000000019U"));
        for pin in ["00019U", "00019u", "000019", "00000019", "4000000019"] {
            assert_eq!(rule.check(pin), Err(PinRefusal::WellKnown), "{pin}");
        }
        assert_eq!(rule.check("913201"), Ok(()), "its beginning is every unit's of the town");
        assert_eq!(PinRule::default().check("00019U"), Ok(()));
    }

    #[test]
    fn the_list_is_that_of_the_policy() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/tokens.toml");
        let policy = std::fs::read_to_string(file).unwrap();
        let list = policy.split("denied-pins = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
        let listed: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(listed, DENIED);
        for (key, value) in [("pin-length-min", CHARACTERS_MIN), ("pin-length-max", CHARACTERS_MAX)] {
            assert!(policy.contains(&format!("{key} = {value}")), "{key}");
        }
    }
}

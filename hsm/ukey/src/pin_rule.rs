//! Which PIN a holder may choose. The certificate is worthless while the PIN is one that everybody knows (I7).

/// PINs that manuals print.
const DENIED: [&str; 4] = ["123456", "000000", "12345678", "111111"];
const CHARACTERS_MIN: usize = 6;

/// Why a PIN is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinRefusal {
    /// Everybody knows it.
    WellKnown,
    /// Fewer than six characters.
    TooShort,
}

/// Checks a PIN that a holder wants.
///
/// # Errors
/// The rule that it breaks.
pub fn check(pin: &str) -> Result<(), PinRefusal> {
    if DENIED.contains(&pin) {
        Err(PinRefusal::WellKnown)
    } else if pin.chars().count() < CHARACTERS_MIN {
        Err(PinRefusal::TooShort)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_and_short_pins_are_refused() {
        for pin in ["123456", "000000", "12345678", "111111"] {
            assert_eq!(check(pin), Err(PinRefusal::WellKnown), "{pin}");
        }
        for pin in ["", "1", "27182", "口令口令口"] {
            assert_eq!(check(pin), Err(PinRefusal::TooShort), "{pin}");
        }
        for pin in ["271828", "654321", "口令口令口令"] {
            assert_eq!(check(pin), Ok(()), "{pin}");
        }
    }
}

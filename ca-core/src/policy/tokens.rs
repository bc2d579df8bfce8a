//! `policies/tokens.toml`: PINs of holders' tokens.
//!
//! The initial PIN is printed in the guide and protects nothing: a certificate stays on hold until it is replaced (I7).

use super::reader::{PolicyError, Reader, Section};
use crate::StockWord;

/// FIPS 201-3 §4.3.1 asks for six digits; PKCS#11 tokens in the field take at most 16.
const PIN_CHARS: std::ops::RangeInclusive<i64> = 4..=16;
/// CNSSI and vendors' practice: 3 to 15 tries.
const TRIES: std::ops::RangeInclusive<i64> = 3..=15;

/// Where the first PIN of a token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialPin {
    /// The one that the guide prints; the holder replaces it.
    Fixed,
    /// The holder types it at the counter.
    Chosen,
    /// A random one, printed on a slip that is sealed and goes with the token.
    Slip,
}

impl InitialPin {
    /// The name in the policy.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Chosen => "chosen",
            Self::Slip => "slip",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Fixed, Self::Chosen, Self::Slip].into_iter().find(|one| one.name() == name)
    }
}

/// A model of token that is bought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenModel {
    /// As vendors' lists and the token itself call it.
    pub name: StockWord,
    /// Where its first PIN comes from.
    pub initial: InitialPin,
}

/// PINs of holders' tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRules {
    initial_pin: String,
    factory_so_pin: String,
    pin_chars: (u8, u8),
    pin_tries: u8,
    denied_pins: Vec<String>,
    models: Vec<TokenModel>,
    sha256: [u8; 32],
}

impl TokenRules {
    /// What every token is handed over with; public.
    #[must_use]
    pub fn initial_pin(&self) -> &str {
        &self.initial_pin
    }

    /// The SO PIN that the vendor sets on blank tokens; replaced by the first step of personalisation.
    #[must_use]
    pub fn factory_so_pin(&self) -> &str {
        &self.factory_so_pin
    }

    /// Least and most characters of a holder's own PIN.
    #[must_use]
    pub fn pin_chars(&self) -> (u8, u8) {
        self.pin_chars
    }

    /// Wrong tries before the token locks, where the token can be told.
    #[must_use]
    pub fn pin_tries(&self) -> u8 {
        self.pin_tries
    }

    /// PINs that a holder cannot choose; the initial one is among them.
    #[must_use]
    pub fn denied_pins(&self) -> &[String] {
        &self.denied_pins
    }

    /// Models that are bought: tokens of no other are taken into stock.
    #[must_use]
    pub fn models(&self) -> &[TokenModel] {
        &self.models
    }

    /// Where the first PIN of a token of this model comes from; of one that is not bought any more it is the fixed one.
    #[must_use]
    pub fn initial(&self, model: &str) -> InitialPin {
        let known = self.models.iter().find(|known| known.name.as_str() == model);
        known.map_or(InitialPin::Fixed, |known| known.initial)
    }

    /// SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

pub(super) fn parse(reader: &Reader<'_>) -> Result<TokenRules, Vec<PolicyError>> {
    reader.read(|section| {
        let pin = |text: &str| {
            let printable = text.bytes().all(|c| c.is_ascii_graphic());
            (printable && (4..=16).contains(&text.len())).then(|| text.to_owned())
        };
        let rule = "4 to 16 printable ASCII characters";
        let initial_pin = section.parsed("initial-pin", rule, pin);
        let factory_so_pin = section.parsed("factory-so-pin", rule, pin);
        let least = section.integer("pin-length-min", PIN_CHARS);
        let most = section.integer("pin-length-max", PIN_CHARS);
        let tries = section.integer("pin-tries", TRIES);
        let denied = section.list("denied-pins", rule, pin);
        let models = section.tables("model", model)?;
        for (at, model) in models.iter().enumerate() {
            if models.iter().take(at).any(|other| other.name == model.name) {
                section.refuse("model", "name must not repeat", model.name.to_string());
            }
        }
        let (initial_pin, factory_so_pin, least, most) = (initial_pin?, factory_so_pin?, least?, most?);
        let denied_pins: Vec<String> = denied?.into_iter().map(|(_, pin)| pin).collect();
        if least > most {
            section.refuse(
                "pin-length-max",
                "pin-length-max must not be below pin-length-min",
                most.to_string(),
            );
        }
        // Otherwise "change the PIN" could end where it began.
        if !denied_pins.contains(&initial_pin) {
            section.refuse("denied-pins", "denied-pins must contain initial-pin", "other values");
        }
        Some(TokenRules {
            initial_pin,
            factory_so_pin,
            pin_chars: (u8::try_from(least).ok()?, u8::try_from(most).ok()?),
            pin_tries: u8::try_from(tries?).ok()?,
            denied_pins,
            models,
            sha256: reader.sha256(),
        })
    })
}

fn model(section: &Section<'_>) -> Option<TokenModel> {
    let rule = "1 to 40 letters, digits, spaces or - _ . /";
    let name = section.parsed("name", rule, |text| StockWord::parse("model", text).ok());
    let initial = if section.has("initial-pin") {
        section.parsed("initial-pin", "fixed, chosen or slip", InitialPin::from_name)
    } else {
        Some(InitialPin::Fixed)
    };
    Some(TokenModel { name: name?, initial: initial? })
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::InitialPin;

    #[test]
    fn the_guides_pin_is_denied_to_holders() {
        let policies = testing::policies();
        assert_eq!(policies.tokens().initial_pin(), "123456");
        assert!(policies.tokens().denied_pins().contains(&"123456".to_owned()));
        assert_eq!(policies.tokens().initial("SoftHSM v2"), InitialPin::Fixed);
        assert_eq!(policies.tokens().initial("no such model"), InitialPin::Fixed);
    }

    #[test]
    fn limits() {
        for (old, new, rule) in [
            ("pin-tries = 6", "pin-tries = 100", "pin-tries must be 3 to 15, found 100"),
            ("pin-length-min = 6", "pin-length-min = 3", "pin-length-min must be 4 to 16, found 3"),
            (
                "pin-length-max = 16",
                "pin-length-max = 5",
                "pin-length-max must not be below pin-length-min, found 5",
            ),
            (
                "name = \"SoftHSM v2\"",
                "name = \" SoftHSM v2\"",
                "name must be 1 to 40 letters, digits, spaces or - _ . /, found  SoftHSM v2",
            ),
            (
                "name = \"SoftHSM v2\"",
                "name = \"SoftHSM v2\"\ninitial-pin = \"none\"",
                "initial-pin must be fixed, chosen or slip, found none",
            ),
            (
                "[[model]]",
                "[[model]]\nname = \"SoftHSM v2\"\n[[model]]",
                "name must not repeat, found SoftHSM v2",
            ),
            (
                "initial-pin = \"123456\"",
                "initial-pin = \"847261\"",
                "denied-pins must contain initial-pin, found other values",
            ),
        ] {
            let errors = testing::errors_after("tokens.toml", old, new);
            assert!(errors.len() == 1 && errors[0].ends_with(rule), "{errors:?}");
        }
    }
}

//! PINs: they enter once, go to the module, and have no text anywhere else.

use std::fmt;

use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use crate::Error;

macro_rules! pins {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        pub struct $name(AuthPin);

        impl $name {
            /// Takes a PIN in; its memory, and that of `text`, is wiped when it is dropped.
            ///
            /// # Errors
            /// [`Error::PinEmpty`]: some modules take an empty PIN for "already authenticated" (CVE-2023-40660), so
            /// it never reaches them.
            pub fn new(text: impl Into<Zeroizing<String>>) -> Result<Self, Error> {
                let text = text.into();
                // A copy of its exact length: a string that shrinks into its box would leave another one behind.
                if text.is_empty() { Err(Error::PinEmpty) } else { Ok(Self(AuthPin::from(text.as_str()))) }
            }

            pub(crate) fn auth(&self) -> &AuthPin {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    )+};
}

pins! {
    /// The user PIN (CKU_USER), the holder's. UTF-8, not empty.
    Pin,
    /// The security officer's PIN (CKU_SO), which sets the user PIN. UTF-8, not empty.
    SoPin,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_has_no_text() {
        let pin = Pin::new("271828".to_owned()).unwrap();
        let so_pin = SoPin::new("314159".to_owned()).unwrap();
        assert_eq!(format!("{pin:?} {so_pin:?}"), "Pin(hidden) SoPin(hidden)");
    }

    #[test]
    fn the_empty_pin_is_refused() {
        assert!(matches!(Pin::new(String::new()), Err(Error::PinEmpty)));
        assert!(matches!(SoPin::new(String::new()), Err(Error::PinEmpty)));
    }
}

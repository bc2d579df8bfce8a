//! Octets as the export writes them: lower-case hexadecimal.

use std::{borrow::Cow, fmt};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, de::Error};

/// Octets of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Octets(Box<[u8]>);

impl Octets {
    pub(crate) fn new(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    /// SHA-256 of `message`.
    pub(crate) fn sha256(message: &[u8]) -> Self {
        Self::new(digest(&SHA256, message).as_ref())
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        // Two spellings of one serial number would be two serial numbers to the rules.
        if text.bytes().any(|c| c.is_ascii_uppercase()) {
            return Err(D::Error::custom("hexadecimal in capitals"));
        }
        hex::decode(text.as_bytes()).map(|octets| Self(octets.into())).map_err(D::Error::custom)
    }
}

/// SHA-256 of a column's octets, which are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Digested(pub(crate) Octets);

impl<'de> Deserialize<'de> for Digested {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Octets::deserialize(deserializer).map(|octets| Self(Octets::sha256(octets.as_slice())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_hexadecimal_and_nothing_else() {
        assert_eq!(serde_json::from_str::<Octets>("\"0aff\"").unwrap(), Octets::new(&[0x0a, 0xff]));
        for bad in ["\"0AFF\"", "\"0af\"", "\"xx\"", "17", "null"] {
            assert!(serde_json::from_str::<Octets>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn digests() {
        // FIPS 180-4 example: "abc".
        let digested: Digested = serde_json::from_str("\"616263\"").unwrap();
        assert_eq!(
            digested.0.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

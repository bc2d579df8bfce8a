//! Certificate serial numbers (RFC 5280 §4.1.2.2): positive, at most 20 octets.

use std::fmt;

use crate::Error;

const OCTETS_MAX: usize = 20;

/// A certificate serial number: 1 to 20 octets of a minimal, positive DER INTEGER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial {
    octets: [u8; OCTETS_MAX],
    length: u8,
}

impl Serial {
    /// Octets of a serial that this CA makes: 1 prefix octet and 136 random bits.
    pub const ISSUED_OCTETS: usize = 18;

    /// Reads the content octets of a DER INTEGER.
    ///
    /// # Errors
    /// [`Error::Serial`] when empty, longer than 20 octets, zero, negative or not minimal.
    pub fn from_content(content: &[u8]) -> Result<Self, Error> {
        let length = u8::try_from(content.len()).map_err(|_| Error::Serial("longer than 20 octets"))?;
        let first = *content.first().ok_or(Error::Serial("empty"))?;
        if content.len() > OCTETS_MAX {
            return Err(Error::Serial("longer than 20 octets"));
        }
        if first & 0x80 != 0 {
            return Err(Error::Serial("negative"));
        }
        if first == 0 && content.get(1).is_none_or(|second| second & 0x80 == 0) {
            return Err(Error::Serial("zero or not minimal"));
        }
        let mut octets = [0; OCTETS_MAX];
        octets[..content.len()].copy_from_slice(content);
        Ok(Self { octets, length })
    }

    /// Makes a serial of this CA: `prefix` names the instance and its restore epoch.
    ///
    /// # Errors
    /// [`Error::Serial`] when `prefix` is not in 1..=127.
    pub fn from_random(prefix: u8, random: &[u8; Self::ISSUED_OCTETS - 1]) -> Result<Self, Error> {
        if !(1..0x80).contains(&prefix) {
            return Err(Error::Serial("prefix outside 1..=127"));
        }
        let mut content = [0; Self::ISSUED_OCTETS];
        content[0] = prefix;
        content[1..].copy_from_slice(random);
        Self::from_content(&content)
    }

    /// Reads lower- or upper-case hexadecimal, as `openssl x509 -serial` prints it.
    ///
    /// # Errors
    /// [`Error::Serial`] when it is not hexadecimal or not a serial.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        if text.len() > OCTETS_MAX * 2 {
            return Err(Error::Serial("longer than 20 octets"));
        }
        Self::from_content(&hex::decode(text).map_err(|_| Error::Serial("not hexadecimal"))?)
    }

    /// The content octets of the DER INTEGER.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_der_allows_and_nothing_else() {
        for good in [&[1][..], &[0x7f], &[0, 0x80], &[0x11; 20]] {
            assert_eq!(Serial::from_content(good).unwrap().as_bytes(), good);
        }
        for bad in [&[][..], &[0], &[0x80], &[0, 0x7f], &[1; 21], &[0; 300]] {
            assert!(matches!(Serial::from_content(bad), Err(Error::Serial(_))), "{bad:02x?}");
        }
    }

    #[test]
    fn own_serials_have_a_prefix_and_136_bits() {
        let serial = Serial::from_random(1, &[0xff; 17]).unwrap();
        assert_eq!(serial.as_bytes().len(), 18);
        assert_eq!(Serial::from_hex(&serial.to_string()).unwrap(), serial);
        assert!(Serial::from_random(0, &[0; 17]).is_err());
        assert!(Serial::from_random(0x80, &[0; 17]).is_err());
    }
}

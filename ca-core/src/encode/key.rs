//! From the forms of PKCS#11 to those of X.509: public keys (RFC 5480 §2, RFC 8017 §A.1) and ECDSA signatures
//! (RFC 3279 §2.2.3).

use super::der;
use crate::Error;

const EC_PUBLIC_KEY: &[u64] = &[1, 2, 840, 10045, 2, 1];
const PRIME256V1: &[u64] = &[1, 2, 840, 10045, 3, 1, 7];
const RSA_ENCRYPTION: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];

/// SubjectPublicKeyInfo of a P-256 key from its uncompressed point, `04 || X || Y`. PKCS#11 wraps the point in an
/// OCTET STRING; unwrap it first.
#[must_use]
pub fn spki_from_ec_point(point: &[u8; 65]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid(EC_PUBLIC_KEY), &der::oid(PRIME256V1)]);
    der::sequence(&[&algorithm, &der::bits(point)])
}

/// SubjectPublicKeyInfo of an RSA key from CKA_MODULUS and CKA_PUBLIC_EXPONENT (big-endian, unsigned).
#[must_use]
pub fn spki_from_rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid(RSA_ENCRYPTION), &[5, 0]]);
    let key = der::sequence(&[&der::integer(modulus), &der::integer(exponent)]);
    der::sequence(&[&algorithm, &der::bits(&key)])
}

/// Ecdsa-Sig-Value from `r || s`, as CKM_ECDSA returns it for P-256.
///
/// # Errors
/// [`Error::RawSignature`] when it is not 64 octets.
pub fn ecdsa_der(raw: &[u8]) -> Result<Vec<u8>, Error> {
    let raw: &[u8; 64] = raw.try_into().map_err(|_| Error::RawSignature { octets: raw.len() })?;
    Ok(der::sequence(&[&der::integer(&raw[..32]), &der::integer(&raw[32..])]))
}

/// `r || s` of 64 octets, as JSON Web Signatures want it (RFC 7518 §3.4); `None` for anything but Ecdsa-Sig-Value of
/// P-256.
pub(crate) fn ecdsa_raw(signature: &[u8]) -> Option<[u8; 64]> {
    let [0x30, length, numbers @ ..] = signature else { return None };
    let mut rest = (usize::from(*length) == numbers.len()).then_some(numbers)?;
    let mut raw = [0; 64];
    for half in raw.chunks_exact_mut(32) {
        let [0x02, length, after @ ..] = rest else { return None };
        let (number, after) = after.split_at_checked(usize::from(*length))?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        let start = half.len().checked_sub(number.len())?;
        half.get_mut(start..)?.copy_from_slice(number);
        rest = after;
    }
    rest.is_empty().then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spki_of_rfc_9500() {
        let spki = hex::decode(concat!(
            "3059301306072a8648ce3d020106082a8648ce3d030107034200",
            "04422548f88fb782ffb5eca3744452c72a1e558fbd6f73be5e48e93232cc45c5b1",
            "6c4cd10c4cb8d5b8a17139e94882c8992572993425f41419ab7e90a42a494272"
        ))
        .unwrap();
        let point: &[u8; 65] = spki[26..].try_into().unwrap();
        assert_eq!(spki_from_ec_point(point), spki);
    }

    #[test]
    fn ecdsa_values_come_back_raw() {
        for (first, second) in [(0x80, 0x7f), (0x01, 0xff), (0, 0)] {
            let mut raw = [7; 64];
            (raw[0], raw[32]) = (first, second);
            let der = ecdsa_der(&raw).unwrap();
            assert_eq!(ecdsa_raw(&der), Some(raw));
            assert_eq!(ecdsa_raw(&der[..der.len() - 1]), None);
            assert_eq!(ecdsa_raw(&[&der[..], &[0]].concat()), None);
        }
        let long = der::sequence(&[&der::integer(&[1; 33]), &der::integer(&[1; 32])]);
        assert_eq!(ecdsa_raw(&long), None);
    }

    #[test]
    fn ecdsa_values_are_minimal() {
        let mut raw = [0; 64];
        raw[31] = 0x80;
        raw[63] = 1;
        assert_eq!(ecdsa_der(&raw).unwrap(), [0x30, 7, 2, 2, 0, 0x80, 2, 1, 1]);
        assert!(matches!(ecdsa_der(&raw[1..]), Err(Error::RawSignature { octets: 63 })));
    }
}

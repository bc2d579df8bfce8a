//! `key.algorithm`: EC (RFC 5480 §2.1.1) or RSA (RFC 3279 §2.3.1, parameters NULL).

use x509_parser::oid_registry::{OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::x509::AlgorithmIdentifier;

use super::KeyRefusal;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Family {
    Ec,
    Rsa,
}

pub(super) fn check(algorithm: &AlgorithmIdentifier<'_>) -> Result<Family, KeyRefusal> {
    if algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        Ok(Family::Ec)
    } else if algorithm.algorithm == OID_PKCS1_RSAENCRYPTION {
        Ok(Family::Rsa)
    } else {
        Err(KeyRefusal::Algorithm { found: algorithm.algorithm.to_id_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::oid_registry::{OID_SIG_ED25519, Oid};

    #[test]
    fn ed25519_and_dsa_are_refused_by_name() {
        for (oid, text) in [
            (OID_SIG_ED25519, "1.3.101.112"),
            (Oid::from(&[1, 2, 840, 10040, 4, 1]).unwrap(), "1.2.840.10040.4.1"),
        ] {
            let refusal = check(&AlgorithmIdentifier::new(oid, None)).unwrap_err();
            assert_eq!(refusal, KeyRefusal::Algorithm { found: text.to_owned() });
            assert_eq!(refusal.rule(), "key.algorithm");
        }
    }
}

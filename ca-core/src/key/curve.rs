//! `key.curve`: a named curve, and that one P-256 (RFC 5480 §2.1.1.1 forbids explicit parameters).

use x509_parser::asn1_rs::Tag;
use x509_parser::oid_registry::{OID_EC_P256, Oid};
use x509_parser::x509::AlgorithmIdentifier;

use super::KeyRefusal;

pub(super) fn check(algorithm: &AlgorithmIdentifier<'_>) -> Result<(), KeyRefusal> {
    let curve = named(algorithm);
    match curve {
        Some(curve) if curve == OID_EC_P256 => Ok(()),
        Some(curve) => Err(KeyRefusal::Curve { found: curve.to_id_string() }),
        None => Err(KeyRefusal::Curve { found: "none".to_owned() }),
    }
}

/// The curve's name; the parser would read an OBJECT IDENTIFIER out of any value, so the tag is looked at.
pub(crate) fn named<'a>(algorithm: &'a AlgorithmIdentifier<'_>) -> Option<Oid<'a>> {
    let parameters = algorithm.parameters.as_ref().filter(|parameters| parameters.tag() == Tag::Oid)?;
    parameters.as_oid().ok()
}

#[cfg(test)]
mod tests {
    use crate::policy::testing;
    use crate::{KeyRefusal, SubjectKey};

    #[test]
    fn p384_and_explicit_parameters_are_refused() {
        let rules = testing::key_rules();
        let p384 = concat!(
            "3076301006072a8648ce3d020106052b8104002203620004",
            "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
            "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f"
        );
        let refusal = SubjectKey::from_spki(&hex::decode(p384).unwrap(), &rules).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "key.curve: only the named curve P-256 is accepted, found 1.3.132.0.34"
        );
        // Parameters in full instead of a name: an empty SEQUENCE is enough to show it.
        let explicit = hex::decode("3011300b06072a8648ce3d020130000302000400").unwrap();
        let refusal = SubjectKey::from_spki(&explicit[..19], &rules).unwrap_err();
        assert_eq!(refusal, KeyRefusal::Curve { found: "none".to_owned() });
    }
}

//! `key.known-bad`: keys whose private half is public (BR 6.1.1.3), by SHA-256 of the SubjectPublicKeyInfo.

use std::collections::BTreeSet;

use super::KeyRefusal;

pub(super) fn check(spki_sha256: &[u8; 32], known_bad: &BTreeSet<[u8; 32]>) -> Result<(), KeyRefusal> {
    if known_bad.contains(spki_sha256) {
        return Err(KeyRefusal::KnownBad { spki_sha256: hex::encode(spki_sha256) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::SubjectKey;
    use crate::policy::testing;

    #[test]
    fn the_test_key_of_rfc_9500_is_refused() {
        let spki = hex::decode(concat!(
            "3059301306072a8648ce3d020106082a8648ce3d030107034200",
            "04422548f88fb782ffb5eca3744452c72a1e558fbd6f73be5e48e93232cc45c5b1",
            "6c4cd10c4cb8d5b8a17139e94882c8992572993425f41419ab7e90a42a494272"
        ))
        .unwrap();
        let refusal = SubjectKey::from_spki(&spki, &testing::key_rules()).unwrap_err();
        assert_eq!(refusal.rule(), "key.known-bad");
        assert!(refusal.to_string().contains("b2b04340cfaee616"), "{refusal}");
    }
}

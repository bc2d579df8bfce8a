//! `key.size`: a modulus of 2048, 3072 or 4096 bits (BR 6.1.5).

use num_bigint::BigUint;

use super::{KeyAlgorithm, KeyRefusal};

pub(super) fn check(modulus: &BigUint) -> Result<KeyAlgorithm, KeyRefusal> {
    match modulus.bits() {
        2048 => Ok(KeyAlgorithm::Rsa2048),
        3072 => Ok(KeyAlgorithm::Rsa3072),
        4096 => Ok(KeyAlgorithm::Rsa4096),
        found => Err(KeyRefusal::Size { found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_sizes() {
        for bits in [1_u64, 1024, 2047, 2049, 2056, 8192] {
            let refusal = check(&(BigUint::from(1_u8) << (bits - 1))).unwrap_err();
            assert_eq!(refusal, KeyRefusal::Size { found: bits });
            assert_eq!(refusal.rule(), "key.size");
        }
        assert_eq!(check(&(BigUint::from(1_u8) << 3071)), Ok(KeyAlgorithm::Rsa3072));
    }
}

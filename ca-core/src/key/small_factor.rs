//! `key.small-factor`: no prime below 752 divides the modulus (BR 6.1.6, SP 800-89 §5.3.3).

use num_bigint::BigUint;

use super::KeyRefusal;

pub(super) fn check(modulus: &BigUint, below: u32) -> Result<(), KeyRefusal> {
    let zero = BigUint::ZERO;
    // A composite divisor has a smaller prime one, which comes first.
    match (2..below).find(|factor| modulus % *factor == zero) {
        Some(factor) => Err(KeyRefusal::SmallFactor { factor }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_2_and_751_but_not_757() {
        // A prime of more than 751: 2^127 − 1.
        let prime = (BigUint::from(1_u8) << 127) - 1_u8;
        for factor in [2_u32, 3, 751] {
            assert_eq!(check(&(&prime * factor), 752), Err(KeyRefusal::SmallFactor { factor }));
        }
        assert_eq!(check(&(&prime * 757_u32), 752), Ok(()));
    }
}

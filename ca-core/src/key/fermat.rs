//! `key.fermat`: Fermat's method does not find the primes in 100 rounds (BR 6.1.1.3; CVE-2022-26320).

use num_bigint::BigUint;

use super::KeyRefusal;

pub(super) fn check(modulus: &BigUint, rounds: u32) -> Result<(), KeyRefusal> {
    let mut a = modulus.sqrt();
    if &a * &a < *modulus {
        a += 1_u8;
    }
    for round in 1..=rounds {
        let b_squared = &a * &a - modulus;
        if is_square(&b_squared) {
            return Err(KeyRefusal::Fermat { rounds: round });
        }
        a += 1_u8;
    }
    Ok(())
}

fn is_square(value: &BigUint) -> bool {
    // Squares are 0, 1, 4 or 9 modulo 16: three of four candidates need no root.
    let low = value.iter_u32_digits().next().unwrap_or(0) % 16;
    if !matches!(low, 0 | 1 | 4 | 9) {
        return false;
    }
    let root = value.sqrt();
    &root * &root == *value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_factors_are_found_and_far_ones_are_not() {
        let p = (BigUint::from(1_u8) << 1023) + 1_155_u32;
        let square = &p * &p;
        assert_eq!(check(&square, 100), Err(KeyRefusal::Fermat { rounds: 1 }));
        let close = &p * (&p + 4_u8);
        assert_eq!(check(&close, 100).unwrap_err().rule(), "key.fermat");
        let far = &p * (&p + (BigUint::from(2_u8) << 600));
        assert_eq!(check(&far, 100), Ok(()));
    }
}

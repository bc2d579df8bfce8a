//! `key.roca`: the fingerprint of CVE-2017-15361 (BR 6.1.1.3).
//!
//! The faulty library made primes of the form k·M + 65537^a mod M, where M is a product of small primes; so the
//! modulus is a power of 65537 modulo each of them. The primes below are those of the published test, for which the
//! powers of 65537 are not all residues; a random modulus passes for one of them with probability 2^-27 or less.

use num_bigint::BigUint;

use super::KeyRefusal;

const PRIMES: [u32; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

pub(super) fn check(modulus: &BigUint) -> Result<(), KeyRefusal> {
    if PRIMES.iter().all(|prime| is_power(&(modulus % *prime), *prime)) {
        Err(KeyRefusal::Roca)
    } else {
        Ok(())
    }
}

/// Whether `residue` is a power of 65537 modulo `prime`.
fn is_power(residue: &BigUint, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if *residue == BigUint::from(power) {
            return true;
        }
        power = power * 65537 % prime;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_found_and_a_neighbour_is_not() {
        let product = PRIMES.iter().fold(BigUint::from(1_u8), |product, prime| product * *prime);
        for exponent in [0_u32, 1, 12_345, 987_654_321] {
            let weak = (&product << 1900) + BigUint::from(65537_u32).modpow(&exponent.into(), &product);
            assert_eq!(check(&weak), Err(KeyRefusal::Roca));
            assert_eq!(check(&(weak + 2_u8)), Ok(()));
        }
    }

    #[test]
    fn the_list_is_every_prime_to_167_that_tells_something() {
        let prime = |n: &u32| (2..*n).all(|d| !n.is_multiple_of(d));
        let tells = |p: &u32| (1..*p).any(|residue| !is_power(&residue.into(), *p));
        assert_eq!((3..=167).filter(prime).filter(tells).collect::<Vec<u32>>(), PRIMES);
    }
}

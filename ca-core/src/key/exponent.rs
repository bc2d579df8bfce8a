//! `key.exponent`: odd, from 2^16 + 1 up (BR 6.1.6), and small enough that verification stays cheap.

use super::KeyRefusal;
use crate::policy::KeyRules;

pub(super) fn check(exponent: &[u8], rules: &KeyRules) -> Result<(), KeyRefusal> {
    let (least, most) = rules.rsa_exponent();
    let significant =
        exponent.iter().position(|octet| *octet != 0).map_or(&[][..], |index| &exponent[index..]);
    let mut octets = [0; 8];
    let value = if significant.len() <= octets.len() {
        octets[8 - significant.len()..].copy_from_slice(significant);
        Some(u64::from_be_bytes(octets))
    } else {
        None
    };
    match value {
        Some(value) if value % 2 == 1 && (least..=most).contains(&value) => Ok(()),
        Some(value) => Err(KeyRefusal::Exponent { least, most, found: value.to_string() }),
        None => Err(KeyRefusal::Exponent { least, most, found: format!("{} octets", significant.len()) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing;

    #[test]
    fn small_even_and_huge_are_refused() {
        let rules = testing::key_rules();
        assert_eq!(check(&[1, 0, 1], &rules), Ok(()));
        assert_eq!(check(&[0xff; 4], &rules), Ok(()));
        for bad in
            [&[][..], &[0], &[1], &[3], &[1, 0, 0], &[1, 0, 2], &[1, 0, 0, 0, 1], &[1; 9], &[0xff; 300]]
        {
            assert_eq!(check(bad, &rules).unwrap_err().rule(), "key.exponent", "{bad:02x?}");
        }
    }
}

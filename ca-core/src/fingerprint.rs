//! A certificate's fingerprint as people compare it: on a receipt and on the holder's screen in the same form.

use crate::key::sha256;

const GROUP: usize = 2;

/// SHA-256 of a DER certificate, hexadecimal, in sixteen groups of four digits.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let groups: Vec<String> = sha256(der).chunks(GROUP).map(hex::encode_upper).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_groups_of_four_digits() {
        // FIPS 180-4: SHA-256 of "abc".
        let expected = "BA78 16BF 8F01 CFEA 4141 40DE 5DAE 2223 B003 61A3 9617 7A9C B410 FF61 F200 15AD";
        assert_eq!(fingerprint(b"abc"), expected);
    }
}

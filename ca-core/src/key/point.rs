//! `key.point`: uncompressed, coordinates below the field's prime, on the curve (SEC 1 §3.2.2.1; the cofactor is 1,
//! so a point on the curve other than infinity has the full order).

use std::sync::LazyLock;

use num_bigint::BigUint;

use super::KeyRefusal;

/// The prime p and the coefficient b of P-256 (FIPS 186-5, SP 800-186 §3.2.1.3).
static P256: LazyLock<(BigUint, BigUint)> = LazyLock::new(|| {
    (
        BigUint::from_bytes_be(&[
            0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]),
        BigUint::from_bytes_be(&[
            0x5a, 0xc6, 0x35, 0xd8, 0xaa, 0x3a, 0x93, 0xe7, 0xb3, 0xeb, 0xbd, 0x55, 0x76, 0x98, 0x86, 0xbc,
            0x65, 0x1d, 0x06, 0xb0, 0xcc, 0x53, 0xb0, 0xf6, 0x3b, 0xce, 0x3c, 0x3e, 0x27, 0xd2, 0x60, 0x4b,
        ]),
    )
});

pub(super) fn check(bits: &[u8]) -> Result<[u8; 65], KeyRefusal> {
    let point: [u8; 65] = bits.try_into().map_err(|_| KeyRefusal::Point { why: "65 octets are needed" })?;
    if point[0] != 4 {
        return Err(KeyRefusal::Point { why: "only the uncompressed form is accepted" });
    }
    let (p, b) = &*P256;
    let (x, y) = (BigUint::from_bytes_be(&point[1..33]), BigUint::from_bytes_be(&point[33..]));
    if x >= *p || y >= *p {
        return Err(KeyRefusal::Point { why: "a coordinate is not below the field's prime" });
    }
    // y² = x³ − 3x + b, written without subtraction.
    let left = (&y * &y + &x * 3_u32) % p;
    let right = (&x * &x * &x + b) % p;
    if left == right { Ok(point) } else { Err(KeyRefusal::Point { why: "the point is not on the curve" }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key of RFC 6979 §A.2.5.
    fn point() -> Vec<u8> {
        hex::decode(concat!(
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
        ))
        .unwrap()
    }

    #[test]
    fn every_changed_point_is_refused() {
        assert!(check(&point()).is_ok());
        for index in 0..65 {
            let mut changed = point();
            changed[index] ^= 1;
            assert_eq!(check(&changed).unwrap_err().rule(), "key.point", "octet {index}");
        }
    }

    #[test]
    fn infinity_compressed_and_unreduced_are_refused() {
        assert!(check(&[0]).is_err());
        assert!(check(&[&[4][..], &[0; 64]].concat()).is_err());
        let compressed = [&[3][..], &point()[1..33]].concat();
        assert!(check(&compressed).is_err());
        let mut unreduced = point();
        unreduced[1..33].copy_from_slice(&[0xff; 32]);
        assert_eq!(
            check(&unreduced).unwrap_err(),
            KeyRefusal::Point { why: "a coordinate is not below the field's prime" }
        );
    }
}

//! Random values, digests and comparison without a clock's help.

use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom, SystemRandom},
};

use crate::fault::Fault;

/// Without 0, 1, I, L, O, U: nothing that is misread. 30 characters.
const ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| Fault::Randomness)?;
    Ok(octets)
}

/// 256 random bits in hexadecimal digits.
pub(crate) fn token() -> Result<String, Fault> {
    Ok(hex::encode(random::<32>()?))
}

/// `count` characters for people to read out. The draws are even: octets past 240 are left out.
pub(crate) fn readable(count: usize) -> Result<String, Fault> {
    let mut text = String::new();
    while text.len() < count {
        let [octet] = random::<1>()?;
        let character = ALPHABET.get(usize::from(octet) % ALPHABET.len()).filter(|_| octet < 240);
        text.extend(character.map(|character| char::from(*character)));
    }
    Ok(text)
}

pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    digest(&SHA256, octets).as_ref().try_into().unwrap_or_default()
}

/// Equal? Digests are compared, so that the time tells nothing about either.
pub(crate) fn same(a: &str, b: &str) -> bool {
    sha256(a.as_bytes()) == sha256(b.as_bytes())
}

//! Values of DER (X.690 §8, §10, §11), composed bottom-up; each function gives a whole tag-length-value.

use ca_verifier::Time;
use yasna::models::ObjectIdentifier;

use crate::SignatureAlgorithm;

/// 1950-01-01 and 2050-01-01: between them RFC 5280 §4.1.2.5 asks for UTCTime.
const UTC_TIME: std::ops::Range<i64> = -631_152_000..2_524_608_000;

pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// Tag and length of what has less than 4 GiB.
pub(crate) const HEADER_MAX: usize = 6;

/// Any value with a one-octet tag.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + HEADER_MAX);
    write_header(tag, content.len(), &mut out);
    out.extend_from_slice(content);
    out
}

fn write_header(tag: u8, length: usize, out: &mut Vec<u8>) {
    out.push(tag);
    let octets = length.to_be_bytes();
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        _ => {
            let start = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
            // At most 8 octets, so the count always fits the low bits.
            out.push(0x80 | u8::try_from(octets.len() - start).unwrap_or(0));
            out.extend_from_slice(&octets[start..]);
        }
    }
}

/// What gets its headers last, in room that was left before it: a value of many megabytes is written once and never
/// copied.
#[derive(Debug)]
pub(crate) struct Framed {
    octets: Vec<u8>,
    start: usize,
}

impl Framed {
    /// Room for `before` octets in front of `content` octets; where it does not last, more is made.
    pub(crate) fn with_room(before: usize, content: usize) -> Self {
        let mut octets = Vec::with_capacity(before + content);
        octets.resize(before, 0);
        Self { octets, start: before }
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.octets[self.start..]
    }

    pub(crate) fn push(&mut self, more: &[u8]) {
        self.octets.extend_from_slice(more);
    }

    pub(crate) fn put_before(&mut self, front: &[u8]) {
        if let Some(lack) = front.len().checked_sub(self.start) {
            self.octets.splice(0..0, std::iter::repeat_n(0, lack));
            self.start += lack;
        }
        let end = self.start;
        self.start -= front.len();
        self.octets[self.start..end].copy_from_slice(front);
    }

    /// Makes a value of what is there.
    pub(crate) fn close(&mut self, tag: u8) {
        let mut header = Vec::with_capacity(HEADER_MAX);
        write_header(tag, self.as_slice().len(), &mut header);
        self.put_before(&header);
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.octets.capacity()
    }

    pub(crate) fn into_vec(mut self) -> Vec<u8> {
        self.octets.drain(..self.start);
        self.octets
    }
}

pub(crate) fn concat(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &concat(parts))
}

/// `[number] EXPLICIT`, for numbers below 31.
pub(crate) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

pub(crate) fn octets(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn bits(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

/// A non-negative INTEGER from big-endian octets.
pub(crate) fn integer(magnitude: &[u8]) -> Vec<u8> {
    let first = magnitude.iter().position(|octet| *octet != 0);
    match first.map(|index| &magnitude[index..]) {
        None => tlv(0x02, &[0]),
        Some(rest) if rest[0] & 0x80 != 0 => tlv(0x02, &[&[0], rest].concat()),
        Some(rest) => tlv(0x02, rest),
    }
}

pub(crate) fn enumerated(value: u8) -> Vec<u8> {
    tlv(0x0a, &[value])
}

pub(crate) fn oid(arcs: &[u64]) -> Vec<u8> {
    yasna::construct_der(|writer| writer.write_oid(&ObjectIdentifier::from_slice(arcs)))
}

/// From content octets, for arcs that do not fit `u64`.
pub(crate) fn oid_content(content: &[u8]) -> Vec<u8> {
    tlv(0x06, content)
}

/// UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 §4.1.2.5, §5.1.2.4).
pub(crate) fn time(at: Time) -> Vec<u8> {
    if UTC_TIME.contains(&at.secs()) { tlv(0x17, &digits(at).as_bytes()[2..]) } else { generalized_time(at) }
}

/// GeneralizedTime in every year (RFC 6960 §4.2.2.1).
pub(crate) fn generalized_time(at: Time) -> Vec<u8> {
    tlv(0x18, digits(at).as_bytes())
}

/// `YYYYMMDDHHMMSSZ`
fn digits(at: Time) -> String {
    at.to_string().chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect()
}

/// SIGNED{}: what was signed, the algorithm, the signature (RFC 5280 §4.1.1).
pub(crate) fn signed(tbs: &[u8], algorithm: SignatureAlgorithm, signature: &[u8]) -> Vec<u8> {
    sequence(&[tbs, algorithm.identifier(), &bits(signature)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_minimal() {
        for (length, header) in
            [(0, vec![4, 0]), (127, vec![4, 127]), (128, vec![4, 0x81, 128]), (256, vec![4, 0x82, 1, 0])]
        {
            assert_eq!(&octets(&vec![7; length])[..header.len()], header);
        }
        assert_eq!(tlv(4, &vec![0; 70_000])[..5], [4, 0x83, 1, 0x11, 0x70]);
    }

    #[test]
    fn framed_is_the_same_with_and_without_room() {
        for (room, length) in [(0, 1), (2, 5), (3, 300), (64, 70_000)] {
            let content = vec![7; length];
            let mut framed = Framed::with_room(room, 4);
            framed.push(&content[1..]);
            framed.put_before(&content[..1]);
            framed.close(SEQUENCE);
            framed.put_before(&[5, 0]);
            framed.close(0xa0);
            let expected = explicit(0, &concat(&[&[5, 0], &sequence(&[&content])]));
            assert_eq!(framed.as_slice(), expected);
            assert_eq!(framed.into_vec(), expected);
        }
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        for (magnitude, der) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0, 0], &[2, 1, 0]),
            (&[0, 1], &[2, 1, 1]),
            (&[0x80], &[2, 2, 0, 0x80]),
        ] {
            assert_eq!(integer(magnitude), der);
        }
    }

    #[test]
    fn time_switches_in_2050() {
        assert_eq!(time(Time::from_secs(2_524_607_999)), b"\x17\x0d491231235959Z");
        assert_eq!(time(Time::from_secs(2_524_608_000)), b"\x18\x0f20500101000000Z");
        assert_eq!(generalized_time(Time::from_millis(1_999)), b"\x18\x0f19700101000001Z");
    }

    #[test]
    fn agrees_with_the_other_writer() {
        let other = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u64(300);
                writer.next().write_enum(6);
                writer.next().write_bytes(&[9; 200]);
            });
        });
        assert_eq!(sequence(&[&integer(&300_u64.to_be_bytes()), &enumerated(6), &octets(&[9; 200])]), other);
    }
}

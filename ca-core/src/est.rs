//! What EST answers (RFC 7030, with the corrections of RFC 8951): certificates without a signature, and what a request
//! should be made of. Plain DER: base64 and media types are HTTP's.
//!
//! What deliberately does not live here: reading requests (`csr`) and deciding about them (`ca-server`).

use crate::KeyAlgorithm;
use crate::encode::{explicit, integer, oid, sequence, tlv};
use crate::policy::Profile;

/// RFC 5652 §5.1 and §4.
const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
const DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 1];
/// RFC 5480 §2.1.1, RFC 5758 §3.2.
const EC_PUBLIC_KEY: &[u64] = &[1, 2, 840, 10045, 2, 1];
const P256: &[u64] = &[1, 2, 840, 10045, 3, 1, 7];
const ECDSA_WITH_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
/// RFC 8017 appendix A.
const RSA_ENCRYPTION: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
const SHA256_WITH_RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 11];

const SET: u8 = 0x31;

/// A "certs-only" message (RFC 7030 §4.1.3, §4.2.3): CMS SignedData with the certificates, without content and without
/// signers. Each is the DER of one certificate.
#[must_use]
pub fn certs_only(certificates: &[&[u8]]) -> Vec<u8> {
    let mut sorted = certificates.to_vec();
    // X.690 §11.6: the values of a SET OF stand in the order of their encodings.
    sorted.sort_unstable();
    let signed = sequence(&[
        // RFC 5652 §5.1: version 1, because there are certificates of X.509 only, and the content is id-data.
        &integer(&[1]),
        &tlv(SET, &[]),
        &sequence(&[&oid(DATA)]),
        &explicit(0, &sorted.concat()),
        &tlv(SET, &[]),
    ]);
    sequence(&[&oid(SIGNED_DATA), &explicit(0, &signed)])
}

/// CsrAttrs (RFC 7030 §4.5.2): the profile's first kind of key and how to sign with it. Others that the profile allows
/// are taken too; listed beside it, they would read as wanted all at once. Names and extensions are never asked for.
#[must_use]
pub fn csr_attributes(profile: &Profile) -> Vec<u8> {
    let Some(algorithm) = profile.key_algorithms().first() else { return sequence(&[]) };
    let rsa = |bits: u16| (RSA_ENCRYPTION, integer(&bits.to_be_bytes()), SHA256_WITH_RSA);
    let (kind, value, signature) = match algorithm {
        KeyAlgorithm::EcP256 => (EC_PUBLIC_KEY, oid(P256), ECDSA_WITH_SHA256),
        KeyAlgorithm::Rsa2048 => rsa(2048),
        KeyAlgorithm::Rsa3072 => rsa(3072),
        KeyAlgorithm::Rsa4096 => rsa(4096),
    };
    sequence(&[&sequence(&[&oid(kind), &tlv(SET, &value)]), &oid(signature)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuance::testing;
    use crate::policy::Policies;

    #[test]
    fn certificates_come_sorted_and_whole() {
        let hierarchy = testing::hierarchy();
        let (root, issuing) = (hierarchy.root.der(), hierarchy.issuing.der());
        let message = certs_only(&[root, issuing]);
        assert_eq!(message, certs_only(&[issuing, root]));
        for der in [root, issuing] {
            assert!(message.windows(der.len()).any(|window| window == der));
        }
        // id-signedData, version 1, no digests, id-data, no certificates, no signers.
        let empty = "302506092a864886f70d010702a0183016020101310030\
                     0b06092a864886f70d010701a0003100";
        assert_eq!(hex::encode(certs_only(&[])), empty);
    }

    #[test]
    fn the_first_kind_of_key_is_asked_for() {
        let ec = csr_attributes(testing::hierarchy().policies.profile("unit-sign").unwrap());
        assert_eq!(hex::encode(ec), "3021301506072a8648ce3d0201310a06082a8648ce3d03010706082a8648ce3d040302");
        let mut files = crate::policy::testing::files();
        let (file, old) = ("profiles/unit-sign.toml", "[\"ec-p256\", \"rsa-2048\", \"rsa-3072\"]");
        crate::policy::testing::replace(&mut files, file, old, "[\"rsa-3072\"]");
        let rsa = csr_attributes(Policies::parse(&files).unwrap().profile("unit-sign").unwrap());
        assert_eq!(hex::encode(rsa), "301e301106092a864886f70d010101310402020c0006092a864886f70d01010b");
    }
}

//! The requests of `testdata/csr`: what is accepted, and by which rule the others are refused.
use std::collections::BTreeSet;

use ca_core::UntrustedCsr;

const REFUSED: [(&str, &str); 18] = [
    ("alternative-name", "csr.asks-extension: the request asks for extension 2.5.29.17"),
    ("ca-false", "csr.asks-extension: the request asks for extension 2.5.29.19"),
    ("ca-true", "csr.asks-ca: the request asks for a CA certificate"),
    ("challenge-password", "csr.asks-attribute: the request carries attribute 1.2.840.113549.1.9.7"),
    ("ed25519", "csr.signature-algorithm: 1.3.101.112 is not accepted"),
    (
        "foreign-subject",
        "csr.foreign-subject: the subject is C=CN, O=Somebody, CN=attempt, expected is CN=attempt",
    ),
    ("md5-rsa2048", "csr.signature-algorithm: MD5 is not accepted"),
    (
        "multi-valued-subject",
        "csr.foreign-subject: the subject is CN=attempt + O=Somebody, expected is CN=attempt",
    ),
    ("p384", "key.curve: only the named curve P-256 is accepted, found 1.3.132.0.34"),
    ("pss-rsa2048", "csr.signature-algorithm: 1.2.840.113549.1.1.10 is not accepted"),
    ("rsa-exponent-3", "key.exponent: an odd number from 65537 to 4294967295 is needed, found 3"),
    ("rsa1024", "key.size: 1024 bits are not accepted"),
    ("sha1-p256", "csr.signature-algorithm: SHA-1 is not accepted"),
    ("sha1-rsa2048", "csr.signature-algorithm: SHA-1 is not accepted"),
    ("sha512-p256", "csr.signature-algorithm: 1.2.840.10045.4.3.4 is not accepted"),
    ("trailing", "csr.trailing: 1 octets follow the request"),
    ("wrong-signature", "csr.signature: the signature does not verify with the key in the request"),
    ("good-pem", "csr.form: not a DER CertificationRequest"),
];

fn judge(der: &[u8]) -> Result<(), String> {
    let csr = UntrustedCsr::read(der).map_err(|refusal| refusal.to_string())?;
    let refused = csr.validate(crate::common::policies().keys(), Some("attempt")).map_err(|refusal| {
        assert!(refusal.to_string().starts_with(refusal.rule()), "{refusal}");
        refusal.to_string()
    });
    refused.map(|validated| assert_eq!(validated.key().spki_der(), validated.spki_der()))
}

#[test]
fn each_file_has_its_verdict() {
    let folder = crate::common::repository().join("testdata/csr");
    let mut seen = BTreeSet::from(["good-pem".to_owned()]);
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "der") {
            continue;
        }
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected =
            REFUSED.iter().find(|(name, _)| *name == file).map(|(_, refusal)| (*refusal).to_owned());
        assert_eq!(judge(&std::fs::read(&path).unwrap()).err(), expected, "{file}");
        assert_eq!(expected.is_none(), file.starts_with("good-"), "{file}");
        seen.insert(file);
    }
    assert!(REFUSED.iter().all(|(name, _)| seen.contains(*name)), "{seen:?}");
    assert!(seen.len() >= REFUSED.len() + 5);
}

#[test]
fn pem_is_for_the_caller_to_unwrap() {
    let der = std::fs::read(crate::common::repository().join("testdata/csr/good-p256.der")).unwrap();
    let pem = crate::common::pem("CERTIFICATE REQUEST", &der);
    assert_eq!(judge(pem.as_bytes()).unwrap_err(), REFUSED[17].1);
}

//! What a certificate says, read from its DER (RFC 5280 §4.1), in the form in which the rules compare it.

use x509_parser::{
    certificate::X509Certificate,
    extensions::ExtendedKeyUsage,
    oid_registry::{Oid, asn1_rs::oid},
    prelude::FromDer,
    x509::X509Version,
};

use crate::octets::Octets;

/// GB/T 20518: 1.2.156.10260.4.1.4.
const USCC: Oid<'static> = oid!(1.2.156.10260.4.1.4);
/// RFC 9336.
const DOCUMENT_SIGNING: Oid<'static> = oid!(1.3.6.1.5.5.7.3.36);
/// X.690: PrintableString.
const PRINTABLE_STRING: u8 = 0x13;

/// Facts of a certificate.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Content octets of the INTEGER.
    pub(crate) serial: Octets,
    /// SHA-256 of TBSCertificate.
    pub(crate) tbs_sha256: Octets,
    /// SHA-256 of SubjectPublicKeyInfo.
    pub(crate) spki_sha256: Octets,
    /// Seconds since 1970.
    pub(crate) not_before: i64,
    /// Seconds since 1970.
    pub(crate) not_after: i64,
    /// What a profile fixes, as text: names that are sorted and separated by commas.
    pub(crate) profile: ProfileFacts,
}

/// What a profile fixes; "none" for an extension that is absent, twice there or unreadable.
#[derive(Debug)]
pub(crate) struct ProfileFacts {
    pub(crate) version: &'static str,
    pub(crate) basic_constraints: &'static str,
    pub(crate) key_usage: String,
    pub(crate) extended_key_usage: String,
    pub(crate) code: String,
}

/// Reads a certificate that fills `der` to its last octet.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, &'static str> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("trailing octets"),
        Err(_) => Err("not DER of a certificate"),
    }
}

impl Facts {
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Self {
        Self {
            serial: Octets::new(certificate.raw_serial()),
            tbs_sha256: Octets::sha256(certificate.tbs_certificate.as_ref()),
            spki_sha256: Octets::sha256(certificate.public_key().raw),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            profile: ProfileFacts {
                version: if certificate.version() == X509Version::V3 { "v3" } else { "not v3" },
                basic_constraints: basic_constraints(certificate),
                key_usage: key_usage(certificate),
                extended_key_usage: extended_key_usage(certificate),
                code: code(certificate).unwrap_or_else(none),
            },
        }
    }
}

fn none() -> String {
    "none".to_owned()
}

fn basic_constraints(certificate: &X509Certificate<'_>) -> &'static str {
    match certificate.basic_constraints() {
        Ok(Some(constraints)) if constraints.value.ca => "CA:TRUE",
        Ok(Some(_)) => "CA:FALSE",
        _ => "none",
    }
}

fn key_usage(certificate: &X509Certificate<'_>) -> String {
    /// RFC 5280 §4.2.1.3, bit by bit.
    const BITS: [&str; 9] = [
        "digitalSignature",
        "contentCommitment",
        "keyEncipherment",
        "dataEncipherment",
        "keyAgreement",
        "keyCertSign",
        "cRLSign",
        "encipherOnly",
        "decipherOnly",
    ];
    let Ok(Some(usage)) = certificate.key_usage() else {
        return none();
    };
    let set = BITS.iter().enumerate().filter(|(bit, _)| usage.value.flags >> bit & 1 == 1);
    let critical = usage.critical.then_some("critical");
    critical.into_iter().chain(set.map(|(_, name)| *name)).collect::<Vec<_>>().join(", ")
}

fn extended_key_usage(certificate: &X509Certificate<'_>) -> String {
    let Ok(Some(usage)) = certificate.extended_key_usage() else {
        return none();
    };
    let ExtendedKeyUsage { any, server_auth, client_auth, code_signing, email_protection, .. } = *usage.value;
    let ExtendedKeyUsage { time_stamping, ocsp_signing, .. } = *usage.value;
    let known = [
        (any, "anyExtendedKeyUsage"),
        (server_auth, "serverAuth"),
        (client_auth, "clientAuth"),
        (code_signing, "codeSigning"),
        (email_protection, "emailProtection"),
        (time_stamping, "timeStamping"),
        (ocsp_signing, "OCSPSigning"),
    ];
    let mut names: Vec<String> =
        known.iter().filter(|(set, _)| *set).map(|(_, name)| (*name).to_owned()).collect();
    names.extend(
        usage.value.other.iter().map(|oid| {
            if *oid == DOCUMENT_SIGNING { "documentSigning".to_owned() } else { oid.to_id_string() }
        }),
    );
    names.sort_unstable();
    names.join(", ")
}

fn code(certificate: &X509Certificate<'_>) -> Option<String> {
    let extension = certificate.get_extension_unique(&USCC).ok()??;
    match extension.value {
        [PRINTABLE_STRING, length, text @ ..] if usize::from(*length) == text.len() => {
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Pki;

    #[test]
    fn trailing_octets_and_rubbish_are_refused() {
        let mut der = Pki::new().unit(&[1; 18]);
        assert!(parse(&der).is_ok());
        der.push(0);
        assert_eq!(parse(&der).unwrap_err(), "trailing octets");
        der.truncate(der.len() - 2);
        assert_eq!(parse(&der).unwrap_err(), "not DER of a certificate");
        assert_eq!(parse(&[]).unwrap_err(), "not DER of a certificate");
    }
}

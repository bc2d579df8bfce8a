//! Values of certificate and CRL extensions (RFC 5280 §4.2), written without rcgen: where rcgen has the type too,
//! the lint compares its octets with these.

use std::net::IpAddr;

use ca_verifier::{UnitCode, oid};

use super::der;
use crate::policy::{ExtendedKeyUsage, KeyUsage};

const AUTHORITY_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 35];
const SUBJECT_KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const SUBJECT_ALT_NAME: &[u64] = &[2, 5, 29, 17];
const CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];
const CERTIFICATE_POLICIES: &[u64] = &[2, 5, 29, 32];
const AUTHORITY_INFO_ACCESS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const AD_OCSP: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1];
const AD_CA_ISSUERS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 2];
const QT_CPS: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 2, 1];

/// One extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extension {
    pub(crate) oid: &'static [u64],
    pub(crate) critical: bool,
    /// The DER inside extnValue.
    pub(crate) value: Vec<u8>,
}

impl Extension {
    fn new(oid: &'static [u64], critical: bool, value: Vec<u8>) -> Self {
        Self { oid, critical, value }
    }

    /// Extension ::= SEQUENCE { extnID, critical DEFAULT FALSE, extnValue }
    pub(crate) fn der(&self) -> Vec<u8> {
        let critical: &[u8] = if self.critical { &[1, 1, 0xff] } else { &[] };
        der::sequence(&[&der::oid(self.oid), critical, &der::octets(&self.value)])
    }
}

/// §4.2.1.1, keyIdentifier only.
pub(crate) fn authority_key_identifier(identifier: &[u8]) -> Extension {
    Extension::new(AUTHORITY_KEY_IDENTIFIER, false, der::sequence(&[&der::tlv(0x80, identifier)]))
}

/// §4.2.1.2
pub(crate) fn subject_key_identifier(identifier: &[u8]) -> Extension {
    Extension::new(SUBJECT_KEY_IDENTIFIER, false, der::octets(identifier))
}

/// §4.2.1.3: a named bit list, so trailing zero bits are dropped (X.690 §11.2.2).
pub(crate) fn key_usage(usages: &[KeyUsage]) -> Extension {
    let flags = usages.iter().fold(0_u8, |flags, usage| flags | (0x80 >> usage.bit()));
    let unused = u8::try_from(flags.trailing_zeros()).unwrap_or(0);
    Extension::new(KEY_USAGE, true, der::tlv(0x03, &[unused, flags]))
}

/// §4.2.1.12
pub(crate) fn extended_key_usage(usages: &[ExtendedKeyUsage]) -> Extension {
    let purposes: Vec<u8> = usages.iter().flat_map(|usage| der::oid(usage.oid())).collect();
    Extension::new(EXTENDED_KEY_USAGE, false, der::sequence(&[&purposes]))
}

/// §4.2.1.9; `None` is an end entity.
pub(crate) fn basic_constraints(path_length: Option<Option<u8>>) -> Extension {
    let content = match path_length {
        None => Vec::new(),
        Some(None) => vec![1, 1, 0xff],
        Some(Some(length)) => [&[1, 1, 0xff][..], &der::integer(&[length])].concat(),
    };
    Extension::new(BASIC_CONSTRAINTS, true, der::sequence(&[&content]))
}

/// §4.2.1.6: an otherName with the code, for libraries that refuse an end entity without subjectAltName.
pub(crate) fn uscc_name(uscc: UnitCode) -> Extension {
    let value = der::explicit(0, &der::tlv(0x0c, uscc.as_str().as_bytes()));
    let name = der::tlv(0xa0, &der::concat(&[&der::oid(oid::USCC), &value]));
    Extension::new(SUBJECT_ALT_NAME, false, der::sequence(&[&name]))
}

/// §4.2.1.6: dNSName and iPAddress.
pub(crate) fn host_names(dns: &[&str], addresses: &[IpAddr]) -> Extension {
    let mut names = Vec::new();
    for name in dns {
        names.extend(der::tlv(0x82, name.as_bytes()));
    }
    for address in addresses {
        match address {
            IpAddr::V4(v4) => names.extend(der::tlv(0x87, &v4.octets())),
            IpAddr::V6(v6) => names.extend(der::tlv(0x87, &v6.octets())),
        }
    }
    Extension::new(SUBJECT_ALT_NAME, false, der::sequence(&[&names]))
}

/// §4.2.1.13: one distribution point with one URI.
pub(crate) fn crl_distribution_point(url: &str) -> Extension {
    let point = der::sequence(&[&der::explicit(0, &full_name(url))]);
    Extension::new(CRL_DISTRIBUTION_POINTS, false, der::sequence(&[&point]))
}

/// DistributionPointName with fullName; the CRL's issuingDistributionPoint must repeat it byte for byte (§5.2.5).
pub(crate) fn full_name(url: &str) -> Vec<u8> {
    der::tlv(0xa0, &der::tlv(0x86, url.as_bytes()))
}

/// §4.2.2.1
pub(crate) fn authority_information_access(ocsp: Option<&str>, ca_issuers: Option<&str>) -> Extension {
    let mut descriptions = Vec::new();
    for (method, url) in [(AD_OCSP, ocsp), (AD_CA_ISSUERS, ca_issuers)] {
        if let Some(url) = url {
            descriptions.extend(der::sequence(&[&der::oid(method), &der::tlv(0x86, url.as_bytes())]));
        }
    }
    Extension::new(AUTHORITY_INFO_ACCESS, false, der::sequence(&[&descriptions]))
}

/// §4.2.1.4: policies by content octets of their OID, each with the CPS's URI when there is one.
pub(crate) fn certificate_policies(policies: &[Vec<u8>], cps: Option<&str>) -> Extension {
    let qualifiers = cps.map_or_else(Vec::new, |uri| {
        der::sequence(&[&der::sequence(&[&der::oid(QT_CPS), &der::tlv(0x16, uri.as_bytes())])])
    });
    let list: Vec<u8> =
        policies.iter().flat_map(|policy| der::sequence(&[&der::oid_content(policy), &qualifiers])).collect();
    Extension::new(CERTIFICATE_POLICIES, false, der::sequence(&[&list]))
}

/// GB/T 20518: PrintableString, not critical.
pub(crate) fn uscc(uscc: UnitCode) -> Extension {
    Extension::new(oid::USCC, false, der::tlv(0x13, uscc.as_str().as_bytes()))
}

/// RFC 6960 §4.2.2.2.1
pub(crate) fn ocsp_nocheck() -> Extension {
    Extension::new(oid::OCSP_NOCHECK, false, vec![5, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_usage_drops_trailing_zeros() {
        assert_eq!(
            key_usage(&[KeyUsage::DigitalSignature, KeyUsage::ContentCommitment]).value,
            [3, 2, 6, 0xc0]
        );
        assert_eq!(key_usage(&[KeyUsage::KeyCertSign, KeyUsage::CrlSign]).value, [3, 2, 1, 6]);
    }

    #[test]
    fn basic_constraints_leaves_out_the_default() {
        assert_eq!(basic_constraints(None).value, [0x30, 0]);
        assert_eq!(basic_constraints(Some(None)).value, [0x30, 3, 1, 1, 0xff]);
        assert_eq!(basic_constraints(Some(Some(0))).value, [0x30, 6, 1, 1, 0xff, 2, 1, 0]);
    }
}

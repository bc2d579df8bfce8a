//! The subject of a certificate: attributes in order, hosts of a server, the code of a unit.
//!
//! Everything comes from the approved application or the ceremony's file, never from a request (I8).

use std::net::IpAddr;

use ca_verifier::UnitCode;

use crate::encode;
use crate::policy::Attribute;
use crate::{Error, Name, StaffId, Unit};

/// RFC 1035 §2.3.4
const DNS_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;

/// A name or address that a server answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A DNS name in lower-case letters, digits and hyphens; use the A-label of other scripts.
    Dns(String),
    /// An IP address.
    Address(IpAddr),
}

impl Host {
    /// Reads an address or a DNS name; no wildcard, no trailing dot.
    ///
    /// # Errors
    /// [`Error::Host`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let label = |label: &str| {
            (1..=LABEL_CHARS_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        };
        let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|c| c.is_ascii_digit()));
        if text.len() <= DNS_CHARS_MAX && !numeric && text.split('.').all(label) {
            Ok(Self::Dns(text.to_owned()))
        } else {
            Err(Error::Host)
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// What a certificate says about its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    attributes: Vec<(Attribute, String)>,
    code: Option<UnitCode>,
    hosts: Vec<Host>,
}

impl Subject {
    /// A unit: C, ST, L, O, OU when given, organizationIdentifier, CN.
    ///
    /// # Errors
    /// [`Error::Name`] when province or city cannot stand in a certificate.
    pub fn unit(unit: &Unit, department: Option<&Name>) -> Result<Self, Error> {
        let name = unit.name.as_str().to_owned();
        let mut attributes = vec![
            (Attribute::Country, "CN".to_owned()),
            (Attribute::StateOrProvince, Name::parse(&unit.province)?.as_str().to_owned()),
            (Attribute::Locality, Name::parse(&unit.city)?.as_str().to_owned()),
            (Attribute::Organization, name.clone()),
        ];
        attributes.extend(department.map(|name| (Attribute::OrganizationalUnit, name.as_str().to_owned())));
        // ETSI EN 319 412-1 §5.1.4: national trade register of the country, a hyphen, the number.
        attributes.push((Attribute::OrganizationIdentifier, format!("NTRCN-{}", unit.code)));
        attributes.push((Attribute::CommonName, name));
        Ok(Self { attributes, code: Some(unit.code), hosts: Vec::new() })
    }

    /// A member of staff: C, O, serialNumber, CN.
    #[must_use]
    pub fn staff(organization: &Name, id: &StaffId, name: &Name) -> Self {
        Self::of(organization, Some(id.as_str()), name.as_str())
    }

    /// A CA or an OCSP responder: C, O, CN.
    #[must_use]
    pub fn authority(organization: &Name, common_name: &Name) -> Self {
        Self::of(organization, None, common_name.as_str())
    }

    /// A server: C, O, CN of the first host, and the hosts in subjectAltName.
    ///
    /// # Errors
    /// [`Error::Host`] when there is none.
    pub fn server(organization: &Name, hosts: Vec<Host>) -> Result<Self, Error> {
        let first = hosts.first().ok_or(Error::Host)?.to_string();
        Ok(Self { hosts, ..Self::of(organization, None, &first) })
    }

    fn of(organization: &Name, serial_number: Option<&str>, common_name: &str) -> Self {
        let mut attributes = vec![
            (Attribute::Country, "CN".to_owned()),
            (Attribute::Organization, organization.as_str().to_owned()),
        ];
        attributes.extend(serial_number.map(|number| (Attribute::SerialNumber, number.to_owned())));
        attributes.push((Attribute::CommonName, common_name.to_owned()));
        Self { attributes, code: None, hosts: Vec::new() }
    }

    /// Attributes in the order of the certificate.
    pub(crate) fn attributes(&self) -> &[(Attribute, String)] {
        &self.attributes
    }

    /// The unit's code.
    #[must_use]
    pub fn code(&self) -> Option<UnitCode> {
        self.code
    }

    /// Names and addresses of a server.
    #[must_use]
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// DER of the Name (RFC 5280 §4.1.2.6), for comparison with what rcgen wrote.
    pub(crate) fn der(&self) -> Vec<u8> {
        let relative_names: Vec<Vec<u8>> = self
            .attributes
            .iter()
            .map(|(attribute, value)| {
                let tag = if attribute.is_printable_string() { 0x13 } else { 0x0c };
                let value = encode::tlv(tag, value.as_bytes());
                encode::tlv(0x31, &encode::sequence(&[&encode::oid(attribute.oid()), &value]))
            })
            .collect();
        encode::sequence(&[&relative_names.concat()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        assert_eq!(Host::parse("portal.qianyin.test").unwrap(), Host::Dns("portal.qianyin.test".to_owned()));
        assert_eq!(Host::parse("::1").unwrap(), Host::Address("::1".parse().unwrap()));
        assert_eq!(Host::parse("localhost").unwrap().to_string(), "localhost");
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a-",
            "*.a.test",
            "A.test",
            "a.test.",
            "南京.test",
            "300.1.1.1",
            &"a".repeat(64),
            &"a.".repeat(130),
        ] {
            assert_eq!(Host::parse(bad), Err(Error::Host), "{bad}");
        }
    }
}

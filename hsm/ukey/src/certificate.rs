//! What this program reads from a certificate: names and serial number for the token's object, validity, key.

use x509_parser::{
    der_parser::{Oid, oid},
    extensions::{GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate},
    x509::X509Name,
};

/// X.520: organizationIdentifier.
const OID_X509_ORGANIZATION_IDENTIFIER: Oid<'_> = oid!(2.5.4.97);
const CERTIFICATE_OCTETS_MAX: usize = 64 * 1024;
/// id-ad-ocsp and id-ad-caIssuers.
const OCSP: &str = "1.3.6.1.5.5.7.48.1";
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// The fields of a certificate that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// DER of the subject's Name.
    pub subject: Vec<u8>,
    /// DER of the issuer's Name.
    pub issuer: Vec<u8>,
    /// DER of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// The serial number, hexadecimal.
    pub serial_hex: String,
    /// The subject's common name, or an empty text.
    pub common_name: String,
    /// The unit's code, of a unit's certificate.
    pub unit_code: Option<String>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// DER of SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// Where its status is asked for (OCSP), as it says itself.
    pub ocsp_url: Option<String>,
    /// Where its issuer's certificate lies, as it says itself.
    pub issuer_url: Option<String>,
}

/// Reads a DER certificate of at most 64 KiB with nothing behind it; `None` when it is not one.
#[must_use]
pub fn read(der: &[u8]) -> Option<Fields> {
    if der.len() > CERTIFICATE_OCTETS_MAX {
        return None;
    }
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let raw_serial = certificate.raw_serial();
    // RFC 5280 §4.1.2.2: at most 20 octets, so the length takes one.
    let length = u8::try_from(raw_serial.len()).ok().filter(|length| *length < 0x80)?;
    let common_name = certificate.subject().iter_common_name().next().and_then(|name| name.as_str().ok());
    Some(Fields {
        subject: certificate.subject().as_raw().to_vec(),
        issuer: certificate.issuer().as_raw().to_vec(),
        serial: [&[0x02, length], raw_serial].concat(),
        serial_hex: hex::encode(raw_serial),
        common_name: common_name.unwrap_or_default().to_owned(),
        unit_code: unit_code(certificate.subject()),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        spki: certificate.public_key().raw.to_vec(),
        ocsp_url: access(&certificate, OCSP),
        issuer_url: access(&certificate, CA_ISSUERS),
    })
}

/// The first address of its kind (authorityInfoAccess, RFC 5280 §4.2.2.1).
fn access(certificate: &X509Certificate<'_>, method: &str) -> Option<String> {
    certificate.iter_extensions().find_map(|extension| {
        let ParsedExtension::AuthorityInfoAccess(access) = extension.parsed_extension() else { return None };
        access.accessdescs.iter().find_map(|described| match &described.access_location {
            GeneralName::URI(url) if described.access_method.to_id_string() == method => {
                Some((*url).to_owned())
            }
            _ => None,
        })
    })
}

/// ETSI EN 319 412-1 §5.1.4: organizationIdentifier is NTRCN-<code>.
fn unit_code(subject: &X509Name<'_>) -> Option<String> {
    let identifier = subject.iter_by_oid(&OID_X509_ORGANIZATION_IDENTIFIER).next()?.as_str().ok()?;
    identifier.strip_prefix("NTRCN-").map(str::to_owned)
}

/// SubjectPublicKeyInfo of a key on a token; `None` for Ed25519, which stands in no certificate here.
#[must_use]
pub fn spki(public: &hsm::PublicKey) -> Option<Vec<u8>> {
    match public {
        hsm::PublicKey::Ec(point) => Some(ca_core::spki_from_ec_point(point)),
        hsm::PublicKey::Rsa { n, e } => Some(ca_core::spki_from_rsa(n, e)),
        hsm::PublicKey::Ed25519(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "南京签印科技有限公司");
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[0x80, 1]));
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn reads_what_the_object_needs() {
        let fields = read(&certificate()).unwrap();
        assert_eq!(fields.common_name, "南京签印科技有限公司");
        assert_eq!(fields.serial, [0x02, 3, 0, 0x80, 1]);
        assert_eq!(fields.serial_hex, "008001");
        assert_eq!(fields.subject, fields.issuer);
        assert!(fields.not_before < fields.not_after);
    }

    #[test]
    fn refuses_what_is_not_one_certificate() {
        let der = certificate();
        assert!(read(&[&der[..], &[0]].concat()).is_none());
        assert!(read(&der[..der.len() - 1]).is_none());
        assert!(read(&[]).is_none());
        assert!(read(&vec![0x30; CERTIFICATE_OCTETS_MAX + 1]).is_none());
    }
}

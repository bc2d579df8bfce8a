//! Reading a unit certificate (RFC 5280 §4, contract: profile `unit-sign`). Reading proves nothing: see `trust`.

use der::{Decode, Tag, asn1::PrintableStringRef, asn1::Utf8StringRef};
use rustls_pki_types::CertificateDer;
use x509_parser::{
    extensions::{DistributionPointName, GeneralName, ParsedExtension},
    prelude::{FromDer, X509Certificate, X509Extension},
};

use crate::{Refusal, Serial, Time, UnitCode, issuer::sha256, oid};

/// Octets of a certificate read at most.
pub const CERTIFICATE_OCTETS_MAX: usize = 64 * 1024;

const CRL_DISTRIBUTION_POINTS: &[u64] = &[2, 5, 29, 31];

/// What a portal needs of a unit certificate. It names a unit, but only a [`crate::VerifiedPath`] proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitCertificate {
    serial: Serial,
    not_before: Time,
    not_after: Time,
    code: UnitCode,
    legal_name: String,
    fingerprint: [u8; 32],
    crl_urls: Vec<String>,
    key_usage: Option<KeyUsage>,
    client_auth: bool,
}

/// The bits of keyUsage that decide whether a certificate may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct KeyUsage {
    digital_signature: bool,
    key_cert_sign: bool,
}

impl UnitCertificate {
    /// Reads one DER certificate of at most [`CERTIFICATE_OCTETS_MAX`] octets with nothing after it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not a certificate that RFC 5280 allows, [`Refusal::NoIdentity`] when
    /// extension 1.2.156.10260.4.1.4 is missing, doubled or no unified social credit code.
    pub fn read(der: &[u8]) -> Result<Self, Refusal> {
        if der.len() > CERTIFICATE_OCTETS_MAX {
            return Err(Refusal::Malformed("certificate larger than 64 KiB"));
        }
        // Two readers must agree: this one is strict about DER, version and the end, the other one
        // knows the extensions.
        webpki::EndEntityCert::try_from(&CertificateDer::from(der))
            .map_err(|_| Refusal::Malformed("not a certificate of RFC 5280"))?;
        let (_, parsed) = X509Certificate::from_der(der)
            .map_err(|_| Refusal::Malformed("not a certificate of RFC 5280"))?;
        let code = read_code(&parsed)?;
        let twice = |_| Refusal::Malformed("an extension comes twice");
        parsed.extensions_map().map_err(twice)?;
        let usage = parsed.key_usage().map_err(twice)?;
        let extended = parsed.extended_key_usage().map_err(twice)?;
        Ok(Self {
            serial: Serial::from_content(parsed.raw_serial())
                .map_err(|_| Refusal::Malformed("serial number"))?,
            not_before: Time::from_secs(parsed.validity().not_before.timestamp()),
            not_after: Time::from_secs(parsed.validity().not_after.timestamp()),
            code,
            legal_name: read_legal_name(&parsed),
            fingerprint: sha256(der),
            crl_urls: read_crl_urls(&parsed)?,
            key_usage: usage.map(|usage| KeyUsage {
                digital_signature: usage.value.digital_signature(),
                key_cert_sign: usage.value.key_cert_sign(),
            }),
            client_auth: extended.is_some_and(|extended| extended.value.client_auth),
        })
    }

    /// Serial number.
    #[must_use]
    pub const fn serial(&self) -> Serial {
        self.serial
    }

    /// First moment of validity.
    #[must_use]
    pub const fn not_before(&self) -> Time {
        self.not_before
    }

    /// Last second of validity.
    #[must_use]
    pub const fn not_after(&self) -> Time {
        self.not_after
    }

    /// The unit, from extension 1.2.156.10260.4.1.4 and from nowhere else.
    #[must_use]
    pub const fn code(&self) -> UnitCode {
        self.code
    }

    /// organizationName of the subject, empty when there is none. For people's eyes only: never compare it.
    #[must_use]
    pub fn legal_name(&self) -> &str {
        &self.legal_name
    }

    /// SHA-256 of the whole certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// URIs of complete CRLs (RFC 5280 §4.2.1.13). They are names to be matched, never addresses to be fetched.
    #[must_use]
    pub fn crl_urls(&self) -> &[String] {
        &self.crl_urls
    }

    /// Whether keyUsage has digitalSignature; `false` without the extension.
    #[must_use]
    pub fn may_sign(&self) -> bool {
        self.key_usage.is_some_and(|usage| usage.digital_signature)
    }

    /// Whether extendedKeyUsage has clientAuth; `false` without the extension.
    #[must_use]
    pub const fn may_authenticate(&self) -> bool {
        self.client_auth
    }

    /// Whether keyUsage has keyCertSign, which no unit may have.
    pub(crate) fn certifies(&self) -> bool {
        self.key_usage.is_some_and(|usage| usage.key_cert_sign)
    }
}

/// The extension when it is there once.
fn only<'a, 'b>(parsed: &'a X509Certificate<'b>, arcs: &[u64]) -> Option<&'a X509Extension<'b>> {
    let mut found = parsed
        .iter_extensions()
        .filter(|extension| extension.oid.iter().is_some_and(|known| known.eq(arcs.iter().copied())));
    let first = found.next();
    if found.next().is_some() { None } else { first }
}

/// PrintableString as GB/T 20518 has it, or UTF8String as some CAs write.
fn read_code(parsed: &X509Certificate<'_>) -> Result<UnitCode, Refusal> {
    let value = only(parsed, oid::USCC).ok_or(Refusal::NoIdentity)?.value;
    let text = match value.first().copied().map(Tag::try_from) {
        Some(Ok(Tag::PrintableString)) => {
            PrintableStringRef::from_der(value).map(|text| text.as_str().to_owned())
        }
        _ => Utf8StringRef::from_der(value).map(|text| text.as_str().to_owned()),
    };
    UnitCode::parse(&text.map_err(|_| Refusal::NoIdentity)?).map_err(|_| Refusal::NoIdentity)
}

fn read_legal_name(parsed: &X509Certificate<'_>) -> String {
    let name = parsed.subject().iter_organization().find_map(|organization| organization.as_str().ok());
    name.unwrap_or_default().to_owned()
}

fn read_crl_urls(parsed: &X509Certificate<'_>) -> Result<Vec<String>, Refusal> {
    let Some(extension) = only(parsed, CRL_DISTRIBUTION_POINTS) else {
        return Ok(Vec::new());
    };
    let ParsedExtension::CRLDistributionPoints(points) = extension.parsed_extension() else {
        return Err(Refusal::Malformed("CRL distribution points"));
    };
    let mut urls = Vec::new();
    for point in points.iter() {
        // A point for some reasons, or signed by another CA, cannot say "good" alone.
        if point.reasons.is_some() || point.crl_issuer.is_some() {
            continue;
        }
        let Some(DistributionPointName::FullName(names)) = &point.distribution_point else {
            continue;
        };
        urls.extend(names.iter().filter_map(|name| match name {
            GeneralName::URI(url) => Some((*url).to_owned()),
            _ => None,
        }));
    }
    Ok(urls)
}

//! TBSCertificate by rcgen: every field is set from the plan, none is left to rcgen's defaults.

use std::cell::RefCell;
use std::time::Duration;

use ca_verifier::{Time, oid};
use rcgen::string::PrintableString;
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName, DnType,
    DnValue, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType,
    SerialNumber, SigningKey, date_time_ymd,
};
use x509_parser::asn1_rs::Tag;
use x509_parser::x509::X509Name;

use super::expected::{path_length, without_rcgen};
use super::{CertificatePlan, IssuerRef};
use crate::issuer::read;
use crate::policy::{AlternativeName, Attribute, ExtendedKeyUsage, KeyUsage, Profile};
use crate::{Host, Subject};

/// 9999-12-31T23:59:59Z, the last moment that GeneralizedTime can tell.
const LAST_SECOND: i64 = 253_402_300_799;

/// The octets to be signed.
pub(super) fn write(plan: &CertificatePlan<'_>) -> Result<Vec<u8>, String> {
    sign(&params(plan)?, plan)
}

/// The same with other values, for certificates that a rule must refuse.
#[cfg(test)]
pub(crate) fn write_altered(
    plan: &CertificatePlan<'_>,
    alter: impl Fn(&mut CertificateParams),
) -> Result<Vec<u8>, String> {
    let mut params = params(plan)?;
    alter(&mut params);
    sign(&params, plan)
}

/// Lets rcgen write the certificate and keeps what it wanted to have signed.
fn sign(params: &CertificateParams, plan: &CertificatePlan<'_>) -> Result<Vec<u8>, String> {
    let key = plan.key.key();
    let subject_key =
        Key { bits: key.bits(), algorithm: key.algorithm().signature().rcgen(), message: RefCell::default() };
    let (issuer_params, issuer_bits) = match plan.issuer {
        IssuerRef::SelfSigned => (params.clone(), key.bits()),
        IssuerRef::Ca(issuer) => {
            let mut issuer_params = CertificateParams::default();
            issuer_params.distinguished_name = issuer_name(issuer.der())?;
            issuer_params.key_identifier_method = KeyIdMethod::PreSpecified(issuer.key_identifier().to_vec());
            (issuer_params, issuer.key())
        }
    };
    let signer = Key { bits: issuer_bits, algorithm: plan.algorithm().rcgen(), message: RefCell::default() };
    let issuer = rcgen::Issuer::new(issuer_params, &signer);
    params.signed_by(&subject_key, &issuer).map_err(|error| error.to_string())?;
    drop(issuer);
    Ok(signer.message.take())
}

fn params(plan: &CertificatePlan<'_>) -> Result<CertificateParams, String> {
    let profile = plan.profile;
    let mut params = CertificateParams::default();
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + seconds(plan.not_before)?;
    params.not_after = epoch + seconds(plan.not_after)?;
    params.serial_number = Some(SerialNumber::from_slice(plan.serial.as_bytes()));
    params.subject_alt_names = alternative_names(profile, &plan.subject)?;
    params.distinguished_name = subject_name(&plan.subject)?;
    // rcgen writes subjectKeyIdentifier only when basicConstraints is written, so it always is.
    params.is_ca = match path_length(profile.kind()) {
        None => IsCa::ExplicitNoCa,
        Some(None) => IsCa::Ca(BasicConstraints::Unconstrained),
        Some(Some(length)) => IsCa::Ca(BasicConstraints::Constrained(length)),
    };
    params.key_usages = profile.key_usage().iter().map(|usage| key_usage(*usage)).collect();
    params.extended_key_usages = profile.extended_key_usage().iter().map(|usage| purpose(*usage)).collect();
    params.name_constraints = None;
    params.crl_distribution_points = Vec::new();
    if profile.crl_distribution_point() {
        let url = plan.urls.crl(&plan.context.issuer, plan.shard);
        params.crl_distribution_points.push(CrlDistributionPoint { uris: vec![url] });
    }
    params.custom_extensions = without_rcgen(plan)
        .into_iter()
        .map(|extension| CustomExtension::from_oid_content(extension.oid, extension.value))
        .collect();
    params.use_authority_key_identifier_extension = plan.issuer.ca().is_some();
    params.key_identifier_method = KeyIdMethod::PreSpecified(plan.key.key().identifier().to_vec());
    Ok(params)
}

/// A public key whose private half is elsewhere.
struct Key<'a> {
    bits: &'a [u8],
    algorithm: &'static rcgen::SignatureAlgorithm,
    message: RefCell<Vec<u8>>,
}

impl PublicKeyData for Key<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.bits
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.algorithm
    }
}

impl SigningKey for Key<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.message.replace(message.to_vec());
        Ok(vec![0])
    }
}

fn seconds(at: Time) -> Result<Duration, String> {
    match u64::try_from(at.secs()) {
        Ok(seconds) if at.secs() <= LAST_SECOND => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{} ms since 1970 is outside 1970 to 9999", at.millis())),
    }
}

fn subject_name(subject: &Subject) -> Result<DistinguishedName, String> {
    let mut name = DistinguishedName::new();
    for (attribute, value) in subject.attributes() {
        let value = if attribute.is_printable_string() {
            printable(value)?
        } else {
            DnValue::Utf8String(value.clone())
        };
        name.push(dn_type(*attribute), value);
    }
    Ok(name)
}

fn dn_type(attribute: Attribute) -> DnType {
    match attribute {
        Attribute::Country => DnType::CountryName,
        Attribute::StateOrProvince => DnType::StateOrProvinceName,
        Attribute::Locality => DnType::LocalityName,
        Attribute::Organization => DnType::OrganizationName,
        Attribute::OrganizationalUnit => DnType::OrganizationalUnitName,
        Attribute::CommonName => DnType::CommonName,
        Attribute::OrganizationIdentifier | Attribute::SerialNumber => {
            DnType::CustomDnType(attribute.oid().to_vec())
        }
    }
}

fn printable(text: &str) -> Result<DnValue, String> {
    PrintableString::try_from(text).map(DnValue::PrintableString).map_err(|error| error.to_string())
}

/// rcgen holds one value per type and re-encodes: what it cannot repeat, the lint `rfc5280.issuer-name` refuses.
fn issuer_name(certificate: &[u8]) -> Result<DistinguishedName, String> {
    let certificate = read(certificate).ok_or("the issuer's certificate cannot be read")?;
    let name: &X509Name<'_> = certificate.subject();
    let mut copy = DistinguishedName::new();
    for attribute in name.iter_attributes() {
        let arcs = attribute.attr_type().iter().ok_or("the issuer's name has an attribute with huge arcs")?;
        let text = attribute.as_str().map_err(|error| error.to_string())?;
        let value = match attribute.attr_value().tag() {
            Tag::PrintableString => printable(text)?,
            _ => DnValue::Utf8String(text.to_owned()),
        };
        copy.push(DnType::from_oid(&arcs.collect::<Vec<u64>>()), value);
    }
    Ok(copy)
}

fn alternative_names(profile: &Profile, subject: &Subject) -> Result<Vec<SanType>, String> {
    match profile.alternative_name() {
        AlternativeName::None => Ok(Vec::new()),
        AlternativeName::Uscc => {
            let code = subject.code().ok_or("the profile needs a unified social credit code")?;
            Ok(vec![SanType::OtherName((oid::USCC.to_vec(), code.as_str().into()))])
        }
        AlternativeName::Hosts => {
            // The order of RFC 5280's GeneralName, names before addresses.
            let names = subject.hosts().iter().filter_map(|host| match host {
                Host::Dns(name) => {
                    Some(name.as_str().try_into().map(SanType::DnsName).map_err(|e| e.to_string()))
                }
                Host::Address(_) => None,
            });
            let addresses = subject.hosts().iter().filter_map(|host| match host {
                Host::Dns(_) => None,
                Host::Address(address) => Some(Ok(SanType::IpAddress(*address))),
            });
            names.chain(addresses).collect()
        }
    }
}

fn key_usage(usage: KeyUsage) -> KeyUsagePurpose {
    match usage {
        KeyUsage::DigitalSignature => KeyUsagePurpose::DigitalSignature,
        KeyUsage::ContentCommitment => KeyUsagePurpose::ContentCommitment,
        KeyUsage::KeyCertSign => KeyUsagePurpose::KeyCertSign,
        KeyUsage::CrlSign => KeyUsagePurpose::CrlSign,
    }
}

fn purpose(usage: ExtendedKeyUsage) -> ExtendedKeyUsagePurpose {
    match usage {
        ExtendedKeyUsage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        ExtendedKeyUsage::EmailProtection => ExtendedKeyUsagePurpose::EmailProtection,
        ExtendedKeyUsage::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
        ExtendedKeyUsage::DocumentSigning => ExtendedKeyUsagePurpose::Other(usage.oid().to_vec()),
    }
}

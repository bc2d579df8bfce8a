//! Certificates by rcgen; CRLs and OCSP answers by hand, so that every field can be wrong.

use std::time::Duration;

use ca_verifier::{Time, Trust, oid};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SerialNumber, SigningKey,
};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// 2026-11-23T00:00:00Z
pub(crate) const NOW: Time = Time::from_secs(1_795_392_000);
pub(crate) const DAY: i64 = 86_400;
pub(crate) const URL: &str = "http://crl.qianyin.test/crl/issuing/0.crl";
pub(crate) const USCC: &str = "91350100M000100Y43";
/// 18 octets, as the CA makes them.
pub(crate) const SERIAL: [u8; 18] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

/// A CA that signs whatever a test wants.
pub(crate) struct Ca {
    pub(crate) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn root() -> Self {
        Self::root_named("Root", |_| {})
    }

    pub(crate) fn root_named(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::with_key(name, KeyPair::generate().unwrap(), change)
    }

    /// The same key under another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        let key = rustls_pki_types::PrivatePkcs8KeyDer::from(self.issuer.key().serialize_der());
        Self::with_key(name, KeyPair::try_from(&key).unwrap(), |_| {})
    }

    fn with_key(name: &str, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = ca_params(name);
        change(&mut params);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn below(&self, name: &str) -> Self {
        self.below_with(name, |_| {})
    }

    pub(crate) fn below_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca_params(name);
        change(&mut params);
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A unit certificate, changed by the test.
    pub(crate) fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        self.leaf_and_key(change).0
    }

    pub(crate) fn leaf_and_key(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (CertificateDer<'static>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = leaf_params();
        change(&mut params);
        (params.signed_by(&key, &self.issuer).unwrap().der().clone(), key)
    }

    pub(crate) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Name, whole.
    pub(crate) fn name(&self) -> Vec<u8> {
        X509Certificate::from_der(&self.der).unwrap().1.subject().as_raw().to_vec()
    }

    pub(crate) fn key_bits(&self) -> Vec<u8> {
        X509Certificate::from_der(&self.der).unwrap().1.public_key().subject_public_key.data.to_vec()
    }

    /// SIGNED{}
    pub(crate) fn sign(&self, tbs: &[u8]) -> Vec<u8> {
        sign(self.issuer.key(), tbs, &[])
    }

    pub(crate) fn crl(&self, change: impl FnOnce(&mut CrlSpec)) -> Vec<u8> {
        self.sign(&self.tbs_cert_list(change))
    }

    pub(crate) fn tbs_cert_list(&self, change: impl FnOnce(&mut CrlSpec)) -> Vec<u8> {
        let mut spec = CrlSpec::new(self.name());
        change(&mut spec);
        spec.tbs()
    }
}

/// Root and issuing CA, and a portal's trust in them.
pub(crate) fn two_tiers() -> (Ca, Ca, Trust) {
    let root = Ca::root();
    let issuing = root.below("Issuing");
    let trust = Trust::new(std::slice::from_ref(&root.der), std::slice::from_ref(&issuing.der)).unwrap();
    (root, issuing, trust)
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, -1000, 5000);
    params
}

pub(crate) fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
    params.distinguished_name.push(DnType::OrganizationName, "福州签印软件有限公司");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::EmailProtection];
    params.crl_distribution_points = vec![CrlDistributionPoint { uris: vec![URL.into()] }];
    params.custom_extensions = vec![uscc(0x13, USCC)];
    validity(&mut params, -10, 300);
    params
}

/// The identity extension with a string type of choice.
pub(crate) fn uscc(tag: u8, text: &str) -> CustomExtension {
    CustomExtension::from_oid_content(oid::USCC, tlv(tag, text.as_bytes()))
}

/// Days before and after [`NOW`].
pub(crate) fn validity(params: &mut CertificateParams, from: i64, to: i64) {
    let at = |days: i64| {
        let secs = NOW.plus_secs(days * DAY).secs();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(secs).unwrap())
    };
    params.not_before = at(from);
    params.not_after = at(to);
}

/// One entry of a CRL.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) serial: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Entry {
    pub(crate) fn new(serial: &[u8], extensions: &[Vec<u8>]) -> Self {
        Self { serial: serial.to_vec(), extensions: extensions.to_vec() }
    }
}

/// The fields of a TBSCertList.
pub(crate) struct CrlSpec {
    pub(crate) version: Vec<u8>,
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: Time,
    pub(crate) next_update: Option<Time>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) number: Option<u8>,
    pub(crate) url: &'static str,
    /// issuingDistributionPoint, when not the usual one for `url`.
    pub(crate) idp: Option<Option<Vec<u8>>>,
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl CrlSpec {
    fn new(issuer: Vec<u8>) -> Self {
        Self {
            version: tlv(2, &[1]),
            issuer,
            this_update: NOW.plus_secs(-60),
            next_update: Some(NOW.plus_secs(DAY)),
            entries: Vec::new(),
            number: Some(1),
            url: URL,
            idp: None,
            extensions: Vec::new(),
        }
    }

    fn tbs(&self) -> Vec<u8> {
        let mut fields =
            vec![self.version.clone(), ECDSA_SHA256.to_vec(), self.issuer.clone(), time(self.this_update)];
        fields.extend(self.next_update.map(time));
        if !self.entries.is_empty() {
            let entries = self.entries.iter().map(|entry| {
                let extensions =
                    if entry.extensions.is_empty() { Vec::new() } else { sequence(&entry.extensions) };
                sequence(&[tlv(2, &entry.serial), time(NOW.plus_secs(-120)), extensions])
            });
            fields.push(sequence(&entries.collect::<Vec<_>>()));
        }
        let mut extensions: Vec<Vec<u8>> = Vec::new();
        extensions.extend(self.number.map(|number| extension(&[0x55, 0x1d, 20], false, &tlv(2, &[number]))));
        extensions.extend(match &self.idp {
            None => Some(idp(true, &[full_name(self.url)])),
            Some(other) => other.clone(),
        });
        extensions.extend(self.extensions.clone());
        fields.push(tlv(0xa0, &sequence(&extensions)));
        sequence(&fields)
    }
}

pub(crate) fn idp(critical: bool, fields: &[Vec<u8>]) -> Vec<u8> {
    extension(&[0x55, 0x1d, 28], critical, &sequence(fields))
}

/// DistributionPointName with fullName, tagged.
pub(crate) fn full_name(url: &str) -> Vec<u8> {
    tlv(0xa0, &tlv(0xa0, &tlv(0x86, url.as_bytes())))
}

pub(crate) fn reason(code: u8) -> Vec<u8> {
    extension(&[0x55, 0x1d, 21], false, &tlv(0x0a, &[code]))
}

pub(crate) fn not_activated() -> Vec<u8> {
    extension(&oid::NOT_ACTIVATED, false, &[5, 0])
}

pub(crate) fn epoch(value: u8) -> Vec<u8> {
    extension(&oid::STATUS_EPOCH, false, &tlv(2, &[value]))
}

pub(crate) fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { tlv(1, &[0xff]) } else { Vec::new() };
    sequence(&[tlv(6, oid), critical, tlv(4, value)])
}

pub(crate) const ECDSA_SHA256: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

/// SIGNED{} with `rest` after the signature.
pub(crate) fn sign(key: &KeyPair, tbs: &[u8], rest: &[u8]) -> Vec<u8> {
    let signature = [&[0][..], &key.sign(tbs).unwrap()].concat();
    sequence(&[tbs.to_vec(), ECDSA_SHA256.to_vec(), tlv(3, &signature), rest.to_vec()])
}

pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// UTCTime
pub(crate) fn time(at: Time) -> Vec<u8> {
    tlv(0x17, &digits(at).as_bytes()[2..])
}

/// GeneralizedTime
pub(crate) fn generalized_time(at: Time) -> Vec<u8> {
    tlv(0x18, digits(at).as_bytes())
}

fn digits(at: Time) -> String {
    at.to_string().chars().filter(|c| c.is_ascii_digit() || *c == 'Z').collect()
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) if length < 0x1_0000 => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        Err(_) => {
            out.push(0x84);
            out.extend(u32::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

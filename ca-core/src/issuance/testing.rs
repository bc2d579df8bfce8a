//! A hierarchy in memory, for tests.

use ca_verifier::{Serial, Time, Uscc};
use rcgen::{KeyPair, PublicKeyData, SigningKey};

use super::{CertificatePlan, IntentContext, Issued, IssuerRef, PlanKey, prepare};
use crate::encode;
use crate::policy::{Policies, testing};
use crate::{
    Host, Issuer, Name, RecordedIntent, Responder, SignatureAlgorithm, Subject, SubjectKey, Unit, UnitId,
    UntrustedCsr, Urls, ValidatedCsr, assemble_csr, csr_info,
};

/// 2026-11-23T08:00:00Z
pub(crate) const NOW: Time = Time::from_secs(1_795_420_800);
const DAY: i64 = 86_400;

pub(crate) struct Hierarchy {
    pub(crate) policies: Policies,
    pub(crate) urls: Urls,
    pub(crate) root: Issuer,
    pub(crate) issuing: Issuer,
    root_key: KeyPair,
    issuing_key: KeyPair,
}

pub(crate) fn hierarchy() -> Hierarchy {
    let policies = testing::policies();
    let urls = Urls::new(
        "http://ocsp.qianyin.test/ocsp",
        "http://ca.qianyin.test/ca",
        "http://crl.qianyin.test/crl",
        "https://www.qianyin.test/cps",
    )
    .unwrap();
    let (root_key, issuing_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let own = |key: &KeyPair| SubjectKey::from_spki(&key.subject_public_key_info(), policies.keys()).unwrap();
    let organization = Name::parse("签印").unwrap();
    let plan = |profile, name, key, issuer, serial: u8, days| CertificatePlan {
        profile: policies.profile(profile).unwrap(),
        subject: Subject::authority(&organization, &Name::parse(name).unwrap()),
        serial: Serial::from_random(1, &[serial; 17]).unwrap(),
        not_before: NOW,
        not_after: NOW.plus_secs(days * DAY),
        key: PlanKey::Own(key),
        issuer,
        urls: &urls,
        shard: 0,
        context: context("root"),
    };
    let own_root = own(&root_key);
    let root = sign(&plan("root-ca", "签印 Root", &own_root, IssuerRef::SelfSigned, 1, 7300), &root_key);
    let root = Issuer::load(root.der()).unwrap();
    let own_issuing = own(&issuing_key);
    let issuing =
        sign(&plan("issuing-ca", "签印 CA 1", &own_issuing, IssuerRef::Ca(&root), 2, 3650), &root_key);
    let issuing = Issuer::load(issuing.der()).unwrap();
    Hierarchy { policies, urls, root, issuing, root_key, issuing_key }
}

fn context(issuer: &str) -> IntentContext {
    IntentContext {
        issuer: issuer.to_owned(),
        unit: None,
        application: None,
        attempt: None,
        token: None,
        actor: "system:test".to_owned(),
        at: NOW,
    }
}

fn sign(plan: &CertificatePlan<'_>, key: &KeyPair) -> Issued {
    prepare(plan).unwrap().sign(RecordedIntent::assert_recorded(plan.serial), |tbs| key.sign(tbs)).unwrap()
}

pub(crate) fn unit() -> Unit {
    Unit {
        id: UnitId::new(NOW, [1; 10]),
        code: Uscc::parse("91320106MA1X00017N").unwrap().into(),
        labour_no: "12345678".to_owned(),
        name: Name::parse("南京签印科技有限公司").unwrap(),
        province: "江苏省".to_owned(),
        city: "南京市".to_owned(),
        agency: None,
        region: None,
        name_flag: None,
        ended_at: None,
        registered_by: "staff:test".to_owned(),
        registered_at: NOW,
    }
}

impl Hierarchy {
    pub(crate) fn csr(&self) -> ValidatedCsr {
        self.csr_of(&KeyPair::generate().unwrap())
    }

    /// A responder and its key.
    pub(crate) fn responder(&self) -> (Responder, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let csr = self.csr_of(&key);
        let certificate = self.issue(&self.responder_plan(&csr));
        (Responder::load(certificate.der()).unwrap(), key)
    }

    fn csr_of(&self, key: &KeyPair) -> ValidatedCsr {
        let info = csr_info("attempt", &key.subject_public_key_info());
        let signature = key.sign(&info).unwrap();
        let der = assemble_csr(&info, SignatureAlgorithm::EcdsaP256Sha256, &signature);
        UntrustedCsr::read(&der).unwrap().validate(self.policies.keys(), Some("attempt")).unwrap()
    }

    pub(crate) fn unit_plan<'a>(&'a self, csr: &'a ValidatedCsr) -> CertificatePlan<'a> {
        CertificatePlan {
            profile: self.policies.profile("unit-sign").unwrap(),
            subject: Subject::unit(&unit(), None).unwrap(),
            serial: Serial::from_random(1, &[7; 17]).unwrap(),
            not_before: Time::from_millis(NOW.millis() + 7),
            not_after: NOW.plus_secs(365 * DAY),
            key: PlanKey::Proven(csr),
            issuer: IssuerRef::Ca(&self.issuing),
            urls: &self.urls,
            shard: 3,
            context: IntentContext { unit: Some(unit().id), ..context("issuing") },
        }
    }

    pub(crate) fn server_plan<'a>(&'a self, csr: &'a ValidatedCsr) -> CertificatePlan<'a> {
        let hosts =
            ["portal.qianyin.test", "127.0.0.1", "::1", "localhost"].map(|host| Host::parse(host).unwrap());
        CertificatePlan {
            profile: self.policies.profile("tls-server").unwrap(),
            subject: Subject::server(&Name::parse("签印").unwrap(), hosts.to_vec()).unwrap(),
            ..self.unit_plan(csr)
        }
    }

    pub(crate) fn responder_plan<'a>(&'a self, csr: &'a ValidatedCsr) -> CertificatePlan<'a> {
        CertificatePlan {
            profile: self.policies.profile("ocsp-signer").unwrap(),
            subject: Subject::authority(&Name::parse("签印").unwrap(), &Name::parse("OCSP 1").unwrap()),
            not_after: NOW.plus_secs(90 * DAY),
            ..self.unit_plan(csr)
        }
    }

    /// With the issuing CA's key.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.issuing_key.sign(message)
    }

    pub(crate) fn root_sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.root_key.sign(message)
    }

    pub(crate) fn issue(&self, plan: &CertificatePlan<'_>) -> Issued {
        sign(plan, &self.issuing_key)
    }

    /// DER of a unit certificate.
    pub(crate) fn unit(&self) -> Vec<u8> {
        let csr = self.csr();
        self.issue(&self.unit_plan(&csr)).der().to_vec()
    }
}

impl Hierarchy {
    /// A CA certificate with two organizationalUnitNames, which rcgen's map of a name cannot hold.
    pub(crate) fn issuer_with_two_units(&self) -> Issuer {
        let name = |value: &str| {
            let attribute =
                encode::sequence(&[&encode::oid(&[2, 5, 4, 11]), &encode::tlv(0x0c, value.as_bytes())]);
            encode::tlv(0x31, &attribute)
        };
        let country = encode::sequence(&[&encode::oid(&[2, 5, 4, 6]), &encode::tlv(0x13, b"CN")]);
        let two = encode::sequence(&[&encode::tlv(0x31, &country), &name("one"), &name("two")]);
        let certificate = crate::issuer::read(self.issuing.der()).unwrap();
        let tbs = certificate.tbs_certificate.as_ref();
        let old = certificate.subject().as_raw();
        let place = tbs.windows(old.len()).rposition(|window| window == old).unwrap();
        let header = if tbs[1] == 0x82 { 4 } else { 3 };
        let content = [&tbs[header..place], &two, &tbs[place + old.len()..]].concat();
        let tbs = encode::sequence(&[&content]);
        Issuer::load(&encode::signed(&tbs, SignatureAlgorithm::EcdsaP256Sha256, &[0; 8])).unwrap()
    }
}

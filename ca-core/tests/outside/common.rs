//! A hierarchy in memory and a folder on disk, for the tests that ask OpenSSL.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use ca_core::{
    CertificatePlan, IntentContext, Issued, Issuer, IssuerRef, Name, PlanKey, Policies, RecordedIntent,
    Subject, SubjectKey, Unit, UnitId, UntrustedCsr, Urls, ValidatedCsr, assemble_csr, csr_info, prepare,
};
use ca_verifier::{Serial, Time, Uscc};
use rcgen::{KeyPair, PublicKeyData, SigningKey};

pub(crate) const DAY: i64 = 86_400;

pub(crate) struct Hierarchy {
    pub(crate) policies: Policies,
    pub(crate) urls: Urls,
    pub(crate) now: Time,
    pub(crate) root: Issuer,
    pub(crate) root_key: KeyPair,
    pub(crate) issuing: Issuer,
    pub(crate) issuing_key: KeyPair,
}

pub(crate) fn policies() -> Policies {
    Policies::parse(&policy_files()).unwrap()
}

pub(crate) fn policy_files() -> BTreeMap<String, String> {
    let root = repository().join("policies");
    let mut files = BTreeMap::new();
    for folder in ["", "profiles/"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = format!("{folder}{}", path.file_name().unwrap().to_str().unwrap());
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn hierarchy() -> Hierarchy {
    let policies = policies();
    let urls = Urls::new(
        "http://ocsp.qianyin.test/ocsp",
        "http://ca.qianyin.test/ca",
        "http://crl.qianyin.test/crl",
        "https://www.qianyin.test/cps",
    );
    let urls = urls.unwrap();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // OpenSSL compares with its own clock; a minute of margin keeps the tests from racing it.
    let now = Time::from_secs(i64::try_from(seconds).unwrap() - 60);
    let (root_key, issuing_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let root = authority(&policies, &urls, now, ("root-ca", 1), &root_key, None);
    let issuing = authority(&policies, &urls, now, ("issuing-ca", 2), &issuing_key, Some((&root, &root_key)));
    Hierarchy { policies, urls, now, root, root_key, issuing, issuing_key }
}

/// A root without `signer`, else a CA below it.
pub(crate) fn authority(
    policies: &Policies,
    urls: &Urls,
    now: Time,
    (profile, serial): (&str, u8),
    key: &impl SigningKey,
    signer: Option<(&Issuer, &KeyPair)>,
) -> Issuer {
    let own = SubjectKey::from_spki(&key.subject_public_key_info(), policies.keys()).unwrap();
    let plan = CertificatePlan {
        profile: policies.profile(profile).unwrap(),
        subject: Subject::authority(&name("签印"), &name(&format!("签印 {profile}"))),
        serial: Serial::from_random(1, &[serial; 17]).unwrap(),
        not_before: now,
        not_after: now.plus_secs(3650 * DAY),
        key: PlanKey::Own(&own),
        issuer: signer.map_or(IssuerRef::SelfSigned, |(issuer, _)| IssuerRef::Ca(issuer)),
        urls,
        shard: 0,
        context: context("root", now),
    };
    let recorded = RecordedIntent::assert_recorded(plan.serial);
    let issued = prepare(&plan).unwrap().sign(recorded, |tbs| match signer {
        Some((_, signer)) => signer.sign(tbs),
        None => key.sign(tbs),
    });
    Issuer::load(issued.unwrap().der()).unwrap()
}

pub(crate) fn context(issuer: &str, at: Time) -> IntentContext {
    IntentContext {
        issuer: issuer.to_owned(),
        unit: None,
        application: None,
        attempt: None,
        token: None,
        actor: "system:test".to_owned(),
        at,
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn unit(now: Time) -> Unit {
    Unit {
        id: UnitId::new(now, [1; 10]),
        code: Uscc::parse("91320106MA1X00017N").unwrap().into(),
        labour_no: "12345678".to_owned(),
        name: name("南京签印科技有限公司"),
        province: "江苏省".to_owned(),
        city: "南京市".to_owned(),
        agency: None,
        region: None,
        name_flag: None,
        ended_at: None,
        registered_by: "staff:test".to_owned(),
        registered_at: now,
    }
}

pub(crate) fn csr_der(key: &KeyPair, subject_cn: &str) -> Vec<u8> {
    let info = csr_info(subject_cn, &key.subject_public_key_info());
    let signature = key.sign(&info).unwrap();
    assemble_csr(&info, ca_core::SignatureAlgorithm::EcdsaP256Sha256, &signature)
}

impl Hierarchy {
    pub(crate) fn csr(&self, key: &KeyPair) -> ValidatedCsr {
        let der = csr_der(key, "attempt");
        UntrustedCsr::read(&der).unwrap().validate(self.policies.keys(), Some("attempt")).unwrap()
    }

    pub(crate) fn unit_plan<'a>(&'a self, csr: &'a ValidatedCsr) -> CertificatePlan<'a> {
        CertificatePlan {
            profile: self.policies.profile("unit-sign").unwrap(),
            subject: Subject::unit(&unit(self.now), None).unwrap(),
            serial: Serial::from_random(1, &[7; 17]).unwrap(),
            not_before: self.now,
            not_after: self.now.plus_secs(365 * DAY),
            key: PlanKey::Proven(csr),
            issuer: IssuerRef::Ca(&self.issuing),
            urls: &self.urls,
            shard: 3,
            context: context("issuing", self.now),
        }
    }

    pub(crate) fn issue(&self, plan: &CertificatePlan<'_>) -> Issued {
        let recorded = RecordedIntent::assert_recorded(plan.serial);
        prepare(plan).unwrap().sign(recorded, |tbs| self.issuing_key.sign(tbs)).unwrap()
    }
}

/// A folder that goes away with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ca-core-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes DER, and PEM beside it, because not every OpenSSL command reads DER.
    pub(crate) fn write(&self, name: &str, label: &str, der: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(self.0.join(format!("{name}.der")), der).unwrap();
        std::fs::write(&path, pem(label, der)).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Left-overs in the temporary folder are no reason to fail a test that already ended.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in octets.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, octet| bits << 8 | usize::from(*octet))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let used = place <= chunk.len();
            text.push(if used { char::from(ALPHABET[bits >> (18 - 6 * place) & 63]) } else { '=' });
        }
    }
    text
}

/// Runs OpenSSL; returns its two outputs together.
pub(crate) fn openssl(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(text) }
}

//! What OpenSSL says of our certificates, CRLs, OCSP answers and requests.
use crate::common::{DAY, Folder, Hierarchy, hierarchy, name, openssl};
use ca_core::{
    CertAnswer, CertificatePlan, CrlEntry, CrlPlan, CrlScope, CrlStanding, Host, Issuer, OcspAnswer,
    OcspPlan, OcspRequest, Responder, Subject, UntrustedCsr,
};
use ca_verifier::{Reason, Serial};
use rcgen::{KeyPair, PublicKeyData, SigningKey};

const CERTIFICATE: &str = "CERTIFICATE";

struct Files {
    root: String,
    issuing: String,
}

fn chain(folder: &Folder, hierarchy: &Hierarchy) -> Files {
    Files {
        root: folder.write("root.pem", CERTIFICATE, hierarchy.root.der()),
        issuing: folder.write("issuing.pem", CERTIFICATE, hierarchy.issuing.der()),
    }
}

fn crl(
    hierarchy: &Hierarchy,
    (issuer, key, shard): (&Issuer, &KeyPair, Option<u16>),
    entries: &[CrlEntry],
) -> Vec<u8> {
    let url = shard.map(|shard| hierarchy.urls.crl("issuing", shard));
    let plan = CrlPlan {
        issuer,
        scope: url.as_deref().map_or(CrlScope::All, CrlScope::Shard),
        number: 1,
        this_update: hierarchy.now,
        next_update: hierarchy.now.plus_secs(DAY),
        epoch: 1,
        expired_since: None,
        entries: entries.iter().copied(),
    };
    plan.prepare().unwrap().sign(|tbs| key.sign(tbs)).unwrap().into_der()
}

#[test]
fn strict_path_with_crls_until_revoked() {
    let (hierarchy, folder) = (hierarchy(), Folder::new("path"));
    let files = chain(&folder, &hierarchy);
    let csr = hierarchy.csr(&KeyPair::generate().unwrap());
    let plan = hierarchy.unit_plan(&csr);
    let unit = folder.write("unit.pem", CERTIFICATE, hierarchy.issue(&plan).der());
    let root_crl = crl(&hierarchy, (&hierarchy.root, &hierarchy.root_key, None), &[]);
    let root_crl = folder.write("root-crl.pem", "X509 CRL", &root_crl);
    let verify = |standing: Option<CrlStanding>, shard: u16| {
        let entries: Vec<CrlEntry> = standing
            .map(|standing| CrlEntry {
                serial: plan.serial,
                since: hierarchy.now,
                standing,
                invalid_since: None,
            })
            .into_iter()
            .collect();
        let der = crl(&hierarchy, (&hierarchy.issuing, &hierarchy.issuing_key, Some(shard)), &entries);
        let crl = folder.write("issuing-crl.pem", "X509 CRL", &der);
        let good = openssl(&["crl", "-in", &crl, "-CAfile", &files.issuing, "-noout"]).unwrap();
        assert!(good.contains("verify OK"), "{good}");
        openssl(&[
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CAfile",
            &files.root,
            "-untrusted",
            &files.issuing,
            "-CRLfile",
            &root_crl,
            "-CRLfile",
            &crl,
            &unit,
        ])
    };
    assert!(verify(None, 3).unwrap().ends_with("OK\n"));
    for standing in
        [CrlStanding::NotActivated, CrlStanding::Held, CrlStanding::Revoked(Reason::KeyCompromise)]
    {
        assert!(verify(Some(standing), 3).unwrap_err().contains("certificate revoked"));
    }
    // The CRL of another shard does not speak for this certificate.
    assert!(verify(None, 4).is_err());
}

#[test]
fn the_unit_certificate_is_the_contracts() {
    let (hierarchy, folder) = (hierarchy(), Folder::new("contract"));
    let csr = hierarchy.csr(&KeyPair::generate().unwrap());
    let unit = folder.write("unit.pem", CERTIFICATE, hierarchy.issue(&hierarchy.unit_plan(&csr)).der());
    let text = openssl(&[
        "x509",
        "-in",
        &unit,
        "-noout",
        "-serial",
        "-subject",
        "-issuer",
        "-nameopt",
        "utf8,sep_multiline,lname,show_type",
        "-ext",
        "basicConstraints,keyUsage,extendedKeyUsage,subjectAltName,authorityInfoAccess,crlDistributionPoints,certificatePolicies",
    ]);
    insta::assert_snapshot!(text.unwrap());
    let dump = openssl(&["asn1parse", "-in", &unit]).unwrap();
    let lines: Vec<&str> = dump.lines().map(|line| line.rsplit("prim:").next().unwrap().trim()).collect();
    let place = lines.iter().rposition(|line| line.ends_with(":1.2.156.10260.4.1.4")).unwrap();
    let hex = hex::encode_upper("91320106MA1X00017N");
    assert_eq!(lines[place + 1], format!("OCTET STRING      [HEX DUMP]:1312{hex}"));
}

#[test]
fn servers_and_responders_pass_too() {
    let (hierarchy, folder) = (hierarchy(), Folder::new("others"));
    let files = chain(&folder, &hierarchy);
    let csr = hierarchy.csr(&KeyPair::generate().unwrap());
    let hosts = ["portal.qianyin.test", "127.0.0.1"].map(|host| Host::parse(host).unwrap()).to_vec();
    let server = CertificatePlan {
        profile: hierarchy.policies.profile("tls-server").unwrap(),
        subject: Subject::server(&name("签印"), hosts).unwrap(),
        ..hierarchy.unit_plan(&csr)
    };
    let server = folder.write("server.pem", CERTIFICATE, hierarchy.issue(&server).der());
    let staff = CertificatePlan {
        profile: hierarchy.policies.profile("staff-auth").unwrap(),
        subject: Subject::staff(
            &name("签印"),
            &ca_core::StaffId::new(hierarchy.now, [3; 10]),
            &name("王受理"),
        ),
        ..hierarchy.unit_plan(&csr)
    };
    let staff = folder.write("staff.pem", CERTIFICATE, hierarchy.issue(&staff).der());
    let trust = ["-x509_strict", "-CAfile", &files.root, "-untrusted", &files.issuing];
    for (purpose, file, host) in [
        ("sslserver", &server, &["-verify_hostname", "portal.qianyin.test"][..]),
        ("sslserver", &server, &["-verify_ip", "127.0.0.1"]),
        ("sslclient", &staff, &[]),
    ] {
        let arguments = [&["verify", "-purpose", purpose][..], &trust, host, &[file]].concat();
        openssl(&arguments).unwrap();
    }
    let other =
        [&["verify", "-purpose", "sslserver"][..], &trust, &["-verify_hostname", "other.test", &server]]
            .concat();
    assert!(openssl(&other).unwrap_err().contains("hostname mismatch"));
    openssl(&[&["verify", "-purpose", "sslclient"][..], &trust, &[&server]].concat()).unwrap_err();
}

#[test]
fn rsa_all_the_way() {
    let (hierarchy, folder) = (hierarchy(), Folder::new("rsa"));
    let key = folder.path("rsa.der");
    let bits = "rsa_keygen_bits:3072";
    openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", bits, "-outform", "DER", "-out", &key]).unwrap();
    let pkcs8 = folder.path("rsa.pk8");
    openssl(&[
        "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-in", &key, "-outform", "DER", "-out", &pkcs8,
    ])
    .unwrap();
    let key = KeyPair::try_from(std::fs::read(pkcs8).unwrap()).unwrap();
    let below = Some((&hierarchy.root, &hierarchy.root_key));
    let issuing = crate::common::authority(
        &hierarchy.policies,
        &hierarchy.urls,
        hierarchy.now,
        ("issuing-ca", 9),
        &key,
        below,
    );
    let hierarchy = Hierarchy { issuing, issuing_key: key, ..hierarchy };
    let files = chain(&folder, &hierarchy);
    let der = std::fs::read(crate::common::repository().join("testdata/csr/good-rsa2048.der")).unwrap();
    let csr = UntrustedCsr::read(&der).unwrap().validate(hierarchy.policies.keys(), Some("attempt")).unwrap();
    let unit = folder.write("unit.pem", CERTIFICATE, hierarchy.issue(&hierarchy.unit_plan(&csr)).der());
    let verify = ["verify", "-x509_strict", "-CAfile", &files.root, "-untrusted", &files.issuing, &unit];
    assert!(openssl(&verify).unwrap().ends_with("OK\n"));
    let crl = crl(&hierarchy, (&hierarchy.issuing, &hierarchy.issuing_key, Some(3)), &[]);
    let crl = folder.write("crl.pem", "X509 CRL", &crl);
    assert!(
        openssl(&["crl", "-in", &crl, "-CAfile", &files.issuing, "-noout"]).unwrap().contains("verify OK")
    );
}

struct Desk {
    hierarchy: Hierarchy,
    folder: Folder,
    files: Files,
    unit: String,
    serial: Serial,
    responder: Responder,
    key: KeyPair,
}

fn desk() -> Desk {
    let (hierarchy, folder) = (hierarchy(), Folder::new("ocsp"));
    let files = chain(&folder, &hierarchy);
    let csr = hierarchy.csr(&KeyPair::generate().unwrap());
    let plan = hierarchy.unit_plan(&csr);
    let serial = plan.serial;
    let unit = folder.write("unit.pem", CERTIFICATE, hierarchy.issue(&plan).der());
    let key = KeyPair::generate().unwrap();
    let csr = hierarchy.csr(&key);
    let responder = CertificatePlan {
        profile: hierarchy.policies.profile("ocsp-signer").unwrap(),
        subject: Subject::authority(&name("签印"), &name("签印 OCSP 1")),
        not_after: hierarchy.now.plus_secs(90 * DAY),
        ..hierarchy.unit_plan(&csr)
    };
    let responder = Responder::load(hierarchy.issue(&responder).der()).unwrap();
    Desk { hierarchy, folder, files, unit, serial, responder, key }
}

impl Desk {
    /// OpenSSL asks, we answer, OpenSSL verifies the answer and tells what it says.
    fn ask(&self, hash: &str, nonce: &str, status: CertAnswer) -> String {
        let (request, answer) = (self.folder.path("request.der"), self.folder.path("answer.der"));
        let about = ["-issuer", &self.files.issuing, hash, "-cert", &self.unit];
        openssl(&[&["ocsp"][..], &about, &[nonce, "-reqout", &request]].concat()).unwrap();
        let read = OcspRequest::read(&std::fs::read(&request).unwrap()).unwrap();
        assert_eq!(read.nonce().is_some(), nonce == "-nonce");
        std::fs::write(&answer, self.answer(&read, status)).unwrap();
        let trust = ["-CAfile", &self.files.root, "-verify_other", &self.files.issuing];
        // With the request OpenSSL compares the nonce; without it, it prints the status (and would invent a nonce).
        let compared =
            openssl(&[&["ocsp", "-reqin", &request, "-respin", &answer][..], &trust].concat()).unwrap();
        assert!(
            compared.contains("Response verify OK") && !compared.contains("Nonce Verify error"),
            "{compared}"
        );
        openssl(&[&["ocsp", "-no_nonce", "-resp_text", "-respin", &answer][..], &about, &trust].concat())
            .unwrap()
    }

    fn answer(&self, request: &OcspRequest, status: CertAnswer) -> Vec<u8> {
        let id = request.ids()[0].clone();
        assert!(id.is_of(&self.hierarchy.issuing) && id.serial() == self.serial);
        let now = self.hierarchy.now;
        let answers =
            [OcspAnswer { id, status, this_update: now, next_update: now.plus_secs(DAY), cert_hash: None }];
        let nonce = request.nonce();
        let plan = OcspPlan {
            responder: &self.responder,
            produced_at: now,
            answers: &answers,
            nonce,
            archive_cutoff: now.plus_secs(-3600),
        };
        plan.prepare().sign(|tbs| self.key.sign(tbs)).unwrap()
    }
}

#[test]
fn ocsp_with_and_without_nonce() {
    let desk = desk();
    let now = desk.hierarchy.now;
    let compromised = CertAnswer::Revoked { at: now, reason: Reason::KeyCompromise };
    for hash in ["-sha1", "-sha256"] {
        for nonce in ["-nonce", "-no_nonce"] {
            for (status, told, reason) in [
                (CertAnswer::Good, "unit.pem: good", ""),
                (CertAnswer::Unknown, "unit.pem: unknown", ""),
                (CertAnswer::Held { since: now }, "unit.pem: revoked", "Reason: certificateHold"),
                (compromised, "unit.pem: revoked", "Reason: keyCompromise"),
            ] {
                let text = desk.ask(hash, nonce, status);
                assert!(text.contains(told) && text.contains(reason), "{text}");
                assert_eq!(text.contains("Archive Cutoff"), status != CertAnswer::Unknown, "{text}");
            }
        }
    }
}

#[test]
fn our_requests_and_openssls_are_the_same() {
    let folder = Folder::new("request");
    let key = KeyPair::generate().unwrap();
    let request =
        folder.write("request.pem", "CERTIFICATE REQUEST", &crate::common::csr_der(&key, "attempt"));
    let text = openssl(&["req", "-verify", "-noout", "-text", "-in", &request]).unwrap();
    assert!(text.contains("verify OK") && text.contains("Subject: CN = attempt"), "{text}");
    let pkcs8 = folder.write("key.pem", "PRIVATE KEY", key.serialized_der());
    let config = folder.path("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name = dn\n[dn]\n").unwrap();
    let other = folder.path("other.der");
    let subject = "/CN=attempt";
    openssl(&[
        "req", "-new", "-utf8", "-config", &config, "-key", &pkcs8, "-subj", subject, "-outform", "DER",
        "-out", &other,
    ])
    .unwrap();
    let info = ca_core::csr_info("attempt", &key.subject_public_key_info());
    let other = std::fs::read(other).unwrap();
    assert!(
        other.windows(info.len()).any(|window| window == info),
        "OpenSSL writes the same CertificationRequestInfo"
    );
}

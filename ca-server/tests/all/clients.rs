//! Real clients: OpenSSL and curl read what the CA issues and answers, and log in to the portal with the token.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Ca, Database, USCC, curl, openssl, root, rows, text, wait};

#[test]
fn from_issue_to_refusal() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.change_policy("status.toml", "ocsp-cert-hash = false", "ocsp-cert-hash = true");
    ca.serve(&[]);
    ca.start_portal();
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    the_certificate_is_what_the_contract_says(&ca, &serial);
    std::fs::write(ca.dir.join("unit.pin"), "123456").unwrap();
    let (status, page) = ca.login(&token);
    assert_eq!(status, 403, "{page}");
    assert!(page.contains("not-activated"), "{page}");
    assert!(ocsp(&ca, "unit.pem", &[]).contains("certificateHold"));
    wrong_codes_then_the_right_one(&ca, &application, &token);
    status_as_openssl_sees_it(&ca);
    ocsp_over_http(&ca);
    several_in_one_question(&ca, &serial);
    malformed_questions(&ca);
    the_portal_follows(&ca, &serial, &token);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// contract.md §5, as OpenSSL prints it.
fn the_certificate_is_what_the_contract_says(ca: &Ca, serial: &str) {
    assert_eq!(serial.len(), 36, "18 octets");
    assert!((1..0x80).contains(&u8::from_str_radix(&serial[..2], 16).unwrap()));
    let printed = text(&openssl(&[
        "x509",
        "-in",
        &ca.path("unit.pem"),
        "-noout",
        "-text",
        "-nameopt",
        "utf8,sep_comma_plus",
    ]));
    for expected in [
        "Version: 3",
        "Signature Algorithm: ecdsa-with-SHA256",
        "C=CN,ST=江苏省,L=南京市,O=南京示例科技有限公司,organizationIdentifier=NTRCN-91320104000000019U,CN=南京示例科技有限公司",
        "X509v3 Key Usage: critical\n                Digital Signature, Non Repudiation",
        "TLS Web Client Authentication, E-mail Protection, 1.3.6.1.5.5.7.3.36",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
        "/crl/issuing/0.crl",
        "/ca/issuing.cer",
        "/cps",
        "NIST CURVE: P-256",
    ] {
        assert!(printed.contains(expected), "{expected} is missing:\n{printed}");
    }
    let structure = text(&openssl(&["asn1parse", "-in", &ca.path("unit.pem")]));
    let after = |oid: &str| structure.split(oid).nth(1).unwrap().lines().nth(1).unwrap_or("").to_owned();
    assert!(after(":countryName").contains("PRINTABLESTRING"), "{structure}");
    assert!(
        after(":stateOrProvinceName").contains("UTF8STRING")
            && after(":organizationName").contains("UTF8STRING")
    );
    // The extension's value is the PrintableString (tag 13, 18 octets) of the code and nothing else.
    let code: String = USCC.bytes().map(|octet| format!("{octet:02X}")).collect();
    assert!(structure.contains(&format!("[HEX DUMP]:1312{code}")), "{structure}");
}

fn wrong_codes_then_the_right_one(ca: &Ca, application: &str, token: &str) {
    // The first try replaces the initial PIN; the wrong code changes nothing else.
    let message = std::path::PathBuf::from(ca.path(&format!("outbox/{application}.txt")));
    wait(10, "the message", || message.exists());
    let sent = std::fs::read_to_string(&message).unwrap();
    std::fs::write(&message, "激活码：AAAAA-AAAAA。").unwrap();
    let first = ca.activate(application, token);
    assert!(text(&first).contains("还可以再试 2 次"), "{}", text(&first));
    for left in ["还可以再试 1 次", "还可以再试 0 次", "已错 3 次"] {
        let output = ca.activate_again(token);
        assert!(output.status.code() == Some(1) && text(&output).contains(left), "{left}: {}", text(&output));
    }
    // Now the right one does not help either, until an officer has a new one sent.
    std::fs::write(&message, &sent).unwrap();
    ca.read_code(application);
    assert!(text(&ca.activate_again(token)).contains("已错 3 次"));
    let renew = format!("/api/v1/applications/{application}/activation-code");
    assert_eq!(ca.post("clerk", &renew, &Value::Null)["title"], "auth.not-permitted");
    assert_eq!(ca.post("officer", &renew, &Value::Null), Value::Null);
    wait(10, "the new message", || std::fs::read_to_string(&message).unwrap() != sent);
    let old = ca.activate_again(token);
    assert!(text(&old).contains("还可以再试 2 次"), "the old code counts no more: {}", text(&old));
    ca.read_code(application);
    let output = ca.activate_again(token);
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(ca.post("officer", &renew, &Value::Null)["title"], "wrong-state");
    let view = ca.get("auditor", &format!("/api/v1/applications/{application}"));
    assert_eq!(view["state"], "active", "{view}");
}

fn status_as_openssl_sees_it(ca: &Ca) {
    // The CRL that still has the hold is replaced within a second of the activation.
    wait(5, "a CRL without the hold", || {
        fetch_crls(ca);
        let verified = openssl(&[
            "verify",
            "-x509_strict",
            "-crl_check_all",
            "-CRLfile",
            &ca.path("crls.pem"),
            "-CAfile",
            &ca.path("root.pem"),
            "-untrusted",
            &ca.path("issuing.pem"),
            &ca.path("unit.pem"),
        ]);
        verified.status.success()
    });
    for options in [&[][..], &["-no_nonce"], &["-sha256"]] {
        let answer = ocsp(ca, "unit.pem", options);
        assert!(
            answer.contains("Response verify OK") && answer.contains("unit.pem: good"),
            "{options:?} {answer}"
        );
        assert!(!answer.contains("WARNING: no nonce"), "{answer}");
    }
    // GET as clients send it: base64 with everything escaped.
    let request = ca.path("question.der");
    let asked = [
        "ocsp",
        "-issuer",
        &ca.path("issuing.pem"),
        "-cert",
        &ca.path("unit.pem"),
        "-no_nonce",
        "-reqout",
        &request,
    ];
    assert!(openssl(&asked).status.success());
    let path: String = base64_of(&request)
        .bytes()
        .map(|octet| match octet {
            b'+' | b'/' | b'=' => format!("%{octet:02X}"),
            other => char::from(other).to_string(),
        })
        .collect();
    let got = curl(&["-fsS", "-o", &ca.path("answer.der"), &format!("http://{}/ocsp/{path}", ca.http)]);
    assert!(got.status.success(), "{}", text(&got));
    let read = openssl(&[
        "ocsp",
        "-respin",
        &ca.path("answer.der"),
        "-no_nonce",
        "-issuer",
        &ca.path("issuing.pem"),
        "-cert",
        &ca.path("unit.pem"),
        "-CAfile",
        &ca.path("root.pem"),
        "-verify_other",
        &ca.path("issuing.pem"),
    ]);
    assert!(text(&read).contains("unit.pem: good"), "{}", text(&read));
    says_whose_it_is_and_since_when(ca);
    // Never issued, and not ours.
    let unknown = ocsp_of_serial(ca, "issuing.pem", "0x0102030405060708090a0b0c0d0e0f101112");
    assert!(unknown.contains(": unknown"), "{unknown}");
    assert!(ocsp_of_serial(ca, "root.pem", "0x01").contains("unauthorized"));
}

/// RFC 9919, RFC 9111: who may keep what, to the second; each way that a client may write the question.
/// The certificate's own hash, and that status is kept since the CA began.
fn says_whose_it_is_and_since_when(ca: &Ca) {
    let answer = ca.path("answer.der");
    let printed = text(&openssl(&["ocsp", "-respin", &answer, "-resp_text", "-noverify"]));
    let fingerprint = |file: &str| {
        let printed = text(&openssl(&[
            "x509",
            "-in",
            &ca.path(file),
            "-noout",
            "-fingerprint",
            "-sha256",
            "-startdate",
        ]));
        let values: Vec<String> = printed
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(_, value)| value.to_owned())
            .collect();
        (values[0].replace(':', "").to_lowercase(), values[1].clone())
    };
    let (_, since) = fingerprint("issuing.pem");
    assert!(printed.contains("Archive Cutoff") && printed.contains(&since), "{since}: {printed}");
    let (hash, _) = fingerprint("unit.pem");
    let octets = hex::encode(std::fs::read(&answer).unwrap());
    assert!(
        octets.contains(&format!("0420{hash}")) && printed.contains("1.3.36.8.3.13"),
        "{hash}: {printed}"
    );
}

fn ocsp_over_http(ca: &Ca) {
    let escaped: String = base64_of(&ca.path("question.der"))
        .bytes()
        .map(|octet| match octet {
            b'+' | b'/' | b'=' => format!("%{octet:02x}"),
            other => char::from(other).to_string(),
        })
        .collect();
    let (base, plain) = (format!("http://{}/ocsp", ca.http), base64_of(&ca.path("question.der")));
    let url = format!("{base}/{escaped}");
    // `-i`: headers, then the octets.
    let ask = |more: &[&str]| {
        let mut arguments = vec!["-sS", "-D", "-", "-o", "/dev/null"];
        arguments.extend(more);
        text(&curl(&arguments)).to_lowercase()
    };
    let first = ask(&[&url]);
    let header = |head: &str, name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} is missing:\n{head}"))
    };
    assert!(first.contains("200 ok"), "{first}");
    assert_eq!(header(&first, "content-type"), "application/ocsp-response");
    assert_eq!(header(&first, "cache-control"), "max-age=1, public, must-revalidate");
    header(&first, "date");
    // The octets say the same times.
    assert!(curl(&["-fsS", "-o", &ca.path("answer.der"), &url]).status.success());
    let printed = text(&openssl(&["ocsp", "-respin", &ca.path("answer.der"), "-resp_text", "-noverify"]));
    let said = |name: &str| {
        let found = printed.lines().find_map(|line| line.trim().strip_prefix(name).map(str::to_owned));
        unix_time(found.unwrap_or_else(|| panic!("{name} {printed}")).trim())
    };
    assert_eq!(unix_time(&header(&first, "last-modified")), said("This Update:"));
    assert_eq!(unix_time(&header(&first, "expires")), said("Next Update:"));
    let tag = header(&first, "etag");
    assert!(tag.starts_with('"') && tag.len() == 66, "strong, of the octets: {tag}");
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".to_owned()] {
        let again = ask(&["-H", &format!("If-None-Match: {known}"), &url]);
        assert!(again.contains("304 not modified"), "{known} {again}");
        assert_eq!(header(&again, "etag"), tag);
        assert_eq!(header(&again, "expires"), header(&first, "expires"));
    }
    let other = ask(&["-H", "If-None-Match: \"x\"", &url]);
    assert!(other.contains("200 ok"), "{other}");
    // Two answers of one second may say different things: its time alone is no proof that nothing moved.
    let since = format!("If-Modified-Since: {}", header(&first, "last-modified"));
    assert!(ask(&["-H", &since, &url]).contains("200 ok"));
    let head = ask(&["-I", &url]);
    assert_eq!((header(&head, "etag"), header(&head, "expires")), (tag.clone(), header(&first, "expires")));
    // Not escaped at all, and with one slash more, as some clients build it: the same answer.
    for url in [format!("{base}/{plain}"), format!("{base}//{escaped}")] {
        assert_eq!(header(&ask(&["--path-as-is", &url]), "etag"), tag, "{url}");
    }
    let file = format!("@{}", ca.path("question.der"));
    let posted = ask(&["--data-binary", &file, &base]);
    assert_eq!(header(&posted, "etag"), tag, "POST and GET have the same answer: {posted}");
    // The alphabet for URLs, nothing, and without padding where there is one.
    let mut bad = vec![format!("{base}/-_{plain}"), format!("{base}/%20")];
    if plain.ends_with('=') {
        bad.push(format!("{base}/{}", plain.trim_end_matches('=')));
    }
    for bad in bad {
        assert_eq!(curl(&["-sS", &bad]).stdout, [0x30, 3, 0x0a, 1, 1], "{bad}");
        assert_eq!(header(&ask(&[&bad]), "cache-control"), "no-store");
    }
    // A nonce is for one client.
    let nonce = ca.path("nonce.der");
    let asked =
        ["ocsp", "-issuer", &ca.path("issuing.pem"), "-cert", &ca.path("unit.pem"), "-reqout", &nonce];
    assert!(openssl(&asked).status.success());
    let once = ask(&["--data-binary", &format!("@{nonce}"), &base]);
    assert_eq!(header(&once, "cache-control"), "no-store");
    assert!(!once.contains("etag") && !once.contains("expires"), "{once}");
    let metrics = text(&curl(&["-fsS", &format!("http://{}/metrics", ca.http)]));
    for kind in ["cached", "signed", "refused"] {
        let line = format!("qianyin_ocsp_total{{kind=\"{kind}\"}} ");
        let count = metrics.lines().find_map(|found| found.strip_prefix(&line)).unwrap();
        assert!(count.parse::<u64>().unwrap() > 0, "{metrics}");
    }
    assert!(metrics.contains("qianyin_ocsp_total{kind=\"failed\"} 0"), "{metrics}");
}

/// Seconds since 1970, as `date` reads them.
fn unix_time(written: &str) -> i64 {
    let output = std::process::Command::new("date").args(["-u", "+%s", "-d", written]).output().unwrap();
    text(&output).trim().parse().unwrap_or_else(|_| panic!("{written}: {}", text(&output)))
}

/// Each gets its own answer, and one of another CA spoils the whole question.
fn several_in_one_question(ca: &Ca, serial: &str) {
    let never = "0x0102030405060708090a0b0c0d0e0f101112";
    let (issuer, url) = (ca.path("issuing.pem"), format!("http://{}/ocsp", ca.http));
    let ours = format!("0x{serial}");
    let ask = |more: &[&str]| {
        let mut arguments = vec!["ocsp", "-issuer", &issuer, "-serial", &ours, "-serial", never];
        arguments.extend(more);
        let (anchor, other) = (ca.path("root.pem"), ca.path("issuing.pem"));
        arguments.extend(["-url", &url, "-CAfile", &anchor, "-verify_other", &other]);
        text(&openssl(&arguments))
    };
    for options in [&[][..], &["-no_nonce"]] {
        let answer = ask(options);
        assert!(answer.contains("Response verify OK"), "{answer}");
        assert!(answer.contains(&format!("{ours}: good")), "{answer}");
        assert!(answer.contains(&format!("{never}: unknown")), "{answer}");
    }
    let root = ca.path("root.pem");
    assert!(ask(&["-issuer", &root, "-serial", "0x01"]).contains("unauthorized"));
}

/// The server dies with a signature in its hands. Nobody knows the certificate, and whoever has it does not hear "good".
#[test]
fn a_burned_serial_number_is_revoked() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[("QIANYIN_CRASH", "sign:after")]);
    ca.start_counter(&[]);
    let (application, token) = (ca.paid_application(), ca.blank_token());
    ca.claim(&application, &token);
    wait(60, "the crash", || ca.server_is_gone());
    let open =
        rows(&ca).into_iter().find(|row| row["table"] == "intent" && row["application"] == *application);
    let serial = open.unwrap()["serial"].as_str().unwrap().to_owned();
    ca.serve(&[]);
    let number = format!("0x{serial}");
    let answer = ocsp_of_serial(&ca, "issuing.pem", &number);
    assert!(
        answer.contains("Response verify OK") && answer.contains(&format!("{number}: revoked")),
        "{answer}"
    );
    ca.stop_others();
    ca.stop_server();
}

/// None of 100,000 numbers that the CA could have drawn is known; `QIANYIN_OCSP_RANDOM` asks for more.
#[test]
fn random_serial_numbers_are_never_good() {
    let random = std::env::var("QIANYIN_OCSP_RANDOM").unwrap_or_else(|_| "100000".to_owned());
    let ca = Ca::bare(Database::Sqlite);
    let policies = root().join("policies");
    let folder = ca.path("bench");
    let output = ca
        .ca_server_command(&[
            "bench",
            "--dir",
            &folder,
            "--policies",
            policies.to_str().unwrap(),
            "--ocsp",
            &random,
        ])
        .output()
        .unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains(&format!("random serial numbers {random},")) && told.contains(": 0 known"),
        "{told}"
    );
    assert!(told.contains(" 0 signed anew") && told.contains("4000 of 4000 answered"), "{told}");
}

/// Both CAs' into one file, and the same again by its tag costs nothing.
fn fetch_crls(ca: &Ca) {
    let mut all = String::new();
    for name in ["issuing", "root"] {
        let url = format!("http://{}/crl/{name}/0.crl", ca.http);
        let (der, pem) = (ca.path(&format!("{name}.crl.der")), ca.path(&format!("{name}.crl")));
        assert!(curl(&["-fsS", "-o", &der, &url]).status.success());
        assert!(openssl(&["crl", "-inform", "DER", "-in", &der, "-out", &pem]).status.success());
        all.push_str(&std::fs::read_to_string(&pem).unwrap());
        // A new CRL may come between the two questions.
        wait(10, "304", || {
            let head = text(&curl(&["-fsSI", &url]));
            let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap().trim();
            let tag = format!("If-None-Match: {tag}");
            text(&curl(&["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", &tag, &url])) == "304"
        });
    }
    std::fs::write(ca.dir.join("crls.pem"), all).unwrap();
}

pub(crate) fn ocsp(ca: &Ca, certificate: &str, options: &[&str]) -> String {
    let mut arguments: Vec<String> = vec!["ocsp".into()];
    // The hash must be named before the certificate that it is for.
    arguments
        .extend(options.iter().filter(|option| **option == "-sha256").map(|option| (*option).to_owned()));
    for part in [
        "-issuer",
        &ca.path("issuing.pem"),
        "-cert",
        &ca.path(certificate),
        "-url",
        &format!("http://{}/ocsp", ca.http),
        "-CAfile",
        &ca.path("root.pem"),
        "-verify_other",
        &ca.path("issuing.pem"),
    ] {
        arguments.push(part.to_owned());
    }
    arguments
        .extend(options.iter().filter(|option| **option != "-sha256").map(|option| (*option).to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    text(&openssl(&arguments))
}

fn ocsp_of_serial(ca: &Ca, issuer: &str, serial: &str) -> String {
    text(&openssl(&[
        "ocsp",
        "-issuer",
        &ca.path(issuer),
        "-serial",
        serial,
        "-url",
        &format!("http://{}/ocsp", ca.http),
        "-CAfile",
        &ca.path("root.pem"),
        "-verify_other",
        &ca.path("issuing.pem"),
    ]))
}

fn base64_of(file: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(std::fs::read(file).unwrap())
}

/// Each is answered, as malformed and nothing else, and none stops the server.
fn malformed_questions(ca: &Ca) {
    let good = std::fs::read(ca.dir.join("question.der")).unwrap();
    let mut questions =
        vec![Vec::new(), b"GET / HTTP/1.1".to_vec(), vec![0xff; 8000], [&good[..], &[0]].concat()];
    questions.extend((1..good.len()).step_by(7).map(|length| good[..length].to_vec()));
    for question in questions {
        std::fs::write(ca.dir.join("bad.der"), &question).unwrap();
        let file = format!("@{}", ca.path("bad.der"));
        let url = format!("http://{}/ocsp", ca.http);
        let answer =
            curl(&["-sS", "-H", "Content-Type: application/ocsp-request", "--data-binary", &file, &url])
                .stdout;
        assert_eq!(answer, [0x30, 3, 0x0a, 1, 1], "{question:02x?}");
    }
    std::fs::write(ca.dir.join("bad.der"), vec![0x30; 9000]).unwrap();
    let file = format!("@{}", ca.path("bad.der"));
    let large = curl(&[
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--data-binary",
        &file,
        &format!("http://{}/ocsp", ca.http),
    ]);
    assert_eq!(text(&large), "413");
}

/// Step 10 and 11: good, held, released, revoked, each within five seconds of the change.
fn the_portal_follows(ca: &Ca, serial: &str, token: &str) {
    within_five_seconds(ca, token, 200, USCC);
    let (status, body) = ca.login(token);
    let unit: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{status} {body}"));
    assert_eq!((status, unit["uscc"].as_str()), (200, Some(USCC)));
    assert!(ca.ca_server(&["hold", serial]).status.success());
    within_five_seconds(ca, token, 403, "held");
    assert!(ca.ca_server(&["release", serial]).status.success());
    within_five_seconds(ca, token, 200, USCC);
    ca.revoke(serial, "keyCompromise");
    within_five_seconds(ca, token, 403, "revoked");
    assert!(ocsp(ca, "unit.pem", &[]).contains("keyCompromise"));
    let again = ca.ca_server(&["release", serial]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again).contains("revoked-for-ever"), "{}", text(&again));
    let anchor = ca.path("root.pem");
    let port = ca.portal.rsplit(':').next().unwrap();
    for name in ["localhost", "127.0.0.1"] {
        let page = curl(&["-sS", "--cacert", &anchor, &format!("https://{name}:{port}/")]);
        assert!(text(&page).contains("no-certificate"), "{}", text(&page));
    }
}

fn within_five_seconds(ca: &Ca, token: &str, status: u16, says: &str) {
    std::thread::sleep(Duration::from_millis(200));
    wait(5, says, || {
        let (found, body) = ca.login(token);
        found == status && body.contains(says)
    });
}

//! Renewal over EST, refused: whoever asks, whatever is sent, and until everything is settled. A refusal changes nothing
//! and stands in the log.

use crate::{
    est::{Held, OTHER, REENROLL, apply, approve, made, on_a_token, pay, send, settled, state},
    support::{
        Ca,
        est::{Answer, Identity, PKCS10, subject},
        openssl, rows, text,
    },
};
use serde_json::{Value, json};

/// What must be as it was after a refusal: everything but the log and what messages and statements are made of.
pub(crate) fn standing(ca: &Ca) -> Vec<Value> {
    const TABLES: [&str; 9] = [
        "application",
        "attempt",
        "public_key",
        "intent",
        "certificate",
        "fee_order",
        "charge",
        "payment",
        "posting",
    ];
    let changing = |row: &Value| TABLES.iter().any(|table| row["table"] == *table);
    let mut found: Vec<Value> = rows(ca).into_iter().filter(changing).collect();
    for table in TABLES {
        assert!(found.iter().any(|row| row["table"] == *table), "the export has another name for {table}");
    }
    let status = |row: &Value| json!([row["serial"], row["state"], row["reason"]]);
    found.extend(ca.rows("status").iter().map(status));
    found
}

pub(crate) fn logged(ca: &Ca, rule: &str) -> usize {
    let rule = format!("\"rule\":\"{rule}\"");
    let output = ca.ca_server(&["--json", "log", "show", "--limit", "100000"]);
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| line.contains(&rule)).count()
}

/// Refused by this rule, written to the log, with nothing changed.
pub(crate) fn refused(ca: &Ca, status: u16, rule: &str, ask: impl FnOnce() -> Answer) {
    let (before, entries) = (standing(ca), logged(ca, rule));
    ask().says(status, rule);
    assert_eq!(logged(ca, rule), entries + 1, "{rule} is in the log once");
    assert!(standing(ca) == before, "{rule} changed something");
}

/// Whoever asks, and even with a settled application of the unit: a first certificate is made at a counter.
pub(crate) fn no_first_certificate(ca: &Ca, first: &Held) {
    let (request, _) = ca.est_request(&first.file, "enroll");
    let waiting = made(&ca.post("clerk", "/api/v1/applications", &ca.application_body()));
    let body = Some((PKCS10, &request[..]));
    for who in [&Identity::Nobody, &first.identity] {
        for path in ["simpleenroll", "unit-sign/simpleenroll"] {
            refused(ca, 403, "est.no-enrollment", || ca.est(who, path, body));
        }
    }
    assert_eq!(ca.application(&waiting)["state"], "submitted");
    ca.post("clerk", &format!("/api/v1/applications/{waiting}/withdrawal"), &Value::Null);
    let paid = ca.paid_application();
    refused(ca, 403, "est.no-enrollment", || ca.est(&Identity::Nobody, "simpleenroll", body));
    assert_eq!(ca.application(&paid)["state"], "paid");
}

/// No certificate, one of another CA with our names and serial number, one of staff.
pub(crate) fn nobody_else(ca: &Ca, first: &Held) {
    let (request, key) = ca.est_request(&first.file, "foreign");
    let body = Some((PKCS10, &request[..]));
    refused(ca, 401, "auth.no-certificate", || ca.est(&Identity::Nobody, REENROLL, body));

    let (forged, ca_key, ca_file) = (ca.path("forged.pem"), ca.path("forger.key"), ca.path("forger.pem"));
    let run = |arguments: &[&str]| {
        let output = openssl(arguments);
        assert!(output.status.success(), "{}", text(&output));
    };
    run(&["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &ca_key]);
    let name = subject(&ca.path("issuing.pem"));
    run(&["req", "-x509", "-new", "-key", &ca_key, "-utf8", "-subj", &name, "-days", "30", "-out", &ca_file]);
    let (csr, serial) = (ca.path("foreign.csr"), format!("0x{}", first.serial));
    let issuer = ["-CA", &ca_file, "-CAkey", &ca_key, "-set_serial", &serial, "-days", "30", "-out", &forged];
    // Version 3, as ours are: TLS itself refuses others.
    let extensions = ca.path("forged.ext");
    std::fs::write(&extensions, "keyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth\n")
        .unwrap();
    run(&[&["x509", "-req", "-inform", "DER", "-in", &csr, "-extfile", &extensions][..], &issuer].concat());
    let forger = Identity::Files { certificate: forged, key };
    refused(ca, 403, "est.certificate", || ca.est(&forger, REENROLL, body));

    let pin = format!("pkcs11:token=auditor;type=private;pin-source={}", ca.path("staff/auditor.pin"));
    let staff = Identity::Token { certificate: ca.path("staff/auditor.pem"), key: pin };
    refused(ca, 403, "est.certificate", || ca.est(&staff, REENROLL, body));
}

/// Nobody applied; applied; approved; paid, while the certificate is on hold. Gives the application.
pub(crate) fn not_before_it_is_settled(ca: &Ca, first: &Held) -> String {
    let (request, _) = ca.est_request(&first.file, "waiting");
    refused(ca, 404, "renewal.none", || send(ca, first, &request));
    let renewal = apply(ca, first, "renew");
    let before = standing(ca);
    for _ in 0..2 {
        let pending = send(ca, first, &request);
        pending.says(202, "est.pending");
        assert!(pending.headers.contains("retry-after: 3600"), "{pending:?}");
    }
    assert!(standing(ca) == before, "who only waits changes nothing");
    approve(ca, &renewal);
    refused(ca, 403, "est.unpaid", || send(ca, first, &request));
    pay(ca, &renewal, 15_000);
    let change = |what: &str| {
        let path = format!("/api/v1/certificates/{}/{what}", first.serial);
        ca.post("officer", &path, &Value::Null);
    };
    change("hold");
    refused(ca, 403, "auth.certificate-not-good", || send(ca, first, &request));
    change("release");
    renewal
}

/// Everything is settled, and the request is not in order.
pub(crate) fn bad_requests(ca: &Ca, first: &Held) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (good, _) = ca.est_request(&first.file, "bad");
    let ask = |path: &str, media_type: &str, octets: &[u8]| {
        ca.est(&first.identity, path, Some((media_type, octets)))
    };
    refused(ca, 404, "est.label", || ask("no-such-profile/simplereenroll", PKCS10, &good));
    refused(ca, 403, "est.other-profile", || ask("tls-server/simplereenroll", PKCS10, &good));
    refused(ca, 415, "est.media-type", || ask(REENROLL, "application/json", &good));
    refused(ca, 413, "request.too-large", || ask(REENROLL, PKCS10, &b"A".repeat(64 * 1024 + 1)));
    refused(ca, 400, "est.body", || ask(REENROLL, PKCS10, b"%% not base64 %%"));
    refused(ca, 400, "est.body", || ask(REENROLL, PKCS10, &good[..good.len() - 1]));
    for octets in [&b""[..], b"AAAA", &good[..400]] {
        refused(ca, 400, "est.csr", || ask(REENROLL, PKCS10, octets));
    }
    let mut der = STANDARD.decode(&good).unwrap();
    *der.last_mut().unwrap() ^= 1;
    let tampered = STANDARD.encode(&der);
    refused(ca, 400, "est.csr", || ask(REENROLL, PKCS10, tampered.as_bytes()));
    // The subject of somebody else; an extension that was not asked for.
    let (others, _) = ca.est_request(&ca.path("staff/clerk.pem"), "others");
    refused(ca, 400, "est.csr", || ask(REENROLL, PKCS10, &others));
    let key = match &first.identity {
        Identity::Token { key, .. } => key.clone(),
        other => panic!("{other:?}"),
    };
    let same = ca.est_request_of_token(&first.file, "same", &key);
    refused(ca, 403, "est.same-key", || send(ca, first, &same));

    // Another unit's certificate does not fetch what this unit paid for.
    let pair = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &pair, Some(&json!({ "uscc": OTHER })), None).unwrap();
    let (other, _) = on_a_token(ca, OTHER);
    refused(ca, 404, "renewal.none", || send(ca, &other, &good));
    let (of_other, _) = ca.est_request(&other.file, "of-other");
    refused(ca, 400, "est.csr", || send(ca, first, &of_other));
}

/// A key that this CA certified before, for this unit or for another: refused, and the application waits for a good one.
pub(crate) fn key_seen_before(ca: &Ca, first: &Held, third: &Held) {
    let renewal = settled(ca, third, "rekey");
    let Identity::Token { key, .. } = &first.identity else { panic!("{:?}", first.identity) };
    let seen = ca.est_request_of_token(&third.file, "seen", key);
    for _ in 0..2 {
        let before = logged(ca, "est.key-used");
        send(ca, third, &seen).says(409, "est.key-used");
        assert_eq!(logged(ca, "est.key-used"), before + 1);
    }
    assert_eq!(ca.application(&renewal)["serial"], Value::Null);
    assert_eq!(state(ca, third), json!(["good", null]));
}

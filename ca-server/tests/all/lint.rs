//! A second opinion: pkilint, which shares no code with us, finds no error in anything that the CA signs.

use std::process::Command;

use crate::support::{Ca, Database, curl, openssl, root, text};

/// `localhost` is a name by RFC 1034 §3.5; pkilint wants a dot. A demonstration's servers have it, others need not.
const NAME_WITHOUT_DOT: &str =
    "pkix.invalid_domain_name_syntax (ERROR): Invalid domain name syntax: \"localhost\"";

#[test]
fn pkilint_finds_no_error_in_what_the_ca_signs() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    // On hold until it is activated, so that the CRL has an entry with our own extension.
    let (_, serial, _) = ca.issue();
    for file in ["unit.pem", "root.pem", "issuing.pem", "ocsp.pem", "staff/clerk.pem"] {
        assert_no_findings(&ca, "lint_pkix_cert", &[], file);
    }
    for name in ["server", "portal"] {
        let (chain, leaf) = (ca.path(&format!("{name}.pem")), format!("{name}-leaf.pem"));
        let cut = openssl(&["x509", "-in", &chain, "-out", &ca.path(&leaf)]);
        assert!(cut.status.success(), "{}", text(&cut));
        assert_no_findings(&ca, "lint_pkix_cert", &[], &leaf);
    }
    assert_crls(&ca);
    answer(&ca, "unit.pem", "held.ocsp", &["-no_nonce"]);
    answer(&ca, "ocsp.pem", "good.ocsp", &[]);
    ca.revoke(&serial, "keyCompromise");
    answer(&ca, "unit.pem", "revoked.ocsp", &["-no_nonce"]);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_crls(&ca);
}

/// The root's lists authorities, the issuing CA's everybody.
fn assert_crls(ca: &Ca) {
    for (issuer, kind) in [("root", "ARL"), ("issuing", "CRL")] {
        let file = format!("{issuer}.crl");
        let url = format!("http://{}/crl/{issuer}/0.crl", ca.http);
        let fetched = curl(&["-fsS", "-o", &ca.path(&file), &url]);
        assert!(fetched.status.success(), "{}", text(&fetched));
        assert_no_findings(ca, "lint_crl", &["-t", kind, "-p", "PKIX"], &file);
    }
}

/// OpenSSL asks and keeps the answer.
fn answer(ca: &Ca, certificate: &str, file: &str, options: &[&str]) {
    let (issuer, certificate) = (ca.path("issuing.pem"), ca.path(certificate));
    let (url, answer) = (format!("http://{}/ocsp", ca.http), ca.path(file));
    let mut arguments = vec!["ocsp", "-issuer", &issuer, "-cert", &certificate, "-url", &url];
    arguments.extend(["-noverify", "-respout", &answer]);
    arguments.extend(options);
    let asked = openssl(&arguments);
    assert!(asked.status.success(), "{}", text(&asked));
    assert_no_findings(ca, "lint_ocsp_response", &[], file);
}

fn assert_no_findings(ca: &Ca, linter: &str, options: &[&str], file: &str) {
    let program = root().join("target/pkilint/bin").join(linter);
    assert!(program.exists(), "pkilint is not installed: run `make setup`");
    let mut command = Command::new(program);
    let output = command.arg("lint").args(options).args(["-s", "ERROR", &ca.path(file)]).output().unwrap();
    let found = text(&output);
    let errors: Vec<&str> = found
        .lines()
        .filter(|line| line.contains("(ERROR)") || line.contains("(FATAL)"))
        .filter(|line| line.trim() != NAME_WITHOUT_DOT)
        .collect();
    assert!(errors.is_empty(), "{linter} of {file}:\n{found}");
    // The exit status is the number of findings; a linter that broke down has none to show.
    let excused =
        i32::try_from(found.lines().filter(|line| line.trim() == NAME_WITHOUT_DOT).count()).unwrap();
    assert_eq!(output.status.code(), Some(excused), "{linter} of {file}:\n{found}");
}

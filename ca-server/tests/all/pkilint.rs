//! An outside linter (pkilint) finds no error in anything that we sign. `make test` installs it under `target/`.

use std::{path::PathBuf, process::Command};

use crate::support::{Ca, Database, curl, openssl, root, text, wait};

#[test]
fn finds_no_error_in_what_we_sign() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    for name in ["root.pem", "issuing.pem", "ocsp.pem", "unit.pem", "staff/clerk.pem"] {
        let file = ca.path(name);
        assert_eq!(lint(&["lint_pkix_cert", "lint", "-s", "ERROR", &file]), "", "{name}");
    }
    // A demonstration's browser is on this machine: that name, and nothing else, is what the linter minds.
    let findings = lint(&["lint_pkix_cert", "lint", "-s", "ERROR", &ca.path("portal.pem")]);
    assert_eq!(findings.matches("(ERROR)").count(), 1, "{findings}");
    assert!(findings.contains("Invalid domain name syntax: \"localhost\""), "{findings}");

    for (crl, kind) in [("issuing", "CRL"), ("root", "ARL")] {
        let file = ca.path(&format!("{crl}.crl"));
        let fetched = curl(&["-fsS", "-o", &file, &format!("http://{}/crl/{crl}/0.crl", ca.http)]);
        assert!(fetched.status.success(), "{}", text(&fetched));
        assert_eq!(lint(&["lint_crl", "lint", "-t", kind, "-p", "PKIX", "-s", "ERROR", &file]), "", "{crl}");
    }
    for state in ["good", "revoked"] {
        wait(5, state, || ocsp(&ca).contains(state));
        assert_eq!(lint(&["lint_ocsp_response", "lint", "-s", "ERROR", &ca.path("ocsp.der")]), "", "{state}");
        if state == "good" {
            ca.revoke(&serial, "superseded");
        }
    }
}

/// Asks for the unit's status, keeps the answer in `ocsp.der`, gives what OpenSSL reads in it.
fn ocsp(ca: &Ca) -> String {
    let (issuer, certificate) = (ca.path("issuing.pem"), ca.path("unit.pem"));
    let (url, file, anchor) = (format!("http://{}/ocsp", ca.http), ca.path("ocsp.der"), ca.path("root.pem"));
    let output = openssl(&[
        "ocsp",
        "-issuer",
        &issuer,
        "-cert",
        &certificate,
        "-url",
        &url,
        "-respout",
        &file,
        "-CAfile",
        &anchor,
        "-verify_other",
        &issuer,
    ]);
    text(&output)
}

/// Runs one of pkilint's programs; gives its findings. Their number is its exit status.
fn lint(arguments: &[&str]) -> String {
    let folder = std::env::var_os("PKILINT").map_or_else(|| root().join("target/pkilint/bin"), PathBuf::from);
    let output = Command::new(folder.join(arguments[0])).args(&arguments[1..]).output();
    let output = output.unwrap_or_else(|error| {
        panic!("{}: {error}; ca-server/scripts/test.sh installs it", folder.join(arguments[0]).display())
    });
    let findings = text(&output).trim().to_owned();
    assert_eq!(output.status.success(), findings.is_empty(), "{arguments:?}: {findings}");
    findings
}

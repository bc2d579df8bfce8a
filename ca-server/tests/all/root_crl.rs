//! `root-crl`: the root's token signs the root's next CRL while the server runs, and the server serves it.

use std::{os::unix::process::ExitStatusExt, process::Output};

use serde_json::Value;

use crate::support::{Ca, Database, curl, openssl, rows, text, wait};

#[test]
fn the_root_crl_is_renewed_while_the_server_runs_on_sqlite() {
    renewed_while_the_server_runs(Database::Sqlite);
}

#[test]
fn the_root_crl_is_renewed_while_the_server_runs_on_postgres() {
    renewed_while_the_server_runs(Database::Postgres);
}

fn renewed_while_the_server_runs(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    assert!(served(&ca).contains("X509v3 CRL Number: \n                1\n"), "{}", served(&ca));
    assert!(!doctor(&ca).contains("警告"), "{}", doctor(&ca));
    let output = renew(&ca, &["--days", "20"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(served(&ca).contains("X509v3 CRL Number: \n                2\n"), "{}", served(&ca));
    assert!(doctor(&ca).contains("警告：根 CRL 还有"), "{}", doctor(&ca));

    // An issuing CA that was revoked is told of by the root alone.
    let revoked = ca.ca_server(&["revoke", &ca.path("issuing.pem"), "--reason", "cACompromise"]);
    assert!(revoked.status.success(), "{}", text(&revoked));
    again_after_the_lease(&ca, &[]);
    let crl = served(&ca);
    assert!(
        crl.contains("X509v3 CRL Number: \n                3\n") && crl.contains("CA Compromise"),
        "{crl}"
    );
    let (root, file) = (ca.path("root.pem"), ca.path("root.crl"));
    let verified =
        openssl(&["verify", "-CRLfile", &file, "-crl_check", "-CAfile", &root, &ca.path("issuing.pem")]);
    assert!(text(&verified).contains("certificate revoked"), "{}", text(&verified));
    assert!(!doctor(&ca).contains("警告"), "{}", doctor(&ca));
    ca.stop_server();
    let published: Vec<Value> = rows(&ca)
        .into_iter()
        .filter(|row| {
            row["table"] == "audit" && row["action"] == "publish-crl" && row.to_string().contains("root")
        })
        .collect();
    assert_eq!(published.len(), 2, "{published:?}");
    ca.assert_audit_is_clean();
}

#[test]
fn a_renewal_that_was_killed_is_given_again_with_a_higher_number() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let killed = command(&ca, &[]).env("QIANYIN_CRASH", "publish-crl:before").output().unwrap();
    assert_eq!(killed.status.signal(), Some(9), "{}", text(&killed));
    let refused = renew(&ca, &[]);
    assert!(text(&refused).contains("root-crl.running"), "{}", text(&refused));
    assert!(served(&ca).contains("CRL Number: \n                1\n"));
    again_after_the_lease(&ca, &[]);
    assert!(served(&ca).contains("CRL Number: \n                3\n"), "{}", served(&ca));
    ca.stop_server();
    ca.assert_audit_is_clean();
}

#[test]
fn only_the_root_key_signs_the_root_crl() {
    let ca = Ca::new(Database::Sqlite);
    let pin = ca.path("hsm/qianyin-issuing.pin");
    let other = ca.ca_server(&["root-crl", "--token", "qianyin-issuing", "--pin-file", &pin]);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    std::fs::write(ca.dir.join("wrong.pin"), "00000000").unwrap();
    let wrong = ca.ca_server(&["root-crl", "--token", "qianyin-root", "--pin-file", &ca.path("wrong.pin")]);
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong));
    let as_argument = ca.ca_server(&["root-crl", "--token", "qianyin-root", "--pin", "1234"]);
    assert_eq!(as_argument.status.code(), Some(2), "{}", text(&as_argument));
    let root = |row: &&Value| row["table"] == "crl" && row["issuer"] == "root";
    assert_eq!(rows(&ca).iter().filter(root).count(), 1);
}

fn command(ca: &Ca, options: &[&str]) -> std::process::Command {
    let pin = ca.path("hsm/qianyin-root.pin");
    let mut command = ca.ca_server_command(&["root-crl", "--token", "qianyin-root", "--pin-file", &pin]);
    command.args(options);
    command
}

fn renew(ca: &Ca, options: &[&str]) -> Output {
    command(ca, options).output().unwrap()
}

fn again_after_the_lease(ca: &Ca, options: &[&str]) {
    wait(20, "the end of the other renewal's lease", || renew(ca, options).status.success());
}

fn doctor(ca: &Ca) -> String {
    let output = ca.ca_server(&["doctor"]);
    assert!(output.status.success(), "{}", text(&output));
    text(&output)
}

/// The root's CRL as the server gives it now, in words; its signature is the root's.
fn served(ca: &Ca) -> String {
    let (file, root) = (ca.path("root.crl"), ca.path("root.pem"));
    let fetched = curl(&["-fsS", "-o", &file, &format!("http://{}/crl/root/0.crl", ca.http)]);
    assert!(fetched.status.success(), "{}", text(&fetched));
    let verified = openssl(&["crl", "-in", &file, "-verify", "-CAfile", &root, "-noout"]);
    assert!(text(&verified).contains("verify OK"), "{}", text(&verified));
    text(&openssl(&["crl", "-in", &file, "-noout", "-text"]))
}

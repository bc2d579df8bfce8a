//! The registration of a member of staff killed with SIGKILL around every write and the signature. The same command
//! again makes one member, never two; afterwards it says that this person is registered.

use std::os::unix::process::ExitStatusExt;

use ca_store::WriteSite;

use crate::support::{Ca, Database, rows, text};

const NAME: &str = "孙学徒";

#[test]
fn a_registration_cut_short_is_given_again_on_sqlite() {
    cut_short(Database::Sqlite);
}

#[test]
fn a_registration_cut_short_is_given_again_on_postgres() {
    cut_short(Database::Postgres);
}

fn cut_short(database: Database) {
    let mut ca = Ca::new(database);
    let csr = request(&ca, "trainee");
    let (intent, register) = (WriteSite::RecordIntent.name(), WriteSite::RegisterStaff.name());
    let points =
        [intent, "sign", register].map(|name| ["before", "after"].map(|when| format!("{name}:{when}")));
    for point in points.as_flattened() {
        let output = add(&ca, NAME, &csr).env("QIANYIN_CRASH", point).output().unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", text(&output));
        assert!(!ca.dir.join("staff/trainee.pem").exists());
    }
    // The last one died after its commit: the certificate is there, its file is not.
    for _ in 0..2 {
        let output = add(&ca, NAME, &csr).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains("已经登记过"), "{}", text(&output));
    }
    let other = add(&ca, "周旁人", &csr).output().unwrap();
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    assert!(text(&other).contains("key.used"), "{}", text(&other));
    let listed = text(&ca.ca_server(&["staff", "list"]));
    assert_eq!(listed.matches(NAME).count(), 1, "{listed}");
    assert!(!listed.contains("周旁人"), "{listed}");

    let (pin, certificate) = (ca.path("staff/trainee.pin"), ca.path("staff/trainee.pem"));
    let installed =
        ca.ukey(&["install", "--token", "trainee", "--pin-file", &pin, "--certificate", &certificate]);
    assert!(installed.status.success(), "{}", text(&installed));
    ca.serve(&[]);
    let entries = ca.get("trainee", "/api/v1/log");
    assert!(entries["entries"].is_array() || entries.is_array(), "{entries}");
    ca.stop_server();
    // Died with their intents committed: after that write, around the signature, before the last write.
    let burned = rows(&ca).iter().filter(|row| row["table"] == "status" && row["state"] == "burned").count();
    assert_eq!(burned, 4);
    ca.assert_audit_is_clean();
}

/// A token of their own, and the request from it.
fn request(ca: &Ca, label: &str) -> String {
    let (pin, so_pin, csr) =
        (ca.path("staff/trainee.pin"), ca.path("staff/trainee.so-pin"), ca.path("staff/trainee.csr"));
    std::fs::write(&pin, "26535897").unwrap();
    std::fs::write(&so_pin, "93238462").unwrap();
    for arguments in [
        &["init", "--label", label, "--so-pin-file", &so_pin, "--pin-file", &pin][..],
        &["request", "--token", label, "--pin-file", &pin, "--output", &csr],
    ] {
        let output = ca.ukey(arguments);
        assert!(output.status.success(), "{}", text(&output));
    }
    csr
}

fn add(ca: &Ca, name: &str, csr: &str) -> std::process::Command {
    let output = ca.path("staff/trainee.pem");
    ca.ca_server_command(&[
        "staff", "add", "--name", name, "--role", "auditor", "--csr", csr, "--output", &output,
    ])
}

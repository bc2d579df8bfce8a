//! `revoke-list`: an incident's list ends every certificate on it, and nothing else; first it says what becomes invalid.

use crate::support::{Ca, Database, curl, text, wait};

#[test]
fn on_sqlite() {
    a_list_ends_what_is_on_it(Database::Sqlite);
}

#[test]
fn on_postgres() {
    a_list_ends_what_is_on_it(Database::Postgres);
}

const UNKNOWN: &str = "0102030405060708090a0b0c0d0e0f101112";

fn a_list_ends_what_is_on_it(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (_, first, _) = ca.issue();
    let (_, second, _) = ca.issue();
    let (_, kept, _) = ca.issue();
    ca.stop_others();
    let list = ca.path("serials.csv");
    let write = |lines: &[&str]| std::fs::write(&list, lines.join("\n")).unwrap();
    let state = |serial: &str| {
        let view = ca.get("auditor", &format!("/api/v1/certificates/{serial}"));
        view["state"].as_str().unwrap_or_else(|| panic!("{view}")).to_owned()
    };
    let revoke = |more: &[&str]| {
        let output = ca.ca_server(&[&["revoke-list", &list, "--reason", "keyCompromise"], more].concat());
        (output.status.success(), text(&output))
    };

    write(&["serial,why", &first.to_uppercase(), &format!("{second},flawed chip"), &first, UNKNOWN]);
    let details = ca.path("affected.csv");
    let (done, told) = revoke(&["--dry-run", "--output", &details]);
    assert!(done && told.contains("将吊销 2 张证书，涉及 1 家单位；没有吊销任何证书。"), "{told}");
    assert!(told.contains("不属于本 CA 1"), "{told}");
    let rows = std::fs::read_to_string(&details).unwrap();
    let row =
        |serial: &str| rows.lines().find(|line| line.starts_with(serial)).unwrap_or_else(|| panic!("{rows}"));
    assert!(
        row(&first).contains(",revoke,not-activated,") && row(&first).contains("南京示例科技有限公司"),
        "{rows}"
    );
    assert!(row(UNKNOWN).contains(",unknown,,"), "{rows}");

    // What is refused changes nothing.
    for (more, rule) in [
        (&["--confirm", "2"][..], "不属于本 CA"),
        (&["--confirm", "3", "--skip-unknown"], "将吊销 2 张证书，而不是 3 张"),
        (&["--skip-unknown"], "--confirm"),
    ] {
        let (done, told) = revoke(more);
        assert!(!done && told.contains(rule), "{told}");
    }
    write(&[&first, "not a number", &second]);
    let (done, told) = revoke(&["--confirm", "2"]);
    assert!(!done && told.contains("第 2 行") && told.contains("not a number"), "{told}");
    let output = ca.ca_server(&["revoke-list", &list, "--reason", "bored", "--confirm", "2"]);
    assert!(!output.status.success() && text(&output).contains("bored"), "{}", text(&output));
    for serial in [&first, &second, &kept] {
        assert_eq!(state(serial), "not-activated");
    }

    write(&[&first, &second, UNKNOWN]);
    let (done, told) = revoke(&["--confirm", "2", "--skip-unknown"]);
    assert!(done && told.contains("已吊销 2 张证书，涉及 1 家单位。"), "{told}");
    assert_eq!([state(&first), state(&second), state(&kept)], ["revoked", "revoked", "not-activated"]);
    let url = format!("http://{}/crl/issuing/0.crl", ca.http);
    wait(30, "the CRL", || {
        let der = ca.path("list.crl");
        assert!(curl(&["-fsS", "-o", &der, &url]).status.success());
        let printed =
            text(&crate::support::openssl(&["crl", "-inform", "DER", "-in", &der, "-noout", "-text"]));
        printed.matches("Key Compromise").count() == 2
    });

    // Given again, as after a run that was cut short: what is done stays done.
    let (done, told) = revoke(&["--dry-run"]);
    assert!(done && told.contains("将吊销 0 张证书") && told.contains("此前已吊销 2"), "{told}");
    let (done, told) = revoke(&["--confirm", "0", "--skip-unknown"]);
    assert!(done && told.contains("已吊销 0 张证书"), "{told}");
    let log = ca.rows("audit");
    let entries = log.iter().filter(|entry| entry["action"] == "revoke-certificate").count();
    assert_eq!(entries, 2);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

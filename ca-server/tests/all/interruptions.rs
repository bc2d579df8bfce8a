//! The counter's everyday accidents: the wrong token in the slot, a token pulled in the middle. Every job ends with one
//! certificate in use. (`kills.rs`: the workstation killed.)

use std::time::Duration;

use crate::support::{Ca, Database, MODULE, wait};

/// Moments after the claim, in milliseconds. A job takes about four seconds: two of them wait for the CRL.
const MOMENTS: [u64; 7] = [0, 150, 300, 500, 800, 1500, 3000];

#[test]
fn a_token_pulled_at_any_moment_goes_on_when_it_is_back() {
    let mut ca = Ca::new(Database::Sqlite);
    let gone = ca.path("gone");
    ca.serve(&[]);
    // A file that names no token: all are there.
    std::fs::write(&gone, "no token").unwrap();
    start_unpluggable(&mut ca, &gone);
    let mut finished = Vec::new();
    for moment in MOMENTS {
        let (application, token) = (ca.paid_application(), ca.blank_token());
        ca.claim(&application, &token);
        std::thread::sleep(Duration::from_millis(moment));
        std::fs::write(&gone, &token).unwrap();
        let awaited = || {
            let personalisation = &ca.application(&application)["personalisation"];
            personalisation["note"].as_str().unwrap_or("").contains(&token)
                || personalisation["state"] == "proved"
        };
        wait(20, "the note that names the token", awaited);
        std::fs::write(&gone, "no token").unwrap();
        wait(60, "the end of the job", || {
            goes_on(&ca, &application, &token);
            ca.application(&application)["personalisation"]["state"] == "proved"
        });
        hand_over(&ca, &application, &token);
        finished.push(application);
    }
    end_well(&mut ca, &finished);
}

#[test]
fn the_wrong_token_is_not_touched() {
    let mut ca = Ca::new(Database::Sqlite);
    let gone = ca.path("gone");
    ca.serve(&[]);
    let (application, token) = (ca.paid_application(), ca.blank_token());
    std::fs::write(&gone, &token).unwrap();
    start_unpluggable(&mut ca, &gone);
    let wrong = ca.blank_token();
    ca.claim(&application, &token);
    wait(20, "the note", || {
        let view = ca.application(&application);
        let note = view["personalisation"]["note"].as_str().unwrap_or("").to_owned();
        note.contains("token.absent") && note.contains(&token)
    });
    std::fs::write(&gone, "no token").unwrap();
    wait(60, "the end of the job", || ca.application(&application)["personalisation"]["state"] == "proved");
    let tokens: serde_json::Value = serde_json::from_slice(&ca.ukey(&["--json", "status"]).stdout).unwrap();
    let untouched = tokens["tokens"].as_array().unwrap().iter().find(|one| one["serial"] == *wrong).unwrap();
    assert_eq!(
        (&untouched["label"], untouched["certificates"].as_array().unwrap().len()),
        (&"BLANK".into(), 0)
    );
    hand_over(&ca, &application, &token);
    end_well(&mut ca, &[application]);
}

/// A workstation whose tokens are gone while the file names them.
fn start_unpluggable(ca: &mut Ca, gone: &str) {
    let module = p11_fault::shared_library().unwrap();
    let module = module.to_str().unwrap();
    ca.start_counter(&[("PKCS11_MODULE", module), ("P11_FAULT_MODULE", MODULE), ("P11_FAULT_GONE", gone)]);
}

/// What a clerk does when a note says that the token failed: claim again; when the attempt is burned, claim anew.
fn goes_on(ca: &Ca, application: &str, token: &str) {
    let view = ca.application(application);
    let failed = view["personalisation"]["note"].as_str().is_some_and(|note| note.starts_with("failed:"));
    if failed || view["state"] == "paid" {
        ca.claim(application, token);
    }
}

fn hand_over(ca: &Ca, application: &str, token: &str) {
    let path = format!("/api/v1/applications/{application}/hand-over");
    let handed = ca.post("clerk", &path, &serde_json::Value::Null);
    assert!(handed["serial"].is_string(), "{handed}");
    let output = ca.activate(application, token);
    assert!(output.status.success(), "{}", crate::support::text(&output));
}

fn end_well(ca: &mut Ca, finished: &[String]) {
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    let export = std::fs::read_to_string(ca.path("export.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> =
        export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for application in finished {
        let of = |table: &str| rows.iter().filter(move |row| row["table"] == *table).collect::<Vec<_>>();
        let serials: Vec<_> =
            of("certificate").into_iter().filter(|row| row["application"] == *application.as_str()).collect();
        let good = of("status")
            .into_iter()
            .filter(|row| row["state"] == "good" && serials.iter().any(|one| one["serial"] == row["serial"]))
            .count();
        assert_eq!(good, 1, "certificates in use of {application}");
    }
}

//! The workstation killed with SIGKILL at every call that does something with a token, before and after it is done.
//! The calls are those of one good run: a new one is tested from the day it is made.
//!
//! After each death a new `ukey counter` goes on. Then: exactly one certificate that is not revoked, the money once,
//! and nothing for ca-audit to find.

use std::{collections::VecDeque, sync::Mutex};

use serde_json::Value;

use crate::support::{Ca, Database, Running, Station, wait};

/// Calls that leave token and PIN counters as they are; every other one is a place to die.
const HARMLESS: [&str; 9] = [
    "C_Initialize",
    "C_Finalize",
    "C_Get",
    "C_Find",
    "C_OpenSession",
    "C_CloseSession",
    "C_Logout",
    "C_SignInit",
    "C_GenerateRandom",
];
/// At once, each with tokens of its own.
const WORKSTATIONS: usize = 4;

#[test]
fn a_killed_counter_is_finished_by_the_next_one() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    // One clerk's token for all: SoftHSM fails when programs use it at once.
    let desk = Mutex::new(ca);
    let calls = calls_of_a_good_run(&desk);
    for function in
        ["C_Login", "C_InitToken", "C_SetPIN", "C_InitPIN", "C_GenerateKeyPair", "C_CreateObject", "C_Sign"]
    {
        assert!(calls.iter().any(|call| call.starts_with(function)), "{function} is not in {calls:?}");
    }
    let deaths: VecDeque<String> =
        calls.iter().flat_map(|call| ["before", "after"].map(|when| format!("{call}:{when}:kill"))).collect();
    let left = Mutex::new(deaths);
    std::thread::scope(|scope| {
        for _ in 0..WORKSTATIONS {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().pop_front();
                    let Some(death) = next else { return };
                    die_and_go_on(&desk, &death);
                }
            });
        }
    });
    let mut ca = desk.into_inner().unwrap();
    ca.stop_server();
    ca.assert_audit_is_clean();
    let applications = ca.rows("application");
    assert_eq!(applications.len(), calls.len() * 2 + 1);
    one_certificate_each(&ca, &applications);
}

fn calls_of_a_good_run(desk: &Mutex<Ca>) -> Vec<String> {
    let (station, application) = begin(desk, "good-run");
    let running = start(desk, &station, "");
    finish(desk, &application);
    drop(running);
    let calls = std::fs::read_to_string(station.folder.join("calls")).unwrap();
    let dangerous = |call: &&str| !HARMLESS.iter().any(|harmless| call.starts_with(harmless));
    calls.lines().filter(dangerous).map(|call| call.replace(' ', ":")).collect()
}

fn die_and_go_on(desk: &Mutex<Ca>, death: &str) {
    let (station, application) = begin(desk, &death.replace(':', "-"));
    start(desk, &station, death).is_killed();
    let _running = start(desk, &station, "");
    finish(desk, &application);
}

fn begin(desk: &Mutex<Ca>, name: &str) -> (Station, String) {
    let ca = desk.lock().unwrap();
    let (station, application) = (Station::new(&ca, name), ca.paid_application());
    station.claim(&ca, &application);
    (station, application)
}

fn start(desk: &Mutex<Ca>, station: &Station, fault: &str) -> Running {
    station.start(&desk.lock().unwrap(), fault)
}

/// Until the token is in the holder's hands.
fn finish(desk: &Mutex<Ca>, application: &str) {
    wait(90, "personalisation", || {
        desk.lock().unwrap().application(application)["personalisation"]["state"] == "proved"
    });
    let path = format!("/api/v1/applications/{application}/hand-over");
    let handed = desk.lock().unwrap().post("clerk", &path, &Value::Null);
    assert!(handed["serial"].is_string(), "{handed}");
}

fn one_certificate_each(ca: &Ca, applications: &[Value]) {
    let (certificates, statuses) = (ca.rows("certificate"), ca.rows("status"));
    let (charges, payments) = (ca.rows("charge"), ca.rows("payment"));
    for application in applications {
        let id = &application["id"];
        let issued = certificates.iter().filter(|row| row["application"] == *id).map(|row| &row["serial"]);
        let states: Vec<&Value> = issued
            .flat_map(|serial| statuses.iter().filter(move |row| row["serial"] == *serial))
            .map(|row| &row["state"])
            .collect();
        assert_eq!(states.len(), 1, "{id}: {states:?}");
        assert_eq!(states[0], "not-activated", "{id}");
        let charge = charges.iter().find(|row| row["application"] == *id).unwrap();
        assert_eq!(payments.iter().filter(|row| row["fee_order"] == charge["fee_order"]).count(), 1, "{id}");
    }
}

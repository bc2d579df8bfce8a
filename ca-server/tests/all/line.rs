//! An issuing line: a list once, then token after token; what fails is set aside and holds nothing up. The workstations that
//! are there, and what is plugged in at them.

use std::time::{Duration, Instant};

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::points,
    support::{Ca, Database, WORKSTATION, wait},
};

#[test]
fn on_sqlite() {
    line(Database::Sqlite);
}

#[test]
fn on_postgres() {
    line(Database::Postgres);
}

const PATH: &str = "/api/v1/workstations/counter-1/line";

fn line(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    present(&mut ca);
    ca.start_counter(&[]);
    refusals(&ca);
    let applications: Vec<String> = (0..3).map(|_| ca.paid_application()).collect();
    one_after_the_other(&ca, &applications);
    set_aside(&mut ca);
    another_clerk(&ca);
    stopped(&ca);
    gone_with_the_clerk(&mut ca);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn start(ca: &Ca, applications: &[String]) -> Value {
    ca.post("clerk", PATH, &json!({ "applications": applications }))
}

fn seen(ca: &Ca) -> Value {
    ca.get("auditor", PATH)
}

fn workstations(ca: &Ca) -> Vec<Value> {
    ca.get("auditor", "/api/v1/workstations").as_array().unwrap().clone()
}

/// A token that is plugged in is seen within two seconds, with what the stock knows of it.
fn present(ca: &mut Ca) {
    assert_eq!(workstations(ca), Vec::<Value>::new());
    ca.start_counter(&[]);
    wait(10, "the workstation", || workstations(ca).len() == 1);
    let unlisted = ca.unlisted_token();
    let plugged = |serial: &str| {
        let there = workstations(ca);
        let tokens = there.first().map(|one| one["tokens"].as_array().unwrap().clone()).unwrap_or_default();
        tokens.into_iter().find(|token| token["serial"] == serial)
    };
    wait(5, "the token", || plugged(&unlisted).is_some());
    let token = plugged(&unlisted).unwrap();
    assert_eq!((&token["model"], &token["state"]), (&json!("SoftHSM v2"), &Value::Null), "{token}");
    ca.list_token(&unlisted, &["--counter", "municipal"]);
    wait(5, "the stock", || plugged(&unlisted).is_some_and(|token| token["state"] == "blank"));
    assert_eq!(workstations(ca)[0]["name"], WORKSTATION);
    ca.post("clerk", &format!("/api/v1/tokens/{unlisted}/spoiled"), &json!({ "reasons": "测试" }));
    ca.stop_others();
    // Killed: the connection breaks, and nobody is there any more.
    let gone = Instant::now();
    wait(5, "the end", || workstations(ca).is_empty());
    println!("a killed workstation was gone after {:?}", gone.elapsed());
}

fn refusals(ca: &Ca) {
    let paid = ca.paid_application();
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let submitted = made["id"].as_str().unwrap().to_owned();
    assert_eq!(ca.get("auditor", PATH)["title"], "not-found");
    for (applications, rule) in [
        (json!([]), "field.invalid"),
        (json!(["x"]), "field.invalid"),
        (json!(["0".repeat(32)]), "not-found"),
        (json!([submitted]), "wrong-state"),
    ] {
        let refused = ca.post("clerk", PATH, &json!({ "applications": applications }));
        assert_eq!(refused["title"], rule, "{applications}: {refused}");
    }
    let refused = ca.post("clerk", PATH, &json!({ "applications": [paid, submitted] }));
    assert_eq!(refused["facts"]["application"], json!(submitted), "which one it is: {refused}");
    assert_eq!(ca.post("officer", PATH, &json!({ "applications": [paid] }))["title"], "auth.not-permitted");
    assert_eq!(ca.call("clerk", "DELETE", PATH, None, None).unwrap()["title"], "not-found");
}

/// On the workstation's screen.
fn told(ca: &Ca, text: &str) {
    wait(10, text, || std::fs::read_to_string(ca.dir.join("counter.log")).unwrap().contains(text));
}

/// The clerk does nothing but change tokens.
fn one_after_the_other(ca: &Ca, applications: &[String]) {
    let started = start(ca, applications);
    assert_eq!((&started["waiting"], &started["made"]), (&json!(3), &json!(0)), "{started}");
    assert_eq!(start(ca, applications)["title"], "duplicate");
    let mut slowest = Duration::ZERO;
    for made in 1..=3 {
        let begun = Instant::now();
        ca.blank_token();
        wait(60, "the next one", || seen(ca)["made"] == made);
        slowest = slowest.max(begun.elapsed());
    }
    println!("the slowest of three took {slowest:?}, with the token's delivery");
    wait(5, "the end of the line", || seen(ca)["ended_at"].is_string());
    for (item, application) in seen(ca)["items"].as_array().unwrap().iter().zip(applications) {
        let known = ca.application(application);
        assert_eq!((&item["application"], &item["state"]), (&json!(application), &json!("made")), "{item}");
        assert_eq!(known["personalisation"]["state"], "proved", "{known}");
        let token = ca.get("clerk", &format!("/api/v1/tokens/{}", item["token"].as_str().unwrap()));
        assert_eq!((&token["state"], &token["certificate"]), (&json!("personalised"), &known["serial"]));
    }
    // In any order, as the units come.
    for application in applications.iter().rev() {
        let path = format!("/api/v1/applications/{application}/hand-over");
        assert!(ca.post("clerk", &path, &Value::Null)["serial"].is_string());
    }
    for place in ["1/3", "2/3", "3/3"] {
        let told = format!("【{place} 南京示例科技有限公司】");
        wait(5, &told, || std::fs::read_to_string(ca.dir.join("counter.log")).unwrap().contains(&told));
    }
}

/// A token that cannot be opened, and the server killed on either side of setting it aside: the others are made, it is paid
/// still, and its token is blank.
fn set_aside(ca: &mut Ca) {
    let applications: Vec<String> = (0..2).map(|_| ca.paid_application()).collect();
    // Somebody changed its factory SO PIN: it cannot be initialised.
    let broken = ca.token_with_so_pin("99999999");
    let point = &points(WriteSite::IssuingLine)[0];
    start(ca, &applications);
    ca.serve(&[("QIANYIN_CRASH", point)]);
    ca.list_token(&broken, &["--counter", "municipal"]);
    wait(30, "the crash", || ca.server_is_gone());
    ca.serve(&[("QIANYIN_CRASH", &points(WriteSite::IssuingLine)[1])]);
    wait(30, "the other crash", || ca.server_is_gone());
    ca.serve(&[]);
    wait(20, "the first one", || seen(ca)["aside"] == 1);
    let item = seen(ca)["items"][0].clone();
    assert_eq!((&item["state"], &item["token"]), (&json!("aside"), &json!(broken)), "{item}");
    assert!(item["note"].as_str().unwrap().contains("口令"), "{item}");
    assert_eq!(ca.application(&applications[0])["state"], "paid");
    assert_eq!(ca.get("clerk", &format!("/api/v1/tokens/{broken}"))["state"], "blank");
    ca.blank_token();
    wait(60, "the second one", || seen(ca)["made"] == 1);
    wait(5, "the end of the line", || seen(ca)["ended_at"].is_string());
    // The clerk reads it; the news of the one that was set aside went down with the server.
    told(ca, "本批制证已结束：制成 1 个，搁置 1 个。");
    // What was set aside may stand in another line; the broken token is in none.
    ca.post("clerk", &format!("/api/v1/tokens/{broken}/spoiled"), &json!({ "reasons": "SO PIN 不符" }));
    start(ca, &applications[..1]);
    ca.blank_token();
    wait(60, "once more", || seen(ca)["made"] == 1);
}

/// An application of the line was claimed at another workstation meanwhile: the line sets it aside, and leaves that attempt
/// alone.
fn another_clerk(ca: &Ca) {
    wait(5, "the end of the line", || seen(ca)["ended_at"].is_string());
    let applications: Vec<String> = (0..2).map(|_| ca.paid_application()).collect();
    start(ca, &applications);
    ca.list_token("ELSEWHERE", &["--counter", "municipal"]);
    let path = format!("/api/v1/applications/{}/personalisation", applications[0]);
    let claimed = ca.post("clerk", &path, &json!({ "workstation": "counter-2", "token": "ELSEWHERE" }));
    assert!(claimed["id"].is_string(), "{claimed}");
    let doubled = ca.claim(&applications[0], "ELSEWHERE");
    assert_eq!(
        (&doubled["title"], &doubled["facts"]["workstation"]),
        (&json!("application.in-work"), &json!("counter-2")),
        "{doubled}"
    );
    ca.blank_token();
    wait(60, "the second one", || seen(ca)["made"] == 1);
    told(ca, &format!("【1/2 南京示例科技有限公司】已搁置，未制成（申请 {}）：", applications[0]));
    told(ca, "还剩 1 个待制。");
    let items = seen(ca)["items"].clone();
    assert_eq!((&items[0]["state"], &items[1]["state"]), (&json!("aside"), &json!("made")), "{items}");
    let known = ca.application(&applications[0]);
    assert_eq!(known["state"], "personalising", "the other clerk's attempt goes on: {known}");
    assert_eq!(ca.get("clerk", "/api/v1/tokens/ELSEWHERE")["state"], "claimed");
    let gone = ca.post("clerk", &format!("{path}/abandonment"), &json!({ "reasons": "测试" }));
    assert!(gone["title"].is_null(), "{gone}");
}

/// What a line has not begun is free for another.
fn stopped(ca: &Ca) {
    let waiting = ca.paid_application();
    wait(5, "the end of the line", || seen(ca)["ended_at"].is_string());
    start(ca, std::slice::from_ref(&waiting));
    let ended = ca.call("clerk", "DELETE", PATH, None, None).unwrap();
    assert_eq!((&ended["aside"], ended["ended_at"].is_string()), (&json!(1), true), "{ended}");
    assert_eq!(ca.application(&waiting)["state"], "paid");
    assert_eq!(start(ca, &[waiting])["waiting"], 1);
    assert_eq!(ca.call("clerk", "DELETE", PATH, None, None).unwrap()["title"], Value::Null);
}

/// The clerk's token is pulled out: the program ends, and the server knows it.
fn gone_with_the_clerk(ca: &mut Ca) {
    wait(10, "the workstation", || workstations(ca).len() == 1);
    let (tokens, away) = (ca.dir.join("ukey/tokens"), ca.dir.join("pulled"));
    let clerk = ca.token_folder("clerk");
    std::fs::create_dir_all(&away).unwrap();
    let pulled = Instant::now();
    std::fs::rename(&clerk, away.join("clerk")).unwrap();
    wait(5, "its end", || workstations(ca).is_empty());
    println!("pulled out, the clerk was gone after {:?}", pulled.elapsed());
    let log = std::fs::read_to_string(ca.dir.join("counter.log")).unwrap();
    std::fs::rename(away.join("clerk"), tokens.join(clerk.file_name().unwrap())).unwrap();
    wait(5, "the program's last words", || {
        std::fs::read_to_string(ca.dir.join("counter.log")).unwrap().contains("工作站停止")
    });
    assert!(!log.contains("panicked"), "{log}");
}

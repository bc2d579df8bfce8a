//! Units: registered with either code and their papers, found again, changed by events; and the accounts with which they
//! and their agents work online.

use crate::support::{CPS, Ca, Database, USCC, wait};
use serde_json::{Value, json};

/// A unit that `testdata/units.toml` registers besides.
const OTHER: &str = "91320106MA1X00017N";
const OWN: &str = "梧桐树下-2026";

#[test]
fn on_sqlite() {
    units(Database::Sqlite);
}

#[test]
fn on_postgres() {
    units(Database::Postgres);
}

fn units(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    registration(&ca);
    search(&ca);
    unit_account(&ca);
    agent_account(&ca);
    events(&ca);
    ca.stop_server();
    ca.assert_audit_is_clean();
    no_secret_is_in_a_file(&ca);
}

fn registration(ca: &Ca) {
    let register = |body: &Value| ca.post("clerk", "/api/v1/units", body);
    let old = || {
        let mut body = Ca::unit_body("", "30000001", "南京老字号印刷厂");
        body.as_object_mut().unwrap().remove("uscc");
        body["org_code"] = json!("10162374-1");
        body["agent"] = json!(ca.agent);
        body
    };
    for (change, rule) in [
        (json!({ "org_code": "101623742" }), "org-code.check-digit"),
        (json!({ "org_code": "1016２3741" }), "org-code.form"),
        (json!({ "uscc": USCC }), "field.invalid"),
        (json!({ "region": "32010" }), "field.invalid"),
        (json!({ "region": "３２０１０４" }), "field.invalid"),
        (json!({ "labour_no": "３0000001" }), "field.invalid"),
        (json!({ "name": "南京\u{200b}厂" }), "field.invalid"),
        (json!({ "name": "长".repeat(65) }), "field.invalid"),
        (json!({ "agent": "0".repeat(32) }), "agent.unknown"),
        (
            json!({ "documents": [{ "kind": "x", "form": "fax", "sha256": "00".repeat(32) }] }),
            "field.invalid",
        ),
        (json!({ "documents": [{ "kind": "x", "sha256": "00" }] }), "field.invalid"),
    ] {
        let mut body = old();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(register(&body)["title"], rule, "{change}");
    }
    let mut papers = old();
    papers["documents"].as_array_mut().unwrap().retain(|paper| paper["form"] == "original");
    let missing = register(&papers);
    assert_eq!(missing["title"], "document.missing");
    let listed = missing["facts"]["documents"].as_str().unwrap();
    assert!(
        listed.contains("劳动和社会保障证") && listed.contains("复印件") && !listed.contains("注册申请表"),
        "{listed}"
    );

    assert!(register(&old())["id"].is_string());
    let known = ca.get("clerk", "/api/v1/units/101623741");
    assert_eq!((&known["uscc"], &known["org_code"]), (&Value::Null, &json!("101623741")), "{known}");
    assert_eq!(known["documents"].as_array().unwrap().len(), 6);
    assert_eq!(known["documents"][1]["form"], "copy");
    // The same organisation, with the unified code that contains the old one.
    let twin = register(&Ca::unit_body("91110000101623741K", "30000002", "南京老字号印刷厂"));
    assert_eq!(twin["title"], "unit.code-known", "{twin}");
    // And the other way round: USCC is registered with the unified code that contains this one.
    let mut twin = old();
    (twin["org_code"], twin["labour_no"]) = (json!("000000019"), json!("30000009"));
    let twin = register(&twin);
    assert_eq!(twin["title"], "unit.code-known", "{twin}");
    // Full-width letters: allowed, as some names have them, and looked at by a person.
    let odd = register(&Ca::unit_body("91350100M000100Y43", "30000003", "南京ＡＢＣ商贸有限公司"));
    assert!(odd["id"].is_string(), "{odd}");
    let flagged = ca.get("officer", "/api/v1/units?flagged=true");
    assert_eq!(flagged.as_array().unwrap().len(), 1);
    assert!(flagged[0]["name_flag"].as_str().unwrap().contains("Ａ U+FF21"), "{flagged}");
    // The agent came with the registration: the gate is open but for the papers of the application.
    let body = json!({ "uscc": "101623741", "agent": ca.agent, "years": 1, "cps": CPS, "documents": Ca::documents() });
    let entered = ca.post("clerk", "/api/v1/applications", &body);
    assert!(entered["id"].is_string(), "{entered}");
}

fn search(ca: &Ca) {
    let found = |query: &str| {
        let units = ca.get("clerk", &format!("/api/v1/units?{query}"));
        let units = units.as_array().unwrap_or_else(|| panic!("{units}")).clone();
        units.iter().map(|unit| unit["labour_no"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("q={}", percent("老字号"))), ["30000001"]);
    assert_eq!(found("q=30000003"), ["30000003"]);
    assert_eq!(found("q=101623741"), ["30000001"]);
    assert_eq!(found("q=L6005760X"), Vec::<String>::new(), "a code that nobody has");
    assert_eq!(found(&format!("q={}", percent("字老"))), Vec::<String>::new());
    assert!(found(&format!("agent={}", ca.agent)).contains(&"30000001".to_owned()));
    assert_eq!(found("state=ended"), Vec::<String>::new());
    for wrong in ["q=%E5%8D%97", "state=asleep", "agent=x"] {
        let refused = ca.get("clerk", &format!("/api/v1/units?{wrong}"));
        assert_eq!(refused["title"], "field.invalid", "{wrong}");
    }
    for list in ["applications", "trainings", "orders", "adjustments", "bank-lines", "notices"] {
        let wrong = ca.get("clerk", &format!("/api/v1/{list}?state=asleep"));
        assert_eq!(wrong["title"], "field.invalid", "{list}");
        // PostgreSQL has no NUL in a text.
        let wrong = ca.get("clerk", &format!("/api/v1/{list}?state=%00"));
        assert_eq!(wrong["title"], "request.malformed", "{list}");
    }
    assert_eq!(ca.get("clerk", "/api/v1/agents/%00")["title"], "request.malformed");
    let of_unit = ca.get("clerk", "/api/v1/applications?unit=101623741&state=submitted");
    assert_eq!(of_unit.as_array().unwrap().len(), 1, "{of_unit}");
    let of_agent = ca.get("clerk", &format!("/api/v1/applications?agent={}", ca.agent));
    assert_eq!(of_agent.as_array().unwrap().len(), 1, "{of_agent}");
}

fn percent(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

fn open(ca: &Ca, path: &str) -> String {
    let opened = ca.call("clerk", "PUT", path, Some(&json!({})), None).unwrap();
    opened["password"].as_str().unwrap_or_else(|| panic!("{opened}")).to_owned()
}

fn unit_account(ca: &Ca) {
    let path = format!("/api/v1/units/{USCC}/account");
    let labour_no =
        ca.get("clerk", &format!("/api/v1/units/{USCC}"))["labour_no"].as_str().unwrap().to_owned();
    let initial = open(ca, &path);
    // Unknown, wrong, and without any account: the same answer.
    let (status, wrong) = ca.log_in("unit", &labour_no, "not-the-password");
    let (_, unknown) = ca.log_in("unit", "nobody-here", &initial);
    let (_, other_role) = ca.log_in("agent", &labour_no, &initial);
    assert_eq!((status, &wrong), (401, &unknown));
    assert_eq!((&wrong["title"], &wrong), (&json!("log-in.failed"), &other_role));
    // The fifth wrong one locks; the right one does not open it then, and the answer does not tell.
    for _ in 0..4 {
        ca.log_in("unit", &labour_no, "not-the-password");
    }
    assert_eq!(ca.log_in("unit", &labour_no, &initial).1, unknown);
    let initial = open(ca, &path);

    let (_, session) = ca.log_in("unit", &labour_no, &initial);
    let token = session["token"].as_str().unwrap().to_owned();
    let (status, refused) = ca.account(&token, "GET", "/api/v1/own", None);
    assert_eq!((status, refused["title"].as_str()), (403, Some("password.initial")));
    for (new, rule) in [
        ("short", "password.weak"),
        ("12345678", "password.weak"),
        (&*format!("x{labour_no}x"), "password.weak"),
    ] {
        let (_, refused) =
            ca.account(&token, "PUT", "/api/v1/own/password", Some(&json!({ "old": initial, "new": new })));
        assert_eq!(refused["title"], rule, "{new}");
    }
    let wrong = json!({ "old": "wrong-password", "new": OWN });
    assert_eq!(ca.account(&token, "PUT", "/api/v1/own/password", Some(&wrong)).1["title"], "password.wrong");
    let own = ca.settle_account("unit", &labour_no, &initial, OWN);
    assert_eq!(ca.account(&token, "GET", "/api/v1/own", None).0, 401, "the old session has ended");

    let (_, view) = ca.account(&own, "GET", "/api/v1/own", None);
    assert_eq!(view["unit"]["uscc"], USCC, "{view}");
    // An account is no member of staff, and a certificate is no account.
    for (method, path) in [("GET", "/api/v1/units"), ("GET", "/api/v1/log"), ("POST", "/api/v1/units")] {
        assert_eq!(
            ca.account(&own, method, path, Some(&json!({}))).1["title"],
            "auth.no-certificate",
            "{path}"
        );
    }
    assert_eq!(ca.get("clerk", "/api/v1/own")["title"], "log-in.needed");
    own_training(ca, &own);
    assert_eq!(ca.account(&own, "DELETE", "/api/v1/sessions", None).0, 204);
    assert_eq!(ca.account(&own, "GET", "/api/v1/own", None).1["title"], "log-in.needed");
}

/// 网上提交经办人员CA培训申请信息，点击“CA用户审核查询”查询审核结果.
fn own_training(ca: &Ca, own: &str) {
    let card = "110105199001010010";
    let agent = ca.post("clerk", "/api/v1/agents", &json!({ "name": "李四", "id_card": card }));
    assert!(agent["id"].is_string(), "{agent}");
    let submit = |name: &str, card: &str| {
        ca.account(own, "POST", "/api/v1/own/trainings", Some(&json!({ "name": name, "card": card })))
    };
    assert_eq!(submit("王五", card).1["title"], "agent.unknown", "the name does not fit the card");
    assert_eq!(submit("李四", "110105199001010029").1["title"], "agent.unknown");
    let (status, made) = submit("李四", card);
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap();
    let rejection = json!({ "reasons": "请补充联系电话" });
    ca.post("officer", &format!("/api/v1/trainings/{id}/rejection"), &rejection);
    let (_, listed) = ca.account(own, "GET", "/api/v1/own/trainings", None);
    assert_eq!(listed[0]["reasons"], "请补充联系电话", "{listed}");
    assert!(listed[0]["entered_by"].as_str().unwrap().starts_with("unit:"), "{listed}");
    let resubmission = format!("/api/v1/own/trainings/{id}/resubmission");
    assert_eq!(ca.account(own, "POST", &resubmission, None).1["state"], "submitted");

    // Another unit's records are not there: not found, not forbidden.
    let foreign = ca.post("clerk", "/api/v1/trainings", &json!({ "uscc": OTHER, "agent": agent["id"] }));
    let foreign = foreign["id"].as_str().unwrap();
    let application = ca.post("clerk", "/api/v1/applications", &other_application(ca));
    let application = application["id"].as_str().unwrap_or_else(|| panic!("{application}"));
    for (method, path) in [
        ("POST", format!("/api/v1/own/trainings/{foreign}/withdrawal")),
        ("POST", format!("/api/v1/own/trainings/{foreign}/resubmission")),
        ("GET", format!("/api/v1/own/applications/{application}")),
        ("POST", format!("/api/v1/own/applications/{application}/withdrawal")),
    ] {
        let (status, answer) = ca.account(own, method, &path, None);
        assert_eq!((status, answer["title"].as_str()), (404, Some("not-found")), "{path}: {answer}");
    }
    assert_eq!(ca.application(application)["state"], "submitted");
    let (_, applications) = ca.account(own, "GET", "/api/v1/own/applications", None);
    assert_eq!(applications, json!([]));
    let mine = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    let mine = mine["id"].as_str().unwrap();
    assert_eq!(
        ca.account(own, "GET", &format!("/api/v1/own/applications/{mine}"), None).1["state"],
        "submitted"
    );
    let withdrawal = format!("/api/v1/own/applications/{mine}/withdrawal");
    assert_eq!(ca.account(own, "POST", &withdrawal, None).1["state"], "withdrawn");
}

fn other_application(ca: &Ca) -> Value {
    let confirm = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &confirm, Some(&json!({ "uscc": OTHER })), None).unwrap();
    let mut body = ca.application_body();
    body["uscc"] = json!(OTHER);
    body
}

fn agent_account(ca: &Ca) {
    let card = "110105199001010010";
    let found = ca.get("clerk", "/api/v1/trainings");
    let agent = found[0]["agent"].as_str().unwrap();
    let initial = open(ca, &format!("/api/v1/agents/{agent}/account"));
    let own = ca.settle_account("agent", card, &initial, OWN);
    let (_, view) = ca.account(&own, "GET", "/api/v1/own", None);
    assert_eq!((&view["agent"], &view["qualified_at"]), (&json!("李四"), &Value::Null), "{view}");
    let (_, trainings) = ca.account(&own, "GET", "/api/v1/own/trainings", None);
    assert_eq!(trainings.as_array().unwrap().len(), 2, "two units want this agent: {trainings}");
    let (status, refused) = ca.account(&own, "GET", "/api/v1/own/applications", None);
    assert_eq!((status, refused["title"].as_str()), (403, Some("auth.not-permitted")));
    let body = json!({ "name": "李四", "card": card });
    let (_, refused) = ca.account(&own, "POST", "/api/v1/own/trainings", Some(&body));
    assert_eq!(refused["title"], "auth.not-permitted", "an agent does not apply for itself");
}

fn events(ca: &Ca) {
    let event = |uscc: &str, change: Value| {
        let mut body = json!({ "effective_on": "2026-01-05", "basis": "准予变更登记通知书 2026-17 号", "sha256": "33".repeat(32) });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        ca.post("clerk", &format!("/api/v1/units/{uscc}/events"), &body)
    };
    for change in [
        json!({ "kind": "rename" }),
        json!({ "kind": "rename", "name": "某厂", "uscc": USCC }),
        json!({ "kind": "merger", "successor": "101623741" }),
        json!({ "kind": "dissolution", "name": "某厂" }),
        json!({ "kind": "holiday" }),
        json!({ "kind": "dissolution", "effective_on": "tomorrow" }),
        json!({ "kind": "dissolution", "basis": "" }),
    ] {
        assert_eq!(event("101623741", change.clone())["title"], "field.invalid", "{change}");
    }
    let foreign = event("101623741", json!({ "kind": "new-code", "uscc": "91350100M000100Y43" }));
    assert_eq!(foreign["title"], "field.invalid", "another organisation's code: {foreign}");
    let taken = event(OTHER, json!({ "kind": "new-code", "uscc": USCC }));
    assert_eq!(taken["title"], "duplicate", "{taken}");

    // A day to come: nothing changes, and it can be cancelled once.
    let later = event("101623741", json!({ "kind": "dissolution", "effective_on": "2099-01-01" }));
    assert_eq!(later["event"]["state"], "pending", "{later}");
    let path = format!("/api/v1/units/101623741/events/{}", later["event"]["id"].as_str().unwrap());
    assert_eq!(ca.call("clerk", "DELETE", &path, None, None).unwrap(), Value::Null);
    assert_eq!(ca.call("clerk", "DELETE", &path, None, None).unwrap()["title"], "wrong-state");

    let renamed = event("101623741", json!({ "kind": "rename", "name": "南京老字号印务有限公司" }));
    assert_eq!(
        (&renamed["event"]["state"], &renamed["event"]["before"]),
        (&json!("applied"), &json!("南京老字号印刷厂"))
    );
    assert_eq!(renamed["certificates"], json!([]), "it has none yet");
    let recoded = event("101623741", json!({ "kind": "new-code", "uscc": "91110000101623741K" }));
    assert_eq!(recoded["event"]["before"], "101623741", "{recoded}");
    let known = ca.get("clerk", "/api/v1/units/91110000101623741K");
    assert_eq!((&known["name"], &known["org_code"]), (&json!("南京老字号印务有限公司"), &Value::Null));
    assert_eq!(ca.get("clerk", "/api/v1/units/101623741")["title"], "not-found");

    let merged = event("91110000101623741K", json!({ "kind": "merger", "successor": OTHER }));
    assert_eq!(merged["event"]["state"], "applied", "{merged}");
    let again = event("91110000101623741K", json!({ "kind": "dissolution" }));
    assert_eq!(again["title"], "unit.ended", "{again}");
    let listed = ca.get("officer", "/api/v1/units/91110000101623741K/events");
    let kinds: Vec<&str> =
        listed.as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rename", "new-code", "merger", "dissolution"], "{listed}");
    // What was entered before has ended with the unit, and the answer said so.
    let of_unit = |state: &str| {
        ca.get("officer", &format!("/api/v1/applications?unit=91110000101623741K&state={state}"))
    };
    assert_eq!(of_unit("submitted"), json!([]));
    let ended = of_unit("expired");
    let id = ended[0]["id"].as_str().unwrap_or_else(|| panic!("{ended}"));
    assert_eq!(ended[0]["unit_name"], "南京老字号印务有限公司", "the rename went through it before");
    assert_eq!(
        (&merged["outcomes"][0]["id"], &merged["outcomes"][0]["fate"]),
        (&json!(id), &json!("expired"))
    );
    let refused = ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert_eq!(refused["title"], "wrong-state", "{refused}");
    let body = json!({
        "uscc": "91110000101623741K", "agent": ca.agent, "years": 1, "cps": CPS, "documents": Ca::documents(),
    });
    let refused = ca.post("clerk", "/api/v1/applications", &body);
    assert!(refused.to_string().contains("unit.ended"), "{refused}");

    // The account of a unit that has ended is closed.
    let labour_no =
        ca.get("clerk", &format!("/api/v1/units/{USCC}"))["labour_no"].as_str().unwrap().to_owned();
    let (_, session) = ca.log_in("unit", &labour_no, OWN);
    let token = session["token"].as_str().unwrap();
    event(USCC, json!({ "kind": "dissolution" }));
    wait(5, "the session's end", || ca.account(token, "GET", "/api/v1/own", None).0 == 401);
    assert_eq!(ca.log_in("unit", &labour_no, OWN).1["title"], "log-in.failed");
}

/// Neither a password nor a session's token: not in the database, not in the trace, not in the export.
fn no_secret_is_in_a_file(ca: &Ca) {
    for file in ["server.log", "export.jsonl", "ca.db", "ca.db-wal"] {
        let Ok(octets) = std::fs::read(ca.dir.join(file)) else { continue };
        let secret = OWN.as_bytes();
        assert!(!octets.windows(secret.len()).any(|part| part == secret), "{file}");
    }
}

//! Tokens from the vendor's list to the holder's hands, and what becomes of those that never get there. Only listed tokens
//! are personalised; one question finds every token of a batch, wherever it is.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::{cut_short, points},
    support::{Ca, Database, USCC, patiently, text, wait},
};

const MODEL: &str = "SoftHSM v2";

#[test]
fn on_sqlite() {
    stock(Database::Sqlite);
}

#[test]
fn on_postgres() {
    stock(Database::Postgres);
}

fn stock(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    lists_that_are_refused(&ca);
    let token = only_listed_tokens(&ca);
    to_its_holder(&ca, &token);
    no_use(&ca);
    given_up(&ca);
    every_token_of_a_batch(&ca, &token);
    nobody_else(&ca);
    killed(&mut ca);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn import_as(ca: &Ca, role: &str, list: &str, query: &str) -> Value {
    let file = ca.path("list.csv");
    std::fs::write(&file, list).unwrap();
    patiently(|| {
        let mut command = ca.ukey_command(&["--json", "api", "--token", role]);
        command.args(["--server", &format!("https://{}", ca.https), "--anchor", &ca.path("root.pem")]);
        command.args(["--pin-file", &ca.path(&format!("staff/{role}.pin")), "--file", &file]);
        let output = command.args(["POST", &format!("/api/v1/token-deliveries{query}")]).output().unwrap();
        serde_json::from_slice(&output.stdout).map_err(|_| text(&output))
    })
    .unwrap()
}

fn import(ca: &Ca, list: &str, query: &str) -> Value {
    import_as(ca, "administrator", list, query)
}

fn list(tokens: &[&str], batch: &str) -> String {
    let lines = tokens.iter().map(|token| format!("{token},{MODEL},{batch}\n"));
    std::iter::once("serial,model,batch\n".to_owned()).chain(lines).collect()
}

pub(crate) fn token(ca: &Ca, serial: &str) -> Value {
    ca.get("clerk", &format!("/api/v1/tokens/{serial}"))
}

fn state(ca: &Ca, serial: &str) -> String {
    token(ca, serial)["state"].as_str().unwrap_or("not listed").to_owned()
}

fn say(ca: &Ca, serial: &str, what: &str) -> Value {
    ca.post("clerk", &format!("/api/v1/tokens/{serial}/{what}"), &json!({ "reasons": "盘点" }))
}

fn transfer(ca: &Ca, body: &Value) -> Value {
    ca.post("clerk", "/api/v1/token-transfers", body)
}

/// Each line that is wrong is named, in both languages, and nothing of the list is taken.
fn lists_that_are_refused(ca: &Ca) {
    let wrong = format!(
        "serial,model,batch\nOK1,{MODEL},B1\nOK1,{MODEL},B1\n,{MODEL},B1\nOK2,HT-1,B1\nOK3,{MODEL},=1\n"
    );
    let refused = import(ca, &wrong, "?box=A-1");
    assert_eq!(
        (&refused["title"], &refused["facts"]["refused"]),
        (&json!("token.file"), &json!("4")),
        "{refused}"
    );
    let lines: Vec<(&str, &str)> = refused["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["facts"]["line"].as_str().unwrap(), part["title"].as_str().unwrap()))
        .collect();
    let expected = [("3", "token.twice"), ("4", "token.number"), ("5", "token.model"), ("6", "token.word")];
    assert_eq!(lines, expected, "{refused}");
    assert_eq!(token(ca, "OK1")["title"], "token.not-listed");
    for (query, field) in [("", "box"), ("?box=A&counter=gulou", "box"), ("?counter=nowhere", "counter")] {
        let refused = import(ca, &list(&["OK1"], "B1"), query);
        assert_eq!(refused["facts"]["field"], field, "{query}: {refused}");
    }
    let dry = import(ca, &list(&["OK1", "OK2"], "B1"), "?box=A-1&dry_run=true");
    assert_eq!(dry, json!({ "delivery": null, "tokens": 2 }));
    assert_eq!(token(ca, "OK1")["title"], "token.not-listed");

    // The command line says the same, a line each.
    std::fs::write(ca.path("list.csv"), wrong).unwrap();
    let output = ca.ca_server(&["import-tokens", "--box", "A-1", &ca.path("list.csv")]);
    assert_eq!(output.status.code(), Some(1));
    for line in ["第 3 行", "第 4 行", "第 5 行：型号 HT-1", "第 6 行"] {
        assert!(text(&output).contains(line), "{}", text(&output));
    }
}

/// A clerk cannot use a token that is in no list, nor one that should be elsewhere.
fn only_listed_tokens(ca: &Ca) -> String {
    let token = ca.unlisted_token();
    let mut body = ca.application_body();
    body["counter"] = json!("municipal");
    let made = ca.post("clerk", "/api/v1/applications", &body);
    let application = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    ca.post("officer", &format!("/api/v1/applications/{application}/approval"), &Value::Null);
    let payment = json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": "S-1" });
    ca.post("clerk", &format!("/api/v1/applications/{application}/payments"), &payment);
    let refused = ca.claim(application, &token);
    assert_eq!(refused["title"], "token.not-listed", "{refused}");
    assert!(refused["remedy"]["zh"].as_str().unwrap().contains("交货清单"), "{refused}");

    let first = list(&[&token, "SPARE1", "SPARE2"], "B1");
    let taken = import(ca, &first, "?box=A-1");
    assert_eq!(taken["tokens"], 3, "{taken}");
    let again = import(ca, &first, "?box=A-1");
    assert_eq!(again["missing"][0]["title"], "token.known", "{again}");
    let deliveries = ca.get("auditor", "/api/v1/token-deliveries");
    assert_eq!(
        (&deliveries[0]["id"], &deliveries[0]["tokens"]),
        (&taken["delivery"], &json!(3)),
        "{deliveries}"
    );
    let refused = ca.claim(application, &token);
    assert_eq!(refused["title"], "token.elsewhere", "{refused}");
    assert_eq!((&refused["facts"]["place"], state(ca, &token)), (&json!("box:A-1"), "blank".to_owned()));

    let to = json!({ "tokens": [token, "NONE"], "to": { "counter": "municipal" } });
    assert_eq!(transfer(ca, &to)["title"], "token.not-listed");
    assert_eq!(self::token(ca, &token)["place"], "box:A-1", "all of them or none");
    let to = json!({ "tokens": [token], "from": { "box": "A-2" }, "to": { "counter": "municipal" } });
    assert_eq!(transfer(ca, &to)["title"], "token.elsewhere");
    let to = json!({ "tokens": [token], "to": { "counter": "municipal" } });
    assert_eq!(transfer(ca, &to)["tokens"], 1);
    let rest = json!({ "from": { "box": "A-1" }, "to": { "box": "A-2" } });
    assert_eq!(transfer(ca, &rest)["tokens"], 2, "every blank one of a box");
    let counts = ca.get("auditor", "/api/v1/token-stock");
    let row = |place: &str, tokens: u32| json!({ "place": place, "model": MODEL, "batch": "B1", "state": "blank", "tokens": tokens });
    assert_eq!(counts, json!([row("box:A-2", 2), row("counter:municipal", 1)]));

    let claimed = ca.claim(application, &token);
    assert!(claimed["id"].is_string(), "{claimed}");
    wait(60, "personalisation", || ca.application(application)["personalisation"]["state"] == "proved");
    assert_eq!(state(ca, &token), "personalised");
    std::fs::write(ca.path("application"), application).unwrap();
    token
}

/// From hand-over on the token goes where its certificate goes.
fn to_its_holder(ca: &Ca, serial: &str) {
    let application = std::fs::read_to_string(ca.path("application")).unwrap();
    let handed = ca.post("clerk", &format!("/api/v1/applications/{application}/hand-over"), &Value::Null);
    let certificate = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
    let known = token(ca, serial);
    assert_eq!(
        (&known["state"], &known["certificate"]),
        (&json!("delivered"), &json!(certificate)),
        "{known}"
    );
    assert!(ca.activate(&application, serial).status.success());
    assert_eq!(state(ca, serial), "active");
    let path = |what: &str| format!("/api/v1/certificates/{certificate}/{what}");
    assert_eq!(ca.post("clerk", &path("hold"), &Value::Null)["state"], "held");
    assert_eq!(state(ca, serial), "held");
    assert_eq!(ca.post("officer", &path("release"), &Value::Null)["state"], "good");
    let known = token(ca, serial);
    assert_eq!((&known["state"], &known["certificate_state"]), (&json!("active"), &json!("good")), "{known}");
    // What a holder has is neither moved nor missed by the counter: a certificate ends by an application.
    assert_eq!(
        transfer(ca, &json!({ "tokens": [serial], "to": { "box": "A-1" } }))["title"],
        "token.in-work"
    );
    for what in ["spoiled", "missing", "restored", "returned"] {
        assert_eq!(say(ca, serial, what)["title"], "wrong-state", "{what}");
    }
    assert_eq!(ca.claim(&ca.paid_application(), serial)["title"], "token.taken");
}

/// Spoiled, missed, found, given back, and delivered once more.
fn no_use(ca: &Ca) {
    for (what, after) in [
        ("spoiled", "spoiled"),
        ("restored", "blank"),
        ("missing", "lost"),
        ("restored", "blank"),
        ("spoiled", "spoiled"),
        ("returned", "returned"),
    ] {
        assert_eq!(say(ca, "SPARE1", what)["state"], after, "{what}");
    }
    assert_eq!(say(ca, "SPARE1", "restored")["title"], "wrong-state");
    let refused = ca.claim(&ca.paid_application(), "SPARE1");
    assert_eq!(
        (&refused["title"], &refused["facts"]["state"]),
        (&json!("token.not-blank"), &json!("returned"))
    );
    let without = ca.post("clerk", "/api/v1/tokens/SPARE2/spoiled", &json!({ "reasons": " " }));
    assert_eq!(without["title"], "field.invalid", "{without}");
    assert_eq!(say(ca, "NONE", "spoiled")["title"], "not-found");
    assert_eq!(import(ca, &list(&["SPARE1"], "B9"), "?box=A-3")["tokens"], 1);
    let known = token(ca, "SPARE1");
    assert_eq!(
        (&known["state"], &known["place"], &known["batch"]),
        (&json!("blank"), &json!("box:A-3"), &json!("B1"))
    );
    let log = text(&ca.ca_server(&["--json", "log", "show", "--limit", "100000"]));
    let changes =
        log.lines().filter(|line| line.contains("\"change-token\"") && line.contains("盘点")).count();
    assert!(changes >= 6, "{log}");
}

/// An attempt that is given up leaves its token blank, for the next one.
fn given_up(ca: &Ca) {
    let (application, token) = (ca.paid_application(), ca.blank_token());
    ca.claim(&application, &token);
    wait(60, "personalisation", || ca.application(&application)["personalisation"]["state"] == "proved");
    let path = format!("/api/v1/applications/{application}/personalisation/abandonment");
    let given = ca.post("clerk", &path, &json!({ "reasons": "换一个" }));
    assert!(given["title"].is_null(), "{given}");
    assert_eq!(state(ca, &token), "blank");
    ca.claim(&application, &token);
    wait(60, "personalisation", || ca.application(&application)["personalisation"]["state"] == "proved");
    assert_eq!(state(ca, &token), "personalised");
}

/// A flawed chip: all of its batch, with holder and certificate.
fn every_token_of_a_batch(ca: &Ca, active: &str) {
    let found = ca.get("auditor", "/api/v1/tokens?model=SoftHSM%20v2&batch=B1");
    let mut found = found.as_array().unwrap().clone();
    assert_eq!(found.len(), 3, "{found:?}");
    found.retain(|token| token["serial"] == active);
    assert_eq!((&found[0]["unit"]["code"], &found[0]["state"]), (&json!(USCC), &json!("active")));
    let after = ca.get("auditor", "/api/v1/tokens?batch=B1&state=blank&after=SPARE1");
    assert_eq!((after.as_array().unwrap().len(), &after[0]["serial"]), (1, &json!("SPARE2")), "{after}");
    assert_eq!(ca.get("auditor", "/api/v1/tokens?state=gone")["title"], "field.invalid");
    let here = ca.get("auditor", "/api/v1/tokens?box=A-3&state=blank");
    assert_eq!(here.as_array().unwrap().len(), 1, "{here}");
}

/// Who counts tokens does not take new ones into stock.
fn nobody_else(ca: &Ca) {
    for role in ["clerk", "officer", "auditor"] {
        let refused = import_as(ca, role, &list(&["OK9"], "B1"), "?box=A-1");
        assert_eq!(refused["title"], "auth.not-permitted", "{role}: {refused}");
    }
    assert_eq!(token(ca, "OK9")["title"], "token.not-listed");
}

/// Killed on either side of the write: all of the list or nothing of it.
fn killed(ca: &mut Ca) {
    for (point, tokens) in points(WriteSite::Stock).iter().zip([["K1", "K2"], ["K3", "K4"]]) {
        let path = ca.path("list.csv");
        std::fs::write(&path, list(&tokens, "K")).unwrap();
        let mut command = ca.ca_server_command(&["import-tokens", "--box", "K-1", &path]);
        assert!(!command.env("QIANYIN_CRASH", point).output().unwrap().status.success(), "{point}");
        let again = ca.ca_server(&["import-tokens", "--box", "K-1", &path]);
        assert_eq!(again.status.success(), point.ends_with("before"), "{}", text(&again));
        ca.serve(&[]);
        assert_eq!((state(ca, tokens[0]), state(ca, tokens[1])), ("blank".to_owned(), "blank".to_owned()));
        let moved = json!({ "tokens": tokens, "to": { "counter": "gulou" } });
        let moved = cut_short(ca, point, "clerk", "/api/v1/token-transfers", &moved);
        assert_eq!(moved["tokens"], 2, "{point}: {moved}");
        assert_eq!(token(ca, tokens[1])["place"], "counter:gulou");
    }
}

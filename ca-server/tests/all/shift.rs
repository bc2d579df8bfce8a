//! 柜台结账：账实相符才能结；重新开账须两人。A counter's day: closed when everything agrees, opened again by two persons; both
//! databases, with a crash at each write.

use ca_store::WriteSite;
use serde_json::{Value, json};

use crate::{
    money_crash::{cut_short, points},
    online::text_of,
    roles::probe,
    support::{Ca, Database, USCC, curl, wait},
};

const PRICE: i64 = 20_000;
const COUNTER: &str = "gulou";

#[test]
fn on_sqlite() {
    shifts(Database::Sqlite);
}

#[test]
fn on_postgres() {
    shifts(Database::Postgres);
}

/// An application at the counter, paid there.
fn paid(ca: &Ca, method: &str) -> String {
    let mut body = ca.application_body();
    body["counter"] = json!(COUNTER);
    let made = ca.post("clerk", "/api/v1/applications", &body);
    let id = text_of(&made, "id").to_owned();
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let paid = ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment(method, &id));
    assert!(paid["id"].is_string(), "{paid}");
    id
}

fn payment(method: &str, number: &str) -> Value {
    json!({
        "amount_fen": PRICE, "currency": "CNY", "method": method, "receipt_no": format!("{method}-{number}"),
        "counter": COUNTER,
    })
}

fn count(cash: i64, card: i64, tokens: [u32; 3]) -> Value {
    json!({
        "tokens_in": tokens[0], "tokens_spoiled": tokens[1], "tokens_out": tokens[2], "cash_fen": cash,
        "card_fen": card, "transfer_fen": 0,
    })
}

fn today() -> String {
    let now = jiff::Timestamp::now().in_tz("Asia/Shanghai").unwrap();
    now.date().to_string()
}

fn state(ca: &Ca, day: &str) -> Value {
    let all = ca.get("clerk", &format!("/api/v1/shifts?day={day}"));
    all.as_array().unwrap().iter().find(|one| one["counter"] == COUNTER).unwrap().clone()
}

fn shifts(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    // All of it on one day: a test that begins just before midnight begins after it.
    let seconds_left = || {
        let now = jiff::Timestamp::now().in_tz("Asia/Shanghai").unwrap();
        86_400 - (i64::from(now.hour()) * 3600 + i64::from(now.minute()) * 60 + i64::from(now.second()))
    };
    if seconds_left() < 240 {
        wait(300, "midnight", || seconds_left() > 240);
    }
    let day = today();
    let made = paid(&ca, "cash");
    let (by_card, refunded) = (paid(&ca, "card"), paid(&ca, "cash"));
    // Ten came in: the one that is handed over, and nine that are not.
    let token = ca.blank_token_at(COUNTER);
    for spare in 0..9 {
        ca.list_token(&format!("SPARE{spare}"), &["--counter", COUNTER]);
    }
    let broken = json!({ "reasons": "插入无反应" });
    assert_eq!(ca.post("clerk", "/api/v1/tokens/SPARE0/spoiled", &broken)["state"], "spoiled");
    ca.claim(&made, &token);
    wait(60, "personalisation", || ca.application(&made)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{made}/hand-over"), &Value::Null);
    let serial = text_of(&handed, "serial").to_owned();
    pay_out(&ca, &refunded);

    let recorded = state(&ca, &day);
    assert_eq!((&recorded["cash_fen"], &recorded["card_fen"]), (&json!(PRICE), &json!(PRICE)), "{recorded}");
    assert_eq!((&recorded["tokens_issued"], &recorded["certificates"]), (&json!(1), &json!(1)), "{recorded}");
    assert_eq!((&recorded["state"], &recorded["entries"]), (&json!("open"), &json!(1)), "{recorded}");

    let path = |what: &str| format!("/api/v1/shifts/{COUNTER}/{day}/{what}");
    differs(&ca, &path("check"), &path("close"), &serial, &by_card);
    let right = count(PRICE, PRICE, [10, 1, 8]);
    assert_eq!(ca.post("clerk", &path("check"), &right)["agrees"], true);
    assert_eq!(state(&ca, &day)["state"], "open", "a check closes nothing");

    let mut points = points(WriteSite::CloseShift);
    if database == Database::Postgres {
        points.reverse();
    }
    let closed = cut_short(&mut ca, &points[0], "clerk", &path("close"), &right);
    match points[0].ends_with("before") {
        true => assert_eq!(closed["state"], "closed", "{closed}"),
        false => assert_eq!(closed["title"], "wrong-state", "{closed}"),
    }
    assert_eq!(state(&ca, &day)["state"], "closed");
    closed_for_today(&ca, &path("close"), &right);

    let reasons = json!({ "reasons": "收据号录错" });
    let asked = cut_short(&mut ca, &points[1], "clerk", &path("reopen-request"), &reasons);
    match points[1].ends_with("before") {
        true => assert_eq!(asked["state"], "reopen-requested", "{asked}"),
        false => assert_eq!(asked["title"], "wrong-state", "{asked}"),
    }
    let alone = ca.post("clerk", &path("reopening"), &Value::Null);
    assert_eq!(alone["title"], "auth.not-permitted", "{alone}");
    assert_eq!(ca.post("officer", &path("reopen-rejection"), &Value::Null)["state"], "closed");
    ca.post("clerk", &path("reopen-request"), &reasons);
    assert_eq!(ca.post("officer", &path("reopening"), &Value::Null)["state"], "reopened");
    paid(&ca, "cash");
    let stale = ca.post("clerk", &path("close"), &right);
    assert_eq!(stale["missing"][0]["title"], "shift.money", "{stale}");
    let more = count(2 * PRICE, PRICE, [10, 1, 8]);
    assert_eq!(ca.post("clerk", &path("close"), &more)["state"], "closed");
    reports(&ca, &day);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    if database == Database::Sqlite {
        differing(&mut ca, &day);
    }
}

fn reports(ca: &Ca, day: &str) {
    let whole = ca.get("clerk", &format!("/api/v1/reconciliations/{day}"));
    assert_eq!((&whole["agrees"], &whole["differences"]), (&json!(true), &json!([])), "{whole}");
    let sums = whole["sums"].as_array().unwrap();
    let cash = sums.iter().find(|sum| sum["counter"] == COUNTER && sum["method"] == "cash").unwrap();
    assert_eq!((&cash["amount_fen"], &cash["paid_out_fen"]), (&json!(3 * PRICE), &json!(PRICE)), "{whole}");
    for (by, key) in [("day", day), ("counter", COUNTER), ("kind", "new")] {
        let path = format!("/api/v1/revenue?from={day}&to={day}&by={by}");
        assert_eq!(ca.get("clerk", &path), json!([{ "key": key, "amount_fen": PRICE }]), "{by}");
    }
    for path in [
        "/api/v1/reconciliations/2026-02-30".to_owned(),
        "/api/v1/revenue?from=2026-01-01&to=2027-02-01&by=day".to_owned(),
        "/api/v1/revenue?from=2026-01-02&to=2026-01-01&by=day".to_owned(),
        format!("/api/v1/revenue?from={day}&to={day}&by=moon"),
        "/api/v1/renewals/expected?from=2026-13".to_owned(),
        "/api/v1/renewals/expected?from=2026-01&months=25".to_owned(),
        format!("/api/v1/reconciliations/{day}?format=pdf"),
    ] {
        assert_eq!(ca.get("clerk", &path)["title"], "field.invalid", "{path}");
    }
}

/// Somebody changed a row past the program; a unit's name is a formula.
fn differing(ca: &mut Ca, day: &str) {
    ca.sql("UPDATE payment SET amount_fen = amount_fen + 1 WHERE method = 'card'");
    ca.sql(&format!("UPDATE unit SET name = '=2+3公司' WHERE code = '{USCC}'"));
    ca.serve(&[]);
    let whole = ca.get("clerk", &format!("/api/v1/reconciliations/{day}"));
    assert_eq!(
        (&whole["agrees"], &whole["differences"][0]["what"]),
        (&json!(false), &json!("book")),
        "{whole}"
    );
    assert_eq!(whole["differences"][0]["rows"], json!(["card: ¥200.01 / ¥200.00"]), "{whole}");
    let (key, certificate, _) = probe(ca);
    let table = |path: &str| {
        let (anchor, url) = (ca.path("root.pem"), format!("https://{}{path}", ca.https));
        curl(&["-sS", "--cacert", &anchor, "--cert", &certificate, "--key", &key, &url]).stdout
    };
    let csv = table(&format!("/api/v1/units/{USCC}/statement/table"));
    let text = String::from_utf8(csv).unwrap();
    assert!(text.starts_with("\u{feff}单位 unit,时间 time,"), "{text}");
    assert!(text.contains("\r\n'=2+3公司,") && text.contains(",-200.00\r\n"), "{text}");
    let xlsx = table(&format!("/api/v1/reconciliations/{day}?format=xlsx"));
    let mut book: calamine::Xlsx<_> = calamine::open_workbook_from_rs(std::io::Cursor::new(xlsx)).unwrap();
    let sheet = calamine::Reader::worksheet_range_at(&mut book, 0).unwrap().unwrap();
    let cells: Vec<String> = sheet.rows().flatten().map(ToString::to_string).collect();
    assert!(cells.iter().any(|cell| cell == "card: ¥200.01 / ¥200.00"), "{cells:?}");
    assert!(cells.iter().any(|cell| cell == "600.00"), "{cells:?}");
}

fn pay_out(ca: &Ca, application: &str) {
    let asked = json!({ "kind": "refund", "amount_fen": PRICE, "reason": "不再需要" });
    let made = ca.post("clerk", &format!("/api/v1/applications/{application}/adjustments"), &asked);
    let id = text_of(&made, "id");
    ca.post("officer", &format!("/api/v1/adjustments/{id}/approval"), &Value::Null);
    let out = json!({ "method": "cash", "reference": "OUT-1", "counter": COUNTER });
    let paid = ca.post("clerk", &format!("/api/v1/adjustments/{id}/pay-out"), &out);
    assert_eq!(paid["state"], "paid-out", "{paid}");
}

/// Each difference keeps the day open and names its rows; nonsense is refused.
fn differs(ca: &Ca, check: &str, close: &str, serial: &str, by_card: &str) {
    for (wrong, rule, names) in [
        (count(PRICE - 1, PRICE, [10, 1, 8]), "shift.money", "cash-"),
        (count(PRICE, 0, [10, 1, 8]), "shift.money", by_card),
        (count(PRICE, PRICE, [10, 1, 9]), "shift.tokens", serial),
        (count(PRICE, PRICE, [0, 0, 0]), "shift.tokens", serial),
        // What people wrote down adds up, and a token is not there all the same.
        (count(PRICE, PRICE, [10, 2, 7]), "shift.stock", "SPARE8"),
    ] {
        for path in [check, close] {
            let refused = ca.post("clerk", path, &wrong);
            assert_eq!(refused["title"], "shift.difference", "{refused}");
            assert_eq!(refused["missing"][0]["title"], rule, "{refused}");
            assert!(refused["missing"][0].to_string().contains(names), "{names}: {refused}");
        }
    }
    let all = ca.post("clerk", close, &count(0, 0, [0, 0, 0]));
    assert_eq!(all["missing"].as_array().unwrap().len(), 4, "{all}");
    let right = count(PRICE, PRICE, [10, 1, 8]);
    for (path, title) in [
        ("/api/v1/shifts/nowhere/2026-01-01/close", "counter.unknown"),
        ("/api/v1/shifts/gulou/2026-13-01/close", "field.invalid"),
        ("/api/v1/shifts/gulou/9999-01-01/close", "field.invalid"),
        ("/api/v1/shifts/gulou/today/close", "field.invalid"),
    ] {
        assert_eq!(ca.post("clerk", path, &right)["title"], title, "{path}");
    }
    let reasons = json!({ "reasons": "x" });
    let never = ca.post("clerk", "/api/v1/shifts/gulou/2026-01-01/reopen-request", &reasons);
    assert_eq!(never["title"], "not-found", "{never}");
}

fn closed_for_today(ca: &Ca, close: &str, right: &Value) {
    assert_eq!(ca.post("clerk", close, right)["title"], "wrong-state", "once");
    let body = ca.application_body();
    let made = ca.post("clerk", "/api/v1/applications", &body);
    let id = text_of(&made, "id").to_owned();
    ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    let path = format!("/api/v1/applications/{id}/payments");
    let late = ca.post("clerk", &path, &payment("cash", "late"));
    assert_eq!(late["title"], "shift.closed", "{late}");
    let mut elsewhere = payment("cash", "late");
    elsewhere["counter"] = json!("municipal");
    assert!(ca.post("clerk", &path, &elsewhere)["id"].is_string());
}

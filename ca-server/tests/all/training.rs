//! Training as the guide describes it (step 2), with both cases of several units, on both databases.

use std::time::Duration;

use crate::support::{CPS, Ca, Database, USCC, wait};
use serde_json::{Value, json};

/// A unit that `testdata/units.toml` registers besides.
const OTHER: &str = "91320106MA1X00017N";

#[test]
fn the_guide_on_sqlite() {
    the_guide(Database::Sqlite);
}

#[test]
fn the_guide_on_postgres() {
    the_guide(Database::Postgres);
}

fn the_guide(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    let agent = new_agent(&ca, "李四", "110105199001010010");
    let late = new_agent(&ca, "王五", "110105199001010029");

    // 网上提交经办人员CA培训申请信息，三个工作日之内完成审核
    let first = apply(&ca, USCC, &agent);
    let waiting = view(&ca, &first);
    assert_eq!((&waiting["state"], &waiting["overdue"]), (&json!("submitted"), &json!(false)));
    assert_eq!(waiting["working_days_left"], 3, "{waiting}");
    let listed = ca.get("clerk", "/api/v1/trainings?state=submitted");
    assert!(listed.as_array().unwrap().iter().any(|one| one["id"] == *first), "{listed}");
    refused(&ca, "clerk", "/api/v1/trainings", &json!({ "uscc": USCC, "agent": agent }), "duplicate");

    // 审核结果可查询，退回后更正再提交
    refused(&ca, "clerk", &format!("{}/acceptance", path(&first)), &Value::Null, "auth.not-permitted");
    refused(
        &ca,
        "officer",
        &format!("{}/rejection", path(&first)),
        &json!({ "reasons": " " }),
        "field.invalid",
    );
    moved(&ca, "officer", &first, "rejection", &json!({ "reasons": "经办人姓名与身份证不符" }), "rejected");
    assert_eq!(view(&ca, &first)["reasons"], "经办人姓名与身份证不符");
    wait(10, "the reasons", || outbox(&ca).iter().any(|text| text.contains("经办人姓名与身份证不符")));
    moved(&ca, "clerk", &first, "resubmission", &Value::Null, "submitted");
    moved(&ca, "officer", &first, "acceptance", &Value::Null, "accepted");
    refused(&ca, "officer", &format!("{}/acceptance", path(&first)), &Value::Null, "wrong-state");

    // ⅰ、同一经办人同时申请办理多家单位：培训一次
    let second = apply(&ca, OTHER, &agent);
    moved(&ca, "officer", &second, "acceptance", &Value::Null, "accepted");

    // 培训时间及地址由培训部门提前通知
    for (field, value) in [
        ("starts_at", json!("2020-01-01T00:00:00Z")),
        ("starts_at", json!("tomorrow")),
        ("place", json!("")),
        ("seats", json!(0)),
    ] {
        let mut plan = plan(3);
        plan[field] = value;
        refused(&ca, "officer", "/api/v1/training-sessions", &plan, "field.invalid");
    }
    let session =
        ca.post("officer", "/api/v1/training-sessions", &plan(3))["id"].as_str().unwrap().to_owned();
    let to = json!({ "session": session });
    moved(&ca, "officer", &first, "invitation", &to, "invited");
    moved(&ca, "officer", &second, "invitation", &to, "invited");
    let third = apply(&ca, USCC, &late);
    refused(&ca, "officer", &format!("{}/invitation", path(&third)), &to, "wrong-state");
    moved(&ca, "officer", &third, "acceptance", &Value::Null, "accepted");
    // One seat, which the agent of two units has.
    refused(&ca, "officer", &format!("{}/invitation", path(&third)), &to, "training.session-full");
    let sessions = ca.get("officer", "/api/v1/training-sessions");
    assert_eq!(sessions[0]["seats_left"], 0, "{sessions}");

    // 参加培训，通过后获得资格
    let results = format!("/api/v1/training-sessions/{session}/results");
    let passed = json!({ "agent": agent, "result": "passed" });
    refused(&ca, "officer", &results, &passed, "training.session-to-come");
    std::thread::sleep(Duration::from_secs(4));
    refused(&ca, "officer", &results, &json!({ "agent": late, "result": "passed" }), "training.not-invited");
    refused(&ca, "officer", &results, &json!({ "agent": agent, "result": "failed" }), "field.invalid");
    assert_eq!(ca.post("officer", &results, &json!({ "agent": agent, "result": "absent" })), Value::Null);
    assert_eq!(view(&ca, &first)["state"], "accepted");
    refused(&ca, "officer", &format!("{}/invitation", path(&first)), &to, "training.session-over");
    let again = ca.post("officer", "/api/v1/training-sessions", &plan(2))["id"].as_str().unwrap().to_owned();
    moved(&ca, "officer", &first, "invitation", &json!({ "session": again }), "invited");
    std::thread::sleep(Duration::from_secs(3));
    let results = format!("/api/v1/training-sessions/{again}/results");
    assert_eq!(ca.post("officer", &results, &passed), Value::Null);
    for one in [&first, &second] {
        assert_eq!(view(&ca, one)["state"], "passed", "one training serves both units");
    }

    // ⅱ、已获得资格：无须再次申请培训
    refused(
        &ca,
        "clerk",
        "/api/v1/trainings",
        &json!({ "uscc": USCC, "agent": agent }),
        "training.not-needed",
    );
    for uscc in [USCC, OTHER] {
        let body =
            json!({ "uscc": uscc, "agent": agent, "years": 1, "cps": CPS, "documents": Ca::documents() });
        let entered = ca.post("clerk", "/api/v1/applications", &body);
        assert!(entered["id"].is_string(), "the pair is confirmed: {entered}");
    }
    moved(&ca, "clerk", &third, "withdrawal", &Value::Null, "withdrawn");
    assert!(apply(&ca, USCC, &late) != third, "a withdrawn application makes room for another");
    wait(10, "the messages", || notices_say_it(&ca));
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// Every decision, invitation and result went out, in both languages.
fn notices_say_it(ca: &Ca) -> bool {
    let texts = outbox(ca);
    let words = [
        "请等待培训通知",
        "水西门大街61号二楼",
        "没有到场",
        "取得网上办事业务操作资格",
        "the agent is qualified",
    ];
    words.iter().all(|words| texts.iter().any(|text| text.contains(words)))
}

fn outbox(ca: &Ca) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(ca.dir.join("outbox")) else { return Vec::new() };
    folder.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

fn new_agent(ca: &Ca, name: &str, id_card: &str) -> String {
    let made = ca.post("clerk", "/api/v1/agents", &json!({ "name": name, "id_card": id_card }));
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn apply(ca: &Ca, uscc: &str, agent: &str) -> String {
    let made = ca.post("clerk", "/api/v1/trainings", &json!({ "uscc": uscc, "agent": agent }));
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn plan(seconds: i64) -> Value {
    let starts_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
    json!({ "starts_at": starts_at.to_string(), "place": "水西门大街61号二楼", "seats": 1 })
}

fn path(id: &str) -> String {
    format!("/api/v1/trainings/{id}")
}

fn view(ca: &Ca, id: &str) -> Value {
    ca.get("clerk", &path(id))
}

fn moved(ca: &Ca, role: &str, id: &str, verb: &str, body: &Value, state: &str) {
    let answer = ca.post(role, &format!("{}/{verb}", path(id)), body);
    assert_eq!(answer["state"], state, "{verb}: {answer}");
}

fn refused(ca: &Ca, role: &str, path: &str, body: &Value, rule: &str) {
    let problem = ca.post(role, path, body);
    assert_eq!(problem["title"], rule, "{path}: {problem}");
    for text in ["situation", "remedy"] {
        assert!(problem[text]["zh"].is_string() && problem[text]["en"].is_string(), "{problem}");
    }
}

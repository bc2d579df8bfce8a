//! The guide for unit users of Nanjing, played from line to line as the people in it would: unit, agents, trainer, officer,
//! counter. Each step prints the guide's own words. Both cases of several units for one agent are in it.

use std::time::Duration;

use crate::support::{CPS, Ca, Database, wait};
use serde_json::{Value, json};

const UNIT: &str = "91110000101623741K";
const SECOND: &str = "91350100M000100Y43";
const THIRD: &str = "12100000425006133D";
const LABOUR_NO: &str = "30000011";
const OWN: &str = "梧桐树下-2026";

#[test]
fn on_sqlite() {
    the_guide(Database::Sqlite);
}

#[test]
fn on_postgres() {
    the_guide(Database::Postgres);
}

fn step(words: &str) {
    println!("【指南】{words}");
}

fn the_guide(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    ca.start_portal();

    step("一、1、须为我市参保单位（原五县除外）");
    let mut excluded = Ca::unit_body("91320106000000101L", "30000010", "浦口某公司");
    (excluded["agency"], excluded["agent"]) = (json!("jiangpu"), json!(ca.agent));
    assert!(ca.post("clerk", "/api/v1/units", &excluded)["id"].is_string());
    let closed = ca.post("clerk", "/api/v1/applications", &application("91320106000000101L", &ca.agent));
    assert_eq!(closed["title"], "unit.not-eligible", "{closed}");
    step("二、1、办理单位用户网站注册手续：劳动和社会保障证（副本）、经办人身份证、注册申请表一式两联");
    for (uscc, labour_no, name) in [
        (UNIT, LABOUR_NO, "南京长江印务有限公司"),
        (SECOND, "30000012", "南京钟山商贸有限公司"),
        (THIRD, "30000013", "南京紫金研究院"),
    ] {
        let made = ca.post("clerk", "/api/v1/units", &Ca::unit_body(uscc, labour_no, name));
        assert!(made["id"].is_string(), "{made}");
    }
    let unit = account(&ca, UNIT, LABOUR_NO);
    let second = account(&ca, SECOND, "30000012");

    step("二、2①单位经办人须办理网站个人用户注册手续：社会保障卡（或身份证）");
    let zhang =
        register(&ca, &json!({ "name": "张经办", "id_card": "110105199001010010", "card": "32010000123" }));
    let li = register(&ca, &json!({ "name": "李经办", "card": "32010000456" }));

    step("二、2②网上提交经办人员CA培训申请信息");
    let first = apply_for_training(&ca, &unit, "张经办", "32010000123");
    step("　　三个工作日之内完成审核工作，单位经办人点击“CA用户审核查询”，可查询审核结果");
    let seen = trainings(&ca, &unit);
    assert_eq!((&seen[0]["working_days_left"], &seen[0]["overdue"]), (&json!(3), &json!(false)), "{seen}");
    ca.post(
        "officer",
        &format!("/api/v1/trainings/{first}/rejection"),
        &json!({ "reasons": "请核对参保状态" }),
    );
    assert_eq!(trainings(&ca, &unit)[0]["reasons"], "请核对参保状态");
    let again = format!("/api/v1/own/trainings/{first}/resubmission");
    assert_eq!(ca.account(&unit, "POST", &again, None).1["state"], "submitted");
    accept(&ca, &first);

    step("二、2④ⅰ、培训之前，可分别登录多家单位提交同一经办人员CA培训申请信息");
    let shared = apply_for_training(&ca, &second, "张经办", "110105199001010010");
    accept(&ca, &shared);
    let other = apply_for_training(&ca, &second, "李经办", "32010000456");
    accept(&ca, &other);

    step("　　具体培训时间及地址由培训部门提前通知");
    step("二、2③根据通知内容按时参加免费培训，通过培训后获得操作资格");
    train(&ca, &[(&zhang, &[&first, &shared]), (&li, &[&other])]);
    let (_, agent) = ca.account(&agent_session(&ca, &zhang, "32010000123"), "GET", "/api/v1/own", None);
    assert!(agent["qualified_at"].is_string(), "{agent}");
    assert_eq!(agent["units"].as_array().unwrap().len(), 2, "one training serves both units: {agent}");

    step("二、2④ⅱ、已获得资格的经办人离职后，在另一家单位负责：填写《多单位用户(CA)经办人确认申请表》");
    let refused = ca.post("clerk", "/api/v1/trainings", &json!({ "uscc": THIRD, "agent": li }));
    assert_eq!(refused["title"], "training.not-needed", "{refused}");
    let left = format!("/api/v1/agents/{li}/units/{SECOND}");
    assert_eq!(ca.call("clerk", "DELETE", &left, None, None).unwrap(), Value::Null);
    let joins = json!({ "uscc": THIRD });
    ca.call("clerk", "PUT", &format!("/api/v1/agents/{li}/units"), Some(&joins), None).unwrap();
    let of_old = ca.post("clerk", "/api/v1/applications", &application(SECOND, &li));
    assert_eq!(of_old["title"], "agent.not-confirmed", "the old pair has ended: {of_old}");
    let of_new = ca.post("clerk", "/api/v1/applications", &application(THIRD, &li));
    assert!(of_new["id"].is_string(), "{of_new}");

    step(
        "二、3、携带《南京社保项目证书业务申请表》一式两联、《“电子签章”企业申请表》、《CA证书技术服务合同书》",
    );
    let mut incomplete = application(UNIT, &zhang);
    incomplete["documents"].as_array_mut().unwrap().remove(0);
    let missing = ca.post("clerk", "/api/v1/applications", &incomplete);
    assert!(
        missing["facts"]["documents"].as_str().unwrap().contains("南京社保项目证书业务申请表"),
        "{missing}"
    );
    let made = ca.post("clerk", "/api/v1/applications", &application(UNIT, &zhang));
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let own = ca.account(&unit, "GET", &format!("/api/v1/own/applications/{id}"), None).1;
    assert_eq!(own["state"], "submitted", "{own}");
    let decided = ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert_eq!(decided["state"], "approved", "{decided}");

    step("三、2、①CA证书介质(U-key)费用：50元/个 ②证书费用（含电子签章）：150元/年");
    assert_eq!(ca.application(&id)["fee_fen"], 20_000);
    let payment =
        json!({ "amount_fen": 20_000, "currency": "CNY", "method": "cash", "receipt_no": format!("R-{id}") });
    assert!(ca.post("clerk", &format!("/api/v1/applications/{id}/payments"), &payment)["id"].is_string());

    step("　　申请办理CA证书，领取证书介质(U-key)");
    let token = ca.blank_token();
    ca.claim(&id, &token);
    wait(60, "personalisation", || ca.application(&id)["personalisation"]["state"] == "proved");
    let handed = ca.post("clerk", &format!("/api/v1/applications/{id}/hand-over"), &Value::Null);
    let serial = handed["serial"].as_str().unwrap_or_else(|| panic!("{handed}")).to_owned();
    ca.write_certificate(&serial);

    step("三、1③数字证书原始口令“123456”（该口令可以修改）：未修改前不能登录");
    std::fs::write(ca.dir.join("unit.pin"), "123456").unwrap();
    assert_eq!(ca.login(&token).0, 403, "the initial PIN opens no portal");
    let activated = ca.activate(&id, &token);
    assert!(activated.status.success(), "{}", crate::support::text(&activated));
    step("　　登录成功，没有“此网站的安全证书有问题”");
    wait(10, "the portal", || ca.login(&token).0 == 200);
    assert!(ca.login(&token).1.contains(UNIT));
    let (_, view) = ca.account(&unit, "GET", "/api/v1/own", None);
    assert_eq!(view["certificates"][0]["serial"], json!(serial), "{view}");
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// The unit's own user name and password, from the counter, with the initial password replaced. Gives a session.
fn account(ca: &Ca, uscc: &str, labour_no: &str) -> String {
    let path = format!("/api/v1/units/{uscc}/account");
    let opened = ca.call("clerk", "PUT", &path, Some(&json!({})), None).unwrap();
    assert_eq!(opened["name"], labour_no, "the user name is the 劳动保障证号");
    ca.settle_account("unit", labour_no, opened["password"].as_str().unwrap(), OWN)
}

/// 个人查询密码.
fn agent_session(ca: &Ca, agent: &str, card: &str) -> String {
    let path = format!("/api/v1/agents/{agent}/account");
    let opened = ca.call("clerk", "PUT", &path, Some(&json!({})), None).unwrap();
    ca.settle_account("agent", card, opened["password"].as_str().unwrap(), OWN)
}

fn register(ca: &Ca, agent: &Value) -> String {
    let made = ca.post("clerk", "/api/v1/agents", agent);
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn apply_for_training(ca: &Ca, unit: &str, name: &str, card: &str) -> String {
    let body = json!({ "name": name, "card": card });
    let (status, made) = ca.account(unit, "POST", "/api/v1/own/trainings", Some(&body));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

fn trainings(ca: &Ca, unit: &str) -> Value {
    ca.account(unit, "GET", "/api/v1/own/trainings", None).1
}

fn accept(ca: &Ca, training: &str) {
    let accepted = ca.post("officer", &format!("/api/v1/trainings/{training}/acceptance"), &Value::Null);
    assert_eq!(accepted["state"], "accepted", "{accepted}");
}

fn train(ca: &Ca, agents: &[(&String, &[&String])]) {
    let starts_at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(4);
    let plan = json!({ "starts_at": starts_at.to_string(), "place": "水西门大街61号二楼", "seats": 2 });
    let session = ca.post("officer", "/api/v1/training-sessions", &plan);
    let session = session["id"].as_str().unwrap_or_else(|| panic!("{session}"));
    for training in agents.iter().flat_map(|(_, trainings)| *trainings) {
        let path = format!("/api/v1/trainings/{training}/invitation");
        let invited = ca.post("officer", &path, &json!({ "session": session }));
        assert_eq!(invited["state"], "invited", "{invited}");
    }
    wait(10, "the invitation", || {
        let Ok(folder) = std::fs::read_dir(ca.dir.join("outbox")) else { return false };
        folder.flatten().any(|file| {
            std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("水西门大街61号二楼"))
        })
    });
    std::thread::sleep(Duration::from_secs(5));
    for (agent, _) in agents {
        let result = json!({ "agent": agent, "result": "passed" });
        let path = format!("/api/v1/training-sessions/{session}/results");
        assert_eq!(ca.post("officer", &path, &result), Value::Null);
    }
}

fn application(uscc: &str, agent: &str) -> Value {
    json!({ "uscc": uscc, "agent": agent, "years": 1, "cps": CPS, "counter": "municipal", "documents": Ca::documents() })
}

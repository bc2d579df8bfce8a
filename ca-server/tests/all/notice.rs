//! Notices on their way: mail and webhook against real servers that refuse, cut, hang and lie about it; contacts; what
//! is visible of it all.

use ca_core::{CertificateState, Intent};
use ca_store::{StoreError, WriteSite};
use ca_verifier::{Serial, Time, UnitCode};
use mail_parser::MessageParser;
use serde_json::{Value, json};

use crate::support::{Ca, Database, Mail, MailServer, Manner, Receiver, Tls, USCC, curl, text, wait};

const ADDRESS: &str = "zhangsan@example.com";
const SECRET: &str = "correct horse battery staple";

fn served(database: Database, configure: impl FnOnce(&Ca)) -> Ca {
    let mut ca = Ca::new(database);
    configure(&ca);
    ca.serve(&[]);
    ca
}

/// Enters an application; gives its identifier.
fn apply(ca: &Ca) -> String {
    let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned()
}

fn approve(ca: &Ca) -> String {
    let id = apply(ca);
    let approved = ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
    assert_eq!(approved["state"], "approved", "{approved}");
    id
}

/// The one delivery of the last notice of a kind.
fn delivery(ca: &Ca, kind: &str) -> Value {
    ca.notices(kind).last().map_or(Value::Null, |notice| notice["deliveries"][0].clone())
}

fn message_id(mail: &Mail) -> String {
    MessageParser::default().parse(&mail.data).unwrap().message_id().unwrap().to_owned()
}

fn server_log(ca: &Ca) -> String {
    std::fs::read_to_string(ca.dir.join("server.log")).unwrap()
}

fn outbox(ca: &Ca) -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(ca.dir.join("outbox")) else { return Vec::new() };
    folder.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn contacts_on_sqlite() {
    contacts(Database::Sqlite);
}

#[test]
fn contacts_on_postgres() {
    contacts(Database::Postgres);
}

fn contacts(database: Database) {
    let mut ca = served(database, |_| {});
    let path = format!("/api/v1/units/{USCC}/contact");
    assert_eq!(ca.get("clerk", &path), json!({ "mail": null, "phone": null }));
    assert_eq!(ca.reach(&json!({ "mail": ADDRESS, "phone": "025-8659 0000" })), Value::Null);
    assert_eq!(ca.get("clerk", &path), json!({ "mail": ADDRESS, "phone": "02586590000" }));
    // The same again is no change.
    assert_eq!(ca.reach(&json!({ "mail": ADDRESS, "phone": "02586590000" })), Value::Null);
    for (field, value, what) in [
        ("mail", "zhangsan", "name@example.com"),
        ("mail", "a@example.com\r\nBcc: b@example.com", "name@example.com"),
        ("mail", "a@127.0.0.1", "name@example.com"),
        ("phone", "110", "11 digits"),
        ("phone", "+1 202 555 0100", "11 digits"),
    ] {
        let refused = ca.reach(&json!({ field: value }));
        assert_eq!(
            (&refused["title"], &refused["status"]),
            (&json!("field.invalid"), &json!(422)),
            "{refused}"
        );
        assert_eq!(refused["facts"]["field"], field, "{refused}");
        assert!(refused["facts"]["detail"].as_str().unwrap().contains(what), "{refused}");
        assert!(!refused.to_string().contains(value.split_whitespace().next().unwrap()), "{refused}");
    }
    let unknown = "/api/v1/units/91320106000000101L/contact";
    let unknown = ca.call("clerk", "PUT", unknown, Some(&json!({})), None).unwrap();
    assert_eq!(unknown["title"], "unit.unknown", "{unknown}");
    for (role, method, body) in [("officer", "PUT", Some(json!({}))), ("auditor", "GET", None)] {
        let refused = ca.call(role, method, &path, body.as_ref(), None).unwrap();
        assert_eq!(refused["title"], "auth.not-permitted", "{role}: {refused}");
    }
    assert_eq!(ca.get("clerk", &path)["mail"], ADDRESS, "a refusal changes nothing");
    assert_eq!(ca.reach(&json!({ "phone": "13800138000" })), Value::Null);

    let log: Vec<Value> =
        ca.rows("audit").into_iter().filter(|row| row["action"] == "change-contact").collect();
    let done: Vec<&Value> = log.iter().filter(|row| row["rule"].is_null()).collect();
    assert_eq!(done.len(), 2, "{log:?}");
    assert_eq!(done[0]["detail"]["mail"], "z***@example.com");
    assert_eq!(
        (&done[1]["detail"]["mail_before"], &done[1]["detail"]["mail"]),
        (&json!("z***@example.com"), &json!(""))
    );
    let export = std::fs::read_to_string(ca.path("rows.jsonl")).unwrap();
    assert!(!export.contains(ADDRESS) && !export.contains("86590000") && !export.contains("13800138000"));
    assert!(!server_log(&ca).contains("zhangsan"));
    ca.stop_server();
    ca.assert_audit_is_clean();
}

#[test]
fn mail_on_sqlite() {
    mail(Database::Sqlite);
}

#[test]
fn mail_on_postgres() {
    mail(Database::Postgres);
}

fn mail(database: Database) {
    let server = MailServer::start();
    let mut ca = served(database, |ca| ca.configure_mail(server.port));
    // Without an address the message lies in the outbox, as ever.
    let first = approve(&ca);
    wait(10, "the file", || outbox(&ca).iter().any(|text| text.contains(&first)));
    assert!(server.taken().is_empty());

    // Busy, then well again: tried again by itself.
    ca.reach(&json!({ "mail": ADDRESS }));
    server.behave(Manner::Busy);
    let second = approve(&ca);
    wait(10, "a failed try", || server.asked() > 0);
    server.behave(Manner::Takes);
    wait(20, "the mail", || !server.taken().is_empty());
    wait(10, "the mark", || delivery(&ca, "application-approved")["state"] == "sent");
    let taken = server.taken();
    assert_eq!((taken.len(), taken[0].to.as_str()), (1, ADDRESS));
    let read = MessageParser::default().parse(&taken[0].data).unwrap();
    assert_eq!(read.subject().unwrap(), "【签印】证书申请已批准 [Qianyin] Certificate application approved");
    let body = read.body_text(0).unwrap();
    let (zh, en) = (body.find("应缴费用 ¥200.00").unwrap(), body.find("¥200.00 is to be paid").unwrap());
    assert!(zh < en && body.contains(&second), "{body}");
    assert_eq!(read.from().unwrap().first().unwrap().name().unwrap(), "签印");
    let shown = delivery(&ca, "application-approved");
    assert_eq!(
        (&shown["recipient"], &shown["channel"]),
        (&json!("z***@example.com"), &json!("mail")),
        "{shown}"
    );
    assert!(shown["attempts"].as_u64().unwrap() >= 2 && shown["error"].is_null(), "{shown}");
    refused_and_retried(&ca, &server);
    assert!(!server_log(&ca).contains("zhangsan"), "an address is in the log");
    assert!(!ca.notices("application-approved").iter().any(|notice| notice.to_string().contains("zhangsan")));
    ca.stop_server();
    ca.assert_audit_is_clean();
}

/// A wrong address is given up at once and seen; corrected, the message goes out.
fn refused_and_retried(ca: &Ca, server: &MailServer) {
    server.behave(Manner::RefusesRecipient);
    let id = apply(ca);
    let reasons = json!({ "reasons": "公章不清\n请重新盖章" });
    ca.post("officer", &format!("/api/v1/applications/{id}/rejection"), &reasons);
    wait(10, "the end of it", || delivery(ca, "application-rejected")["state"] == "failed");
    let failed = ca.get("clerk", "/api/v1/notices?state=failed");
    assert_eq!(failed.as_array().unwrap().len(), 1, "{failed}");
    let (notice, shown) = (&failed[0], &failed[0]["deliveries"][0]);
    assert_eq!((&notice["unit"], &notice["about_id"]), (&json!(USCC), &json!(id)), "{notice}");
    assert_eq!((&shown["attempts"], &shown["next_at"]), (&json!(1), &Value::Null), "{shown}");
    assert_eq!(shown["error"]["title"], "notice.refused", "{shown}");
    assert!(shown["error"]["situation"]["zh"].as_str().unwrap().contains("SMTP 550"), "{shown}");
    assert!(shown["error"]["remedy"]["en"].as_str().unwrap().contains("mail address"), "{shown}");
    let last = notice["id"].as_str().unwrap();
    assert_eq!(ca.get("clerk", &format!("/api/v1/notices?state=failed&after={last}")), json!([]));
    let metrics = text(&curl(&["-fsS", &format!("http://{}/metrics", ca.http)]));
    assert!(metrics.contains("qianyin_notice_deliveries{state=\"failed\"} 1"), "{metrics}");
    assert!(text(&ca.ca_server(&["doctor"])).contains("1 条消息发送失败"));

    let retry = format!("/api/v1/notices/{last}/retry");
    assert_eq!(ca.post("officer", &retry, &Value::Null)["title"], "auth.not-permitted");
    let nobody = format!("/api/v1/notices/{}/retry", "0".repeat(32));
    assert_eq!(ca.post("clerk", &nobody, &Value::Null)["title"], "not-found");
    assert_eq!(ca.get("clerk", "/api/v1/notices?state=lost")["title"], "field.invalid");
    server.behave(Manner::Takes);
    ca.reach(&json!({ "mail": "lisi@example.com" }));
    assert_eq!(ca.post("clerk", &retry, &Value::Null), Value::Null);
    wait(10, "the mail to the other address", || {
        server.taken().iter().any(|mail| mail.to == "lisi@example.com")
    });
    wait(10, "the mark", || delivery(ca, "application-rejected")["state"] == "sent");
    assert_eq!(ca.post("clerk", &retry, &Value::Null)["title"], "wrong-state");
    let log = text(&ca.ca_server(&["log", "show", "--limit", "100000"]));
    assert!(log.contains("retry-notice"), "{log}");
}

#[test]
fn killed_at_every_step_on_sqlite() {
    killed_at_every_step(Database::Sqlite);
}

#[test]
fn killed_at_every_step_on_postgres() {
    killed_at_every_step(Database::Postgres);
}

/// Above all where the mail server has the message and nobody wrote it down: it goes out again, under the same
/// Message-ID. Nowhere it gets lost.
fn killed_at_every_step(database: Database) {
    let server = MailServer::start();
    let mut ca = Ca::new(database);
    ca.configure_mail(server.port);
    ca.serve(&[]);
    ca.reach(&json!({ "mail": ADDRESS }));
    // The writes of one delivery: its way, the claim, the outcome.
    let writes = ["before", "after", "before:2", "after:2", "before:3", "after:3"];
    let points = writes.map(|when| format!("{}:{when}", WriteSite::StoreNotice.name()));
    for point in points.iter().map(String::as_str).chain(["send-notice:after"]) {
        let application = apply(&ca);
        let copies = server.taken().len();
        ca.serve(&[("QIANYIN_CRASH", point)]);
        // The server may die before it answers.
        let approval = format!("/api/v1/applications/{application}/approval");
        let _ = ca.call("officer", "POST", &approval, Some(&Value::Null), Some(point));
        wait(20, "the server's death", || ca.server_is_gone());
        ca.serve(&[]);
        let sent = || {
            let notice = ca.notices("application-approved").pop().unwrap();
            notice["about_id"] == *application && notice["deliveries"][0]["state"] == "sent"
        };
        wait(20, point, sent);
        let notice = ca.notices("application-approved").pop().unwrap();
        let ids: Vec<String> = server.taken()[copies..].iter().map(message_id).collect();
        let expected = format!("{}@qianyin.test", notice["id"].as_str().unwrap());
        assert!(ids.iter().all(|id| *id == expected), "{point}: {ids:?}");
        let twice = ["send-notice:after", &points[4]].contains(&point);
        assert_eq!(ids.len(), if twice { 2 } else { 1 }, "{point}");
    }

    // A connection cut instead of an answer is the same from here: nobody knows, so it is sent again.
    let copies = server.taken().len();
    server.behave(Manner::CutsAfterData);
    approve(&ca);
    wait(20, "the message without an answer", || server.taken().len() > copies);
    server.behave(Manner::Takes);
    wait(20, "the message again", || server.taken().len() >= copies + 2);
    let ids: Vec<String> = server.taken()[copies..].iter().map(message_id).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[test]
fn two_servers_send_each_message_once_on_sqlite() {
    two_servers_send_each_message_once(Database::Sqlite);
}

#[test]
fn two_servers_send_each_message_once_on_postgres() {
    two_servers_send_each_message_once(Database::Postgres);
}

/// The other one looks several times while a message is on its way.
fn two_servers_send_each_message_once(database: Database) {
    let server = MailServer::start();
    let mut ca = Ca::new(database);
    ca.configure_mail(server.port);
    ca.configure_notices("timeout_secs = 60");
    server.behave(Manner::Slow);
    ca.serve(&[]);
    ca.serve_beside();
    ca.reach(&json!({ "mail": ADDRESS }));
    for _ in 0..5 {
        approve(&ca);
    }
    wait(60, "all messages", || {
        let notices = ca.notices("application-approved");
        notices.len() == 5 && notices.iter().all(|notice| notice["deliveries"][0]["state"] == "sent")
    });
    let mut ids: Vec<String> = server.taken().iter().map(message_id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), server.taken().len()), (5, 5));
}

#[test]
fn a_mail_server_that_hangs_holds_up_nothing_else() {
    let server = MailServer::start();
    let receiver = Receiver::start(&[]);
    let mut ca = Ca::new(Database::Sqlite);
    ca.configure_mail(server.port);
    std::fs::write(ca.dir.join("webhook.secret"), SECRET).unwrap();
    let url = &receiver.url;
    // A try may take longer than the test.
    ca.configure_notices(&format!(
        "timeout_secs = 300\n[webhook]\nurl = \"{url}\"\nsecret_file = \"webhook.secret\"\n"
    ));
    ca.serve(&[]);
    server.behave(Manner::Hangs);
    ca.reach(&json!({ "mail": ADDRESS }));
    approve(&ca);
    wait(10, "the mail server's silence", || server.asked() == 1);
    approve(&ca);
    wait(10, "the next one beside it", || server.asked() == 2);
    wait(10, "both by the other way", || receiver.of_kind("application-approved").len() == 2);
}

#[test]
fn given_up_after_the_last_pause() {
    let server = MailServer::start();
    let ca = served(Database::Sqlite, |ca| ca.configure_mail(server.port));
    server.behave(Manner::Busy);
    ca.reach(&json!({ "mail": ADDRESS }));
    approve(&ca);
    wait(30, "the end of the tries", || delivery(&ca, "application-approved")["state"] == "failed");
    let shown = delivery(&ca, "application-approved");
    assert_eq!(
        (&shown["attempts"], &shown["error"]["title"]),
        (&json!(3), &json!("notice.unreachable")),
        "{shown}"
    );
    assert_eq!(server.asked(), 3);
    // Its address taken away, it cannot be sent at all, and says so.
    ca.reach(&json!({}));
    let id = ca.notices("application-approved")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ca.post("clerk", &format!("/api/v1/notices/{id}/retry"), &Value::Null), Value::Null);
    wait(10, "the refusal", || {
        delivery(&ca, "application-approved")["error"]["title"] == "notice.no-address"
    });
    assert_eq!(delivery(&ca, "application-approved")["state"], "failed");
}

#[test]
fn mail_over_tls() {
    for tls in [Tls::OnDemand, Tls::Always] {
        let mut ca = Ca::new(Database::Sqlite);
        let (server, plain) = (MailServer::with_tls(tls, Some(&ca.dir)), MailServer::start());
        std::fs::write(ca.dir.join("mail.password"), "geheim\n").unwrap();
        let word = if tls == Tls::Always { "tls" } else { "starttls" };
        let smtp = |port: u16, roots: &str| {
            format!(
                "retry_secs = []\ntimeout_secs = 5\n[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"{word}\"\n\
                 user = \"ca\"\npassword_file = \"mail.password\"\nfrom = \"ca@qianyin.test\"\nca_file = \"{roots}\"\n"
            )
        };
        ca.configure_notices(&smtp(server.port, "root.pem"));
        ca.serve(&[]);
        ca.reach(&json!({ "mail": ADDRESS }));
        approve(&ca);
        wait(20, "the mail", || server.taken().len() == 1);
        assert_eq!(server.taken()[0].login.as_deref(), Some("ca geheim"));

        // Neither to a server that cannot, nor to one whom nobody vouches for.
        for (port, roots) in [(plain.port, "root.pem"), (server.port, "staff/clerk.pem")] {
            ca.stop_server();
            ca.configure_notices(&smtp(port, roots));
            ca.serve(&[]);
            approve(&ca);
            wait(20, "the refusal", || delivery(&ca, "application-approved")["state"] == "failed");
            assert_eq!(delivery(&ca, "application-approved")["error"]["title"], "notice.unreachable");
        }
        assert_eq!((server.taken().len(), plain.asked()), (1, 0));
        assert!(!server_log(&ca).contains("geheim"));
    }
}

#[test]
fn nothing_leaves_this_machine_in_the_clear() {
    let ca = Ca::new(Database::Sqlite);
    std::fs::write(ca.dir.join("webhook.secret"), SECRET).unwrap();
    std::fs::write(ca.dir.join("short.secret"), "short").unwrap();
    let good = std::fs::read_to_string(ca.dir.join("ca-server.toml")).unwrap();
    let smtp = "port = 25\nfrom = \"ca@qianyin.test\"\n";
    for (more, what) in [
        (format!("[smtp]\nhost = \"mail.example.com\"\ntls = \"none\"\n{smtp}"), "this machine only"),
        (format!("[smtp]\nhost = \"127.0.0.1\"\ntls = \"none\"\nuser = \"ca\"\n{smtp}"), "go together"),
        (
            "[webhook]\nurl = \"http://example.com/\"\nsecret_file = \"webhook.secret\"\n".to_owned(),
            "https is needed",
        ),
        (
            "[webhook]\nurl = \"ftp://127.0.0.1/\"\nsecret_file = \"webhook.secret\"\n".to_owned(),
            "https is needed",
        ),
        (
            "[webhook]\nurl = \"https://example.com/\"\nsecret_file = \"short.secret\"\n".to_owned(),
            "characters",
        ),
    ] {
        ca.configure_notices(&more);
        let output = ca.ca_server(&["doctor"]);
        assert!(!output.status.success() && text(&output).contains(what), "{more}\n{}", text(&output));
        std::fs::write(ca.dir.join("ca-server.toml"), &good).unwrap();
    }
}

#[test]
fn the_webhook_and_the_code() {
    let receiver = Receiver::start(&[500, 302]);
    let mut ca = Ca::new(Database::Sqlite);
    std::fs::write(ca.dir.join("webhook.secret"), format!("{SECRET}\n")).unwrap();
    ca.configure_webhook(&receiver.url, "");
    ca.serve(&[]);
    ca.start_counter(&[]);
    ca.reach(&json!({ "phone": "13800138000" }));
    let (application, _, _) = ca.issue();
    ca.read_code(&application);
    let code = std::fs::read_to_string(ca.dir.join("code")).unwrap();
    wait(20, "the call", || receiver.of_kind("ready-for-collection").len() == 1);
    wait(20, "all that was refused", || receiver.of_kind("application-approved").len() == 3);

    let approved = receiver.of_kind("application-approved");
    let call = &approved[2];
    let json = call.json();
    assert_eq!(
        json["recipient"],
        json!({ "uscc": USCC, "name": "南京示例科技有限公司", "phone": "13800138000" })
    );
    assert!(json["zh"]["body"].as_str().unwrap().contains("¥200.00"), "{json}");
    assert!(json["en"]["subject"].as_str().unwrap().is_ascii() && json["at"].is_string(), "{json}");
    assert_eq!(call.path, "/notices?for=test");
    for call in receiver.calls() {
        assert!(call.is_signed_with(SECRET) && !call.is_signed_with("another secret of some length"));
        assert_eq!(call.headers["idempotency-key"], *call.json()["id"].as_str().unwrap());
        assert!(!call.body.contains(&code), "the code went out by the webhook");
    }
    assert!(approved.iter().all(|one| one.headers["idempotency-key"] == call.headers["idempotency-key"]));
    assert_eq!(delivery(&ca, "application-approved")["attempts"], 3);
    assert_eq!(delivery(&ca, "activation")["channel"], "file");
    assert!(receiver.of_kind("activation").is_empty());

    // A gateway for short messages is told the code when that was said.
    ca.stop_server();
    ca.configure_webhook(&receiver.url, "activation_code = true\n");
    ca.serve(&[]);
    ca.post("officer", &format!("/api/v1/applications/{application}/activation-code"), &Value::Null);
    wait(20, "the new code", || receiver.of_kind("activation").len() == 1);
    wait(10, "the mark", || delivery(&ca, "activation")["state"] == "sent");
    let body = receiver.of_kind("activation")[0].json()["zh"]["body"].as_str().unwrap().to_owned();
    let renewed = body.split("激活码：").nth(1).unwrap().split('。').next().unwrap().to_owned();
    assert_ne!(renewed, code);
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    let export = std::fs::read_to_string(ca.path("export.jsonl")).unwrap();
    for secret in [
        &code,
        &renewed,
        &code.replace('-', ""),
        &renewed.replace('-', ""),
        "S3CRET of the other side",
        SECRET,
    ] {
        assert!(!export.contains(secret) && !server_log(&ca).contains(secret), "{secret} is written down");
    }
}

#[test]
fn the_webhook_over_tls() {
    let mut ca = Ca::new(Database::Sqlite);
    std::fs::write(ca.dir.join("webhook.secret"), SECRET).unwrap();
    let receiver = Receiver::with_tls(&ca.dir);
    ca.configure_webhook(&receiver.url, "ca_file = \"root.pem\"\n");
    ca.serve(&[]);
    approve(&ca);
    wait(20, "the call", || receiver.calls().len() == 1);
    assert!(receiver.calls()[0].is_signed_with(SECRET));

    // Nobody vouches for this one.
    ca.stop_server();
    ca.configure_webhook(&receiver.url, "ca_file = \"staff/clerk.pem\"\n");
    ca.configure_notices("retry_secs = []");
    ca.serve(&[]);
    approve(&ca);
    wait(20, "the refusal", || delivery(&ca, "application-approved")["state"] == "failed");
    assert_eq!(receiver.calls().len(), 1);
}

#[test]
fn reminders_on_sqlite() {
    reminders(Database::Sqlite);
}

#[test]
fn reminders_on_postgres() {
    reminders(Database::Postgres);
}

/// A certificate that ends in twenty days is told of once, however often the server starts.
fn reminders(database: Database) {
    let mut ca = Ca::new(database);
    let serial = certificate_that_ends(&ca, 20).to_string();
    for _ in 0..2 {
        ca.serve(&[]);
        wait(10, "the reminder", || delivery(&ca, "expiry-30")["state"] == "sent");
        ca.stop_server();
    }
    let told: Vec<String> = outbox(&ca).into_iter().filter(|text| text.contains(&serial)).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("【签印】证书将在 30 天内到期") && told[0].contains("南京示例科技有限公司"),
        "{told:?}"
    );
    let asked: Vec<Value> = ca.rows("notice").into_iter().filter(|row| !row["step"].is_null()).collect();
    assert_eq!((asked.len(), &asked[0]["step"]), (1, &json!(30)), "{asked:?}");
}

/// A good certificate of the tests' unit, for which nobody had to wait eleven months.
fn certificate_that_ends(ca: &Ca, days: i64) -> Serial {
    let now = Time::from_secs(jiff::Timestamp::now().as_second());
    let store = ca.store();
    let unit = store.read(|reader| reader.unit_by_code(&UnitCode::parse(USCC).unwrap())).unwrap().unwrap();
    let serial = Serial::from_random(1, &[42; 17]).unwrap();
    let intent = || Intent {
        serial,
        issuer: "issuing".to_owned(),
        profile: "unit-sign".to_owned(),
        profile_sha256: [1; 32],
        tbs: vec![0x30],
        spki_sha256: [42; 32],
        unit: Some(unit.id.clone()),
        application: None,
        attempt: None,
        token: None,
        not_before: now.plus_secs(-86_400),
        not_after: now.plus_secs(days * 86_400),
        shard: 0,
        actor: "system:test".to_owned(),
        at: now,
    };
    store.record_intent_blocking(intent(), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
    let signed = intent();
    store
        .write_blocking(WriteSite::Import, move |tx| {
            tx.commit_issued(&signed, &[0x30], CertificateState::Good, now)
        })
        .unwrap();
    serial
}

//! 发票的付款人：开具、不予开具、红冲都收到消息；个人的发票内容随其个人信息删除。The payers of invoices: what they are told, and what is
//! left of an invoice when a person's data are erased, on both databases.

use mail_parser::MessageParser;
use serde_json::{Value, json};

use crate::{
    invoice::{form, put},
    online::text_of,
    roles::probe,
    support::{Ca, Database, MailServer, USCC, text, wait},
};

const NUMBER: &str = "26322000000000000011";
const RED: &str = "26322000000000000012";
/// Of somebody who has been away for long.
const OLD: &str = "00000000000100000000000000000001";

#[test]
fn told_on_sqlite() {
    told(Database::Sqlite);
}

#[test]
fn told_on_postgres() {
    told(Database::Postgres);
}

/// What the last mail says, and to whom.
fn last(server: &MailServer) -> (String, String, String) {
    let mail = server.taken().pop().unwrap();
    let read = MessageParser::default().parse(&mail.data).unwrap();
    (mail.to.clone(), read.subject().unwrap().to_owned(), read.body_text(0).unwrap().into_owned())
}

fn asked(ca: &Ca, order: &str, changes: &[(&str, Value)]) -> String {
    let made = ca.post("clerk", &format!("/api/v1/orders/{order}/invoices"), &form(changes));
    text_of(&made, "id").to_owned()
}

fn sent(ca: &Ca, kind: &str) -> bool {
    let notices = ca.notices(kind);
    notices.last().is_some_and(|notice| notice["deliveries"][0]["state"] == "sent")
}

fn told(database: Database) {
    let server = MailServer::start();
    let mut ca = Ca::new(database);
    ca.configure_mail(server.port);
    ca.serve(&[]);
    let paid = ca.paid_application();
    let order = ca.get("clerk", &format!("/api/v1/applications/{paid}/order"));
    let order = text_of(&order, "id");
    let refused = asked(&ca, order, &[("amount_fen", json!(5_000))]);
    let written = asked(&ca, order, &[("mail", json!("piaoju@example.com"))]);

    let to = format!("/api/v1/invoices/{refused}/refusal");
    assert_eq!(ca.post("clerk", &to, &json!({ "reasons": "抬头与税务登记不符" }))["state"], "refused");
    wait(20, "the mail about the refusal", || sent(&ca, "invoice-refused"));
    let (to, subject, body) = last(&server);
    // The unit itself has no address: the one that stands on the invoice is asked.
    assert_eq!(
        (to.as_str(), subject.contains("Invoice not issued")),
        ("caiwu@example.com", true),
        "{subject}"
    );
    for says in ["¥50.00", order, "抬头与税务登记不符"] {
        assert_eq!(body.matches(says).count(), 2, "in both languages: {says}: {body}");
    }

    let to = format!("/api/v1/invoices/{written}/issue");
    assert_eq!(ca.post("clerk", &to, &json!({ "number": NUMBER }))["state"], "issued");
    assert_eq!(ca.post("clerk", &to, &json!({ "number": NUMBER }))["title"], "wrong-state", "told once");
    wait(20, "the mail about the number", || sent(&ca, "invoice-issued"));
    let (to, subject, body) = last(&server);
    assert_eq!((to.as_str(), subject.contains("发票已开具")), ("piaoju@example.com", true), "{subject}");
    for says in [NUMBER, "¥150.00", order, &format!("/api/v1/own/invoices/{written}/file")] {
        assert_eq!(body.matches(says).count(), 2, "in both languages: {says}: {body}");
    }

    let to = format!("/api/v1/invoices/{written}/red-letter");
    assert_eq!(ca.post("clerk", &to, &json!({ "number": RED }))["state"], "red-lettered");
    wait(20, "the mail about the red letter", || sent(&ca, "invoice-red-lettered"));
    let (to, _, body) = last(&server);
    assert_eq!((to.as_str(), body.contains(NUMBER), body.contains(RED)), ("piaoju@example.com", true, true));

    let notice = ca.notices("invoice-issued").pop().unwrap();
    assert_eq!((&notice["about"], &notice["about_id"]), (&json!("invoice"), &json!(written)), "{notice}");
    assert_eq!((&notice["unit"], notice["deliveries"].as_array().unwrap().len()), (&json!(USCC), 1));
    assert_eq!(notice["deliveries"][0]["recipient"], "p***@example.com", "{notice}");
    let log = std::fs::read_to_string(ca.dir.join("server.log")).unwrap();
    assert!(!log.contains("piaoju"), "an address is in the log");
    assert!(!ca.rows("notice").iter().any(|row| row.to_string().contains("example.com")));
    assert_eq!(server.taken().len(), 3);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

#[test]
fn a_person_on_sqlite() {
    a_person(Database::Sqlite);
}

#[test]
fn a_person_on_postgres() {
    a_person(Database::Postgres);
}

/// Somebody whose time is over long ago, as far as the records go.
fn old_person(ca: &Ca, database: Database) {
    let octets = |octet: &str, count: usize| match database {
        Database::Sqlite => format!("x'{}'", octet.repeat(count)),
        Database::Postgres => format!("'\\x{}'", octet.repeat(count)),
    };
    ca.sql(&format!(
        "INSERT INTO agent (id, name_sealed, name_index, id_card_sealed, id_card_index)
         VALUES ('{OLD}', {0}, {1}, {0}, {1})",
        octets("01", 60),
        octets("7e", 32)
    ));
}

/// One order that the person pays for two others.
fn own_order(ca: &Ca) -> String {
    let orders = [0, 1].map(|_| {
        let made = ca.post("clerk", "/api/v1/applications", &ca.application_body());
        let id = text_of(&made, "id").to_owned();
        ca.post("officer", &format!("/api/v1/applications/{id}/approval"), &Value::Null);
        let order = ca.get("clerk", &format!("/api/v1/applications/{id}/order"));
        text_of(&order, "id").to_owned()
    });
    let made = ca.post("clerk", "/api/v1/orders", &json!({ "orders": orders, "agent": OLD }));
    let id = text_of(&made, "id").to_owned();
    let payment = json!({ "amount_fen": 40_000, "currency": "CNY", "method": "cash", "receipt_no": "R-1" });
    let paid = ca.post("clerk", &format!("/api/v1/orders/{id}/payments"), &payment);
    assert!(paid["id"].is_string(), "{paid}");
    id
}

fn a_person(database: Database) {
    let server = MailServer::start();
    let mut ca = Ca::new(database);
    old_person(&ca, database);
    ca.configure_mail(server.port);
    ca.serve(&[]);
    let (key, certificate, member) = probe(&ca);
    let set = ca.ca_server(&["staff", "set-roles", &member, "--role", "cashier"]);
    assert!(set.status.success(), "{}", text(&set));
    let staff = ["--cert", &*certificate, "--key", &*key];
    let order = own_order(&ca);
    let path = format!("/api/v1/orders/{order}/invoices");
    for (changes, rule, field) in [
        (vec![], "invoice.form.unwanted", "tax_number"),
        (vec![("kind", json!("special"))], "invoice.form.person-special", "kind"),
    ] {
        let refused = ca.post("clerk", &path, &form(&changes));
        assert_eq!(
            (&refused["title"], &refused["facts"]["field"]),
            (&json!(rule), &json!(field)),
            "{refused}"
        );
    }
    let person =
        [("title", json!("司马旧录")), ("tax_number", Value::Null), ("mail", json!("jiulu@example.com"))];
    let invoice = asked(&ca, &order, &person);
    let kept = ca.ca_server(&["erase", "--agent", OLD]);
    assert_eq!(kept.status.code(), Some(1), "{}", text(&kept));
    for says in ["agent.kept.invoice", invoice.as_str(), "尚未开具"] {
        assert!(text(&kept).contains(says), "{says}: {}", text(&kept));
    }

    let issued = ca.post("clerk", &format!("/api/v1/invoices/{invoice}/issue"), &json!({ "number": NUMBER }));
    assert_eq!(issued["state"], "issued", "{issued}");
    wait(20, "the mail to the person", || sent(&ca, "invoice-issued"));
    assert_eq!(last(&server).0, "jiulu@example.com");
    assert_eq!(ca.notices("invoice-issued")[0]["unit"], Value::Null, "a person is no unit");
    let file = b"%PDF-1.7 made out to somebody";
    assert!(put(&ca, &staff, &invoice, "application/pdf", file)["file_sha256"].is_string());
    let recent = ca.ca_server(&["erase", "--agent", OLD]);
    assert!(
        text(&recent).contains("agent.kept.event"),
        "asking is business of the person: {}",
        text(&recent)
    );
    ca.stop_server();
    // Many years go by.
    ca.sql(&format!("UPDATE invoice SET requested_at = 1, due_at = 2 WHERE id = '{invoice}'"));
    let erased = ca.ca_server(&["erase", "--agent", OLD]);
    assert!(erased.status.success(), "{}", text(&erased));
    ca.serve(&[]);
    erased_and_still_there(&ca, &staff, &order, &invoice);
    assert_eq!(server.taken().len(), 1, "nobody is left who could be told");
    ca.stop_server();
    for gone in ["jiulu", "made out to somebody"] {
        assert!(!ca.stolen().windows(gone.len()).any(|part| part == gone.as_bytes()), "{gone} is in a file");
    }
    ca.assert_audit_is_clean();
}

fn erased_and_still_there(ca: &Ca, staff: &[&str], order: &str, invoice: &str) {
    let row = ca.rows("invoice").into_iter().find(|row| row["id"] == invoice).unwrap();
    assert!(row["erased_at"].is_number() && row["number"] == NUMBER, "{row}");
    assert_eq!(ca.rows("invoice_file"), Vec::<Value>::new());
    let path = format!("/api/v1/invoices/{invoice}");
    for path in [path.clone(), format!("{path}/file")] {
        let gone = ca.get("clerk", &path);
        assert_eq!((&gone["title"], &gone["status"]), (&json!("invoice.erased"), &json!(410)), "{gone}");
    }
    let again = put(ca, staff, invoice, "application/pdf", b"%PDF-1.7 once more");
    assert_eq!(again["title"], "invoice.erased", "{again}");
    let person = form(&[("title", json!("司马旧录")), ("tax_number", Value::Null)]);
    let anew = ca.post("clerk", &format!("/api/v1/orders/{order}/invoices"), &person);
    assert_eq!(anew["title"], "agent.erased", "{anew}");
    let listed = ca.get("clerk", "/api/v1/invoices");
    assert_eq!(
        (&listed[0]["amount_fen"], &listed[0]["number"], listed[0]["erased_at"].is_string()),
        (&json!(40_000), &json!(NUMBER), true),
        "{listed}"
    );
    // The tax law still has it taken back.
    let red = ca.post("clerk", &format!("{path}/red-letter"), &json!({ "number": RED }));
    assert_eq!(red["state"], "red-lettered", "{red}");
    assert_eq!(ca.notices("invoice-red-lettered"), Vec::<Value>::new());
    let done = |entry: &&Value| entry["action"] == "erase-personal-data" && entry["rule"].is_null();
    let log = ca.rows("audit");
    let entry = log.iter().find(done).unwrap();
    assert_eq!(entry["detail"]["invoices"], "1", "{entry}");
}

//! 门户查询证书状态：此刻与过去某一时刻。What portals ask about certificates, with curl and the key in a file as docs/portal.md
//! shows it: through a life of hold, release and revocation, and of each moment of that life afterwards.

use serde_json::{Value, json};

use crate::{
    roles::probe,
    support::{Ca, Database, USCC, curl, rows, text, wait},
};

const CARD: &str = "A12345678";

#[test]
fn on_sqlite() {
    asked(Database::Sqlite);
}

#[test]
fn on_postgres() {
    asked(Database::Postgres);
}

/// A portal's server.
struct Portal<'a> {
    ca: &'a Ca,
    key: String,
    certificate: String,
}

impl Portal<'_> {
    /// Head and body of the answer.
    fn call(&self, path: &str, body: Option<&str>) -> (String, Value) {
        let url = format!("https://{}{path}", self.ca.https);
        let anchor = self.ca.path("root.pem");
        let mut arguments =
            vec!["-sS", "-i", "--cacert", &anchor, "--cert", &self.certificate, "--key", &self.key];
        if let Some(body) = body {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", body]);
        }
        arguments.push(&url);
        let answer = text(&curl(&arguments));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        (head.to_lowercase(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    fn now(&self, serial: &str) -> Value {
        self.call(&format!("/api/v1/status/certificates/{serial}"), None).1
    }

    fn at(&self, serial: &str, at: &str) -> Value {
        self.call(&format!("/api/v1/status/certificates/{serial}?at={at}"), None).1
    }

    fn batch(&self, body: &Value) -> Value {
        self.call("/api/v1/status/certificates", Some(&body.to_string())).1
    }
}

fn asked(database: Database) {
    let mut ca = Ca::new(database);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (key, certificate, staff) = probe(&ca);
    let portal = Portal { ca: &ca, key, certificate };
    let set = ca.ca_server(&["staff", "set-roles", &staff, "--role", "portal"]);
    assert!(set.status.success(), "{}", text(&set));
    let both = ca.ca_server(&["staff", "set-roles", &staff, "--role", "portal,auditor"]);
    assert_eq!(both.status.code(), Some(1), "{}", text(&both));

    let (application, serial, token) = made(&ca, &portal);
    assert!(ca.activate(&application, &token).status.success());
    shape(&ca, &portal, &serial);
    let moments = life(&ca, &portal, &serial);
    past(&portal, &serial, &moments);
    ca.write_certificate(&serial);
    command_line(&ca, &portal, &serial, &moments);
    batches(&ca, &portal, &serial);
    cards(&ca, &portal, &serial);
    refusals(&ca, &portal, &serial);
}

/// Issued and not handed over, handed over and not activated: neither is good. Gives application, serial number and token.
fn made(ca: &Ca, portal: &Portal<'_>) -> (String, String, String) {
    let (application, token) = (ca.paid_application(), ca.blank_token());
    ca.claim(&application, &token);
    wait(60, "personalisation", || ca.application(&application)["personalisation"]["state"] == "proved");
    let own = |row: &&Value| row["table"] == "certificate" && row["application"] == json!(application);
    let serial = rows(ca).iter().find(own).unwrap()["serial"].as_str().unwrap().to_owned();
    let told = portal.now(&serial);
    assert_eq!(
        (&told["state"], &told["recorded"]),
        (&json!("not-activated"), &json!("not-activated")),
        "{told}"
    );
    let handed = ca.post("clerk", &format!("/api/v1/applications/{application}/hand-over"), &Value::Null);
    assert_eq!(handed["serial"], json!(serial), "{handed}");
    assert_eq!(portal.now(&serial)["state"], "not-activated");
    (application, serial, token)
}

/// Everything that the page of the portal's operator promises of a certificate in use.
fn shape(ca: &Ca, portal: &Portal<'_>, serial: &str) {
    let (head, good) = portal.call(&format!("/api/v1/status/certificates/{}", serial.to_uppercase()), None);
    assert!(head.starts_with("http/1.1 200") && head.contains("cache-control: no-store"), "{head}");
    assert_eq!((&good["state"], &good["recorded"]), (&json!("good"), &json!("good")), "{good}");
    assert_eq!((&good["serial"], &good["profile"]), (&json!(serial), &json!("unit-sign")), "{good}");
    assert_eq!((&good["uscc"], &good["unit"]["uscc"]), (&json!(USCC), &json!(USCC)), "{good}");
    assert_eq!(good["unit"]["name"], "南京示例科技有限公司", "{good}");
    assert_eq!(good["agents"][0]["agent"], json!(ca.agent), "{good}");
    assert!(good["agents"][0]["qualified_at"].is_string(), "{good}");
    assert_eq!(good["agents"].as_array().map(Vec::len), Some(1), "{good}");
    assert_eq!(good["at"], good["answered_at"], "{good}");
    for absent in ["reason", "revoked_at", "invalid_since", "seal"] {
        assert_eq!(good.get(absent), Some(&Value::Null), "{absent}: {good}");
    }
    for personal in ["张三", "11010519491231002X"] {
        assert!(!good.to_string().contains(personal), "{good}");
    }
    let page = std::fs::read_to_string(crate::support::root().join("docs/portal.md")).unwrap();
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let all = [fields(&good), fields(&good["unit"]), fields(&good["agents"][0])].concat();
    for field in all {
        assert!(page.contains(&format!("`{field}`")), "docs/portal.md does not say what {field} is");
    }
}

/// Gives each state with the moment since which it was so.
fn life(ca: &Ca, portal: &Portal<'_>, serial: &str) -> Vec<(String, String)> {
    let mut moments = Vec::new();
    let mut look = |expected: &str| {
        let told = portal.now(serial);
        assert_eq!(told["state"], expected, "{told}");
        let epoch = told["epoch"].as_i64().unwrap();
        moments.push((expected.to_owned(), told["since"].as_str().unwrap().to_owned()));
        epoch
    };
    let path = |what: &str| format!("/api/v1/certificates/{serial}/{what}");
    let mut epochs = vec![look("good")];
    ca.post("officer", &path("hold"), &Value::Null);
    epochs.push(look("held"));
    ca.post("officer", &path("release"), &Value::Null);
    epochs.push(look("good"));
    ca.post("officer", &path("revocation"), &json!({ "reason": "keyCompromise" }));
    epochs.push(look("revoked"));
    assert!(epochs.is_sorted_by(|before, after| before < after), "{epochs:?}");
    moments
}

fn a_millisecond_before(moment: &str) -> String {
    let moment: jiff::Timestamp = moment.parse().unwrap();
    let before = moment.checked_sub(jiff::SignedDuration::from_millis(1)).unwrap();
    before.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn past(portal: &Portal<'_>, serial: &str, moments: &[(String, String)]) {
    let mut former = "not-activated".to_owned();
    for (state, since) in moments {
        let told = portal.at(serial, since);
        assert_eq!((&told["state"], &told["at"]), (&json!(state), &json!(since)), "{told}");
        assert_eq!(told["since"], json!(since), "{told}");
        assert_eq!(portal.at(serial, &a_millisecond_before(since))["state"], json!(former), "before {since}");
        // It is said at once that it was revoked later.
        assert_eq!(told["reason"], "keyCompromise", "{told}");
        assert_eq!(told["revoked_at"], json!(moments[3].1), "{told}");
        former.clone_from(state);
    }
    let issued = portal.now(serial)["issued_at"].as_str().unwrap().to_owned();
    assert_eq!(portal.at(serial, &issued)["state"], "not-activated");
    let early = portal.at(serial, &a_millisecond_before(&issued));
    assert_eq!((&early["state"], &early["recorded"]), (&json!("not-issued"), &Value::Null), "{early}");
    assert_eq!(portal.at(serial, "2020-01-01T08:00:00%2B08:00")["state"], "not-issued");
    let future = portal.at(serial, "2099-01-01T00:00:00Z");
    assert_eq!((&future["status"], &future["facts"]["field"]), (&json!(422), &json!("at")), "{future}");
}

/// The CA's own command line tells the same.
fn command_line(ca: &Ca, portal: &Portal<'_>, serial: &str, moments: &[(String, String)]) {
    let (_, held) = &moments[1];
    let told = ca.ca_server(&["--json", "certificate-status", serial, "--at", held]);
    assert!(told.status.success(), "{}", text(&told));
    let mut told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let mut answer = portal.at(serial, held);
    for view in [&mut told, &mut answer] {
        view["answered_at"].take();
    }
    assert_eq!((&told, &told["state"]), (&answer, &json!("held")));
    let shown = text(&ca.ca_server(&["--lang", "zh", "certificate-status", &ca.path("unit.pem")]));
    assert!(shown.contains("revoked") && shown.contains("只有 good 可以信赖"), "{shown}");
    let refused = ca.ca_server(&["certificate-status", serial, "--at", "yesterday"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
}

fn batches(ca: &Ca, portal: &Portal<'_>, serial: &str) {
    let own = text(&crate::support::openssl(&["x509", "-in", &portal.certificate, "-noout", "-serial"]));
    let own = own.trim().trim_start_matches("serial=").to_lowercase();
    let stranger = "01".repeat(18);
    let asked = [stranger.as_str(), serial, &own, serial];
    let told = portal.batch(&json!({ "serials": asked }));
    let states: Vec<_> = told["certificates"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["unknown", "revoked", "good", "revoked"], "{told}");
    let serials: Vec<_> = told["certificates"].as_array().unwrap().iter().map(|one| &one["serial"]).collect();
    assert_eq!(serials, asked, "{told}");
    let of_staff = &told["certificates"][2];
    assert_eq!((&of_staff["unit"], &of_staff["agents"]), (&Value::Null, &json!([])), "{told}");
    assert_eq!(told["epoch"], portal.now(serial)["epoch"]);
    assert_eq!(told["agent"], Value::Null);
    let early = portal.batch(&json!({ "serials": asked, "at": "2020-01-01T00:00:00Z" }));
    let states: Vec<_> = early["certificates"].as_array().unwrap().iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["unknown", "not-issued", "not-issued", "not-issued"], "{early}");

    let most = portal.batch(&json!({ "serials": vec![serial; 1000] }));
    assert_eq!(most["certificates"].as_array().map(Vec::len), Some(1000), "{most}");
    for count in [0, 1001] {
        let refused = portal.batch(&json!({ "serials": vec!["0102"; count] }));
        assert_eq!(
            (&refused["status"], &refused["facts"]["field"]),
            (&json!(422), &json!("serials")),
            "{count}"
        );
        assert!(refused["remedy"]["zh"].is_string() && refused["remedy"]["en"].is_string(), "{refused}");
    }
    let large = ca.path("large.json");
    std::fs::write(&large, json!({ "serials": vec!["0102"; 20_000] }).to_string()).unwrap();
    let (_, refused) = portal.call("/api/v1/status/certificates", Some(&format!("@{large}")));
    assert_eq!(refused["status"], 413, "{refused}");
}

/// A portal learns whose card it is only where that agent acts for the unit, and that it asked stands in the log.
fn cards(ca: &Ca, portal: &Portal<'_>, serial: &str) {
    let path = format!("/api/v1/agents/{}/card", ca.agent);
    let entered = ca.call("clerk", "PUT", &path, Some(&json!({ "card": CARD, "reason": "first" })), None);
    assert_eq!(entered.unwrap(), Value::Null);
    let told = portal.batch(&json!({ "serials": [serial], "card": CARD }));
    assert_eq!(
        (&told["agent"], &told["certificates"][0]["agents"][0]["agent"]),
        (&json!(ca.agent), &json!(ca.agent))
    );
    for (body, why) in [
        (json!({ "serials": [serial], "card": "B76543210" }), "nobody's card"),
        (json!({ "serials": ["0102"], "card": CARD }), "a card of nobody who acts for the unit"),
    ] {
        assert_eq!(portal.batch(&body)["agent"], Value::Null, "{why}");
    }
    let refused = portal.batch(&json!({ "serials": [serial], "card": "卡" }));
    assert_eq!((&refused["status"], &refused["facts"]["field"]), (&json!(422), &json!("card")), "{refused}");
    let rows = rows(ca);
    let asked =
        |row: &&Value| row["table"] == "audit" && row["action"] == "read-status" && row["object"] == "agent";
    let log: Vec<_> = rows.iter().filter(asked).collect();
    let found: Vec<_> = log.iter().map(|row| row["object_id"].as_str().unwrap()).collect();
    assert_eq!(found, [ca.agent.as_str(), "", ""], "{log:?}");
    assert!(log.iter().all(|row| row["actor"].as_str().unwrap().starts_with("staff:")), "{log:?}");
    assert!(!rows.iter().any(|row| row.to_string().contains(CARD)), "the number is nowhere in clear");
}

fn refusals(ca: &Ca, portal: &Portal<'_>, serial: &str) {
    let one = |rest: &str| format!("/api/v1/status/certificates/{rest}");
    let upset = [
        (one("xyz"), None, 422),
        (one("0"), None, 422),
        (one("00"), None, 422),
        (one("80"), None, 422),
        (one("0001"), None, 422),
        (one(&"01".repeat(21)), None, 422),
        (one("0102%20"), None, 422),
        (one("0x0102"), None, 422),
        (one("0102?at="), None, 422),
        (one("0102?at=yesterday"), None, 422),
        (one("0102?at=2026-11-23"), None, 422),
        (one("0102?at=2020-01-01T08:00:00+08:00"), None, 422),
        (one("0102?when=2026-11-23T00:00:00Z"), None, 400),
        (one("0102?at=2020-01-01T00:00:00Z&at=2020-01-01T00:00:00Z"), None, 400),
        (one("").trim_end_matches('/').to_owned(), Some(r#"{"serials":["0102","zz"]}"#), 422),
        (one("").trim_end_matches('/').to_owned(), Some(r#"{"serials":"0102"}"#), 400),
        (one("").trim_end_matches('/').to_owned(), Some(r#"{"serials":["0102"],"more":1}"#), 400),
        (one("").trim_end_matches('/').to_owned(), Some(r#"{"serials":["0102"],"at":"x"}"#), 422),
    ];
    for (path, body, status) in upset {
        let (_, refused) = portal.call(&path, body);
        assert_eq!(refused["status"], status, "{path} {body:?}: {refused}");
    }
    // Staff without the role, nobody, and not over plain HTTP.
    let clerk = ca.get("clerk", &one(serial));
    assert_eq!(clerk["title"], "auth.not-permitted", "{clerk}");
    assert_eq!(ca.get("auditor", &one(serial))["state"], "revoked");
    let nobody =
        curl(&["-sS", "--cacert", &ca.path("root.pem"), &format!("https://{}{}", ca.https, one(serial))]);
    let nobody: Value = serde_json::from_slice(&nobody.stdout).unwrap();
    assert_eq!(nobody["title"], "auth.no-certificate", "{nobody}");
    let plain = curl(&[
        "-sS",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        &format!("http://{}{}", ca.http, one(serial)),
    ]);
    assert_eq!(text(&plain), "404");
    // A portal whose certificate is revoked is none.
    let own = text(&crate::support::openssl(&["x509", "-in", &portal.certificate, "-noout", "-serial"]));
    ca.revoke(&own.trim().trim_start_matches("serial=").to_lowercase(), "keyCompromise");
    assert_eq!(portal.now(serial)["title"], "auth.certificate-not-good");
}

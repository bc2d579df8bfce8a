//! The register of insured units: imported in pieces, killed at every write and begun again, in force all at once; and
//! what it says to whoever registers a unit. On both databases.

use std::{os::unix::process::ExitStatusExt, process::Output};

use crate::{
    crash::uscc,
    support::{Ca, Database, text},
};
use ca_store::WriteSite;
use encoding_rs::GB18030;
use serde_json::{Value, json};

/// More than two transactions' worth.
const UNITS: u32 = 10_500;
const HEADER: &str = "劳动保障证号,统一社会信用代码,单位名称,参保经办机构,区划\r\n";

#[test]
fn on_sqlite() {
    the_register(Database::Sqlite);
}

#[test]
fn on_postgres() {
    the_register(Database::Postgres);
}

fn the_register(database: Database) {
    let mut ca = Ca::new(database);
    killed_and_begun_again(&ca);
    guards(&ca);
    ca.serve(&[]);
    at_the_counter(&ca);
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn line(number: u32, name: &str) -> String {
    format!("{},{},{name},南京市社会保险管理中心,320106\r\n", 30_000_000 + number, uscc(5_000 + number))
}

fn list(units: u32) -> String {
    let lines: String = (0..units).map(|number| line(number, &format!("南京第{number}公司"))).collect();
    format!("{HEADER}{lines}")
}

fn write(ca: &Ca, name: &str, octets: &[u8]) -> String {
    let path = ca.path(name);
    std::fs::write(&path, octets).unwrap();
    path
}

fn import(ca: &Ca, arguments: &[&str]) -> Output {
    ca.ca_server(&[&["--json", "import-register"][..], arguments].concat())
}

fn imported(ca: &Ca, arguments: &[&str]) -> Value {
    let output = import(ca, arguments);
    assert!(output.status.success(), "{}", text(&output));
    assert!(output.stderr.is_empty(), "nothing is shown when nobody looks: {}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(ca: &Ca, arguments: &[&str], rule: &str) {
    let output = import(ca, arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains(&format!("[{rule}]")), "{rule}: {}", text(&output));
}

/// Every write of an import killed before and after its commit; the file comes in GB18030 with its mark.
fn killed_and_begun_again(ca: &Ca) {
    let mut content = list(UNITS);
    content.push_str("3000000X,91320104000000019U,甲公司,南京市社会保险管理中心,\r\n");
    content.push_str(&line(3, "南京第三公司"));
    content.push_str(&line(90_000, "南京ＡＢＣ公司"));
    content.push_str("30099999,91320104000000019A,\u{202e}司公乙,苏州,\r\n");
    let octets = [&[0x84, 0x31, 0x95, 0x33][..], &GB18030.encode(&content).0].concat();
    let (file, report) = (write(ca, "register.csv", &octets), ca.path("report.csv"));
    let (stage, activate) = (WriteSite::StageRegister.name(), WriteSite::ActivateRegister.name());
    let points = [
        format!("{stage}:before"),
        format!("{stage}:after"),
        format!("{stage}:before:2"),
        format!("{stage}:after:2"),
        format!("{activate}:before"),
    ];
    for point in points {
        let output = ca
            .ca_server_command(&["import-register", &file, "--report", &report])
            .env("QIANYIN_CRASH", &point)
            .output()
            .unwrap();
        assert_eq!(output.status.signal(), Some(9), "{point}: {}", text(&output));
        assert!(ca.rows("register_import").iter().all(|import| import["state"] == "staging"), "{point}");
    }
    let other = write(ca, "other.csv", list(3).as_bytes());
    refused(ca, &[&other], "register.other-file");
    let done = imported(ca, &[&file, "--report", &report]);
    let all = i64::from(UNITS) + 4;
    assert_eq!(done["resumed_at"], all, "everything was staged before: {done}");
    assert_eq!((&done["lines"], &done["rows"], &done["bad"]), (&json!(all), &json!(all - 3), &json!(3)));
    assert_eq!(done["review"], 1);
    let rows = ca.rows("register_row");
    assert_eq!(rows.len(), usize::try_from(all - 3).unwrap(), "each line once");

    let reported = std::fs::read_to_string(&report).unwrap();
    let reported: Vec<&str> = reported.trim_start_matches('\u{feff}').lines().collect();
    let begin =
        |line: u32, column: &str, result: &str, rule: &str| format!("{line},{column},{result},{rule},");
    let expected = [
        "line,column,result,rule,reason_zh,reason_en".to_owned(),
        begin(10_502, "劳动保障证号 (labour_no)", "refused", "labour-no.form"),
        begin(10_503, "劳动保障证号 (labour_no)", "refused", "line.duplicate"),
        begin(10_504, "单位名称 (name)", "review", "cell.look-alike"),
        begin(10_505, "统一社会信用代码 (uscc)", "refused", "uscc.check-digit"),
        begin(10_505, "单位名称 (name)", "refused", "cell.hidden-character"),
        begin(10_505, "参保经办机构 (agency)", "refused", "agency.unknown"),
    ];
    assert_eq!(reported.len(), expected.len(), "{reported:#?}");
    for (found, expected) in reported.iter().zip(&expected) {
        assert!(found.starts_with(expected.as_str()), "{found}\n{expected}");
    }
    assert!(
        reported[2].contains("与第 5 行重复") && reported[2].contains("The same as line 5"),
        "{}",
        reported[2]
    );
    assert!(!std::path::Path::new(&format!("{report}.part")).exists());
    refused(ca, &[&file], "register.in-force");

    // Killed when it is in force: nobody can tell that it was killed, and the old rows go with the next import.
    let next = write(ca, "next.csv", list(UNITS).as_bytes());
    let output = ca
        .ca_server_command(&["import-register", &next])
        .env("QIANYIN_CRASH", format!("{activate}:after"))
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(9), "{}", text(&output));
    refused(ca, &[&next], "register.in-force");
}

fn guards(ca: &Ca) {
    let small = write(ca, "small.csv", list(100).as_bytes());
    refused(ca, &[&small], "register.shrinks");
    // What is refused is staged still: the same command with consent only activates.
    let done = imported(ca, &[&small, "--accept-shrink"]);
    assert_eq!((&done["resumed_at"], &done["rows"]), (&json!(100), &json!(100)));
    assert_eq!(ca.rows("register_row").len(), 100, "rows that nobody reads are gone");

    let bad: String = (0..2).map(|_| ",,,,\"\u{200b}\"\r\n").collect();
    let bad = write(ca, "bad.csv", format!("{}{bad}", list(98)).as_bytes());
    refused(ca, &[&bad], "register.too-many-bad");
    refused(ca, &[&small], "register.other-file");
    let gone = imported(ca, &["--abandon"]);
    assert_eq!(gone["state"], "abandoned");
    refused(ca, &["--abandon"], "register.nothing-staged");
    refused(ca, &[&bad, "--max-bad", "1"], "register.too-many-bad");
    let done = imported(ca, &[&bad, "--max-bad", "2"]);
    assert_eq!((&done["rows"], &done["bad"]), (&json!(98), &json!(2)));

    for (name, octets, rule) in [
        ("u16.csv", &b"\xff\xfea\0"[..], "sheet.utf-16"),
        ("odd.csv", b"name\n1\n", "sheet.column-missing"),
        ("more.csv", "劳动保障证号,单位名称,参保经办机构,uscc,电话\n".as_bytes(), "sheet.column-unknown"),
    ] {
        refused(ca, &[&write(ca, name, octets)], rule);
    }
    let empty = write(ca, "empty.csv", "劳动保障证号,单位名称,参保经办机构,uscc\n".as_bytes());
    refused(ca, &[&empty], "register.no-rows");
    imported(ca, &["--abandon"]);
    let states: Vec<Value> =
        ca.rows("register_import").iter().map(|import| import["state"].clone()).collect();
    assert_eq!(states.iter().filter(|state| **state == "active").count(), 1, "{states:?}");
    let log = text(&ca.ca_server(&["log", "show", "--limit", "100000"]));
    for word in ["import-register", "abandon", "activate", "register.shrinks"] {
        assert!(log.contains(word), "{word}: {log}");
    }
}

fn at_the_counter(ca: &Ca) {
    let found = ca.get("clerk", "/api/v1/register?labour_no=30000007");
    assert_eq!(found["entries"][0]["name"], "南京第7公司", "{found}");
    assert_eq!(found["entries"][0]["agency"], "nanjing");
    let found = ca.get("clerk", &format!("/api/v1/register?uscc={}", uscc(5_007)));
    assert_eq!(found["entries"][0]["labour_no"], "30000007", "{found}");
    // 南京第9, percent-encoded: it and 90 to 97.
    let found = ca.get("clerk", "/api/v1/register?name=%E5%8D%97%E4%BA%AC%E7%AC%AC9");
    assert_eq!(found["entries"].as_array().unwrap().len(), 9, "{found}");
    for query in ["", "name=x", "uscc=a&name=bb"] {
        let problem = ca.get("clerk", &format!("/api/v1/register?{query}"));
        assert_eq!(problem["title"], "register.query", "{problem}");
    }
    assert_eq!(ca.get("administrator", "/api/v1/register?uscc=a")["title"], "auth.not-permitted");

    let unit = |number: u32, labour_no: &str, name: &str| Ca::unit_body(&uscc(number), labour_no, name);
    let made = ca.post("clerk", "/api/v1/units", &unit(5_001, "30000001", "南京第1公司"));
    assert!(made["id"].is_string(), "as the register has it: {made}");
    let differs = unit(5_008, "30000002", "南京第二公司");
    let problem = ca.post("clerk", "/api/v1/units", &differs);
    assert_eq!(problem["title"], "register.differs", "{problem}");
    let fields = problem["facts"]["fields"].as_str().unwrap();
    assert!(
        fields.contains("name") && fields.contains("uscc") && fields.contains("南京第2公司"),
        "{problem}"
    );
    assert!(!fields.contains("agency"), "{problem}");
    let unknown = unit(5_900, "39999999", "南京新公司");
    assert_eq!(ca.post("clerk", "/api/v1/units", &unknown)["title"], "register.not-insured");
    for (mut unit, rule) in [(differs, "register.differs"), (unknown, "register.not-insured")] {
        unit["register_difference_reason"] = json!(" ");
        assert_eq!(ca.post("clerk", "/api/v1/units", &unit)["title"], "field.invalid");
        unit["register_difference_reason"] = json!("名册尚未更新，已核对参保证明");
        assert!(ca.post("clerk", "/api/v1/units", &unit)["id"].is_string());
        let log = ca.rows("audit");
        let kept = log.iter().find(|entry| entry["detail"]["rule"] == rule).unwrap();
        assert_eq!(kept["detail"]["reason"], "名册尚未更新，已核对参保证明");
    }
}

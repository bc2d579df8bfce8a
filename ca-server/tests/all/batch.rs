//! A department's list: checked line by line, sent back with reasons, submitted in pieces (killed at every write and
//! begun again), with appointments by counter and day, and what is left. On both databases.

use std::{collections::HashMap, path::PathBuf};

use crate::{
    crash::{id_card, uscc},
    support::{CPS, Ca, Database, USCC, root, wait},
};
use ca_store::WriteSite;
use encoding_rs::GB18030;
use rust_xlsxwriter::{Formula, Workbook};
use serde_json::{Value, json};

/// More than two transactions' worth.
const UNITS: u32 = 230;
const HEADER: &str = "统一社会信用代码,劳动保障证号,单位名称,经办人身份证号,年限,领取窗口\r\n";
const MARK: [u8; 4] = [0x84, 0x31, 0x95, 0x33];
/// 张三 of `testdata/units.toml`.
const CARD: &str = "11010519491231002X";

#[test]
fn on_sqlite() {
    the_batch(Database::Sqlite);
}

#[test]
fn on_postgres() {
    the_batch(Database::Postgres);
}

fn the_batch(database: Database) {
    let mut ca = Ca::new(database);
    register_units(&ca);
    ca.serve(&[]);
    files_that_are_no_list(&ca);
    every_line_has_its_message(&ca);
    let id = killed_and_begun_again(&mut ca);
    appointments(&mut ca, &id);
    ca.stop_server();
    ca.assert_audit_is_clean();
    assert!(!ca.rows("batch_line").iter().any(|line| line.to_string().contains(CARD)), "personal data");
}

/// Units 0 to UNITS, two that are excluded or without agent, and an agent who is not qualified.
fn register_units(ca: &Ca) {
    let mut text = String::new();
    let mut unit = |number: u32, agency: &str| {
        text.push_str(&format!(
            "[[unit]]\nuscc = \"{}\"\nlabour_no = \"{}\"\nname = \"南京第{number}公司\"\nprovince = \"江苏省\"\ncity = \"南京市\"\nagency = \"{agency}\"\n",
            uscc(7_000 + number),
            40_000_000 + number
        ));
    };
    (0..UNITS).for_each(|number| unit(number, "nanjing"));
    unit(900, "luhe");
    unit(901, "nanjing");
    let all: Vec<String> =
        (0..UNITS).chain([900]).map(|number| format!("\"{}\"", uscc(7_000 + number))).collect();
    text.push_str(&format!(
        "[[agent]]\nname = \"张三\"\nid_card = \"{CARD}\"\nqualified = true\nunits = [{}]\n",
        all.join(",")
    ));
    text.push_str(&format!(
        "[[agent]]\nname = \"李四\"\nid_card = \"{}\"\nunits = [\"{}\"]\n",
        id_card(1),
        uscc(7_000)
    ));
    let file = ca.path("more.toml");
    std::fs::write(&file, text).unwrap();
    let output = ca.ca_server(&["import", &file]);
    assert!(output.status.success(), "{}", crate::support::text(&output));
}

fn line(number: u32, years: u32, counter: &str) -> String {
    let labour_no = 40_000_000 + number;
    format!("{},{labour_no},南京第{number}公司,{CARD},{years},{counter}\r\n", uscc(7_000 + number))
}

/// Sends a file; `Err` when there was no answer.
fn try_send(ca: &Ca, name: &str, octets: &[u8], key: &str) -> Result<Value, String> {
    let path = ca.path(name);
    std::fs::write(&path, octets).unwrap();
    api(ca, &["--file", &path, "--idempotency-key", key, "POST", "/api/v1/batches"])
}

fn send(ca: &Ca, name: &str, octets: &[u8]) -> Value {
    try_send(ca, name, octets, &format!("{name}-{}", octets.len())).unwrap()
}

fn api(ca: &Ca, arguments: &[&str]) -> Result<Value, String> {
    let mut command = ca.ukey_command(&["--json", "api", "--token", "clerk"]);
    command.args(["--server", &format!("https://{}", ca.https), "--anchor", &ca.path("root.pem")]);
    command.args(["--pin-file", &ca.path("staff/clerk.pin")]).args(arguments);
    let output = command.output().unwrap();
    if output.stdout.is_empty() && output.status.success() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&output.stdout).map_err(|_| crate::support::text(&output))
}

fn files_that_are_no_list(ca: &Ca) {
    let many: String = (0..10_000).map(|number| line(number, 1, "")).collect();
    let problem = send(ca, "many.csv", format!("{HEADER}{many}").as_bytes());
    assert_eq!(problem["title"], "sheet.too-large", "{problem}");
    assert_eq!(problem["facts"]["limit"], "5000", "the limit is named: {problem}");
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let names = ["uscc", "labour_no", "name", "agent_id_card", "years"];
    for (column, name) in (0..).zip(names) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_formula(1, 4, Formula::new("=1+1").set_result("2")).unwrap();
    let problem = send(ca, "formula.xlsx", &book.save_to_buffer().unwrap());
    assert_eq!(
        (&problem["title"], &problem["facts"]["cell"]),
        (&json!("sheet.formula"), &json!("E2")),
        "{problem}"
    );
    let problem = send(ca, "header.csv", HEADER.as_bytes());
    assert_eq!(problem["title"], "sheet.empty", "{problem}");
    let huge = vec![b'x'; 9 * 1024 * 1024];
    let problem = try_send(ca, "huge.csv", &huge, "huge");
    // The server need not read on to refuse: then there is no answer to read.
    assert!(problem.as_ref().map_or(true, |problem| problem["title"] == "sheet.too-large"), "{problem:?}");
    let problem = ca.post("clerk", "/api/v1/batches", &json!({}));
    assert_eq!(problem["title"], "request.media-type", "{problem}");
    for text in ["situation", "remedy"] {
        assert!(problem[text]["zh"].is_string() && problem[text]["en"].is_string(), "{problem}");
    }
    assert_eq!(ca.rows("batch").len(), 0);
}

/// Every line of a list in GB18030 with a mark, and the same lines back.
fn every_line_has_its_message(ca: &Ca) {
    let open = ca.post("clerk", "/api/v1/applications", &ca.application_body());
    assert!(open["id"].is_string(), "{open}");
    let (one, two) = (uscc(7_001), uscc(7_002));
    let wrong_date = "110105194902310021";
    let lines: Vec<(String, &str, &[&str])> = vec![
        (line(0, 1, "municipal"), "good", &[]),
        (format!("{one},40000001,南京第1公司,{wrong_date},2,"), "bad", &["id-card.date"]),
        (line(0, 1, ""), "bad", &["line.duplicate", "line.duplicate"]),
        (format!("{two},４０000002,南京第2公司,{CARD},1,"), "bad", &["cell.full-width"]),
        (
            format!("{},40000003,南京第3\u{202e}公司,{CARD},1,", uscc(7_003)),
            "bad",
            &["cell.hidden-character"],
        ),
        (
            format!("{},40000004,南京第4\u{200b}公司,{CARD},1,", uscc(7_004)),
            "bad",
            &["cell.hidden-character"],
        ),
        (
            format!("{},40000005,南京第５公司,{CARD},1,", uscc(7_005)),
            "bad",
            &["cell.look-alike", "unit.looks-alike"],
        ),
        (format!("{},41000000,甲,{CARD},1,", uscc(9_999)), "bad", &["unit.unknown"]),
        (line(900, 1, ""), "bad", &["unit.not-eligible"]),
        (line(901, 1, ""), "bad", &["agent.not-confirmed"]),
        (line(6, 9, "北京"), "bad", &["years.outside-tariff", "counter.unknown"]),
        (format!("{USCC},10000001,南京示例科技有限公司,{CARD},1,"), "bad", &["application.open"]),
        (
            format!("{},40000007, 南京第7公司,{},x,", uscc(7_007), id_card(1)),
            "bad",
            &["cell.spaces", "cell.number", "agent.not-qualified", "agent.not-confirmed"],
        ),
        (format!("{},40000008,{wrong_date}", uscc(7_008)), "bad", &["line.cells"]),
        (
            format!("=HYPERLINK(1),40000009,@南京,{},1,", id_card(2)),
            "bad",
            &["cell.formula", "cell.formula", "agent.unknown"],
        ),
    ];
    let text: String = lines.iter().map(|(text, ..)| format!("{}\r\n", text.trim_end())).collect();
    let octets = [&MARK[..], &GB18030.encode(&format!("{HEADER}{text}")).0].concat();
    let made = send(ca, "list.csv", &octets);
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert_eq!(send(ca, "list.csv", &octets)["id"], *id, "sent twice it is one");
    let view = ca.get("officer", &format!("/api/v1/batches/{id}"));
    assert_eq!((&view["state"], &view["format"]), (&json!("checked"), &json!("csv:gb18030-bom:crlf")));
    assert_eq!((&view["good"], &view["bad"]), (&json!(1), &json!(lines.len() - 1)), "{view:#}");
    for ((text, verdict, rules), found) in lines.iter().zip(view["lines"].as_array().unwrap()) {
        let findings = found["findings"].as_array().unwrap();
        let found_rules: Vec<&str> = findings.iter().map(|one| one["rule"].as_str().unwrap()).collect();
        assert_eq!((found["verdict"].as_str().unwrap(), &found_rules[..]), (*verdict, *rules), "{text}");
        // Nor where columns are shifted and the number is none.
        let cells = found["cells"].to_string();
        assert!(!cells.contains(CARD) && !cells.contains(wrong_date), "{found}");
    }
    assert!(view["lines"][2]["findings"][0]["zh"].as_str().unwrap().contains("第 2 行"), "{view:#}");

    let back = rejected(ca, &id, "rejected.csv");
    assert!(back.starts_with(&MARK), "the same encoding and mark");
    let back = GB18030.decode_without_bom_handling(&back[4..]).0.into_owned();
    let back: Vec<&str> = back.trim_end_matches("\r\n").split("\r\n").collect();
    assert_eq!(back.len(), lines.len(), "header and bad lines");
    assert_eq!(back[0], format!("{},退回原因,Reasons", HEADER.trim_end()));
    assert!(
        back[1].starts_with(&format!("{one},40000001,南京第1公司,110105********0021,2,,")),
        "{}",
        back[1]
    );
    assert!(back[1].contains("出生日期不存在") && back[1].contains("does not exist"), "{}", back[1]);
    assert!(back.last().unwrap().starts_with("'=HYPERLINK(1),40000009,'@南京,"), "{}", back.last().unwrap());

    let path = format!("/api/v1/batches/{id}");
    assert_eq!(ca.call("officer", "DELETE", &path, None, None).unwrap()["title"], "auth.not-permitted");
    assert_eq!(ca.call("clerk", "DELETE", &path, None, None).unwrap(), Value::Null);
    let late =
        ca.post("clerk", &format!("{path}/submit"), &json!({ "cps": CPS, "documents": Ca::documents() }));
    assert_eq!(late["title"], "wrong-state", "{late}");

    // Corrected and sent again with the columns of reasons, as XLSX: numbers are numbers there.
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let header =
        ["统一社会信用代码", "劳动保障证号", "单位名称", "经办人身份证号", "年限", "退回原因", "Reasons"];
    for (column, name) in (0..).zip(header) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_string(1, 0, &one).unwrap().write_number(1, 1, 40_000_001).unwrap();
    sheet
        .write_string(1, 2, "南京第1公司")
        .unwrap()
        .write_string(1, 3, CARD)
        .unwrap()
        .write_number(1, 4, 2)
        .unwrap();
    sheet.write_string(2, 0, &two).unwrap().write_number(2, 1, 123).unwrap();
    sheet.write_string(2, 2, "南京第2公司").unwrap().write_number(2, 3, 110_105_194_912_310_028_f64).unwrap();
    sheet.write_number(2, 4, 1.5).unwrap();
    let made = send(ca, "again.xlsx", &book.save_to_buffer().unwrap());
    let view = ca.get("clerk", &format!("/api/v1/batches/{}", made["id"].as_str().unwrap()));
    assert_eq!(view["lines"][0]["verdict"], "good", "{view:#}");
    let rules: Vec<&Value> =
        view["lines"][1]["findings"].as_array().unwrap().iter().map(|one| &one["rule"]).collect();
    assert_eq!(rules, ["cell.leading-zeros", "cell.precision", "cell.number"], "{view:#}");
    let back = rejected(ca, made["id"].as_str().unwrap(), "rejected.xlsx");
    assert!(back.starts_with(b"PK"), "XLSX came, XLSX goes back");
}

fn rejected(ca: &Ca, id: &str, name: &str) -> Vec<u8> {
    let file = ca.path(name);
    api(ca, &["--output", &file, "GET", &format!("/api/v1/batches/{id}/rejected")]).unwrap();
    std::fs::read(PathBuf::from(file)).unwrap()
}

/// The check and the submission killed at every write, before and after its commit: each line has one application.
fn killed_and_begun_again(ca: &mut Ca) -> String {
    let text: String = (10..UNITS)
        .map(|number| line(number, 1 + number % 3, if number % 2 == 0 { "gulou" } else { "" }))
        .collect();
    // A look-alike that is the registered name: for a clerk to see.
    let odd = Ca::unit_body(&uscc(7_950), "40000950", "南京ＡＢ公司");
    assert!(ca.post("clerk", "/api/v1/units", &odd)["id"].is_string());
    let confirm = format!("/api/v1/agents/{}/units", ca.agent);
    ca.call("clerk", "PUT", &confirm, Some(&json!({ "uscc": uscc(7_950) })), None).unwrap();
    let odd = format!("{},40000950,南京ＡＢ公司,{CARD},1,\r\n", uscc(7_950));
    let octets = format!("{HEADER}{text}{odd}").into_bytes();

    let check = WriteSite::CheckBatch.name();
    let mut id = String::new();
    for point in [format!("{check}:before"), format!("{check}:after"), String::new()] {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        let answer = try_send(ca, "big.csv", &octets, "big");
        assert_eq!(answer.is_err(), !point.is_empty(), "{point}: {answer:?}");
        id = answer.unwrap_or_default()["id"].as_str().unwrap_or_default().to_owned();
    }
    assert_eq!(ca.rows("batch").len(), 3, "killed and sent again, it is there once");
    let path = format!("/api/v1/batches/{id}");
    let view = ca.get("clerk", &format!("{path}?verdict=review"));
    assert_eq!(
        (&view["good"], &view["review"], &view["bad"]),
        (&json!(UNITS - 10), &json!(1), &json!(0)),
        "{view:#}"
    );
    assert_eq!(view["lines"][0]["findings"][0]["rule"], "cell.look-alike");
    let odd = view["lines"][0]["line"].clone();

    let submit = format!("{path}/submit");
    let none = ca.post("clerk", &submit, &json!({ "cps": CPS, "documents": [] }));
    assert_eq!(none["title"], "document.missing", "{none}");
    let wrong = json!({ "cps": CPS, "documents": Ca::documents(), "reviewed": [2] });
    assert_eq!(ca.post("clerk", &submit, &wrong)["title"], "field.invalid");
    assert_eq!(ca.post("officer", &submit, &wrong)["title"], "auth.not-permitted");
    let body = json!({ "cps": CPS, "documents": Ca::documents(), "reviewed": [odd] });
    let lines = WriteSite::SubmitBatch.name();
    let points = [
        format!("{check}:before"),
        format!("{check}:after"),
        format!("{lines}:before"),
        format!("{lines}:after"),
        format!("{lines}:before:2"),
        format!("{lines}:after:2"),
        format!("{check}:before:2"),
        format!("{check}:after:2"),
    ];
    for point in points {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        let answer = ca.call("clerk", "POST", &submit, Some(&body), None);
        assert!(answer.is_err(), "{point}: {answer:?}");
        wait(10, "the end of the server", || ca.server_is_gone());
    }
    ca.serve(&[]);
    let other = json!({ "cps": CPS, "documents": documents("11") });
    assert_eq!(ca.post("clerk", &submit, &other)["title"], "batch.other-documents");
    let done = ca.post("clerk", &submit, &body);
    assert_eq!((&done["submitted"], &done["bad"]), (&json!(UNITS - 9), &json!(0)), "{done}");
    one_application_each(ca, &id);
    assert_eq!(ca.call("clerk", "DELETE", &path, None, None).unwrap()["title"], "wrong-state");

    // Between check and submission the gate may close: such a line comes back, too.
    let late = ca.post("clerk", "/api/v1/applications", &application(ca, 3));
    assert!(late["id"].is_string(), "{late}");
    let text = format!("{HEADER}{}{}", line(4, 1, ""), line(5, 1, ""));
    let made = send(ca, "late.csv", text.as_bytes())["id"].as_str().unwrap().to_owned();
    ca.post("clerk", "/api/v1/applications", &application(ca, 4));
    let done = ca.post(
        "clerk",
        &format!("/api/v1/batches/{made}/submit"),
        &json!({ "cps": CPS, "documents": Ca::documents() }),
    );
    assert_eq!((&done["submitted"], &done["bad"]), (&json!(1), &json!(1)), "{done}");
    let back = String::from_utf8(rejected(ca, &made, "late-back.csv")).unwrap();
    assert!(
        back.lines().nth(1).unwrap().contains("已有未办结的新办申请") && back.lines().count() == 2,
        "{back}"
    );
    let all_open = format!("{HEADER}{}", line(4, 1, ""));
    let made = send(ca, "open.csv", all_open.as_bytes())["id"].as_str().unwrap().to_owned();
    let nothing = ca.post(
        "clerk",
        &format!("/api/v1/batches/{made}/submit"),
        &json!({ "cps": CPS, "documents": Ca::documents() }),
    );
    assert_eq!(nothing["title"], "batch.nothing-to-submit", "{nothing}");
    id
}

fn documents(octet: &str) -> Value {
    let mut documents = Ca::documents();
    for document in documents.as_array_mut().unwrap() {
        document["sha256"] = json!(octet.repeat(32));
    }
    documents
}

fn application(ca: &Ca, number: u32) -> Value {
    let mut body = ca.application_body();
    body["uscc"] = json!(uscc(7_000 + number));
    body
}

fn one_application_each(ca: &Ca, id: &str) {
    let lines = ca.rows("batch_line");
    let lines: Vec<&Value> = lines.iter().filter(|line| line["batch"] == *id).collect();
    assert_eq!(lines.len(), usize::try_from(UNITS).unwrap() - 9);
    let mut of_unit: HashMap<String, Vec<String>> = HashMap::new();
    for row in ca.rows("application") {
        let unit = row["unit"].as_str().unwrap().to_owned();
        of_unit.entry(unit).or_default().push(row["id"].as_str().unwrap().to_owned());
    }
    for line in lines {
        let made = &of_unit[line["unit"].as_str().unwrap()];
        assert_eq!(made, &[line["application"].as_str().unwrap()], "{line}");
    }
    let orders = ca.rows("fee_order").len();
    assert_eq!(orders, ca.rows("application").len(), "an order each");
    // The usual way goes on from here, and whoever sent the list does not approve it.
    let first = ca.rows("batch_line").into_iter().find(|line| line["batch"] == *id).unwrap();
    let first = first["application"].as_str().unwrap().to_owned();
    let approved = ca.post("officer", &format!("/api/v1/applications/{first}/approval"), &Value::Null);
    assert_eq!(approved["state"], "approved", "{approved}");
}

/// Working days of the policy, from tomorrow on. (That the calendar is right, ca-core tests.)
fn working_days(count: usize) -> Vec<String> {
    days_that(true).take(count).collect()
}

fn days_that(work: bool) -> impl Iterator<Item = String> {
    let mut files = std::collections::BTreeMap::new();
    for folder in ["", "profiles/"] {
        for entry in std::fs::read_dir(root().join("policies").join(folder)).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = format!("{folder}{}", entry.file_name().to_str().unwrap());
                files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    let calendar = ca_core::Policies::parse(&files).unwrap().calendar().clone();
    let mut day = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::get("Asia/Shanghai").unwrap()).date();
    let days = std::iter::from_fn(move || {
        day = day.tomorrow().unwrap();
        Some(day)
    });
    days.filter(move |day| calendar.works(*day) == work).map(|day| day.to_string())
}

fn appointments(ca: &mut Ca, id: &str) {
    let path = "/api/v1/appointments";
    let day = working_days(40).pop().unwrap();
    let new = |slot: &str, day: &str| json!({ "counter": "gulou", "day": day, "slot": slot, "uscc": USCC, "purpose": "apply" });
    for (body, rule) in [
        (new("09:30", &day), "appointment.slot-unknown"),
        (new("09:00", "2020-01-02"), "appointment.day-past"),
        (new("09:00", "2099-01-02"), "appointment.day-past"),
        (new("09:00", "tomorrow"), "field.invalid"),
        (new("09:00", &days_that(false).next().unwrap()), "appointment.day-closed"),
        (
            json!({ "counter": "x", "day": day, "slot": "09:00", "uscc": USCC, "purpose": "apply" }),
            "counter.unknown",
        ),
        (
            json!({ "counter": "gulou", "day": day, "slot": "09:00", "uscc": uscc(1), "purpose": "apply" }),
            "unit.unknown",
        ),
        (
            json!({ "counter": "gulou", "day": day, "slot": "09:00", "uscc": USCC, "purpose": "tea" }),
            "field.invalid",
        ),
    ] {
        let problem = ca.post("clerk", path, &body);
        assert_eq!(problem["title"], rule, "{body}: {problem}");
    }
    // Four seats; six clerks at once: four get one.
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let ca = &*ca;
        let (new, day) = (&new, &day);
        let book = move |number: u32| insist(ca, path, &new("09:00", day), &format!("seat-{number}"));
        let tasks: Vec<_> = (0..6).map(|number| scope.spawn(move || book(number))).collect();
        tasks.into_iter().map(|task| task.join().unwrap()).collect()
    });
    let made: Vec<String> =
        answers.iter().filter_map(|answer| answer["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(made.len(), 4, "{answers:?}");
    let full = answers.iter().filter(|answer| answer["title"] == "appointment.full").count();
    assert_eq!(full, 2, "{answers:?}");
    let one = format!("{path}/{}", made[0]);
    let to = json!({ "counter": "gulou", "day": day, "slot": "10:00" });
    let moved = ca.call("clerk", "PUT", &one, Some(&to), None).unwrap();
    assert_eq!(moved["state"], "booked", "{moved}");
    assert!(ca.post("clerk", path, &new("09:00", &day))["id"].is_string(), "the seat is free again");
    let early = ca.post("clerk", &format!("{one}/result"), &json!({ "result": "kept" }));
    assert_eq!(early["title"], "appointment.day-to-come", "{early}");
    assert_eq!(ca.call("clerk", "DELETE", &one, None, None).unwrap(), Value::Null);
    assert_eq!(ca.call("clerk", "DELETE", &one, None, None).unwrap()["title"], "wrong-state");
    let listed = ca.get("officer", &format!("{path}?counter=gulou&day={day}"));
    let states: Vec<&str> =
        listed.as_array().unwrap().iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!((states.len(), states.iter().filter(|state| **state == "booked").count()), (5, 4), "{listed}");
    assert_eq!(ca.get("clerk", "/api/v1/counters").as_array().unwrap().len(), 2);
    assert_eq!(ca.post("officer", path, &new("11:00", &day))["title"], "auth.not-permitted");

    // The list's lines, half of them at a small counter: killed before and after a day's seats, then to the end.
    let plan = format!("/api/v1/batches/{id}/appointments");
    let body = json!({ "counter": "municipal", "from_day": working_days(1)[0] });
    let site = WriteSite::BookAppointment.name();
    for point in [format!("{site}:before"), format!("{site}:after"), format!("{site}:after:3")] {
        ca.serve(&[("QIANYIN_CRASH", &point)]);
        let answer = ca.call("clerk", "POST", &plan, Some(&body), None);
        assert!(answer.is_err(), "{point}: {answer:?}");
        wait(10, "the end of the server", || ca.server_is_gone());
    }
    ca.serve(&[]);
    let planned = ca.post("clerk", &plan, &body);
    assert!(planned["booked"].as_u64().unwrap() > 0, "{planned}");
    assert_eq!(ca.post("clerk", &plan, &body)["booked"], 0, "sent again it has nothing to do");
    let mut seats: HashMap<(String, String, String), usize> = HashMap::new();
    let mut applications = Vec::new();
    for row in ca.rows("appointment").iter().filter(|row| row["state"] == "booked") {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        *seats.entry((text("counter"), text("day"), text("slot"))).or_default() += 1;
        assert_eq!(row["estimated"] == 1, !text("day").starts_with("2026"), "{row}");
        if row["application"].is_string() {
            applications.push(text("application"));
        }
    }
    let all = applications.len();
    applications.sort();
    applications.dedup();
    assert_eq!((applications.len(), all), (usize::try_from(UNITS).unwrap() - 9, all), "one each");
    for ((counter, day, slot), taken) in &seats {
        assert!(*taken <= if counter == "gulou" { 4 } else { 12 }, "{counter} {day} {slot}: {taken}");
        let that_day =
            seats.iter().filter(|(key, _)| key.0 == *counter && key.1 == *day).map(|(_, taken)| taken);
        assert!(that_day.sum::<usize>() <= if counter == "gulou" { 10 } else { 60 }, "{counter} {day}");
    }

    let left = ca.get("officer", &format!("/api/v1/batches/{id}/remainder"));
    assert_eq!((&left["remaining"], &left["delivered"]), (&json!(UNITS - 9), &json!(0)), "{left}");
    assert_eq!(left["by_state"], json!({ "approved": 1, "submitted": UNITS - 10 }));
    assert_eq!(left["by_counter"], json!({ "gulou": (UNITS - 10) / 2, "municipal": (UNITS - 10) / 2 + 1 }));
    let file = ca.path("remainder.csv");
    let remainder = format!("/api/v1/batches/{id}/remainder");
    api(ca, &["--output", &file, "--accept", "text/csv", "GET", &remainder]).unwrap();
    let table = std::fs::read_to_string(&file).unwrap();
    assert_eq!(table.lines().count(), usize::try_from(UNITS).unwrap() - 8);
    assert!(table.starts_with("\u{feff}行 (line),状态 (state),窗口 (counter)"), "{table}");
    assert!(table.lines().nth(1).unwrap().contains(",approved,gulou,"), "{table}");
}

/// The same request with the same key until it is answered: programs that use one token at once disturb each other
/// before anything is sent.
fn insist(ca: &Ca, path: &str, body: &Value, key: &str) -> Value {
    for _ in 0..40 {
        if let Ok(answer) = ca.call("clerk", "POST", path, Some(body), Some(key)) {
            return answer;
        }
    }
    panic!("{path} is never answered");
}

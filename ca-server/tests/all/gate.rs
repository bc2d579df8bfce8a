//! The gate in every combination of what can be missing: what is refused names exactly what is missing and stands in the
//! log, and only the one combination without a lack makes an application.

use std::collections::BTreeSet;

use crate::support::{CPS, Ca, Database, text};
use serde_json::{Value, json};

/// By what is wrong with it: nothing, or the agency that insures it; the pair is confirmed or not.
const UNITS: [(&str, &str, &str, bool, bool); 4] = [
    ("91110000101623741K", "30000031", "nanjing", true, true),
    ("91350100M000100Y43", "30000032", "nanjing", true, false),
    ("91320106000000101L", "30000033", "jiangpu", false, true),
    ("12100000425006133D", "30000034", "jiangpu", false, false),
];

#[test]
fn every_combination() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    for (uscc, labour_no, agency, ..) in UNITS {
        let mut unit = Ca::unit_body(uscc, labour_no, "南京组合试验有限公司");
        unit["agency"] = json!(agency);
        assert!(ca.post("clerk", "/api/v1/units", &unit)["id"].is_string());
    }
    let agents = [agent(&ca, "110105199001010010", true), agent(&ca, "110105199001010029", false)];
    for (uscc, _, _, _, confirmed) in UNITS.iter().filter(|unit| unit.4) {
        for (agent, _) in &agents {
            let path = format!("/api/v1/agents/{agent}/units");
            ca.call("clerk", "PUT", &path, Some(&json!({ "uscc": uscc })), None).unwrap();
            assert!(confirmed);
        }
    }
    let mut refused = 0;
    for (uscc, _, _, eligible, confirmed) in UNITS {
        for (agent, qualified) in &agents {
            for papers in [true, false] {
                for statement in [true, false] {
                    let documents = if papers { Ca::documents() } else { json!([]) };
                    let cps = if statement { CPS } else { "2020-1" };
                    let body = json!({ "uscc": uscc, "agent": agent, "years": 1, "cps": cps, "documents": documents });
                    let answer = ca.post("clerk", "/api/v1/applications", &body);
                    let lacks: BTreeSet<&str> = [
                        (eligible, "unit.not-eligible"),
                        (*qualified, "agent.not-qualified"),
                        (confirmed, "agent.not-confirmed"),
                        (papers, "document.missing"),
                        (statement, "cps.outdated"),
                    ]
                    .into_iter()
                    .filter_map(|(there, lack)| (!there).then_some(lack))
                    .collect();
                    assert_eq!(said(&answer), lacks, "{answer}");
                    assert_eq!(answer["id"].is_string(), lacks.is_empty(), "{answer}");
                    refused += usize::from(!lacks.is_empty());
                }
            }
        }
    }
    assert_eq!(refused, 31);
    let list = ca.get("officer", "/api/v1/applications");
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    let log = text(&ca.ca_server(&["--json", "log", "show", "--limit", "100000"]));
    let of_entry = |line: &&str| line.contains("\"submit-application\"") && line.contains("\"rule\":\"");
    assert_eq!(log.lines().filter(of_entry).count(), refused, "every refusal stands in the log");
    ca.stop_server();
    ca.assert_audit_is_clean();
}

fn agent(ca: &Ca, id_card: &str, qualified: bool) -> (String, bool) {
    let made = ca.post("clerk", "/api/v1/agents", &json!({ "name": "孙组合", "id_card": id_card }));
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    if qualified {
        ca.call("officer", "PUT", &format!("/api/v1/agents/{id}/qualification"), None, None).unwrap();
    }
    (id, qualified)
}

/// The rules that an answer names: its own, or each of those that it lists.
fn said(answer: &Value) -> BTreeSet<&str> {
    match (answer["missing"].as_array(), answer["title"].as_str()) {
        (Some(parts), _) => parts.iter().map(|part| part["title"].as_str().unwrap()).collect(),
        (None, title) => title.into_iter().collect(),
    }
}

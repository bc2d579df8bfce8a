//! The key ceremony: a second one refuses and changes nothing; its report names the keys; a broken policy is named.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Ca, Database, text};

#[test]
fn a_second_ceremony_refuses_and_changes_nothing() {
    let ca = Ca::new(Database::Sqlite);
    let before = contents(&ca.dir);
    let plan = ca.path("ceremony.toml");
    for arguments in [&["init", "--dir", &ca.path("")][..], &["ceremony", &plan]] {
        let output = ca.ca_server(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("nothing was changed"), "{}", text(&output));
        assert_eq!(contents(&ca.dir), before, "{arguments:?} changed something");
    }
}

#[test]
fn the_report_names_who_and_what() {
    let ca = Ca::new(Database::Sqlite);
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(ca.dir.join("ceremony-report.json")).unwrap()).unwrap();
    assert_eq!(report["people"].as_array().unwrap().len(), 2);
    assert_eq!(report["tokens"].as_array().unwrap().len(), 2);
    for key in report["keys"].as_array().unwrap() {
        assert_eq!(key["sha256"].as_str().unwrap().len(), 64);
        for attribute in ["local", "always_sensitive", "never_extractable"] {
            assert_eq!(key[attribute], true, "{key}");
        }
    }
}

#[test]
fn a_broken_policy_is_named_with_file_and_line() {
    let ca = Ca::new(Database::Sqlite);
    let copied = ca.dir.join("policies");
    let copy = std::process::Command::new("cp")
        .arg("-r")
        .arg(crate::support::root().join("policies"))
        .arg(&copied)
        .status();
    assert!(copy.unwrap().success());
    let fees = std::fs::read_to_string(copied.join("fees.toml")).unwrap();
    std::fs::write(copied.join("fees.toml"), fees.replace("years-max = 3", "years-max = 0")).unwrap();
    let config = ca.dir.join("ca-server.toml");
    let content = std::fs::read_to_string(&config).unwrap();
    let changed: String = content
        .lines()
        .map(|line| {
            if line.starts_with("policies = ") {
                "policies = \"policies\"\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    std::fs::write(&config, changed).unwrap();
    let output = ca.ca_server(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("policies/fees.toml:") && text(&output).contains("years-max"),
        "{}",
        text(&output)
    );
}

/// Every file but the database's own bookkeeping, with what is in it.
pub(crate) fn contents(folder: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if !name.ends_with("-shm") && !name.ends_with("-wal") && !name.ends_with(".lock") {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}

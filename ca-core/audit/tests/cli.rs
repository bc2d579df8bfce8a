//! The program's exit status and output, without any certificate.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// Removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("ca-audit-{name}-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_ca-audit"))
        .args(arguments)
        .env("LANG", "en_GB.UTF-8")
        .output()
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const UNIT: &str = "{\"table\":\"unit\",\"id\":\"1\",\"code\":\"2\"}\n";

#[test]
fn no_finding_is_0() {
    let folder = Folder::new("clean");
    let export = folder.write("export.jsonl", UNIT);
    let (status, out, err) = run(&["check", &export]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out.lines().filter(|line| line.contains(" pass  ")).count(), 10, "{out}");
    assert!(out.contains("signature not checked"), "{out}");
    assert!(out.ends_with("0 findings\n"), "{out}");
}

#[test]
fn findings_are_1() {
    let folder = Folder::new("spoiled");
    let export = folder.write("export.jsonl", &format!("{UNIT}{UNIT}{{\"table\":\n"));
    let (status, out, _) = run(&["check", &export, "--lang", "zh"]);
    assert_eq!(status, 1);
    assert!(out.contains("unit 1 重复出现"), "{out}");
    assert!(out.contains("line 3 不是一行有效记录"), "{out}");
    assert!(out.ends_with("发现 2 处问题\n"), "{out}");

    let (status, out, _) = run(&["check", &export, "--json"]);
    assert_eq!(status, 1);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["findings"], 2);
    assert_eq!(report["rules"][0]["outcome"], "failed");
    assert_eq!(report["rules"][0]["findings"][0]["code"], "twice");
    assert_eq!(report["summary"]["paid"], "¥0.00");
}

#[test]
fn an_empty_export_is_a_finding() {
    let folder = Folder::new("empty");
    let export = folder.write("export.jsonl", "");
    assert_eq!(run(&["check", &export]).0, 1);
}

#[test]
fn usage_is_2_and_unreadable_files_are_1() {
    let folder = Folder::new("usage");
    let export = folder.write("export.jsonl", UNIT);
    let absent = folder.0.join("absent").to_str().unwrap().to_owned();
    for arguments in
        [&["check"][..], &["check", &export, "--unknown"], &[], &["check", &export, "--lang", "fr"]]
    {
        assert_eq!(run(arguments).0, 2, "{arguments:?}");
    }
    let (status, _, err) = run(&["check", &absent]);
    assert_eq!(status, 1);
    assert!(err.contains("cannot be read"), "{err}");
    let (status, _, err) = run(&["check", &export, "--root", &export, "--lang", "zh"]);
    assert_eq!(status, 1);
    assert!(err.contains("不是单个 PEM 证书"), "{err}");
}

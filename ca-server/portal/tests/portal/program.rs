//! The program as people start it, and curl as they ask it.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use crate::{
    pki::{USCC, reason},
    site::{Site, eventually, pem},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portal");

/// Killed when a test ends early.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn curl(folder: &Path, url: &str, identity: bool) -> Output {
    let mut command = tokio::process::Command::new("curl");
    command.args(["-sS", "--max-time", "10", "--cacert", "root.pem", "-H", "Accept: application/json"]);
    command.args(["-w", "\n%{http_code}"]).current_dir(folder);
    if identity {
        command.args(["--cert", "unit.pem", "--key", "unit.key"]);
    }
    command.arg(url).output().await.unwrap()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

#[tokio::test]
async fn curl_logs_in_is_refused_and_leaves_a_trace() {
    let site = Site::new().await;
    let folder = site.folder.path();
    let (leaf, key) = site.unit_files(|_| {});
    site.folder.write("unit.pem", &pem(&[&leaf]));
    site.folder.write("unit.key", &key.serialize_pem());
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let child = Command::new(PROGRAM)
        .args(["serve", "--config"])
        .arg(site.config_path())
        .arg("--ready-file")
        .arg(folder.join("ready"))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut child = Running(child);
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("portal ready ").unwrap().to_owned();
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let ready = std::fs::read_to_string(folder.join("ready")).unwrap();
    assert_eq!(url, format!("https://{}", ready.trim()));

    let accepted = curl(folder, &url, true).await;
    assert!(accepted.status.success(), "{}", text(&accepted.stderr));
    assert!(text(&accepted.stdout).contains(USCC) && text(&accepted.stdout).ends_with("\n200"));
    assert!(text(&curl(folder, &url, false).await.stdout).ends_with("\n401"));

    site.list(2, &[reason(1)]);
    eventually("curl is refused", || async {
        text(&curl(folder, &url, true).await.stdout).ends_with("\n403")
    })
    .await;

    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.0.wait().unwrap().success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line on standard output");

    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    let logins: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["target"] == "login")
        .collect();
    let of = |code: &str| logins.iter().find(|line| line["code"] == code).unwrap();
    assert_eq!((&of("good")["decision"], &of("good")["uscc"]), (&"accepted".into(), &USCC.into()));
    assert_eq!(of("good")["serial"], "0102030405060708090a0b0c0d0e0f101112");
    assert_eq!(
        (&of("revoked")["decision"], &of("no-certificate")["serial"]),
        (&"refused".into(), &"".into())
    );
    assert!(!log.contains("福州签印"), "no names");
}

fn run(arguments: &[&str], locale: &str) -> Output {
    Command::new(PROGRAM).args(arguments).env("LC_ALL", locale).env_remove("PORTAL_LANG").output().unwrap()
}

#[tokio::test]
async fn failures_say_what_to_do_in_either_language() {
    let site = Site::new().await;
    let config = site.write_config("connections_max = 0");
    let config = config.to_str().unwrap();
    for (arguments, locale, words) in [
        (&["serve", "--config", config][..], "C", "有误"),
        (&["serve", "--config", config], "en_US.UTF-8", "start again"),
        (&["serve", "--config", config, "--lang", "en"], "zh_CN.UTF-8", "start again"),
        (&["--lang", "zh", "--json", "serve", "--config", config], "C", "\"error\""),
    ] {
        let output = run(arguments, locale);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = text(&output.stderr);
        assert!(error.contains(words) && error.contains("connections_max"), "{error}");
    }
}

#[test]
fn usage_is_exit_code_2_and_help_is_complete() {
    for arguments in [&[][..], &["serve"], &["serve", "--port", "1"], &["sing"]] {
        assert_eq!(run(arguments, "C").status.code(), Some(2), "{arguments:?}");
    }
    let help = run(&["serve", "--help"], "C");
    assert!(help.status.success());
    for option in ["--config", "--listen", "--poll-ms", "--ready-file", "--lang", "--json", "PORTAL_CONFIG"] {
        assert!(text(&help.stdout).contains(option), "{option}");
    }
}

#[tokio::test]
async fn the_environment_overrides_the_file() {
    let site = Site::new().await;
    let output = Command::new(PROGRAM)
        .args(["--lang", "en", "serve"])
        .env("PORTAL_CONFIG", site.config_path())
        .env("PORTAL_LISTEN", "nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("listen: \"nowhere\""), "{}", text(&output.stderr));
}

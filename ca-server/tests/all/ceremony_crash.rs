//! The key ceremony killed with SIGKILL at every file, token, key, write and signature, one after the other in the
//! same folder: each run begins with what the runs before it left. Then one run to its end, and there is exactly one
//! CA, which works. After the last commit, and only then, another run refuses.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt};

use ca_store::WriteSite;
use serde_json::Value;

use crate::{
    ceremony::contents,
    support::{Ca, Database, MODULE, curl, openssl, rows, text},
};

/// Files of a ceremony: two TLS keys, six PEM files, the server's configuration, the report.
const FILES: usize = 10;
/// Secrets, root, issuing, OCSP, log.
const KEYS: usize = 5;
/// Root, issuing CA, OCSP signer, server, portal; the root's CRL is one more signature.
const CERTIFICATES: usize = 5;

#[test]
fn killed_anywhere_before_its_commit_the_ceremony_is_held_again_on_sqlite() {
    killed_before_its_commit(Database::Sqlite);
}

#[test]
fn killed_anywhere_before_its_commit_the_ceremony_is_held_again_on_postgres() {
    killed_before_its_commit(Database::Postgres);
}

#[test]
fn killed_after_its_commit_the_ceremony_has_been_held_on_sqlite() {
    killed_after_its_commit(Database::Sqlite);
}

#[test]
fn killed_after_its_commit_the_ceremony_has_been_held_on_postgres() {
    killed_after_its_commit(Database::Postgres);
}

#[test]
fn a_plan_with_relative_paths_is_the_same_plan_wherever_it_is_called_from() {
    let ca = Ca::bare(Database::Sqlite);
    assert_killed(&ca, &["init", "--dir", &ca.path("")], "append-audit:before");
    let mut plan: toml::Table =
        std::fs::read_to_string(ca.dir.join("ceremony.toml")).unwrap().parse().unwrap();
    plan.insert("output".to_owned(), "out".into());
    plan.insert("database".to_owned(), "sqlite:ca.db".into());
    for token in ["root", "issuing"] {
        let file = format!("hsm/qianyin-{token}.pin");
        plan[token].as_table_mut().unwrap().insert("pin_file".to_owned(), file.into());
    }
    std::fs::write(ca.dir.join("relative.toml"), plan.to_string()).unwrap();
    let run = |plan: &str, crash: &str| {
        let mut command = ca.ca_server_command(&["ceremony", plan]);
        command.current_dir(&ca.dir).env("QIANYIN_CRASH", crash).output().unwrap()
    };
    assert_eq!(run("relative.toml", "make-key:after:3").status.signal(), Some(9));
    assert_eq!(run("hsm/.././relative.toml", "make-key:after:3").status.signal(), Some(9));
    let held = run("./relative.toml", "nowhere:before");
    assert!(held.status.success(), "{}", text(&held));
    let doctor = text(&ca.ca_server(&["doctor", "--config", &ca.path("out/ca-server.toml")]));
    assert!(doctor.contains("策略、数据库、密码卡正常"), "{doctor}");
}

fn killed_before_its_commit(database: Database) {
    let mut ca = Ca::bare(database);
    let dir = ca.path("");
    for point in before_the_plan() {
        assert_killed(&ca, &["init", "--dir", &dir], &point);
    }
    let plan = ca.path("ceremony.toml");
    assert!(ca.dir.join("ceremony.toml").exists());
    for (number, point) in before_the_commit().iter().enumerate() {
        let command = if number % 2 == 0 { &["init", "--dir", &dir][..] } else { &["ceremony", &plan] };
        assert_killed(&ca, command, point);
    }
    // One signature more than there are: the list above has them all.
    let beyond = format!("sign:before:{}", CERTIFICATES + 2);
    let output = ca.ca_server_command(&["ceremony", &plan]).env("QIANYIN_CRASH", beyond).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_there_is_one_ca(&mut ca);
}

fn killed_after_its_commit(database: Database) {
    let mut ca = Ca::bare(database);
    let (dir, plan) = (ca.path(""), ca.path("ceremony.toml"));
    assert_killed(&ca, &["init", "--dir", &dir], &format!("{}:after", WriteSite::Ceremony.name()));
    let left = left(&ca);
    for again in [&["init", "--dir", &dir][..], &["ceremony", &plan]] {
        let output = ca.ca_server(again);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("nothing was changed"), "{}", text(&output));
        assert!(self::left(&ca) == left, "{again:?} changed something");
    }
    assert_there_is_one_ca(&mut ca);
}

/// Every file, and the rows instead of the database's file, which a crash leaves to be tidied up by the next reader.
fn left(ca: &Ca) -> (Vec<Value>, BTreeMap<String, Vec<u8>>) {
    let rows = rows(ca);
    let mut files = contents(&ca.dir);
    files.remove(&ca.path("ca.db"));
    (rows, files)
}

/// Where `init` dies before the ceremony: a run keeps the PIN files of the run before, so each is the second to be
/// written when its turn comes.
fn before_the_plan() -> Vec<String> {
    let mut points = vec!["write-file:before:1".to_owned(), "write-file:after:1".to_owned()];
    for token in ["root", "issuing"] {
        for _pin in ["user", "so"] {
            points.extend(["write-file:before:2", "write-file:after:2"].map(str::to_owned));
        }
        points.push(format!("init-token:after:{}", if token == "root" { 1 } else { 2 }));
    }
    points.extend(["write-file:before:2", "write-file:after:2"].map(str::to_owned));
    points.extend(["write-file:before:3", "write-file:after:3"].map(str::to_owned));
    points
}

fn before_the_commit() -> Vec<String> {
    let both = |name: &str, times: usize| {
        (1..=times)
            .flat_map(|time| ["before", "after"].map(|when| format!("{name}:{when}:{time}")))
            .collect::<Vec<_>>()
    };
    let mut points = both(WriteSite::AppendAudit.name(), 1);
    points.extend((1..=KEYS).map(|key| format!("make-key:after:{key}")));
    points.extend(both(WriteSite::RecordIntent.name(), CERTIFICATES));
    points.extend(both("sign", CERTIFICATES + 1));
    points.extend(both("write-file", FILES));
    points.push(format!("{}:before", WriteSite::Ceremony.name()));
    points
}

fn assert_killed(ca: &Ca, arguments: &[&str], point: &str) {
    let output = ca.ca_server_command(arguments).env("QIANYIN_CRASH", point).output().unwrap();
    assert_eq!(output.status.signal(), Some(9), "{point} {arguments:?}: {}", text(&output));
}

/// Its tokens have its keys and no others; it serves; what the broken runs intended is burned.
fn assert_there_is_one_ca(ca: &mut Ca) {
    ca.read_ports();
    assert_eq!(keys_on(ca, "qianyin-root"), ["root private", "root public"]);
    let pairs = ["issuing", "log", "ocsp"].map(|key| [format!("{key} private"), format!("{key} public")]);
    let mut expected = pairs.concat();
    expected.push("secrets secret".to_owned());
    assert_eq!(keys_on(ca, "qianyin-issuing"), expected);
    // Both start only when their keys are those of their certificates.
    ca.serve(&[]);
    ca.start_portal();
    let (root, issuing, crl) = (ca.path("root.pem"), ca.path("issuing.pem"), ca.path("root.crl"));
    let url = format!("https://{}/api/openapi.json", ca.https);
    let answer = curl(&["-fsS", "-o", "/dev/null", "--cacert", &root, &url]);
    assert!(answer.status.success(), "{}", text(&answer));
    let fetched = curl(&["-fsS", "-o", &crl, &format!("http://{}/crl/root/0.crl", ca.http)]);
    assert!(fetched.status.success(), "{}", text(&fetched));
    let verified =
        openssl(&["verify", "-x509_strict", "-CRLfile", &crl, "-crl_check", "-CAfile", &root, &issuing]);
    assert!(verified.status.success(), "{}", text(&verified));
    ca.stop_others();
    ca.stop_server();
    let export = rows(ca);
    let count = |table: &str| export.iter().filter(|row| row["table"] == table).count();
    let burned = export.iter().filter(|row| row["table"] == "status" && row["state"] == "burned").count();
    assert_eq!(count("certificate"), CERTIFICATES);
    assert_eq!(count("intent"), CERTIFICATES + burned, "an intent has neither certificate nor end");
    assert_eq!(count("ca_certificate"), CERTIFICATES);
    ca.assert_audit_is_clean();
}

/// Label and class of each key on a token, sorted.
fn keys_on(ca: &Ca, token: &str) -> Vec<String> {
    let pin = std::fs::read_to_string(ca.dir.join(format!("hsm/{token}.pin"))).unwrap();
    let mut command = std::process::Command::new("pkcs11-tool");
    command.args(["--module", MODULE, "--token-label", token, "--login", "--pin", &pin, "--list-objects"]);
    let output = command.env("SOFTHSM2_CONF", ca.dir.join("hsm/softhsm2.conf")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut class = "";
    let mut keys = Vec::new();
    for line in listed.lines() {
        if let Some((kind, _)) = line.split_once(" Key Object") {
            class = kind;
        } else if let Some(label) = line.trim().strip_prefix("label:") {
            keys.push(format!("{} {}", label.trim(), class.to_lowercase()));
        }
    }
    keys.sort_unstable();
    keys
}

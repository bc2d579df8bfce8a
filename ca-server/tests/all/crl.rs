//! CRLs in shards, as clients fetch them; and what keeps a CRL that does not follow from being published.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::Value;

use crate::support::{Ca, Database, curl, openssl, text, wait};

#[test]
fn shards_on_sqlite() {
    shards(Database::Sqlite);
}

#[test]
fn shards_on_postgres() {
    shards(Database::Postgres);
}

#[test]
fn what_does_not_follow_is_not_published_on_sqlite() {
    what_does_not_follow_is_not_published(Database::Sqlite);
}

#[test]
fn what_does_not_follow_is_not_published_on_postgres() {
    what_does_not_follow_is_not_published(Database::Postgres);
}

/// A certificate names its own CRL, which alone moves with it; one that was issued before there were shards keeps its own.
fn shards(database: Database) {
    let mut ca = Ca::new(database);
    // Before there were shards.
    add_burned(&ca, 0, 100..101);
    ca.change_policy("status.toml", "crl-shards = 1", "crl-shards = 3");
    ca.serve(&[]);
    ca.start_counter(&[]);
    let (_, serial, _) = ca.issue();
    let octets = u16::from_str_radix(&serial[2..6], 16).unwrap();
    let own = shard(&ca);
    assert_eq!(own, octets % 3);
    let before = numbers(&ca);
    assert_eq!(before.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    assert!(lists(&ca, own, &serial));
    assert!((0..3).filter(|one| *one != own).all(|one| !lists(&ca, one, &serial)));

    ca.revoke(&serial, "keyCompromise");
    wait(30, "the next CRL", || numbers(&ca)[&own] > before[&own]);
    let after = numbers(&ca);
    for other in (0..3).filter(|one| *one != own) {
        assert_eq!(after[&other], before[&other], "nothing moved there");
    }
    verified_by_its_own(&ca, own);
    asked_again(&ca, own);

    // Fewer: what was issued keeps its CRL, and it goes on.
    ca.stop_others();
    ca.stop_server();
    ca.change_policy("status.toml", "crl-shards = 3", "crl-shards = 1");
    ca.serve(&[]);
    let before = numbers(&ca);
    add_burned(&ca, 2, 101..102);
    wait(30, "the next CRL of the last", || numbers(&ca)[&2] > before[&2]);
    assert_eq!(numbers(&ca).len(), 3);
    assert!(lists(&ca, own, &serial) && lists(&ca, 0, &burned(100)) && lists(&ca, 2, &burned(101)));
    let missing = text(&curl(&["-s", "-o", "/dev/null", "-w", "%{http_code}", &url(&ca, 3)]));
    assert_eq!(missing, "404");
}

/// `openssl verify` with the CRL that the certificate names, and with one that is not meant for it.
fn verified_by_its_own(ca: &Ca, own: u16) {
    let verify = |shard| {
        let (der, file) = (ca.path("shard.der"), ca.path("shard.crl"));
        assert!(curl(&["-fsS", "-o", &der, &url(ca, shard)]).status.success());
        assert!(openssl(&["crl", "-inform", "DER", "-in", &der, "-out", &file]).status.success());
        let (root, issuing, unit) = (ca.path("root.pem"), ca.path("issuing.pem"), ca.path("unit.pem"));
        let check = ["verify", "-CRLfile", &file, "-crl_check", "-CAfile", &root, "-untrusted", &issuing];
        text(&openssl(&[&check[..], &[&unit]].concat()))
    };
    assert!(verify(own).contains("certificate revoked"), "{}", verify(own));
    let other = verify((own + 1) % 3);
    assert!(
        other.contains("unable to get certificate CRL") || other.contains("different CRL scope"),
        "{other}"
    );
}

/// RFC 9110 §13: what a client has is not sent again, by tag or by time; compressed for whoever takes it.
fn asked_again(ca: &Ca, own: u16) {
    add_burned(ca, own, 1..60);
    let url = url(ca, own);
    let address = url.as_str();
    wait(30, "the added ones", || {
        text(&curl(&["-fsSI", address])).contains("content-length: ") && lists(ca, own, &burned(59))
    });
    let status = |more: &[&str]| {
        text(&curl(&[&["-s", "-o", "/dev/null", "-w", "%{http_code}"], more, &[address]].concat()))
    };
    let head = text(&curl(&["-fsSI", address]));
    let field = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{head}"));
        line.trim().to_owned()
    };
    let (tag, modified) = (field("etag: "), field("last-modified: "));
    assert_eq!(field("vary: "), "accept-encoding");
    let conditions = |none_match: &str, since: &str| {
        let tags = format!("If-None-Match: {none_match}");
        let times = format!("If-Modified-Since: {since}");
        (status(&["-H", &tags]), status(&["-H", &times]), status(&["-H", &tags, "-H", &times]))
    };
    let seen = ("304".to_owned(), "304".to_owned(), "304".to_owned());
    assert_eq!(conditions(&tag, &modified), seen);
    assert_eq!(conditions(&format!("\"x\", W/{tag}"), &modified), seen);
    let other = "Thu, 01 Jan 2026 00:00:00 GMT";
    assert_eq!(conditions("\"x\"", other), ("200".to_owned(), "200".to_owned(), "200".to_owned()));
    assert_eq!(
        status(&["-H", "If-None-Match: \"x\"", "-H", &format!("If-Modified-Since: {modified}")]),
        "200"
    );

    let (plain, zipped) = (ca.path("plain.crl"), ca.path("zipped.crl"));
    assert!(curl(&["-fsS", "-o", &plain, address]).status.success());
    let sent =
        ["-fsS", "--compressed", "-D", &ca.path("head"), "-w", "%{size_download}", "-o", &zipped, address];
    let octets: usize = text(&curl(&sent)).parse().unwrap();
    let (plain, zipped) = (std::fs::read(plain).unwrap(), std::fs::read(zipped).unwrap());
    assert_eq!(plain, zipped);
    assert!(octets < plain.len(), "{octets} of {}", plain.len());
    let head = std::fs::read_to_string(ca.path("head")).unwrap();
    assert!(head.contains("content-encoding: gzip") && !head.contains(&tag), "{head}");
    for refused in ["identity", "gzip;q=0", "br", "gzip;q=x"] {
        let head = text(&curl(&["-fsSI", "-H", &format!("Accept-Encoding: {refused}"), address]));
        assert!(!head.contains("content-encoding"), "{head}");
    }
}

/// The database loses what a CRL listed: the last CRL stays, the log and the figures say so, and all is well when it is back.
fn what_does_not_follow_is_not_published(database: Database) {
    let mut ca = Ca::new(database);
    add_burned(&ca, 0, 1..9);
    ca.serve(&[]);
    assert!(lists(&ca, 0, &burned(8)));
    let number = numbers(&ca)[&0];
    remove_burned(&ca, 0, 3..5);
    wait(30, "a refusal", || refusals(&ca) > 0);
    assert_eq!(numbers(&ca)[&0], number);
    assert!(lists(&ca, 0, &burned(4)), "what is served stays");
    let log = ca.rows("audit");
    let refused: Vec<&Value> = log.iter().filter(|entry| entry["rule"] == "crl.guard").collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].to_string().contains(&burned(3)), "{}", refused[0]);
    assert_eq!(
        text(&curl(&["-s", "-o", "/dev/null", "-w", "%{http_code}", &format!("http://{}/readyz", ca.http)])),
        "200"
    );

    add_burned(&ca, 0, 3..5);
    wait(90, "the next CRL", || numbers(&ca)[&0] > number && refusals(&ca) == 0);
    // What went before a restart counts, too; the server starts, and serves what it can stand by.
    ca.stop_server();
    remove_burned(&ca, 0, 8..9);
    ca.serve(&[]);
    let number = numbers(&ca)[&0];
    wait(60, "a refusal", || refusals(&ca) > 0);
    assert_eq!(numbers(&ca)[&0], number);
    assert!(lists(&ca, 0, &burned(8)));
}

fn url(ca: &Ca, shard: u16) -> String {
    format!("http://{}/crl/issuing/{shard}.crl", ca.http)
}

/// The shard that `unit.pem` names.
fn shard(ca: &Ca) -> u16 {
    let printed =
        text(&openssl(&["x509", "-in", &ca.path("unit.pem"), "-noout", "-ext", "crlDistributionPoints"]));
    let named = printed.split("/crl/issuing/").nth(1).unwrap_or_else(|| panic!("{printed}"));
    named.split(".crl").next().unwrap().parse().unwrap()
}

fn lists(ca: &Ca, shard: u16, serial: &str) -> bool {
    let der = ca.path("listed.der");
    assert!(curl(&["-fsS", "-o", &der, &url(ca, shard)]).status.success());
    let printed = text(&openssl(&["crl", "-inform", "DER", "-in", &der, "-noout", "-text"]));
    printed.contains(&format!("Serial Number: {}", serial.to_uppercase()))
}

fn metric(ca: &Ca, name: &str) -> BTreeMap<u16, i64> {
    let metrics = text(&curl(&["-fsS", &format!("http://{}/metrics", ca.http)]));
    let prefix = format!("{name}{{shard=\"");
    let values = metrics.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
    values.map(|(shard, value)| (shard.parse().unwrap(), value.parse().unwrap())).collect()
}

fn numbers(ca: &Ca) -> BTreeMap<u16, i64> {
    metric(ca, "qianyin_crl_number")
}

fn refusals(ca: &Ca) -> i64 {
    metric(ca, "qianyin_crl_refused").values().sum()
}

/// A serial number that no random one is.
fn burned(number: u32) -> String {
    format!("01{number:034x}")
}

/// Rows as of certificates whose signing was cut short, past the programs.
fn add_burned(ca: &Ca, shard: u16, numbers: std::ops::Range<u32>) {
    let mut statements = String::new();
    for number in numbers {
        let serial = literal(ca, &burned(number));
        let end = 4_000_000_000_000_i64;
        writeln!(
            statements,
            "INSERT INTO status (serial, issuer, shard, not_after, changed_at, state, epoch) VALUES \
             ({serial}, 'issuing', {shard}, {end}, 1790000000000, 'burned', (SELECT epoch + 1 FROM status_epoch));"
        )
        .unwrap();
    }
    let free = without_references(ca);
    ca.sql(&format!("{free}; BEGIN; {statements} UPDATE status_epoch SET epoch = epoch + 1; COMMIT;"));
}

fn without_references(ca: &Ca) -> &'static str {
    if ca.database_url.is_some() {
        "SET session_replication_role = replica"
    } else {
        "PRAGMA foreign_keys = OFF"
    }
}

/// Rows that are lost; something else of the shard moves.
fn remove_burned(ca: &Ca, shard: u16, numbers: std::ops::Range<u32>) {
    let serials: Vec<String> = numbers.map(|number| literal(ca, &burned(number))).collect();
    ca.sql(&format!(
        "BEGIN; DELETE FROM status WHERE serial IN ({}); UPDATE status_epoch SET epoch = epoch + 1; \
         UPDATE status SET epoch = (SELECT epoch FROM status_epoch) WHERE shard = {shard}; COMMIT;",
        serials.join(", ")
    ));
}

fn literal(ca: &Ca, hex: &str) -> String {
    if ca.database_url.is_some() { format!("'\\x{hex}'") } else { format!("X'{hex}'") }
}

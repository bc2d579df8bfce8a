//! An issuing line among people who pull tokens out, and a workstation that is killed: every application ends with one good
//! certificate and no other, money and stock are right. `QIANYIN_TOKENS` tokens and `QIANYIN_POINTS` disturbances at least.

use std::{
    fs,
    time::{Duration, Instant},
};

use ca_core::LineItemState;
use ca_store::LineItem;
use serde_json::{Value, json};

use crate::support::{Ca, Database, MODULE, WORKSTATION, rows, wait};

const PATH: &str = "/api/v1/workstations/counter-1/line";

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |text| text.parse().unwrap())
}

#[test]
fn at_any_moment() {
    let (tokens, points) = (number("QIANYIN_TOKENS", 4), number("QIANYIN_POINTS", 24));
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    let mut applications: Vec<String> = (0..tokens).map(|_| ca.paid_application()).collect();
    for _ in 0..tokens {
        ca.blank_token();
    }
    let mut crowd = Crowd::new(&ca);
    start(&mut ca);
    begin(&ca, &applications);
    let begun = Instant::now();
    let (mut idle, mut spoiled) = (begun, 0);
    let seconds = 120 + 20 * u64::try_from(tokens).unwrap() + u64::try_from(points).unwrap();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "{} points in {seconds} s", crowd.points);
        let items = items(&ca);
        let unfinished = items
            .iter()
            .any(|item| matches!(item.state, LineItemState::Waiting | LineItemState::Working { .. }));
        if unfinished {
            // Enough disturbed: the rest may be made in peace.
            // Every token that is left failed in this line: the clerk ends it, and begins another one.
            idle = if items.iter().any(|item| matches!(item.state, LineItemState::Working { .. })) {
                Instant::now()
            } else {
                idle
            };
            if idle.elapsed() > Duration::from_secs(20) {
                ca.call("clerk", "DELETE", PATH, None, None).unwrap();
                idle = Instant::now();
            }
            if ca.an_other_has_ended() {
                ca.stop_others();
                start(&mut ca);
            }
            if crowd.points < points {
                crowd.disturb(&mut ca, &items);
            } else {
                std::thread::sleep(Duration::from_millis(200));
            }
            continue;
        }
        wait(20, "the end of the line", || ca.get("auditor", PATH)["ended_at"].is_string());
        let mut left: Vec<String> =
            applications.iter().filter(|id| ca.application(id)["state"] == "paid").cloned().collect();
        if left.is_empty() {
            if crowd.points >= points {
                break;
            }
            // All were made before there was enough trouble: one more.
            left.push(ca.paid_application());
            applications.extend(left.clone());
            ca.blank_token();
        }
        spoiled += replace_dead(&ca);
        begin(&ca, &left);
    }
    println!(
        "{} tokens, {} pulled out, {} killed, {spoiled} dead of it, in {:?}",
        applications.len(),
        crowd.pulled,
        crowd.killed,
        begun.elapsed()
    );
    ca.stop_others();
    ca.stop_server();
    ca.assert_audit_is_clean();
    one_certificate_each(&ca, &applications, spoiled);
}

fn start(ca: &mut Ca) {
    let module = p11_fault::shared_library().unwrap();
    let gone = ca.path("gone");
    let module = module.to_str().unwrap();
    ca.start_counter(&[("PKCS11_MODULE", module), ("P11_FAULT_MODULE", MODULE), ("P11_FAULT_GONE", &gone)]);
}

fn begin(ca: &Ca, applications: &[String]) {
    let begun = ca.post("clerk", PATH, &json!({ "applications": applications }));
    assert!(begun["id"].is_string(), "{begun}");
}

/// SoftHSM's memory is a file that it empties before it writes: killed between the two, a token is dead and not shown any
/// more. At a counter it is called spoiled, and another one is taken out of the box.
fn replace_dead(ca: &Ca) -> usize {
    let shown = ca.tokens_shown();
    let stock = rows(ca);
    let blank = stock.iter().filter(|row| row["table"] == "token" && row["state"] == "blank");
    let dead = blank
        .map(|row| row["serial"].as_str().unwrap())
        .filter(|serial| !shown.iter().any(|one| one == serial));
    let mut count = 0;
    for serial in dead {
        let said =
            ca.post("clerk", &format!("/api/v1/tokens/{serial}/spoiled"), &json!({ "reasons": "不再识别" }));
        assert_eq!(said["state"], "spoiled", "{said}");
        ca.blank_token();
        count += 1;
    }
    count
}

/// As the database has it: asking the server through a token takes longer than most of what is disturbed here.
fn items(ca: &Ca) -> Vec<LineItem> {
    let store = ca.store();
    let line = store.read(|reader| reader.last_line(WORKSTATION)).unwrap().unwrap();
    store.read(|reader| reader.line_items(&line.id)).unwrap()
}

/// Who pulls tokens out, and the power cut. The same numbers each time.
struct Crowd {
    random: u64,
    gone: String,
    points: usize,
    pulled: usize,
    killed: usize,
}

impl Crowd {
    fn new(ca: &Ca) -> Self {
        fs::write(ca.path("gone"), "no token").unwrap();
        Self { random: 0x9e37_79b9_7f4a_7c15, gone: ca.path("gone"), points: 0, pulled: 0, killed: 0 }
    }

    /// Xorshift: no luck is needed, only no pattern.
    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn disturb(&mut self, ca: &mut Ca, items: &[LineItem]) {
        std::thread::sleep(Duration::from_millis(self.next(250)));
        let working = items.iter().find_map(|item| match &item.state {
            LineItemState::Working { token } => Some(token.clone()),
            _ => None,
        });
        if self.next(8) == 0 {
            self.points += 1;
            self.killed += 1;
            ca.stop_others();
            start(ca);
        } else if let Some(token) = working {
            self.points += 1;
            self.pulled += 1;
            fs::write(&self.gone, &token).unwrap();
            std::thread::sleep(Duration::from_millis(self.next(500)));
            fs::write(&self.gone, "no token").unwrap();
        }
    }
}

fn one_certificate_each(ca: &Ca, applications: &[String], spoiled: usize) {
    let rows = rows(ca);
    let of = |table: &str| -> Vec<&Value> { rows.iter().filter(|row| row["table"] == *table).collect() };
    let (certificates, statuses, tokens) = (of("certificate"), of("status"), of("token"));
    for application in applications {
        let serials: Vec<&Value> = certificates
            .iter()
            .filter(|row| row["application"] == *application.as_str())
            .map(|row| &row["serial"])
            .collect();
        let usable: Vec<&&Value> = statuses
            .iter()
            .filter(|row| {
                serials.contains(&&row["serial"]) && row["state"] != "revoked" && row["state"] != "burned"
            })
            .collect();
        assert_eq!(usable.len(), 1, "{application}: {usable:?}");
        let carriers = tokens.iter().filter(|token| token["certificate"] == usable[0]["serial"]);
        assert!(carriers.map(|token| &token["state"]).eq(["personalised"]), "{application}");
    }
    let count = |state: &str| tokens.iter().filter(|token| token["state"] == *state).count();
    assert_eq!((count("personalised"), count("spoiled")), (applications.len(), spoiled));
    assert_eq!(tokens.len(), applications.len() + spoiled);
    let dead = tokens.iter().filter(|token| token["state"] == "spoiled");
    assert!(dead.into_iter().all(|token| token["certificate"].is_null()), "nothing was made on what is dead");
}

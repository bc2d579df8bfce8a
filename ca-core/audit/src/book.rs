//! An export as the rules see it: facts by key, collected while the file streams past.
//!
//! Large octets (DER, to-be-signed) are read into facts and digests at once and not kept. What needs the order of the
//! file, or a signature, is judged here while the row is at hand, by the functions of its rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead},
};

use crate::{
    Rule, Violation,
    anchor::{Anchor, Issuers},
    lines::{LINE_OCTETS, Line, Lines},
    log::Log,
    octets::Octets,
    report::Findings,
    row::{self, Row},
    rules::{Clock, signature},
    x509::{self, Facts},
};

/// Everything that rules ask for.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Code by unit.
    pub(crate) units: BTreeMap<String, String>,
    /// Codes that units had before.
    pub(crate) former_codes: BTreeSet<(String, String)>,
    pub(crate) unit_events: BTreeMap<String, row::UnitEvent>,
    pub(crate) applications: BTreeMap<String, row::Application>,
    pub(crate) orders: BTreeMap<String, row::FeeOrder>,
    /// By application.
    pub(crate) charges: BTreeMap<String, row::Charge>,
    pub(crate) payments: BTreeMap<String, row::Payment>,
    pub(crate) online_payments: BTreeMap<String, row::OnlinePayment>,
    pub(crate) postings: BTreeMap<i64, row::Posting>,
    pub(crate) ledger_accounts: BTreeMap<String, row::LedgerAccount>,
    pub(crate) chargebacks: BTreeMap<String, row::Chargeback>,
    pub(crate) invoices: BTreeMap<String, row::Invoice>,
    /// By counter and day, as the log calls them.
    pub(crate) shifts: BTreeMap<String, row::Shift>,
    pub(crate) adjustments: BTreeMap<String, row::Adjustment>,
    pub(crate) bank_lines: BTreeMap<String, row::BankLine>,
    pub(crate) attempts: BTreeMap<String, row::Attempt>,
    pub(crate) tokens: BTreeMap<String, row::Token>,
    pub(crate) keys: BTreeMap<Octets, row::PublicKey>,
    pub(crate) intents: BTreeMap<Octets, row::Intent>,
    pub(crate) open_intents: BTreeSet<Octets>,
    pub(crate) certificates: BTreeMap<Octets, Certificate>,
    pub(crate) statuses: BTreeMap<Octets, row::Status>,
    pub(crate) epoch: Option<i64>,
    /// By issuer and shard.
    pub(crate) crl_numbers: BTreeMap<(String, i64), i64>,
    /// By issuer, shard and number.
    pub(crate) crls: BTreeMap<(String, i64, i64), row::Crl>,
    pub(crate) log: Log,
}

/// A certificate: its columns, and what its DER says.
#[derive(Debug)]
pub(crate) struct Certificate {
    /// Without `der`.
    pub(crate) row: row::Certificate,
    /// SHA-256 of the DER.
    pub(crate) sha256: Octets,
    /// What the DER says, or why it says nothing.
    pub(crate) facts: Result<Facts, &'static str>,
}

impl Book {
    /// Reads to the end. What is wrong with a line alone is a finding already.
    pub(crate) fn read(export: impl BufRead, anchor: Option<Anchor>) -> io::Result<(Self, Findings)> {
        let mut reading = Reading {
            book: Self::default(),
            issuers: anchor.map(Issuers::new),
            clock: Clock::default(),
            findings: Findings::default(),
        };
        let mut lines = Lines::new(export);
        let mut rows: u64 = 0;
        while let Some((number, line)) = lines.next()? {
            let violation = match line {
                Line::TooLong => Violation::LineTooLong { limit: LINE_OCTETS },
                Line::Text(text) => match serde_json::from_slice(text) {
                    Ok(row) => {
                        rows += 1;
                        reading.take(row);
                        continue;
                    }
                    Err(error) => Violation::NotARow { why: error.to_string() },
                },
            };
            reading.findings.add(Rule::Export, "line", number, violation);
        }
        if rows == 0 {
            reading.findings.add(Rule::Export, "export", "", Violation::Empty);
        }
        reading.book.log.sort();
        Ok((reading.book, reading.findings))
    }
}

struct Reading {
    book: Book,
    /// `None` when no signature is to be checked.
    issuers: Option<Issuers>,
    clock: Clock,
    findings: Findings,
}

impl Reading {
    fn take(&mut self, row: Row) {
        match row {
            Row::Unit(_) | Row::UnitEvent(_) | Row::Application(_) | Row::Attempt(_) | Row::Token(_) => {
                self.take_paper(row);
            }
            Row::FeeOrder(_)
            | Row::Charge(_)
            | Row::Payment(_)
            | Row::OnlinePayment(_)
            | Row::Posting(_)
            | Row::LedgerAccount(_)
            | Row::Adjustment(_)
            | Row::Chargeback(_)
            | Row::Shift(_)
            | Row::Invoice(_)
            | Row::BankLine(_) => self.take_money(row),
            Row::StatusEpoch(_) | Row::CrlNumber(_) | Row::Crl(_) => self.take_crl(row),
            Row::PublicKey(row) => {
                let key = row.spki_sha256.clone();
                self.unique(Rule::Key, "public_key", &key.to_string(), |book| {
                    book.keys.insert(key, row).is_none()
                });
            }
            Row::Intent(row) => {
                let serial = row.serial.clone();
                self.unique(Rule::Serial, "intent", &serial.to_string(), |book| {
                    book.intents.insert(serial, row).is_none()
                });
            }
            Row::OpenIntent(row) => {
                let name = row.serial.to_string();
                self.unique(Rule::Serial, "open_intent", &name, |book| book.open_intents.insert(row.serial));
            }
            Row::Certificate(row) => self.take_certificate(row),
            Row::Status(row) => {
                let serial = row.serial.clone();
                self.unique(Rule::Serial, "status", &serial.to_string(), |book| {
                    book.statuses.insert(serial, row).is_none()
                });
            }
            Row::CaCertificate(row) => signature::see(self.issuers.as_mut(), &row, &mut self.findings),
            Row::Audit(row) => {
                self.clock.see(row.id, row.at, &mut self.findings);
                self.book.log.add(row);
            }
            Row::Other => {}
        }
    }

    fn take_paper(&mut self, row: Row) {
        match row {
            Row::Unit(row) => {
                let id = row.id.clone();
                self.unique(Rule::Export, "unit", &id, |book| book.units.insert(row.id, row.code).is_none());
            }
            Row::UnitEvent(row) => {
                if let ("new-code", Some(before)) = (row.kind.as_str(), &row.before) {
                    self.book.former_codes.insert((row.unit.clone(), before.clone()));
                }
                let id = row.id.clone();
                self.unique(Rule::TwoPersons, "unit_event", &id, |book| {
                    book.unit_events.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Application(row) => {
                let id = row.id.clone();
                self.unique(Rule::Export, "application", &id, |book| {
                    book.applications.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Attempt(row) => {
                let id = row.id.clone();
                self.unique(Rule::Export, "attempt", &id, |book| {
                    book.attempts.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Token(row) => {
                let id = row.serial.clone();
                self.unique(Rule::Export, "token", &id, |book| {
                    book.tokens.insert(row.serial.clone(), row).is_none()
                });
            }
            _ => {}
        }
    }

    fn take_money(&mut self, row: Row) {
        match row {
            Row::FeeOrder(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "fee_order", &id, |book| {
                    book.orders.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Payment(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "payment", &id, |book| {
                    book.payments.insert(row.id.clone(), row).is_none()
                });
            }
            Row::OnlinePayment(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "online_payment", &id, |book| {
                    book.online_payments.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Charge(row) => {
                let id = row.application.clone();
                self.unique(Rule::Money, "charge", &id, |book| {
                    book.charges.insert(row.application.clone(), row).is_none()
                });
            }
            Row::LedgerAccount(row) => {
                let id = row.name.clone();
                self.unique(Rule::Money, "ledger_account", &id, |book| {
                    book.ledger_accounts.insert(row.name.clone(), row).is_none()
                });
            }
            Row::Adjustment(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "adjustment", &id, |book| {
                    book.adjustments.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Invoice(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "invoice", &id, |book| {
                    book.invoices.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Shift(row) => {
                let id = format!("{}:{}", row.counter, row.day);
                self.unique(Rule::LogEntry, "shift", &id.clone(), |book| {
                    book.shifts.insert(id, row).is_none()
                });
            }
            Row::Chargeback(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "chargeback", &id, |book| {
                    book.chargebacks.insert(row.id.clone(), row).is_none()
                });
            }
            Row::BankLine(row) => {
                let id = row.id.clone();
                self.unique(Rule::Money, "bank_line", &id, |book| {
                    book.bank_lines.insert(row.id.clone(), row).is_none()
                });
            }
            Row::Posting(row) => {
                let id = row.id.to_string();
                self.unique(Rule::Money, "posting", &id, |book| book.postings.insert(row.id, row).is_none());
            }
            _ => {}
        }
    }

    fn take_crl(&mut self, row: Row) {
        match row {
            Row::StatusEpoch(row) => {
                self.unique(Rule::Status, "status_epoch", "1", |book| {
                    book.epoch.replace(row.epoch).is_none()
                });
            }
            Row::CrlNumber(row) => {
                let name = format!("{}/{}", row.issuer, row.shard);
                self.unique(Rule::Status, "crl_number", &name, |book| {
                    book.crl_numbers.insert((row.issuer, row.shard), row.number).is_none()
                });
            }
            Row::Crl(row) => {
                let name = format!("{}/{}/{}", row.issuer, row.shard, row.number);
                self.unique(Rule::Status, "crl", &name, |book| {
                    book.crls.insert((row.issuer.clone(), row.shard, row.number), row).is_none()
                });
            }
            _ => {}
        }
    }

    fn take_certificate(&mut self, mut row: row::Certificate) {
        let der = std::mem::take(&mut row.der);
        let facts = x509::parse(der.as_slice()).map(|certificate| {
            signature::judge(self.issuers.as_ref(), &row, &certificate, &mut self.findings);
            Facts::of(&certificate)
        });
        let serial = row.serial.clone();
        let certificate = Certificate { row, sha256: Octets::sha256(der.as_slice()), facts };
        self.unique(Rule::Serial, "certificate", &serial.to_string(), |book| {
            book.certificates.insert(serial, certificate).is_none()
        });
    }

    fn unique(&mut self, rule: Rule, table: &'static str, key: &str, insert: impl FnOnce(&mut Book) -> bool) {
        if !insert(&mut self.book) {
            self.findings.add(rule, table, key, Violation::Twice);
        }
    }
}

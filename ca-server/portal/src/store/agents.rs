//! Agents: card number, name, the hash of the query password. And the register that brings them.

use std::{collections::BTreeSet, io::Read};

use ca_verifier::UnitCode;
use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension};
use serde::Deserialize;

use crate::{fault::Fault, password::Password, store::Store};

#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) password_hash: String,
    pub(crate) must_change: bool,
}

pub(crate) fn find(connection: &Connection, card: &str) -> Result<Option<Agent>, Fault> {
    let sql = "SELECT name, password_hash, must_change FROM agent WHERE card = ?1";
    let agent = |row: &rusqlite::Row<'_>| {
        Ok(Agent { name: row.get(0)?, password_hash: row.get(1)?, must_change: row.get(2)? })
    };
    Ok(connection.query_row(sql, [card], agent).optional()?)
}

pub(crate) fn set_password(connection: &Connection, card: &str, hash: &str) -> Result<(), Fault> {
    connection
        .execute("UPDATE agent SET password_hash = ?2, must_change = 0 WHERE card = ?1", [card, hash])?;
    Ok(())
}

/// A card number as people type it: spaces dropped, letters large; 8 to 20 digits and letters.
pub(crate) fn card_number(text: &str) -> Option<String> {
    let card: String = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect();
    let plain = (8..=20).contains(&card.len()) && card.bytes().all(|c| c.is_ascii_alphanumeric());
    plain.then_some(card)
}

/// A line of the register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    card: String,
    name: String,
    /// For an agent who is new, or with `reset`: the first password, to be replaced at the first login.
    #[serde(default)]
    password: String,
    uscc: String,
    confirmed: String,
    qualified_until: String,
    #[serde(default)]
    reset: String,
}

/// What an import brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) agents: usize,
    pub(crate) pairs: usize,
}

/// Why a register is refused.
#[derive(Debug, thiserror::Error)]
pub enum RegisterFault {
    /// Not CSV, a column that is missing or unknown.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A cell.
    #[error("line {line}: {column}: {why}")]
    Cell {
        /// Of the file, beginning with 1.
        line: u64,
        /// Its name.
        column: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The database, or this machine.
    #[error("{0}")]
    Portal(String),
}

impl From<Fault> for RegisterFault {
    fn from(fault: Fault) -> Self {
        Self::Portal(fault.to_string())
    }
}

impl From<rusqlite::Error> for RegisterFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Portal(error.to_string())
    }
}

struct Checked {
    card: String,
    password: Option<Password>,
    /// Of the agent's first line in the file, when the password is to be set.
    hash: Option<String>,
    reset: bool,
    confirmed: bool,
    until: Date,
    line: Line,
    at: u64,
}

/// Brings a whole file or nothing. Pairs that it does not name stay as they are; passwords too, but for `reset`.
pub(crate) fn import(store: &Store, file: impl Read) -> Result<Imported, RegisterFault> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers()?.clone();
    let (mut lines, mut record) = (Vec::new(), csv::StringRecord::new());
    while reader.read_record(&mut record)? {
        let at = record.position().map_or(0, csv::Position::line);
        lines.push(check(record.deserialize(Some(&header))?, at)?);
    }
    // Hashes take their time: they are made before the transaction, which would keep the portal waiting.
    let mut seen = BTreeSet::new();
    for line in &mut lines {
        let known = store.run_here(|transaction| find(transaction, &line.card))?.is_some();
        if seen.insert(line.card.clone()) && (line.reset || !known) {
            let missing =
                RegisterFault::Cell { line: line.at, column: "password", why: "a new agent needs one" };
            line.hash = Some(line.password.take().ok_or(missing)?.hash()?);
        }
    }
    store.run_here(|transaction| {
        for line in &lines {
            put(transaction, line)?;
        }
        Ok(Imported { agents: seen.len(), pairs: lines.len() })
    })
}

fn check(mut line: Line, at: u64) -> Result<Checked, RegisterFault> {
    let fault = |column, why| RegisterFault::Cell { line: at, column, why };
    let yes = |column, text: &str| match text.to_lowercase().as_str() {
        "yes" | "是" => Ok(true),
        "no" | "否" | "" => Ok(false),
        _ => Err(fault(column, "yes or no")),
    };
    let card = card_number(&line.card).ok_or_else(|| fault("card", "8 to 20 digits and letters"))?;
    UnitCode::parse(&line.uscc).map_err(|_| fault("uscc", "not a unified social credit code"))?;
    if line.name.is_empty() || line.name.chars().count() > 50 || line.name.chars().any(char::is_control) {
        return Err(fault("name", "1 to 50 characters"));
    }
    let until = line.qualified_until.parse().map_err(|_| fault("qualified_until", "YYYY-MM-DD"))?;
    let (confirmed, reset) = (yes("confirmed", &line.confirmed)?, yes("reset", &line.reset)?);
    let password =
        Some(std::mem::take(&mut line.password)).filter(|text| !text.is_empty()).map(Password::new);
    Ok(Checked { card, password, hash: None, reset, confirmed, until, line, at })
}

fn put(connection: &Connection, checked: &Checked) -> Result<(), RegisterFault> {
    let Checked { card, line, .. } = checked;
    if let Some(hash) = &checked.hash {
        connection.execute(
            "INSERT INTO agent (card, name, password_hash, must_change) VALUES (?1, ?2, ?3, 1)
             ON CONFLICT (card) DO UPDATE SET password_hash = excluded.password_hash, must_change = 1",
            (card, &line.name, hash),
        )?;
    }
    connection.execute("UPDATE agent SET name = ?2 WHERE card = ?1", [card, &line.name])?;
    connection.execute(
        "INSERT INTO pair (card, uscc, confirmed, qualified_until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (card, uscc) DO UPDATE
         SET confirmed = excluded.confirmed, qualified_until = excluded.qualified_until",
        (card, &line.uscc, checked.confirmed, checked.until.to_string()),
    )?;
    Ok(())
}

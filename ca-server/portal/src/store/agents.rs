//! Agents: card number, name, the hash of the query password. And the register that brings them.

use std::{collections::BTreeMap, io::Read};

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
    connection.execute("UPDATE agent SET password_hash = ?2, must_change = 0 WHERE card = ?1", [card, hash])?;
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

struct Checked {
    card: String,
    name: String,
    password: Option<Password>,
    reset: bool,
    uscc: String,
    confirmed: bool,
    until: Date,
    line: u64,
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
    let mut agents = BTreeMap::new();
    let pairs = lines.len();
    let imported = store.run_here(|transaction| {
        for line in lines {
            let first = !agents.contains_key(&line.card);
            if let Err(fault) = put(transaction, &line, first)? {
                return Ok(Err(fault));
            }
            agents.insert(line.card, ());
        }
        Ok(Ok(Imported { agents: agents.len(), pairs }))
    });
    // A refusal leaves nothing behind: `put` is asked before anything is written for its line, but earlier lines
    // would stay, so the transaction is ended by an error.
    match imported {
        Ok(result) => result,
        Err(fault) => Err(fault.into()),
    }
}

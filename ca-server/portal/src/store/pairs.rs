//! Which agent may act for which unit. The one place that asks: a source other than the portal's own table (the CA's
//! status API) is put in here.

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension};

use crate::fault::Fault;

/// How a pair of agent and unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    Good,
    /// The unit has not confirmed this agent, or not any more.
    NotConfirmed,
    /// The agent's training is over.
    NotQualified,
}

/// How the pair stands on the day `today`. What cannot be read is not good.
pub(crate) fn pairs(connection: &Connection, card: &str, uscc: &str, today: Date) -> Result<Pair, Fault> {
    let found: Option<(bool, String)> = connection
        .query_row(
            "SELECT confirmed, qualified_until FROM pair WHERE card = ?1 AND uscc = ?2",
            [card, uscc],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(match found {
        Some((true, until)) if until.parse::<Date>().is_ok_and(|until| today <= until) => Pair::Good,
        Some((true, _)) => Pair::NotQualified,
        Some((false, _)) | None => Pair::NotConfirmed,
    })
}

//! Tries of a password, counted before the password is looked at: for the card and for the unit. Cards that do not
//! exist are counted like those that do.

use rusqlite::{Connection, OptionalExtension};

use crate::fault::Fault;

const MOST: i64 = 5;
const LOCK_MS: i64 = 15 * 60 * 1000;

/// Counts one try of a card's password by a unit. `false`: too many, and the password must not be looked at.
pub(crate) fn count(connection: &Connection, card: &str, uscc: &str, now_ms: i64) -> Result<bool, Fault> {
    let subjects = [card_subject(card), unit_subject(uscc)];
    let mut wrong = [0; 2];
    for (subject, wrong) in subjects.iter().zip(&mut wrong) {
        let found: Option<(i64, i64)> = connection
            .query_row("SELECT wrong, last_at FROM try WHERE subject = ?1", [subject], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let (count, last) = found.unwrap_or((0, 0));
        // A clock that went back does not open a lock.
        let over = now_ms - last >= LOCK_MS;
        if count >= MOST && !over {
            return Ok(false);
        }
        // A card's wrong tries stay until the right one, or guessing slowly would be free. A unit's fade: it has many
        // agents, and each mistypes now and then.
        *wrong = if over && (count >= MOST || subject.starts_with("unit:")) { 0 } else { count };
    }
    for (subject, wrong) in subjects.iter().zip(wrong) {
        connection.execute(
            "INSERT INTO try (subject, wrong, last_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (subject) DO UPDATE SET wrong = excluded.wrong, last_at = excluded.last_at",
            (subject, wrong + 1, now_ms),
        )?;
    }
    Ok(true)
}

/// The try was right: the card begins anew. The unit gets back this try only, or one who knows one password could
/// guess at others without end.
pub(crate) fn forgive(connection: &Connection, card: &str, uscc: &str) -> Result<(), Fault> {
    connection.execute("DELETE FROM try WHERE subject = ?1", [card_subject(card)])?;
    connection
        .execute("UPDATE try SET wrong = max(0, wrong - 1) WHERE subject = ?1", [unit_subject(uscc)])?;
    Ok(())
}

fn card_subject(card: &str) -> String {
    format!("card:{card}")
}

fn unit_subject(uscc: &str) -> String {
    format!("unit:{uscc}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(include_str!("schema.sql")).unwrap();
        connection
    }

    #[test]
    fn five_wrong_tries_lock_a_card_at_every_unit_and_a_unit_for_every_card() {
        let db = database();
        for now in 0..5 {
            assert!(count(&db, "a", "u", now).unwrap());
        }
        assert!(!count(&db, "a", "other", 5).unwrap(), "the card");
        assert!(!count(&db, "other", "u", 5).unwrap(), "the unit");
        assert!(count(&db, "other", "other", 5).unwrap());
        assert!(!count(&db, "a", "u", 3 + LOCK_MS).unwrap());
        assert!(!count(&db, "a", "u", -1000).unwrap(), "the clock went back");
        assert!(count(&db, "a", "u", 4 + LOCK_MS).unwrap());
    }

    #[test]
    fn the_right_try_clears_the_card_and_one_try_of_the_unit() {
        let db = database();
        for card in ["a", "b", "c", "d"] {
            assert!(count(&db, card, "u", 0).unwrap());
        }
        assert!(count(&db, "good", "u", 0).unwrap());
        forgive(&db, "good", "u").unwrap();
        assert!(count(&db, "e", "u", 0).unwrap());
        assert!(
            !count(&db, "f", "u", 0).unwrap(),
            "one's own password does not open the guessing of others'"
        );
        assert!(count(&db, "f", "u", LOCK_MS).unwrap());
        for day in 1..5 {
            assert!(count(&db, "slow", &format!("v{day}"), day * LOCK_MS * 9).unwrap());
        }
        assert!(count(&db, "slow", "v", 5 * LOCK_MS * 9).unwrap());
        assert!(!count(&db, "slow", "v", 5 * LOCK_MS * 9 + 1).unwrap(), "slow guessing is guessing");
    }
}

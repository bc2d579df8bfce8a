//! Submissions, which are only ever added: a correction or a withdrawal is a new one that names the old one.

use rusqlite::{Connection, OptionalExtension, Row, named_params};

use crate::{fault::Fault, secret};

/// What a submission does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    New,
    /// Takes the place of the one with this receipt number.
    Correction(String),
    /// The one with this receipt number is to be as if it had not been made.
    Withdrawal(String),
}

impl Act {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Correction(_) => "correction",
            Self::Withdrawal(_) => "withdrawal",
        }
    }

    pub(crate) fn of(&self) -> Option<&str> {
        match self {
            Self::New => None,
            Self::Correction(of) | Self::Withdrawal(of) => Some(of),
        }
    }
}

/// Both identities of whoever submits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Author {
    pub(crate) uscc: String,
    pub(crate) unit_name: String,
    /// Of the certificate.
    pub(crate) serial: String,
    pub(crate) card: String,
    pub(crate) agent_name: String,
}

/// One to be kept.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) service: &'static str,
    pub(crate) act: Act,
    /// The values of the fields, as JSON.
    pub(crate) content: String,
    /// The token of the form it came with, and its line in a file (0 for a form).
    pub(crate) form: String,
    pub(crate) line: u32,
}

/// One that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    pub(crate) id: i64,
    pub(crate) receipt: String,
    pub(crate) at_ms: i64,
    pub(crate) service: String,
    pub(crate) kind: String,
    pub(crate) of: Option<String>,
    pub(crate) author: Author,
    pub(crate) content: String,
    /// The later one that corrects or withdraws it.
    pub(crate) replaced_by: Option<String>,
}

/// What became of a draft.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The receipt number; for a form that was sent twice, the one of the first time.
    Receipt(String),
    /// The one it names is not this unit's, is another service's, is a withdrawal, or was replaced already.
    Stale,
}

/// Keeps a draft.
pub(crate) fn keep(
    connection: &Connection,
    author: &Author,
    draft: &Draft,
    now_ms: i64,
    day: &str,
) -> Result<Kept, Fault> {
    let again = "SELECT receipt FROM submission WHERE form = ?1 AND line = ?2 AND uscc = ?3";
    let again: Option<String> =
        connection.query_row(again, (&draft.form, draft.line, &author.uscc), |row| row.get(0)).optional()?;
    if let Some(receipt) = again {
        return Ok(Kept::Receipt(receipt));
    }
    if let Some(of) = draft.act.of() {
        let old = find(connection, &author.uscc, of)?;
        let open = old.is_some_and(|old| {
            old.replaced_by.is_none() && old.kind != "withdrawal" && old.service == draft.service
        });
        if !open {
            return Ok(Kept::Stale);
        }
    }
    let receipt = format!("{day}-{}", secret::readable(10)?);
    connection.execute(
        "INSERT INTO submission (receipt, at_ms, service, kind, of_receipt, uscc, unit_name, serial, card, agent_name,
                                 form, line, content)
         VALUES (:receipt, :at, :service, :kind, :of, :uscc, :unit_name, :serial, :card, :agent_name,
                 :form, :line, :content)",
        named_params! {
            ":receipt": receipt, ":at": now_ms, ":service": draft.service, ":kind": draft.act.name(),
            ":of": draft.act.of(), ":uscc": author.uscc, ":unit_name": author.unit_name, ":serial": author.serial,
            ":card": author.card, ":agent_name": author.agent_name, ":form": draft.form, ":line": draft.line,
            ":content": draft.content,
        },
    )?;
    Ok(Kept::Receipt(receipt))
}

const COLUMNS: &str = "s.id, s.receipt, s.at_ms, s.service, s.kind, s.of_receipt, s.uscc, s.unit_name, s.serial, \
                       s.card, s.agent_name, s.content, r.receipt";

/// One of a unit's own.
pub(crate) fn find(connection: &Connection, uscc: &str, receipt: &str) -> Result<Option<Submission>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM submission s LEFT JOIN submission r ON r.of_receipt = s.receipt
         WHERE s.uscc = ?1 AND s.receipt = ?2"
    );
    Ok(connection.query_row(&sql, [uscc, receipt], read).optional()?)
}

/// A unit's own, newest first, those before `before`.
pub(crate) fn list(
    connection: &Connection,
    uscc: &str,
    before: i64,
    most: u32,
) -> Result<Vec<Submission>, Fault> {
    let sql = format!(
        "SELECT {COLUMNS} FROM submission s LEFT JOIN submission r ON r.of_receipt = s.receipt
         WHERE s.uscc = ?1 AND s.id < ?2 ORDER BY s.id DESC LIMIT ?3"
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map((uscc, before, most), read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Submission> {
    Ok(Submission {
        id: row.get(0)?,
        receipt: row.get(1)?,
        at_ms: row.get(2)?,
        service: row.get(3)?,
        kind: row.get(4)?,
        of: row.get(5)?,
        author: Author {
            uscc: row.get(6)?,
            unit_name: row.get(7)?,
            serial: row.get(8)?,
            card: row.get(9)?,
            agent_name: row.get(10)?,
        },
        content: row.get(11)?,
        replaced_by: row.get(12)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(uscc: &str) -> Author {
        let text = |text: &str| text.to_owned();
        Author {
            uscc: text(uscc),
            unit_name: text("u"),
            serial: text("1"),
            card: text("c"),
            agent_name: text("a"),
        }
    }

    fn draft(act: Act, form: &str) -> Draft {
        Draft { service: "hire", act, content: "{}".to_owned(), form: form.to_owned(), line: 0 }
    }

    #[test]
    fn kept_once_never_changed_replaced_once() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("schema.sql")).unwrap();
        let keep = |uscc: &str, act, form| {
            super::keep(&db, &author(uscc), &draft(act, form), 1, "20261126").unwrap()
        };
        let Kept::Receipt(first) = keep("u", Act::New, "f1") else { panic!() };
        assert_eq!(keep("u", Act::New, "f1"), Kept::Receipt(first.clone()), "the same form twice");
        assert_eq!(keep("v", Act::Correction(first.clone()), "f2"), Kept::Stale, "another unit's");
        let Kept::Receipt(second) = keep("u", Act::Correction(first.clone()), "f3") else { panic!() };
        assert_eq!(keep("u", Act::Withdrawal(first.clone()), "f4"), Kept::Stale, "replaced already");
        let Kept::Receipt(third) = keep("u", Act::Withdrawal(second.clone()), "f5") else { panic!() };
        assert_eq!(keep("u", Act::Correction(third), "f6"), Kept::Stale, "a withdrawal is the end");
        assert_eq!(find(&db, "u", &first).unwrap().unwrap().replaced_by, Some(second));
        assert!(find(&db, "v", &first).unwrap().is_none());
        assert_eq!(list(&db, "u", i64::MAX, 2).unwrap().len(), 2);
        for sql in ["UPDATE submission SET content = '[]'", "DELETE FROM submission"] {
            assert!(db.execute(sql, []).unwrap_err().to_string().contains("submissions are not"), "{sql}");
        }
    }
}

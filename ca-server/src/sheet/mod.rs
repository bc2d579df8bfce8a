//! Tables that people send and get back: CSV in UTF-8 or GB18030, and XLSX. What is not a table of ours is refused as a
//! whole and says where; what is wrong with one line is a [`Finding`] of that line.

mod cell;
mod csv;
mod write;
mod xlsx;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub(crate) use self::{
    cell::{Cell, Finding, Kind, code, hidden, look_alike, name, years},
    csv::{Encoding, Lines, scan},
    write::{guarded, write},
};
use crate::{
    problem::Problem,
    rule::{Language, Rule},
};

/// How large a table may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Lines after the header.
    pub(crate) lines: u32,
    /// Columns.
    pub(crate) columns: usize,
    /// Characters of a cell.
    pub(crate) cell: usize,
}

/// How a file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Text.
    Csv { encoding: Encoding, crlf: bool },
    /// Office Open XML.
    Xlsx,
}

impl Format {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Csv { encoding: Encoding::Gb18030 | Encoding::Gb18030Bom, .. } => {
                "text/csv; charset=GB18030"
            }
            Self::Csv { .. } => "text/csv; charset=utf-8",
            Self::Xlsx => XLSX,
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Csv { .. } => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// The media type of XLSX.
pub(crate) const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Csv { encoding, crlf } => {
                write!(f, "csv:{}:{}", encoding.name(), if *crlf { "crlf" } else { "lf" })
            }
            Self::Xlsx => f.write_str("xlsx"),
        }
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "xlsx" {
            return Ok(Self::Xlsx);
        }
        let mut parts = text.split(':');
        match (parts.next(), parts.next().and_then(Encoding::from_name), parts.next(), parts.next()) {
            (Some("csv"), Some(encoding), Some(end @ ("crlf" | "lf")), None) => {
                Ok(Self::Csv { encoding, crlf: end == "crlf" })
            }
            _ => Err(()),
        }
    }
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its number in the file; the header's is 1.
    pub(crate) number: u32,
    pub(crate) cells: Vec<Cell>,
}

/// A whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) format: Format,
    pub(crate) header: Vec<String>,
    pub(crate) lines: Vec<Line>,
}

/// A column that a table may have.
pub(crate) struct Column {
    /// How messages call it.
    pub(crate) label: &'static str,
    /// What the header may call it, in lower case.
    pub(crate) names: &'static [&'static str],
    /// Whether a table without it is refused.
    pub(crate) needed: bool,
}

/// Where the columns stand in this file.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    places: Vec<Option<usize>>,
    width: usize,
}

impl Places {
    /// Reads a header: every column is known and stands once; what is needed is there.
    pub(crate) fn of(columns: &[Column], header: &[String]) -> Result<Self, Problem> {
        let mut places = vec![None; columns.len()];
        for (at, text) in header.iter().enumerate() {
            let wanted = text.trim().to_lowercase();
            let found = columns.iter().position(|column| column.names.contains(&wanted.as_str()));
            let Some(found) = found else {
                let known: Vec<&str> =
                    columns.iter().filter_map(|column| column.names.first().copied()).collect();
                let problem = Problem::new(Rule::ColumnUnknown).with("column", shown(text));
                return Err(problem.with("known", known.join(", ")));
            };
            if let (Some(place), Some(column)) = (places.get_mut(found), columns.get(found))
                && place.replace(at).is_some()
            {
                return Err(Problem::new(Rule::ColumnDoubled).with("column", column.label));
            }
        }
        let missing = columns.iter().zip(&places).find(|(column, place)| column.needed && place.is_none());
        match missing {
            Some((column, _)) => Err(Problem::new(Rule::ColumnMissing).with("column", column.label)),
            None => Ok(Self { places, width: header.len() }),
        }
    }

    /// The cell of a column; `None` when the table has no such column, or the line is too short.
    pub(crate) fn cell<'a>(&self, line: &'a Line, column: usize) -> Option<&'a Cell> {
        line.cells.get((*self.places.get(column)?)?)
    }

    /// Where a column stands.
    pub(crate) fn at(&self, column: usize) -> Option<usize> {
        self.places.get(column).copied().flatten()
    }

    /// A line that has not as many cells as the header cannot be trusted in any of them.
    pub(crate) fn fits(&self, line: &Line) -> Result<(), Problem> {
        let more = line.cells.iter().skip(self.width).any(|cell| !cell.text.is_empty());
        if line.cells.len() >= self.width && !more {
            return Ok(());
        }
        Err(Problem::new(Rule::LineCells).with("found", line.cells.len()).with("expected", self.width))
    }
}

/// Reads a whole table that is in memory.
pub(crate) fn read(octets: &[u8], xlsx: bool, limits: Limits) -> Result<Sheet, Problem> {
    if xlsx {
        return self::xlsx::read(octets, limits);
    }
    let scanned = scan(octets)?;
    let mut lines = Lines::new(octets, &scanned, limits);
    let header = lines.header()?;
    let mut sheet = Sheet { format: scanned.format(), header, lines: Vec::new() };
    while let Some(line) = lines.next()? {
        sheet.lines.push(line);
    }
    Ok(sheet)
}

/// A problem as one text for a cell.
pub(crate) fn reason(problem: &Problem, language: Language) -> String {
    let (situation, remedy) = problem.texts(language);
    match language {
        Language::Zh => format!("{situation}{remedy}"),
        Language::En => format!("{situation} {remedy}"),
    }
}

fn too_large(what: &'static str, limit: impl fmt::Display) -> Problem {
    Problem::new(Rule::SheetTooLarge).with("what", what).with("limit", limit)
}

/// A text of somebody else's in a message: short, without what cannot be seen, and without what may be an identity card
/// number, which stands in the first line of a file that has no header.
fn shown(text: &str) -> String {
    let secret = many_digits(text);
    let visible = |c: char| match c {
        c if hidden(c) => '\u{fffd}',
        c if secret && c.is_numeric() => '*',
        c => c,
    };
    text.chars().take(40).map(visible).collect()
}

/// As many digits as an identity card number has, even when some were lost.
pub(crate) fn many_digits(text: &str) -> bool {
    text.chars().filter(|c| c.is_numeric()).count() >= 15
}

//! One cell: what people and their programs do to codes, numbers and names, each with its own message.

use ca_core::Name;
use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

use crate::{problem::Problem, rule::Rule};

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) kind: Kind,
}

/// What the file says of a cell's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Written as text.
    Text,
    /// A number of a spreadsheet: leading zeros are gone.
    Number,
    /// A number with more digits than a spreadsheet keeps.
    Imprecise,
    /// A date of a spreadsheet.
    Date,
}

/// Something about a line that a person must know.
#[derive(Debug)]
pub(crate) struct Finding {
    /// Which column; empty for the whole line.
    pub(crate) column: &'static str,
    pub(crate) problem: Problem,
    /// To be looked at, and not refused by itself.
    pub(crate) review: bool,
}

impl Finding {
    pub(crate) fn refused(column: &'static str, problem: Problem) -> Self {
        Self { column, problem, review: false }
    }
}

impl Cell {
    pub(crate) fn text(text: &str) -> Self {
        // What `guarded` put there comes off again.
        let unguarded = text.strip_prefix('\'').filter(|rest| starts_formula(rest));
        Self { text: unguarded.unwrap_or(text).to_owned(), kind: Kind::Text }
    }
}

/// A code or number: plain ASCII as it was given, or `None` with what is wrong.
pub(crate) fn code<'a>(cell: &'a Cell, column: &'static str, findings: &mut Vec<Finding>) -> Option<&'a str> {
    let rule = match cell.kind {
        Kind::Imprecise => Some(Rule::CellPrecision),
        Kind::Date => Some(Rule::CellDate),
        Kind::Text | Kind::Number => None,
    };
    let problem = rule.map(|rule| Problem::new(rule).with("column", column));
    match problem.or_else(|| ordinary(&cell.text, column)).or_else(|| wide(&cell.text, column)) {
        Some(problem) => {
            findings.push(Finding::refused(column, problem));
            None
        }
        None => Some(&cell.text),
    }
}

/// A name; what looks like something else is for a person to see.
pub(crate) fn name(cell: &Cell, column: &'static str, findings: &mut Vec<Finding>) -> Option<Name> {
    if let Some(problem) = ordinary(&cell.text, column) {
        findings.push(Finding::refused(column, problem));
        return None;
    }
    let Ok(name) = Name::parse(&cell.text) else {
        let problem = Problem::new(Rule::CellName).with("column", column);
        findings.push(Finding::refused(column, problem));
        return None;
    };
    if let Some(characters) = look_alike(&cell.text) {
        let problem = Problem::new(Rule::CellLookAlike).with("column", column).with("characters", characters);
        findings.push(Finding { column, problem, review: true });
    }
    Some(name)
}

/// A small number of years.
pub(crate) fn years(cell: &Cell, column: &'static str, findings: &mut Vec<Finding>) -> Option<u16> {
    let text = code(cell, column, findings)?;
    let number = text.parse().ok().filter(|_| text.bytes().all(|c| c.is_ascii_digit()));
    if number.is_none() {
        findings.push(Finding::refused(column, Problem::new(Rule::CellNumber).with("column", column)));
    }
    number
}

/// What no cell may be.
fn ordinary(text: &str, column: &'static str) -> Option<Problem> {
    let problem = |rule| Problem::new(rule).with("column", column);
    if text.trim().is_empty() {
        return Some(problem(Rule::CellEmpty));
    }
    if let Some(found) = text.chars().find(|c| hidden(*c)) {
        return Some(problem(Rule::CellHidden).with("character", point(found)));
    }
    if text.trim() != text {
        return Some(problem(Rule::CellSpaces));
    }
    starts_formula(text).then(|| problem(Rule::CellFormula))
}

fn wide(text: &str, column: &'static str) -> Option<Problem> {
    let found: String = text.chars().filter(|c| matches!(c, '\u{ff01}'..='\u{ff5e}' | '\u{3000}')).collect();
    let problem = Problem::new(Rule::CellFullWidth).with("column", column);
    (!found.is_empty()).then(|| problem.with("characters", found))
}

/// A spreadsheet would take it for a formula.
pub(super) fn starts_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Nobody can see it: controls, direction, zero width, fillers, variation selectors, tags.
pub(crate) fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// Characters that look like others: full-width letters and digits, compatibility forms and radicals of Han, and
/// letters of scripts that no name of a unit here is written in.
pub(crate) fn look_alike(text: &str) -> Option<String> {
    let foreign = |c: char| {
        let ours = matches!(c.script(), Script::Han | Script::Common | Script::Inherited)
            || (c.script() == Script::Latin && matches!(c, '\0'..='\u{17f}'));
        c.is_alphanumeric() && !ours
    };
    let form = |c: char| c.is_alphanumeric() && !std::iter::once(c).nfkc().eq(std::iter::once(c));
    let radical = |c: char| matches!(c, '\u{2e80}'..='\u{2fdf}');
    let found: Vec<String> = text
        .chars()
        .filter(|c| foreign(*c) || form(*c) || radical(*c))
        .map(|c| format!("{c} {}", point(c)))
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}

fn point(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

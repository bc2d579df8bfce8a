//! Bank statements: lines of money that came to the account, and which open order each is for.
//!
//! What deliberately does not live here: files (`ca-server` reads them), and whether an order is open still when the
//! money is recorded, which only the store knows.

mod matching;
mod row;

pub use self::matching::{
    Candidate, MatchedBy, OpenOrder, StatementVerdict, UnmatchedReason, match_statement,
};
pub use self::row::{BankRow, BankRowCells, BankRowError};

/// A text as it is compared: full-width forms are half-width, letters are capital, spaces are gone. The positions are
/// those of its characters in the text as it was given.
fn folded(text: &str) -> Vec<(usize, char)> {
    let wide = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    let spaced = |c: &char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}');
    let characters = text.chars().enumerate().filter(|(_, c)| !spaced(c));
    characters.map(|(at, c)| (at, wide(c).to_ascii_uppercase())).collect()
}

/// A text as it is compared, without the positions: two names that differ in width, case or spaces only are one.
#[must_use]
pub fn folded_text(text: &str) -> String {
    folded(text).into_iter().map(|(_, c)| c).collect()
}

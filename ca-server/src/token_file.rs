//! A vendor's list of the tokens that it delivers, as a file: CSV or XLSX with the columns below.

use std::collections::HashMap;

use ca_core::{StockWord, TokenSerial};

use crate::{
    problem::Problem,
    rule::Rule,
    sheet::{self, Column, Finding, Kind, Limits, Line, Places},
};

const SERIAL: &str = "序列号 (serial)";
const MODEL: &str = "型号 (model)";
const BATCH: &str = "批次 (batch)";

const COLUMNS: [Column; 3] = [
    Column { label: SERIAL, names: &["序列号", "serial"], needed: true },
    Column { label: MODEL, names: &["型号", "model"], needed: true },
    Column { label: BATCH, names: &["批次", "batch"], needed: true },
];
/// A pallet.
const LIMITS: Limits = Limits { lines: 50_000, columns: 12, cell: 200 };

/// A token as the vendor lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) serial: TokenSerial,
    pub(crate) model: StockWord,
    pub(crate) batch: StockWord,
}

/// A line of the list.
#[derive(Debug)]
pub(crate) struct TokenLine {
    /// Its number in the file; the header's is 1.
    pub(crate) number: u32,
    /// What it lists, or the first thing wrong with it.
    pub(crate) token: Result<Listed, Finding>,
}

/// Reads a whole list that is in memory; refuses what is no list. A number stands in it once.
pub(crate) fn read(octets: &[u8], xlsx: bool) -> Result<Vec<TokenLine>, Problem> {
    let sheet = sheet::read(octets, xlsx, LIMITS)?;
    let places = Places::of(&COLUMNS, &sheet.header)?;
    if sheet.lines.is_empty() {
        return Err(Problem::new(Rule::SheetEmpty));
    }
    let mut seen = HashMap::new();
    let mut lines = Vec::with_capacity(sheet.lines.len());
    for line in &sheet.lines {
        let token = row(&places, line).and_then(|listed: Listed| {
            match seen.insert(listed.serial.clone(), line.number) {
                None => Ok(listed),
                Some(first) => Err(Finding::refused(
                    SERIAL,
                    Problem::new(Rule::TokenTwice).with("token", &listed.serial).with("first", first),
                )),
            }
        });
        lines.push(TokenLine { number: line.number, token });
    }
    Ok(lines)
}

fn row(places: &Places, line: &Line) -> Result<Listed, Finding> {
    places.fits(line).map_err(|problem| Finding::refused("", problem))?;
    let text = |column: usize| places.cell(line, column).map_or("", |cell| cell.text.as_str());
    let refused = |label, problem| Finding::refused(label, problem);
    let spoiled = match places.cell(line, 0).map(|cell| cell.kind) {
        Some(Kind::Imprecise) => Some(Rule::CellPrecision),
        Some(Kind::Date) => Some(Rule::CellDate),
        // Without its zeros, it would be another token.
        Some(Kind::Number) => Some(Rule::CellZeros),
        Some(Kind::Text) | None => None,
    };
    if let Some(rule) = spoiled {
        return Err(refused(SERIAL, Problem::new(rule).with("column", SERIAL).with("found", text(0))));
    }
    let serial = TokenSerial::parse(text(0))
        .map_err(|_| refused(SERIAL, Problem::new(Rule::TokenNumber).with("found", text(0))))?;
    let word = |label: &'static str, column: usize| {
        let problem = |_| refused(label, Problem::new(Rule::TokenWord).with("column", label));
        StockWord::parse("word", text(column)).map_err(problem)
    };
    Ok(Listed { serial, model: word(MODEL, 1)?, batch: word(BATCH, 2)? })
}

#[cfg(test)]
mod tests {
    use rust_xlsxwriter::Workbook;

    use super::*;

    fn verdicts(text: &str) -> Vec<Result<String, &'static str>> {
        let lines = read(text.as_bytes(), false).unwrap();
        let each = lines.into_iter().map(|line| {
            line.token.map(|listed| listed.serial.to_string()).map_err(|finding| finding.problem.rule.name())
        });
        each.collect()
    }

    #[test]
    fn a_list_as_vendors_write_it() {
        let list = "序列号,型号,批次\n0a1b2c3d4e5f6071,SoftHSM v2,2026-01\nHT000123,HT UKey-2000,B 7\n";
        assert_eq!(verdicts(list), [Ok("0a1b2c3d4e5f6071".to_owned()), Ok("HT000123".to_owned())]);
    }

    #[test]
    fn lines_that_are_refused() {
        let list = "batch,serial,model\nB,1,M\nB,1,M\nB,,M\nB,12345678901234567,M\n,2,M\nB,3,=M\nB,4\n";
        let found = verdicts(list);
        assert_eq!(found[0], Ok("1".to_owned()));
        let refused: Vec<&str> = found.into_iter().filter_map(Result::err).collect();
        let expected =
            ["token.twice", "token.number", "token.number", "token.word", "token.word", "line.cells"];
        assert_eq!(refused, expected);
    }

    #[test]
    fn what_is_no_list() {
        for (text, rule) in [
            ("serial,model\n1,M\n", "sheet.column-missing"),
            ("serial,model,batch\n", "sheet.empty"),
            ("serial,model,batch,colour\n1,M,B,red\n", "sheet.column-unknown"),
        ] {
            assert_eq!(read(text.as_bytes(), false).unwrap_err().rule.name(), rule, "{text}");
        }
    }

    #[test]
    fn a_number_that_a_spreadsheet_made_of_a_serial_number() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (column, name) in [(0, "serial"), (1, "model"), (2, "batch")] {
            sheet.write_string(0, column, name).unwrap();
            sheet.write_string(1, column, "1").unwrap();
        }
        sheet.write_number(1, 0, 123.0).unwrap();
        let line = read(&book.save_to_buffer().unwrap(), true).unwrap().remove(0);
        assert_eq!(line.token.unwrap_err().problem.rule, Rule::CellZeros);
    }
}

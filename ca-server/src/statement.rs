//! Bank statements as files: CSV or XLSX with the columns below. Which order a line pays is decided in `ca-core`
//! (`match_statement`).

use ca_core::{BankRow, BankRowCells, BankRowError};

use crate::{
    problem::Problem,
    rule::Rule,
    sheet::{self, Cell, Column, Finding, Kind, Limits, Line, Places},
};

const BOOKED: &str = "交易日期 (booked)";
const TRANSACTION: &str = "交易流水号 (transaction)";
const AMOUNT: &str = "收入金额 (amount)";
const PAYER: &str = "付款人户名 (payer)";
const ACCOUNT: &str = "付款人账号 (account)";
const REMARK: &str = "摘要 (remark)";

/// The payer's account may stand in the file and is not read: personal data that nobody needs.
const COLUMNS: [Column; 6] = [
    Column { label: BOOKED, names: &["交易日期", "booked"], needed: true },
    Column { label: TRANSACTION, names: &["交易流水号", "transaction"], needed: true },
    Column { label: AMOUNT, names: &["收入金额", "amount"], needed: true },
    Column { label: PAYER, names: &["付款人户名", "payer"], needed: true },
    Column { label: ACCOUNT, names: &["付款人账号", "account"], needed: false },
    Column { label: REMARK, names: &["摘要", "remark"], needed: true },
];
/// A large account's month.
const LIMITS: Limits = Limits { lines: 50_000, columns: 20, cell: 1_000 };

/// A line of a statement.
#[derive(Debug)]
pub(crate) struct StatementLine {
    /// Its number in the file; the header's is 1.
    pub(crate) number: u32,
    /// What it says, or the first thing wrong with it. A line that cannot be read is never counted.
    pub(crate) row: Result<BankRow, Finding>,
}

/// Reads a whole statement that is in memory; refuses what is no statement.
pub(crate) fn read(octets: &[u8], xlsx: bool) -> Result<Vec<StatementLine>, Problem> {
    let sheet = sheet::read(octets, xlsx, LIMITS)?;
    let places = Places::of(&COLUMNS, &sheet.header)?;
    if sheet.lines.is_empty() {
        return Err(Problem::new(Rule::SheetEmpty));
    }
    let lines = sheet.lines.iter();
    Ok(lines.map(|line| StatementLine { number: line.number, row: row(&places, line) }).collect())
}

fn row(places: &Places, line: &Line) -> Result<BankRow, Finding> {
    places.fits(line).map_err(|problem| Finding::refused("", problem))?;
    let text = |column: usize| places.cell(line, column).map_or("", |cell| cell.text.as_str());
    let cell = |column: usize| places.cell(line, column);
    let amount = cell(2).map(decimals).unwrap_or_default();
    for (column, label) in [(0, BOOKED), (1, TRANSACTION), (2, AMOUNT)] {
        if let Some(rule) = cell(column).and_then(|cell| spoiled(cell, column)) {
            let problem = Problem::new(rule).with("column", label).with("found", text(column));
            return Err(Finding::refused(label, problem));
        }
    }
    let cells = BankRowCells {
        booked: text(0),
        transaction: text(1),
        amount: &amount,
        payer: text(3),
        remark: text(5),
    };
    BankRow::parse(cells).map_err(refused)
}

/// What a spreadsheet has changed.
fn spoiled(cell: &Cell, column: usize) -> Option<Rule> {
    match cell.kind {
        Kind::Imprecise => Some(Rule::CellPrecision),
        Kind::Date => Some(Rule::CellDate),
        // Without its zeros, it would be another movement of money, and count a second time.
        Kind::Number if column == 1 => Some(Rule::CellZeros),
        Kind::Number | Kind::Text => None,
    }
}

/// An amount that is a number in the file has lost the zeros after the point.
fn decimals(cell: &Cell) -> String {
    let text = &cell.text;
    match (cell.kind, text.split_once('.')) {
        (Kind::Number, None) => format!("{text}.00"),
        (Kind::Number, Some((_, fen))) if fen.len() == 1 => format!("{text}0"),
        _ => text.clone(),
    }
}

fn refused(error: BankRowError) -> Finding {
    let (rule, label) = match error {
        BankRowError::Date => (Rule::StatementDate, BOOKED),
        BankRowError::Transaction => (Rule::StatementTransaction, TRANSACTION),
        BankRowError::Amount => (Rule::StatementAmount, AMOUNT),
        BankRowError::Remark => (Rule::StatementLength, REMARK),
        // The enum may grow in ca-core; a name is what it has besides.
        _ => (Rule::StatementLength, PAYER),
    };
    Finding::refused(label, Problem::new(rule).with("column", label))
}

#[cfg(test)]
mod tests {
    use ca_core::Fen;
    use rust_xlsxwriter::Workbook;

    use super::*;

    const HEADER: &str = "交易日期,交易流水号,收入金额,付款人户名,付款人账号,摘要\n";

    fn one(line: &str) -> Result<BankRow, (&'static str, &'static str)> {
        let mut lines = read(format!("{HEADER}{line}\n").as_bytes(), false).unwrap();
        assert_eq!((lines.len(), lines[0].number), (1, 2));
        lines.remove(0).row.map_err(|finding| (finding.column, finding.problem.rule.name()))
    }

    #[test]
    fn lines_are_read_as_the_bank_wrote_them() {
        let row = one("2026-11-23,000123,200.00,南京签印科技有限公司,320100001,订单 8K2M").unwrap();
        assert_eq!((row.booked().to_string().as_str(), row.transaction()), ("2026-11-23", "000123"));
        assert_eq!((row.amount(), row.payer()), (Fen::new(20_000), "南京签印科技有限公司"));
        assert_eq!(row.remark(), "订单 8K2M");
        let account = "9".repeat(100);
        assert!(one(&format!("2026-11-23,000123,2.00,,{account},")).is_ok(), "nobody reads it");
        assert!(one("2026-11-23,000123,-0.50,,,").unwrap().is_outgoing());
    }

    #[test]
    fn a_spreadsheet_can_hide_characters_that_no_database_takes() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (at, (name, cell)) in [
            ("booked", "2026-11-23"),
            ("transaction", "1"),
            ("amount", "2.00"),
            ("payer", "甲\u{0}公司"),
            ("remark", "a\u{0}\u{1}b"),
        ]
        .into_iter()
        .enumerate()
        {
            sheet.write_string(0, u16::try_from(at).unwrap(), name).unwrap();
            sheet.write_string(1, u16::try_from(at).unwrap(), cell).unwrap();
        }
        let row = read(&book.save_to_buffer().unwrap(), true).unwrap().remove(0).row.unwrap();
        assert_eq!((row.payer(), row.remark()), ("甲 公司", "a  b"));
    }

    #[test]
    fn a_bad_line_says_where_and_keeps_the_others() {
        let long = format!("2026-11-23,1,2.00,{},,", "名".repeat(201));
        for (line, column, rule) in [
            ("2026/11/23,1,2.00,,,", BOOKED, "statement.date"),
            ("2026-02-30,1,2.00,,,", BOOKED, "statement.date"),
            ("2026-11-23,,2.00,,,", TRANSACTION, "statement.transaction"),
            ("2026-11-23,1,2,,,", AMOUNT, "statement.amount"),
            ("2026-11-23,1,\"1,000.00\",,,", AMOUNT, "statement.amount"),
            ("2026-11-23,1,0.00,,,", AMOUNT, "statement.amount"),
            (&long, PAYER, "statement.length"),
            ("2026-11-23,1,2.00", "", "line.cells"),
        ] {
            assert_eq!(one(line).unwrap_err(), (column, rule), "{line}");
        }
        let text = format!("{HEADER}x,1,2.00,,,\n2026-11-23,2,2.00,,,\n");
        let lines = read(text.as_bytes(), false).unwrap();
        assert!(lines[0].row.is_err() && lines[1].row.is_ok());
    }

    #[test]
    fn what_is_no_statement_is_refused_as_a_whole() {
        let refused = |text: &str| read(text.as_bytes(), false).unwrap_err().rule.name();
        assert_eq!(refused(HEADER), "sheet.empty");
        assert_eq!(refused("交易日期,交易流水号,收入金额,付款人户名\n"), "sheet.column-missing");
        assert_eq!(refused("交易日期,余额\n"), "sheet.column-unknown");
        assert_eq!(read(b"\x00\x01", true).unwrap_err().rule.name(), "sheet.form");
    }

    #[test]
    fn numbers_of_a_spreadsheet_count_where_nothing_is_lost() {
        let read_one = |transaction_is_text: bool, amount: f64| {
            let mut book = Workbook::new();
            let sheet = book.add_worksheet();
            for (at, name) in ["booked", "transaction", "amount", "payer", "remark"].into_iter().enumerate() {
                sheet.write_string(0, u16::try_from(at).unwrap(), name).unwrap();
            }
            sheet.write_string(1, 0, "2026-11-23").unwrap();
            if transaction_is_text {
                sheet.write_string(1, 1, "0042").unwrap();
            } else {
                sheet.write_number(1, 1, 42).unwrap();
            }
            sheet.write_number(1, 2, amount).unwrap();
            sheet.write_string(1, 3, "甲").unwrap();
            sheet.write_string(1, 4, "x").unwrap();
            let row = read(&book.save_to_buffer().unwrap(), true).unwrap().remove(0).row;
            row.map(|row| row.amount().get()).map_err(|finding| finding.problem.rule.name())
        };
        for (amount, fen) in [(200.0, 20_000), (200.5, 20_050), (200.55, 20_055), (0.1, 10), (-3.0, -300)] {
            assert_eq!(read_one(true, amount), Ok(fen), "{amount}");
        }
        assert_eq!(read_one(true, 0.1 + 0.2), Err("statement.amount"), "no float is rounded");
        assert_eq!(read_one(true, 1e17), Err("cell.precision"));
        assert_eq!(read_one(false, 1.0), Err("cell.leading-zeros"));
    }
}

//! One line of a bank statement.

use jiff::civil::Date;

use crate::Fen;

/// Digits of yuan, so that the sum of every statement fits: 10^13 yuan is more than there is.
const YUAN_DIGITS_MAX: usize = 13;
const TRANSACTION_MAX: usize = 64;
const NAME_MAX: usize = 200;
const REMARK_MAX: usize = 500;

/// The cells of a line, as they stand in the file.
#[derive(Clone, Copy, Debug)]
pub struct BankRowCells<'a> {
    /// 交易日期.
    pub booked: &'a str,
    /// 交易流水号.
    pub transaction: &'a str,
    /// 收入金额.
    pub amount: &'a str,
    /// 付款人户名.
    pub payer: &'a str,
    /// 摘要.
    pub remark: &'a str,
}

/// A line of a statement.
#[derive(Clone, PartialEq, Eq)]
pub struct BankRow {
    booked: Date,
    transaction: String,
    amount: Fen,
    payer: String,
    remark: String,
}

/// A cell that cannot be read. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BankRowError {
    /// Not a day that exists.
    #[error("booking date: a day as 2026-11-23 is needed")]
    Date,
    /// No number of the bank's.
    #[error("transaction: 1 to 64 visible ASCII characters are needed")]
    Transaction,
    /// Not yuan with two decimals, or nothing at all.
    #[error("amount: yuan with two decimals are needed, as 200.00, and not 0.00")]
    Amount,
    /// Too long a name.
    #[error("payer: at most 200 characters are needed")]
    Payer,
    /// Too long a remark.
    #[error("remark: at most 500 characters are needed")]
    Remark,
}

impl BankRow {
    /// Reads a line. Name and remark may be empty: cash paid in at a bank has none.
    ///
    /// # Errors
    /// [`BankRowError`]: the first cell that cannot be read.
    pub fn parse(cells: BankRowCells<'_>) -> Result<Self, BankRowError> {
        let booked = date(cells.booked).ok_or(BankRowError::Date)?;
        let number = cells.transaction;
        if !(1..=TRANSACTION_MAX).contains(&number.len()) || !number.bytes().all(|c| c.is_ascii_graphic()) {
            return Err(BankRowError::Transaction);
        }
        let amount = yuan(cells.amount).filter(|amount| *amount != Fen::ZERO).ok_or(BankRowError::Amount)?;
        for (text, most, error) in
            [(cells.payer, NAME_MAX, BankRowError::Payer), (cells.remark, REMARK_MAX, BankRowError::Remark)]
        {
            if text.chars().count() > most {
                return Err(error);
            }
        }
        Ok(Self {
            booked,
            transaction: number.to_owned(),
            amount,
            payer: visible(cells.payer),
            remark: visible(cells.remark),
        })
    }

    /// The day on which the bank booked it.
    #[must_use]
    pub fn booked(&self) -> Date {
        self.booked
    }

    /// The bank's number of it: one a movement of money.
    #[must_use]
    pub fn transaction(&self) -> &str {
        &self.transaction
    }

    /// What came; negative when it went out.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.amount
    }

    /// Who paid, by the bank.
    #[must_use]
    pub fn payer(&self) -> &str {
        &self.payer
    }

    /// What the payer wrote.
    #[must_use]
    pub fn remark(&self) -> &str {
        &self.remark
    }

    /// Whether the money went out.
    #[must_use]
    pub fn is_outgoing(&self) -> bool {
        self.amount < Fen::ZERO
    }
}

impl std::fmt::Debug for BankRow {
    /// Without payer and remark, which may be a person's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { booked, transaction, amount, .. } = self;
        f.debug_struct("BankRow")
            .field("booked", booked)
            .field("transaction", transaction)
            .field("amount", amount)
            .finish_non_exhaustive()
    }
}

/// PostgreSQL stores no NUL, and nobody reads the others: money must not be lost to them.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn date(text: &str) -> Option<Date> {
    let digit = |at: usize, c: u8| if matches!(at, 4 | 7) { c == b'-' } else { c.is_ascii_digit() };
    let formed = text.len() == 10 && text.bytes().enumerate().all(|(at, c)| digit(at, c));
    text.parse().ok().filter(|_| formed)
}

/// Yuan with exactly two decimals, digit for digit: no float ever holds money.
fn yuan(text: &str) -> Option<Fen> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (yuan, fen) = digits.split_once('.')?;
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    if !all_digits(yuan) || !all_digits(fen) || fen.len() != 2 || yuan.len() > YUAN_DIGITS_MAX {
        return None;
    }
    if yuan.len() > 1 && yuan.starts_with('0') {
        return None;
    }
    let amount = yuan.parse::<i64>().ok()?.checked_mul(100)?.checked_add(fen.parse().ok()?)?;
    Some(Fen::new(if negative { amount.checked_neg()? } else { amount }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CELLS: BankRowCells<'_> = BankRowCells {
        booked: "2026-11-23",
        transaction: "B2026112300001",
        amount: "200.00",
        payer: "南京签印科技有限公司",
        remark: "CA 费用",
    };

    #[test]
    fn reads_a_line() {
        let row = BankRow::parse(CELLS).unwrap();
        assert_eq!((row.amount(), row.is_outgoing()), (Fen::new(20_000), false));
        assert_eq!(row.booked().to_string(), "2026-11-23");
        assert_eq!((row.transaction(), row.payer()), (CELLS.transaction, CELLS.payer));
        assert_eq!(row.remark(), CELLS.remark);
        let out = BankRow::parse(BankRowCells { amount: "-12.05", payer: "", remark: "", ..CELLS });
        let out = out.unwrap();
        assert_eq!((out.amount(), out.is_outgoing()), (Fen::new(-1_205), true));
        let debug = format!("{row:?}");
        assert!(
            debug.contains("B2026112300001") && !debug.contains("签印") && !debug.contains("费用"),
            "{debug}"
        );
    }

    #[test]
    fn amounts_have_one_form() {
        for (text, fen) in [
            ("0.01", 1),
            ("0.10", 10),
            ("1.00", 100),
            ("-0.01", -1),
            ("9999999999999.99", 999_999_999_999_999),
        ] {
            assert_eq!(yuan(text), Some(Fen::new(fen)), "{text}");
        }
        for text in [
            "0.00",
            "-0.00",
            "",
            "200",
            "200.",
            "200.0",
            "200.000",
            ".50",
            "00.50",
            "0200.00",
            "+200.00",
            "--1.00",
            "1,200.00",
            "２００.００",
            "¥200.00",
            "200.00 ",
            " 200.00",
            "2e2",
            "200。00",
            "1.-1",
            "10000000000000.00",
            "99999999999999999999.00",
            "NaN",
            "-",
            "-.00",
        ] {
            let refused = BankRow::parse(BankRowCells { amount: text, ..CELLS });
            assert_eq!(refused, Err(BankRowError::Amount), "{text}");
        }
    }

    #[test]
    fn every_cell_has_its_limits() {
        for booked in [
            "",
            "2026-11-31",
            "2026-2-3",
            "20261123",
            "2026/11/23",
            "2026-11-23T00:00",
            "０026-11-23",
            "-026-11-23",
        ] {
            assert_eq!(BankRow::parse(BankRowCells { booked, ..CELLS }), Err(BankRowError::Date), "{booked}");
        }
        let long = "9".repeat(65);
        for transaction in ["", " ", "a b", "流水", "1\n", long.as_str()] {
            let refused = BankRow::parse(BankRowCells { transaction, ..CELLS });
            assert_eq!(refused, Err(BankRowError::Transaction), "{transaction:?}");
        }
        let of = |count| "名".repeat(count);
        let (payer, remark) = (of(201), of(501));
        let refused = |cells| BankRow::parse(cells).unwrap_err();
        assert_eq!(refused(BankRowCells { payer: &payer, ..CELLS }), BankRowError::Payer);
        assert_eq!(refused(BankRowCells { remark: &remark, ..CELLS }), BankRowError::Remark);
        assert!(BankRow::parse(BankRowCells { payer: &of(200), remark: &of(500), ..CELLS }).is_ok());
    }

    #[test]
    fn what_no_database_takes_is_a_space() {
        let cells = BankRowCells { payer: "甲\0公司\u{85}", remark: "a\u{0}b\n\tc\u{7f}", ..CELLS };
        let row = BankRow::parse(cells).unwrap();
        assert_eq!((row.payer(), row.remark()), ("甲 公司 ", "a b  c "));
    }

    proptest! {
        #[test]
        fn random_cells_never_panic(booked in "\\PC{0,12}", transaction in "\\PC{0,70}", amount in "[-0-9.]{0,24}|\\PC{0,12}") {
            let cells = BankRowCells { booked: &booked, transaction: &transaction, amount: &amount, ..CELLS };
            let _ = BankRow::parse(cells);
        }

        #[test]
        fn what_is_written_is_read(fen in 1_i64..=999_999_999_999_999) {
            let text = format!("{}.{:02}", fen / 100, fen % 100);
            prop_assert_eq!(yuan(&text), Some(Fen::new(fen)));
            prop_assert_eq!(yuan(&format!("-{text}")), Some(Fen::new(-fen)));
        }
    }
}

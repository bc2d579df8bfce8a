//! The figures at the end of a report.

use std::{collections::BTreeMap, fmt};

use crate::book::Book;

/// What the export holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Certificates.
    pub certificates: usize,
    /// Serial numbers that were burned.
    pub burned: usize,
    /// Certificates that were revoked.
    pub revoked: usize,
    /// Payments.
    pub payments: usize,
    /// Their sum.
    pub paid: Fen,
    /// Refusals in the log, by rule.
    pub refusals: BTreeMap<String, u64>,
}

impl Book {
    pub(crate) fn summary(&self) -> Summary {
        let in_state = |state: &str| self.statuses.values().filter(|row| row.state == state).count();
        Summary {
            certificates: self.certificates.len(),
            burned: in_state("burned"),
            revoked: in_state("revoked"),
            payments: self.payments.len(),
            paid: Fen(self.payments.values().map(|payment| i128::from(payment.amount_fen)).sum()),
            refusals: self.log.refusals().clone(),
        }
    }
}

/// A sum in fen (1/100 yuan).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fen(pub i128);

impl fmt::Display for Fen {
    /// `¥1,234.00`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fen = self.0.unsigned_abs();
        let mut yuan = (fen / 100).to_string();
        let mut comma = yuan.len();
        while comma > 3 {
            comma -= 3;
            yuan.insert(comma, ',');
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}¥{yuan}.{:02}", fen % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan() {
        for (fen, text) in [
            (0, "¥0.00"),
            (5, "¥0.05"),
            (99_999, "¥999.99"),
            (123_400, "¥1,234.00"),
            (-123_456_789, "-¥1,234,567.89"),
        ] {
            assert_eq!(Fen(fen).to_string(), text);
        }
    }
}

//! 发票, the tax invoice that a payer may ask for: what is asked, where it stands, until when it is due, and how much may
//! be invoiced. What deliberately does not live here: the tax bureau's own system, which gives the numbers.
//!
//! ```text
//! requested ──issue──▶ issued ──red-letter──▶ red-lettered
//!     │                  └attach┘
//!     └─────refuse────▶ refused
//! ```

use ca_verifier::Time;

use super::{InvoiceError, Order};
use crate::{
    Error, Fen,
    policy::{Calendar, Deadline},
};

/// The guide: an invoice is there within 15 working days.
const DUE_WORKING_DAYS: u16 = 15;
const REASONS_CHARS_MAX: usize = 500;

/// The number that the tax bureau gave an invoice: eight digits, or twenty of a fully digital one (数电发票).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InvoiceNumber(String);

impl InvoiceNumber {
    /// Reads a number.
    ///
    /// # Errors
    /// [`InvoiceError::Number`].
    pub fn parse(text: &str) -> Result<Self, InvoiceError> {
        if matches!(text.len(), 8 | 20) && text.bytes().all(|c| c.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvoiceError::Number)
        }
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where an invoice stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvoiceState {
    /// Asked for.
    Requested,
    /// Written.
    Issued {
        /// The tax bureau's number.
        number: InvoiceNumber,
        /// SHA-256 of its file, once we have it.
        file: Option<[u8; 32]>,
    },
    /// Taken back by an invoice over less than nothing (红字发票).
    RedLettered {
        /// The invoice's number.
        number: InvoiceNumber,
        /// The number of the invoice that takes it back.
        red: InvoiceNumber,
    },
    /// Not written.
    Refused {
        /// Why, for the payer to read.
        reasons: String,
    },
}

/// What can be asked of an invoice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvoiceCommand {
    /// It was written.
    Issue {
        /// The tax bureau's number.
        number: InvoiceNumber,
        /// SHA-256 of its file.
        file: Option<[u8; 32]>,
    },
    /// Its file came.
    Attach {
        /// SHA-256.
        file: [u8; 32],
    },
    /// It is not written.
    Refuse {
        /// Why.
        reasons: String,
    },
    /// It was taken back.
    RedLetter {
        /// The number of the invoice that takes it back.
        number: InvoiceNumber,
    },
}

impl InvoiceCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Issue { .. } => "issue",
            Self::Attach { .. } => "attach",
            Self::Refuse { .. } => "refuse",
            Self::RedLetter { .. } => "red-letter",
        }
    }
}

impl InvoiceState {
    /// Every name.
    pub const NAMES: [&str; 4] = ["requested", "issued", "red-lettered", "refused"];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Issued { .. } => "issued",
            Self::RedLettered { .. } => "red-lettered",
            Self::Refused { .. } => "refused",
        }
    }

    /// The next state.
    ///
    /// # Errors
    /// [`InvoiceError::WrongState`], [`InvoiceError::Reasons`], [`InvoiceError::SameNumber`]; it stays as it was.
    pub fn transition(self, command: InvoiceCommand) -> Result<Self, InvoiceError> {
        use InvoiceCommand as C;
        match (self, command) {
            (Self::Requested, C::Issue { number, file }) => Ok(Self::Issued { number, file }),
            (Self::Requested, C::Refuse { reasons }) => {
                let count = reasons.chars().count();
                if reasons.trim().is_empty()
                    || count > REASONS_CHARS_MAX
                    || reasons.chars().any(|c| c.is_control() && c != '\n')
                {
                    return Err(InvoiceError::Reasons);
                }
                Ok(Self::Refused { reasons })
            }
            // A file that was given stays: another one would be another invoice.
            (Self::Issued { number, file: None }, C::Attach { file }) => {
                Ok(Self::Issued { number, file: Some(file) })
            }
            (Self::Issued { number, .. }, C::RedLetter { number: red }) if number == red => {
                Err(InvoiceError::SameNumber)
            }
            (Self::Issued { number, .. }, C::RedLetter { number: red }) => {
                Ok(Self::RedLettered { number, red })
            }
            (state, command) => {
                Err(InvoiceError::WrongState { state: state.name(), command: command.name() })
            }
        }
    }

    /// Whether it takes part of what may be invoiced.
    #[must_use]
    pub fn counts(&self) -> bool {
        matches!(self, Self::Requested | Self::Issued { .. })
    }

    /// Whether it is asked for, not written, and late.
    #[must_use]
    pub fn is_overdue(&self, due: Deadline, now: Time) -> bool {
        *self == Self::Requested && now >= due.at
    }
}

/// Until when an invoice is to be written; `None` when the calendar of the computer ends before.
#[must_use]
pub fn invoice_due(calendar: &Calendar, requested_at: Time) -> Option<Deadline> {
    calendar.deadline(requested_at, DUE_WORKING_DAYS)
}

/// What may still be invoiced of an order: paid, not given back, and on none of its invoices. Below nothing when money
/// went back after it was invoiced: so much must be red-lettered.
///
/// # Errors
/// [`Error::Overflow`].
pub fn invoiceable<'a>(
    order: &Order,
    invoices: impl IntoIterator<Item = (&'a InvoiceState, Fen)>,
) -> Result<Fen, Error> {
    let counted = invoices.into_iter().filter(|(state, _)| state.counts());
    let gone = counted.map(|(_, amount)| amount).try_fold(order.refunded, Fen::plus)?;
    order.received.get().checked_sub(gone.get()).map(Fen::new).ok_or(Error::Overflow)
}

/// Whether `amount` may be invoiced where `most` is [`invoiceable`].
///
/// # Errors
/// [`InvoiceError::Amount`], [`InvoiceError::TooMuch`].
pub fn check_invoice_amount(amount: Fen, most: Fen) -> Result<(), InvoiceError> {
    if amount <= Fen::ZERO {
        return Err(InvoiceError::Amount);
    }
    let most = most.max(Fen::ZERO);
    if amount > most {
        return Err(InvoiceError::TooMuch { asked: amount, most });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        OrderId, UnitId,
        billing::{OrderState, Payer},
        policy::testing,
    };

    fn number(digit: char) -> InvoiceNumber {
        InvoiceNumber::parse(&digit.to_string().repeat(20)).unwrap()
    }

    #[test]
    fn the_whole_table() {
        let mut table = String::new();
        for state in [
            InvoiceState::Requested,
            InvoiceState::Issued { number: number('1'), file: None },
            InvoiceState::Issued { number: number('1'), file: Some([1; 32]) },
            InvoiceState::RedLettered { number: number('1'), red: number('2') },
            InvoiceState::Refused { reasons: "抬头不符".to_owned() },
        ] {
            for command in [
                InvoiceCommand::Issue { number: number('1'), file: None },
                InvoiceCommand::Issue { number: number('1'), file: Some([1; 32]) },
                InvoiceCommand::Attach { file: [2; 32] },
                InvoiceCommand::Refuse { reasons: "抬头不符".to_owned() },
                InvoiceCommand::Refuse { reasons: " ".to_owned() },
                InvoiceCommand::RedLetter { number: number('1') },
                InvoiceCommand::RedLetter { number: number('2') },
            ] {
                let particulars = |file: Option<[u8; 32]>| if file.is_some() { "+file" } else { "" };
                let from = match &state {
                    InvoiceState::Issued { file, .. } => particulars(*file),
                    _ => "",
                };
                let with = match &command {
                    InvoiceCommand::Issue { file, .. } => particulars(*file).to_owned(),
                    InvoiceCommand::Refuse { reasons } if reasons.trim().is_empty() => " nothing".to_owned(),
                    InvoiceCommand::RedLetter { number } => format!(" {}", &number.as_str()[..1]),
                    _ => String::new(),
                };
                let outcome = match state.clone().transition(command.clone()) {
                    Ok(InvoiceState::Issued { file, .. }) => format!("issued{}", particulars(file)),
                    Ok(next) => next.name().to_owned(),
                    Err(refusal) => format!("refused: {refusal}"),
                };
                let (from, with) = (format!("{}{from}", state.name()), format!("{}{with}", command.name()));
                table.push_str(&format!("{from:<13} {with:<15} {outcome}\n"));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn numbers_and_reasons() {
        for good in ["12345678", "24322000000012345678"] {
            assert_eq!(InvoiceNumber::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "1234567", "123456789", "1234567x", "１２３４５６７８", "2432200000001234567 ", "12345678\n"]
        {
            assert_eq!(InvoiceNumber::parse(bad), Err(InvoiceError::Number), "{bad}");
        }
        for bad in ["", "\n", "a\u{7}", &"长".repeat(501)] {
            let command = InvoiceCommand::Refuse { reasons: bad.to_owned() };
            assert_eq!(InvoiceState::Requested.transition(command), Err(InvoiceError::Reasons), "{bad}");
        }
    }

    #[test]
    fn fifteen_working_days() {
        let policies = testing::policies();
        let asked = "2026-09-18".parse().unwrap();
        let asked = crate::day::midnight(asked).unwrap().plus_secs(10 * 3600);
        // 中秋节 and 国庆节 lie between, and a Sunday and a Saturday that make up for them.
        let due = invoice_due(policies.calendar(), asked).unwrap();
        let last = crate::day::day_of(due.at.plus_secs(-1)).unwrap().to_string();
        assert_eq!((last.as_str(), due.estimated), ("2026-10-15", false));
        let issued = InvoiceState::Issued { number: number('1'), file: None };
        for (now, requested) in [(asked, false), (due.at.plus_secs(-1), false), (due.at, true)] {
            assert_eq!(InvoiceState::Requested.is_overdue(due, now), requested);
            assert!(!issued.is_overdue(due, now));
        }
    }

    fn order(received: i64, refunded: i64) -> Order {
        let now = Time::from_secs(0);
        Order {
            id: OrderId::new(now, [1; 10]),
            payer: Payer::Unit(UnitId::new(now, [2; 10])),
            tariff: String::new(),
            quoted_at: now,
            honoured_until: now,
            state: OrderState::Paid,
            total: Fen::new(received),
            waived: Fen::ZERO,
            received: Fen::new(received),
            refunded: Fen::new(refunded),
        }
    }

    fn left(order: &Order, invoices: &[(InvoiceState, Fen)]) -> Fen {
        invoiceable(order, invoices.iter().map(|(state, amount)| (state, *amount))).unwrap()
    }

    #[test]
    fn sums_and_their_limits() {
        let issued = InvoiceState::Issued { number: number('1'), file: None };
        let red = InvoiceState::RedLettered { number: number('1'), red: number('2') };
        let refused = InvoiceState::Refused { reasons: "无".to_owned() };
        let all = [
            (InvoiceState::Requested, Fen::new(100)),
            (issued, Fen::new(200)),
            (red, Fen::new(400)),
            (refused, Fen::new(800)),
        ];
        assert_eq!(left(&order(1_000, 50), &all), Fen::new(650));
        // Money went back after it was invoiced.
        assert_eq!(left(&order(1_000, 900), &all), Fen::new(-200));
        for (amount, most, outcome) in [
            (1, 1, Ok(())),
            (0, 1, Err(InvoiceError::Amount)),
            (-1, 1, Err(InvoiceError::Amount)),
            (2, 1, Err(InvoiceError::TooMuch { asked: Fen::new(2), most: Fen::new(1) })),
            (1, -200, Err(InvoiceError::TooMuch { asked: Fen::new(1), most: Fen::ZERO })),
        ] {
            assert_eq!(check_invoice_amount(Fen::new(amount), Fen::new(most)), outcome, "{amount} {most}");
        }
        let most = [(InvoiceState::Requested, Fen::new(i64::MAX))];
        let over = invoiceable(&order(0, 1), most.iter().map(|(state, amount)| (state, *amount)));
        assert_eq!(over, Err(Error::Overflow));
    }

    proptest! {
        /// Whatever is asked for, written, refused, taken back and refunded in between: no invoice is accepted beyond the
        /// money that is there, and what is left over or too much is what a plain count says.
        #[test]
        fn never_more_than_is_paid(
            received in 1..1_000_000_i64,
            steps in prop::collection::vec((0..5_u8, 1..400_000_i64, any::<prop::sample::Index>()), 1..40),
        ) {
            let mut order = order(received, 0);
            let mut invoices: Vec<(InvoiceState, Fen)> = Vec::new();
            // Kept apart from the states: what stands on invoices that nobody refused or took back.
            let mut standing = 0_i64;
            for (step, amount, which) in steps {
                match step {
                    0 | 1 => {
                        let asked = Fen::new(amount);
                        let fits = standing + amount <= received - order.refunded.get();
                        let outcome = check_invoice_amount(asked, left(&order, &invoices));
                        prop_assert_eq!(outcome.is_ok(), fits);
                        if fits {
                            invoices.push((InvoiceState::Requested, asked));
                            standing += amount;
                        }
                    }
                    2 => {
                        let back = amount.min(received - order.refunded.get());
                        order.refunded = Fen::new(order.refunded.get() + back);
                    }
                    _ if invoices.is_empty() => {}
                    _ => {
                        let (state, sum) = which.get(&invoices).clone();
                        let place = which.index(invoices.len());
                        let command = match (step, &state) {
                            (3, InvoiceState::Requested) => InvoiceCommand::Refuse { reasons: "无".to_owned() },
                            (_, InvoiceState::Requested) => InvoiceCommand::Issue { number: number('1'), file: None },
                            _ => InvoiceCommand::RedLetter { number: number('2') },
                        };
                        let ends = command.name() != "issue";
                        if let Ok(next) = state.transition(command) {
                            standing -= if ends { sum.get() } else { 0 };
                            invoices[place].0 = next;
                        }
                    }
                }
                prop_assert_eq!(left(&order, &invoices).get(), received - order.refunded.get() - standing);
                prop_assert!(standing <= received);
            }
        }
    }
}

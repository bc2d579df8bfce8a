//! Tariffs, and quotes that can be explained line by line.

use std::collections::BTreeMap;

use ca_verifier::Time;

use crate::{ApplicationKind, Error, Fen, Loss};

/// What is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Item {
    /// A U-key.
    Token,
    /// One year of the certificate with its electronic seal.
    CertificateYear,
    /// The work itself.
    Service,
}

impl Item {
    /// Every item.
    pub const ALL: [Self; 3] = [Self::Token, Self::CertificateYear, Self::Service];

    /// The name in the policy, the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::CertificateYear => "certificate-year",
            Self::Service => "service",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|item| item.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "item", value: name.to_owned() })
    }
}

/// One line of a quote, or of the tariff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeItem {
    /// What is charged for.
    pub item: Item,
    /// Price of one.
    pub price: Fen,
}

/// The prices of one project from one day on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tariff {
    /// The tariff's own version, kept with every order.
    pub version: String,
    /// The project that it is for.
    pub project: String,
    /// The first moment at which it is quoted.
    pub valid_from: Time,
    /// For how many days a quote is honoured.
    pub quote_days: u16,
    /// Years that can be bought at once, at most.
    pub years_max: u16,
    /// A token that fails within so many days of its certificate's beginning is exchanged free of charge.
    pub free_exchange_days: u16,
    /// What each kind of application costs. A kind that is not here is free.
    pub prices: BTreeMap<&'static str, Vec<FeeItem>>,
}

/// One line of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteLine {
    /// What is charged for.
    pub item: Item,
    /// How many.
    pub quantity: u16,
    /// Price of one.
    pub price: Fen,
    /// Why it costs other than the tariff says: `free-exchange`.
    pub note: Option<String>,
}

impl QuoteLine {
    /// Quantity times price.
    ///
    /// # Errors
    /// [`Error::Overflow`].
    pub fn amount(&self) -> Result<Fen, Error> {
        self.price.times(self.quantity)
    }
}

/// What an application costs, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The tariff's version.
    pub tariff: String,
    /// The last moment at which it is honoured.
    pub honoured_until: Time,
    /// How the sum comes about.
    pub lines: Vec<QuoteLine>,
    /// The sum of the lines.
    pub total: Fen,
}

const DAY_SECS: i64 = 86_400;
/// Why an exchanged token costs nothing.
pub(crate) const FREE_EXCHANGE: &str = "free-exchange";

impl Tariff {
    /// What an application of this kind costs that is quoted `now`. `since` is when the certificate that it is about
    /// began, if it is about one.
    ///
    /// # Errors
    /// [`Error::Years`] outside 1..=`years_max`, or other than 0 where no time is bought; [`Error::Overflow`].
    pub fn quote(
        &self,
        kind: ApplicationKind,
        years: u16,
        since: Option<Time>,
        now: Time,
    ) -> Result<Quote, Error> {
        let most = if kind.buys_time() { self.years_max } else { 0 };
        if years > most || (years == 0) == kind.buys_time() {
            return Err(Error::Years { asked: years, most });
        }
        let exchanged = matches!(kind, ApplicationKind::Replace { cause: Loss::Damaged, .. })
            && since
                .is_some_and(|since| now <= since.plus_secs(i64::from(self.free_exchange_days) * DAY_SECS));
        // A token that is lent while another is repaired costs nothing.
        let prices = self.prices.get(kind.name()).filter(|_| !kind.is_temporary());
        let mut lines = Vec::new();
        for FeeItem { item, price } in prices.into_iter().flatten() {
            let free = exchanged && *item == Item::Token;
            lines.push(QuoteLine {
                item: *item,
                quantity: if *item == Item::CertificateYear { years } else { 1 },
                price: if free { Fen::ZERO } else { *price },
                note: free.then(|| FREE_EXCHANGE.to_owned()),
            });
        }
        let total = lines
            .iter()
            .try_fold(Fen::ZERO, |sum, line| line.amount().and_then(|amount| sum.plus(amount)))?;
        let honoured_until = now.plus_secs(i64::from(self.quote_days) * DAY_SECS);
        Ok(Quote { tariff: self.version.clone(), honoured_until, lines, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tariff() -> Tariff {
        let item = |item, fen| FeeItem { item, price: Fen::new(fen) };
        let (token, year) = (item(Item::Token, 5_000), item(Item::CertificateYear, 15_000));
        Tariff {
            version: "1".into(),
            project: "p".into(),
            valid_from: Time::from_secs(0),
            quote_days: 30,
            years_max: 3,
            free_exchange_days: 365,
            prices: [
                ("new", vec![token.clone(), year.clone()]),
                ("renew", vec![year]),
                ("replace", vec![token]),
                ("change", vec![item(Item::Service, 1_000)]),
            ]
            .into(),
        }
    }

    #[test]
    fn quotes_the_guides_fees() {
        let of = ca_verifier::Serial::from_content(&[9]).unwrap();
        let total = |kind, years| {
            tariff().quote(kind, years, None, Time::from_secs(0)).map(|quote| quote.total.get())
        };
        let (new, renew) = (ApplicationKind::New, ApplicationKind::Renew { of });
        let lost = ApplicationKind::Replace { of, cause: Loss::Lost };
        assert_eq!(total(new, 1), Ok(20_000));
        assert_eq!(total(new, 3), Ok(50_000));
        assert_eq!(total(renew, 2), Ok(30_000));
        assert_eq!(total(lost, 0), Ok(5_000));
        assert_eq!(total(ApplicationKind::Change { of }, 0), Ok(1_000));
        assert_eq!(total(ApplicationKind::Unlock { of }, 0), Ok(0));
        assert_eq!(total(ApplicationKind::Replace { of, cause: Loss::Repair }, 0), Ok(0));
        assert_eq!(total(lost, 1), Err(Error::Years { asked: 1, most: 0 }));
        assert_eq!(total(new, 0), Err(Error::Years { asked: 0, most: 3 }));
        assert_eq!(total(renew, 4), Err(Error::Years { asked: 4, most: 3 }));
    }

    #[test]
    fn a_damaged_token_is_exchanged_free_of_charge_for_a_year() {
        let of = ca_verifier::Serial::from_content(&[9]).unwrap();
        let day = |days: i64| Time::from_secs(days * DAY_SECS);
        for (cause, since, total, note) in [
            (Loss::Damaged, Some(day(635)), 0, Some(FREE_EXCHANGE)),
            (Loss::Damaged, Some(day(634)), 5_000, None),
            (Loss::Damaged, None, 5_000, None),
            (Loss::Lost, Some(day(999)), 5_000, None),
        ] {
            let quote = tariff().quote(ApplicationKind::Replace { of, cause }, 0, since, day(1_000)).unwrap();
            assert_eq!((quote.total, quote.lines[0].note.as_deref()), (Fen::new(total), note), "{since:?}");
            assert_eq!(quote.honoured_until, day(1_030));
        }
    }
}

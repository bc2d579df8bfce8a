//! Accounts and postings: double entry, balanced by construction.

use std::fmt;

use ca_verifier::Time;

use crate::{AgentId, ApplicationKind, Error, Fen, OrderId, UnitId};

/// Who pays: the money that comes in and is not yet spent belongs to them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Payer {
    /// A unit.
    Unit(UnitId),
    /// An agent who pays for several units.
    Agent(AgentId),
}

impl fmt::Display for Payer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unit(id) => write!(f, "unit:{id}"),
            Self::Agent(id) => write!(f, "agent:{id}"),
        }
    }
}

impl Payer {
    /// Reads one back.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Identifier`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.split_once(':') {
            Some(("unit", id)) => UnitId::parse(id).map(Self::Unit),
            Some(("agent", id)) => AgentId::parse(id).map(Self::Agent),
            _ => Err(Error::Unknown { what: "payer", value: text.to_owned() }),
        }
    }
}

/// How money comes in or goes out; each is an account of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaymentMethod {
    /// Notes and coins in a counter's till.
    Cash,
    /// A card at a counter's terminal.
    Card,
    /// A bank transfer, seen by a cashier or found in the bank's statement.
    Transfer,
    /// Online, through a payment gateway.
    Online,
}

impl PaymentMethod {
    /// Every method.
    pub const ALL: [Self; 4] = [Self::Cash, Self::Card, Self::Transfer, Self::Online];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Card => "card",
            Self::Transfer => "transfer",
            Self::Online => "online",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Where money stands. In the text form, what is before the colon is the class and what is after it the owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// What we hold: `cash`, `card`, `transfer`, `online`.
    Money(PaymentMethod),
    /// Came in and nobody knows from whom yet.
    Suspense,
    /// A payer's credit: paid and not spent. Never below nothing.
    Credit(Payer),
    /// On an order, for what is not handed over yet. Never below nothing.
    Order(OrderId),
    /// Refunds that two persons decided and nobody has paid out yet.
    Payable,
    /// Earned by kind of application.
    Revenue(&'static str),
    /// Not asked for, by decision of two persons.
    Waiver,
    /// Taken back by banks and gateways, and to be paid again.
    Arrears,
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(method) => f.write_str(method.name()),
            Self::Suspense => f.write_str("suspense"),
            Self::Payable => f.write_str("payable"),
            Self::Credit(payer) => write!(f, "{payer}"),
            Self::Order(id) => write!(f, "order:{id}"),
            Self::Revenue(kind) => write!(f, "revenue:{kind}"),
            Self::Waiver => f.write_str("waiver"),
            Self::Arrears => f.write_str("arrears"),
        }
    }
}

impl Account {
    /// Reads one back.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Identifier`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if let Some(method) = PaymentMethod::from_name(text) {
            return Ok(Self::Money(method));
        }
        match (text, text.split_once(':')) {
            ("suspense", _) => Ok(Self::Suspense),
            ("payable", _) => Ok(Self::Payable),
            ("waiver", _) => Ok(Self::Waiver),
            ("arrears", _) => Ok(Self::Arrears),
            (_, Some(("order", id))) => OrderId::parse(id).map(Self::Order),
            (_, Some(("revenue", kind))) => {
                let known = ApplicationKind::NAMES.into_iter().find(|name| *name == kind);
                let unknown = || Error::Unknown { what: "revenue", value: kind.to_owned() };
                known.map(Self::Revenue).ok_or_else(unknown)
            }
            _ => Payer::parse(text).map(Self::Credit),
        }
    }
}

/// One double entry: `debit` gains what `credit` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    debit: Account,
    credit: Account,
    amount: Fen,
}

impl Posting {
    /// Moves `amount`; `None` when there is nothing to move or nowhere to move it.
    #[must_use]
    pub fn new(debit: Account, credit: Account, amount: Fen) -> Option<Self> {
        (amount > Fen::ZERO && debit != credit).then_some(Self { debit, credit, amount })
    }

    /// The account that is debited.
    #[must_use]
    pub fn debit(&self) -> &Account {
        &self.debit
    }

    /// The account that is credited.
    #[must_use]
    pub fn credit(&self) -> &Account {
        &self.credit
    }

    /// How much, more than nothing.
    #[must_use]
    pub fn amount(&self) -> Fen {
        self.amount
    }
}

/// A posting as it stands in the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booked {
    /// Its number: the book's order.
    pub number: i64,
    /// What was done: [`super::BillCommand::name`], [`super::COLLECT`], `pay-out`, `assign`.
    pub reason: String,
    /// The identifier of what caused it.
    pub cause: String,
    /// The order that it belongs to.
    pub order: Option<OrderId>,
    /// The entry.
    pub posting: Posting,
    /// When.
    pub at: Time,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_back() {
        let now = Time::from_secs(1);
        let (unit, agent) = (UnitId::new(now, [1; 10]), AgentId::new(now, [2; 10]));
        for account in [
            Account::Money(PaymentMethod::Cash),
            Account::Money(PaymentMethod::Online),
            Account::Suspense,
            Account::Credit(Payer::Unit(unit.clone())),
            Account::Credit(Payer::Agent(agent)),
            Account::Order(OrderId::new(now, [3; 10])),
            Account::Revenue("renew"),
            Account::Payable,
            Account::Waiver,
            Account::Arrears,
        ] {
            assert_eq!(Account::parse(&account.to_string()), Ok(account));
        }
        for text in ["", "gold", "unit:", "unit:1", "revenue:tea", "order", "staff:1"] {
            assert!(Account::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_moves_nowhere() {
        let (cash, card) = (Account::Money(PaymentMethod::Cash), Account::Money(PaymentMethod::Card));
        assert!(Posting::new(cash.clone(), card.clone(), Fen::new(1)).is_some());
        assert_eq!(Posting::new(cash.clone(), card.clone(), Fen::ZERO), None);
        assert_eq!(Posting::new(cash.clone(), card, Fen::new(-1)), None);
        assert_eq!(Posting::new(cash.clone(), cash, Fen::new(1)), None);
    }
}

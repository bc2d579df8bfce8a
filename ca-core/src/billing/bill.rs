//! What can happen to an order: one total function, which gives the postings.

use super::{Account, Charge, Order, OrderState, PaymentMethod, Posting};
use crate::{ApplicationId, Error, Fen};

/// Ten thousand million yuan: more at once is a slip of the pen or an attack, and balances stay far from 2^63.
const MOST: Fen = Fen::new(1_000_000_000_000);

/// An order with its charges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// The order.
    pub order: Order,
    /// What it is made of, one an application.
    pub charges: Vec<Charge>,
}

/// What can be asked of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BillCommand {
    /// What it is for was approved: it is to be paid.
    Open,
    /// Other prices, while nothing was paid.
    Requote {
        /// Of which applications, and what they cost now.
        prices: Vec<(ApplicationId, Fen)>,
    },
    /// Money came in from the order's payer. What is more than outstanding becomes credit.
    Receive {
        /// Where it is now.
        method: PaymentMethod,
        /// How much.
        amount: Fen,
    },
    /// The payer's credit is spent on it.
    Draw {
        /// How much credit there is.
        credit: Fen,
    },
    /// Part of it is not asked for.
    Waive {
        /// Of which application.
        application: ApplicationId,
        /// How much.
        amount: Fen,
    },
    /// One of its applications ended before it was settled. What was paid too much by that becomes credit.
    Cancel {
        /// Which.
        application: ApplicationId,
    },
    /// Part of what was paid for an application goes back.
    Refund {
        /// Which.
        application: ApplicationId,
        /// How much.
        amount: Fen,
        /// Into the payer's credit, instead of out of our hands.
        into_credit: bool,
    },
    /// What was paid for an application is earned: it was handed over.
    Deliver {
        /// Which.
        application: ApplicationId,
    },
}

/// The reason in the book for what moves when orders become one.
pub const COLLECT: &str = "collect";

impl BillCommand {
    /// The name that stands in the book as the reason.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Requote { .. } => "requote",
            Self::Receive { .. } => "payment",
            Self::Draw { .. } => "draw",
            Self::Waive { .. } => "waiver",
            Self::Cancel { .. } => "cancel",
            Self::Refund { .. } => "refund",
            Self::Deliver { .. } => "delivery",
        }
    }
}

/// Why an order stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BillRefusal {
    /// The command does not fit the state.
    #[error("{command} is not possible in state {state}")]
    WrongState {
        /// Where it stands.
        state: &'static str,
        /// What was asked.
        command: &'static str,
    },
    /// Nothing or less.
    #[error("an amount of more than nothing is needed")]
    Amount,
    /// More than there is.
    #[error("{asked} is more than {most}")]
    TooMuch {
        /// As asked.
        asked: Fen,
        /// What is possible.
        most: Fen,
    },
    /// Not one of its charges, or not wanted any more.
    #[error("the application is not on this order")]
    NotOnOrder,
    /// Past 2^63 fen.
    #[error("amount too large")]
    Overflow,
}

impl From<Error> for BillRefusal {
    /// Sums are all that can fail here.
    fn from(_: Error) -> Self {
        Self::Overflow
    }
}

/// Several orders that became one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collected {
    /// The one.
    pub into: Bill,
    /// The others, as they are now.
    pub emptied: Vec<Bill>,
    /// What goes into the book for that, under [`COLLECT`].
    pub postings: Vec<Posting>,
}

impl Bill {
    /// A quoted order.
    ///
    /// # Errors
    /// [`BillRefusal::Overflow`].
    pub fn quoted(mut order: Order, charges: Vec<Charge>) -> Result<Self, BillRefusal> {
        order.state = OrderState::Quoted;
        order.total = sum(charges.iter().map(|charge| charge.total))?;
        (order.waived, order.received, order.refunded) = (Fen::ZERO, Fen::ZERO, Fen::ZERO);
        Ok(Self { order, charges })
    }

    /// Several due orders of which nothing was paid, as one for one payer; `order` gives all but state and sums. What was
    /// not asked for on an old order is not asked for on the new one: its money moves along.
    ///
    /// # Errors
    /// [`BillRefusal::WrongState`] of the first that is not due; [`BillRefusal::Overflow`].
    pub fn collected(order: Order, mut from: Vec<Self>) -> Result<Collected, BillRefusal> {
        if let Some(other) = from.iter().find(|bill| bill.order.state != OrderState::Due) {
            return Err(other.wrong(COLLECT));
        }
        let charges: Vec<Charge> =
            from.iter().flat_map(|bill| &bill.charges).filter(|charge| charge.live).cloned().collect();
        let waived = sum(charges.iter().map(|charge| charge.waived))?;
        let mut into = Self::quoted(order, charges)?;
        (into.order.waived, into.order.state) = (waived, OrderState::Due);
        let moved = |bill: &Self| {
            let (old, new) = (Account::Order(bill.order.id.clone()), Account::Order(into.order.id.clone()));
            Posting::new(old, new, bill.order.waived)
        };
        let postings = from.iter().filter_map(moved).collect();
        for bill in &mut from {
            bill.charges.retain(|charge| !charge.live);
            (bill.order.total, bill.order.waived) = (Fen::ZERO, Fen::ZERO);
            bill.order.state = OrderState::Cancelled;
        }
        Ok(Collected { into, emptied: from, postings })
    }

    /// Applies one command: the order, its charges and the postings, or nothing at all.
    ///
    /// # Errors
    /// [`BillRefusal`]; the order is as it was.
    pub fn apply(&mut self, command: &BillCommand) -> Result<Vec<Posting>, BillRefusal> {
        let mut next = self.clone();
        let postings = next.change(command)?;
        *self = next;
        Ok(postings.into_iter().flatten().collect())
    }

    /// What could be given back for an application.
    #[must_use]
    pub fn refundable(&self, application: &ApplicationId) -> Fen {
        let settled = matches!(self.order.state, OrderState::Paid | OrderState::Refunded);
        let charge = self.charges.iter().find(|charge| charge.live && charge.application == *application);
        charge.filter(|_| settled).map_or(Fen::ZERO, |charge| {
            Fen::new(charge.total.get() - charge.waived.get() - charge.refunded.get())
        })
    }

    fn change(&mut self, command: &BillCommand) -> Result<Vec<Option<Posting>>, BillRefusal> {
        use OrderState as S;
        let (state, name) = (self.order.state, command.name());
        match (state, command) {
            (S::Quoted, BillCommand::Open) => {
                self.order.state = S::Due;
                self.settle();
                Ok(Vec::new())
            }
            (S::Quoted | S::Due, BillCommand::Requote { prices }) => {
                self.requote(prices)?;
                Ok(Vec::new())
            }
            // Money that came in is never refused: what the order does not need is the payer's credit.
            (_, BillCommand::Receive { method, amount }) => {
                within(*amount, MOST)?;
                let credit = Account::Credit(self.order.payer.clone());
                let mut postings = vec![Posting::new(Account::Money(*method), credit, *amount)];
                if matches!(state, S::Due | S::PartPaid) {
                    postings.push(self.draw(*amount)?);
                }
                Ok(postings)
            }
            (S::Due | S::PartPaid, BillCommand::Draw { credit }) => {
                if *credit <= Fen::ZERO {
                    return Err(BillRefusal::Amount);
                }
                Ok(vec![self.draw(*credit)?])
            }
            (S::Due | S::PartPaid, BillCommand::Waive { application, amount }) => {
                self.waive(application, *amount)
            }
            (S::Quoted | S::Due | S::PartPaid, BillCommand::Cancel { application }) => {
                self.cancel(application)
            }
            (S::Paid, BillCommand::Refund { application, amount, into_credit }) => {
                self.refund(application, *amount, *into_credit)
            }
            (S::Paid | S::Refunded, BillCommand::Deliver { application }) => self.deliver(application),
            _ => Err(BillRefusal::WrongState { state: state.name(), command: name }),
        }
    }

    fn requote(&mut self, prices: &[(ApplicationId, Fen)]) -> Result<(), BillRefusal> {
        for (application, total) in prices {
            if *total != Fen::ZERO {
                within(*total, MOST)?;
            }
            let charge = self.charge(application)?;
            // A waiver was decided for another price.
            if charge.waived != Fen::ZERO {
                return Err(BillRefusal::TooMuch { asked: charge.waived, most: Fen::ZERO });
            }
            charge.total = *total;
        }
        self.order.total = sum(self.charges.iter().filter(|charge| charge.live).map(|charge| charge.total))?;
        self.settle();
        Ok(())
    }

    /// Spends credit, as much as is needed.
    fn draw(&mut self, credit: Fen) -> Result<Option<Posting>, BillRefusal> {
        let amount = credit.min(self.order.outstanding());
        self.order.received = self.order.received.plus(amount)?;
        self.settle();
        let (from, to) = (Account::Credit(self.order.payer.clone()), Account::Order(self.order.id.clone()));
        Ok(Posting::new(from, to, amount))
    }

    fn waive(
        &mut self,
        application: &ApplicationId,
        amount: Fen,
    ) -> Result<Vec<Option<Posting>>, BillRefusal> {
        let outstanding = self.order.outstanding();
        let charge = self.charge(application)?;
        let most = outstanding.min(Fen::new(charge.total.get() - charge.waived.get()));
        within(amount, most)?;
        charge.waived = charge.waived.plus(amount)?;
        self.order.waived = self.order.waived.plus(amount)?;
        self.settle();
        Ok(vec![Posting::new(Account::Waiver, Account::Order(self.order.id.clone()), amount)])
    }

    fn cancel(&mut self, application: &ApplicationId) -> Result<Vec<Option<Posting>>, BillRefusal> {
        let charge = self.charge(application)?;
        charge.live = false;
        let (total, waived) = (charge.total, charge.waived);
        charge.waived = Fen::ZERO;
        self.order.total = Fen::new(self.order.total.get() - total.get());
        self.order.waived = Fen::new(self.order.waived.get() - waived.get());
        let order = Account::Order(self.order.id.clone());
        let mut postings = vec![Posting::new(order.clone(), Account::Waiver, waived)];
        let surplus = Fen::new(-self.order.outstanding().get());
        if surplus > Fen::ZERO {
            self.order.received = Fen::new(self.order.received.get() - surplus.get());
            postings.push(Posting::new(order, Account::Credit(self.order.payer.clone()), surplus));
        }
        if self.charges.iter().any(|charge| charge.live) {
            self.settle();
        } else {
            self.order.state = OrderState::Cancelled;
        }
        Ok(postings)
    }

    fn refund(
        &mut self,
        application: &ApplicationId,
        amount: Fen,
        into_credit: bool,
    ) -> Result<Vec<Option<Posting>>, BillRefusal> {
        within(amount, self.refundable(application))?;
        let charge = self.charge(application)?;
        charge.refunded = charge.refunded.plus(amount)?;
        let earned = amount.min(charge.earned);
        let revenue = Account::Revenue(charge.kind);
        let unused = charge.earned == Fen::ZERO && charge.refunded.plus(charge.waived)? == charge.total;
        charge.earned = Fen::new(charge.earned.get() - earned.get());
        // All of it went back before anything was made: nothing is wanted of it any more.
        charge.live = !unused;
        let waived = if unused { charge.waived } else { Fen::ZERO };
        self.order.refunded = self.order.refunded.plus(amount)?;
        if self.order.refunded == self.order.received {
            self.order.state = OrderState::Refunded;
        }
        let to = if into_credit { Account::Credit(self.order.payer.clone()) } else { Account::Payable };
        let held = Fen::new(amount.get() - earned.get());
        Ok(vec![
            Posting::new(revenue, to.clone(), earned),
            Posting::new(Account::Order(self.order.id.clone()), to, held),
            Posting::new(Account::Order(self.order.id.clone()), Account::Waiver, waived),
        ])
    }

    fn deliver(&mut self, application: &ApplicationId) -> Result<Vec<Option<Posting>>, BillRefusal> {
        let charge = self.charge(application)?;
        let most = Fen::new(charge.total.get() - charge.refunded.get());
        let amount = Fen::new(most.get() - charge.earned.get());
        charge.earned = most;
        let revenue = Account::Revenue(charge.kind);
        Ok(vec![Posting::new(Account::Order(self.order.id.clone()), revenue, amount)])
    }

    fn settle(&mut self) {
        self.order.state = match (self.order.state, self.order.outstanding(), self.order.received) {
            (OrderState::Quoted, _, _) => OrderState::Quoted,
            (_, Fen::ZERO, _) => OrderState::Paid,
            (_, _, Fen::ZERO) => OrderState::Due,
            _ => OrderState::PartPaid,
        };
    }

    fn charge(&mut self, application: &ApplicationId) -> Result<&mut Charge, BillRefusal> {
        let charge = self.charges.iter_mut().find(|charge| charge.live && charge.application == *application);
        charge.ok_or(BillRefusal::NotOnOrder)
    }

    fn wrong(&self, command: &'static str) -> BillRefusal {
        BillRefusal::WrongState { state: self.order.state.name(), command }
    }
}

fn within(amount: Fen, most: Fen) -> Result<(), BillRefusal> {
    if amount <= Fen::ZERO {
        return Err(BillRefusal::Amount);
    }
    if amount > most {
        return Err(BillRefusal::TooMuch { asked: amount, most });
    }
    Ok(())
}

fn sum(amounts: impl Iterator<Item = Fen>) -> Result<Fen, BillRefusal> {
    amounts.into_iter().try_fold(Fen::ZERO, |sum, amount| Ok(sum.plus(amount)?))
}

//! The postings added up, each compared with what the rows behind its cause say: which accounts it must name.

use std::{borrow::Cow, collections::BTreeMap};

use super::route::{Class, Route};
use crate::{
    Rule, Violation,
    book::Book,
    report::{Findings, Place},
    row::{Adjustment, BankLine, Charge, Chargeback, Payment, Posting},
};

/// What the book says, and what it is looked up by.
pub(super) struct Ledger<'a> {
    pub(super) book: &'a Book,
    /// By payment.
    lines: BTreeMap<&'a str, &'a BankLine>,
    /// By settlement.
    settlements: BTreeMap<&'a str, &'a Chargeback>,
    /// Credited less debited, by account.
    pub(super) balances: BTreeMap<&'a str, i128>,
    /// Moved, by way and cause.
    moved: BTreeMap<(Route, &'a str), i128>,
    /// What came onto an order from its payer and was not given back by cancelling.
    received: BTreeMap<&'a str, i128>,
}

impl<'a> Ledger<'a> {
    /// Adds up. What goes a way that is not allowed changes balances and nothing else.
    pub(super) fn read(book: &'a Book, findings: &mut Findings) -> Self {
        let lines = book.bank_lines.values().map(|line| (line.payment.as_str(), line)).collect();
        let settlements =
            book.chargebacks.values().filter_map(|known| Some((known.settlement.as_deref()?, known)));
        let mut ledger = Self {
            book,
            lines,
            settlements: settlements.collect(),
            balances: BTreeMap::new(),
            moved: BTreeMap::new(),
            received: BTreeMap::new(),
        };
        for (id, posting) in &book.postings {
            ledger.post(posting);
            if posting.amount_fen <= 0 {
                let fen = posting.amount_fen;
                findings.add(Rule::Money, "posting", id, Violation::NotPositive { fen });
            }
            let Some(route) = Route::of(&posting.reason, &posting.debit, &posting.credit) else {
                let Posting { reason, debit, credit, .. } = posting;
                let (reason, debit, credit) = (reason.clone(), debit.clone(), credit.clone());
                findings.add(Rule::Money, "posting", id, Violation::NotAllowed { reason, debit, credit });
                continue;
            };
            ledger.count(route, posting);
            let place: Place<'_> = (Rule::Money, "posting", id);
            match ledger.accounts(route, posting) {
                Ok((debit, credit)) => {
                    findings.compare(place, "debit", (posting.debit.as_str(), &*debit));
                    findings.compare(place, "credit", (posting.credit.as_str(), &*credit));
                }
                Err(violation) => findings.add(Rule::Money, "posting", id, violation),
            }
        }
        ledger
    }

    fn post(&mut self, posting: &'a Posting) {
        let amount = i128::from(posting.amount_fen);
        *self.balances.entry(&posting.debit).or_default() -= amount;
        *self.balances.entry(&posting.credit).or_default() += amount;
    }

    fn count(&mut self, route: Route, posting: &'a Posting) {
        let amount = i128::from(posting.amount_fen);
        *self.moved.entry((route, &posting.cause)).or_default() += amount;
        let (order, amount) = match route {
            Route::Spend | Route::Draw => (&posting.credit, amount),
            Route::GiveBack => (&posting.debit, -amount),
            _ => return,
        };
        *self.received.entry(order).or_default() += amount;
    }

    /// What moved in that way because of `cause`.
    pub(super) fn moved(&self, route: Route, cause: &str) -> i128 {
        self.moved.get(&(route, cause)).copied().unwrap_or_default()
    }

    pub(super) fn balance(&self, account: &str) -> i128 {
        self.balances.get(account).copied().unwrap_or_default()
    }

    /// What came onto an order from its payer.
    pub(super) fn received(&self, order: &str) -> i128 {
        self.received.get(account_of(order).as_str()).copied().unwrap_or_default()
    }

    /// The line of a statement that brought a payment whose order was not known then.
    pub(super) fn kept(&self, payment: &str) -> Option<&'a BankLine> {
        self.lines.get(payment).copied().filter(|line| line.state != "matched")
    }

    /// The order to which a person assigned a payment.
    pub(super) fn assigned(&self, payment: &str) -> Option<&'a str> {
        self.kept(payment).filter(|line| line.state == "assigned")?.fee_order.as_deref()
    }

    /// The line whose money two persons sent back.
    pub(super) fn returned(&self, payment: &str) -> Option<&'a BankLine> {
        self.kept(payment).filter(|line| line.state == "returned")
    }

    /// The chargeback that a payment made up for.
    pub(super) fn settled(&self, payment: &str) -> Option<&'a Chargeback> {
        self.settlements.get(payment).copied()
    }

    /// The accounts that a posting must name.
    fn accounts(
        &self,
        route: Route,
        posting: &'a Posting,
    ) -> Result<(Cow<'a, str>, Cow<'a, str>), Violation> {
        let (debit, credit) = (Cow::from(posting.debit.as_str()), Cow::from(posting.credit.as_str()));
        let cause = posting.cause.as_str();
        Ok(match route {
            Route::Receive | Route::Keep => {
                let payment = self.payment(cause)?;
                let to = match (&payment.fee_order, self.kept(cause)) {
                    (Some(order), None) => self.payer(order)?,
                    _ => Cow::from("suspense"),
                };
                (Cow::from(payment.method.as_str()), to)
            }
            Route::Spend => {
                let order = self.payment(cause)?.fee_order.as_deref();
                let order = order.ok_or_else(|| missing("fee_order", "NULL"))?;
                (self.payer(order)?, order_account(order))
            }
            Route::Assign => (debit, self.payer(self.assignment(cause)?)?),
            Route::Return => {
                self.returned(cause).ok_or_else(|| missing("bank_line", cause))?;
                (debit, Cow::from(self.payment(cause)?.method.as_str()))
            }
            Route::Draw => {
                let order =
                    if self.book.orders.contains_key(cause) { cause } else { self.assignment(cause)? };
                (self.payer(order)?, order_account(order))
            }
            Route::Waive => {
                self.adjustment(cause, "waiver")?;
                (debit, credit)
            }
            Route::GiveBack => {
                let order = &self.charge(cause)?.fee_order;
                (order_account(order), self.payer(order)?)
            }
            Route::TakeBack if posting.reason == "cancel" => {
                (order_account(&self.charge(cause)?.fee_order), credit)
            }
            Route::RefundEarned | Route::RefundHeld | Route::TakeBack => {
                let adjustment = self.adjustment(cause, "refund")?;
                let charge = self.charge(&adjustment.application)?;
                let from = match route {
                    Route::RefundEarned => revenue_account(&charge.kind),
                    _ => order_account(&charge.fee_order),
                };
                let to = match Class::of(&credit) {
                    Some(Class::Waiver) => credit,
                    _ if adjustment.into_credit != 0 => self.payer(&charge.fee_order)?,
                    _ => Cow::from("payable"),
                };
                (from, to)
            }
            Route::PayOut => {
                let method = self.adjustment(cause, "refund")?.method.as_deref();
                (debit, Cow::from(method.unwrap_or("NULL")))
            }
            Route::Deliver => {
                let charge = self.charge(cause)?;
                (order_account(&charge.fee_order), revenue_account(&charge.kind))
            }
            Route::ChargeBack => {
                let known = self.book.chargebacks.get(cause).ok_or_else(|| missing("chargeback", cause))?;
                (debit, Cow::from(self.payment(&known.payment)?.method.as_str()))
            }
            Route::Settle => {
                self.settled(cause).ok_or_else(|| missing("chargeback", cause))?;
                (Cow::from(self.payment(cause)?.method.as_str()), credit)
            }
            Route::Collect => (debit, order_account(cause)),
        })
    }

    fn payer(&self, order: &str) -> Result<Cow<'a, str>, Violation> {
        let order = self.book.orders.get(order).ok_or_else(|| missing("fee_order", order))?;
        Ok(Cow::from(order.payer.as_str()))
    }

    fn payment(&self, id: &str) -> Result<&'a Payment, Violation> {
        self.book.payments.get(id).ok_or_else(|| missing("payment", id))
    }

    fn charge(&self, application: &str) -> Result<&'a Charge, Violation> {
        self.book.charges.get(application).ok_or_else(|| missing("charge", application))
    }

    fn adjustment(&self, id: &str, kind: &'static str) -> Result<&'a Adjustment, Violation> {
        let known = self.book.adjustments.get(id).filter(|known| known.kind == kind);
        known.ok_or_else(|| missing("adjustment", id))
    }

    fn assignment(&self, payment: &str) -> Result<&'a str, Violation> {
        self.assigned(payment).ok_or_else(|| missing("bank_line", payment))
    }
}

fn missing(table: &'static str, id: &str) -> Violation {
    Violation::ReferenceMissing { table, id: id.to_owned() }
}

/// The account of an order.
pub(super) fn account_of(order: &str) -> String {
    format!("order:{order}")
}

fn order_account<'a>(order: &str) -> Cow<'a, str> {
    Cow::from(account_of(order))
}

fn revenue_account<'a>(kind: &str) -> Cow<'a, str> {
    Cow::from(format!("revenue:{kind}"))
}

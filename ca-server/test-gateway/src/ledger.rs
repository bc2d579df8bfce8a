//! Orders and refunds of this gateway, in memory.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// More would be a mistake of a test.
const ORDERS_MAX: usize = 10_000;

/// Why the gateway says no: the word that the answer holds.
pub(crate) type Code = &'static str;

/// What a merchant asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewOrder {
    pub(crate) order: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) nonce: String,
    pub(crate) description: String,
    pub(crate) notify_url: String,
    pub(crate) return_url: String,
    pub(crate) expires_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Open,
    Paid,
    Closed,
}

#[derive(Clone, Debug)]
struct Payment {
    transaction: String,
    paid_at: Timestamp,
}

/// How a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefundState {
    Accepted,
    Done,
    Failed,
}

#[derive(Clone, Copy, Debug)]
struct Refund {
    amount: i64,
    state: RefundState,
}

/// An order.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) asked: NewOrder,
    /// Nobody guesses it: who knows it may pay.
    pub(crate) page: String,
    closed: bool,
    payments: Vec<Payment>,
    refunds: BTreeMap<String, Refund>,
}

/// What a callback carries, and where.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) order: String,
    pub(crate) notify_url: String,
    pub(crate) body: Value,
}

/// Everything.
#[derive(Default)]
pub(crate) struct Ledger {
    merchant: String,
    orders: BTreeMap<String, Order>,
    transactions: u64,
    /// How the next refunds stand at first, in turn; then `done`.
    pub(crate) refunds: VecDeque<RefundState>,
}

impl Order {
    pub(crate) fn state(&self, now: Timestamp) -> State {
        if !self.payments.is_empty() {
            State::Paid
        } else if self.closed || now >= self.asked.expires_at {
            State::Closed
        } else {
            State::Open
        }
    }

    fn notice(&self, merchant: &str, payment: Option<&Payment>, state: &str) -> Notice {
        let NewOrder { order, amount, currency, nonce, notify_url, .. } = &self.asked;
        let mut body = json!({
            "merchant": merchant, "order": order, "amount": amount, "currency": currency, "nonce": nonce, "state": state,
        });
        if let Some(Payment { transaction, paid_at }) = payment {
            body["transaction"] = transaction.as_str().into();
            body["paid_at"] = format!("{paid_at:.0}").into();
        }
        Notice { order: order.clone(), notify_url: notify_url.clone(), body }
    }
}

impl Ledger {
    pub(crate) fn new(merchant: &str) -> Self {
        Self { merchant: merchant.to_owned(), ..Self::default() }
    }

    pub(crate) fn merchant(&self) -> &str {
        &self.merchant
    }

    /// Opens an order; the same again is the same order. `page` is used when it is new. Gives its page.
    pub(crate) fn create(&mut self, asked: NewOrder, page: String, now: Timestamp) -> Result<&str, Code> {
        if asked.amount < 1 {
            return Err("amount");
        }
        if asked.currency != "CNY" {
            return Err("currency");
        }
        if self.orders.len() >= ORDERS_MAX && !self.orders.contains_key(&asked.order) {
            return Err("full");
        }
        let new = || Order {
            asked: asked.clone(),
            page,
            closed: false,
            payments: vec![],
            refunds: BTreeMap::new(),
        };
        let held = self.orders.entry(asked.order.clone()).or_insert_with(new);
        if held.asked != asked {
            return Err("order-differs");
        }
        match held.state(now) {
            State::Open => Ok(&held.page),
            State::Paid => Err("paid"),
            State::Closed => Err("closed"),
        }
    }

    pub(crate) fn of_page(&self, page: &str) -> Option<&Order> {
        self.orders.values().find(|order| order.page == page)
    }

    /// How an order stands, as a notice. The first payment counts.
    pub(crate) fn query(&self, order: &str, now: Timestamp) -> Result<Notice, Code> {
        let order = self.orders.get(order).ok_or("unknown-order")?;
        let state = match order.state(now) {
            State::Open => "pending",
            State::Paid => "success",
            State::Closed => "closed",
        };
        Ok(order.notice(&self.merchant, order.payments.first(), state))
    }

    /// Money comes. `anyway`: even when nobody should be able to pay, as banks sometimes let it happen.
    pub(crate) fn pay(&mut self, order: &str, anyway: bool, now: Timestamp) -> Result<Notice, Code> {
        let order = self.orders.get_mut(order).ok_or("unknown-order")?;
        match order.state(now) {
            State::Paid if !anyway => return Err("paid"),
            State::Closed if !anyway => return Err("closed"),
            _ => {}
        }
        self.transactions += 1;
        let payment = Payment { transaction: format!("TG{:010}", self.transactions), paid_at: now };
        let notice = order.notice(&self.merchant, Some(&payment), "success");
        order.payments.push(payment);
        Ok(notice)
    }

    /// `true` when it is closed now, `false` when it was paid before.
    pub(crate) fn close(&mut self, order: &str, now: Timestamp) -> Result<bool, Code> {
        let order = self.orders.get_mut(order).ok_or("unknown-order")?;
        if order.state(now) == State::Paid {
            return Ok(false);
        }
        order.closed = true;
        Ok(true)
    }

    /// Gives money back; the same refund again is the same refund.
    pub(crate) fn refund(&mut self, order: &str, refund: &str, amount: i64) -> Result<RefundState, Code> {
        let order = self.orders.get_mut(order).ok_or("unknown-order")?;
        if let Some(held) = order.refunds.get(refund) {
            return if held.amount == amount { Ok(held.state) } else { Err("refund-differs") };
        }
        if order.payments.is_empty() {
            return Err("not-paid");
        }
        let given = order.refunds.values().filter(|refund| refund.state != RefundState::Failed);
        let given: i64 = given.map(|refund| refund.amount).sum();
        if amount < 1 || given.checked_add(amount).is_none_or(|all| all > order.asked.amount) {
            return Err("amount");
        }
        let state = self.refunds.pop_front().unwrap_or(RefundState::Done);
        order.refunds.insert(refund.to_owned(), Refund { amount, state });
        Ok(state)
    }

    pub(crate) fn query_refund(&self, order: &str, refund: &str) -> Result<(i64, RefundState), Code> {
        let order = self.orders.get(order).ok_or("unknown-order")?;
        let Refund { amount, state } = order.refunds.get(refund).ok_or("unknown-refund")?;
        Ok((*amount, *state))
    }

    /// What a bank says later of a refund.
    pub(crate) fn settle_refund(
        &mut self,
        order: &str,
        refund: &str,
        state: RefundState,
    ) -> Result<(), Code> {
        let order = self.orders.get_mut(order).ok_or("unknown-order")?;
        order.refunds.get_mut(refund).ok_or("unknown-refund")?.state = state;
        Ok(())
    }

    /// For tests: what was paid and given back.
    pub(crate) fn view(&self, now: Timestamp) -> Value {
        let view = |order: &Order| {
            let refunds = order.refunds.iter();
            let refunds: Vec<Value> = refunds
                .map(|(refund, Refund { amount, state })| {
                    json!({ "refund": refund, "amount": amount, "state": state })
                })
                .collect();
            let payments: Vec<&str> = order.payments.iter().map(|paid| paid.transaction.as_str()).collect();
            json!({
                "order": order.asked.order, "amount": order.asked.amount, "page": order.page,
                "state": match order.state(now) { State::Open => "open", State::Paid => "paid", State::Closed => "closed" },
                "payments": payments, "refunds": refunds, "return_url": order.asked.return_url,
            })
        };
        self.orders.values().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn asked(order: &str) -> NewOrder {
        NewOrder {
            order: order.to_owned(),
            amount: 20_000,
            currency: "CNY".into(),
            nonce: "n".into(),
            description: "d".into(),
            notify_url: "http://127.0.0.1/n".into(),
            return_url: "http://127.0.0.1/r".into(),
            expires_at: at(100),
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new("M001");
        assert_eq!(ledger.create(asked("o"), "p".into(), at(1)), Ok("p"));
        ledger
    }

    #[test]
    fn the_same_order_has_one_page_and_another_is_refused() {
        let mut ledger = ledger();
        assert_eq!(ledger.create(asked("o"), "q".into(), at(99)), Ok("p"));
        let other = NewOrder { amount: 1, ..asked("o") };
        assert_eq!(ledger.create(other, "q".into(), at(2)), Err("order-differs"));
        assert_eq!(ledger.create(asked("o"), "q".into(), at(100)), Err("closed"), "expired");
        for (new, code) in [
            (NewOrder { amount: 0, ..asked("x") }, "amount"),
            (NewOrder { currency: "USD".into(), ..asked("x") }, "currency"),
        ] {
            assert_eq!(ledger.create(new, "q".into(), at(2)), Err(code));
        }
        assert_eq!(ledger.query("x", at(2)).unwrap_err(), "unknown-order", "a refusal opens nothing");
    }

    #[test]
    fn money_comes_once_unless_a_bank_makes_a_mistake() {
        let mut ledger = ledger();
        assert_eq!(ledger.query("o", at(2)).unwrap().body["state"], "pending");
        let notice = ledger.pay("o", false, at(2)).unwrap();
        assert_eq!(notice.body["transaction"], "TG0000000001");
        assert_eq!(notice.body["paid_at"], "1970-01-01T00:00:02Z");
        assert_eq!(ledger.pay("o", false, at(3)).unwrap_err(), "paid");
        assert_eq!(ledger.pay("o", true, at(3)).unwrap().body["transaction"], "TG0000000002");
        assert_eq!(ledger.query("o", at(500)).unwrap().body, notice.body, "the first one counts");
        assert_eq!(ledger.close("o", at(4)), Ok(false));
    }

    #[test]
    fn nobody_pays_what_is_closed_or_expired() {
        let mut closed = ledger();
        assert_eq!((closed.close("o", at(2)), closed.close("o", at(3))), (Ok(true), Ok(true)));
        assert_eq!(closed.pay("o", false, at(4)).unwrap_err(), "closed");
        assert_eq!(closed.query("o", at(4)).unwrap().body["state"], "closed");
        assert!(closed.query("o", at(4)).unwrap().body.get("transaction").is_none());
        assert_eq!(ledger().pay("o", false, at(100)).unwrap_err(), "closed");
        assert_eq!(closed.pay("o", true, at(5)).unwrap().body["state"], "success", "late money is money");
    }

    #[test]
    fn no_more_is_given_back_than_came() {
        let mut ledger = ledger();
        assert_eq!(ledger.refund("o", "r1", 1), Err("not-paid"));
        ledger.pay("o", false, at(2)).unwrap();
        ledger.refunds = [RefundState::Failed, RefundState::Accepted].into();
        assert_eq!(ledger.refund("o", "r0", 20_000), Ok(RefundState::Failed), "gives nothing");
        assert_eq!(ledger.refund("o", "r1", 15_000), Ok(RefundState::Accepted));
        assert_eq!(ledger.refund("o", "r1", 15_000), Ok(RefundState::Accepted), "once");
        assert_eq!(ledger.refund("o", "r1", 14_000), Err("refund-differs"));
        for amount in [5_001, 0, -1, i64::MAX] {
            assert_eq!(ledger.refund("o", "r2", amount), Err("amount"), "{amount}");
        }
        assert_eq!(ledger.refund("o", "r2", 5_000), Ok(RefundState::Done));
        ledger.settle_refund("o", "r1", RefundState::Done).unwrap();
        assert_eq!(ledger.query_refund("o", "r1"), Ok((15_000, RefundState::Done)));
        assert_eq!(ledger.query_refund("o", "r9"), Err("unknown-refund"));
    }
}

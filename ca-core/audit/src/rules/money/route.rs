//! The ways that money may go: why, from which class of account, to which. Whatever is not here is a finding.

use self::Class::{Arrears, Credit, Money, Order, Payable, Revenue, Suspense, Waiver};

/// How money comes in or goes out.
pub(super) const METHODS: [&str; 4] = ["cash", "card", "transfer", "online"];

/// What an account is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// What we hold.
    Money,
    /// From nobody known.
    Suspense,
    /// A payer's, not spent.
    Credit,
    /// On an order.
    Order,
    /// To be paid out.
    Payable,
    /// Earned.
    Revenue,
    /// Not asked for.
    Waiver,
    /// Taken back, and to be paid again.
    Arrears,
}

impl Class {
    pub(super) fn of(account: &str) -> Option<Self> {
        match (account, account.split_once(':').map(|(class, _)| class)) {
            ("suspense", _) => Some(Suspense),
            ("payable", _) => Some(Payable),
            ("waiver", _) => Some(Waiver),
            ("arrears", _) => Some(Arrears),
            (_, Some("unit" | "agent")) => Some(Credit),
            (_, Some("order")) => Some(Order),
            (_, Some("revenue")) => Some(Revenue),
            (method, _) => METHODS.contains(&method).then_some(Money),
        }
    }
}

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident = $($reason:literal $debit:ident => $credit:ident),+;)+) => {
        /// One way.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Route { $($(#[$doc])* $name),+ }

        /// Reason, class of the debited account, class of the credited one.
        const ROUTES: &[(&str, Class, Class, Route)] = &[$($(($reason, $debit, $credit, Route::$name)),+),+];
    };
}

routes! {
    /// It came from a payer.
    Receive = "payment" Money => Credit;
    /// It came, and nobody knows what for.
    Keep = "payment" Money => Suspense;
    /// Of what came, what the order needs.
    Spend = "payment" Credit => Order;
    /// A person said whose it is.
    Assign = "assign" Suspense => Credit;
    /// Two persons sent it back.
    Return = "return" Suspense => Money;
    /// Credit is spent.
    Draw = "draw" Credit => Order;
    /// Two persons do not ask for it.
    Waive = "waiver" Waiver => Order;
    /// Too much, because an application ended.
    GiveBack = "cancel" Order => Credit;
    /// Nothing is asked for any more, so nothing is waived.
    TakeBack = "cancel" Order => Waiver, "refund" Order => Waiver;
    /// Two persons give back what was earned.
    RefundEarned = "refund" Revenue => Credit, "refund" Revenue => Payable;
    /// Two persons give back what is not earned yet.
    RefundHeld = "refund" Order => Credit, "refund" Order => Payable;
    /// It left our hands.
    PayOut = "pay-out" Payable => Money;
    /// It is earned.
    Deliver = "delivery" Order => Revenue;
    /// A bank or a gateway took it back.
    ChargeBack = "chargeback" Arrears => Money;
    /// It came again.
    Settle = "settle" Money => Arrears;
    /// What was waived follows its charge to another order.
    Collect = "collect" Order => Order;
}

impl Route {
    pub(super) fn of(reason: &str, debit: &str, credit: &str) -> Option<Self> {
        let (debit, credit) = (Class::of(debit)?, Class::of(credit)?);
        let found = ROUTES.iter().find(|(why, from, to, _)| (*why, *from, *to) == (reason, debit, credit));
        found.map(|(.., route)| *route)
    }
}

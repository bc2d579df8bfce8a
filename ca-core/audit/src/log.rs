//! The audit log as the rules ask for it: what was done to an object, in the order of the entries' numbers.
//!
//! What deliberately does not live here: entries of actions that no rule asks for, texts, personal data.

use std::collections::BTreeMap;

use crate::row;

macro_rules! actions {
    ($($name:ident = $text:literal),+ $(,)?) => {
        /// Actions that some rule asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Action { $($name),+ }

        impl Action {
            /// The name that stands in the log.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

actions! {
    SubmitApplication = "submit-application",
    ApproveApplication = "approve-application",
    RejectApplication = "reject-application",
    CorrectApplication = "correct-application",
    WithdrawApplication = "withdraw-application",
    ExpireApplication = "expire-application",
    ApplyUnitEvent = "apply-unit-event",
    RecordPayment = "record-payment",
    AssignMoney = "assign-money",
    RequestReturn = "request-return",
    ApproveReturn = "approve-return",
    SpendCredit = "spend-credit",
    CollectOrders = "collect-orders",
    RequestAdjustment = "request-adjustment",
    DecideAdjustment = "decide-adjustment",
    PayOutRefund = "pay-out-refund",
    RecordChargeback = "record-chargeback",
    SettleChargeback = "settle-chargeback",
    RequestInvoice = "request-invoice",
    IssueInvoice = "issue-invoice",
    CloseShift = "close-shift",
    RequestReopen = "request-reopen",
    DecideReopen = "decide-reopen",
    RecordIntent = "record-intent",
    IssueCertificate = "issue-certificate",
    BurnSerial = "burn-serial",
    ActivateCertificate = "activate-certificate",
    HoldCertificate = "hold-certificate",
    ReleaseCertificate = "release-certificate",
    RevokeCertificate = "revoke-certificate",
}

/// Something that was done.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Number of the entry.
    pub(crate) id: i64,
    pub(crate) action: Action,
    /// Who did it, where some rule asks for that.
    pub(crate) by: Option<Box<str>>,
    /// A change's new state, an amount in fen, the orders that became one; of a unit's event its identifier and, after a space,
    /// what became of the object.
    pub(crate) fact: Option<Box<str>>,
}

/// All entries.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// By object.
    done: BTreeMap<Box<str>, Vec<Event>>,
    /// By rule.
    refused: BTreeMap<String, u64>,
}

impl Log {
    pub(crate) fn add(&mut self, entry: row::Audit) {
        if let Some(rule) = entry.rule {
            *self.refused.entry(rule).or_default() += 1;
            return;
        }
        let Some(action) = Action::from_name(&entry.action) else {
            return;
        };
        let by = match action {
            Action::ApproveApplication
            | Action::RejectApplication
            | Action::AssignMoney
            | Action::RequestReturn
            | Action::ApproveReturn
            | Action::RequestAdjustment
            | Action::RequestReopen
            | Action::DecideReopen
            | Action::DecideAdjustment => Some(entry.actor.into_boxed_str()),
            // Persons enter millions, and no rule asks which.
            Action::SubmitApplication if entry.actor.starts_with("system:") => {
                Some(entry.actor.into_boxed_str())
            }
            _ => None,
        };
        let fact = match action {
            Action::RecordPayment
            | Action::AssignMoney
            | Action::RequestReturn
            | Action::ApproveReturn
            | Action::SpendCredit
            | Action::RequestAdjustment
            | Action::DecideAdjustment
            | Action::PayOutRefund
            | Action::RecordChargeback
            | Action::RequestInvoice
            | Action::IssueInvoice
            | Action::SettleChargeback => entry.detail.amount,
            Action::CollectOrders => entry.detail.orders,
            Action::ApplyUnitEvent => {
                entry.detail.event.zip(entry.detail.fate).map(|(event, fate)| format!("{event} {fate}"))
            }
            Action::ActivateCertificate => Some("good".to_owned()),
            _ => entry.detail.to,
        };
        let event = Event { id: entry.id, action, by, fact: fact.map(String::into_boxed_str) };
        self.done.entry(entry.object_id.into_boxed_str()).or_default().push(event);
    }

    /// To be called when all entries are in.
    pub(crate) fn sort(&mut self) {
        for events in self.done.values_mut() {
            events.sort_by_key(|event| event.id);
        }
    }

    /// What was done to an object.
    pub(crate) fn of(&self, object: &str) -> &[Event] {
        self.done.get(object).map_or(&[], Vec::as_slice)
    }

    /// How often, by whom and with what an action was done to an object.
    pub(crate) fn events(&self, object: &str, action: Action) -> impl Iterator<Item = &Event> {
        self.of(object).iter().filter(move |event| event.action == action)
    }

    /// How often an action was done to an object.
    pub(crate) fn count(&self, object: &str, action: Action) -> usize {
        self.events(object, action).count()
    }

    /// Every object and what was done to it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (&str, &[Event])> {
        self.done.iter().map(|(object, events)| (&**object, events.as_slice()))
    }

    /// Refusals by rule.
    pub(crate) fn refusals(&self) -> &BTreeMap<String, u64> {
        &self.refused
    }
}

//! Step 4: the fee, taken at the counter and recorded once.

use ca_core::{
    Action, ApplicationCommand, ApplicationId, ApplicationState, AuditEntry, Fen, Payment, PaymentId,
};
use ca_store::WriteSite;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, apply::advance, gate, once};
use crate::{
    permit::{Permit, RecordPayment},
    problem::Problem,
    rule::Rule,
    wire,
};

const METHODS: [&str; 3] = ["cash", "card", "transfer"];

/// A payment, as the cashier enters it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    /// How much, in fen.
    pub(crate) amount_fen: i64,
    /// ISO 4217; only `CNY` is taken.
    pub(crate) currency: String,
    /// `cash`, `card` or `transfer`.
    pub(crate) method: String,
    /// Number of the paper receipt; each is used once.
    pub(crate) receipt_no: String,
}

impl App {
    pub(crate) async fn record_payment(
        &self,
        permit: Permit<RecordPayment>,
        application: ApplicationId,
        new: NewPayment,
        key: Once,
    ) -> Result<Made<PaymentId>, Problem> {
        let now = wire::now();
        let cashier = permit.staff().cloned().ok_or_else(|| Problem::new(Rule::NoCertificate))?;
        if new.currency != "CNY" {
            return Err(Problem::new(Rule::Currency).with("found", new.currency));
        }
        if !METHODS.contains(&new.method.as_str()) {
            return Err(Problem::field("method", format!("one of {}", METHODS.join(", "))));
        }
        if new.receipt_no.is_empty()
            || new.receipt_no.len() > 40
            || !new.receipt_no.bytes().all(|c| c.is_ascii_graphic())
        {
            return Err(Problem::field("receipt_no", "1 to 40 visible ASCII characters are needed"));
        }
        let paid = Fen::new(new.amount_fen);
        let id = PaymentId::new(now, wire::random()?);
        self.store
            .write(WriteSite::RecordPayment, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(PaymentId::parse(&before)?));
                }
                let known = tx.application(&application)?.ok_or_else(|| Problem::not_found("application"))?;
                let order = tx.order_of(&application)?.ok_or_else(|| Problem::not_found("order"))?;
                if tx.payment_of(&order.id)?.is_some() {
                    return Err(Problem::new(Rule::PaidAlready));
                }
                let amounts = |rule| Problem::new(rule).with("due", order.total).with("paid", paid);
                match paid.cmp(&order.total) {
                    std::cmp::Ordering::Less => return Err(amounts(Rule::PaymentShort)),
                    std::cmp::Ordering::Greater => return Err(amounts(Rule::PaymentOver)),
                    std::cmp::Ordering::Equal => {}
                }
                if !matches!(known.state, ApplicationState::Approved { .. }) {
                    let problem = Problem::new(Rule::WrongState).with("state", known.state.name());
                    return Err(problem.with("command", "settle"));
                }
                // No money for what cannot be made any more.
                let unit = tx.unit(&known.unit)?.ok_or_else(|| Problem::not_found("unit"))?;
                gate::certificate_fits(tx, known.kind, &unit)?;
                tx.insert_payment(&Payment {
                    id: id.clone(),
                    order: order.id,
                    receipt_no: new.receipt_no.clone(),
                    amount: paid,
                    method: new.method,
                    cashier,
                    at: now,
                })?;
                advance(tx, &application, ApplicationCommand::Settle { payment: Some(id.clone()) })?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RecordPayment, "application", &application);
                tx.append_audit(&entry.with("amount", paid.get()).with("receipt", new.receipt_no))?;
                Ok(Made::Now(id))
            })
            .await
    }
}

//! Step 4 at a gateway: an order is written down, offered, and counted when the gateway says so with its signature.
//!
//! What the gateway was told is written first, so that it can be told again to the letter. A callback and the answer of a
//! query go the same way, and both may come more than once: the gateway's number of a payment counts once, for ever.
//! Money that comes for an order that needs none any more is the payer's credit.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ca_core::{
    Action, Actor, AuditEntry, ConfirmedPayment, GatewayNotice, GatewayStanding, OnlinePayment,
    OnlinePaymentCommand, OnlinePaymentId, OnlinePaymentState, OrderId, PaymentId, Refusal,
    billing::{Payer, Payment, PaymentMethod},
};
use ca_store::{Tx, WriteSite};
use ca_verifier::Time;

use super::{About, App, again, bill, pay};
use crate::{
    channel::gateway::{Closing, Gateway, HttpGateway, NewOnlinePayment, Outcome, SignedNotice},
    permit::{CloseOnlinePayment, OpenOnlinePayment, Permit},
    problem::Problem,
    rule::Rule,
    wire,
};

/// How long a payer has.
const PAYABLE_SECS: i64 = 2 * 3600;
/// A gateway that does not know it so long after it was told last never will: it takes no request that is older.
const UNHEARD_SECS: i64 = 360;
/// When no callback comes, the gateway is asked after so long, and then as often.
const FIRST_ASKED: Duration = Duration::from_secs(5);
const ASKED_AGAIN: Duration = Duration::from_secs(30);
/// Read from the database at once.
const PAGE: i64 = 100;
const GATEWAY: Actor = Actor::System("gateway");

impl App {
    /// An order is to be paid at a gateway. The same again gives the one that can still be paid, and tells the gateway
    /// again what it did not answer.
    pub(crate) async fn open_online_payment(
        &self,
        permit: Permit<OpenOnlinePayment>,
        order: OrderId,
        gateway: &str,
    ) -> Result<OnlinePayment, Problem> {
        let gateway = self.gateways.named(gateway)?;
        let now = Time::from_secs(wire::now().secs());
        let id = OnlinePaymentId::new(now, wire::random()?);
        let (nonce, code) = (pay::receipt_code()?, pay::receipt_code()?);
        let (name, organization) = (gateway.name().to_owned(), self.config.organization.clone());
        let payment = self
            .store
            .write(WriteSite::OpenOnlinePayment, move |tx| {
                let bill = tx.bill(&order)?.filter(|bill| pays(permit.actor(), &bill.order.payer));
                let bill = bill.ok_or_else(|| Problem::not_found("order"))?;
                bill::payable(tx, &bill)?;
                let amount = bill.order.outstanding();
                if let Some(live) = bill::live_online_payment(tx, &order)? {
                    let same = live.gateway == name && live.amount == amount && now < live.expires_at;
                    if !same {
                        return Err(bill::open_already(&live));
                    }
                    if live.state == OnlinePaymentState::Created {
                        tx.tell_online_payment(&live.id, &live.state, now)?;
                    }
                    return Ok(live);
                }
                let new = OnlinePayment {
                    id,
                    order,
                    gateway: name,
                    amount,
                    nonce,
                    code,
                    description: format!("{organization} {}", bill.order.id),
                    opened_by: permit.actor().to_string(),
                    created_at: now,
                    told_at: now,
                    expires_at: now.plus_secs(PAYABLE_SECS),
                    state: OnlinePaymentState::Created,
                };
                tx.insert_online_payment(&new)?;
                let action = Action::OpenOnlinePayment;
                let entry = AuditEntry::done(now, permit.actor(), action, "online-payment", &new.id);
                let entry = entry.with("order", &new.order).with("gateway", &new.gateway);
                tx.append_audit(&entry.with("amount", amount.get()))?;
                Ok(new)
            })
            .await?;
        self.offer(gateway, payment).await
    }

    /// Tells the gateway of it, when it has not answered yet.
    async fn offer(&self, gateway: &HttpGateway, payment: OnlinePayment) -> Result<OnlinePayment, Problem> {
        if payment.state != OnlinePaymentState::Created {
            return Ok(payment);
        }
        let base = self.public_base();
        let told = NewOnlinePayment {
            order: payment.id.to_string(),
            amount: payment.amount,
            nonce: payment.nonce.clone(),
            description: payment.description.clone(),
            notify_url: format!("{base}/callbacks/{}", payment.gateway),
            return_url: format!("{base}/receipts/{}", payment.code),
            expires_at: payment.expires_at,
        };
        match gateway.create(&told).await {
            Outcome::Sure(link) => {
                let command = OnlinePaymentCommand::Offer { url: link.url };
                self.change_online_payment(&payment.id, &command, &GATEWAY).await
            }
            Outcome::Refused { code } => {
                // It may have been paid or closed by an earlier request whose answer was lost.
                self.ask_gateway(&payment).await?;
                match self.online_payment(&payment.id)? {
                    after if after.state == OnlinePaymentState::Created => Err(refused(gateway, &code)),
                    after => Ok(after),
                }
            }
            Outcome::Unknown { why } => Err(away(gateway, &why)),
        }
    }

    /// An online payment.
    pub(crate) fn online_payment(&self, id: &OnlinePaymentId) -> Result<OnlinePayment, Problem> {
        let found = self.store.read(|reader| reader.online_payment(id))?;
        found.ok_or_else(|| Problem::not_found("online-payment"))
    }

    /// Nobody can pay it any more, so that the order can be paid in another way.
    pub(crate) async fn close_online_payment(
        &self,
        permit: Permit<CloseOnlinePayment>,
        id: OnlinePaymentId,
    ) -> Result<OnlinePayment, Problem> {
        let payment = self.online_payment(&id)?;
        let close = self.change_online_payment(&id, &OnlinePaymentCommand::Close, permit.actor());
        // One that ended is refused by the table of states, with its words; from a gateway that is not configured any more
        // nothing comes.
        let gateway = match self.gateways.named(&payment.gateway) {
            Ok(gateway) if payment.state.is_live() => gateway,
            _ => return close.await,
        };
        match gateway.close(id.as_str()).await {
            Outcome::Sure(Closing::Closed) => close.await,
            Outcome::Sure(Closing::Paid) => {
                self.ask_gateway(&payment).await?;
                self.online_payment(&id)
            }
            // It never heard of it or does not answer, and takes no request for it any more. Late money is money.
            Outcome::Refused { .. } | Outcome::Unknown { .. } if unheard(&payment) => close.await,
            Outcome::Refused { code } => Err(refused(gateway, &code)),
            Outcome::Unknown { why } => Err(away(gateway, &why)),
        }
    }

    /// A gateway's callback.
    ///
    /// # Errors
    /// `Rule::GatewaySignature`, `Rule::GatewayNotice`, `Rule::GatewayMismatch`: nothing was counted.
    pub(crate) async fn take_notice(&self, gateway: &str, notice: SignedNotice) -> Result<(), Problem> {
        let gateway = self.gateways.named(gateway)?;
        let read = match gateway.read(&notice, wire::now()) {
            // Anybody can send that: it leaves a trace, and no entry in the log.
            Err(problem) if problem.rule == Rule::GatewaySignature => return Err(problem),
            read => read,
        };
        let about = read.as_ref().map_or_else(|_| "unknown".to_owned(), |notice| notice.order().to_owned());
        let work = async {
            let notice = read?;
            let id = OnlinePaymentId::parse(notice.order());
            let id = id.map_err(|_| Problem::not_found("online-payment"))?;
            let payment = self.online_payment(&id)?;
            if payment.gateway != gateway.name() {
                return Err(Problem::not_found("online-payment"));
            }
            self.count(gateway, &payment, notice).await
        };
        let action = Action::RecordPayment;
        let about = About { actor: &GATEWAY, action, object: "online-payment", id: &about };
        self.audited(about, work).await
    }

    /// What a notice says, when it fits what was asked for.
    async fn count(
        &self,
        gateway: &HttpGateway,
        payment: &OnlinePayment,
        notice: GatewayNotice,
    ) -> Result<(), Problem> {
        match notice.standing(&payment.expected(gateway.merchant()))? {
            GatewayStanding::Paid(confirmed) => self.receive_online(&payment.id, &confirmed).await,
            GatewayStanding::Closed if payment.state.is_live() => {
                let command = OnlinePaymentCommand::Close;
                self.change_online_payment(&payment.id, &command, &GATEWAY).await.map(drop)
            }
            GatewayStanding::Closed | GatewayStanding::Pending => Ok(()),
        }
    }

    async fn receive_online(
        &self,
        id: &OnlinePaymentId,
        confirmed: &ConfirmedPayment,
    ) -> Result<(), Problem> {
        again(|| self.receive_once(id, confirmed)).await
    }

    async fn receive_once(&self, id: &OnlinePaymentId, confirmed: &ConfirmedPayment) -> Result<(), Problem> {
        let now = wire::now();
        let (id, confirmed) = (id.clone(), confirmed.clone());
        let (number, another) = (PaymentId::new(now, wire::random()?), pay::receipt_code()?);
        self.store
            .write(WriteSite::RecordPayment, move |tx| {
                let known = tx.online_payment(&id)?.ok_or_else(|| Problem::not_found("online-payment"))?;
                let reference = known.reference(confirmed.transaction());
                if let Some(counted) = tx.payment_by_reference(PaymentMethod::Online, &reference)? {
                    // Read again: between the two reads another may have counted it, and money and state came together.
                    let current =
                        tx.online_payment(&id)?.ok_or_else(|| Problem::not_found("online-payment"))?;
                    let paid = matches!(current.state, OnlinePaymentState::Paid { .. });
                    // The same again; or a gateway that gave one number to two payments, and that is for a person.
                    return if paid && counted.order.as_ref() == Some(&current.order) {
                        Ok(())
                    } else {
                        let detail = "its number was another payment's";
                        Err(Problem::new(Rule::GatewayMismatch)
                            .with("field", "transaction")
                            .with("detail", detail))
                    };
                }
                let (code, twice) =
                    match known.state.clone().transition(OnlinePaymentCommand::Pay(confirmed.clone())) {
                        Ok(next) => {
                            tx.move_online_payment(&id, &known.state, &next)?;
                            (known.code, false)
                        }
                        // Paid by two transactions: the second is the payer's credit, and the log says so.
                        Err(Refusal::PaidTwice { .. }) => (another, true),
                        Err(refusal) => return Err(refusal.into()),
                    };
                let bill = tx.bill(&known.order)?.ok_or_else(|| Problem::not_found("order"))?;
                let payment = Payment {
                    id: number,
                    order: Some(bill.order.id.clone()),
                    payer: Some(bill.order.payer.clone()),
                    method: PaymentMethod::Online,
                    reference,
                    amount: confirmed.amount(),
                    cashier: None,
                    counter: None,
                    code,
                    at: now,
                };
                let facts = [
                    ("online-payment", id.to_string()),
                    ("paid-at", confirmed.paid_at().to_string()),
                    ("twice", twice.to_string()),
                ];
                pay::receive(tx, &GATEWAY, &bill, &payment, &facts).map(drop)
            })
            .await
    }

    async fn change_online_payment(
        &self,
        id: &OnlinePaymentId,
        command: &OnlinePaymentCommand,
        actor: &Actor,
    ) -> Result<OnlinePayment, Problem> {
        let (id, command, actor, now) = (id.clone(), command.clone(), actor.clone(), wire::now());
        self.store
            .write(WriteSite::ChangeOnlinePayment, move |tx| {
                let mut known =
                    tx.online_payment(&id)?.ok_or_else(|| Problem::not_found("online-payment"))?;
                let next = known.state.clone().transition(command.clone())?;
                tx.move_online_payment(&id, &known.state, &next)?;
                if !next.is_live() {
                    note_end(tx, &actor, &id, &next, now)?;
                }
                known.state = next;
                Ok(known)
            })
            .await
    }

    /// Asks a gateway for what no callback came. `asked`: when each is to be asked, kept between calls.
    pub(crate) async fn ask_gateway_again(
        &self,
        gateway: &str,
        asked: &mut HashMap<OnlinePaymentId, Instant>,
    ) -> Result<(), Problem> {
        let (mut live, mut after) = (Vec::new(), None);
        loop {
            let page =
                self.store.read(|reader| reader.live_online_payments(gateway, after.as_ref(), PAGE))?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            live.extend(page);
        }
        let (now, mut before) = (Instant::now(), std::mem::take(asked));
        for payment in live {
            let due = before.remove(&payment.id).unwrap_or(now + FIRST_ASKED);
            if due > now {
                asked.insert(payment.id, due);
                continue;
            }
            asked.insert(payment.id.clone(), now + ASKED_AGAIN);
            if let Err(problem) = self.ask_gateway(&payment).await {
                let (id, rule) = (&payment.id, problem.rule.name());
                tracing::warn!(%id, cause = ?problem.cause(), "online payment: {rule}");
            }
        }
        Ok(())
    }

    async fn ask_gateway(&self, payment: &OnlinePayment) -> Result<(), Problem> {
        let gateway = self.gateways.named(&payment.gateway)?;
        let now = wire::now();
        let end = match gateway.query(payment.id.as_str()).await {
            Outcome::Sure(Some(notice)) => {
                self.count(gateway, payment, gateway.read(&notice, now)?).await?;
                let live = self.online_payment(&payment.id)?.state.is_live();
                live && now > payment.expires_at
                    && gateway.close(payment.id.as_str()).await == Outcome::Sure(Closing::Closed)
            }
            Outcome::Sure(None) => unheard(payment),
            Outcome::Refused { code } => return Err(refused(gateway, &code)),
            Outcome::Unknown { why } => return Err(away(gateway, &why)),
        };
        if end {
            self.change_online_payment(&payment.id, &OnlinePaymentCommand::Expire, &GATEWAY).await?;
        }
        Ok(())
    }

    /// Where the public pages are.
    pub(super) fn public_base(&self) -> String {
        let base = self.config.receipts.url.clone();
        base.unwrap_or_else(|| format!("https://{}", self.config.listen.https))
    }
}

/// Whether this actor may pay for that payer: staff for everybody, a unit or an agent for itself.
fn pays(actor: &Actor, payer: &Payer) -> bool {
    match (actor, payer) {
        (Actor::Unit(unit), Payer::Unit(payer)) => unit == payer,
        (Actor::Agent(agent), Payer::Agent(payer)) => agent == payer,
        (Actor::Unit(_) | Actor::Agent(_) | Actor::Holder(_), _) => false,
        (Actor::Staff(_) | Actor::Operator(_) | Actor::System(_), _) => true,
    }
}

fn note_end(
    tx: &mut Tx<'_>,
    actor: &Actor,
    id: &OnlinePaymentId,
    state: &OnlinePaymentState,
    now: Time,
) -> Result<(), Problem> {
    let entry = AuditEntry::done(now, actor, Action::CloseOnlinePayment, "online-payment", id);
    Ok(tx.append_audit(&entry.with("state", state.name()))?)
}

/// The gateway was told of it so long ago that it takes that request no more.
fn unheard(payment: &OnlinePayment) -> bool {
    wire::now() > payment.told_at.plus_secs(UNHEARD_SECS)
}

fn refused(gateway: &HttpGateway, code: &str) -> Problem {
    Problem::new(Rule::GatewayRefused).with("gateway", gateway.name()).with("code", code)
}

fn away(gateway: &HttpGateway, why: &str) -> Problem {
    tracing::warn!(gateway = gateway.name(), why, "gateway");
    Problem::new(Rule::GatewayAway).with("gateway", gateway.name())
}

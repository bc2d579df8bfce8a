//! Step 4: several orders become one, for whoever pays for all: an agent, a unit, a department.

use ca_core::{
    Action, AgentId, AuditEntry, Fen, OrderId, UnitId,
    billing::{Bill, COLLECT, Collected, Order, OrderState, Payer},
};
use ca_store::WriteSite;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, Made, Once, bill, once};
use crate::{
    permit::{CollectOrders, Permit},
    problem::Problem,
    rule::Rule,
    wire,
};

/// Orders in one, as many as a list has lines.
const ORDERS_MAX: usize = 5_000;

/// Orders that become one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collection {
    /// Our identifiers of the orders, 2 to 5,000.
    pub(crate) orders: Vec<String>,
    /// The unit that pays; exactly one of `unit` and `agent`.
    #[serde(default)]
    pub(crate) unit: Option<String>,
    /// The agent who pays.
    #[serde(default)]
    pub(crate) agent: Option<String>,
}

impl App {
    /// All of them are due, and nothing was paid of any; the prices stay as they were quoted.
    pub(crate) async fn collect_orders(
        &self,
        permit: Permit<CollectOrders>,
        new: Collection,
        key: Once,
    ) -> Result<Made<OrderId>, Problem> {
        let now = wire::now();
        let mut ids = new.orders.iter().map(|id| OrderId::parse(id)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        ids.dedup();
        if ids.len() != new.orders.len() || !(2..=ORDERS_MAX).contains(&ids.len()) {
            return Err(Problem::field("orders", format!("2 to {ORDERS_MAX} different orders are needed")));
        }
        let payer = match (new.unit, new.agent) {
            (Some(unit), None) => Payer::Unit(UnitId::parse(&unit)?),
            (None, Some(agent)) => Payer::Agent(AgentId::parse(&agent)?),
            _ => return Err(Problem::field("unit", "exactly one of unit and agent is needed")),
        };
        let id = OrderId::new(now, wire::random()?);
        self.store
            .write(WriteSite::CollectOrders, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, id.as_str(), now)? {
                    return Ok(Made::Before(OrderId::parse(&before)?));
                }
                let known = match &payer {
                    Payer::Unit(id) => tx.unit(id)?.is_some(),
                    Payer::Agent(id) => tx.agent(id)?.is_some(),
                };
                if !known {
                    return Err(Problem::not_found("payer"));
                }
                let mut before = Vec::new();
                for id in &ids {
                    let bill = tx.bill(id)?.ok_or_else(|| Problem::not_found("order"))?;
                    if bill.order.state != OrderState::Due {
                        let problem = Problem::new(Rule::OrderPayers).with("order", id);
                        return Err(problem.with("state", bill.order.state.name()));
                    }
                    bill::refuse_while_online(tx, id)?;
                    before.push(bill);
                }
                let first = before.first().map(|bill| &bill.order);
                let order = Order {
                    id: id.clone(),
                    payer: payer.clone(),
                    // Of several tariffs the first one's name; each line keeps its price.
                    tariff: first.map(|order| order.tariff.clone()).unwrap_or_default(),
                    quoted_at: now,
                    honoured_until: before.iter().map(|bill| bill.order.honoured_until).min().unwrap_or(now),
                    state: OrderState::Quoted,
                    total: Fen::ZERO,
                    waived: Fen::ZERO,
                    received: Fen::ZERO,
                    refunded: Fen::ZERO,
                };
                let Collected { into, emptied, postings } = Bill::collected(order, before.clone())?;
                tx.collect_bills(&before, &emptied, &into)?;
                tx.book((COLLECT, id.as_str()), Some(&id), &postings, now)?;
                let entry = AuditEntry::done(now, permit.actor(), Action::CollectOrders, "order", &id);
                let entry = entry.with("payer", &payer).with("total", into.order.total.get());
                let entry = entry.with("applications", into.charges.len());
                let from: Vec<&str> = ids.iter().map(OrderId::as_str).collect();
                tx.append_audit(&entry.with("orders", from.join(" ")))?;
                Ok(Made::Now(id))
            })
            .await
    }
}

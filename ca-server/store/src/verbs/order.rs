//! Orders, their charges and the lines that explain them (step 4). Amounts in fen.

use std::collections::HashMap;

use ca_core::{
    ApplicationId, ApplicationKind, Fen, OrderId,
    billing::{Bill, Charge, Item, Order, OrderState, Payer, QuoteLine},
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::{adjustment, charge, charge_line, fee_order},
    tx::{all, change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = fee_order)]
struct OrderRow {
    id: String,
    payer: String,
    tariff: String,
    quoted_at: i64,
    honoured_until: i64,
    state: String,
    total_fen: i64,
    waived_fen: i64,
    received_fen: i64,
    refunded_fen: i64,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = charge, primary_key(application))]
struct ChargeRow {
    application: String,
    fee_order: String,
    kind: String,
    total_fen: i64,
    waived_fen: i64,
    refunded_fen: i64,
    earned_fen: i64,
    live: i16,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = charge_line)]
struct LineRow {
    application: String,
    position: i32,
    item: String,
    quantity: i32,
    price_fen: i64,
    note: Option<String>,
}

/// Which orders are asked for.
#[derive(Clone, Debug, Default)]
pub struct OrderFilter {
    /// Only in this state.
    pub state: Option<OrderState>,
    /// Only of this payer.
    pub payer: Option<Payer>,
    /// Only whose prices were promised until before this moment, and of which nothing was waived.
    pub untouched_before: Option<Time>,
    /// Only what comes after this one.
    pub after: Option<OrderId>,
    /// How many at most.
    pub limit: i64,
}

impl Reader<'_> {
    /// An order with its charges.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bill(&mut self, id: &OrderId) -> Result<Option<Bill>, StoreError> {
        let row = one!(self, OrderRow, fee_order::table.find(id.as_str()))?;
        let Some(order) = row.map(Order::try_from).transpose()? else { return Ok(None) };
        let query = charge::table.filter(charge::fee_order.eq(id.as_str())).order(charge::application);
        let charges = all!(self, ChargeRow, query)?.into_iter().map(Charge::try_from);
        Ok(Some(Bill { order, charges: charges.collect::<Result<_, _>>()? }))
    }

    /// The order that an application is on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn bill_of(&mut self, application: &ApplicationId) -> Result<Option<Bill>, StoreError> {
        let query = charge::table.find(application.as_str()).select(charge::fee_order);
        let found: Option<String> = run!(self, connection => query.get_result(connection).optional())?;
        match found {
            None => Ok(None),
            Some(id) => self.bill(&intact(OrderId::parse(&id), "charge", application)?),
        }
    }

    /// What an application costs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn charge(&mut self, application: &ApplicationId) -> Result<Option<Charge>, StoreError> {
        let row = one!(self, ChargeRow, charge::table.find(application.as_str()))?;
        row.map(Charge::try_from).transpose()
    }

    /// How the prices of an order come about, by application.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn charge_lines(
        &mut self,
        order: &OrderId,
    ) -> Result<HashMap<ApplicationId, Vec<QuoteLine>>, StoreError> {
        let charged = charge::table.filter(charge::fee_order.eq(order.as_str())).select(charge::application);
        let query = charge_line::table
            .filter(charge_line::application.eq_any(charged))
            .order((charge_line::application, charge_line::position));
        let mut lines: HashMap<ApplicationId, Vec<QuoteLine>> = HashMap::new();
        for row in all!(self, LineRow, query)? {
            let application =
                intact(ApplicationId::parse(&row.application), "charge_line", &row.application)?;
            lines.entry(application).or_default().push(row.try_into()?);
        }
        Ok(lines)
    }

    /// Orders, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn orders(&mut self, filter: &OrderFilter) -> Result<Vec<Order>, StoreError> {
        let rows: Vec<OrderRow> = run!(self, connection => {
            let mut query = fee_order::table.into_boxed();
            if let Some(state) = filter.state {
                query = query.filter(fee_order::state.eq(state.name()));
            }
            if let Some(payer) = &filter.payer {
                query = query.filter(fee_order::payer.eq(payer.to_string()));
            }
            if let Some(moment) = filter.untouched_before {
                query = query.filter(fee_order::honoured_until.lt(moment.millis()));
                query = query.filter(fee_order::waived_fen.eq(0));
            }
            if let Some(after) = &filter.after {
                query = query.filter(fee_order::id.gt(after.as_str()));
            }
            query.order(fee_order::id).limit(filter.limit).select(OrderRow::as_select()).load(connection)
        })?;
        rows.into_iter().map(Order::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new order. `lines` explain the charges, in their order.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `order`, or `charge` when an application has one already; [`StoreError::NotFound`]
    /// without application.
    pub fn insert_bill(&mut self, bill: &Bill, lines: &[Vec<QuoteLine>]) -> Result<(), StoreError> {
        insert!(self, fee_order::table, OrderRow::from(&bill.order))?;
        for (charge, lines) in bill.charges.iter().zip(lines) {
            insert!(self, charge::table, ChargeRow::of(charge, &bill.order.id))?;
            self.insert_lines(&charge.application, lines)?;
        }
        Ok(())
    }

    /// What [`Bill::apply`] made of an order.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `order` when somebody changed it since `before` was read; [`StoreError::Rejected`] when the
    /// sums do not fit the state.
    pub fn change_bill(&mut self, before: &Bill, after: &Bill) -> Result<(), StoreError> {
        self.change_order(&before.order, &after.order)?;
        let same = |(was, is): (&Charge, &Charge)| was.application == is.application;
        if before.charges.len() != after.charges.len() || !before.charges.iter().zip(&after.charges).all(same)
        {
            return Err(StoreError::Rejected("an order keeps its charges".to_owned()));
        }
        for (was, is) in before.charges.iter().zip(&after.charges).filter(|(was, is)| was != is) {
            let charge = charge::table
                .find(was.application.as_str())
                .filter(charge::fee_order.eq(before.order.id.as_str()))
                .filter(charge::total_fen.eq(was.total.get()))
                .filter(charge::waived_fen.eq(was.waived.get()))
                .filter(charge::refunded_fen.eq(was.refunded.get()))
                .filter(charge::earned_fen.eq(was.earned.get()))
                .filter(charge::live.eq(i16::from(was.live)));
            let row = ChargeRow::of(is, &after.order.id);
            change_one!(self, "order", diesel::update(charge).set(row))?;
        }
        Ok(())
    }

    fn change_order(&mut self, was: &Order, is: &Order) -> Result<(), StoreError> {
        let order = fee_order::table
            .find(was.id.as_str())
            .filter(fee_order::state.eq(was.state.name()))
            .filter(fee_order::total_fen.eq(was.total.get()))
            .filter(fee_order::waived_fen.eq(was.waived.get()))
            .filter(fee_order::received_fen.eq(was.received.get()))
            .filter(fee_order::refunded_fen.eq(was.refunded.get()));
        change_one!(self, "order", diesel::update(order).set(OrderRow::from(is)))
    }

    /// Several orders became one: the charges move with what was decided about them, the old orders stay as what they
    /// were made of.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `order` when somebody changed one since `before` was read.
    pub fn collect_bills(
        &mut self,
        before: &[Bill],
        emptied: &[Bill],
        into: &Bill,
    ) -> Result<(), StoreError> {
        insert!(self, fee_order::table, OrderRow::from(&into.order))?;
        for (was, is) in before.iter().zip(emptied) {
            self.change_order(&was.order, &is.order)?;
            for charge in was.charges.iter().filter(|charge| charge.live) {
                let moved = charge::table
                    .find(charge.application.as_str())
                    .filter(charge::fee_order.eq(was.order.id.as_str()));
                let to = charge::fee_order.eq(into.order.id.as_str());
                change_one!(self, "order", diesel::update(moved).set(to))?;
            }
            let decided = adjustment::table.filter(adjustment::fee_order.eq(was.order.id.as_str()));
            let to = adjustment::fee_order.eq(into.order.id.as_str());
            run!(self, connection => diesel::update(decided).set(to).execute(connection))?;
        }
        Ok(())
    }

    /// Another explanation, of another price; the order's quote is made anew with it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn replace_lines(
        &mut self,
        application: &ApplicationId,
        lines: &[QuoteLine],
    ) -> Result<(), StoreError> {
        let old = charge_line::table.filter(charge_line::application.eq(application.as_str()));
        run!(self, connection => diesel::delete(old).execute(connection))?;
        self.insert_lines(application, lines)
    }

    fn insert_lines(&mut self, application: &ApplicationId, lines: &[QuoteLine]) -> Result<(), StoreError> {
        for (position, line) in (0..).zip(lines) {
            let row = LineRow {
                application: application.to_string(),
                position,
                item: line.item.name().to_owned(),
                quantity: i32::from(line.quantity),
                price_fen: line.price.get(),
                note: line.note.clone(),
            };
            insert!(self, charge_line::table, &row)?;
        }
        Ok(())
    }
}

impl From<&Order> for OrderRow {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            payer: order.payer.to_string(),
            tariff: order.tariff.clone(),
            quoted_at: order.quoted_at.millis(),
            honoured_until: order.honoured_until.millis(),
            state: order.state.name().to_owned(),
            total_fen: order.total.get(),
            waived_fen: order.waived.get(),
            received_fen: order.received.get(),
            refunded_fen: order.refunded.get(),
        }
    }
}

impl TryFrom<OrderRow> for Order {
    type Error = StoreError;

    fn try_from(row: OrderRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(OrderId::parse(&row.id), "fee_order", &row.id)?,
            payer: intact(Payer::parse(&row.payer), "fee_order", &row.id)?,
            tariff: row.tariff,
            quoted_at: Time::from_millis(row.quoted_at),
            honoured_until: Time::from_millis(row.honoured_until),
            state: intact(OrderState::from_name(&row.state), "fee_order", &row.id)?,
            total: Fen::new(row.total_fen),
            waived: Fen::new(row.waived_fen),
            received: Fen::new(row.received_fen),
            refunded: Fen::new(row.refunded_fen),
        })
    }
}

impl ChargeRow {
    fn of(charge: &Charge, order: &OrderId) -> Self {
        Self {
            application: charge.application.to_string(),
            fee_order: order.to_string(),
            kind: charge.kind.to_owned(),
            total_fen: charge.total.get(),
            waived_fen: charge.waived.get(),
            refunded_fen: charge.refunded.get(),
            earned_fen: charge.earned.get(),
            live: i16::from(charge.live),
        }
    }
}

impl TryFrom<ChargeRow> for Charge {
    type Error = StoreError;

    fn try_from(row: ChargeRow) -> Result<Self, StoreError> {
        let kind = ApplicationKind::NAMES.into_iter().find(|name| *name == row.kind);
        Ok(Self {
            application: intact(ApplicationId::parse(&row.application), "charge", &row.application)?,
            kind: intact(kind.ok_or(()), "charge", &row.application)?,
            total: Fen::new(row.total_fen),
            waived: Fen::new(row.waived_fen),
            refunded: Fen::new(row.refunded_fen),
            earned: Fen::new(row.earned_fen),
            live: row.live != 0,
        })
    }
}

impl TryFrom<LineRow> for QuoteLine {
    type Error = StoreError;

    fn try_from(row: LineRow) -> Result<Self, StoreError> {
        Ok(Self {
            item: intact(Item::from_name(&row.item), "charge_line", &row.application)?,
            quantity: intact(u16::try_from(row.quantity), "charge_line", &row.application)?,
            price: Fen::new(row.price_fen),
            note: row.note,
        })
    }
}

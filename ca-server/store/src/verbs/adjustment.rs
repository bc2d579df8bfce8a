//! Waivers and refunds: asked for by one person, decided by another (I9).

use ca_core::{
    AdjustmentId, ApplicationId, Fen, OrderId, StaffId,
    billing::{Adjustment, AdjustmentKind, AdjustmentState, PaymentMethod},
};
use ca_verifier::Time;
use diesel::prelude::*;

use super::intact;
use crate::{
    Reader, StoreError, Tx,
    schema::adjustment,
    tx::{change_one, insert, one, run},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = adjustment)]
struct Row {
    id: String,
    kind: String,
    fee_order: String,
    application: String,
    amount_fen: i64,
    into_credit: i16,
    keeps_certificate: i16,
    reason: String,
    requested_by: String,
    requested_at: i64,
    state: String,
    decided_by: Option<String>,
    reasons: Option<String>,
    method: Option<String>,
    reference: Option<String>,
}

/// The columns that a state needs.
#[derive(AsChangeset, Default)]
#[diesel(table_name = adjustment, treat_none_as_null = true)]
struct StateRow {
    state: String,
    decided_by: Option<String>,
    reasons: Option<String>,
    method: Option<String>,
    reference: Option<String>,
}

impl Reader<'_> {
    /// A waiver or a refund.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn adjustment(&mut self, id: &AdjustmentId) -> Result<Option<Adjustment>, StoreError> {
        one!(self, Row, adjustment::table.find(id.as_str()))?.map(Adjustment::try_from).transpose()
    }

    /// Waivers and refunds, the oldest first: of one state, of one order, or all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn adjustments(
        &mut self,
        state: Option<&str>,
        order: Option<&OrderId>,
        after: Option<&AdjustmentId>,
        limit: i64,
    ) -> Result<Vec<Adjustment>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = adjustment::table.into_boxed();
            if let Some(state) = state {
                query = query.filter(adjustment::state.eq(state));
            }
            if let Some(order) = order {
                query = query.filter(adjustment::fee_order.eq(order.as_str()));
            }
            if let Some(after) = after {
                query = query.filter(adjustment::id.gt(after.as_str()));
            }
            query.order(adjustment::id).limit(limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Adjustment::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new request.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without order or application; [`StoreError::Rejected`] for an amount of zero or less.
    pub fn insert_adjustment(&mut self, new: &Adjustment) -> Result<(), StoreError> {
        let (into_credit, keeps_certificate) = match new.kind {
            AdjustmentKind::Waiver => (false, false),
            AdjustmentKind::Refund { into_credit, keeps_certificate } => (into_credit, keeps_certificate),
        };
        let state = StateRow::from(&new.state);
        let row = Row {
            id: new.id.to_string(),
            kind: new.kind.name().to_owned(),
            fee_order: new.order.to_string(),
            application: new.application.to_string(),
            amount_fen: new.amount.get(),
            into_credit: i16::from(into_credit),
            keeps_certificate: i16::from(keeps_certificate),
            reason: new.reason.clone(),
            requested_by: new.requested_by.to_string(),
            requested_at: new.requested_at.millis(),
            state: state.state,
            decided_by: state.decided_by,
            reasons: state.reasons,
            method: state.method,
            reference: state.reference,
        };
        insert!(self, adjustment::table, &row)
    }

    /// From one state to the next.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `adjustment` when it is not in `from` any more; [`StoreError::Conflict`]
    /// `payment-reference` when the proof of the pay-out was used.
    pub fn move_adjustment(
        &mut self,
        id: &AdjustmentId,
        from: &AdjustmentState,
        to: &AdjustmentState,
    ) -> Result<(), StoreError> {
        let row = adjustment::table.find(id.as_str()).filter(adjustment::state.eq(from.name()));
        change_one!(self, "adjustment", diesel::update(row).set(StateRow::from(to)))
    }
}

impl From<&AdjustmentState> for StateRow {
    fn from(state: &AdjustmentState) -> Self {
        let name = state.name().to_owned();
        match state {
            AdjustmentState::Requested | AdjustmentState::Withdrawn => {
                Self { state: name, ..Self::default() }
            }
            AdjustmentState::Approved { by } => {
                Self { state: name, decided_by: Some(by.to_string()), ..Self::default() }
            }
            AdjustmentState::Rejected { by, reasons } => Self {
                state: name,
                decided_by: Some(by.to_string()),
                reasons: Some(reasons.clone()),
                ..Self::default()
            },
            AdjustmentState::PaidOut { by, method, reference } => Self {
                state: name,
                decided_by: Some(by.to_string()),
                reasons: None,
                method: Some(method.name().to_owned()),
                reference: Some(reference.clone()),
            },
        }
    }
}

impl Row {
    fn state(&self) -> Option<AdjustmentState> {
        let by = self.decided_by.as_deref().map(StaffId::parse).transpose().ok()?;
        match (self.state.as_str(), by) {
            ("requested", None) => Some(AdjustmentState::Requested),
            ("withdrawn", None) => Some(AdjustmentState::Withdrawn),
            ("approved", Some(by)) => Some(AdjustmentState::Approved { by }),
            ("rejected", Some(by)) => Some(AdjustmentState::Rejected { by, reasons: self.reasons.clone()? }),
            ("paid-out", Some(by)) => {
                let method = PaymentMethod::from_name(self.method.as_deref()?)?;
                Some(AdjustmentState::PaidOut { by, method, reference: self.reference.clone()? })
            }
            _ => None,
        }
    }
}

impl TryFrom<Row> for Adjustment {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let kind = AdjustmentKind::from_parts(&row.kind, row.into_credit != 0, row.keeps_certificate != 0);
        Ok(Self {
            id: intact(AdjustmentId::parse(&row.id), "adjustment", &row.id)?,
            kind: intact(kind, "adjustment", &row.id)?,
            order: intact(OrderId::parse(&row.fee_order), "adjustment", &row.id)?,
            application: intact(ApplicationId::parse(&row.application), "adjustment", &row.id)?,
            amount: Fen::new(row.amount_fen),
            requested_by: intact(StaffId::parse(&row.requested_by), "adjustment", &row.id)?,
            requested_at: Time::from_millis(row.requested_at),
            state: intact(row.state().ok_or(()), "adjustment", &row.id)?,
            reason: row.reason,
        })
    }
}

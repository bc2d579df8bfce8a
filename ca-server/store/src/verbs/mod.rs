//! The verbs of [`Reader`](crate::Reader) and [`Tx`](crate::Tx), one file a table or a few that belong together.
//! Rows stay in these files; what goes out has its type back.

mod account;
mod adjustment;
mod agent;
mod application;
mod appointment;
mod attempt;
mod audit;
mod bank_line;
mod batch;
mod chargeback;
mod contact;
mod crl;
mod delivery;
mod hold;
mod idempotency;
mod invoice;
mod issuing;
mod lease;
mod line;
mod material;
mod notice;
mod online_payment;
mod order;
mod payment;
mod person;
mod register;
mod renewal;
mod report;
mod retention;
mod shift;
mod staff;
mod standing;
mod status;
mod token;
mod training;
mod unit;
mod unit_event;

use std::fmt::Display;

use ca_verifier::{Serial, Time};

pub use self::{
    account::{AccountOwner, AccountRecord},
    agent::PairRecord,
    application::ApplicationFilter,
    attempt::AttemptRecord,
    audit::{AuditFilter, AuditRecord},
    batch::{BatchLine, BatchRecord, Progress},
    crl::{CrlHead, CrlRecord},
    delivery::DeliveryRecord,
    idempotency::Claim,
    invoice::InvoiceFilter,
    issuing::CertificateRecord,
    line::{LineItem, LineRecord},
    notice::{Expiring, NoticeFilter, NoticeRecord},
    order::OrderFilter,
    person::{ClearAgent, OpeningRecord},
    register::{RegisterImport, RegisterRow},
    renewal::{Ending, EndingFilter},
    report::Earned,
    shift::{ShiftRecord, Span, Takings},
    standing::{IssuedFacts, StandingRecord, UnitFacts, UnitPair},
    status::{CertificateStatus, CrlSource, StatusRecord},
    token::{StockCount, TokenDelivery, TokenFilter},
    training::TrainingFilter,
    unit::UnitFilter,
};
use crate::StoreError;

/// A column's value back in its type, or the row is corrupt.
fn intact<T, E>(parsed: Result<T, E>, table: &'static str, id: impl Display) -> Result<T, StoreError> {
    parsed.map_err(|_| StoreError::Corrupt { table, id: id.to_string() })
}

fn serial(content: &[u8], table: &'static str, id: impl Display) -> Result<Serial, StoreError> {
    intact(Serial::from_content(content), table, id)
}

fn digest(octets: Vec<u8>, table: &'static str, id: impl Display) -> Result<[u8; 32], StoreError> {
    intact(octets.try_into(), table, id)
}

fn times(millis: Option<i64>) -> Option<Time> {
    millis.map(Time::from_millis)
}

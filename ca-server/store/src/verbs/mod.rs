//! The verbs of [`Reader`](crate::Reader) and [`Tx`](crate::Tx), one file a table or a few that belong together.
//! Rows stay in these files; what goes out has its type back.

mod agent;
mod application;
mod appointment;
mod attempt;
mod audit;
mod batch;
mod crl;
mod idempotency;
mod issuing;
mod lease;
mod material;
mod money;
mod notice;
mod register;
mod staff;
mod status;
mod training;
mod unit;

use std::fmt::Display;

use ca_verifier::{Serial, Time};

pub use self::{
    application::ApplicationFilter,
    attempt::AttemptRecord,
    audit::{AuditFilter, AuditRecord},
    batch::{BatchLine, BatchRecord, Progress},
    crl::CrlRecord,
    idempotency::Claim,
    issuing::CertificateRecord,
    notice::NoticeRecord,
    register::{RegisterImport, RegisterRow},
    status::{CertificateStatus, CrlSource, StatusRecord},
    training::TrainingFilter,
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

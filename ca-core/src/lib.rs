//! Decisions and encodings of the CA.
//!
//! Pure: no I/O, no clock, no randomness of its own; time, random octets and bytes are arguments.
//! What deliberately does not live here: storage (`ca-store`), tokens (`hsm`), HTTP (`ca-server`).
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod application;
mod attempt;
mod audit;
mod certificate;
mod error;
mod id;
mod intent;
mod money;
mod people;

pub use application::{ApplicationCommand, ApplicationState};
pub use attempt::{AttemptCommand, AttemptState};
pub use audit::{Action, Actor, AuditEntry, Outcome};
pub use certificate::{CertificateCommand, CertificateState};
pub use error::{Error, Refusal};
pub use id::{AgentId, ApplicationId, AttemptId, OrderId, PaymentId, StaffId, UnitId};
pub use intent::{Intent, RecordedIntent};
pub use money::{Fen, QuoteLine, Tariff};
pub use people::{Agent, Application, Document, IdCard, Name, Order, Payment, Staff, Unit};

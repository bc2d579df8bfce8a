//! The CA's database: SQLite or PostgreSQL behind one set of domain verbs. The only crate that names diesel.
//!
//! ```text
//! store.read(|reader| …)        one snapshot            ─▶ pool of connections that cannot write
//! store.write(site, |tx| …)     one transaction         ─▶ queue ─▶ writer: up to 256 closures, one commit ─▶ answers
//! store.record_intent(intent, …)  the proof of step 6's first commit
//! ```
//! Rows are private; a row that cannot be read back is [`StoreError::Corrupt`], never a default. Decisions do not
//! live here (`ca-core`), nor do clocks and randomness: times and identifiers are arguments.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod connection;
mod crash;
mod error;
mod export;
mod migration;
mod pool;
mod schema;
#[cfg(test)]
mod schema_check;
mod scrub;
mod site;
mod statement;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tx;
mod verbs;
mod writer;

pub use crash::kill_point;
pub use error::StoreError;
pub use site::WriteSite;
pub use store::Store;
pub use tx::{Reader, Tx};
pub use verbs::{
    AccountOwner, AccountRecord, ApplicationFilter, AttemptRecord, AuditFilter, AuditRecord, BatchLine,
    BatchRecord, CertificateRecord, CertificateStatus, Claim, ClearAgent, CrlHead, CrlRecord, CrlSource,
    DeliveryRecord, Earned, Ending, EndingFilter, Expiring, InvoiceFilter, IssuedFacts, LineItem, LineRecord,
    NoticeFilter, NoticeRecord, OpeningRecord, OrderFilter, PairRecord, Progress, RegisterImport,
    RegisterRow, ShiftRecord, Span, StandingRecord, StatusRecord, StockCount, Takings, TokenDelivery,
    TokenFilter, TrainingFilter, UnitFacts, UnitFilter, UnitPair,
};

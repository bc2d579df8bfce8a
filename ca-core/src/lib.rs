//! Decisions and encodings of the CA.
//!
//! Pure: no I/O, no clock, no randomness of its own; time, random octets and bytes are arguments.
//! What deliberately does not live here: storage (`ca-store`), tokens (`hsm`), HTTP (`ca-server`).
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod application;
mod appointment;
mod attempt;
mod audit;
mod bank_line;
mod bank_statement;
mod batch;
pub mod billing;
mod callback;
mod capital;
mod certificate;
mod contact;
mod crl;
mod csr;
mod day;
mod encode;
mod error;
mod est;
mod fingerprint;
mod hold;
mod id;
mod intent;
mod issuance;
mod issuer;
mod key;
mod key_revocation;
mod kind;
mod line;
mod lint;
mod money;
mod notice;
mod ocsp;
mod online_payment;
mod people;
pub mod personal;
pub mod policy;
mod presented;
mod push;
mod register;
mod retention;
pub mod shift;
mod signature;
mod status_history;
mod subject;
mod token;
mod training;
mod unit_event;
mod unit_fate;
mod urls;

pub use application::{ApplicationCommand, ApplicationState};
pub use appointment::{Appointment, AppointmentCommand, AppointmentState, Purpose};
pub use attempt::{AttemptCommand, AttemptState, UNATTESTED};
pub use audit::{Action, Actor, AuditEntry, Outcome};
pub use bank_line::{BankLine, BankLineCommand, BankLineState};
pub use bank_statement::{
    BankRow, BankRowCells, BankRowError, Candidate, MatchedBy, OpenOrder, StatementVerdict, UnmatchedReason,
    folded_text, match_statement,
};
pub use batch::{BatchCommand, BatchState, Verdict};
pub use callback::{
    AuthenticBody, ConfirmedPayment, Expected, GatewayAlgorithm, GatewayKey, GatewayNotice, GatewayStanding,
    KeyUnfit, MerchantKey, Mismatch, NoticeForm, NoticeState, SIGNATURE_HEADER, SignatureRefusal,
    gateway_text,
};
pub use certificate::{CertificateCommand, CertificateState};
pub use contact::{Contact, MailAddress, Phone, SealedContact};
pub use crl::{CrlEntry, CrlPlan, CrlRefusal, CrlScope, CrlStanding, PreparedCrl, SignedCrl};
pub use csr::{CsrRefusal, UntrustedCsr, ValidatedCsr};
pub use encode::{assemble_csr, csr_info, ecdsa_der, spki_from_ec_point, spki_from_rsa};
pub use error::{Error, Refusal};
pub use est::{certs_only, csr_attributes};
pub use fingerprint::fingerprint;
pub use hold::{Hold, HoldEnd, HoldOutcome, HoldReason, TOLD_DAYS};
pub use id::{
    AccountId, AdjustmentId, AgentId, ApplicationId, AppointmentId, AttemptId, BankLineId, BatchId, CardId,
    ChargebackId, HoldId, InvoiceId, LineId, NoticeId, OnlinePaymentId, OpeningId, OrderId, PaymentId,
    SessionId, StaffId, TokenDeliveryId, TrainingId, UnitEventId, UnitId,
};
pub use intent::{Intent, RecordedIntent};
pub use issuance::{
    CertificatePlan, IntentContext, IssueRefusal, Issued, IssuerRef, PlanKey, Prepared, prepare,
};
pub use issuer::Issuer;
pub use key::{KeyAlgorithm, KeyRefusal, SubjectKey};
pub use key_revocation::{RevocationKey, key_revocation_text};
pub use kind::{ApplicationKind, Loss};
pub use line::{LineItemCommand, LineItemState};
pub use lint::{Finding, LintContext, lint};
pub use money::Fen;
pub use notice::{DeliveryCommand, DeliveryState, NoticeAbout, NoticeChannel, NoticeKind};
pub use ocsp::{
    CertAnswer, CertId, CertIdForm, HashAlgorithm, OcspAnswer, OcspError, OcspPlan, OcspRefusal, OcspRequest,
    PreparedOcsp, Responder, ocsp_error, ocsp_question, ocsp_questions,
};
pub use online_payment::{OnlinePayment, OnlinePaymentCommand, OnlinePaymentState};
pub use people::{
    Agent, AgentCard, Application, Author, CardNumber, CardReason, Document, DocumentForm, Enterer, IdCard,
    Identity, Name, Staff, Training, TrainingSession, Unit,
};
pub use personal::{BlindIndex, Ciphertext, Sealed, Vault};
pub use policy::{Policies, PolicyError, Profile, Roles};
pub use presented::{PROVE_CONTEXT, serial_of_certificate, spki_of_certificate, verify_with_certificate};
pub use push::{PreparedSnapshot, PreparedStatus, StatusMessage, StatusSnapshotPlan};
pub use register::{ImportCommand, ImportState};
pub use retention::{Kept, Ties};
pub use signature::{SignError, SignatureAlgorithm};
pub use status_history::{PastState, StatusEntry, StatusHistory, StatusVerdict, Validity};
pub use subject::{Host, Subject};
pub use token::{Consequence, Location, StockWord, Token, TokenCommand, TokenSerial, TokenState};
pub use training::{TrainingCommand, TrainingState};
pub use unit_event::{UnitEvent, UnitEventKind, UnitEventState};
pub use unit_fate::{
    ApplicationFacts, ApplicationFate, CertificateFacts, CertificateFate, Found, Impact, Successor,
};
pub use urls::Urls;

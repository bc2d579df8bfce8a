//! The product as its users meet it: real programs, tokens, databases, HTTP and TLS. One program, so that it is
//! linked once.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod bank;
mod bank_return;
mod batch;
mod ceremony;
mod ceremony_crash;
mod chargeback;
mod clients;
mod connections;
mod crash;
mod demo;
mod docs;
mod eligibility;
mod est;
mod est_crash;
mod est_refusals;
mod gate;
mod gateway;
mod guide;
mod idempotency;
mod interruptions;
mod invoice;
mod kills;
mod kinds;
mod lint;
mod money;
mod money_crash;
mod notice;
mod online;
mod person_crash;
mod persons;
mod receipt;
mod refusals;
mod register;
mod renewal;
mod renewal_order;
mod roles;
mod root_crl;
mod shift;
mod staff_crash;
mod support;
mod training;
mod units;
mod workspace;
mod workstation;

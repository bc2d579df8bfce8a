//! One suite for both databases: each test runs on a SQLite file and on a PostgreSQL server of its own.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod append_only;
mod batch;
mod commit;
mod connection;
mod enrollment;
mod export;
mod invoice;
mod issuing;
mod leader;
mod money;
mod notice;
mod person;
mod race;
mod refusal;
mod register;
mod retention;
mod round_trip;
mod status;
mod token;
mod training;
mod world;

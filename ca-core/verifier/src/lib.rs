//! What a portal embeds to answer "who is this, and is the certificate good now?".
//!
//! Pure: no I/O, no clock, no randomness. Time and bytes are arguments.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod error;
pub mod oid;
mod serial;
mod standing;
mod time;
mod uscc;

pub use error::Error;
pub use serial::Serial;
pub use standing::{Reason, Standing};
pub use time::Time;
pub use uscc::Uscc;

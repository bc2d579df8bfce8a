//! What a start does with what a crash left: intents without outcome are burned (I3), the clock is compared.
//!
//! Only serial numbers with this instance's prefix: another instance may be signing its own right now.

use std::sync::atomic::Ordering;

use super::App;
use crate::problem::Problem;

const BATCH: i64 = 1000;

impl App {
    /// Burns every intent of this instance whose signature's outcome is unknown. Gives their number.
    pub(crate) async fn recover(&self) -> Result<usize, Problem> {
        if let Some(latest) = self.store.read(|reader| reader.latest_intent_time())? {
            self.latest_intent.store(latest.millis(), Ordering::Relaxed);
        }
        let mut burned = 0;
        loop {
            let intents =
                self.store.read(|reader| reader.intents_without_outcome(self.config.serial_prefix, BATCH))?;
            if intents.is_empty() {
                return Ok(burned);
            }
            for intent in intents {
                let of = intent.attempt.as_ref().zip(intent.application.as_ref());
                self.burn(intent.serial, of, "the server stopped between intent and certificate").await?;
                burned += 1;
            }
        }
    }
}

//! What this gateway holds while it runs, and the control URL's commands.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use crate::{
    callback::Sent,
    fault::{CallbackFault, Faults, Message},
    key::{MerchantKey, Signer},
    ledger::{Code, Ledger, Notice, RefundState},
};

/// More would be a mistake of a test.
const SENT_MAX: usize = 10_000;

/// The gateway.
pub(crate) struct App {
    pub(crate) signer: Signer,
    /// Whose signatures nobody should believe.
    pub(crate) stranger: Signer,
    pub(crate) merchant_key: MerchantKey,
    pub(crate) tls: Option<TlsConnector>,
    /// Before a callback's second try; later ones wait longer.
    pub(crate) retry: Duration,
    /// Whether the control URL is there.
    pub(crate) control: bool,
    /// Its own address, for pages.
    pub(crate) origin: String,
    held: Mutex<Held>,
}

/// What changes.
pub(crate) struct Held {
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) held: Vec<(Notice, CallbackFault)>,
    pub(crate) sent: Vec<Sent>,
    /// For replays.
    pub(crate) last_answer: Option<(u16, Message)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOrder {
    order: String,
    #[serde(default)]
    anyway: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRefund {
    order: String,
    refund: String,
    state: RefundState,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    #[serde(default)]
    reverse: bool,
}

impl Held {
    pub(crate) fn record(&mut self, sent: Sent) {
        if self.sent.len() < SENT_MAX {
            self.sent.push(sent);
        }
    }
}

impl App {
    pub(crate) fn new(
        (signer, stranger, merchant_key): (Signer, Signer, MerchantKey),
        tls: Option<TlsConnector>,
        retry: Duration,
        control: bool,
        origin: String,
        merchant: &str,
    ) -> Self {
        let held = Held {
            ledger: Ledger::new(merchant),
            faults: Faults::default(),
            held: Vec::new(),
            sent: Vec::new(),
            last_answer: None,
        };
        Self { signer, stranger, merchant_key, tls, retry, control, origin, held: Mutex::new(held) }
    }

    pub(crate) fn signers(&self) -> (&Signer, &Signer) {
        (&self.signer, &self.stranger)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command of the control URL. `Err`: the status that says why not.
    pub(crate) fn command(self: &Arc<Self>, name: &str, body: &[u8]) -> Result<Value, (u16, String)> {
        let refused = |code: Code| (409, code.to_owned());
        match name {
            "orders" => return Ok(self.lock().ledger.view(crate::now())),
            "callbacks" => return Ok(self.lock().sent.iter().map(Sent::view).collect()),
            "faults" => {
                let Faults { callbacks, answers } = read(body)?;
                let mut held = self.lock();
                held.faults.callbacks.extend(callbacks);
                held.faults.answers.extend(answers);
            }
            "refunds" => {
                let states: Vec<RefundState> = read(body)?;
                self.lock().ledger.refunds.extend(states);
            }
            "refund" => {
                let OfRefund { order, refund, state } = read(body)?;
                self.lock().ledger.settle_refund(&order, &refund, state).map_err(refused)?;
            }
            "pay" => {
                let OfOrder { order, anyway } = read(body)?;
                let notice = self.lock().ledger.pay(&order, anyway, crate::now()).map_err(refused)?;
                self.call_back(notice);
            }
            // How it stands now, once more.
            "call-back" => {
                let OfOrder { order, .. } = read(body)?;
                let notice = self.lock().ledger.query(&order, crate::now()).map_err(refused)?;
                self.call_back(notice);
            }
            "release" => {
                let Release { reverse } = read(body)?;
                let mut held = std::mem::take(&mut self.lock().held);
                if reverse {
                    held.reverse();
                }
                let app = Arc::clone(self);
                // One after the other, so that the order is the order.
                tokio::spawn(async move {
                    for (notice, fault) in held {
                        app.send(&notice, &fault).await;
                    }
                });
            }
            _ => return Err((404, "no such command".to_owned())),
        }
        Ok(json!({}))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, (u16, String)> {
    serde_json::from_slice(body).map_err(|error| (400, error.to_string()))
}

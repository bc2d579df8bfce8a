//! The counter's workstation: one outbound connection, and whatever the server wants done on the tokens here.
//!
//! Ends when the clerk's own token is pulled out, when the server refuses, or when it is told to stop; everything
//! else is waited out. A report is kept and sent again until the server has answered it. A call of a token's driver
//! that does not come back is left to itself: the clerk and the server hear of it, and the other tokens go on.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use hsm::{Class, Module, TokenSerial};
use hyper::Method;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    Error,
    client::{Answer, Client},
    job,
    pin_rule::PinRule,
    protocol::{Envelope, Exchange, FailureCode, LineNews, Outcome, Report, TokenSeen},
};

/// How often the clerk's token is looked for while the server is being waited for.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// A token is gone when it was missing so many times, so far apart: in all well below a second.
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often the module is asked to look for tokens anew, between two commands: some modules (SoftHSM, and vendors'
/// that know no slot events) see a token that is plugged in only after C_Finalize and C_Initialize.
const RESCAN_EVERY: Duration = Duration::from_secs(1);
/// The same while a call hangs: each look waits for it for a while, and other tokens wait meanwhile.
const RESCAN_LATE: Duration = Duration::from_secs(15);
/// How long the server has to take leave: the token that a new connection would need may be gone.
const GOODBYE: Duration = Duration::from_millis(500);
/// Pause after a connection that failed for longer than the client's own tries, or an internal error of the server.
const PAUSE: Duration = Duration::from_secs(2);

/// What happens at the workstation, for the clerk to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The exchange works, for the first time or again.
    Connected,
    /// The server does not answer; tries go on.
    Lost(String),
    /// A token is there.
    Inserted(TokenSeen),
    /// A token is gone.
    Removed(TokenSeen),
    /// The holder is to type a PIN of their own, here.
    HolderWanted {
        /// Serial number of the token.
        token: String,
    },
    /// A token of an issuing line is ready: it is taken out and labelled, the next one is plugged in.
    Made {
        /// Serial number of the token.
        token: String,
        /// Which one of how many, and whose.
        line: String,
    },
    /// What became of an issuing line.
    Line(LineNews),
    /// A command begins.
    Begun {
        /// Its name.
        command: String,
        /// Serial number of the token.
        token: String,
    },
    /// A command was done.
    Done {
        /// Its name.
        command: String,
        /// Serial number of the token.
        token: String,
    },
    /// A command failed.
    Failed {
        /// Its name.
        command: String,
        /// Serial number of the token.
        token: String,
        /// Why.
        code: FailureCode,
        /// The same in detail, English.
        message: String,
    },
}

/// What the clerk was told last.
#[derive(PartialEq, Eq)]
enum Link {
    New,
    Up,
    Down,
}

/// What the holder is asked for: a new PIN that keeps to a rule, or the one that the token has.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A new one.
    New(PinRule),
    /// The one that was set before the workstation was started anew.
    Known,
}

/// Asks the holder for a PIN; waits for as long as the holder takes.
pub type AskHolder = Arc<dyn Fn(&Ask) -> Result<Zeroizing<String>, Error> + Send + Sync>;

/// A workstation.
pub struct Counter<F> {
    /// Where the tokens are.
    pub module: Module,
    /// The clerk's own token, which no command touches.
    pub clerk: TokenSerial,
    /// The workstation's name.
    pub name: String,
    /// Told of every event.
    pub notify: F,
    /// Asks the holder.
    pub ask: AskHolder,
    /// How long a token's driver has for one command, or for saying which tokens there are.
    pub driver_within: Duration,
}

/// What is under way between two exchanges.
#[derive(Default)]
struct Desk {
    seen: BTreeMap<String, TokenSeen>,
    report: Option<Report>,
    typed: Option<Typed>,
    made: Option<Event>,
}

/// What a holder typed, for the commands of one attempt. In memory only.
struct Typed {
    attempt: String,
    pin: Zeroizing<String>,
}

impl<F: FnMut(Event)> Counter<F> {
    /// Works until `stop` is ready (`Ok`) or something ends it.
    ///
    /// # Errors
    /// [`Error::ClerkTokenGone`]; [`Error::Refused`] below status 500; [`Error::Tls`] when a new connection
    /// cannot be made, and [`Error::Hsm`] when the clerk's token needs a person for it or when the driver of the tokens
    /// does not even say which ones there are.
    pub async fn run(mut self, mut client: Client, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let (tokens, clerk) = (Tokens::of(&self), self.clerk.clone());
        // Neither a command nor a look that hangs keeps the clerk here; the next start finishes it.
        let ended = tokio::select! {
            () = stop => Ok(()),
            gone = watch(&tokens, &clerk) => Err(gone),
            ended = self.work(&mut client) => ended,
        };
        // It has ended the work itself.
        if let Err(Error::Refused { .. }) = ended {
            return ended;
        }
        // The server hears it while the connection lives: nothing is left of the clerk's work there a second later.
        let path = format!("/api/v1/workstations/{}", self.name);
        let goodbye = client.request(Method::DELETE, &path, None, &[]);
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        ended
    }

    async fn work(&mut self, client: &mut Client) -> Result<(), Error> {
        let tokens = Tokens::of(self);
        let mut desk = Desk::default();
        let mut link = Link::New;
        let (mut rescanned, mut pause) = (Instant::now(), RESCAN_EVERY);
        loop {
            if rescanned.elapsed() >= pause {
                pause = RESCAN_EVERY;
                if let Err(error) = tokens.look_anew().await? {
                    tracing::warn!(%error, "looking for tokens");
                    if matches!(error.cause(), hsm::Error::ModuleHangs { .. }) {
                        pause = RESCAN_LATE;
                    }
                }
                rescanned = Instant::now();
            }
            let there = self.look(&tokens, &mut desk.seen).await?;
            let answer = match exchange(client, &self.name, &there, desk.report.as_ref()).await {
                Ok(answer) if answer.status < 500 => answer.accepted()?,
                other => {
                    let error = match other {
                        Ok(answer) => Error::Refused { status: answer.status, problem: Value::Null },
                        Err(error @ (Error::Unreachable { .. } | Error::AnswerLost { .. })) => error,
                        // The clerk's token did not sign this time, and no PIN was refused: a new connection is tried.
                        Err(Error::Hsm(error)) if error.cause().class() == Class::Transient => {
                            Error::Hsm(error)
                        }
                        Err(error) => return Err(error),
                    };
                    if std::mem::replace(&mut link, Link::Down) != Link::Down {
                        (self.notify)(Event::Lost(error.to_string()));
                    }
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            if std::mem::replace(&mut link, Link::Up) != Link::Up {
                (self.notify)(Event::Connected);
            }
            desk.report = None;
            // Only now does the server have the proof: a token that is taken out earlier would be waited for.
            desk.made.take().into_iter().for_each(&mut self.notify);
            if answer.status == 200 {
                let answer = answer.json();
                match serde_json::from_value(answer.clone()) {
                    Ok(news) => (self.notify)(Event::Line(news)),
                    Err(_) => desk.report = Some(self.obey(&tokens, answer, &mut desk).await?),
                }
            }
        }
    }

    /// Tokens of now, with events for what changed. Tokens without a serial number cannot be told apart: left out.
    async fn look(
        &mut self,
        tokens: &Tokens,
        seen: &mut BTreeMap<String, TokenSeen>,
    ) -> Result<Vec<TokenSeen>, Error> {
        let mut there = tokens.list().await?;
        for _ in 0..LOOKS {
            if has(&there, &self.clerk) {
                break;
            }
            // A module that was looking while another program wrote to the token has missed it until it looks anew.
            tokio::time::sleep(LOOK_AGAIN).await;
            if let Err(error) = tokens.look_anew().await? {
                tracing::warn!(%error, "looking for the clerk's token");
            }
            there = tokens.list().await?;
        }
        if !has(&there, &self.clerk) {
            return Err(Error::ClerkTokenGone { token: self.clerk.to_string() });
        }
        let now: BTreeMap<_, _> = there.into_iter().map(|token| (token.serial.clone(), token)).collect();
        for (serial, token) in seen.iter() {
            if !now.contains_key(serial) {
                (self.notify)(Event::Removed(token.clone()));
            }
        }
        for (serial, token) in &now {
            if !seen.contains_key(serial) && serial != self.clerk.as_str() {
                (self.notify)(Event::Inserted(token.clone()));
            }
        }
        *seen = now;
        seen.remove(self.clerk.as_str());
        Ok(seen.values().cloned().collect())
    }

    async fn obey(&mut self, tokens: &Tokens, mut command: Value, desk: &mut Desk) -> Result<Report, Error> {
        if let Some(rule) = command.get("holder_pin").cloned() {
            let text = |name: &str| command[name].as_str().unwrap_or_default().to_owned();
            let (attempt, name, token) = (text("attempt"), text("command"), text("token"));
            if desk.typed.as_ref().is_none_or(|known| known.attempt != attempt) {
                (self.notify)(Event::HolderWanted { token: token.clone() });
                match self.ask_holder(&name, rule).await? {
                    Ok(pin) => desk.typed = Some(Typed { attempt, pin }),
                    Err(error) => return Ok(self.not_typed(attempt, name, token, &error)),
                }
            }
            let pin = desk.typed.as_ref().map(|known| known.pin.to_string()).unwrap_or_default();
            // It is moved, not copied, into a `Pin`, which wipes it.
            command["user_pin"] = Value::String(pin);
        }
        let Envelope { attempt, command, token, line, step } = Envelope::read(command);
        (self.notify)(Event::Begun { command: command.clone(), token: token.clone() });
        let refused =
            |message: &str| Outcome::Failed { code: FailureCode::BadCommand, message: message.to_owned() };
        let outcome = match step {
            None => refused("the command cannot be read"),
            Some(_) if token == self.clerk.as_str() => refused("the token is the clerk's own"),
            Some(step) => {
                let (module, serial, limit) = (tokens.module.clone(), token.clone(), tokens.within);
                blocking(move || job::execute_within(&module, &serial, step, limit)).await?
            }
        };
        if matches!(&outcome, Outcome::Failed { code: FailureCode::WrongPin, .. }) {
            // Not given to the token a second time.
            desk.typed = None;
        }
        if let (Outcome::Done(_), "prove", Some(line)) = (&outcome, command.as_str(), line) {
            desk.made = Some(Event::Made { token: token.clone(), line });
        }
        (self.notify)(match &outcome {
            Outcome::Done(_) => Event::Done { command: command.clone(), token },
            Outcome::Failed { code, message } => {
                Event::Failed { command: command.clone(), token, code: *code, message: message.clone() }
            }
        });
        Ok(Report { attempt, command, outcome })
    }
}

impl<F: FnMut(Event)> Counter<F> {
    /// The outer error ends the workstation, the inner one this command.
    async fn ask_holder(
        &self,
        command: &str,
        rule: Value,
    ) -> Result<Result<Zeroizing<String>, Error>, Error> {
        let ask = match (command, serde_json::from_value(rule)) {
            ("initialise" | "unlock", Ok(rule)) => Ask::New(rule),
            ("initialise" | "unlock", Err(_)) => Ask::New(PinRule::default()),
            _ => Ask::Known,
        };
        let holder = Arc::clone(&self.ask);
        blocking(move || holder(&ask)).await
    }

    fn not_typed(&mut self, attempt: String, command: String, token: String, error: &Error) -> Report {
        let (code, message) = (FailureCode::PinRefused, error.to_string());
        let failed = Event::Failed { command: command.clone(), token, code, message: message.clone() };
        (self.notify)(failed);
        Report { attempt, command, outcome: Outcome::Failed { code, message } }
    }
}

async fn exchange(
    client: &mut Client,
    name: &str,
    tokens: &[TokenSeen],
    report: Option<&Report>,
) -> Result<Answer, Error> {
    let exchange = Exchange { tokens: tokens.to_vec(), report: report.cloned() };
    let body = serde_json::to_value(exchange).unwrap_or_default();
    client.request(Method::POST, &format!("/api/v1/workstations/{name}/exchange"), Some(&body), &[]).await
}

/// The tokens here, asked of a driver that may never answer.
struct Tokens {
    module: Module,
    within: Duration,
}

impl Tokens {
    fn of<F>(counter: &Counter<F>) -> Self {
        Self { module: counter.module.clone(), within: counter.driver_within }
    }

    /// `None` when the driver takes longer: it is left to itself.
    async fn within<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Module) -> T + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let (module, limit) = (self.module.clone(), self.within);
        blocking(move || hsm::within(limit, move || work(&module))).await
    }

    /// Without those that have no serial number.
    async fn list(&self) -> Result<Vec<TokenSeen>, Error> {
        let tokens = self.within(Module::tokens).await?.unwrap_or_else(|| Err(hangs()))?;
        Ok(tokens.into_iter().map(TokenSeen::from).filter(|token| !token.serial.is_empty()).collect())
    }

    /// The inner error: not looked anew this time.
    async fn look_anew(&self) -> Result<Result<(), hsm::Error>, Error> {
        Ok(self.within(Module::reinitialise).await?.unwrap_or_else(|| Err(hangs())))
    }
}

fn hangs() -> hsm::Error {
    hsm::Error::ModuleHangs { token: TokenSerial::new("-") }
}

/// Ready when the clerk's token is gone.
async fn watch(tokens: &Tokens, clerk: &TokenSerial) -> Error {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let mut present = false;
        for _ in 0..LOOKS {
            match tokens.list().await {
                Ok(there) => present = has(&there, clerk),
                Err(error) => return error,
            }
            if present {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        if !present {
            return Error::ClerkTokenGone { token: clerk.to_string() };
        }
    }
}

fn has(tokens: &[TokenSeen], clerk: &TokenSerial) -> bool {
    tokens.iter().any(|token| token.serial == clerk.as_str())
}

/// A token takes its time; the connection must not wait for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::System(std::io::Error::other(error)))
}

//! The counter's workstation: one outbound connection, and whatever the server wants done on the tokens here.
//!
//! Ends when the clerk's own token is pulled out, when the server refuses, or when it is told to stop; everything
//! else is waited out. A report is kept and sent again until the server has answered it.

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
    /// cannot be made, and [`Error::Hsm`] when the clerk's token needs a person for it.
    pub async fn run(mut self, mut client: Client, stop: impl Future<Output = ()>) -> Result<(), Error> {
        tokio::pin!(stop);
        let (module, clerk) = (self.module.clone(), self.clerk.clone());
        let mut seen = BTreeMap::new();
        let mut report: Option<Report> = None;
        let mut link = Link::New;
        let mut rescanned = Instant::now();
        let mut typed: Option<Typed> = None;
        let mut made: Option<Event> = None;
        let ended = loop {
            if rescanned.elapsed() >= RESCAN_EVERY {
                let module = self.module.clone();
                // A token whose driver hangs holds this up, too: it is tried again, and the rest goes on.
                if let Err(error) = blocking(move || module.reinitialise()).await? {
                    tracing::warn!(%error, "looking for tokens");
                }
                rescanned = Instant::now();
            }
            let tokens = match self.look(&mut seen).await {
                Ok(tokens) => tokens,
                Err(gone) => break Err(gone),
            };
            let result = tokio::select! {
                () = &mut stop => break Ok(()),
                gone = watch(&module, &clerk) => break Err(gone),
                result = exchange(&mut client, &self.name, &tokens, report.as_ref()) => result,
            };
            let answer = match result {
                Ok(answer) if answer.status < 500 => answer.accepted()?,
                other => {
                    let error = match other {
                        Ok(answer) => Error::Refused { status: answer.status, problem: Value::Null },
                        Err(error @ (Error::Unreachable { .. } | Error::AnswerLost { .. })) => error,
                        // The clerk's token did not sign this time, and no PIN was refused: a new connection is tried.
                        Err(Error::Hsm(error)) if error.cause().class() == Class::Transient => {
                            Error::Hsm(error)
                        }
                        Err(error) => break Err(error),
                    };
                    if std::mem::replace(&mut link, Link::Down) != Link::Down {
                        (self.notify)(Event::Lost(error.to_string()));
                    }
                    tokio::select! {
                        () = &mut stop => break Ok(()),
                        gone = watch(&module, &clerk) => break Err(gone),
                        () = tokio::time::sleep(PAUSE) => continue,
                    }
                }
            };
            if std::mem::replace(&mut link, Link::Up) != Link::Up {
                (self.notify)(Event::Connected);
            }
            report = None;
            // Only now does the server have the proof: a token that is taken out earlier would be waited for.
            made.take().into_iter().for_each(&mut self.notify);
            if answer.status == 200 {
                let answer = answer.json();
                if let Ok(news) = serde_json::from_value(answer.clone()) {
                    (self.notify)(Event::Line(news));
                    continue;
                }
                // A command that hangs must not keep the clerk here; the next start finishes it.
                report = tokio::select! {
                    () = &mut stop => break Ok(()),
                    gone = watch(&module, &clerk) => break Err(gone),
                    report = self.obey(answer, &mut typed, &mut made) => Some(report?),
                };
            }
        };
        // The server hears it while the connection lives: nothing is left of the clerk's work there a second later.
        let path = format!("/api/v1/workstations/{}", self.name);
        let goodbye = client.request(Method::DELETE, &path, None, &[]);
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        ended
    }

    /// Tokens of now, with events for what changed. Tokens without a serial number cannot be told apart: left out.
    async fn look(&mut self, seen: &mut BTreeMap<String, TokenSeen>) -> Result<Vec<TokenSeen>, Error> {
        let mut tokens = tokens(&self.module).await?;
        for _ in 0..LOOKS {
            if has(&tokens, &self.clerk) {
                break;
            }
            // A module that was looking while another program wrote to the token has missed it until it looks anew.
            tokio::time::sleep(LOOK_AGAIN).await;
            let module = self.module.clone();
            blocking(move || module.reinitialise()).await??;
            tokens = self::tokens(&self.module).await?;
        }
        if !has(&tokens, &self.clerk) {
            return Err(Error::ClerkTokenGone { token: self.clerk.to_string() });
        }
        let now: BTreeMap<_, _> = tokens.iter().map(|token| (token.serial.clone(), token.clone())).collect();
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

    async fn obey(
        &mut self,
        mut command: Value,
        typed: &mut Option<Typed>,
        made: &mut Option<Event>,
    ) -> Result<Report, Error> {
        if let Some(rule) = command.get("holder_pin").cloned() {
            let text = |name: &str| command[name].as_str().unwrap_or_default().to_owned();
            let (attempt, name, token) = (text("attempt"), text("command"), text("token"));
            if typed.as_ref().is_none_or(|known| known.attempt != attempt) {
                (self.notify)(Event::HolderWanted { token: token.clone() });
                match self.ask_holder(&name, rule).await? {
                    Ok(pin) => *typed = Some(Typed { attempt, pin }),
                    Err(error) => return Ok(self.not_typed(attempt, name, token, &error)),
                }
            }
            let pin = typed.as_ref().map(|known| known.pin.to_string()).unwrap_or_default();
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
                let (module, token) = (self.module.clone(), token.clone());
                blocking(move || job::execute(&module, &token, step)).await?
            }
        };
        if matches!(&outcome, Outcome::Failed { code: FailureCode::WrongPin, .. }) {
            // Not given to the token a second time.
            *typed = None;
        }
        if let (Outcome::Done(_), "prove", Some(line)) = (&outcome, command.as_str(), line) {
            *made = Some(Event::Made { token: token.clone(), line });
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

async fn tokens(module: &Module) -> Result<Vec<TokenSeen>, Error> {
    let module = module.clone();
    let tokens = blocking(move || module.tokens()).await??;
    Ok(tokens.into_iter().map(TokenSeen::from).filter(|token| !token.serial.is_empty()).collect())
}

/// Ready when the clerk's token is gone.
async fn watch(module: &Module, clerk: &TokenSerial) -> Error {
    loop {
        tokio::time::sleep(WATCH_EVERY).await;
        let mut present = false;
        for _ in 0..LOOKS {
            match tokens(module).await {
                Ok(tokens) => present = has(&tokens, clerk),
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

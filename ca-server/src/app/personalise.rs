//! Step 5 and the token's side of step 8: the server drives a workstation, or a holder's own program (step 11), one
//! idempotent command at a time.
//!
//! The attempt's row says which command comes next, so it does not matter which side crashed: the workstation asks,
//! the row answers. A command that failed is sent again only when its cause may be gone: after the token was
//! inserted anew, or when the clerk says so. So no PIN is tried twice.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ca_core::{
    Action, Actor, AttemptCommand, AttemptId, AttemptState, AuditEntry, Author, NoticeAbout, NoticeKind,
};
use ca_store::{AttemptRecord, WriteSite};
use ca_verifier::Serial;
use serde::Deserialize;

use super::{
    App, IssueOrder,
    deliver::challenge_message,
    notice::{notice_id, notify},
    stock, unlock,
};
use crate::{
    permit::{Permit, Personalise},
    problem::{Failure, Problem},
    protocol::{Command, Done, Failed, KeyOrigin, Order, Outcome, Report, Step, TokenSeen, UserPin},
    rule::Rule,
    wire,
};

/// How long an attempt is its workstation's.
pub(super) const LEASE_SECS: i64 = 24 * 3600;

/// Who executes an attempt's commands.
pub(super) struct Hand {
    /// As the log names them.
    pub(super) actor: Actor,
    /// The token's PIN: the one that everybody knows, or one that the holder types there and nobody here knows.
    pub(super) pin: UserPin,
}

/// What a workstation tells at each exchange.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) tokens: Vec<TokenSeen>,
    pub(crate) report: Option<Report>,
    /// A holder's program has just been started: what failed before may be tried again.
    #[serde(default)]
    pub(crate) start: bool,
    /// A holder's program names what attempts have left on the token, by their identifiers.
    #[serde(default)]
    pub(crate) leftovers: Vec<String>,
}

impl App {
    /// One exchange with a workstation: takes its report, gives the next command, or what the clerk is to know of the line, if there is one.
    pub(crate) async fn exchange(
        self: &Arc<Self>,
        permit: &Permit<Personalise>,
        workstation: &str,
        exchange: Exchange,
    ) -> Result<Option<Order>, Problem> {
        check_workstation(workstation)?;
        let tokens = exchange.tokens.clone();
        if let Some(attempt) = self.store.read(|reader| reader.live_attempt_of_workstation(workstation))? {
            if permit.staff().cloned().map(Author::Staff).as_ref() != Some(&attempt.clerk) {
                return Err(Problem::new(Rule::NotPermitted).with("action", "exchange"));
            }
            self.see_workstation(permit, workstation, &tokens);
            let pin = self.token_pin(&attempt).await?;
            let (hand, application) =
                (Hand { actor: permit.actor().clone(), pin }, attempt.application.clone());
            let command = match self.drive(&hand, attempt, exchange).await {
                // Somebody gave it up, or claimed another, in this moment: the next exchange finds what is there then.
                Err(problem) if problem.rule == Rule::Stale => return Ok(None),
                driven => driven?,
            };
            if let Some(mut command) = command {
                command.line = self.line_text(workstation, &application)?;
                return Ok(Some(Order::Command(command)));
            }
        }
        self.see_workstation(permit, workstation, &tokens);
        // The line begins the next one, or sets this one aside: its command comes with the next exchange.
        let news = self.drive_line(permit, workstation, &tokens).await?;
        Ok(news.map(Order::News))
    }

    /// Takes a report on an attempt, gives its next command if there is one.
    pub(super) async fn drive(
        self: &Arc<Self>,
        hand: &Hand,
        mut attempt: AttemptRecord,
        exchange: Exchange,
    ) -> Result<Option<Command>, Problem> {
        if let Some(report) = exchange.report.filter(|report| report.attempt == attempt.id.as_str()) {
            self.take_report(hand, &attempt, report).await?;
            let fresh = self.store.read(|reader| reader.attempt(&attempt.id))?;
            attempt = fresh.ok_or_else(|| Problem::not_found("attempt"))?;
        }
        self.next_command(hand, attempt, &exchange.tokens).await
    }

    async fn next_command(
        &self,
        hand: &Hand,
        attempt: AttemptRecord,
        tokens: &[TokenSeen],
    ) -> Result<Option<Command>, Problem> {
        if matches!(attempt.state, AttemptState::Proved { .. }) {
            return Ok(None);
        }
        let wanted = attempt.state.token().or(attempt.wanted_token.as_deref()).unwrap_or_default().to_owned();
        let present = tokens.iter().any(|token| token.serial == wanted);
        if !present {
            return self.wait_for_token(hand, &attempt, &wanted).await.map(|()| None);
        }
        if is_failure(&attempt.note) && !is_absence(&attempt.note) {
            return Ok(None);
        }
        if !attempt.note.is_empty() {
            self.note(&attempt, String::new()).await?;
        }
        let id = attempt.id.clone();
        let step = match attempt.state {
            AttemptState::Claimed => {
                self.step(
                    hand,
                    &attempt,
                    AttemptCommand::Bind { token: wanted.clone() },
                    WriteSite::BindToken,
                )
                .await?;
                self.open_token(hand, &attempt, &wanted).await?
            }
            AttemptState::Bound { .. } => self.open_token(hand, &attempt, &wanted).await?,
            AttemptState::Initialised { .. } => Step::Request {
                cka_id: hex::encode(id.cka_id()),
                algorithm: "ec-p256".to_owned(),
                pin: hand.pin.clone(),
                subject_cn: id.to_string(),
            },
            // In flight, or burned by the next start: never signed again from here.
            AttemptState::Intended { .. } => return Ok(None),
            AttemptState::Signed { serial, .. } => match self.write_step(hand, &id, serial)? {
                Some(step) => step,
                None => return Ok(None),
            },
            AttemptState::Written { serial, .. } => Step::Prove {
                cka_id: hex::encode(id.cka_id()),
                challenge: BASE64.encode(self.challenge(&id, &serial).await?),
                pin: hand.pin.clone(),
            },
            AttemptState::Proved { .. } | AttemptState::Delivered { .. } | AttemptState::Abandoned { .. } => {
                return Ok(None);
            }
        };
        Ok(Some(Command { attempt: id.to_string(), token: wanted, line: None, step }))
    }

    async fn challenge(&self, attempt: &AttemptId, serial: &Serial) -> Result<[u8; 32], Problem> {
        self.hmac(challenge_message(attempt, serial)).await
    }

    pub(super) async fn hmac(&self, message: String) -> Result<[u8; 32], Problem> {
        let secrets = self.ca.secrets();
        let mac = tokio::task::spawn_blocking(move || secrets.hmac(message.as_bytes()));
        Ok(mac.await.map_err(Failure::inconsistent)?.map_err(Failure::from)?)
    }

    /// A certificate leaves the server only when relying parties already refuse it: its hold stands in the served
    /// CRL, for as long as a portal may take to fetch that.
    fn write_step(&self, hand: &Hand, id: &AttemptId, serial: Serial) -> Result<Option<Step>, Problem> {
        let record = self.store.read(|reader| reader.certificate(&serial))?;
        let record = record.ok_or_else(|| Problem::not_found("certificate"))?;
        if !self.published.lists(record.shard, &serial) || !self.listed_long_enough(serial) {
            return Ok(None);
        }
        Ok(Some(Step::Write {
            cka_id: hex::encode(id.cka_id()),
            certificate: BASE64.encode(record.der),
            label: "Qianyin unit certificate".to_owned(),
            pin: hand.pin.clone(),
        }))
    }

    /// Counted from when this process first looked and found it listed: after a restart it waits again.
    fn listed_long_enough(&self, serial: Serial) -> bool {
        let lag =
            Duration::from_secs(u64::try_from(self.policies.status().portal_lag_secs()).unwrap_or(u64::MAX));
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let long_enough = listed.entry(serial).or_insert_with(Instant::now).elapsed() > lag;
        if long_enough {
            listed.remove(&serial);
        }
        long_enough
    }

    async fn take_report(
        self: &Arc<Self>,
        hand: &Hand,
        attempt: &AttemptRecord,
        report: Report,
    ) -> Result<(), Problem> {
        let done = match report.outcome {
            Outcome::Failed(failed) => {
                return self.take_failure(hand, attempt, &report.command, failed).await;
            }
            Outcome::Done(done) => done,
        };
        match (report.command.as_str(), &attempt.state) {
            ("unlock", AttemptState::Bound { .. }) => {
                match self.store.read(|reader| unlock::unlocks(reader, attempt))? {
                    Some(of) => self.finish_unlock(&hand.actor, attempt, of).await,
                    None => Ok(()),
                }
            }
            ("initialise", AttemptState::Bound { .. }) => {
                self.step(hand, attempt, AttemptCommand::Initialise, WriteSite::InitialiseToken).await
            }
            ("request", AttemptState::Initialised { token }) => {
                self.take_csr(hand, attempt, token.clone(), done).await
            }
            ("write", AttemptState::Signed { serial, .. }) => {
                let record = self.store.read(|reader| reader.certificate(serial))?;
                if record.is_none_or(|record| done.certificate.as_deref() != Some(&BASE64.encode(record.der)))
                {
                    return self.refuse_step(hand, attempt, "write", Problem::new(Rule::ReadBack)).await;
                }
                self.step(hand, attempt, AttemptCommand::Write, WriteSite::WriteCertificate).await
            }
            ("prove", AttemptState::Written { serial, .. }) => {
                let serial = *serial;
                if !self.proves(&attempt.id, &serial, &done).await? {
                    return self.refuse_step(hand, attempt, "prove", Problem::new(Rule::Challenge)).await;
                }
                self.step(hand, attempt, AttemptCommand::Prove, WriteSite::ProveKey).await
            }
            // An answer to a question asked before a crash: the row has moved on, nothing is to be done.
            _ => Ok(()),
        }
    }

    async fn take_csr(
        self: &Arc<Self>,
        hand: &Hand,
        attempt: &AttemptRecord,
        token: String,
        done: Done,
    ) -> Result<(), Problem> {
        let origin = done.attributes.unwrap_or_default();
        if let Some(lack) = lack_of_origin(&origin) {
            let problem = Problem::new(Rule::KeyNotOnToken).with("detail", lack);
            return self.refuse_step(hand, attempt, "request", problem).await;
        }
        let csr = done.csr.and_then(|csr| BASE64.decode(csr).ok()).unwrap_or_default();
        let order = IssueOrder {
            attempt: attempt.id.clone(),
            application: attempt.application.clone(),
            token,
            csr,
            former: None,
            actor: hand.actor.clone(),
        };
        match self.issue(order).await {
            Ok(_) => Ok(()),
            Err(problem) if problem.rule == Rule::SignatureUnknown => Ok(()),
            Err(problem) if problem.rule.status() < 500 => {
                self.refuse_step(hand, attempt, "request", problem).await
            }
            Err(problem) => Err(problem),
        }
    }

    async fn proves(&self, attempt: &AttemptId, serial: &Serial, done: &Done) -> Result<bool, Problem> {
        let record = self.store.read(|reader| reader.certificate(serial))?;
        let record = record.ok_or_else(|| Problem::not_found("certificate"))?;
        let message = [ca_core::PROVE_CONTEXT, &self.challenge(attempt, serial).await?].concat();
        let signature =
            done.signature.as_deref().and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
        Ok(ca_core::verify_with_certificate(&record.der, &message, &signature).is_ok())
    }

    async fn step(
        &self,
        hand: &Hand,
        attempt: &AttemptRecord,
        command: AttemptCommand,
        site: WriteSite,
    ) -> Result<(), Problem> {
        let (id, actor) = (attempt.id.clone(), hand.actor.clone());
        // The last step at the counter; a holder who renews has the token in hand.
        let ready = command == AttemptCommand::Prove && matches!(actor, Actor::Staff(_));
        let notice = notice_id(wire::now())?;
        self.store
            .write(site, move |tx| {
                let known = tx.attempt(&id)?.ok_or_else(|| Problem::not_found("attempt"))?;
                let next = known.state.clone().transition(command)?;
                tx.move_attempt(&id, &known.state, &next)?;
                if let AttemptState::Proved { token, serial } = &next {
                    stock::personalise(tx, &id, token, *serial, wire::now())?;
                }
                let entry = AuditEntry::done(wire::now(), &actor, Action::Personalise, "attempt", &id);
                tx.append_audit(&entry.with("step", site.name()))?;
                if ready {
                    let application = tx.application(&known.application)?;
                    let application = application.ok_or_else(|| Problem::not_found("application"))?;
                    let about = NoticeAbout::Application(known.application);
                    notify(tx, notice, NoticeKind::ReadyForCollection, about, &application.agent)?;
                }
                Ok::<_, Problem>(())
            })
            .await
    }

    async fn take_failure(
        &self,
        hand: &Hand,
        attempt: &AttemptRecord,
        command: &str,
        failed: Failed,
    ) -> Result<(), Problem> {
        let (zh, en) = advice(&failed.code);
        let problem = Problem::new(Rule::TokenFailed)
            .with("code", &failed.code)
            .with("detail", format!("{command}: {}", failed.message))
            .with("advice_zh", zh)
            .with("advice_en", en);
        self.refuse_step(hand, attempt, "token", problem).await
    }

    /// The step did not succeed: the attempt stays where it is, the counter sees why, the log keeps it.
    async fn refuse_step(
        &self,
        hand: &Hand,
        attempt: &AttemptRecord,
        step: &'static str,
        problem: Problem,
    ) -> Result<(), Problem> {
        let (id, actor) = (attempt.id.clone(), hand.actor.clone());
        let code = problem.facts().iter().find(|(name, _)| *name == "code").map_or("", |(_, code)| code);
        let note = format!("{FAILED}{code}\n{problem}");
        let lease = attempt.lease_until;
        self.store
            .write(WriteSite::NoteAttempt, move |tx| {
                tx.touch_attempt(&id, lease, &note)?;
                let entry = AuditEntry::done(wire::now(), &actor, Action::Personalise, "attempt", &id);
                let mut entry = entry.with("step", step).refused(problem.rule.name());
                for (name, value) in problem.facts() {
                    entry = entry.with(name, value);
                }
                tx.append_audit(&entry)?;
                Ok::<_, Problem>(())
            })
            .await
    }

    async fn wait_for_token(
        &self,
        hand: &Hand,
        attempt: &AttemptRecord,
        wanted: &str,
    ) -> Result<(), Problem> {
        if is_failure(&attempt.note) {
            return Ok(());
        }
        let problem = Problem::new(Rule::TokenMissing).with("token", wanted).with("code", "token-absent");
        self.refuse_step(hand, attempt, "token", problem).await
    }

    pub(super) async fn note(&self, attempt: &AttemptRecord, note: String) -> Result<(), Problem> {
        let (id, lease) = (attempt.id.clone(), attempt.lease_until);
        self.store
            .write(WriteSite::NoteAttempt, move |tx| {
                tx.touch_attempt(&id, lease, &note).map_err(Problem::from)
            })
            .await
    }
}

/// What a holder's program is called in the row of its attempt: a name that no workstation can have, so that no clerk
/// can execute a renewal in the holder's place.
pub(super) fn holders_place(certificate: &Serial) -> String {
    format!("holder:{certificate}")
}

/// As `ukey counter` takes names.
pub(super) fn check_workstation(name: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(Problem::field("workstation", "1 to 64 letters, digits, '-', '_' or '.' are needed"))
    }
}

const FAILED: &str = "failed:";

pub(super) fn is_failure(note: &str) -> bool {
    note.starts_with(FAILED)
}

pub(super) fn is_absence(note: &str) -> bool {
    note.starts_with("failed:token-absent") || note.starts_with("failed:token-removed")
}

fn lack_of_origin(origin: &KeyOrigin) -> Option<&'static str> {
    match origin {
        KeyOrigin { local: false, .. } => Some("CKA_LOCAL is false"),
        KeyOrigin { sensitive: false, .. } | KeyOrigin { always_sensitive: false, .. } => {
            Some("CKA_ALWAYS_SENSITIVE is false")
        }
        KeyOrigin { extractable: true, .. } | KeyOrigin { never_extractable: false, .. } => {
            Some("CKA_NEVER_EXTRACTABLE is false")
        }
        _ => None,
    }
}

fn advice(code: &str) -> (&'static str, &'static str) {
    match code {
        "token-absent" | "token-removed" => {
            ("请重新插入该 U-key，将自动继续。", "Insert the token again; work goes on by itself.")
        }
        "wrong-pin" => (
            "未再次尝试。请换一个 U-key，或核对口令后点继续。",
            "It was not tried again. Take another token, or check the PIN and go on.",
        ),
        "pin-locked" => {
            ("请换一个 U-key，此 U-key 需解锁。", "Take another token; this one must be unlocked.")
        }
        "token-full" => ("请换一个空白 U-key。", "Take a blank token."),
        "write-protected" => ("请换一个可写的 U-key。", "Take a token that can be written."),
        "pin-refused" => (
            "请持有人重新输入符合要求的新口令，再点继续。",
            "Have the holder type a PIN that keeps to the rules, then go on.",
        ),
        "driver-hangs" => (
            "U-key 的驱动没有应答。请拔出后重新插入，再点继续；仍无应答请重新启动 ukey counter，任务会接着完成。",
            "The token's driver does not answer. Take it out, plug it in again and go on; if it still does not answer, start \
             `ukey counter` anew: the job goes on.",
        ),
        "not-initialised" => {
            ("请换一个已出厂初始化的 U-key。", "Take a token that the vendor has initialised.")
        }
        _ => (
            "请换一个 U-key 重试；仍失败请联系管理员。",
            "Try another token; if that fails too, ask the administrator.",
        ),
    }
}

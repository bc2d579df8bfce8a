//! Step 5, before and after: tokens as a vendor delivers them, where they lie, and what becomes of each. Only listed tokens
//! are personalised; a token moves in the transaction of what moves its certificate.

use std::collections::BTreeSet;

use ca_core::{
    Action, Actor, AttemptId, AuditEntry, CertificateState, Consequence, Location, Refusal, StockWord, Token,
    TokenCommand, TokenDeliveryId, TokenState, UNATTESTED,
    policy::{Counters, TokenRules},
};
use ca_store::{Reader, Store, TokenDelivery, TokenFilter, Tx, WriteSite};
use ca_verifier::{Serial, Time};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{App, batch::Upload, decide::end_once, free_text};
use crate::{
    permit::{ChangeToken, ImportTokens, MoveTokens, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    token_file::{self, Listed, TokenLine},
    wire,
};

/// Lines that a refused list names.
const NAMED: usize = 100;
/// Tokens that one transfer moves at most.
const TRANSFER_MAX: i64 = 5_000;
const REASON_MAX: usize = 200;

/// Where tokens go to: a box or a counter.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Place {
    /// A box of the store room, by the name on it.
    Box(String),
    /// A counter, by its code or Chinese name.
    Counter(String),
}

/// Which tokens go where.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    /// Serial numbers; left out: every blank token that is at `from`.
    #[serde(default)]
    pub(crate) tokens: Vec<String>,
    /// Where they are: with it, a token that is elsewhere is refused.
    #[serde(default)]
    pub(crate) from: Option<Place>,
    /// Where they go.
    pub(crate) to: Place,
}

/// What became of a list.
#[derive(Debug)]
pub(crate) struct Imported {
    /// `None` when nothing was to be imported.
    pub(crate) id: Option<TokenDeliveryId>,
    pub(crate) tokens: usize,
}

/// Reads the name of a place.
pub(crate) fn location(counters: &Counters, place: &Place) -> Result<Location, Problem> {
    match place {
        Place::Box(name) => Ok(Location::Box(StockWord::parse("box", name)?)),
        Place::Counter(text) => {
            let known: Vec<&str> = counters.iter().map(|(code, _)| code).collect();
            let code = counters.find(text).map(str::to_owned);
            code.map(Location::Counter)
                .ok_or_else(|| Problem::field("counter", format!("one of {}", known.join(", "))))
        }
    }
}

/// Takes a vendor's list into stock, all of it or nothing. With `dry_run` nothing is taken, and the answer says what would
/// be.
pub(crate) async fn import_tokens(
    store: &Store,
    rules: &TokenRules,
    permit: &Permit<ImportTokens>,
    (file, location): (Upload, Location),
    dry_run: bool,
) -> Result<Imported, Problem> {
    let now = wire::now();
    let lines = token_file::read(&file.octets, file.xlsx)?;
    let sha256: [u8; 32] =
        digest(&SHA256, &file.octets).as_ref().try_into().map_err(Failure::inconsistent)?;
    let listed = store.read(|reader| check(reader, rules, lines))?;
    let tokens = listed.len();
    if dry_run {
        return Ok(Imported { id: None, tokens });
    }
    let id = TokenDeliveryId::new(now, wire::random()?);
    let actor = permit.actor().clone();
    store
        .write(WriteSite::Stock, move |tx| {
            tx.insert_token_delivery(&TokenDelivery {
                id: id.clone(),
                sha256,
                imported_by: actor.to_string(),
                imported_at: now,
                tokens: i64::try_from(tokens).map_err(Failure::inconsistent)?,
            })?;
            for token in listed {
                take(tx, token, &id, &location, now)?;
            }
            let entry = AuditEntry::done(now, &actor, Action::ImportTokens, "token-delivery", &id);
            let entry = entry.with("tokens", tokens).with("place", &location);
            tx.append_audit(&entry.with("sha256", hex::encode(sha256)))?;
            Ok(Imported { id: Some(id), tokens })
        })
        .await
}

/// Every line is good, or the lines that are not.
fn check(reader: &mut Reader<'_>, rules: &TokenRules, lines: Vec<TokenLine>) -> Result<Vec<Listed>, Problem> {
    let (mut good, mut refused, mut count) = (Vec::with_capacity(lines.len()), Vec::new(), 0_usize);
    for line in lines {
        let verdict = match line.token {
            Err(finding) => Err(finding.problem),
            Ok(listed) => fits(reader, rules, &listed).map(|()| listed),
        };
        match verdict {
            Ok(listed) => good.push(listed),
            Err(problem) => {
                count += 1;
                if refused.len() < NAMED {
                    refused.push(problem.with("line", line.number));
                }
            }
        }
    }
    match count {
        0 => Ok(good),
        _ => Err(Problem::new(Rule::TokenFile).with("refused", count).made_of(refused)),
    }
}

fn fits(reader: &mut Reader<'_>, rules: &TokenRules, listed: &Listed) -> Result<(), Problem> {
    if !rules.models().iter().any(|model| model.name == listed.model) {
        return Err(Problem::new(Rule::TokenModel).with("model", &listed.model));
    }
    match reader.token(listed.serial.as_str())? {
        Some(known) if known.state != TokenState::Returned => {
            let problem = Problem::new(Rule::TokenKnown).with("token", &listed.serial);
            Err(problem.with("state", known.state.name()))
        }
        _ => Ok(()),
    }
}

fn take(
    tx: &mut Tx<'_>,
    listed: Listed,
    delivery: &TokenDeliveryId,
    location: &Location,
    now: Time,
) -> Result<(), Problem> {
    let Listed { serial, model, batch } = listed;
    let (delivery, location) = (Some(delivery.clone()), location.clone());
    let new = Token { serial, model, batch, delivery, location, state: TokenState::Blank, moved_at: now };
    match tx.token(new.serial.as_str())? {
        None => tx.insert_token(&new)?,
        // It was with its vendor, who may have given it another name.
        Some(known) => {
            known.state.clone().transition(TokenCommand::Relist)?;
            tx.move_token(&known, &Token { model: known.model.clone(), batch: known.batch.clone(), ..new })?;
        }
    }
    Ok(())
}

impl App {
    /// Moves tokens that are in stock. Gives how many.
    pub(crate) async fn transfer_tokens(
        &self,
        permit: Permit<MoveTokens>,
        new: NewTransfer,
    ) -> Result<usize, Problem> {
        let now = wire::now();
        let counters = self.policies.counters();
        let from = new.from.as_ref().map(|place| location(counters, place)).transpose()?;
        let to = location(counters, &new.to)?;
        if new.tokens.len() > usize::try_from(TRANSFER_MAX).unwrap_or(usize::MAX) {
            return Err(Problem::field("tokens", format!("at most {TRANSFER_MAX}")));
        }
        if new.tokens.is_empty() && from.is_none() {
            return Err(Problem::field("tokens", "serial numbers, or `from`, are needed"));
        }
        self.store
            .write(WriteSite::Stock, move |tx| {
                let tokens = chosen(tx, &new.tokens, from.as_ref())?;
                let count = tokens.len();
                for token in tokens {
                    move_to(tx, permit.actor(), token, &to, now)?;
                }
                Ok(count)
            })
            .await
    }

    /// What people say of one token that is ours: it is spoiled, gone, found again, or goes back to its vendor.
    pub(crate) async fn change_token(
        &self,
        permit: Permit<ChangeToken>,
        serial: String,
        command: TokenCommand,
        reason: String,
    ) -> Result<Token, Problem> {
        let reason = free_text("reasons", reason, REASON_MAX)?;
        self.store
            .write(WriteSite::Stock, move |tx| {
                let now = wire::now();
                let token = tx.token(&serial)?.ok_or_else(|| Problem::not_found("token"))?;
                let (step, from) = (command.name(), token.state.name());
                let (state, consequence) = token.state.clone().transition(command)?;
                // A certificate ends by an application, which an officer decides, or by giving up the attempt.
                if consequence != Consequence::Nothing {
                    return Err(Refusal::WrongState { state: from, command: step }.into());
                }
                let next = moved(tx, &token, state, now)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::ChangeToken, "token", &token.serial);
                let entry = entry.with("step", step).with("from", from).with("to", next.state.name());
                tx.append_audit(&entry.with("reason", reason))?;
                Ok(next)
            })
            .await
    }
}

fn chosen(tx: &mut Tx<'_>, serials: &[String], from: Option<&Location>) -> Result<Vec<Token>, Problem> {
    if serials.is_empty() {
        let filter = TokenFilter {
            location: from.cloned(),
            state: Some(TokenState::Blank.name().to_owned()),
            limit: TRANSFER_MAX,
            ..TokenFilter::default()
        };
        return Ok(tx.tokens(&filter)?);
    }
    let mut tokens = Vec::with_capacity(serials.len());
    // One that is named twice is moved once.
    for serial in serials.iter().collect::<BTreeSet<_>>() {
        let token = tx.token(serial)?;
        let token = token.ok_or_else(|| Problem::new(Rule::TokenNotListed).with("token", serial))?;
        if let Some(from) = from.filter(|from| token.location != **from) {
            let problem = Problem::new(Rule::TokenElsewhere).with("token", serial);
            return Err(problem.with("place", &token.location).with("counter", from));
        }
        tokens.push(token);
    }
    Ok(tokens)
}

fn move_to(tx: &mut Tx<'_>, actor: &Actor, token: Token, to: &Location, now: Time) -> Result<(), Problem> {
    if !matches!(token.state, TokenState::Blank | TokenState::Spoiled | TokenState::Personalised { .. }) {
        let problem = Problem::new(Rule::TokenInWork).with("token", &token.serial);
        return Err(problem.with("state", token.state.name()));
    }
    if token.location == *to {
        return Ok(());
    }
    let next = Token { location: to.clone(), moved_at: now, ..token.clone() };
    tx.move_token(&token, &next)?;
    let entry = AuditEntry::done(now, actor, Action::MoveTokens, "token", &token.serial);
    Ok(tx.append_audit(&entry.with("from", &token.location).with("to", to))?)
}

/// An attempt takes a token: it is listed, blank, and at the application's counter.
pub(super) fn claim(
    tx: &mut Tx<'_>,
    serial: &str,
    attempt: &AttemptId,
    counter: Option<&str>,
    now: Time,
) -> Result<(), Problem> {
    let token = tx.token(serial)?;
    let token = token.ok_or_else(|| Problem::new(Rule::TokenNotListed).with("token", serial))?;
    let here = |counter: &str| token.location == Location::Counter(counter.to_owned());
    if let Some(counter) = counter.filter(|counter| !here(counter)) {
        let problem = Problem::new(Rule::TokenElsewhere).with("token", serial);
        return Err(problem.with("place", &token.location).with("counter", counter));
    }
    let from = token.state.name();
    if token.state.certificate().is_some() {
        return Err(Problem::new(Rule::TokenTaken).with("token", serial));
    }
    let command = TokenCommand::Claim { attempt: attempt.clone() };
    let Ok((state, _)) = token.state.clone().transition(command) else {
        return Err(Problem::new(Rule::TokenNotBlank).with("token", serial).with("state", from));
    };
    moved(tx, &token, state, now).map(drop)
}

/// An attempt is given up: its token, if it took one, is blank again. What is on it is wiped by the next attempt.
pub(super) fn free(tx: &mut Tx<'_>, attempt: &AttemptId, now: Time) -> Result<(), Problem> {
    let serial = tx.attempt(attempt)?.and_then(|attempt| attempt.wanted_token);
    advance(tx, serial.as_deref(), TokenCommand::Free { attempt: attempt.clone() }, now, |token| {
        token.state.attempt() == Some(attempt)
    })
}

/// The token proved that it has the certificate's key.
pub(super) fn personalise(
    tx: &mut Tx<'_>,
    attempt: &AttemptId,
    serial: &str,
    certificate: Serial,
    now: Time,
) -> Result<(), Problem> {
    advance(tx, Some(serial), TokenCommand::Personalise { certificate }, now, |token| {
        token.state.attempt() == Some(attempt)
    })
}

/// It was handed over.
pub(super) fn deliver(
    tx: &mut Tx<'_>,
    serial: Option<&str>,
    certificate: Serial,
    now: Time,
) -> Result<(), Problem> {
    let has = |token: &Token| token.state.certificate() == Some(certificate);
    advance(tx, serial, TokenCommand::Deliver, now, has)
}

/// A certificate was renewed on it.
pub(super) fn renew(tx: &mut Tx<'_>, of: Serial, certificate: Serial, now: Time) -> Result<(), Problem> {
    let serial = tx.intent(&certificate)?.and_then(|intent| intent.token);
    let had = |token: &Token| token.state.certificate() == Some(of);
    advance(tx, serial.as_deref(), TokenCommand::Renew { certificate }, now, had)
}

/// A replaced token is gone or broken: it says so, and its certificate ends with the reason that belongs to that.
pub(super) fn end_with_token(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    command: TokenCommand,
    now: Time,
) -> Result<(), Problem> {
    let serial = tx.intent(&of)?.and_then(|intent| intent.token);
    advance(tx, serial.as_deref(), command.clone(), now, |token| token.state.certificate() == Some(of))?;
    // One that was handed over before there was a stock ends for the same reason.
    let (_, consequence) = TokenState::Active { certificate: of }.transition(command)?;
    match consequence {
        Consequence::Revoked(reason) => end_once(tx, actor, of, reason, now),
        Consequence::Nothing | Consequence::NotActivated => Ok(()),
    }
}

/// The token goes where its certificate went.
pub(super) fn follow(
    tx: &mut Tx<'_>,
    certificate: Serial,
    state: CertificateState,
    now: Time,
) -> Result<(), Problem> {
    let serial = tx.intent(&certificate)?.and_then(|intent| intent.token);
    let Some(token) = listed(tx, serial.as_deref())? else { return Ok(()) };
    let next = token.state.clone().follow(certificate, state);
    if next != token.state {
        moved(tx, &token, next, now)?;
    }
    Ok(())
}

/// Moves a token on if it is listed and `of` says that it is the one; others were handed over before there was a stock.
fn advance(
    tx: &mut Tx<'_>,
    serial: Option<&str>,
    command: TokenCommand,
    now: Time,
    of: impl Fn(&Token) -> bool,
) -> Result<(), Problem> {
    let Some(token) = listed(tx, serial)?.filter(of) else { return Ok(()) };
    match token.state.clone().transition(command) {
        Ok((state, _)) => moved(tx, &token, state, now).map(drop),
        // It ended otherwise before.
        Err(_) if token.state.certificate().is_some() => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn listed(tx: &mut Tx<'_>, serial: Option<&str>) -> Result<Option<Token>, Problem> {
    match serial.filter(|serial| *serial != UNATTESTED) {
        Some(serial) => Ok(tx.token(serial)?),
        None => Ok(None),
    }
}

fn moved(tx: &mut Tx<'_>, token: &Token, state: TokenState, now: Time) -> Result<Token, Problem> {
    let next = Token { state, moved_at: now, ..token.clone() };
    tx.move_token(token, &next)?;
    Ok(next)
}

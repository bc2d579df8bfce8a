//! Step 1: accounts of units (user name and password) and of agents (card number and query password).
//!
//! A try is counted before anybody is told of it, so that neither a crash nor many tries at once make more of them.
//! Whoever fails is told the same, in the same time, whether the account is unknown, locked, or has another password.

use std::sync::OnceLock;

use ca_core::{AccountId, Action, Actor, AgentId, AuditEntry, personal::PersonNumber};
use ca_store::{AccountOwner, AccountRecord, Reader, Tx, WriteSite};
use ca_verifier::{Time, UnitCode};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    About, App, audited,
    enroll::{locked_agent, registered_unit},
};
use crate::{
    password::Password,
    permit::{ChangePassword, OpenAccount, Permit},
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const TRIES: u32 = 5;
const LOCKED_SECS: i64 = 15 * 60;
const SESSION_SECS: i64 = 8 * 3600;
const NAME_MAX: usize = 32;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogIn {
    /// `unit` or `agent`.
    pub(crate) role: String,
    /// A unit's user name; an agent's identity card or social-security card number.
    pub(crate) name: String,
    /// The password.
    #[schema(value_type = String)]
    pub(crate) password: Password,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The old one.
    #[schema(value_type = String)]
    pub(crate) old: Password,
    /// The new one.
    #[schema(value_type = String)]
    pub(crate) new: Password,
}

/// An account that the counter opened or reset: the password stands here and nowhere else.
pub(crate) struct Opened {
    pub(crate) name: Option<String>,
    pub(crate) password: Password,
}

/// A session: the token stands here and nowhere else.
pub(crate) struct Session {
    pub(crate) token: String,
    pub(crate) expires_at: Time,
    pub(crate) initial: bool,
}

impl App {
    /// Opens a unit's account, or gives it a new initial password. Its user name stays; without one it is the 劳动保障证号.
    pub(crate) async fn open_unit_account(
        &self,
        permit: Permit<OpenAccount>,
        code: UnitCode,
        name: Option<String>,
    ) -> Result<Opened, Problem> {
        if let Some(name) = &name {
            check_name(name)?;
        }
        let (password, hash, id) = self.initial_password().await?;
        self.store
            .write(WriteSite::Account, move |tx| {
                let unit = registered_unit(tx, &code)?;
                if let Some(ended) = unit.ended_at {
                    return Err(Problem::new(Rule::UnitEnded).with("since", wire::china_time(ended)));
                }
                let known = tx.account_of_unit(&unit.id)?;
                let name = match (&known, name) {
                    (Some(AccountRecord { owner: AccountOwner::Unit { name, .. }, .. }), asked) => {
                        if asked.is_some_and(|asked| asked != *name) {
                            return Err(Problem::field("name", format!("the user name is {name} and stays")));
                        }
                        name.clone()
                    }
                    (_, Some(asked)) => asked,
                    (_, None) => unit.labour_no.clone(),
                };
                let owner = AccountOwner::Unit { unit: unit.id.clone(), name: name.clone() };
                open(tx, &permit, known, (id, owner, &hash), ("unit", unit.id.as_str()))?;
                Ok(Opened { name: Some(name), password })
            })
            .await
    }

    /// Gives an agent a query password.
    pub(crate) async fn open_agent_account(
        &self,
        permit: Permit<OpenAccount>,
        agent: AgentId,
    ) -> Result<Opened, Problem> {
        let (password, hash, id) = self.initial_password().await?;
        self.store
            .write(WriteSite::Account, move |tx| {
                tx.agent(&agent)?.ok_or_else(|| Problem::not_found("agent"))?;
                locked_agent(tx, &agent)?;
                let known = tx.account_of_agent(&agent)?;
                let owner = AccountOwner::Agent(agent.clone());
                open(tx, &permit, known, (id, owner, &hash), ("agent", agent.as_str()))?;
                Ok(Opened { name: None, password })
            })
            .await
    }

    pub(crate) async fn log_in(&self, who: LogIn) -> Result<Session, Problem> {
        let now = wire::now();
        let account = self.store.read(|reader| find(self, reader, &who))?;
        let id = account.as_ref().map_or_else(String::new, |account| account.id.to_string());
        let actor = account.as_ref().map_or(Actor::System("log-in"), |account| account.owner.actor());
        let about = About { actor: &actor, action: Action::LogIn, object: "account", id: &id };
        audited(&self.store, about, self.try_password(account, who.password, now)).await
    }

    async fn try_password(
        &self,
        account: Option<AccountRecord>,
        password: Password,
        now: Time,
    ) -> Result<Session, Problem> {
        let id = account.as_ref().map(|account| account.id.clone());
        let count = async {
            let (Some(id), until) = (id, now.plus_secs(LOCKED_SECS)) else { return Ok(false) };
            let work = move |tx: &mut Tx<'_>| tx.count_try(&id, TRIES, now, until).map_err(Problem::from);
            self.store.write(WriteSite::Account, work).await
        };
        let stored = match &account {
            Some(account) => account.password.clone(),
            None => nobody()?,
        };
        // Together: the write is hidden in the time that every password takes. No answer before both are done.
        let (counted, right) = tokio::join!(count, self.hashing(move || password.is(&stored)));
        let (counted, right) = (counted?, right?);
        let account = account.filter(|_| counted && right).ok_or_else(|| Problem::new(Rule::LogInFailed))?;
        let token = hex::encode(wire::random::<32>()?);
        let (sha256, expires_at) = (token_sha256(&token), now.plus_secs(SESSION_SECS));
        let (initial, owner) = (account.initial, account.owner.actor());
        self.store
            .write(WriteSite::Account, move |tx| {
                tx.open_session(&account.id, &sha256, now, expires_at)?;
                tx.append_audit(&AuditEntry::done(now, &owner, Action::LogIn, "account", &account.id))?;
                Ok(Session { token, expires_at, initial })
            })
            .await
    }

    pub(crate) async fn log_out(
        &self,
        owner: &AccountOwner,
        id: AccountId,
        token: &str,
    ) -> Result<(), Problem> {
        let (sha256, actor) = (token_sha256(token), owner.actor());
        self.store
            .write(WriteSite::Account, move |tx| {
                tx.end_session(&sha256)?;
                let entry = AuditEntry::done(wire::now(), &actor, Action::LogIn, "account", &id);
                tx.append_audit(&entry.with("step", "out"))?;
                Ok(())
            })
            .await
    }

    /// Ends every session, the one that asks too: whoever knew the old password is out.
    pub(crate) async fn change_password(
        &self,
        permit: Permit<ChangePassword>,
        account: AccountRecord,
        passwords: NewPassword,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let name = match &account.owner {
            AccountOwner::Unit { name, .. } => name.clone(),
            AccountOwner::Agent(_) => String::new(),
        };
        let (id, until) = (account.id.clone(), now.plus_secs(LOCKED_SECS));
        let count = move |tx: &mut Tx<'_>| tx.count_try(&id, TRIES, now, until).map_err(Problem::from);
        let counted = self.store.write(WriteSite::Account, count).await?;
        let NewPassword { old, new } = passwords;
        if !self.hashing(move || old.is(&account.password)).await? || !counted {
            return Err(Problem::new(Rule::PasswordWrong));
        }
        new.check(&name)?;
        let hash = self.hashing(move || new.hash()).await?;
        self.store
            .write(WriteSite::Account, move |tx| {
                tx.set_password(&account.id, &hash, false, now)?;
                let (action, actor) = (Action::ChangePassword, permit.actor());
                tx.append_audit(&AuditEntry::done(now, actor, action, "account", &account.id))?;
                Ok(())
            })
            .await
    }

    /// The account of a bearer token.
    pub(crate) fn session(&self, token: &str) -> Result<Option<AccountRecord>, Problem> {
        let sha256 = token_sha256(token);
        Ok(self.store.read(|reader| reader.account_of_session(&sha256, wire::now()))?)
    }

    async fn initial_password(&self) -> Result<(Password, String, AccountId), Problem> {
        let password = Password::initial()?;
        let copy = password.clone();
        let hash = self.hashing(move || copy.hash()).await?;
        Ok((password, hash, AccountId::new(wire::now(), wire::random()?)))
    }

    /// A few at a time: each takes 19 MiB and a processor.
    async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Problem> {
        let _turn = self.hashing.acquire().await.map_err(Failure::inconsistent)?;
        Ok(tokio::task::spawn_blocking(work).await.map_err(Failure::inconsistent)??)
    }
}

fn open(
    tx: &mut Tx<'_>,
    permit: &Permit<OpenAccount>,
    known: Option<AccountRecord>,
    (id, owner, hash): (AccountId, AccountOwner, &str),
    (object, of): (&'static str, &str),
) -> Result<(), Problem> {
    let now = wire::now();
    let step = match known {
        Some(known) => {
            tx.set_password(&known.id, hash, true, now)?;
            "reset"
        }
        None => {
            tx.insert_account(&AccountRecord {
                id,
                owner,
                password: hash.to_owned(),
                initial: true,
                failures: 0,
                locked_until: None,
                changed_at: now,
            })?;
            "open"
        }
    };
    let entry = AuditEntry::done(now, permit.actor(), Action::OpenAccount, object, of);
    tx.append_audit(&entry.with("step", step))?;
    Ok(())
}

/// The account, when its owner may still log in.
fn find(app: &App, reader: &mut Reader<'_>, who: &LogIn) -> Result<Option<AccountRecord>, Problem> {
    let name = who.name.trim();
    if who.role == "unit" {
        let Some(account) = reader.account_named(name)? else { return Ok(None) };
        let AccountOwner::Unit { unit, .. } = &account.owner else { return Ok(None) };
        let live = reader.unit(unit)?.is_some_and(|unit| unit.ended_at.is_none());
        return Ok(live.then_some(account));
    }
    let Ok(number) = PersonNumber::parse(name) else { return Ok(None) };
    match app.agent_by_number(reader, &number)? {
        Some(agent) if who.role == "agent" => Ok(reader.account_of_agent(&agent.id)?),
        _ => Ok(None),
    }
}

fn check_name(name: &str) -> Result<(), Problem> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (4..=NAME_MAX).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(Problem::field("name", "4 to 32 letters, digits, '-', '_' or '.' are needed"))
    }
}

fn token_sha256(token: &str) -> [u8; 32] {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default()
}

/// The password of nobody: an unknown name must cost what a known one costs.
fn nobody() -> Result<String, Failure> {
    static HASH: OnceLock<String> = OnceLock::new();
    if let Some(hash) = HASH.get() {
        return Ok(hash.clone());
    }
    let hash = Password::initial()?.hash()?;
    Ok(HASH.get_or_init(|| hash).clone())
}

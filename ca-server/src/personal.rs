//! The key for personal data: computed by the issuing token at every start, and never stored. A database that another
//! token's key sealed is refused; rows that an older program wrote in clear are sealed before anything else is done.

use std::sync::Arc;

use ca_core::{Action, Actor, AgentId, AuditEntry, Vault, personal::Place};
use ca_store::{ClearAgent, Store, StoreError, Tx, WriteSite};
use zeroize::Zeroizing;

use crate::{ca::Secrets, problem::Failure, wire};

/// The setting that says which key sealed the database.
const FINGERPRINT: &str = "personal-key-1";
/// The setting that says whether files still hold what was sealed or erased.
const SCRUB: &str = "personal-scrub";
const DUE: &str = "due";

/// Computes the key and makes the database ready for it.
pub(crate) async fn open(store: &Store, secrets: &Secrets) -> Result<Arc<Vault>, Failure> {
    let root = Zeroizing::new(secrets.hmac(Vault::DERIVATION)?);
    let vault = Arc::new(Vault::new(&root).map_err(Failure::inconsistent)?);
    let fingerprint = hex::encode(vault.fingerprint());
    let (known, clear) = store
        .read(|reader| Ok::<_, Failure>((reader.setting(FINGERPRINT)?, reader.clear_agents()?.len())))?;
    match known {
        Some(known) if known != fingerprint => return Err(wrong_key()),
        Some(_) if clear == 0 => {}
        _ => seal(store, Arc::clone(&vault), fingerprint).await?,
    }
    // Whoever uses the database all the time can go on: the files are written anew at the next start.
    match scrub(store).await {
        Err(Failure::Store(StoreError::Busy)) => {
            tracing::warn!("the database is busy: sealed rows are still in its files")
        }
        done => done?,
    }
    Ok(vault)
}

/// One transaction: cut short, it is made again at the next start. Two programs at once take turns at the setting.
async fn seal(store: &Store, vault: Arc<Vault>, fingerprint: String) -> Result<(), Failure> {
    let now = wire::now();
    store
        .write(WriteSite::SealPersonal, move |tx| {
            tx.put_setting(FINGERPRINT, &fingerprint)?;
            let clear = tx.clear_agents()?;
            for agent in &clear {
                seal_one(tx, &vault, agent)?;
            }
            if !clear.is_empty() {
                scrub_later(tx)?;
                let entry = AuditEntry::done(
                    now,
                    &Actor::System("personal-data"),
                    Action::SealPersonalData,
                    "agent",
                    "",
                );
                tx.append_audit(&entry.with("agents", clear.len()))?;
            }
            Ok(())
        })
        .await
}

fn seal_one(tx: &mut Tx<'_>, vault: &Vault, agent: &ClearAgent) -> Result<(), Failure> {
    let name = vault.seal_name(&agent.id, wire::random()?, &agent.name).map_err(Failure::inconsistent)?;
    let id_card =
        vault.seal_id_card(&agent.id, wire::random()?, &agent.id_card).map_err(Failure::inconsistent)?;
    Ok(tx.seal_agent(&agent.id, &name, &id_card)?)
}

/// In the transaction that seals or erases: its rows are to leave the files, too.
pub(crate) fn scrub_later(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    tx.put_setting(SCRUB, DUE)
}

/// Removes what was sealed or erased from the database's files, when there is something.
pub(crate) async fn scrub(store: &Store) -> Result<(), Failure> {
    if store.read(|reader| reader.setting(SCRUB))?.as_deref() != Some(DUE) {
        return Ok(());
    }
    store.scrub()?;
    store.write(WriteSite::SealPersonal, |tx| Ok(tx.put_setting(SCRUB, "done")?)).await
}

/// What does not open was changed past this program, or sealed by another key.
pub(crate) fn unopened(place: Place<'_>) -> Failure {
    Failure::Store(StoreError::Corrupt { table: place.table(), id: place.row().to_owned() })
}

/// An identifier as the log may have it: what somebody typed instead is not repeated.
pub(crate) fn logged(id: &str) -> &str {
    if AgentId::parse(id).is_ok() { id } else { "?" }
}

fn wrong_key() -> Failure {
    Failure::Refused(
        "个人信息是用另一块密码卡的密钥加密的。请接入原来的签发密码卡或其备份；没有它，这些数据无法读出。没有更改任何数据。\n\
         The personal data was sealed with the key of another token. Connect the issuing token of this CA or its backup; \
         without it the data cannot be read. Nothing was changed."
            .to_owned(),
    )
}

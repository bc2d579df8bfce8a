//! Erasure of personal data whose time is over (`policies/retention.toml`). Needs the database only, not the key; `now` is
//! an argument.

use ca_core::{Action, AgentId, AuditEntry, Identity, Kept, policy::RetentionRules};
use ca_store::{Store, WriteSite};
use ca_verifier::Time;

use super::{About, audited, enroll::locked_agent};
use crate::{
    permit::{ErasePersonalData, Permit},
    personal::scrub_later,
    problem::Problem,
    rule::Rule,
};

const PAGE: i64 = 500;

/// Agents whose time is over, in the order of their registration.
pub(crate) fn erasable(store: &Store, rules: &RetentionRules, now: Time) -> Result<Vec<AgentId>, Problem> {
    store.read(|reader| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = reader.agents(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return Ok(found) };
            after = Some(last.id.clone());
            for agent in page.into_iter().filter(|agent| matches!(agent.identity, Identity::Known { .. })) {
                if reader.agent_ties(&agent.id)?.kept(rules, now).is_none() {
                    found.push(agent.id);
                }
            }
        }
    })
}

/// Erases who an agent is, and what stands on the agent's own invoices, unless something keeps it; a refusal is an entry, too. What was deleted leaves the database's
/// files with the next [`scrub`](crate::personal::scrub).
pub(crate) async fn erase(
    store: &Store,
    rules: &RetentionRules,
    permit: &Permit<ErasePersonalData>,
    id: &AgentId,
    now: Time,
) -> Result<(), Problem> {
    let about =
        About { actor: permit.actor(), action: Action::ErasePersonalData, object: "agent", id: id.as_str() };
    let (rules, actor, id) = (rules.clone(), permit.actor().clone(), id.clone());
    let work = store.write(WriteSite::ErasePersonal, move |tx| {
        locked_agent(tx, &id)?;
        if let Some(kept) = tx.agent_ties(&id)?.kept(&rules, now) {
            return Err(refusal(kept));
        }
        let invoices = tx.erase_agent(&id, now)?;
        scrub_later(tx)?;
        let entry = AuditEntry::done(now, &actor, Action::ErasePersonalData, "agent", &id);
        let entry = entry.with("years", rules.years());
        let entry = if invoices == 0 { entry } else { entry.with("invoices", invoices) };
        Ok(tx.append_audit(&entry)?)
    });
    audited(store, about, work).await
}

fn refusal(kept: Kept) -> Problem {
    match kept {
        Kept::Pair(unit) => Problem::new(Rule::KeptPair).with("unit", unit),
        Kept::Application(id) => Problem::new(Rule::KeptApplication).with("application", id),
        Kept::Training(id) => Problem::new(Rule::KeptTraining).with("training", id),
        Kept::Invoice(id) => Problem::new(Rule::KeptInvoice).with("invoice", id),
        Kept::Certificate(serial, until) => {
            Problem::new(Rule::KeptCertificate).with("serial", serial).with("until", until)
        }
        Kept::Event(until) => Problem::new(Rule::KeptEvent).with("until", until),
        Kept::Unclear => Problem::new(Rule::KeptUnclear),
    }
}

#[cfg(test)]
mod tests {
    use ca_core::{Agent, CertificateState, IdCard, Intent, Name, Policies, Unit, UnitId, Vault};
    use ca_store::{AuditFilter, StoreError, Tx, testing::databases};
    use ca_verifier::{Reason, Serial, Uscc};
    use zeroize::Zeroizing;

    use super::*;
    use crate::policies;

    const NOW: Time = Time::from_secs(1_795_392_000);
    const YEAR: i64 = 365 * 86_400;

    fn rules() -> Policies {
        policies::load(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies"))).unwrap()
    }

    fn agent(number: u8, id_card: &str) -> Agent {
        let vault = Vault::new(&Zeroizing::new([7; 32])).unwrap();
        let id = AgentId::new(NOW, [number; 10]);
        let name = vault.seal_name(&id, [1; 12], &Name::parse("张三").unwrap()).unwrap();
        let id_card = vault.seal_id_card(&id, [2; 12], &IdCard::parse(id_card).unwrap()).unwrap();
        Agent { id, identity: Identity::Known { name, id_card: Some(id_card) }, qualified_at: None }
    }

    fn unit() -> Unit {
        Unit {
            id: UnitId::new(NOW, [1; 10]),
            code: Uscc::parse("91320104000000019U").unwrap().into(),
            labour_no: "32010001".to_owned(),
            name: Name::parse("南京签印科技有限公司").unwrap(),
            province: "江苏省".to_owned(),
            city: "南京市".to_owned(),
            agency: None,
            registered_by: "x".to_owned(),
            registered_at: NOW,
            region: None,
            name_flag: None,
            ended_at: None,
        }
    }

    /// Three years of a certificate of the unit.
    fn intent() -> Intent {
        Intent {
            serial: Serial::from_random(1, &[3; 17]).unwrap(),
            issuer: "issuing".to_owned(),
            profile: "unit-sign".to_owned(),
            profile_sha256: [5; 32],
            tbs: vec![0x30],
            spki_sha256: [6; 32],
            unit: Some(unit().id),
            application: None,
            attempt: None,
            token: None,
            not_before: NOW,
            not_after: NOW.plus_secs(3 * YEAR),
            shard: 0,
            actor: "x".to_owned(),
            at: NOW,
        }
    }

    fn write(store: &Store, work: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        store.write_blocking(WriteSite::Import, work).unwrap();
    }

    /// The life of two agents of one unit, on a clock that the test turns.
    #[test]
    fn what_must_be_kept_is_kept_and_no_longer() {
        let policies = rules();
        let rules = policies.retention();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let permit = Permit::of_operator("test");
        let (one, other) = (agent(1, "11010519491231002X"), agent(2, "110105194912311006"));
        for database in databases() {
            let store = database.store();
            let erase = |id: &AgentId, now: Time| runtime.block_on(erase(&store, rules, &permit, id, now));
            let over = |now: Time| erasable(&store, rules, now).unwrap();
            let (first, second) = (one.clone(), other.clone());
            write(&store, move |tx| {
                tx.insert_unit(&unit())?;
                tx.insert_agent(&first)?;
                tx.insert_agent(&second)?;
                tx.confirm_pair(&first.id, &unit().id, NOW, "x")
            });
            store.record_intent_blocking(intent(), |_| Ok::<_, StoreError>(())).map(drop).unwrap();
            write(&store, |tx| tx.commit_issued(&intent(), &[0x30], CertificateState::Good, NOW));
            let refused = |id: &AgentId, now: Time| erase(id, now).unwrap_err().rule;

            let late = NOW.plus_secs(40 * YEAR);
            assert_eq!(refused(&one.id, late), Rule::KeptPair, "whatever the time");
            assert_eq!(over(late), std::slice::from_ref(&other.id));
            let id = one.id.clone();
            write(&store, move |tx| tx.end_pair(&id, &unit().id, NOW.plus_secs(YEAR), "x"));
            // A revocation shortens nothing.
            write(&store, |tx| {
                let revoked = CertificateState::Revoked { reason: Reason::Superseded, at: NOW };
                tx.move_status(&intent().serial, CertificateState::Good, revoked, NOW)
            });
            let lapse = rules.over_at(intent().not_after).unwrap();
            for now in [NOW, NOW.plus_secs(5 * YEAR), Time::from_millis(lapse.millis() - 1)] {
                assert_eq!(refused(&one.id, now), Rule::KeptCertificate, "{now}");
                assert!(!over(now).contains(&one.id), "{now}");
            }
            assert_eq!(refused(&other.id, NOW.plus_secs(9 * YEAR)), Rule::KeptEvent);
            assert_eq!(over(lapse), [one.id.clone(), other.id.clone()]);
            erase(&one.id, lapse).unwrap();
            assert_eq!(over(lapse), std::slice::from_ref(&other.id), "erased once");
            assert_eq!(refused(&one.id, lapse), Rule::AgentErased);
            let unknown = AgentId::new(NOW, [9; 10]);
            assert_eq!(refused(&unknown, lapse), Rule::AgentUnknown);

            let filter = AuditFilter { object_id: Some(one.id.to_string()), ..AuditFilter::default() };
            let log = store.read(|reader| reader.audit_log(&filter)).unwrap();
            let done: Vec<_> = log.iter().filter(|(_, entry)| entry.rule.is_none()).collect();
            assert_eq!((done.len(), log.len()), (1, 6), "refusals are entries, too");
            assert_eq!(done[0].1.detail, [("years".to_owned(), "10".to_owned())]);
            runtime.block_on(crate::personal::scrub(&store)).unwrap();
        }
    }
}

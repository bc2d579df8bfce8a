//! Step 11: a certificate is put on hold, for a reason that is kept with it, and a hold that ends by itself.
//!
//! Every hold is placed here, so that none is without its reason; `status` ends it together with the certificate's state.

use ca_core::{
    Action, Actor, ApplicationState, CertificateCommand, Hold, HoldEnd, HoldId, HoldOutcome, HoldReason,
    NoticeAbout, NoticeKind, TOLD_DAYS, Vault, personal::Place, policy::HoldRules,
};
use ca_store::{Tx, WriteSite};
use ca_verifier::{Reason, Serial, Time};

use super::{
    App,
    apply::temporary,
    decide::end_once,
    notice::{notice_id, notify},
    status::{change_status, put_on_hold, unit_ended},
};
use crate::{
    personal::unopened,
    problem::{Failure, Problem},
    wire,
};

const DAY_SECS: i64 = 86_400;
/// Holds looked at in one turn.
const TURN: i64 = 100;

/// Why a hold is placed, and how such a hold ends by itself.
#[derive(Clone, Copy)]
pub(crate) struct Placing<'a> {
    pub(crate) reason: HoldReason,
    pub(crate) rules: HoldRules,
    /// Who called and what they said, to be sealed with the hold.
    pub(crate) caller: Option<(&'a Vault, &'a str)>,
}

impl Placing<'_> {
    pub(crate) fn new(reason: HoldReason, rules: HoldRules) -> Self {
        Self { reason, rules, caller: None }
    }
}

/// Puts a certificate on hold, inside the caller's transaction.
pub(super) fn place(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    placing: Placing<'_>,
    now: Time,
) -> Result<Hold, Problem> {
    put_on_hold(tx, actor, of, now)?;
    record(tx, actor, of, placing, now)
}

/// A certificate that is on hold already is so from now on because its token is gone: whoever would have released it for
/// the former reason must not.
pub(super) fn place_instead(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    placing: Placing<'_>,
    now: Time,
) -> Result<Hold, Problem> {
    close(tx, actor, of, HoldOutcome::Replaced, now)?;
    record(tx, actor, of, placing, now)
}

fn record(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    Placing { reason, rules, caller }: Placing<'_>,
    now: Time,
) -> Result<Hold, Problem> {
    let id = HoldId::new(now, wire::random()?);
    let sealed = caller.map(|(vault, text)| {
        let sealed = vault.seal_text(Place::hold_caller(&id), wire::random()?, text);
        sealed.map_err(Failure::inconsistent)
    });
    let hold = Hold {
        caller: sealed.transpose()?,
        certificate: of,
        reason,
        placed_by: actor.to_string(),
        placed_at: now,
        due: rules.due(reason, now),
        told_at: None,
        ended: None,
        id,
    };
    tx.insert_hold(&hold)?;
    // The others are told of their hold by the message of what led to it.
    if matches!(reason, HoldReason::Lost | HoldReason::Staff) {
        tell(tx, &hold, NoticeKind::CertificateHeld, now)?;
    }
    Ok(hold)
}

/// The certificate is no longer on hold for this reason.
pub(super) fn close(
    tx: &mut Tx<'_>,
    actor: &Actor,
    of: Serial,
    how: HoldOutcome,
    now: Time,
) -> Result<(), Problem> {
    // One of before there were reasons has no row.
    let Some(hold) = tx.open_hold(&of)? else { return Ok(()) };
    tx.move_hold(&hold, &hold.ended(now, actor.to_string(), how))?;
    match (hold.reason, how) {
        (HoldReason::Repair, HoldOutcome::Released) => end_temporary(tx, actor, of, now),
        _ => Ok(()),
    }
}

/// The repaired token is back: what served meanwhile does so no longer.
fn end_temporary(tx: &mut Tx<'_>, actor: &Actor, of: Serial, now: Time) -> Result<(), Problem> {
    let Some(id) = temporary(tx, of, now)? else { return Ok(()) };
    match tx.application_state(&id)? {
        Some((_, ApplicationState::Delivered { serial } | ApplicationState::Active { serial })) => {
            end_once(tx, actor, serial, Reason::Superseded, now)
        }
        _ => Ok(()),
    }
}

/// A message to the agent; a certificate of staff or of another program has none.
fn tell(tx: &mut Tx<'_>, hold: &Hold, kind: NoticeKind, now: Time) -> Result<(), Problem> {
    let Some(record) = tx.certificate(&hold.certificate)? else { return Ok(()) };
    let Some(unit) = record.unit else { return Ok(()) };
    let application = record.application.map(|id| tx.application(&id)).transpose()?.flatten();
    let recipient = application.map_or_else(|| unit.to_string(), |known| known.agent.to_string());
    notify(tx, notice_id(now)?, kind, NoticeAbout::Hold(hold.id.clone()), recipient)
}

impl App {
    /// Tells units of holds that end by themselves in some days, and ends those whose day has come. One that cannot be ended
    /// does not hold up the others. Gives how many were told of, and how many ended.
    pub(crate) async fn keep_holds(&self, now: Time) -> Result<(usize, usize), Problem> {
        let notice = now.plus_secs(TOLD_DAYS * DAY_SECS);
        let told = self.each_due((notice, now), false, tell_of).await?;
        let ended = self.each_due((now, now), true, end).await?;
        Ok((told, ended))
    }

    async fn each_due(
        &self,
        until: (Time, Time),
        told: bool,
        step: fn(&mut Tx<'_>, &Hold, Time) -> Result<bool, Problem>,
    ) -> Result<usize, Problem> {
        let (mut count, mut after, now) = (0, None, until.1);
        loop {
            let page =
                self.store.read(|reader| reader.holds_due(until, told, Option::as_ref(&after), TURN))?;
            let Some(last) = page.last() else { return Ok(count) };
            after = Some(last.id.clone());
            for hold in page {
                let id = hold.id.clone();
                match self.store.write(WriteSite::EndHold, move |tx| step(tx, &hold, now)).await {
                    Ok(done) => count += usize::from(done),
                    Err(problem) => {
                        tracing::warn!(%id, cause = ?problem.cause(), "hold: {}", problem.rule.name());
                    }
                }
            }
        }
    }

    /// Who called and what they said, opened.
    pub(crate) fn hold_caller(&self, hold: &Hold) -> Result<Option<String>, Problem> {
        let Some(sealed) = &hold.caller else { return Ok(None) };
        let place = Place::hold_caller(&hold.id);
        let opened = self.vault.open(place, sealed).map_err(|_| unopened(place))?;
        Ok(Some(opened.to_string()))
    }

    /// How holds of a reason end by themselves.
    pub(super) fn placing(&self, reason: HoldReason) -> Placing<'static> {
        Placing::new(reason, self.policies.status().holds())
    }
}

fn tell_of(tx: &mut Tx<'_>, hold: &Hold, now: Time) -> Result<bool, Problem> {
    let Some(told) = hold.told(now) else { return Ok(false) };
    tx.move_hold(hold, &told)?;
    tell(tx, hold, NoticeKind::HoldEnding, now)?;
    Ok(true)
}

fn end(tx: &mut Tx<'_>, hold: &Hold, now: Time) -> Result<bool, Problem> {
    // The unit did what it could; whoever decides is late. It stays on hold until that is decided.
    if tx.release_asked(&hold.certificate)? {
        return Ok(false);
    }
    let actor = Actor::System("holds");
    let (action, command) = match hold.ends(now) {
        Some(HoldEnd::Revoke) => {
            (Action::RevokeCertificate, CertificateCommand::Revoke { reason: Reason::KeyCompromise, at: now })
        }
        Some(HoldEnd::Release) if unit_ended(tx, hold.certificate)?.is_some() => return Ok(false),
        Some(HoldEnd::Release) => (Action::ReleaseCertificate, CertificateCommand::Release),
        None => return Ok(false),
    };
    change_status(tx, &actor, action, hold.certificate, command, now)?;
    tell(tx, hold, NoticeKind::HoldEnded, now)?;
    Ok(true)
}

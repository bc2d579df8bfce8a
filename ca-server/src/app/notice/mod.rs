//! Notices: messages to agents and units, asked for in the transaction of what they tell, made and sent afterwards.
//!
//! A worker gives each notice its ways to go: mail when the unit has an address and a mail server is configured, the
//! webhook when one is, and a file in the outbox when neither applies. Each way is tried by itself until the other side
//! has taken the message, at least once, always under the notice's identifier.

mod content;
mod delivery;

use std::fmt;

use ca_core::{
    Action, AuditEntry, Contact, DeliveryCommand, DeliveryState, InvoiceId, NoticeAbout, NoticeChannel,
    NoticeId, NoticeKind, Unit, UnitId,
    billing::{Invoice, KeptForm, Payer},
};
use ca_store::{DeliveryRecord, NoticeRecord, Reader, StoreError, Tx, WriteSite};
use ca_verifier::Time;

use super::App;
use crate::{
    permit::{Permit, RetryNotice},
    problem::{Failure, Problem},
    wire,
};

/// Notices routed, and reminders asked for, in one turn.
const TURN: i64 = 100;

/// An identifier for a notice.
pub(super) fn notice_id(now: Time) -> Result<NoticeId, Failure> {
    Ok(NoticeId::new(now, wire::random()?))
}

/// Asks for a message to an agent or a unit, inside the transaction of what it tells.
pub(super) fn notify(
    tx: &mut Tx<'_>,
    id: NoticeId,
    kind: NoticeKind,
    about: NoticeAbout,
    recipient: impl fmt::Display,
) -> Result<(), Problem> {
    let recipient = recipient.to_string();
    Ok(tx.insert_notice(&NoticeRecord { id, recipient, kind, about, created_at: wire::now() })?)
}

impl App {
    /// Asks for reminders of certificates that are about to end; gives how many.
    pub(crate) async fn ask_for_reminders(&self) -> Result<usize, Problem> {
        let mut count = 0;
        for kind in NoticeKind::EXPIRY {
            loop {
                let now = wire::now();
                let found = self.store.read(|reader| reader.expiring(kind, now, TURN))?;
                let more = i64::try_from(found.len()) == Ok(TURN);
                let mut reminders = Vec::new();
                for expiring in found {
                    reminders.push(NoticeRecord {
                        id: notice_id(now)?,
                        recipient: expiring.unit.to_string(),
                        kind,
                        about: NoticeAbout::Certificate(expiring.serial),
                        created_at: now,
                    });
                }
                if !reminders.is_empty() {
                    count +=
                        self.store.write(WriteSite::StoreNotice, move |tx| insert(tx, &reminders)).await?;
                }
                if !more {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// Gives new notices their ways to go.
    pub(crate) async fn route_notices(&self) -> Result<(), Problem> {
        for notice in self.store.read(|reader| reader.unrouted_notices(TURN))? {
            let id = notice.id.clone();
            // One that cannot be routed must not hold up the others; it is tried again with the next turn.
            if let Err(problem) = self.route(notice).await {
                tracing::error!(%id, cause = ?problem.cause(), "notice: {}", problem.rule.name());
            }
        }
        Ok(())
    }

    async fn route(&self, notice: NoticeRecord) -> Result<(), Problem> {
        let (mail, webhook) = (self.channels.has_mail(), self.channels.webhook_takes(notice.kind));
        self.store
            .write(WriteSite::StoreNotice, move |tx| {
                let now = wire::now();
                let has_address = has_address(tx, &notice)?;
                let mut channels = Vec::new();
                if mail && has_address {
                    channels.push(NoticeChannel::Mail);
                }
                if webhook {
                    channels.push(NoticeChannel::Webhook);
                }
                if channels.is_empty() {
                    channels.push(NoticeChannel::File);
                }
                match tx.mark_notice_routed(&notice.id, now) {
                    // Another instance was faster.
                    Err(StoreError::Stale { .. }) => return Ok(()),
                    marked => marked?,
                }
                for channel in channels {
                    let (notice, state) = (notice.id.clone(), DeliveryState::due(now));
                    tx.insert_delivery(&DeliveryRecord { notice, channel, state })?;
                }
                Ok(())
            })
            .await
    }

    /// Has what was given up tried once more from the beginning.
    pub(crate) async fn retry_notice(
        &self,
        permit: Permit<RetryNotice>,
        id: NoticeId,
    ) -> Result<(), Problem> {
        self.store
            .write(WriteSite::StoreNotice, move |tx| {
                let now = wire::now();
                tx.notice(&id)?.ok_or_else(|| Problem::not_found("notice"))?;
                let all = tx.deliveries_of(&id)?;
                let failed = all.iter().filter(|known| matches!(known.state, DeliveryState::Failed { .. }));
                let mut channels = Vec::new();
                for known in failed {
                    let next = known.state.clone().transition(DeliveryCommand::Retry { at: now })?;
                    tx.move_delivery(known, &next)?;
                    channels.push(known.channel.name());
                }
                if channels.is_empty() {
                    let state = all.first().map_or("waiting", |known| known.state.name());
                    return Err(ca_core::Refusal::WrongState { state, command: "retry" }.into());
                }
                let entry = AuditEntry::done(now, permit.actor(), Action::RetryNotice, "notice", &id);
                tx.append_audit(&entry.with("channels", channels.join(" ")))?;
                Ok(())
            })
            .await
    }
}

fn insert(tx: &mut Tx<'_>, reminders: &[NoticeRecord]) -> Result<usize, Problem> {
    let mut count = 0;
    for reminder in reminders {
        count += usize::from(tx.insert_reminder(reminder)?);
    }
    Ok(count)
}

/// Whose affairs it is about, and how they are reached. No unit: a person who paid.
pub(crate) struct Addressee {
    pub(crate) unit: Option<Unit>,
    pub(crate) contact: Contact,
}

impl App {
    /// Of an invoice the mail address is the one that stands on it, opened each time and kept nowhere else.
    pub(crate) fn addressee(
        &self,
        reader: &mut Reader<'_>,
        notice: &NoticeRecord,
    ) -> Result<Addressee, Problem> {
        let (unit, invoice) = match &notice.about {
            NoticeAbout::Invoice(id) => {
                let known = invoice_of(reader, id)?;
                (payer_unit(&known), Some(known))
            }
            _ => (Some(unit_of(reader, notice)?), None),
        };
        let mut contact = match &unit {
            Some(unit) => self.contact_of(reader, unit)?,
            None => Contact { mail: None, phone: None },
        };
        if let Some(invoice) = invoice {
            contact.mail = self.invoice_mail(&invoice)?;
        }
        let unit = match unit {
            Some(id) => Some(reader.unit(&id)?.ok_or_else(|| Problem::not_found("unit"))?),
            None => None,
        };
        Ok(Addressee { unit, contact })
    }
}

/// Whether there is a mail address, without opening it.
fn has_address(reader: &mut Reader<'_>, notice: &NoticeRecord) -> Result<bool, Problem> {
    if let NoticeAbout::Invoice(id) = &notice.about {
        return Ok(matches!(invoice_of(reader, id)?.form, KeptForm::Sealed(_)));
    }
    let unit = unit_of(reader, notice)?;
    Ok(reader.contact(&unit)?.mail.is_some())
}

fn invoice_of(reader: &mut Reader<'_>, id: &InvoiceId) -> Result<Invoice, Problem> {
    reader.invoice(id)?.ok_or_else(|| Problem::not_found("invoice"))
}

fn payer_unit(invoice: &Invoice) -> Option<UnitId> {
    match &invoice.payer {
        Payer::Unit(unit) => Some(unit.clone()),
        Payer::Agent(_) => None,
    }
}

/// Whose affairs it is about.
fn unit_of(reader: &mut Reader<'_>, notice: &NoticeRecord) -> Result<UnitId, Problem> {
    let unit = match &notice.about {
        NoticeAbout::Application(id) => reader.application(id)?.map(|application| application.unit),
        NoticeAbout::Training(id) => reader.training(id)?.map(|training| training.unit),
        NoticeAbout::Certificate(serial) => reader.certificate(serial)?.and_then(|record| record.unit),
        NoticeAbout::Invoice(id) => payer_unit(&invoice_of(reader, id)?),
        NoticeAbout::UnitEvent(id) => reader.unit_event(id)?.map(|event| event.unit),
        NoticeAbout::Hold(id) => match reader.hold(id)? {
            Some(hold) => reader.certificate(&hold.certificate)?.and_then(|record| record.unit),
            None => None,
        },
    };
    unit.ok_or_else(|| mismatch(notice).into())
}

fn mismatch(notice: &NoticeRecord) -> Failure {
    Failure::inconsistent(format!("notice {} is about nothing that {} tells", notice.id, notice.kind.name()))
}

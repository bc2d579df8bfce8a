//! One try of a delivery: claimed, made, written down. A program that dies in between leaves a claim that runs out, and
//! the message goes out again under the same identifier.

use std::{path::Path, sync::Arc, time::Duration};

use ca_core::{DeliveryCommand, NoticeAbout, NoticeChannel, NoticeKind};
use ca_store::{DeliveryRecord, NoticeRecord, StoreError, WriteSite, kill_point};
use tokio::task::JoinSet;

use super::Addressee;
use crate::{
    app::{App, invoice_erased},
    channel::Letter,
    message::Message,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// Tries of mail, and of the webhook, that are on their way at once.
const AT_ONCE: usize = 8;
/// Files written in one turn.
const TURN: usize = 100;
const POLL: Duration = Duration::from_millis(500);

/// Tries on their way; each gives whether its outcome was written down.
type Tries = JoinSet<bool>;

impl App {
    /// Delivers on one channel for ever. A try that hangs leaves room for others beside it.
    pub(crate) async fn keep_delivering(self: Arc<Self>, channel: NoticeChannel) {
        let mut tries = Tries::new();
        loop {
            if let Err(problem) = self.start_tries(channel, &mut tries).await {
                let channel = channel.name();
                tracing::error!(channel, cause = ?problem.cause(), "notices: {}", problem.rule.name());
            }
            tokio::select! {
                // There is room again, and perhaps more to do.
                Some(Ok(true)) = tries.join_next() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    async fn start_tries(self: &Arc<Self>, channel: NoticeChannel, tries: &mut Tries) -> Result<(), Problem> {
        let room = if channel == NoticeChannel::File { TURN } else { AT_ONCE.saturating_sub(tries.len()) };
        let room = i64::try_from(room).map_err(Failure::inconsistent)?;
        for known in self.store.read(|reader| reader.due_deliveries(channel, wire::now(), room))? {
            // A file that is written twice is the same file, so it needs no claim, and a crash delays nothing.
            if channel == NoticeChannel::File {
                self.deliver(known).await;
            } else if let Some(claimed) = self.claim_delivery(known).await? {
                let app = Arc::clone(self);
                tries.spawn(async move { app.deliver(claimed).await });
            }
        }
        Ok(())
    }

    /// One try; gives whether its outcome was written down. What was not is tried again.
    async fn deliver(&self, known: DeliveryRecord) -> bool {
        let outcome = match tokio::time::timeout(self.patience(), self.send(&known)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Problem::new(Rule::NoticeUnreachable).with("detail", "no answer in time")),
        };
        kill_point("send-notice:after");
        let command = match outcome {
            Ok(()) => DeliveryCommand::Succeed { at: wire::now() },
            Err(problem) => self.failed(&known, &problem),
        };
        let id = known.notice.clone();
        match self.advance_delivery(known, command).await {
            Ok(_) => true,
            Err(problem) => {
                tracing::error!(%id, cause = ?problem.cause(), "notice: {}", problem.rule.name());
                false
            }
        }
    }

    /// Nobody else tries it before the claim has run out; nothing when somebody else was faster.
    async fn claim_delivery(&self, known: DeliveryRecord) -> Result<Option<DeliveryRecord>, Problem> {
        let at = wire::now();
        // Longer than a try may take, with time to write down how it ended.
        let until = at.plus_secs(2 * i64::from(self.config.notices.timeout_secs));
        self.advance_delivery(known, DeliveryCommand::Claim { at, until }).await
    }

    async fn advance_delivery(
        &self,
        known: DeliveryRecord,
        command: DeliveryCommand,
    ) -> Result<Option<DeliveryRecord>, Problem> {
        let next = known.state.clone().transition(command)?;
        let after = DeliveryRecord { state: next.clone(), ..known.clone() };
        let moved = self.store.write(WriteSite::StoreNotice, move |tx| tx.move_delivery(&known, &next)).await;
        match moved {
            Ok(()) => Ok(Some(after)),
            Err(StoreError::Stale { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.config.notices.timeout_secs.into())
    }

    /// What a failed try means: once more later, or given up when nothing changes by itself.
    fn failed(&self, known: &DeliveryRecord, problem: &Problem) -> DeliveryCommand {
        let (id, channel, rule) = (&known.notice, known.channel.name(), problem.rule.name());
        tracing::warn!(%id, channel, facts = ?problem.facts(), cause = ?problem.cause(), "notice: {rule}");
        let for_ever =
            matches!(problem.rule, Rule::NoticeRefused | Rule::NoticeNoAddress | Rule::InvoiceErased);
        let pauses = &self.config.notices.retry_secs;
        let pause = pauses.get(usize::from(known.state.attempts())).filter(|_| !for_ever);
        let detail = problem.facts().iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
        DeliveryCommand::Fail {
            error: format!("{rule} {detail}").trim_end().to_owned(),
            next_at: pause.map(|secs| wire::now().plus_secs(i64::from(*secs))),
        }
    }

    async fn send(&self, delivery: &DeliveryRecord) -> Result<(), Problem> {
        let id = &delivery.notice;
        let (notice, Addressee { unit, contact }) = self.store.read(|reader| {
            let notice = reader.notice(id)?.ok_or_else(|| Problem::not_found("notice"))?;
            let addressee = self.addressee(reader, &notice)?;
            Ok::<(NoticeRecord, Addressee), Problem>((notice, addressee))
        })?;
        let message = Message::new(&self.content(&notice, unit.as_ref()).await?)?;
        let (kind, at) = (notice.kind, notice.created_at);
        let letter = Letter { id, kind, at, unit: unit.as_ref(), contact: &contact, message: &message };
        match delivery.channel {
            NoticeChannel::Mail => match &notice.about {
                NoticeAbout::Invoice(invoice) if contact.mail.is_none() => Err(invoice_erased(invoice)),
                _ => self.channels.mail(&letter).await,
            },
            NoticeChannel::Webhook => self.channels.post(&letter).await,
            NoticeChannel::File => {
                let name = match (&notice.kind, &notice.about) {
                    // A new code replaces the old one's file.
                    (NoticeKind::Activation, NoticeAbout::Application(application)) => application.as_str(),
                    _ => id.as_str(),
                };
                let file = self.config.notices.outbox.join(Path::new(name).with_extension("txt"));
                let text = format!("{}\n\n{}", message.subject(), message.body());
                Ok(crate::files::write_secret(&file, text.as_bytes())?)
            }
        }
    }
}

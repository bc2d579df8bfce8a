//! Step 1: who an agent is. Numbers and names are sealed before they reach the store, and opened here only: masked for every
//! view, in full for the one who gives a reason, after the reason stands in the log.

use ca_core::{
    Action, Agent, AgentCard, AgentId, AuditEntry, CardId, CardNumber, CardReason, IdCard, Identity, Name,
    OpeningId, Sealed,
    personal::{Field, Opening, PersonNumber, Place},
};
use ca_store::{OpeningRecord, Reader, Tx, WriteSite};
use ca_verifier::Time;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::{
    App, Made, Once,
    enroll::{living_agent, locked_agent},
    free_text, once,
};
use crate::{
    permit::{ChangeAgentCard, Permit, ReadRecords, RegisterAgent, RevealPersonalData},
    personal::unopened,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const REASON_CHARS: std::ops::RangeInclusive<usize> = 5..=200;
/// Agents that one page or one search shows.
const PAGE_MAX: i64 = 100;

/// An agent, as the counter enters it: with an identity card, a social security card, or both. No `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAgent {
    /// Name.
    pub(crate) name: String,
    /// Identity card number, 18 characters (GB 11643-1999).
    #[serde(default)]
    pub(crate) id_card: Option<String>,
    /// Social security card number, 1 to 32 ASCII letters and digits.
    #[serde(default)]
    pub(crate) card: Option<String>,
}

/// A card in the place of the one before. No `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCard {
    /// Social security card number.
    pub(crate) card: String,
    /// Why: `first`, `lost`, `damaged`, `reissued` or `corrected`.
    pub(crate) reason: String,
}

/// Whom to look for: exactly one of these. No `Debug`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentSearch {
    /// Identity card number.
    #[serde(default)]
    id_card: Option<String>,
    /// Number of the social security card that is the agent's now.
    #[serde(default)]
    card: Option<String>,
    /// The whole name.
    #[serde(default)]
    name: Option<String>,
}

/// An agent with what was opened, to be masked by whoever shows it. No `Debug`.
pub(crate) struct Seen {
    pub(crate) agent: Agent,
    /// `None` once erased.
    pub(crate) name: Option<Zeroizing<String>>,
    pub(crate) id_card: Option<IdCard>,
    /// The cards that the agent has and had, the oldest first; without a number once erased.
    pub(crate) cards: Vec<(AgentCard, Option<CardNumber>)>,
}

/// An agent in full, with what opens the log's commitments.
pub(crate) struct Revealed {
    pub(crate) seen: Seen,
    pub(crate) openings: Vec<(OpeningRecord, Opening)>,
}

/// A person's data, sealed and ready for the store.
struct Entry {
    card: Option<AgentCard>,
    openings: Vec<OpeningRecord>,
}

impl App {
    pub(crate) async fn register_agent(
        &self,
        permit: Permit<RegisterAgent>,
        new: NewAgent,
        key: Once,
    ) -> Result<Made<AgentId>, Problem> {
        let now = wire::now();
        let name = Name::parse(&new.name)?;
        let id_card = new.id_card.as_deref().map(IdCard::parse).transpose()?;
        let card = new.card.as_deref().map(CardNumber::parse).transpose()?;
        if id_card.is_none() && card.is_none() {
            let detail = "the number of an identity card or of a social security card is needed";
            return Err(Problem::field("id_card", detail));
        }
        let id = AgentId::new(now, wire::random()?);
        let mut openings = vec![self.commit(&id, Field::Name, name.as_str(), now)?];
        let sealed_id_card = id_card.as_ref().map(|number| self.seal_id_card(&id, number)).transpose()?;
        if let Some(number) = &id_card {
            openings.push(self.commit(&id, Field::IdCard, number.reveal(), now)?);
        }
        let identity = Identity::Known {
            name: self.vault.seal_name(&id, wire::random()?, &name).map_err(Failure::inconsistent)?,
            id_card: sealed_id_card,
        };
        let sealed_card = card
            .as_ref()
            .map(|number| self.seal_card(&id, number, CardReason::First, permit.actor().to_string(), now))
            .transpose()?;
        if let Some(number) = &card {
            openings.push(self.commit(&id, Field::Card, number.reveal(), now)?);
        }
        let agent = Agent { id, identity, qualified_at: None };
        let entry = Entry { card: sealed_card, openings };
        // The digest that the key is kept with must not give the number away.
        let key = Once { request_sha256: self.vault.request_digest(&key.request_sha256), ..key };
        let made = self
            .store
            .write(WriteSite::RegisterAgent, move |tx| {
                if let Some(before) = once(tx, permit.actor(), &key, agent.id.as_str(), now)? {
                    return Ok(Made::Before(AgentId::parse(&before)?));
                }
                tx.insert_agent(&agent)?;
                let log = AuditEntry::done(now, permit.actor(), Action::RegisterAgent, "agent", &agent.id);
                entry.write(tx, log)?;
                Ok(Made::Now(agent.id))
            })
            .await;
        let numbers = id_card.map(PersonNumber::IdCard).into_iter().chain(card.map(PersonNumber::Card));
        self.whose(made, numbers)
    }

    /// The agent has a new card, or a first one; the one before finds nobody from now on.
    pub(crate) async fn change_card(
        &self,
        permit: Permit<ChangeAgentCard>,
        id: AgentId,
        new: NewCard,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let number = CardNumber::parse(&new.card)?;
        let reason = CardReason::from_name(&new.reason).map_err(|_| {
            Problem::field(
                "reason",
                format!("one of {} is needed", CardReason::ALL.map(CardReason::name).join(", ")),
            )
        })?;
        let index = self.vault.card_index(&number);
        let card = self.seal_card(&id, &number, reason, permit.actor().to_string(), now)?;
        let entry =
            Entry { card: Some(card), openings: vec![self.commit(&id, Field::Card, number.reveal(), now)?] };
        let done = self
            .store
            .write(WriteSite::ChangeAgent, move |tx| {
                locked_agent(tx, &id)?;
                // Sent again, it changes nothing.
                if tx.agent_by_card(&index)?.is_some_and(|holder| holder.id == id) {
                    return Ok(());
                }
                if tx.end_card(&id, now)? == (reason == CardReason::First) {
                    let detail = "first is for an agent who has no card, the others for one who has";
                    return Err(Problem::field("reason", detail));
                }
                let log = AuditEntry::done(now, permit.actor(), Action::ChangeAgentCard, "agent", &id);
                entry.write(tx, log.with("step", "card").with("reason", reason.name()))
            })
            .await;
        self.whose(done, [PersonNumber::Card(number)])
    }

    /// The identity card number of an agent who was registered without one.
    pub(crate) async fn enter_id_card(
        &self,
        permit: Permit<ChangeAgentCard>,
        id: AgentId,
        number: String,
    ) -> Result<(), Problem> {
        let now = wire::now();
        let number = IdCard::parse(&number)?;
        let sealed = self.seal_id_card(&id, &number)?;
        let entry =
            Entry { card: None, openings: vec![self.commit(&id, Field::IdCard, number.reveal(), now)?] };
        let done = self
            .store
            .write(WriteSite::ChangeAgent, move |tx| {
                match locked_agent(tx, &id)?.identity {
                    Identity::Known { id_card: Some(known), .. } if known.index == sealed.index => {
                        return Ok(());
                    }
                    Identity::Known { id_card: Some(_), .. } => {
                        return Err(Problem::new(Rule::IdCardEntered));
                    }
                    _ => tx.set_id_card(&id, &sealed)?,
                }
                let log = AuditEntry::done(now, permit.actor(), Action::ChangeAgentCard, "agent", &id);
                entry.write(tx, log.with("step", "id-card"))
            })
            .await;
        self.whose(done, [PersonNumber::IdCard(number)])
    }

    /// The agent with this number, of either kind; a card only while it is theirs.
    pub(crate) fn agent_by_number(
        &self,
        reader: &mut Reader<'_>,
        number: &PersonNumber,
    ) -> Result<Option<Agent>, Problem> {
        Ok(match number {
            PersonNumber::IdCard(number) => reader.agent_by_id_card(&self.vault.id_card_index(number))?,
            PersonNumber::Card(number) => reader.agent_by_card(&self.vault.card_index(number))?,
        })
    }

    pub(crate) fn agent_view(&self, reader: &mut Reader<'_>, id: &AgentId) -> Result<Seen, Problem> {
        let agent = reader.agent(id)?.ok_or_else(|| Problem::not_found("agent"))?;
        self.see(reader, agent)
    }

    pub(crate) fn agent_list(
        &self,
        after: Option<AgentId>,
        limit: Option<i64>,
    ) -> Result<Vec<Seen>, Problem> {
        let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        self.store.read(|reader| {
            let found = reader.agents(after.as_ref(), limit)?;
            found.into_iter().map(|agent| self.see(reader, agent)).collect()
        })
    }

    /// Who was looked for, and by what kind of data, stands in the log; the data does not.
    pub(crate) async fn search_agents(
        &self,
        permit: Permit<ReadRecords>,
        search: AgentSearch,
    ) -> Result<Vec<Seen>, Problem> {
        let (by, seen) = match (search.id_card, search.card, search.name) {
            (Some(number), None, None) => {
                let number = PersonNumber::IdCard(IdCard::parse(&number)?);
                (Field::IdCard, self.store.read(|reader| self.seen_by_number(reader, &number))?)
            }
            (None, Some(number), None) => {
                let number = PersonNumber::Card(CardNumber::parse(&number)?);
                (Field::Card, self.store.read(|reader| self.seen_by_number(reader, &number))?)
            }
            (None, None, Some(name)) => {
                let index = self.vault.name_index(&Name::parse(&name)?);
                let seen = self.store.read(|reader| {
                    let found = reader.agents_by_name(&index, PAGE_MAX)?;
                    found
                        .into_iter()
                        .map(|agent| self.see(reader, agent))
                        .collect::<Result<Vec<_>, Problem>>()
                })?;
                (Field::Name, seen)
            }
            _ => return Err(Problem::field("id_card", "exactly one of id_card, card and name is needed")),
        };
        let entry = AuditEntry::done(wire::now(), permit.actor(), Action::ReadRecords, "agent", "");
        let entry = entry.with("by", by.name()).with("found", seen.len());
        self.store
            .write(WriteSite::AppendAudit, move |tx| tx.append_audit(&entry).map_err(Problem::from))
            .await?;
        Ok(seen)
    }

    /// Everything in full. The reason is durable in the log before anything is opened.
    pub(crate) async fn reveal(
        &self,
        permit: Permit<RevealPersonalData>,
        id: AgentId,
        reason: String,
    ) -> Result<Revealed, Problem> {
        let reason = free_text("reason", reason, *REASON_CHARS.end())?;
        if reason.trim().chars().count() < *REASON_CHARS.start() {
            return Err(Problem::field(
                "reason",
                format!("at least {} characters are needed", REASON_CHARS.start()),
            ));
        }
        let (asked, now) = (id.clone(), wire::now());
        self.store
            .write(WriteSite::AppendAudit, move |tx| {
                living_agent(tx, &asked)?;
                let entry =
                    AuditEntry::done(now, permit.actor(), Action::RevealPersonalData, "agent", &asked);
                Ok::<_, Problem>(tx.append_audit(&entry.with("reason", reason))?)
            })
            .await?;
        self.store.read(|reader| {
            let seen = self.agent_view(reader, &id)?;
            let mut openings = Vec::new();
            for record in reader.openings(&id)? {
                let opened = self.vault.open_opening(&record.id, &record.sealed);
                let opened = opened.map_err(|_| unopened(Place::opening(&record.id)))?;
                if opened.commitment(record.field) != record.commitment {
                    return Err(unopened(Place::opening(&record.id)).into());
                }
                openings.push((record, opened));
            }
            Ok(Revealed { seen, openings })
        })
    }

    fn seen_by_number(&self, reader: &mut Reader<'_>, number: &PersonNumber) -> Result<Vec<Seen>, Problem> {
        let found = self.agent_by_number(reader, number)?;
        found.into_iter().map(|agent| self.see(reader, agent)).collect()
    }

    fn see(&self, reader: &mut Reader<'_>, agent: Agent) -> Result<Seen, Problem> {
        let (mut name, mut id_card, mut cards) = (None, None, Vec::new());
        if let Identity::Known { name: sealed, id_card: number } = &agent.identity {
            name = Some(self.open(Place::name(&agent.id), sealed)?);
            if let Some(sealed) = number {
                let place = Place::id_card(&agent.id);
                id_card = Some(IdCard::parse(&self.open(place, sealed)?).map_err(|_| unopened(place))?);
            }
        }
        for card in reader.agent_cards(&agent.id)? {
            let place = Place::card(&card.id);
            let number = card.number.as_ref().map(|sealed| self.open(place, sealed)).transpose()?;
            let number =
                number.map(|text| CardNumber::parse(&text).map_err(|_| unopened(place))).transpose()?;
            cards.push((card, number));
        }
        Ok(Seen { agent, name, id_card, cards })
    }

    fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Zeroizing<String>, Failure> {
        self.vault.open(place, &sealed.cipher).map_err(|_| unopened(place))
    }

    fn seal_id_card(&self, id: &AgentId, number: &IdCard) -> Result<Sealed, Failure> {
        self.vault.seal_id_card(id, wire::random()?, number).map_err(Failure::inconsistent)
    }

    fn seal_card(
        &self,
        agent: &AgentId,
        number: &CardNumber,
        reason: CardReason,
        registered_by: String,
        now: Time,
    ) -> Result<AgentCard, Failure> {
        let id = CardId::new(now, wire::random()?);
        let sealed = self.vault.seal_card(&id, wire::random()?, number).map_err(Failure::inconsistent)?;
        Ok(AgentCard {
            id,
            agent: agent.clone(),
            number: Some(sealed),
            valid_from: now,
            registered_by,
            reason,
            ended_at: None,
        })
    }

    /// A commitment for the log, with what opens it for the store.
    fn commit(
        &self,
        agent: &AgentId,
        field: Field,
        value: &str,
        now: Time,
    ) -> Result<OpeningRecord, Failure> {
        let id = OpeningId::new(now, wire::random()?);
        let opening = Opening { salt: wire::random()?, value: Zeroizing::new(value.to_owned()) };
        let sealed =
            self.vault.seal_opening(&id, wire::random()?, &opening).map_err(Failure::inconsistent)?;
        Ok(OpeningRecord {
            id,
            agent: agent.clone(),
            field,
            commitment: opening.commitment(field),
            sealed,
            at: now,
        })
    }

    /// A number that is taken: says whose it is, so that one person is not registered twice.
    fn whose<T>(
        &self,
        result: Result<T, Problem>,
        numbers: impl IntoIterator<Item = PersonNumber>,
    ) -> Result<T, Problem> {
        let problem = match result {
            Err(problem) if problem.rule == Rule::Duplicate => problem,
            other => return other,
        };
        for number in numbers {
            if let Some(holder) = self.store.read(|reader| self.agent_by_number(reader, &number))? {
                return Err(Problem::new(Rule::AgentKnown).with("agent", holder.id));
            }
        }
        Err(problem)
    }
}

impl Entry {
    /// The card, what opens the commitments, and the log entry that carries them.
    fn write(&self, tx: &mut Tx<'_>, mut log: AuditEntry) -> Result<(), Problem> {
        if let Some(card) = &self.card {
            tx.insert_card(card)?;
        }
        for opening in &self.openings {
            tx.insert_opening(opening)?;
            let name = match opening.field {
                Field::Name => "commitment-name",
                Field::IdCard => "commitment-id-card",
                Field::Card => "commitment-card",
            };
            log = log.with(name, hex::encode(opening.commitment));
        }
        Ok(tx.append_audit(&log)?)
    }
}

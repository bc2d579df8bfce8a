//! What ties a person's data to the records, and its erasure.

use ca_core::{AgentId, ApplicationId, InvoiceId, Ties, TrainingId, UnitId, billing::Payer};
use ca_verifier::{Serial, Time};
use diesel::{dsl::max, prelude::*};

use super::{intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{
        agent, agent_card, agent_unit, application, certificate, idempotency, invoice, personal_opening,
        status, training,
    },
    tx::{change_one, run},
};

/// Serial number, end of validity, revocation.
type Lapse = (Vec<u8>, i64, Option<i64>);

impl Reader<'_> {
    /// What ties the agent's data to the records. A certificate counts when the agent applied for it, or when it was
    /// issued to a unit before the agent's pair with that unit ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn agent_ties(&mut self, id: &AgentId) -> Result<Ties, StoreError> {
        let pair = agent_unit::table
            .filter(agent_unit::agent.eq(id.as_str()))
            .filter(agent_unit::ended_at.is_null())
            .order(agent_unit::unit)
            .select(agent_unit::unit);
        let open_application = application::table
            .filter(application::agent.eq(id.as_str()))
            .filter(application::state.ne_all([
                "rejected",
                "withdrawn",
                "expired",
                "done",
                "delivered",
                "active",
            ]))
            .order(application::id)
            .select(application::id);
        let open_training = training::table
            .filter(training::agent.eq(id.as_str()))
            .filter(training::state.ne_all(["rejected", "withdrawn", "passed", "failed"]))
            .order(training::id)
            .select(training::id);
        let own = invoice::table.filter(invoice::payer.eq(Payer::Agent(id.clone()).to_string()));
        let open_invoice = own.filter(invoice::state.eq("requested")).order(invoice::id).select(invoice::id);
        let pair: Option<String> = run!(self, connection => pair.first(connection).optional())?;
        let open_application: Option<String> =
            run!(self, connection => open_application.first(connection).optional())?;
        let open_training: Option<String> =
            run!(self, connection => open_training.first(connection).optional())?;
        let open_invoice: Option<String> =
            run!(self, connection => open_invoice.first(connection).optional())?;
        Ok(Ties {
            pair: pair.map(|unit| intact(UnitId::parse(&unit), "agent_unit", id)).transpose()?,
            application: open_application
                .map(|found| intact(ApplicationId::parse(&found), "application", &found))
                .transpose()?,
            training: open_training
                .map(|found| intact(TrainingId::parse(&found), "training", &found))
                .transpose()?,
            invoice: open_invoice
                .map(|found| intact(InvoiceId::parse(&found), "invoice", &found))
                .transpose()?,
            certificate: self.last_lapse(id)?,
            last_event: self.last_event(id)?,
        })
    }

    fn last_lapse(&mut self, id: &AgentId) -> Result<Option<(Serial, Time)>, StoreError> {
        let applied =
            application::table.filter(application::agent.eq(id.as_str())).select(application::id.nullable());
        let own = certificate::table
            .inner_join(status::table.on(status::serial.eq(certificate::serial)))
            .filter(certificate::application.eq_any(applied))
            .select((status::serial, status::not_after, status::revoked_at));
        let of_units = certificate::table
            .inner_join(status::table.on(status::serial.eq(certificate::serial)))
            .inner_join(agent_unit::table.on(certificate::unit.eq(agent_unit::unit.nullable())))
            .filter(agent_unit::agent.eq(id.as_str()))
            .filter(
                agent_unit::ended_at.is_null().or(certificate::issued_at.nullable().le(agent_unit::ended_at)),
            )
            .select((status::serial, status::not_after, status::revoked_at));
        let mut lapses: Vec<Lapse> = run!(self, connection => own.load(connection))?;
        lapses.extend(run!(self, connection => of_units.load::<Lapse>(connection))?);
        let lapse = |(_, not_after, revoked_at): &Lapse| revoked_at.unwrap_or(*not_after).max(*not_after);
        let last = lapses.iter().max_by_key(|found| lapse(found));
        last.map(|found| Ok((serial(&found.0, "status", id)?, Time::from_millis(lapse(found))))).transpose()
    }

    fn last_event(&mut self, id: &AgentId) -> Result<Time, StoreError> {
        let of = id.as_str();
        let qualified = agent::table.filter(agent::id.eq(of)).select(max(agent::qualified_at));
        let pairs = agent_unit::table.filter(agent_unit::agent.eq(of));
        let confirmed = pairs.select(max(agent_unit::confirmed_at));
        let ended = pairs.select(max(agent_unit::ended_at));
        let applied =
            application::table.filter(application::agent.eq(of)).select(max(application::entered_at));
        let trained = training::table.filter(training::agent.eq(of)).select(max(training::entered_at));
        let carded = agent_card::table.filter(agent_card::agent.eq(of)).select(max(agent_card::valid_from));
        let invoices = invoice::table.filter(invoice::payer.eq(Payer::Agent(id.clone()).to_string()));
        let invoiced = invoices.select(max(invoice::requested_at));
        let found: [Option<i64>; 7] = [
            run!(self, connection => qualified.get_result(connection))?,
            run!(self, connection => confirmed.get_result(connection))?,
            run!(self, connection => ended.get_result(connection))?,
            run!(self, connection => applied.get_result(connection))?,
            run!(self, connection => trained.get_result(connection))?,
            run!(self, connection => carded.get_result(connection))?,
            run!(self, connection => invoiced.get_result(connection))?,
        ];
        let last = found.into_iter().flatten().max().unwrap_or_default();
        Ok(Time::from_millis(last.max(id.made_at().millis())))
    }
}

impl Tx<'_> {
    /// Erases who the agent is: sealed values, indexes, openings, the account, what stands on own invoices, and digests of the
    /// requests that brought them. Gives of how many invoices.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `agent` when there is none or it was erased before; [`StoreError::Rejected`] while an invoice of
    /// the agent is still to be written.
    pub fn erase_agent(&mut self, id: &AgentId, at: Time) -> Result<usize, StoreError> {
        let nothing = None::<Vec<u8>>;
        let known = agent::table.find(id.as_str()).filter(agent::erased_at.is_null());
        let erased = (
            agent::name_sealed.eq(&nothing),
            agent::name_index.eq(&nothing),
            agent::id_card_sealed.eq(&nothing),
            agent::id_card_index.eq(&nothing),
            agent::erased_at.eq(at.millis()),
        );
        change_one!(self, "agent", diesel::update(known).set(erased))?;
        self.end_card(id, at)?;
        let cards = diesel::update(agent_card::table.filter(agent_card::agent.eq(id.as_str())))
            .set((agent_card::number_sealed.eq(&nothing), agent_card::number_index.eq(&nothing)));
        run!(self, connection => cards.execute(connection))?;
        let openings =
            diesel::delete(personal_opening::table.filter(personal_opening::agent.eq(id.as_str())));
        run!(self, connection => openings.execute(connection))?;
        if let Some(account) = self.account_of_agent(id)? {
            self.delete_account(&account.id)?;
        }
        let requests = diesel::delete(idempotency::table.filter(idempotency::resource.eq(id.as_str())));
        run!(self, connection => requests.execute(connection))?;
        self.erase_invoices(id, at)
    }
}

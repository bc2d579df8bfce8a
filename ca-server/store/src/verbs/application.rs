//! Applications with their documents (steps 2 to 8). Columns after `state` hold what the state knows.

use ca_core::{
    AgentId, Application, ApplicationId, ApplicationKind, ApplicationState, AttemptId, Author, Ciphertext,
    Document, DocumentForm, Name, PaymentId, StaffId, UnitEventId, UnitId,
};
use ca_verifier::{Serial, Time, UnitCode};
use diesel::{
    dsl::{exists, sql},
    prelude::*,
    select,
    sql_types::Bool,
};

use super::{digest, intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{application, application_document},
    statement::{Column, Shift, Value},
    tx::{all, change_one, insert, one, run},
};

/// Which applications to list. The default lists nothing: `limit` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationFilter {
    /// Only in the state of this name.
    pub state: Option<String>,
    /// Only of this unit.
    pub unit: Option<UnitId>,
    /// Only by this agent.
    pub agent: Option<AgentId>,
    /// Only entered before.
    pub entered_before: Option<Time>,
    /// Only those that a person entered.
    pub by_persons: bool,
    /// Only those that this event entered, corrected since or not.
    pub event: Option<UnitEventId>,
    /// Only after this one: the last of the page before.
    pub after: Option<ApplicationId>,
    /// How many at most.
    pub limit: i64,
}

/// States in which somebody may still be told something of an application, such as its activation code.
const UNFINISHED: [&str; 7] =
    ["submitted", "rejected", "approved", "paid", "personalising", "issued", "delivered"];

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = application, treat_none_as_default_value = false)]
struct Row {
    id: String,
    unit: String,
    #[diesel(embed)]
    content: ContentColumns,
    #[diesel(embed)]
    state: StateColumns,
}

/// What is asked for. A correction writes all of it anew.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = application, treat_none_as_default_value = false, treat_none_as_null = true)]
struct ContentColumns {
    unit_name: String,
    unit_code: String,
    agent: String,
    kind: String,
    certificate: Option<Vec<u8>>,
    cause: Option<String>,
    profile: String,
    years: i32,
    cps: String,
    counter: Option<String>,
    contact_sealed: Option<Vec<u8>>,
    entered_by: String,
    entered_before: String,
    entered_at: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = application, treat_none_as_default_value = false)]
struct StateColumns {
    state: String,
    decided_by: Option<String>,
    reasons: Option<String>,
    payment: Option<String>,
    attempt: Option<String>,
    serial: Option<Vec<u8>>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = application_document)]
struct DocumentRow {
    application: String,
    position: i32,
    kind: String,
    sha256: Vec<u8>,
    seen_by: String,
    form: String,
    seen_at: i64,
}

impl Reader<'_> {
    /// An application with its documents.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn application(&mut self, id: &ApplicationId) -> Result<Option<Application>, StoreError> {
        let query = application::table.find(id.as_str());
        let Some(row) = one!(self, Row, query)? else { return Ok(None) };
        let query = application_document::table
            .filter(application_document::application.eq(id.as_str()))
            .order(application_document::position);
        let documents = all!(self, DocumentRow, query)?;
        assemble(row, documents).map(Some)
    }

    /// What an application asks for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn application_kind(&mut self, id: &ApplicationId) -> Result<Option<ApplicationKind>, StoreError> {
        let parts = (application::kind, application::certificate, application::cause);
        let query = application::table.find(id.as_str()).select(parts);
        let parts: Option<(String, Option<Vec<u8>>, Option<String>)> =
            run!(self, connection => query.get_result(connection).optional())?;
        parts.map(|(name, of, cause)| kind(&name, of, cause.as_deref(), id.as_str())).transpose()
    }

    /// Everybody who entered or corrected an application, and its state: what a move needs, without the documents.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn application_state(
        &mut self,
        id: &ApplicationId,
    ) -> Result<Option<(Vec<Author>, ApplicationState)>, StoreError> {
        let query = application::table.find(id.as_str());
        let Some(row) = one!(self, Row, query)? else { return Ok(None) };
        let mut entered_by = authors(&row.content.entered_before, &row.id)?;
        entered_by.push(intact(Author::parse(&row.content.entered_by), "application", &row.id)?);
        Ok(Some((entered_by, row.state.read(&row.id)?)))
    }

    /// The application that makes the certificate after this one: not refused, taken back or expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn successor_of(&mut self, certificate: &Serial) -> Result<Option<ApplicationId>, StoreError> {
        // The words of the partial index, so that it is used.
        let query = application::table
            .filter(application::certificate.eq(certificate.as_bytes()))
            .filter(application::kind.ne("revoke"))
            .filter(application::kind.ne("hold"))
            .filter(application::kind.ne("release"))
            .filter(application::kind.ne("unlock"))
            .filter(application::state.ne("rejected"))
            .filter(application::state.ne("withdrawn"))
            .filter(application::state.ne("expired"))
            .filter(sql::<Bool>("coalesce(cause, '') <> 'repair'"))
            .select(application::id);
        let id: Option<String> = run!(self, connection => query.get_result(connection).optional())?;
        id.map(|id| intact(ApplicationId::parse(&id), "application", &id)).transpose()
    }

    /// Whether somebody asked that this certificate's hold be ended, and nobody decided it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn release_asked(&mut self, certificate: &Serial) -> Result<bool, StoreError> {
        let asked = application::table
            .filter(application::state.eq("submitted"))
            .filter(application::kind.eq("release"))
            .filter(application::certificate.eq(certificate.as_bytes()));
        run!(self, connection => select(exists(asked)).get_result(connection))
    }

    /// The last application for a certificate that serves while this one's token is repaired, unless it came to nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn temporary_of(&mut self, certificate: &Serial) -> Result<Option<ApplicationId>, StoreError> {
        let query = application::table
            .filter(application::certificate.eq(certificate.as_bytes()))
            .filter(sql::<Bool>("cause = 'repair'"))
            .filter(application::state.ne("rejected"))
            .filter(application::state.ne("withdrawn"))
            .filter(application::state.ne("expired"))
            .order(application::id.desc())
            .limit(1)
            .select(application::id);
        let id: Option<String> = run!(self, connection => query.get_result(connection).optional())?;
        id.map(|id| intact(ApplicationId::parse(&id), "application", &id)).transpose()
    }

    /// Applications in the order of entry.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn applications(&mut self, filter: &ApplicationFilter) -> Result<Vec<Application>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = application::table.into_boxed();
            if let Some(state) = &filter.state {
                query = query.filter(application::state.eq(state));
            }
            if let Some(unit) = &filter.unit {
                query = query.filter(application::unit.eq(unit.as_str()));
            }
            if let Some(agent) = &filter.agent {
                query = query.filter(application::agent.eq(agent.as_str()));
            }
            if let Some(before) = filter.entered_before {
                query = query.filter(application::entered_at.lt(before.millis()));
            }
            if filter.by_persons {
                // An event may have had a hand in what a person entered.
                let first = application::entered_before
                    .ne("[]")
                    .and(application::entered_before.not_like("[\"unit-event:%"))
                    .and(application::entered_before.not_like(format!("[\"{}\"%", Author::Policy)));
                query = query
                    .filter(application::entered_by.ne(Author::Policy.to_string()))
                    .filter(application::entered_by.not_like("unit-event:%").or(first));
            }
            if let Some(event) = &filter.event {
                let (own, corrected) = (format!("unit-event:{event}:%"), format!("[\"unit-event:{event}:%"));
                let entered = application::entered_by.like(own);
                query = query.filter(entered.or(application::entered_before.like(corrected)));
            }
            if let Some(after) = &filter.after {
                query = query.filter(application::id.gt(after.as_str()));
            }
            query.order(application::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        let query = application_document::table
            .filter(application_document::application.eq_any(ids))
            .order((application_document::application, application_document::position));
        let mut documents = all!(self, DocumentRow, query)?.into_iter().peekable();
        rows.into_iter()
            .map(|row| {
                let mut own = Vec::new();
                while let Some(document) = documents.next_if(|document| document.application == row.id) {
                    own.push(document);
                }
                assemble(row, own)
            })
            .collect()
    }
}

impl Tx<'_> {
    /// Enters an application with its documents.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `application`; [`StoreError::NotFound`] without unit or agent.
    pub fn insert_application(&mut self, new: &Application) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            unit: new.unit.to_string(),
            content: ContentColumns::from(new),
            state: StateColumns::from(&new.state),
        };
        insert!(self, application::table, &row)?;
        self.insert_documents(new)
    }

    /// Writes what an application asks for anew, with its documents. The state is moved apart.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `application` when there is none; [`StoreError::Conflict`] `successor`.
    pub fn correct_application(&mut self, new: &Application) -> Result<(), StoreError> {
        let content = ContentColumns::from(new);
        let row = application::table.find(new.id.as_str());
        change_one!(self, "application", diesel::update(row).set(&content))?;
        let old = application_document::table.filter(application_document::application.eq(new.id.as_str()));
        run!(self, connection => diesel::delete(old).execute(connection))?;
        self.insert_documents(new)
    }

    fn insert_documents(&mut self, of: &Application) -> Result<(), StoreError> {
        for (position, document) in (0..).zip(&of.documents) {
            let row = DocumentRow {
                application: of.id.to_string(),
                position,
                kind: document.kind.clone(),
                sha256: document.sha256.to_vec(),
                seen_by: document.seen_by.to_string(),
                form: document.form.name().to_owned(),
                seen_at: document.seen_at.millis(),
            };
            insert!(self, application_document::table, &row)?;
        }
        Ok(())
    }

    /// What a unit's agent has applied for and is not finished is another agent's from now on; gives how many.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn pass_applications(
        &mut self,
        unit: &UnitId,
        from: &AgentId,
        to: &AgentId,
    ) -> Result<usize, StoreError> {
        let open = application::table
            .filter(application::unit.eq(unit.as_str()))
            .filter(application::agent.eq(from.as_str()))
            .filter(application::state.eq_any(UNFINISHED));
        let change = application::agent.eq(to.as_str());
        run!(self, connection => diesel::update(open).set(change).execute(connection))
    }

    /// Moves an application, if it is still in exactly the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `application`.
    pub fn move_application(
        &mut self,
        id: &ApplicationId,
        from: &ApplicationState,
        to: &ApplicationState,
    ) -> Result<(), StoreError> {
        let shift = Shift::new(
            "application",
            ("id", Value::Text(Some(id.to_string()))),
            StateColumns::from(from).into_columns(),
            StateColumns::from(to).into_columns(),
        );
        change_one!(self, "application", shift)
    }
}

fn kind(
    name: &str,
    certificate: Option<Vec<u8>>,
    cause: Option<&str>,
    id: &str,
) -> Result<ApplicationKind, StoreError> {
    let certificate = certificate.map(|content| serial(&content, "application", id)).transpose()?;
    intact(ApplicationKind::from_parts(name, certificate, cause), "application", id)
}

fn authors(json: &str, id: &str) -> Result<Vec<Author>, StoreError> {
    let texts: Vec<String> = intact(serde_json::from_str(json), "application", id)?;
    texts.iter().map(|text| intact(Author::parse(text), "application", id)).collect()
}

fn assemble(row: Row, documents: Vec<DocumentRow>) -> Result<Application, StoreError> {
    let id = row.id;
    let documents = documents.into_iter().map(|document| {
        Ok(Document {
            kind: document.kind,
            sha256: digest(document.sha256, "application_document", &id)?,
            seen_by: intact(StaffId::parse(&document.seen_by), "application_document", &id)?,
            form: intact(DocumentForm::from_name(&document.form), "application_document", &id)?,
            seen_at: Time::from_millis(document.seen_at),
        })
    });
    let content = row.content;
    Ok(Application {
        kind: kind(&content.kind, content.certificate, content.cause.as_deref(), &id)?,
        documents: documents.collect::<Result<_, StoreError>>()?,
        unit: intact(UnitId::parse(&row.unit), "application", &id)?,
        unit_name: intact(Name::parse(&content.unit_name), "application", &id)?,
        unit_code: intact(UnitCode::parse(&content.unit_code), "application", &id)?,
        agent: intact(AgentId::parse(&content.agent), "application", &id)?,
        profile: content.profile,
        years: intact(content.years.try_into(), "application", &id)?,
        cps: content.cps,
        counter: content.counter,
        contact: intact(content.contact_sealed.map(Ciphertext::from_stored).transpose(), "application", &id)?,
        entered_by: intact(Author::parse(&content.entered_by), "application", &id)?,
        entered_before: authors(&content.entered_before, &id)?,
        entered_at: Time::from_millis(content.entered_at),
        state: row.state.read(&id)?,
        id: intact(ApplicationId::parse(&id), "application", &id)?,
    })
}

impl From<&Application> for ContentColumns {
    fn from(application: &Application) -> Self {
        let before: Vec<String> = application.entered_before.iter().map(Author::to_string).collect();
        Self {
            unit_name: application.unit_name.as_str().to_owned(),
            unit_code: application.unit_code.to_string(),
            agent: application.agent.to_string(),
            kind: application.kind.name().to_owned(),
            certificate: application.kind.certificate().map(|serial| serial.as_bytes().to_vec()),
            cause: application.kind.cause().map(str::to_owned),
            profile: application.profile.clone(),
            years: i32::from(application.years),
            cps: application.cps.clone(),
            counter: application.counter.clone(),
            contact_sealed: application.contact.as_ref().map(|sealed| sealed.as_bytes().to_vec()),
            entered_by: application.entered_by.to_string(),
            entered_before: serde_json::json!(before).to_string(),
            entered_at: application.entered_at.millis(),
        }
    }
}

impl From<&ApplicationState> for StateColumns {
    fn from(state: &ApplicationState) -> Self {
        use ApplicationState as S;
        let mut columns = Self {
            state: state.name().to_owned(),
            decided_by: None,
            reasons: None,
            payment: None,
            attempt: None,
            serial: None,
        };
        match state {
            S::Submitted | S::Withdrawn | S::Expired => {}
            S::Approved { by } | S::Done { by } => columns.decided_by = Some(by.to_string()),
            S::Rejected { by, reasons } => {
                columns.decided_by = Some(by.to_string());
                columns.reasons = Some(reasons.clone());
            }
            S::Paid { payment } => columns.payment = payment.as_ref().map(PaymentId::to_string),
            S::Personalising { payment, attempt } => {
                columns.payment = payment.as_ref().map(PaymentId::to_string);
                columns.attempt = Some(attempt.to_string());
            }
            S::Issued { payment, attempt, serial } => {
                columns.payment = payment.as_ref().map(PaymentId::to_string);
                columns.attempt = Some(attempt.to_string());
                columns.serial = Some(serial.as_bytes().to_vec());
            }
            S::Delivered { serial } | S::Active { serial } => {
                columns.serial = Some(serial.as_bytes().to_vec())
            }
        }
        columns
    }
}

impl StateColumns {
    fn into_columns(self) -> Vec<Column> {
        vec![
            ("state", Value::Text(Some(self.state))),
            ("decided_by", Value::Text(self.decided_by)),
            ("reasons", Value::Text(self.reasons)),
            ("payment", Value::Text(self.payment)),
            ("attempt", Value::Text(self.attempt)),
            ("serial", Value::Octets(self.serial)),
        ]
    }

    fn read(self, id: &str) -> Result<ApplicationState, StoreError> {
        use ApplicationState as S;
        let staff = |text: String| intact(StaffId::parse(&text), "application", id);
        let author = |text: String| intact(Author::parse(&text), "application", id);
        let paid = |text: Option<String>| {
            text.map(|text| intact(PaymentId::parse(&text), "application", id)).transpose()
        };
        let held = |text: String| intact(AttemptId::parse(&text), "application", id);
        let number = |content: Vec<u8>| serial(&content, "application", id);
        let known = (self.decided_by, self.reasons, self.payment, self.attempt, self.serial);
        Ok(match (self.state.as_str(), known) {
            ("submitted", (None, None, None, None, None)) => S::Submitted,
            ("approved", (Some(by), None, None, None, None)) => S::Approved { by: author(by)? },
            ("rejected", (Some(by), Some(reasons), None, None, None)) => {
                S::Rejected { by: staff(by)?, reasons }
            }
            ("withdrawn", (None, None, None, None, None)) => S::Withdrawn,
            ("expired", (None, None, None, None, None)) => S::Expired,
            ("done", (Some(by), None, None, None, None)) => S::Done { by: author(by)? },
            ("paid", (None, None, payment, None, None)) => S::Paid { payment: paid(payment)? },
            ("personalising", (None, None, payment, Some(attempt), None)) => {
                S::Personalising { payment: paid(payment)?, attempt: held(attempt)? }
            }
            ("issued", (None, None, payment, Some(attempt), Some(content))) => {
                S::Issued { payment: paid(payment)?, attempt: held(attempt)?, serial: number(content)? }
            }
            ("delivered", (None, None, None, None, Some(content))) => {
                S::Delivered { serial: number(content)? }
            }
            ("active", (None, None, None, None, Some(content))) => S::Active { serial: number(content)? },
            _ => return Err(StoreError::Corrupt { table: "application", id: id.to_owned() }),
        })
    }
}

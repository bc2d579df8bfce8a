//! Units, the papers seen at their registration, and the search among them (step 1).

use ca_core::{AgentId, Document, DocumentForm, Name, StaffId, Unit, UnitId};
use ca_verifier::{OrgCode, Time, UnitCode};
use diesel::{
    dsl::count_star,
    prelude::*,
    sql_query,
    sql_types::{BigInt, Text},
};

use super::{digest, intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{agent_unit, unit, unit_document, unit_name_part},
    tx::{all, change_one, insert, one, run},
};

/// Characters of a name part. Two, because people search by two characters.
const PART: usize = 2;
/// A part that more units have than this is as common as any other.
const COMMON: i64 = 1000;
/// Parts of what is searched for that are counted, to begin with the rarest.
const COUNTED: usize = 8;

/// Which units to list, in the order of registration. The default lists nothing: `limit` is zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFilter {
    /// Only those whose name contains this: at least two characters.
    pub name: Option<String>,
    /// Only those that this agent acts for.
    pub agent: Option<AgentId>,
    /// Only those that have ended, or only those that have not.
    pub ended: Option<bool>,
    /// Only those whose name a person should look at.
    pub flagged: bool,
    /// Only after this one: the last of the page before.
    pub after: Option<UnitId>,
    /// How many at most.
    pub limit: i64,
}

/// Counts in the index, and no further than it matters. Both databases read `$1`.
const COUNT_PART: &str =
    "SELECT count(*) AS units FROM (SELECT 1 FROM unit_name_part WHERE part = $1 LIMIT $2) AS counted";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    units: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = unit, treat_none_as_default_value = false)]
struct Row {
    id: String,
    code: String,
    labour_no: String,
    name: String,
    province: String,
    city: String,
    region: Option<String>,
    agency: Option<String>,
    name_flag: Option<String>,
    registered_by: String,
    registered_at: i64,
    ended_at: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = unit_document)]
struct DocumentRow {
    unit: String,
    position: i32,
    kind: String,
    form: String,
    sha256: Vec<u8>,
    seen_by: String,
    seen_at: i64,
}

/// What both ways of listing filter alike.
macro_rules! narrowed {
    ($query:expr, $filter:ident) => {{
        let mut query = $query;
        if let Some(agent) = &$filter.agent {
            let units = agent_unit::table
                .filter(agent_unit::agent.eq(agent.as_str()))
                .filter(agent_unit::ended_at.is_null())
                .select(agent_unit::unit);
            query = query.filter(unit::id.eq_any(units));
        }
        match $filter.ended {
            Some(true) => query = query.filter(unit::ended_at.is_not_null()),
            Some(false) => query = query.filter(unit::ended_at.is_null()),
            None => {}
        }
        if $filter.flagged {
            query = query.filter(unit::name_flag.is_not_null());
        }
        query
    }};
}

impl Reader<'_> {
    /// A unit by our identifier.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit(&mut self, id: &UnitId) -> Result<Option<Unit>, StoreError> {
        let row = one!(self, Row, unit::table.find(id.as_str()))?;
        row.map(Unit::try_from).transpose()
    }

    /// A unit by the code that it is registered with.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_by_code(&mut self, code: &UnitCode) -> Result<Option<Unit>, StoreError> {
        let row = one!(self, Row, unit::table.filter(unit::code.eq(code.as_str())))?;
        row.map(Unit::try_from).transpose()
    }

    /// A unit whose code is, or contains, this organisation code. Looks at every unit: for the few that have no other.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_by_org_code(&mut self, code: &OrgCode) -> Result<Option<Unit>, StoreError> {
        let within = format!("________{code}_");
        let either = unit::code.like(within).or(unit::code.eq(code.as_str()));
        let query = unit::table.filter(either).order(unit::id).limit(1);
        let row = one!(self, Row, query)?;
        row.map(Unit::try_from).transpose()
    }

    /// A unit by its 劳动保障证号.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_by_labour_no(&mut self, labour_no: &str) -> Result<Option<Unit>, StoreError> {
        let row = one!(self, Row, unit::table.filter(unit::labour_no.eq(labour_no)))?;
        row.map(Unit::try_from).transpose()
    }

    /// What was seen when the unit was registered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_documents(&mut self, id: &UnitId) -> Result<Vec<Document>, StoreError> {
        let query =
            unit_document::table.filter(unit_document::unit.eq(id.as_str())).order(unit_document::position);
        all!(self, DocumentRow, query)?.into_iter().map(Document::try_from).collect()
    }

    /// Units in the order of registration.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn units(&mut self, filter: &UnitFilter) -> Result<Vec<Unit>, StoreError> {
        let rows = match &filter.name {
            Some(name) => self.units_named(name, filter)?,
            None => self.units_of(filter)?,
        };
        rows.into_iter().map(Unit::try_from).collect()
    }

    fn units_of(&mut self, filter: &UnitFilter) -> Result<Vec<Row>, StoreError> {
        run!(self, connection => {
            let mut query = narrowed!(unit::table.into_boxed(), filter);
            if let Some(after) = &filter.after {
                query = query.filter(unit::id.gt(after.as_str()));
            }
            query.order(unit::id).limit(filter.limit).select(Row::as_select()).load(connection)
        })
    }

    /// By the rarest pair of characters, then by the whole: the cost follows what is found, not what there is.
    fn units_named(&mut self, name: &str, filter: &UnitFilter) -> Result<Vec<Row>, StoreError> {
        let Some(rarest) = self.rarest_part(name)? else { return Ok(Vec::new()) };
        let pattern = format!("%{}%", name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
        run!(self, connection => {
            let named = unit_name_part::table
                .inner_join(unit::table.on(unit::id.eq(unit_name_part::unit)))
                .filter(unit_name_part::part.eq(&rarest))
                .filter(unit::name.like(&pattern).escape('\\'));
            let mut query = narrowed!(named.into_boxed(), filter);
            if let Some(after) = &filter.after {
                query = query.filter(unit_name_part::unit.gt(after.as_str()));
            }
            query.order(unit_name_part::unit).limit(filter.limit).select(Row::as_select()).load(connection)
        })
    }

    fn rarest_part(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        let parts: Vec<String> = parts(name).into_iter().take(COUNTED).collect();
        if parts.len() < 2 {
            return Ok(parts.into_iter().next());
        }
        let mut rarest: Option<(i64, String)> = None;
        for part in parts {
            let query = sql_query(COUNT_PART).bind::<Text, _>(&part).bind::<BigInt, _>(COMMON);
            let Count { units } = run!(self, connection => query.get_result(connection))?;
            if rarest.as_ref().is_none_or(|(least, _)| units < *least) {
                rarest = Some((units, part));
            }
        }
        Ok(rarest.map(|(_, part)| part))
    }

    /// How many units there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn unit_count(&mut self) -> Result<i64, StoreError> {
        run!(self, connection => unit::table.select(count_star()).get_result(connection))
    }
}

impl Tx<'_> {
    /// Registers a unit.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `unit-code` or `unit-labour-number`.
    pub fn insert_unit(&mut self, new: &Unit) -> Result<(), StoreError> {
        let row = Row {
            id: new.id.to_string(),
            code: new.code.to_string(),
            labour_no: new.labour_no.clone(),
            name: new.name.as_str().to_owned(),
            province: new.province.clone(),
            city: new.city.clone(),
            region: new.region.clone(),
            agency: new.agency.clone(),
            name_flag: new.name_flag.clone(),
            registered_by: new.registered_by.clone(),
            registered_at: new.registered_at.millis(),
            ended_at: new.ended_at.map(Time::millis),
        };
        insert!(self, unit::table, &row)?;
        self.insert_name_parts(&new.id, &new.name)
    }

    /// What was seen when the unit was registered.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `unit-document` when something was seen before.
    pub fn insert_unit_documents(&mut self, id: &UnitId, documents: &[Document]) -> Result<(), StoreError> {
        for (position, document) in (0..).zip(documents) {
            let row = DocumentRow {
                unit: id.to_string(),
                position,
                kind: document.kind.clone(),
                form: document.form.name().to_owned(),
                sha256: document.sha256.to_vec(),
                seen_by: document.seen_by.to_string(),
                seen_at: document.seen_at.millis(),
            };
            insert!(self, unit_document::table, &row)?;
        }
        Ok(())
    }

    /// Takes the unit's row, so that what follows from its state is decided one after the other.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `unit` when there is none.
    pub fn lock_unit(&mut self, id: &UnitId) -> Result<(), StoreError> {
        let same = unit::code.eq(unit::code);
        change_one!(self, "unit", diesel::update(unit::table.find(id.as_str())).set(same))
    }

    /// A new legal name.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `unit` when there is none.
    pub fn rename_unit(&mut self, id: &UnitId, name: &Name, flag: Option<&str>) -> Result<(), StoreError> {
        let change = (unit::name.eq(name.as_str()), unit::name_flag.eq(flag));
        change_one!(self, "unit", diesel::update(unit::table.find(id.as_str())).set(change))?;
        let old = unit_name_part::table.filter(unit_name_part::unit.eq(id.as_str()));
        run!(self, connection => diesel::delete(old).execute(connection))?;
        self.insert_name_parts(id, name)
    }

    /// A new code.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `unit-code`; [`StoreError::Stale`] `unit` when there is none.
    pub fn recode_unit(&mut self, id: &UnitId, code: UnitCode) -> Result<(), StoreError> {
        let change = unit::code.eq(code.as_str());
        change_one!(self, "unit", diesel::update(unit::table.find(id.as_str())).set(change))
    }

    /// It is merged or dissolved.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `unit` when it ended before or there is none.
    pub fn end_unit(&mut self, id: &UnitId, at: Time) -> Result<(), StoreError> {
        let live = unit::table.find(id.as_str()).filter(unit::ended_at.is_null());
        change_one!(self, "unit", diesel::update(live).set(unit::ended_at.eq(at.millis())))
    }

    fn insert_name_parts(&mut self, id: &UnitId, name: &Name) -> Result<(), StoreError> {
        let rows: Vec<_> = parts(name.as_str())
            .into_iter()
            .map(|part| (unit_name_part::part.eq(part), unit_name_part::unit.eq(id.to_string())))
            .collect();
        if rows.is_empty() { Ok(()) } else { insert!(self, unit_name_part::table, &rows) }
    }
}

/// Pairs of neighbouring characters, each once.
fn parts(name: &str) -> Vec<String> {
    let characters: Vec<char> = name.chars().collect();
    let mut parts: Vec<String> = characters.windows(PART).map(|pair| pair.iter().collect()).collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

impl TryFrom<Row> for Unit {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        intact(Self::check_labour_no(&row.labour_no), "unit", &row.id)?;
        Ok(Self {
            code: intact(UnitCode::parse(&row.code), "unit", &row.id)?,
            name: intact(Name::parse(&row.name), "unit", &row.id)?,
            id: intact(UnitId::parse(&row.id), "unit", &row.id)?,
            labour_no: row.labour_no,
            province: row.province,
            city: row.city,
            region: row.region,
            agency: row.agency,
            name_flag: row.name_flag,
            registered_by: row.registered_by,
            registered_at: Time::from_millis(row.registered_at),
            ended_at: times(row.ended_at),
        })
    }
}

impl TryFrom<DocumentRow> for Document {
    type Error = StoreError;

    fn try_from(row: DocumentRow) -> Result<Self, StoreError> {
        Ok(Self {
            form: intact(DocumentForm::from_name(&row.form), "unit_document", &row.unit)?,
            sha256: digest(row.sha256, "unit_document", &row.unit)?,
            seen_by: intact(StaffId::parse(&row.seen_by), "unit_document", &row.unit)?,
            seen_at: Time::from_millis(row.seen_at),
            kind: row.kind,
        })
    }
}

//! The register of insured units: staged in pieces, in force all at once. Only rows of the import that is in force are
//! found; those of any other are as good as absent.

use ca_core::ImportState;
use ca_verifier::Time;
use diesel::prelude::*;

use super::{digest, intact, times};
use crate::{
    Reader, StoreError, Tx,
    schema::{register_import, register_row},
    tx::{all, change_one, insert, one, run},
};

/// Rows in one statement: PostgreSQL takes 65 535 values, SQLite 32 766.
const ROWS_AT_ONCE: usize = 500;

/// One import of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterImport {
    /// Imports are counted from 1.
    pub number: i64,
    /// SHA-256 of the file.
    pub file_sha256: [u8; 32],
    /// Where it stands.
    pub state: ImportState,
    /// Lines of the file that are dealt with.
    pub staged_lines: i64,
    /// Rows among them.
    pub good: i64,
    /// Lines among them that are no rows.
    pub bad: i64,
    /// Who started it, as the log writes it.
    pub started_by: String,
    /// When.
    pub started_at: Time,
    /// When it came into force or was thrown away.
    pub ended_at: Option<Time>,
}

/// A unit as the register has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterRow {
    /// Its line in the file.
    pub line: i32,
    /// Unified social credit code.
    pub uscc: Option<String>,
    /// Organisation code, of a unit without the other.
    pub org_code: Option<String>,
    /// 劳动保障证号.
    pub labour_no: String,
    /// Legal name.
    pub name: String,
    /// The agency that insures it, a code of `policies/eligibility.toml`.
    pub agency: String,
    /// Administrative division.
    pub region: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = register_import, treat_none_as_default_value = false)]
struct ImportRow {
    number: i64,
    file_sha256: Vec<u8>,
    state: String,
    staged_lines: i64,
    good: i64,
    bad: i64,
    started_by: String,
    started_at: i64,
    ended_at: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = register_row, treat_none_as_default_value = false)]
struct Row {
    import: i64,
    line: i32,
    uscc: Option<String>,
    org_code: Option<String>,
    labour_no: String,
    name: String,
    agency: String,
    region: Option<String>,
}

impl Reader<'_> {
    /// The import that is being staged, or the one in force.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register_import(&mut self, state: ImportState) -> Result<Option<RegisterImport>, StoreError> {
        let query = register_import::table
            .filter(register_import::state.eq(state.name()))
            .order(register_import::number.desc());
        let rows: Vec<ImportRow> = all!(self, ImportRow, query.limit(1))?;
        rows.into_iter().next().map(RegisterImport::try_from).transpose()
    }

    /// Every import, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register_imports(&mut self, limit: i64) -> Result<Vec<RegisterImport>, StoreError> {
        let query = register_import::table.order(register_import::number.desc()).limit(limit);
        let rows = all!(self, ImportRow, query)?;
        rows.into_iter().map(RegisterImport::try_from).collect()
    }

    /// A unit of the register in force, by 劳动保障证号.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register_entry(&mut self, labour_no: &str) -> Result<Option<RegisterRow>, StoreError> {
        let Some(active) = self.register_import(ImportState::Active)? else { return Ok(None) };
        let query = register_row::table
            .filter(register_row::import.eq(active.number))
            .filter(register_row::labour_no.eq(labour_no));
        Ok(one!(self, Row, query)?.map(RegisterRow::from))
    }

    /// Units of the register in force, by unified social credit code.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register_by_uscc(&mut self, uscc: &str, limit: i64) -> Result<Vec<RegisterRow>, StoreError> {
        let Some(active) = self.register_import(ImportState::Active)? else { return Ok(Vec::new()) };
        let query = register_row::table
            .filter(register_row::import.eq(active.number))
            .filter(register_row::uscc.eq(uscc))
            .order(register_row::line)
            .limit(limit);
        Ok(all!(self, Row, query)?.into_iter().map(RegisterRow::from).collect())
    }

    /// Units of the register in force whose names begin so.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn register_by_name(&mut self, prefix: &str, limit: i64) -> Result<Vec<RegisterRow>, StoreError> {
        let Some(active) = self.register_import(ImportState::Active)? else { return Ok(Vec::new()) };
        // Both databases compare octets here: what begins with the prefix lies between these two.
        let end = format!("{prefix}{}", char::MAX);
        let query = register_row::table
            .filter(register_row::import.eq(active.number))
            .filter(register_row::name.between(prefix, end))
            .order((register_row::name, register_row::line))
            .limit(limit);
        Ok(all!(self, Row, query)?.into_iter().map(RegisterRow::from).collect())
    }
}

impl Tx<'_> {
    /// Begins an import; gives its number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `register-import` while another one is being staged.
    pub fn insert_register_import(
        &mut self,
        file_sha256: [u8; 32],
        by: &str,
        at: Time,
    ) -> Result<i64, StoreError> {
        let last: Option<i64> = run!(self, connection => {
            register_import::table.select(diesel::dsl::max(register_import::number)).get_result(connection)
        })?;
        let number = last.unwrap_or(0) + 1;
        let row = ImportRow {
            number,
            file_sha256: file_sha256.to_vec(),
            state: ImportState::Staging.name().to_owned(),
            staged_lines: 0,
            good: 0,
            bad: 0,
            started_by: by.to_owned(),
            started_at: at.millis(),
            ended_at: None,
        };
        insert!(self, register_import::table, &row)?;
        Ok(number)
    }

    /// Adds rows, and says how many lines of the file are dealt with by now.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `register-import` when somebody else staged in the meantime, or it is staged no longer;
    /// [`StoreError::Conflict`] `register-labour-number`.
    pub fn stage_register_rows(
        &mut self,
        before: &RegisterImport,
        rows: Vec<RegisterRow>,
        (staged_lines, good, bad): (i64, i64, i64),
    ) -> Result<(), StoreError> {
        let unchanged = register_import::table
            .find(before.number)
            .filter(register_import::state.eq(ImportState::Staging.name()))
            .filter(register_import::staged_lines.eq(before.staged_lines));
        let counts = (
            register_import::staged_lines.eq(staged_lines),
            register_import::good.eq(good),
            register_import::bad.eq(bad),
        );
        change_one!(self, "register-import", diesel::update(unchanged).set(counts))?;
        let rows: Vec<Row> = rows.into_iter().map(|row| Row::of(before.number, row)).collect();
        for some in rows.chunks(ROWS_AT_ONCE) {
            insert!(self, register_row::table, some)?;
        }
        Ok(())
    }

    /// Moves an import, if it is still in the state that was read.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `register-import`.
    pub fn move_register_import(
        &mut self,
        number: i64,
        from: ImportState,
        to: ImportState,
        at: Time,
    ) -> Result<(), StoreError> {
        let unchanged = register_import::table.find(number).filter(register_import::state.eq(from.name()));
        let change = (register_import::state.eq(to.name()), register_import::ended_at.eq(Some(at.millis())));
        change_one!(self, "register-import", diesel::update(unchanged).set(change))
    }

    /// Deletes up to `lines` lines' rows of an import that is neither staged nor in force; gives how many rows.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delete_register_rows(&mut self, lines: i32) -> Result<usize, StoreError> {
        let first: Option<(i64, i32)> = run!(self, connection => {
            register_row::table
                .inner_join(register_import::table)
                .filter(register_import::state.eq_any([
                    ImportState::Superseded.name(),
                    ImportState::Abandoned.name(),
                ]))
                .order((register_row::import, register_row::line))
                .select((register_row::import, register_row::line))
                .limit(1)
                .get_result(connection)
                .optional()
        })?;
        let Some((import, line)) = first else { return Ok(0) };
        let some = register_row::table
            .filter(register_row::import.eq(import))
            .filter(register_row::line.lt(line.saturating_add(lines)));
        run!(self, connection => diesel::delete(some).execute(connection))
    }
}

impl Row {
    fn of(import: i64, row: RegisterRow) -> Self {
        let RegisterRow { line, uscc, org_code, labour_no, name, agency, region } = row;
        Self { import, line, uscc, org_code, labour_no, name, agency, region }
    }
}

impl From<Row> for RegisterRow {
    fn from(row: Row) -> Self {
        let Row { line, uscc, org_code, labour_no, name, agency, region, .. } = row;
        Self { line, uscc, org_code, labour_no, name, agency, region }
    }
}

impl TryFrom<ImportRow> for RegisterImport {
    type Error = StoreError;

    fn try_from(row: ImportRow) -> Result<Self, StoreError> {
        Ok(Self {
            number: row.number,
            file_sha256: digest(row.file_sha256, "register_import", row.number)?,
            state: intact(ImportState::from_name(&row.state), "register_import", row.number)?,
            staged_lines: row.staged_lines,
            good: row.good,
            bad: row.bad,
            started_by: row.started_by,
            started_at: Time::from_millis(row.started_at),
            ended_at: times(row.ended_at),
        })
    }
}

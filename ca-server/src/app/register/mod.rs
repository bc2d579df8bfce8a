//! Step 1, before anything else: the register of insured units, which the social insurance sends as one file. The counter
//! reads it, and what a unit's form says is compared with it.

mod import;
mod row;

use ca_core::{Action, Actor, AuditEntry, ImportState, Unit};
use ca_store::{Reader, RegisterImport, RegisterRow, Tx};
use ca_verifier::{Time, UnitCode};

pub(crate) use self::import::{Accept, Done, Import, abandon};
pub(super) use self::row::labour_no;
use super::{App, free_text};
use crate::{problem::Problem, rule::Rule};

/// Entries that one question gives at most.
const FOUND_MAX: i64 = 20;
const REASON_MAX: usize = 500;

/// What a form says of a unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) uscc: Option<&'a str>,
    pub(crate) org_code: Option<&'a str>,
    pub(crate) labour_no: &'a str,
    pub(crate) name: &'a str,
    pub(crate) agency: Option<&'a str>,
}

/// A field that is not as the register has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) field: &'static str,
    pub(crate) register: String,
    pub(crate) given: String,
}

/// What the register says of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// None is in force.
    NoRegister,
    /// The unit is not in it.
    NotInsured,
    /// The unit is in it; what differs.
    Known(Vec<Difference>),
}

/// Compares a form with the register in force.
pub(crate) fn compare(reader: &mut Reader<'_>, given: Given<'_>) -> Result<Comparison, Problem> {
    if reader.register_import(ImportState::Active)?.is_none() {
        return Ok(Comparison::NoRegister);
    }
    Ok(match reader.register_entry(given.labour_no)? {
        Some(row) => Comparison::Known(differences(&row, given)),
        None => Comparison::NotInsured,
    })
}

fn differences(row: &RegisterRow, given: Given<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut differ = |field, register: &str, given: &str| {
        if register != given {
            found.push(Difference { field, register: register.to_owned(), given: given.to_owned() });
        }
    };
    differ("name", &row.name, given.name);
    differ("agency", &row.agency, given.agency.unwrap_or(""));
    // The organisation code is the ninth to the seventeenth character of the unified code.
    let org_code = given.org_code.or_else(|| given.uscc.and_then(|uscc| uscc.get(8..17)));
    match (&row.uscc, &row.org_code) {
        (Some(known), _) if given.uscc.is_some() => differ("uscc", known, given.uscc.unwrap_or("")),
        (Some(known), _) => differ("org_code", known.get(8..17).unwrap_or(""), org_code.unwrap_or("")),
        (None, Some(known)) => differ("org_code", known, org_code.unwrap_or("")),
        (None, None) => {}
    }
    found
}

/// Lets a unit be registered that is as the register has it, or else with a reason, which the log keeps.
pub(super) fn admit(
    tx: &mut Tx<'_>,
    unit: &Unit,
    reason: Option<String>,
    actor: &Actor,
    now: Time,
) -> Result<(), Problem> {
    let given = Given {
        uscc: matches!(unit.code, UnitCode::Uscc(_)).then_some(unit.code.as_str()),
        org_code: matches!(unit.code, UnitCode::Org(_)).then_some(unit.code.as_str()),
        labour_no: &unit.labour_no,
        name: unit.name.as_str(),
        agency: unit.agency.as_deref(),
    };
    let (problem, fields) = match compare(tx, given)? {
        Comparison::NoRegister => return Ok(()),
        Comparison::Known(found) if found.is_empty() => return Ok(()),
        Comparison::Known(found) => {
            let of = |one: &Difference| {
                format!("{}：名册 (register) {}，申报 (form) {}", one.field, one.register, one.given)
            };
            let texts: Vec<String> = found.iter().map(of).collect();
            let fields: Vec<&str> = found.iter().map(|one| one.field).collect();
            (Problem::new(Rule::RegisterDiffers).with("fields", texts.join("; ")), fields.join(","))
        }
        Comparison::NotInsured => {
            let problem = Problem::new(Rule::RegisterNotInsured).with("labour_no", &unit.labour_no);
            (problem, "labour_no".to_owned())
        }
    };
    let Some(reason) = reason else { return Err(problem) };
    let reason = free_text("register_difference_reason", reason, REASON_MAX)?;
    let entry = AuditEntry::done(now, actor, Action::RegisterUnit, "register", &unit.labour_no);
    let entry = entry.with("rule", problem.rule.name()).with("fields", fields).with("reason", reason);
    Ok(tx.append_audit(&entry)?)
}

/// What the counter asks the register for: one of them.
pub(crate) struct Wanted<'a> {
    pub(crate) labour_no: Option<&'a str>,
    pub(crate) uscc: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
}

impl App {
    /// Entries of the register in force, so that nobody types what is known.
    pub(crate) fn register_entries(
        &self,
        wanted: &Wanted<'_>,
    ) -> Result<(Option<RegisterImport>, Vec<RegisterRow>), Problem> {
        self.store.read(|reader| {
            let found = match (wanted.labour_no, wanted.uscc, wanted.name) {
                (Some(labour_no), None, None) => reader.register_entry(labour_no)?.into_iter().collect(),
                (None, Some(uscc), None) => reader.register_by_uscc(uscc, FOUND_MAX)?,
                (None, None, Some(name)) if name.chars().count() >= 2 => {
                    reader.register_by_name(name, FOUND_MAX)?
                }
                _ => return Err(Problem::new(Rule::RegisterQuery)),
            };
            Ok((reader.register_import(ImportState::Active)?, found))
        })
    }
}

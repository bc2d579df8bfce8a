//! Each line of a list checked like an application of its own, with all that is wrong with it at once.

use std::collections::HashMap;

use ca_core::{Agent, ApplicationKind, Error, IdCard, Policies, Unit, Vault, Verdict};
use ca_store::{BatchLine, Reader};
use ca_verifier::{Time, UnitCode, Uscc};
use serde_json::{Value, json};
use unicode_security::skeleton;

use super::super::{gate::missing_eligibility, register::labour_no};
use crate::{
    problem::Problem,
    rule::{Language, Rule},
    sheet::{self, Cell, Column, Finding, Line, Places, Sheet},
};

const USCC: &str = "统一社会信用代码 (uscc)";
const LABOUR_NO: &str = "劳动保障证号 (labour_no)";
const NAME: &str = "单位名称 (name)";
const CARD: &str = "经办人身份证号 (agent_id_card)";
const YEARS: &str = "年限 (years)";
const COUNTER: &str = "领取窗口 (counter)";
/// Where the identity card number stands in [`COLUMNS`].
const CARD_AT: usize = 3;

/// The last two are ours: a list that came back is corrected and sent again as it is.
const COLUMNS: [Column; 8] = [
    Column { label: USCC, names: &["统一社会信用代码", "uscc"], needed: true },
    Column { label: LABOUR_NO, names: &["劳动保障证号", "labour_no"], needed: true },
    Column { label: NAME, names: &["单位名称", "name"], needed: true },
    Column { label: CARD, names: &["经办人身份证号", "agent_id_card"], needed: true },
    Column { label: YEARS, names: &["年限", "years"], needed: true },
    Column { label: COUNTER, names: &["领取窗口", "counter"], needed: false },
    Column { label: REASONS[0], names: &["退回原因"], needed: false },
    Column { label: REASONS[1], names: &["reasons"], needed: false },
];

/// What a list that goes back has more than it had.
pub(super) const REASONS: [&str; 2] = ["退回原因", "Reasons"];

/// Checks a whole list on one snapshot.
pub(super) fn check(
    reader: &mut Reader<'_>,
    (policies, vault): (&Policies, &Vault),
    sheet: &Sheet,
    now: Time,
) -> Result<Vec<BatchLine>, Problem> {
    let places = Places::of(&COLUMNS, &sheet.header)?;
    let mut checker = Checker { places, policies, vault, now, seen: HashMap::new(), agents: HashMap::new() };
    sheet.lines.iter().map(|line| checker.line(reader, line)).collect()
}

/// What a line says, as far as it can be read.
#[derive(Default)]
struct Read<'a> {
    code: Option<UnitCode>,
    labour_no: Option<&'a str>,
    name: Option<String>,
    card: Option<IdCard>,
    years: Option<u16>,
    counter: Option<String>,
}

struct Checker<'a> {
    places: Places,
    policies: &'a Policies,
    vault: &'a Vault,
    now: Time,
    /// In which line a code or number stands.
    seen: HashMap<String, u32>,
    agents: HashMap<String, Option<Agent>>,
}

impl Checker<'_> {
    fn line(&mut self, reader: &mut Reader<'_>, line: &Line) -> Result<BatchLine, Problem> {
        let mut findings = Vec::new();
        let mut read = Read::default();
        match self.places.fits(line) {
            Ok(()) => read = self.read(line, &mut findings),
            Err(problem) => findings.push(Finding::refused("", problem)),
        }
        self.doubled(&read, line.number, &mut findings);
        let unit = self.unit(reader, &read, &mut findings)?;
        let agent = self.agent(reader, &read, unit.as_ref(), &mut findings)?;
        let verdict = match findings.iter().all(|finding| finding.review) {
            true if findings.is_empty() => Verdict::Good,
            true => Verdict::Review,
            false => Verdict::Bad,
        };
        Ok(BatchLine {
            line: line.number,
            verdict,
            unit: unit.map(|unit| unit.id),
            agent: agent.map(|agent| agent.id),
            years: read.years,
            counter: read.counter,
            cells: self.masked(line),
            findings: for_people(&findings),
            application: None,
        })
    }

    fn read<'l>(&self, line: &'l Line, findings: &mut Vec<Finding>) -> Read<'l> {
        let cell = |at| self.places.cell(line, at);
        let mut read = Read::default();
        if let Some(text) = cell(0).and_then(|cell| sheet::code(cell, USCC, findings)) {
            match UnitCode::parse(text) {
                Ok(code) => read.code = Some(code),
                Err(error) => findings.push(Finding::refused(USCC, error.into())),
            }
        }
        read.labour_no = cell(1).and_then(|cell| labour_no(cell, LABOUR_NO, findings));
        let name = cell(2).and_then(|cell| sheet::name(cell, NAME, findings));
        read.name = name.map(|name| name.as_str().to_owned());
        read.card = cell(CARD_AT).and_then(|cell| id_card(cell, findings));
        read.years = cell(4).and_then(|cell| sheet::years(cell, YEARS, findings));
        if let Some(years) = read.years
            && let Some(tariff) = self.policies.tariff(self.now)
            && let Err(error) = tariff.quote(ApplicationKind::New, years, None, self.now)
        {
            findings.push(Finding::refused(YEARS, error.into()));
        }
        if let Some(cell) = cell(5).filter(|cell| !cell.text.trim().is_empty()) {
            let text = sheet::code(cell, COUNTER, findings);
            read.counter = text.and_then(|text| match self.policies.counters().find(text) {
                Some(code) => Some(code.to_owned()),
                None => {
                    findings.push(Finding::refused(COUNTER, unknown_counter(self.policies)));
                    None
                }
            });
        }
        read
    }

    fn doubled(&mut self, read: &Read<'_>, number: u32, findings: &mut Vec<Finding>) {
        let code = read.code.map(|code| (USCC, code.to_string()));
        let labour_no = read.labour_no.map(|text| (LABOUR_NO, text.to_owned()));
        for (column, key) in code.into_iter().chain(labour_no) {
            match self.seen.get(&key) {
                Some(before) => {
                    let problem = Problem::new(Rule::LineDoubled).with("line", before).with("column", column);
                    findings.push(Finding::refused(column, problem));
                }
                None => drop(self.seen.insert(key, number)),
            }
        }
    }

    fn unit(
        &self,
        reader: &mut Reader<'_>,
        read: &Read<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Unit>, Problem> {
        let Some(code) = read.code else { return Ok(None) };
        let Some(unit) = reader.unit_by_code(&code)? else {
            let problem = Problem::new(Rule::UnitUnknown).with("uscc", code);
            findings.push(Finding::refused(USCC, problem));
            return Ok(None);
        };
        let differs = |rule, column| Finding::refused(column, Problem::new(rule).with("column", column));
        if read.labour_no.is_some_and(|text| text != unit.labour_no) {
            findings.push(differs(Rule::UnitDiffers, LABOUR_NO));
        }
        if let Some(name) = read.name.as_deref().filter(|name| *name != unit.name.as_str()) {
            let alike = skeleton(name).eq(skeleton(unit.name.as_str()));
            findings.push(differs(if alike { Rule::UnitLooksAlike } else { Rule::UnitDiffers }, NAME));
        }
        findings.extend(still_good(reader, self.policies, &unit, self.now)?);
        Ok(Some(unit))
    }

    fn agent(
        &mut self,
        reader: &mut Reader<'_>,
        read: &Read<'_>,
        unit: Option<&Unit>,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Agent>, Problem> {
        let Some(card) = &read.card else { return Ok(None) };
        let known = match self.agents.get(card.reveal()) {
            Some(known) => known.clone(),
            None => {
                let found = reader.agent_by_id_card(&self.vault.id_card_index(card))?;
                self.agents.insert(card.reveal().to_owned(), found.clone());
                found
            }
        };
        let mut refuse = |rule| findings.push(Finding::refused(CARD, Problem::new(rule)));
        let Some(agent) = known else {
            refuse(Rule::AgentUnknown);
            return Ok(None);
        };
        if agent.qualified_at.is_none() {
            refuse(Rule::AgentNotQualified);
        }
        if let Some(unit) = unit
            && !reader.pair_confirmed(&agent.id, &unit.id)?
        {
            refuse(Rule::AgentNotConfirmed);
        }
        Ok(Some(agent))
    }

    /// The line as it was sent, but no identity card number, wherever it stands.
    fn masked(&self, line: &Line) -> Vec<String> {
        let (card, code) = (self.places.at(CARD_AT), self.places.at(0));
        // In a line with too few or too many cells no column is where it should be.
        let ragged = self.places.fits(line).is_err();
        let cell = |(at, cell): (usize, &Cell)| {
            let text = cell.text.trim();
            let misplaced = ragged || Some(at) != code;
            let looks = sheet::many_digits(text) && Uscc::parse(text).is_err();
            let secret = Some(at) == card || IdCard::parse(text).is_ok() || (misplaced && looks);
            if secret { masked(&cell.text) } else { cell.text.clone() }
        };
        line.cells.iter().enumerate().map(cell).collect()
    }
}

/// What can change for a unit between the check and the submission.
pub(super) fn still_good(
    reader: &mut Reader<'_>,
    policies: &Policies,
    unit: &Unit,
    now: Time,
) -> Result<Option<Finding>, Problem> {
    if let Some(problem) = missing_eligibility(policies.eligibility(), unit, now) {
        return Ok(Some(Finding::refused(USCC, problem)));
    }
    let open = reader.open_application(&unit.id)?;
    let problem = open.map(|open| Problem::new(Rule::ApplicationOpen).with("application", open));
    Ok(problem.map(|problem| Finding::refused(USCC, problem)))
}

pub(in crate::app) fn unknown_counter(policies: &Policies) -> Problem {
    let known: Vec<&str> = policies.counters().iter().map(|(code, _)| code).collect();
    Problem::new(Rule::CounterUnknown).with("known", known.join(", "))
}

fn id_card(cell: &Cell, findings: &mut Vec<Finding>) -> Option<IdCard> {
    let mut own = Vec::new();
    let text = sheet::code(cell, CARD, &mut own);
    // Full-width digits are shown to whoever must find them, but these are personal data.
    findings.extend(own.into_iter().map(|finding| match finding.problem.rule {
        Rule::CellFullWidth => {
            let problem = Problem::new(Rule::CellFullWidth).with("column", CARD).with("characters", "***");
            Finding::refused(CARD, problem)
        }
        _ => finding,
    }));
    let rule = match IdCard::parse(text?) {
        Ok(card) => return Some(card),
        Err(Error::IdCardDate) => Rule::IdCardDate,
        Err(Error::IdCardCheck) => Rule::IdCardCheck,
        Err(_) => Rule::IdCardForm,
    };
    findings.push(Finding::refused(CARD, Problem::new(rule)));
    None
}

/// First 6 and last 4 characters, as [`IdCard::masked`]; nothing of what is too short to be one.
fn masked(text: &str) -> String {
    let count = text.chars().count();
    let shown = |at| count >= 15 && (at < 6 || at + 4 >= count);
    text.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
}

/// Findings as the list keeps them and the API shows them.
pub(super) fn for_people(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        let [zh, en] = [Language::Zh, Language::En].map(|language| sheet::reason(&finding.problem, language));
        let rule = finding.problem.rule.name();
        json!({ "column": finding.column, "rule": rule, "review": finding.review, "zh": zh, "en": en })
    };
    Value::Array(findings.iter().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_identity_card_number_is_left() {
        assert_eq!(masked("11010519491231002X"), "110105********002X");
        assert_eq!(masked("１１０１０５19491231002X"), "１１０１０５********002X");
        assert_eq!(masked("11010519491231"), "**************");
        let mut found = Vec::new();
        let wide: String =
            "11010519491231002X".chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
        assert!(id_card(&Cell::text(&wide), &mut found).is_none());
        let text = for_people(&found).to_string();
        assert!(text.contains("cell.full-width") && !text.contains('\u{ff11}'), "{text}");
    }

    #[test]
    fn identity_cards_that_cannot_be() {
        for (text, rule) in [
            ("11010519490231002X", Rule::IdCardDate),
            ("110105194913310020", Rule::IdCardDate),
            ("110105194912310021", Rule::IdCardCheck),
            ("1101051949123100", Rule::IdCardForm),
        ] {
            let mut found = Vec::new();
            assert!(id_card(&Cell::text(text), &mut found).is_none());
            assert_eq!(found.pop().unwrap().problem.rule, rule, "{text}");
        }
    }
}

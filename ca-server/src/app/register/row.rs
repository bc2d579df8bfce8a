//! One line of the register: a unit, or what is wrong with it.

use std::collections::HashMap;

use ca_core::{Unit, policy::EligibilityRules};
use ca_store::RegisterRow;
use ca_verifier::{OrgCode, Uscc};

use crate::{
    problem::Problem,
    rule::Rule,
    sheet::{self, Cell, Column, Finding, Kind, Line, Places},
};

const USCC: &str = "统一社会信用代码 (uscc)";
const ORG_CODE: &str = "组织机构代码 (org_code)";
const LABOUR_NO: &str = "劳动保障证号 (labour_no)";
const NAME: &str = "单位名称 (name)";
const AGENCY: &str = "参保经办机构 (agency)";
const REGION: &str = "区划 (region)";

pub(super) const COLUMNS: [Column; 6] = [
    Column { label: USCC, names: &["统一社会信用代码", "uscc"], needed: false },
    Column { label: ORG_CODE, names: &["组织机构代码", "org_code"], needed: false },
    Column { label: LABOUR_NO, names: &["劳动保障证号", "labour_no"], needed: true },
    Column { label: NAME, names: &["单位名称", "name"], needed: true },
    Column { label: AGENCY, names: &["参保经办机构", "agency"], needed: true },
    Column { label: REGION, names: &["区划", "region"], needed: false },
];
const REGION_MAX: usize = 40;

/// Checks lines, one after the other.
pub(super) struct Checker<'a> {
    places: Places,
    agencies: &'a EligibilityRules,
    /// Agencies that were asked for before.
    known: HashMap<String, Option<String>>,
    /// In which line each 劳动保障证号 stands: eight digits are a small number.
    seen: HashMap<u32, u32>,
}

impl<'a> Checker<'a> {
    pub(super) fn new(header: &[String], agencies: &'a EligibilityRules) -> Result<Self, Problem> {
        let places = Places::of(&COLUMNS, header)?;
        if places.at(0).is_none() && places.at(1).is_none() {
            return Err(Problem::new(Rule::ColumnMissing).with("column", USCC));
        }
        Ok(Self { places, agencies, known: HashMap::new(), seen: HashMap::new() })
    }

    /// The unit of a line, when nothing is refused; and what a person must know.
    pub(super) fn check(&mut self, line: &Line) -> (Option<RegisterRow>, Vec<Finding>) {
        let mut findings = Vec::new();
        if let Err(problem) = self.places.fits(line) {
            findings.push(Finding::refused("", problem));
            return (None, findings);
        }
        let uscc = self.optional(line, 0).and_then(|cell| uscc(cell, &mut findings));
        let org_code = self.optional(line, 1).and_then(|cell| org_code(cell, &mut findings));
        if self.optional(line, 0).is_none() && self.optional(line, 1).is_none() {
            findings.push(Finding::refused(USCC, Problem::new(Rule::CodeNeeded)));
        }
        let labour_no = self.places.cell(line, 2).and_then(|cell| labour_no(cell, LABOUR_NO, &mut findings));
        let name = self.places.cell(line, 3).and_then(|cell| sheet::name(cell, NAME, &mut findings));
        let agency = self.places.cell(line, 4).and_then(|cell| sheet::code(cell, AGENCY, &mut findings));
        let agency = agency.and_then(|text| self.agency(text, &mut findings));
        let region = self.optional(line, 5).and_then(|cell| region(cell, &mut findings));
        if let Some(number) = labour_no.and_then(|text| text.parse().ok()) {
            match self.seen.get(&number) {
                Some(before) => {
                    let problem =
                        Problem::new(Rule::LineDoubled).with("line", before).with("column", LABOUR_NO);
                    findings.push(Finding::refused(LABOUR_NO, problem));
                }
                None => drop(self.seen.insert(number, line.number)),
            }
        }
        if findings.iter().any(|finding| !finding.review) {
            return (None, findings);
        }
        let row = labour_no.zip(name).zip(agency).map(|((labour_no, name), agency)| RegisterRow {
            line: i32::try_from(line.number).unwrap_or(i32::MAX),
            uscc,
            org_code,
            labour_no: labour_no.to_owned(),
            name: name.as_str().to_owned(),
            agency,
            region,
        });
        (row, findings)
    }

    fn optional<'l>(&self, line: &'l Line, column: usize) -> Option<&'l Cell> {
        self.places.cell(line, column).filter(|cell| !cell.text.trim().is_empty())
    }

    fn agency(&mut self, text: &str, findings: &mut Vec<Finding>) -> Option<String> {
        if !self.known.contains_key(text) {
            let code = self.agencies.find(text).map(str::to_owned);
            self.known.insert(text.to_owned(), code);
        }
        let code = self.known.get(text).cloned().flatten();
        if code.is_none() {
            findings.push(Finding::refused(AGENCY, Problem::new(Rule::AgencyUnknown)));
        }
        code
    }
}

fn uscc(cell: &Cell, findings: &mut Vec<Finding>) -> Option<String> {
    let text = sheet::code(cell, USCC, findings)?;
    match Uscc::parse(text) {
        Ok(uscc) => Some(uscc.to_string()),
        Err(error) => {
            findings.push(Finding::refused(USCC, error.into()));
            None
        }
    }
}

/// 劳动保障证号: eight digits, which a spreadsheet may have taken for a number.
pub(in crate::app) fn labour_no<'c>(
    cell: &'c Cell,
    column: &'static str,
    findings: &mut Vec<Finding>,
) -> Option<&'c str> {
    let text = sheet::code(cell, column, findings)?;
    let problem = match Unit::check_labour_no(text) {
        Ok(()) => return Some(text),
        Err(_) if cell.kind == Kind::Number && text.len() < 8 => {
            Problem::new(Rule::CellZeros).with("column", column).with("found", text)
        }
        Err(_) => Problem::new(Rule::LabourForm),
    };
    findings.push(Finding::refused(column, problem));
    None
}

/// 组织机构代码 (GB 11714): eight characters and a check character, with or without a hyphen between; kept without.
fn org_code(cell: &Cell, findings: &mut Vec<Finding>) -> Option<String> {
    match OrgCode::parse(sheet::code(cell, ORG_CODE, findings)?) {
        Ok(code) => Some(code.to_string()),
        Err(error) => {
            findings.push(Finding::refused(ORG_CODE, error.into()));
            None
        }
    }
}

fn region(cell: &Cell, findings: &mut Vec<Finding>) -> Option<String> {
    let text = sheet::code(cell, REGION, findings)?;
    if text.chars().count() > REGION_MAX {
        findings.push(Finding::refused(REGION, Problem::new(Rule::CellName).with("column", REGION)));
        return None;
    }
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(cells: [&str; 6]) -> Vec<&'static str> {
        let files =
            crate::policies::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies"));
        let policies = files.unwrap();
        let header: Vec<String> = COLUMNS.iter().map(|column| column.names[0].to_owned()).collect();
        let mut checker = Checker::new(&header, policies.eligibility()).unwrap();
        let line = |number| Line { number, cells: cells.iter().map(|text| Cell::text(text)).collect() };
        let (row, found) = checker.check(&line(2));
        let refused = found.iter().any(|finding| !finding.review);
        assert_eq!(row.is_none(), refused);
        if let Some(row) = row {
            assert_eq!((row.line, row.labour_no.as_str()), (2, cells[2]));
            let (_, twice) = checker.check(&line(9));
            let problem = &twice.last().unwrap().problem;
            assert_eq!((problem.rule, &problem.facts()[0].1[..]), (Rule::LineDoubled, "2"));
        }
        found.iter().map(|finding| finding.problem.rule.name()).collect()
    }

    #[test]
    fn lines_with_all_that_is_wrong_with_them() {
        let good = ["91320104000000019U", "", "32010001", "南京甲公司", "nanjing", "320106"];
        let but = |at: usize, text| {
            let mut cells = good;
            cells[at] = text;
            cells
        };
        assert_eq!(rules(good), [""; 0]);
        assert_eq!(rules(but(4, "鼓楼区社会保险经办机构")), [""; 0]);
        assert_eq!(rules(["", "D2143569-X", "32010001", "甲公司", "gulou", ""]), [""; 0]);
        assert_eq!(rules(["", "D2143569X", "32010001", "甲公司", "gulou", ""]), [""; 0]);
        assert_eq!(rules(["", "425006133", "32010001", "甲公司", "gulou", ""]), [""; 0]);
        assert_eq!(rules(["", "425006134", "32010001", "甲公司", "gulou", ""]), ["org-code.check-digit"]);
        assert_eq!(rules(but(0, "")), ["unit-code.missing"]);
        assert_eq!(rules(but(0, "91320104000000019A")), ["uscc.check-digit"]);
        assert_eq!(rules(but(0, "９1320104000000019U")), ["cell.full-width"]);
        assert_eq!(rules(but(2, "3201001")), ["labour-no.form"]);
        assert_eq!(rules(but(3, "南京甲\u{202e}公司")), ["cell.hidden-character"]);
        assert_eq!(rules(but(3, "南京ＡＢ公司")), ["cell.look-alike"]);
        assert_eq!(rules(but(4, "suzhou")), ["agency.unknown"]);
        assert_eq!(
            rules(["x", "", "", "=1", "苏州", ""]),
            ["uscc.form", "cell.empty", "cell.formula", "agency.unknown"]
        );
    }
}

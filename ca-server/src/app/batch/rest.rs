//! What of a list is left: bad lines as a file with their reasons, and the remainder report by state and counter.

use std::collections::{BTreeMap, HashMap};

use ca_core::{BatchId, BatchState, Verdict};
use ca_store::{BatchLine, Progress};

use super::{super::App, check::REASONS};
use crate::{
    problem::{Failure, Problem},
    rule::{Language, Rule},
    sheet::{self, Encoding, Format},
};

/// Lines of a list whose U-keys are not handed over.
pub(crate) struct Remainder {
    pub(crate) lines: usize,
    pub(crate) delivered: usize,
    pub(crate) by_state: BTreeMap<String, usize>,
    pub(crate) by_counter: BTreeMap<String, usize>,
    pub(crate) rest: Vec<Left>,
}

/// A line that is left.
pub(crate) struct Left {
    pub(crate) line: u32,
    /// The application's state, or the verdict of a line without one.
    pub(crate) state: String,
    /// Where the unit is to come: by its appointment, or else by the list.
    pub(crate) counter: Option<String>,
    pub(crate) day: Option<String>,
    pub(crate) slot: Option<String>,
    pub(crate) cells: Vec<String>,
}

impl App {
    /// Lines that did not become applications, in the form in which the list came.
    pub(crate) fn rejected(&self, id: &BatchId) -> Result<(Format, Vec<u8>), Problem> {
        let (record, lines) = self.batch(id)?;
        let format: Format =
            record.format.parse().map_err(|()| Failure::inconsistent("a format of a batch"))?;
        let over = record.state != BatchState::Checked;
        // Reasons of an earlier return make room for the new ones.
        let kept = |at: &usize| {
            record
                .header
                .get(*at)
                .is_none_or(|text| !REASONS.iter().any(|ours| ours.eq_ignore_ascii_case(text.trim())))
        };
        let mut header: Vec<String> = Vec::new();
        header.extend((0..record.header.len()).filter(kept).filter_map(|at| record.header.get(at).cloned()));
        header.extend(REASONS.map(str::to_owned));
        let back = |line: &&BatchLine| match line.verdict {
            Verdict::Bad => true,
            Verdict::Review => over,
            Verdict::Good => false,
        };
        let mut rows = Vec::new();
        for line in lines.iter().filter(back) {
            let width = record.header.len();
            let mut row: Vec<String> =
                (0..width).filter(kept).map(|at| line.cells.get(at).cloned().unwrap_or_default()).collect();
            row.extend(["zh", "en"].map(|language| reasons(line, language)));
            rows.push(row);
        }
        Ok((format, sheet::write(format, &header, &rows)?))
    }

    /// What of a list is not handed over yet.
    pub(crate) fn remainder(&self, id: &BatchId) -> Result<Remainder, Problem> {
        let (_, lines) = self.batch(id)?;
        let progress = self.store.read(|reader| reader.batch_progress(id))?;
        let mut progress: HashMap<u32, Progress> =
            progress.into_iter().map(|progress| (progress.line, progress)).collect();
        let mut remainder = Remainder {
            lines: lines.len(),
            delivered: 0,
            by_state: BTreeMap::new(),
            by_counter: BTreeMap::new(),
            rest: Vec::new(),
        };
        for line in lines {
            let known = progress.remove(&line.line);
            if known.as_ref().is_some_and(|known| ["delivered", "active"].contains(&known.state.as_str())) {
                remainder.delivered += 1;
                continue;
            }
            let (state, appointment) = match known {
                Some(known) => (known.state, known.appointment),
                None => (line.verdict.name().to_owned(), None),
            };
            let (counter, day, slot) = match appointment {
                Some((counter, day, slot)) => (Some(counter), Some(day), Some(slot)),
                None => (line.counter, None, None),
            };
            *remainder.by_state.entry(state.clone()).or_default() += 1;
            *remainder.by_counter.entry(counter.clone().unwrap_or_default()).or_default() += 1;
            let cells = line.cells;
            remainder.rest.push(Left { line: line.line, state, counter, day, slot, cells });
        }
        Ok(remainder)
    }

    /// The remainder as a table: what stands in the list, and how far each line has come.
    pub(crate) fn remainder_csv(&self, id: &BatchId) -> Result<Vec<u8>, Problem> {
        let (record, _) = self.batch(id)?;
        let own = ["行 (line)", "状态 (state)", "窗口 (counter)", "日期 (day)", "时段 (slot)"];
        let mut header: Vec<String> = own.map(str::to_owned).to_vec();
        header.extend(record.header);
        let rows = self.remainder(id)?.rest.into_iter().map(|left| {
            let text = |value: Option<String>| value.unwrap_or_default();
            let mut row =
                vec![left.line.to_string(), left.state, text(left.counter), text(left.day), text(left.slot)];
            row.extend(left.cells);
            row
        });
        let format = Format::Csv { encoding: Encoding::Utf8Bom, crlf: true };
        let rows: Vec<Vec<String>> = rows
            .map(|mut row| {
                row.resize(header.len(), String::new());
                row
            })
            .collect();
        Ok(sheet::write(format, &header, &rows)?)
    }
}

/// Why a line comes back, all of it.
fn reasons(line: &BatchLine, language: &str) -> String {
    let mut texts: Vec<String> = Vec::new();
    if line.verdict == Verdict::Review {
        let wanted = if language == "zh" { Language::Zh } else { Language::En };
        texts.push(sheet::reason(&Problem::new(Rule::ReviewNeeded), wanted));
    }
    for finding in line.findings.as_array().into_iter().flatten() {
        texts.extend(finding[language].as_str().map(str::to_owned));
    }
    texts.join(" | ")
}

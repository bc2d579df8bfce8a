//! XLSX, read for its values only: one sheet, no formulas, no merged cells, and no more unpacked than the limit.

use std::io::{Cursor, Read};

use calamine::{DataRef, Reader, Xlsx};
use quick_xml::events::Event;
use zip::ZipArchive;

use super::{Cell, Format, Kind, Limits, Line, Sheet, shown, too_large};
use crate::{problem::Problem, rule::Rule};

/// Unpacked, all parts together: ten times what a list of 5,000 lines needs. A zip bomb has more.
const UNPACKED_MAX: u64 = 32 * 1024 * 1024;
const PARTS_MAX: usize = 200;
/// From here on a spreadsheet's numbers leave digits out.
const EXACT_BELOW: f64 = 1e15;

pub(super) fn read(octets: &[u8], limits: Limits) -> Result<Sheet, Problem> {
    inspect(octets)?;
    let unreadable = |_| Problem::new(Rule::SheetForm);
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(octets)).map_err(unreadable)?;
    let names = book.sheet_names();
    let [name] = names.as_slice() else {
        return Err(Problem::new(Rule::SheetCount).with("found", names.len()));
    };
    // Cell by cell: a range would be as large as its two farthest cells say.
    let mut cells = book.worksheet_cells_reader(name).map_err(unreadable)?;
    let mut lines: Vec<Line> = Vec::new();
    while let Some(cell) = cells.next_cell().map_err(unreadable)? {
        let (row, column) = cell.get_position();
        let cell = of_value(cell.get_value());
        if cell.text.trim().is_empty() {
            continue;
        }
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if row > limits.lines {
            return Err(too_large("行数 (lines)", limits.lines));
        }
        if column >= limits.columns {
            return Err(too_large("列数 (columns)", limits.columns));
        }
        if cell.text.chars().count() > limits.cell {
            return Err(too_large("单元格字数 (characters of a cell)", limits.cell));
        }
        place(&mut lines, row + 1, column, cell)?;
    }
    let mut lines = lines.into_iter();
    let header =
        lines.next().filter(|line| line.number == 1).ok_or_else(|| Problem::new(Rule::SheetEmpty))?;
    let header: Vec<String> = header.cells.into_iter().map(|cell| cell.text).collect();
    let width = header.len();
    let lines = lines.map(|mut line| {
        // Cells at the end that nobody filled in are not written to the file.
        while line.cells.len() < width {
            line.cells.push(Cell::text(""));
        }
        line
    });
    Ok(Sheet { format: Format::Xlsx, header, lines: lines.collect() })
}

/// Rows come in their order in every file that a spreadsheet wrote.
fn place(lines: &mut Vec<Line>, number: u32, column: usize, cell: Cell) -> Result<(), Problem> {
    match lines.last() {
        Some(last) if last.number > number => return Err(Problem::new(Rule::SheetForm)),
        Some(last) if last.number == number => {}
        _ => lines.push(Line { number, cells: Vec::new() }),
    }
    let Some(line) = lines.last_mut() else { return Ok(()) };
    if line.cells.len() > column {
        return Err(Problem::new(Rule::SheetForm));
    }
    while line.cells.len() < column {
        line.cells.push(Cell::text(""));
    }
    line.cells.push(cell);
    Ok(())
}

fn of_value(value: &DataRef<'_>) -> Cell {
    let number = |text: String, kind| Cell { text, kind };
    match value {
        DataRef::Empty => Cell::text(""),
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Int(found) => number(found.to_string(), Kind::Number),
        // Rust writes a float without ".0" when it is whole.
        DataRef::Float(found) if found.abs() < EXACT_BELOW => number(found.to_string(), Kind::Number),
        DataRef::Float(found) => number(found.to_string(), Kind::Imprecise),
        DataRef::DateTime(found) => number(found.as_f64().to_string(), Kind::Date),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => number(text.clone(), Kind::Date),
        DataRef::Bool(found) => Cell::text(if *found { "TRUE" } else { "FALSE" }),
        DataRef::Error(error) => Cell::text(&error.to_string()),
    }
}

/// Unpacks every part once, counting, before a parser sees any; looks for what may not be in a sheet.
fn inspect(octets: &[u8]) -> Result<(), Problem> {
    let unreadable = || Problem::new(Rule::SheetForm);
    let mut archive = ZipArchive::new(Cursor::new(octets)).map_err(|_| unreadable())?;
    if archive.len() > PARTS_MAX {
        return Err(too_large("部件数 (parts)", PARTS_MAX));
    }
    let mut left = UNPACKED_MAX;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| unreadable())?;
        let mut unpacked = Vec::new();
        // What the archive says of its sizes may be a lie: counted is what comes out.
        part.take(left + 1).read_to_end(&mut unpacked).map_err(|_| unreadable())?;
        left = u64::try_from(unpacked.len())
            .ok()
            .and_then(|count| left.checked_sub(count))
            .ok_or_else(|| too_large("解压后的字节数 (octets, unpacked)", UNPACKED_MAX))?;
        look(&unpacked)?;
    }
    Ok(())
}

/// Formulas and merged cells of a sheet, wherever in the archive it stands.
fn look(part: &[u8]) -> Result<(), Problem> {
    let Ok(text) = std::str::from_utf8(part) else { return Ok(()) };
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut root, mut cell) = (true, String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let name = element.local_name();
                if std::mem::take(&mut root) && name.as_ref() != "worksheet" {
                    return Ok(());
                }
                let attribute = |wanted: &str| {
                    let found = element.attributes().flatten().find(|found| found.key.as_ref() == wanted);
                    found.map(|found| found.value.into_owned()).unwrap_or_default()
                };
                match name.as_ref() {
                    "c" => cell = attribute("r"),
                    "f" => return Err(Problem::new(Rule::SheetFormula).with("cell", shown(&cell))),
                    "mergeCell" => {
                        let cells = attribute("ref");
                        return Err(Problem::new(Rule::SheetMerged).with("cells", shown(&cells)));
                    }
                    _ => {}
                }
            }
            Ok(Event::Eof) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

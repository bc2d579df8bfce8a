//! CSV and XLSX → rows of text, within limits that are counted before a parser works. Nothing is guessed.

use std::io::{Cursor, Read};

use calamine::{Data, Reader, Xlsx};
use encoding_rs::{GB18030, UTF_8};
use zip::ZipArchive;

use crate::language::Text;

pub(crate) const ROWS_MAX: usize = 500;
const COLUMNS_MAX: usize = 40;
const CELL_MAX: usize = 300;
const PARTS_MAX: usize = 100;
/// Unpacked, all parts together. A zip bomb has more.
const UNPACKED_MAX: u64 = 16 * 1024 * 1024;
/// From here on a spreadsheet's numbers leave digits out.
const EXACT_BELOW: f64 = 1e15;

/// A cell; `Err` says what is wrong with it.
pub(crate) type Cell = Result<String, Text>;

/// The file's lines, beginning with 1, that are not empty; the first is the header.
pub(crate) type Rows = Vec<(u32, Vec<Cell>)>;

const UNREADABLE: Text = Text(
    "文件无法识别。请使用本页下载的模板，保存为 CSV 或 XLSX。",
    "The file cannot be read. Use the template of this page and save it as CSV or XLSX.",
);
const TOO_LARGE: Text = Text(
    "文件太大：最多 500 行、40 列，每格最多 300 字。请分成几个文件。",
    "The file is too large: at most 500 lines, 40 columns and 300 characters a cell. Split it.",
);

pub(crate) fn read(octets: &[u8]) -> Result<Rows, Text> {
    let rows = if octets.starts_with(b"PK\x03\x04") { xlsx(octets)? } else { csv(octets)? };
    if rows.len() > ROWS_MAX + 1 {
        return Err(TOO_LARGE);
    }
    let large = |cell: &Cell| cell.as_ref().is_ok_and(|text| text.chars().count() > CELL_MAX);
    if rows.iter().any(|(_, cells)| cells.len() > COLUMNS_MAX || cells.iter().any(large)) {
        return Err(TOO_LARGE);
    }
    Ok(rows)
}

fn csv(octets: &[u8]) -> Result<Rows, Text> {
    if octets.contains(&0) {
        return Err(UNREADABLE);
    }
    let octets = octets.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(octets);
    let text = UTF_8
        .decode_without_bom_handling_and_without_replacement(octets)
        .or_else(|| GB18030.decode_without_bom_handling_and_without_replacement(octets))
        .ok_or(UNREADABLE)?;
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut rows = Rows::new();
    for record in reader.records() {
        let record = record.map_err(|_| UNREADABLE)?;
        let line = record.position().and_then(|at| u32::try_from(at.line()).ok()).unwrap_or(u32::MAX);
        push(&mut rows, line, record.iter().map(|cell| Ok(plain(cell))).collect())?;
    }
    Ok(rows)
}

fn xlsx(octets: &[u8]) -> Result<Rows, Text> {
    inspect(octets)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(octets)).map_err(|_| UNREADABLE)?;
    let name = book.sheet_names().first().cloned().ok_or(UNREADABLE)?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|_| UNREADABLE)?;
    let mut lines: std::collections::BTreeMap<u32, Vec<Cell>> = std::collections::BTreeMap::new();
    // Cell by cell: a range would be as large as its two farthest cells say.
    while let Some(cell) = cells.next_cell().map_err(|_| UNREADABLE)? {
        let (row, column) = cell.get_position();
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        let value = of_value(&Data::from(cell.get_value().clone()));
        if value == Ok(String::new()) {
            continue;
        }
        if column >= COLUMNS_MAX || lines.len() > ROWS_MAX + 1 {
            return Err(TOO_LARGE);
        }
        let line = lines.entry(row.saturating_add(1)).or_default();
        while line.len() <= column {
            line.push(Ok(String::new()));
        }
        if let Some(place) = line.get_mut(column) {
            *place = value;
        }
    }
    let mut rows = Rows::new();
    for (line, cells) in lines {
        push(&mut rows, line, cells)?;
    }
    Ok(rows)
}

fn push(rows: &mut Rows, line: u32, cells: Vec<Cell>) -> Result<(), Text> {
    if cells.iter().all(|cell| cell.as_ref().is_ok_and(|text| text.is_empty())) {
        return Ok(());
    }
    if rows.len() > ROWS_MAX {
        return Err(TOO_LARGE);
    }
    rows.push((line, cells));
    Ok(())
}

/// What `guarded` put there comes off again.
fn plain(text: &str) -> String {
    let text = text.trim();
    text.strip_prefix('\'').filter(|rest| starts_formula(rest)).unwrap_or(text).to_owned()
}

fn of_value(value: &Data) -> Cell {
    Ok(match value {
        Data::Empty => String::new(),
        Data::String(text) => plain(text),
        Data::Int(found) => found.to_string(),
        // Rust writes a float without ".0" when it is whole.
        Data::Float(found) if found.abs() < EXACT_BELOW => found.to_string(),
        Data::Float(_) => {
            return Err(Text(
                "数字太长，表格软件已丢失末位。请把该列设为“文本”后重新输入。",
                "The spreadsheet has lost digits of this number. Make the column text and type it again.",
            ));
        }
        Data::DateTime(found) => {
            let (year, month, day, ..) = found.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        Data::DateTimeIso(text) => text.get(..10).unwrap_or(text).to_owned(),
        Data::Bool(found) => found.to_string(),
        Data::DurationIso(_) | Data::Error(_) => {
            return Err(Text("单元格有错误。请改正。", "The cell holds an error. Correct it."));
        }
    })
}

/// Unpacks every part once, counting: what an archive says of its sizes may be a lie.
fn inspect(octets: &[u8]) -> Result<(), Text> {
    let mut archive = ZipArchive::new(Cursor::new(octets)).map_err(|_| UNREADABLE)?;
    if archive.len() > PARTS_MAX {
        return Err(TOO_LARGE);
    }
    let mut left = UNPACKED_MAX;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| UNREADABLE)?;
        let count = std::io::copy(&mut part.take(left + 1), &mut std::io::sink()).map_err(|_| UNREADABLE)?;
        left = left.checked_sub(count).ok_or(TOO_LARGE)?;
    }
    Ok(())
}

/// A spreadsheet would take it for a formula.
fn starts_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// A text that a spreadsheet takes for text.
pub(crate) fn guarded(text: &str) -> String {
    if starts_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// CSV that Chinese spreadsheets open rightly: UTF-8 with its mark, CRLF.
pub(crate) fn write_csv(rows: &[Vec<String>]) -> Result<Vec<u8>, crate::fault::Fault> {
    let failed = |error: &dyn std::fmt::Display| crate::fault::Fault::Table(error.to_string());
    let mut writer = ::csv::WriterBuilder::new()
        .terminator(::csv::Terminator::CRLF)
        .flexible(true)
        .from_writer(vec![0xef, 0xbb, 0xbf]);
    for row in rows {
        writer.write_record(row.iter().map(|text| guarded(text))).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error))
}

/// A workbook of texts: no column loses its zeros or digits.
pub(crate) fn write_xlsx(rows: &[Vec<String>]) -> Result<Vec<u8>, crate::fault::Fault> {
    let failed = |error: rust_xlsxwriter::XlsxError| crate::fault::Fault::Table(error.to_string());
    let mut book = rust_xlsxwriter::Workbook::new();
    let text = rust_xlsxwriter::Format::new().set_num_format("@");
    let sheet = book.add_worksheet();
    for (column, _) in (0..).zip(rows.first().into_iter().flatten()) {
        sheet.set_column_format(column, &text).map_err(failed)?;
        sheet.set_column_width(column, 18).map_err(failed)?;
    }
    for (row, cells) in (0..).zip(rows) {
        for (column, cell) in (0..).zip(cells) {
            sheet.write_string_with_format(row, column, guarded(cell), &text).map_err(failed)?;
        }
    }
    book.save_to_buffer().map_err(failed)
}

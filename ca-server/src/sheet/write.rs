//! Tables that go back: written as they came in, and with no cell that a spreadsheet would run.

use encoding_rs::GB18030;
use rust_xlsxwriter::Workbook;

use super::{Format, cell::starts_formula};
use crate::problem::Failure;

/// A text that a spreadsheet takes for text; an amount below nothing, as `-150.00`, is an amount and runs nothing.
pub(crate) fn guarded(text: &str) -> String {
    if starts_formula(text) && !is_amount(text) { format!("'{text}") } else { text.to_owned() }
}

fn is_amount(text: &str) -> bool {
    let parts = text.strip_prefix('-').and_then(|text| text.split_once('.'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    parts.is_some_and(|(yuan, fen)| digits(yuan) && digits(fen) && fen.len() == 2)
}

/// A table in the form that is asked for.
pub(crate) fn write(format: Format, header: &[String], rows: &[Vec<String>]) -> Result<Vec<u8>, Failure> {
    match format {
        Format::Csv { encoding, crlf } => {
            let end = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
            let mut writer = ::csv::WriterBuilder::new().terminator(end).from_writer(Vec::new());
            for row in std::iter::once(header).chain(rows.iter().map(Vec::as_slice)) {
                let row = row.iter().map(|text| guarded(text));
                writer.write_record(row).map_err(Failure::inconsistent)?;
            }
            let text = writer.into_inner().map_err(Failure::inconsistent)?;
            let mut octets = encoding.mark().to_vec();
            if encoding.is_gb18030() {
                let text = String::from_utf8(text).map_err(Failure::inconsistent)?;
                octets.extend_from_slice(&GB18030.encode(&text).0);
            } else {
                octets.extend_from_slice(&text);
            }
            Ok(octets)
        }
        Format::Xlsx => {
            let mut book = Workbook::new();
            let sheet = book.add_worksheet();
            for (row, cells) in (0..).zip(std::iter::once(header).chain(rows.iter().map(Vec::as_slice))) {
                for (column, text) in (0..).zip(cells) {
                    sheet.write_string(row, column, guarded(text)).map_err(Failure::inconsistent)?;
                }
            }
            book.save_to_buffer().map_err(Failure::inconsistent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_guarded() {
        for text in ["=1+1", "+1", "-1", "-1+2.00", "-1.0", "-.00", "-1.00.00", "@x", "-1,00"] {
            assert_eq!(guarded(text), format!("'{text}"), "{text}");
        }
        for text in ["-150.00", "150.00", "单位", "R-1"] {
            assert_eq!(guarded(text), text);
        }
    }
}

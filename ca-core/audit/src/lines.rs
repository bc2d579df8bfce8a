//! Lines of bounded length, so that no export makes the auditor's machine run out of memory.

use std::io::{self, BufRead, Read};

/// The longest line that is read, in octets, without its end.
pub const LINE_OCTETS: usize = 16 << 20;

/// One line of an export.
pub(crate) enum Line<'a> {
    /// Without its end.
    Text(&'a [u8]),
    /// Longer than [`LINE_OCTETS`]; skipped to its end.
    TooLong,
}

/// Reads line by line and counts from 1.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0 }
    }

    /// The next line and its number.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Line<'_>)>> {
        self.buffer.clear();
        let limit = u64::try_from(LINE_OCTETS + 1).unwrap_or(u64::MAX);
        if self.reader.by_ref().take(limit).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() > LINE_OCTETS {
            self.skip()?;
            return Ok(Some((self.number, Line::TooLong)));
        }
        Ok(Some((self.number, Line::Text(&self.buffer))))
    }

    fn skip(&mut self) -> io::Result<()> {
        loop {
            let ahead = self.reader.fill_buf()?;
            let (used, ended) = match ahead.iter().position(|octet| *octet == b'\n') {
                Some(end) => (end + 1, true),
                None => (ahead.len(), ahead.is_empty()),
            };
            self.reader.consume(used);
            if ended {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(text: &[u8]) -> Vec<(u64, Option<usize>)> {
        let mut lines = Lines::new(io::BufReader::with_capacity(100, text));
        let mut lengths = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            lengths.push((
                number,
                match line {
                    Line::Text(text) => Some(text.len()),
                    Line::TooLong => None,
                },
            ));
        }
        lengths
    }

    #[test]
    fn a_line_over_the_limit_is_skipped_to_its_end() {
        let line = |length| [vec![b'x'; length], vec![b'\n']].concat();
        let text = [line(LINE_OCTETS), line(LINE_OCTETS + 1), line(5 * LINE_OCTETS), line(3), b"xy".to_vec()]
            .concat();
        assert_eq!(
            lengths(&text),
            [(1, Some(LINE_OCTETS)), (2, None), (3, None), (4, Some(3)), (5, Some(2))]
        );
        assert_eq!(lengths(&vec![b'x'; LINE_OCTETS + 1]), [(1, None)]);
        assert_eq!(lengths(b""), []);
    }
}

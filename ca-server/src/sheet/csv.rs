//! CSV, read as it streams in: UTF-8, or else GB18030; with the line of the first octet that is neither.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, GB18030, UTF_8};
use ring::digest::{Context, SHA256};

use super::{Cell, Format, Limits, Line, too_large};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
};

const CHUNK: usize = 64 * 1024;
/// A quotation mark that is never closed would take the rest of the file as one cell.
const RECORD_MAX: usize = 1024 * 1024;
const UTF8_BOM: &[u8] = &[0xef, 0xbb, 0xbf];
const GB18030_BOM: &[u8] = &[0x84, 0x31, 0x95, 0x33];

/// How characters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf8Bom,
    Gb18030,
    Gb18030Bom,
}

impl Encoding {
    const ALL: [Self; 4] = [Self::Utf8, Self::Utf8Bom, Self::Gb18030, Self::Gb18030Bom];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf8Bom => "utf-8-bom",
            Self::Gb18030 => "gb18030",
            Self::Gb18030Bom => "gb18030-bom",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.name() == name)
    }

    pub(super) fn mark(self) -> &'static [u8] {
        match self {
            Self::Utf8Bom => UTF8_BOM,
            Self::Gb18030Bom => GB18030_BOM,
            Self::Utf8 | Self::Gb18030 => &[],
        }
    }

    pub(super) fn is_gb18030(self) -> bool {
        matches!(self, Self::Gb18030 | Self::Gb18030Bom)
    }
}

/// What a first reading says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) sha256: [u8; 32],
    pub(crate) octets: u64,
    encoding: Encoding,
    crlf: bool,
}

impl Scanned {
    pub(crate) fn format(&self) -> Format {
        Format::Csv { encoding: self.encoding, crlf: self.crlf }
    }
}

/// Reads a file once, for its digest and its encoding. Holds one chunk of it.
pub(crate) fn scan(mut reader: impl Read) -> Result<Scanned, Problem> {
    let mut digest = Context::new(&SHA256);
    let mut utf8 = UTF_8.new_decoder_without_bom_handling();
    let mut sink = vec![0; CHUNK * 3 + 16];
    let (mut chunk, mut first) = (vec![0; CHUNK], true);
    let (mut is_utf8, mut start, mut octets, mut crlf) = (true, Encoding::Utf8, 0_u64, None);
    loop {
        let count = fill(&mut reader, &mut chunk).map_err(Failure::Io)?;
        let part = chunk.get(..count).unwrap_or_default();
        digest.update(part);
        octets += u64::try_from(count).unwrap_or(u64::MAX);
        if std::mem::take(&mut first) {
            start = opening(part)?;
        }
        if part.contains(&0) {
            return Err(Problem::new(Rule::SheetForm));
        }
        crlf = crlf.or_else(|| {
            let end = part.iter().position(|octet| *octet == b'\n')?;
            Some(end > 0 && part.get(end - 1) == Some(&b'\r'))
        });
        let (result, ..) = utf8.decode_to_utf8_without_replacement(part, &mut sink, count < CHUNK);
        is_utf8 &= !matches!(result, DecoderResult::Malformed(..));
        if count < CHUNK {
            break;
        }
        if !is_utf8 {
            // A decoder that has met a malformed sequence is not asked again.
            utf8 = UTF_8.new_decoder_without_bom_handling();
        }
    }
    let encoding = if is_utf8 || start != Encoding::Utf8 { start } else { Encoding::Gb18030 };
    let sha256 = digest.finish().as_ref().try_into().unwrap_or_default();
    Ok(Scanned { sha256, octets, encoding, crlf: crlf.unwrap_or(true) })
}

/// What the first octets say.
fn opening(part: &[u8]) -> Result<Encoding, Problem> {
    if part.starts_with(&[0xff, 0xfe]) || part.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::new(Rule::SheetUtf16));
    }
    if part.starts_with(b"PK\x03\x04") {
        return Err(Problem::new(Rule::SheetForm));
    }
    let marked = [Encoding::Utf8Bom, Encoding::Gb18030Bom].into_iter();
    let mut marked = marked.filter(|encoding| part.starts_with(encoding.mark()));
    Ok(marked.next().unwrap_or(Encoding::Utf8))
}

fn fill(reader: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Why a stream of characters ended.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("line {0} cannot be decoded")]
    Undecodable(u64),
    #[error("a line is too long")]
    Endless,
    #[error("the file changed while it was read")]
    Changed,
}

/// The file's characters in UTF-8. Holds one chunk.
struct Decoded<R> {
    reader: R,
    decoder: Decoder,
    digest: Option<Context>,
    sha256: [u8; 32],
    chunk: Vec<u8>,
    mark: usize,
    /// What of the chunk is read and not decoded yet.
    from: usize,
    to: usize,
    ended: bool,
    finished: bool,
    newlines: u64,
    /// Octets given since the last line was complete.
    given: usize,
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.given > RECORD_MAX {
            return Err(io::Error::other(Broken::Endless));
        }
        while !self.finished {
            if self.from == self.to && !self.ended {
                self.refill()?;
            }
            let part = self.chunk.get(self.from..self.to).unwrap_or_default();
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(part, into, self.ended);
            let done = part.get(..read).unwrap_or_default();
            self.newlines += u64::try_from(done.iter().filter(|octet| **octet == b'\n').count()).unwrap_or(0);
            self.from += read;
            self.given += written;
            match result {
                DecoderResult::Malformed(..) => {
                    return Err(io::Error::other(Broken::Undecodable(self.newlines + 1)));
                }
                DecoderResult::InputEmpty => self.finished = self.ended,
                DecoderResult::OutputFull => return Ok(written),
            }
            if written > 0 {
                return Ok(written);
            }
        }
        Ok(0)
    }
}

impl<R: Read> Decoded<R> {
    fn refill(&mut self) -> io::Result<()> {
        let count = fill(&mut self.reader, &mut self.chunk)?;
        if let Some(digest) = &mut self.digest {
            digest.update(self.chunk.get(..count).unwrap_or_default());
        }
        (self.from, self.to) = (std::mem::take(&mut self.mark).min(count), count);
        if count < self.chunk.len() {
            self.ended = true;
            let digest = self.digest.take().map(Context::finish);
            if digest.is_some_and(|digest| digest.as_ref() != self.sha256) {
                return Err(io::Error::other(Broken::Changed));
            }
        }
        Ok(())
    }
}

/// The lines of a file, one at a time.
pub(crate) struct Lines<R> {
    reader: ::csv::Reader<Decoded<R>>,
    record: ::csv::StringRecord,
    limits: Limits,
    records: u32,
    lines: u32,
}

impl<R: Read> Lines<R> {
    /// Reads a scanned file again, from its beginning.
    pub(crate) fn new(reader: R, scanned: &Scanned, limits: Limits) -> Self {
        let encoding = if scanned.encoding.is_gb18030() { GB18030 } else { UTF_8 };
        let decoded = Decoded {
            reader,
            decoder: encoding.new_decoder_without_bom_handling(),
            digest: Some(Context::new(&SHA256)),
            sha256: scanned.sha256,
            chunk: vec![0; CHUNK],
            mark: scanned.encoding.mark().len(),
            from: 0,
            to: 0,
            ended: false,
            finished: false,
            newlines: 0,
            given: 0,
        };
        let reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(decoded);
        Self { reader, record: ::csv::StringRecord::new(), limits, records: 0, lines: 0 }
    }

    /// The first line.
    pub(crate) fn header(&mut self) -> Result<Vec<String>, Problem> {
        let line = self.record()?.ok_or_else(|| Problem::new(Rule::SheetEmpty))?;
        Ok(line.cells.into_iter().map(|cell| cell.text).collect())
    }

    /// The next line that is not empty.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, Problem> {
        while let Some(line) = self.record()? {
            if line.cells.iter().all(|cell| cell.text.trim().is_empty()) {
                continue;
            }
            self.lines += 1;
            if self.lines > self.limits.lines {
                return Err(too_large("行数 (lines)", self.limits.lines));
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    fn record(&mut self) -> Result<Option<Line>, Problem> {
        self.reader.get_mut().given = 0;
        if !self.reader.read_record(&mut self.record).map_err(problem)? {
            return Ok(None);
        }
        self.records += 1;
        // Where line ends are single carriage returns, only records can be counted.
        let line =
            self.record.position().map_or(0, |position| u32::try_from(position.line()).unwrap_or(u32::MAX));
        if self.record.len() > self.limits.columns {
            return Err(too_large("列数 (columns)", self.limits.columns));
        }
        if self.record.iter().any(|cell| cell.chars().count() > self.limits.cell) {
            return Err(too_large("单元格字数 (characters of a cell)", self.limits.cell));
        }
        let cells = self.record.iter().map(Cell::text).collect();
        Ok(Some(Line { number: line.max(self.records), cells }))
    }
}

fn problem(error: ::csv::Error) -> Problem {
    let ::csv::ErrorKind::Io(error) = error.into_kind() else { return Problem::new(Rule::SheetForm) };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()) {
        Some(Broken::Undecodable(line)) => Problem::new(Rule::SheetEncoding).with("line", line),
        Some(Broken::Endless) => too_large("一行的字节数 (octets of a line)", RECORD_MAX),
        Some(Broken::Changed) => Problem::new(Rule::SheetChanged),
        None => Failure::Io(error).into(),
    }
}

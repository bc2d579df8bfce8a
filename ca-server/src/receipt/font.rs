//! The font of receipts: glyphs, widths, lines. A character without a glyph is refused and never drawn as a box.

use std::{path::Path, sync::Arc};

use krilla::text::{Font, GlyphId, KrillaGlyph};
use skrifa::{
    FontRef, MetadataProvider, charmap::Charmap, instance::LocationRef, instance::Size, metrics::GlyphMetrics,
};

use crate::{problem::Problem, rule::Rule};

/// The largest Chinese fonts have 30 MB.
const FILE_MAX: u64 = 128 * 1024 * 1024;
/// What must not begin a line: it stays with what it closes.
const CLOSING: &str = "，。、；：！？）》」』】”’";

/// A font that can be drawn with.
pub(crate) struct ReceiptFont {
    octets: Arc<Vec<u8>>,
    index: u32,
    font: Font,
}

impl ReceiptFont {
    /// Reads a TrueType or OpenType font; of a collection, the one at `index`.
    ///
    /// # Errors
    /// [`Rule::ReceiptFont`].
    pub(crate) fn load(file: &Path, index: u32) -> Result<Self, Problem> {
        let refuse = |detail: String| {
            let detail = format!("{}: {detail}", file.display());
            Problem::new(Rule::ReceiptFont).with("detail", detail)
        };
        let size = std::fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
        if size > FILE_MAX {
            return Err(refuse(format!("larger than {FILE_MAX} octets")));
        }
        let octets = std::fs::read(file).map_err(|error| refuse(error.to_string()))?;
        Self::parse(octets, index).ok_or_else(|| refuse(format!("no font at index {index}")))
    }

    fn parse(octets: Vec<u8>, index: u32) -> Option<Self> {
        let octets = Arc::new(octets);
        FontRef::from_index(&octets, index).ok()?;
        let font = Font::new(Arc::clone(&octets).into(), index)?;
        Some(Self { octets, index, font })
    }

    /// The same, ready to look glyphs up.
    ///
    /// # Errors
    /// [`Rule::ReceiptFont`] when its tables cannot be read.
    pub(super) fn face(&self) -> Result<Face<'_>, Problem> {
        let refuse = || Problem::new(Rule::ReceiptFont).with("detail", "the font's tables cannot be read");
        let font = FontRef::from_index(&self.octets, self.index).map_err(|_| refuse())?;
        let units = self.font.units_per_em();
        if units <= 0.0 {
            return Err(refuse());
        }
        let metrics = font.glyph_metrics(Size::unscaled(), LocationRef::default());
        Ok(Face { font: self.font.clone(), charmap: font.charmap(), metrics, units })
    }
}

/// A font's glyphs and their widths.
pub(super) struct Face<'a> {
    pub(super) font: Font,
    charmap: Charmap<'a>,
    metrics: GlyphMetrics<'a>,
    units: f32,
}

impl Face<'_> {
    /// One glyph a character, side by side. Chinese and English need nothing else; scripts that join or reorder their
    /// letters do, and names in them are not in unit names here.
    ///
    /// # Errors
    /// [`Rule::ReceiptGlyph`] with the first character that the font has not.
    pub(super) fn glyphs(&self, text: &str) -> Result<Vec<KrillaGlyph>, Problem> {
        text.char_indices()
            .map(|(start, character)| {
                let (id, advance) = self.glyph(character)?;
                let range = start..start + character.len_utf8();
                Ok(KrillaGlyph::new(id, advance, 0.0, 0.0, 0.0, range, None))
            })
            .collect()
    }

    fn glyph(&self, character: char) -> Result<(GlyphId, f32), Problem> {
        let found = self.charmap.map(character).filter(|id| id.to_u32() != 0 && !character.is_control());
        let sized = found.and_then(|id| Some((id, self.metrics.advance_width(id)?)));
        let (id, advance) = sized.ok_or_else(|| {
            let code_point = format!("U+{:04X}", u32::from(character));
            // What cannot be seen would not be seen in the message either.
            let shown = if character.is_control() { '\u{fffd}' } else { character };
            Problem::new(Rule::ReceiptGlyph).with("character", shown).with("code_point", code_point)
        })?;
        Ok((GlyphId::new(id.to_u32()), advance / self.units))
    }

    /// Width in points.
    ///
    /// # Errors
    /// [`Rule::ReceiptGlyph`].
    pub(super) fn width(&self, text: &str, size: f32) -> Result<f32, Problem> {
        text.chars().map(|character| Ok(self.glyph(character)?.1 * size)).sum()
    }

    /// Lines that are at most `most` points wide: broken between Chinese characters and between words, and inside a word
    /// only where it is too long for any line.
    ///
    /// # Errors
    /// [`Rule::ReceiptGlyph`].
    pub(super) fn wrap(&self, text: &str, size: f32, most: f32) -> Result<Vec<String>, Problem> {
        let (mut lines, mut line, mut used) = (Vec::new(), String::new(), 0.0);
        for piece in pieces(text) {
            let width = self.width(piece, size)?;
            if used + width <= most {
                line.push_str(piece);
                used += width;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            used = 0.0;
            for character in piece.trim_start().chars() {
                let width = self.glyph(character)?.1 * size;
                if used + width > most && !line.is_empty() {
                    lines.push(std::mem::take(&mut line));
                    used = 0.0;
                }
                line.push(character);
                used += width;
            }
        }
        if !line.is_empty() || lines.is_empty() {
            lines.push(line);
        }
        Ok(lines)
    }
}

/// What a line is not broken inside of: a word, a space, or a Chinese character with what closes after it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut before) = (0, None);
    for (at, character) in text.char_indices() {
        let joins = match before {
            None => true,
            Some(before) => {
                let word = |c: char| c.is_ascii() && c != ' ';
                (word(before) && word(character)) || CLOSING.contains(character)
            }
        };
        if !joins {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(character);
    }
    if start < text.len() {
        pieces.push(&text[start..]);
    }
    pieces
}

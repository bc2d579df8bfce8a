//! From marks to PDF/A-2u (ISO 19005-2), which can be kept for as long as accounts must be: fonts embedded, text with its
//! characters, colours that depend on no device.

use jiff::civil::Date;
use krilla::{
    Document, SerializeSettings,
    color::rgb,
    configure::{Archival, ConfigurationBuilder},
    geom::{PathBuilder, Point, Rect},
    metadata::{DateTime, Metadata},
    page::PageSettings,
    paint::{Fill, Stroke},
    surface::Surface,
};
use qrcode::{Color, EcLevel, QrCode};

use super::{
    PinSlip, Receipt, ReceiptFont,
    font::Face,
    layout::{HEIGHT, Ink, Mark, Page, WIDTH, pages},
    slip::page,
};
use crate::problem::{Failure, Problem};

/// Light modules around a QR code (ISO/IEC 18004 §5.3.8).
const QUIET: u16 = 4;

/// The receipt as PDF.
///
/// # Errors
/// `Rule::ReceiptGlyph` for a character that the font has not; an amount past what capitals can write; an address that
/// is too long for a QR code.
pub(crate) fn pdf(receipt: &Receipt, font: &ReceiptFont) -> Result<Vec<u8>, Problem> {
    let face = font.face()?;
    let qr = QrCode::with_error_correction_level(&receipt.url, EcLevel::M)
        .map_err(|error| Failure::inconsistent(format!("QR code of a receipt: {error}")))?;
    render(pages(receipt, &face)?, &face, &qr, metadata(receipt))
}

/// The slip with a token's first PIN as PDF, of the same kind.
///
/// # Errors
/// `Rule::ReceiptGlyph` for a character that the font has not.
pub(crate) fn slip_pdf(slip: &PinSlip, font: &ReceiptFont) -> Result<Vec<u8>, Problem> {
    let face = font.face()?;
    // No page is opened with it: what stands in it is the token's serial number, for whoever packs slips and tokens.
    let qr = QrCode::with_error_correction_level(&slip.token, EcLevel::M)
        .map_err(|error| Failure::inconsistent(format!("QR code of a slip: {error}")))?;
    let metadata = Metadata::new()
        .title(format!("口令信封 PIN slip {}", slip.number))
        .authors(vec![slip.issuer.clone()])
        .language("zh-CN".to_owned())
        .document_id(slip.number.clone())
        .creation_date(date(slip.day));
    render(vec![page(slip, &face)?], &face, &qr, metadata)
}

fn render(pages: Vec<Page>, face: &Face<'_>, qr: &QrCode, metadata: Metadata) -> Result<Vec<u8>, Problem> {
    let configuration = ConfigurationBuilder::new().with_archival_validator(Archival::A2_U).finish();
    let configuration = configuration.map_err(|error| Failure::inconsistent(format!("{error:?}")))?;
    let mut document =
        Document::new_with(SerializeSettings { configuration, ..SerializeSettings::default() });
    document.set_metadata(metadata);
    for marks in pages {
        let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| Failure::inconsistent("page size"))?;
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        for mark in marks {
            draw(&mut surface, face, qr, mark)?;
        }
        surface.finish();
        page.finish();
    }
    document.finish().map_err(|error| Failure::inconsistent(format!("PDF of a receipt: {error:?}")).into())
}

/// Nothing of the moment at which the file is made: the same receipt is the same file.
fn metadata(receipt: &Receipt) -> Metadata {
    Metadata::new()
        .title(format!("收据 Receipt {}", receipt.number))
        .authors(vec![receipt.issuer.clone()])
        .language("zh-CN".to_owned())
        .document_id(receipt.number.clone())
        .creation_date(date(receipt.day))
}

fn date(day: Date) -> DateTime {
    let part = |value: i8| u8::try_from(value).unwrap_or(1);
    let year = DateTime::new(u16::try_from(day.year()).unwrap_or_default());
    year.month(part(day.month())).day(part(day.day()))
}

fn colour(ink: Ink) -> rgb::Color {
    match ink {
        Ink::Text => rgb::Color::new(0x1f, 0x29, 0x33),
        Ink::Quiet => rgb::Color::new(0x5f, 0x6b, 0x7a),
        Ink::Accent => rgb::Color::new(0x0f, 0x4c, 0x5c),
        Ink::Line => rgb::Color::new(0xcb, 0xd2, 0xd9),
        Ink::Ground => rgb::Color::new(0xee, 0xf3, 0xf5),
    }
}

fn fill(surface: &mut Surface<'_>, ink: Ink) {
    surface.set_fill(Some(Fill { paint: colour(ink).into(), ..Fill::default() }));
    surface.set_stroke(None);
}

fn draw(surface: &mut Surface<'_>, face: &Face<'_>, qr: &QrCode, mark: Mark) -> Result<(), Problem> {
    match mark {
        Mark::Area { x, y, width, height, ink } => {
            fill(surface, ink);
            let mut path = PathBuilder::new();
            if let Some(rect) = Rect::from_xywh(x, y, width, height) {
                path.push_rect(rect);
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Mark::Text { x, y, size, ink, strong, text } => {
            fill(surface, ink);
            if strong {
                // The font has one weight: its outline makes the other.
                let stroke = Stroke { paint: colour(ink).into(), width: size / 36.0, ..Stroke::default() };
                surface.set_stroke(Some(stroke));
            }
            let glyphs = face.glyphs(&text)?;
            surface.draw_glyphs(Point::from_xy(x, y), &glyphs, face.font.clone(), &text, size, false);
        }
        Mark::Qr { x, y, side } => draw_qr(surface, qr, (x, y), side),
    }
    Ok(())
}

/// All dark modules as one path, runs of a row as one rectangle, so that no viewer shows seams inside a row.
fn draw_qr(surface: &mut Surface<'_>, qr: &QrCode, (x, y): (f32, f32), side: f32) {
    surface.set_fill(Some(Fill { paint: rgb::Color::black().into(), ..Fill::default() }));
    surface.set_stroke(None);
    let width = qr.width();
    let modules = u16::try_from(width).unwrap_or(u16::MAX);
    let module = side / f32::from(modules.saturating_add(2 * QUIET));
    let mut path = PathBuilder::new();
    for (row, colours) in (QUIET..).zip(qr.to_colors().chunks(width.max(1))) {
        let mut column = QUIET;
        for run in colours.chunk_by(|one, next| one == next) {
            let length = u16::try_from(run.len()).unwrap_or(u16::MAX);
            if run.first() == Some(&Color::Dark) {
                let (left, top) = (x + f32::from(column) * module, y + f32::from(row) * module);
                let rect = Rect::from_xywh(left, top, f32::from(length) * module, module);
                rect.into_iter().for_each(|rect| path.push_rect(rect));
            }
            column = column.saturating_add(length);
        }
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

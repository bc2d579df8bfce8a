//! Receipts are read back by other people's programs: poppler for text, fonts and pixels, rqrr for the QR code.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
};

use super::*;
use crate::{config::Receipts, problem::Problem, rule::Rule};

const ROOT: &str = "BA78 16BF 8F01 CFEA 4141 40DE 5DAE 2223 B003 61A3 9617 7A9C B410 FF61 F200 15AD";
const URL: &str = "https://ca.example.org/receipts/00112233445566778899aabbccddeeff";

static FONT: LazyLock<ReceiptFont> = LazyLock::new(|| {
    let settings = Receipts::default();
    ReceiptFont::load(&settings.font, settings.font_index).unwrap()
});

fn line(quantity: u32, price: i64) -> ReceiptLine {
    ReceiptLine {
        zh: "新办证书：证书（含电子签章）服务费，每年".to_owned(),
        en: "New certificate: Certificate with electronic seal, a year".to_owned(),
        quantity,
        price: Fen::new(price),
        amount: Fen::new(price * i64::from(quantity)),
    }
}

fn receipt() -> Receipt {
    let token = ReceiptLine {
        zh: "新办证书：U-key".to_owned(),
        en: "New certificate: U-key".to_owned(),
        ..line(1, 5_000)
    };
    Receipt {
        issuer: "签印电子认证服务有限公司".to_owned(),
        number: "019e7ac01f2b5d6e7f8091a2b3c4d5e6".to_owned(),
        reference: "NJ-2026-000123".to_owned(),
        day: "2026-11-26".parse().unwrap(),
        payer: Some("南京梧桐树下信息技术有限公司".to_owned()),
        lines: vec![token, line(1, 15_000)],
        order: Some(ReceiptOrder {
            id: "019e7ac01f2b00112233445566778899".to_owned(),
            tariff: "2026-1".to_owned(),
            total: Fen::new(20_000),
            waived: Fen::ZERO,
        }),
        amount: Fen::new(20_000),
        method: PaymentMethod::Cash,
        cashier: Some("019e7ac0aabbccddeeff001122334455".to_owned()),
        counter: Some("jiangning".to_owned()),
        code: "00112233445566778899aabbccddeeff".to_owned(),
        url: URL.to_owned(),
        root: ROOT.to_owned(),
    }
}

fn made(receipt: &Receipt) -> Vec<u8> {
    pdf(receipt, &FONT).unwrap()
}

/// Runs one of poppler's programs over the file.
fn poppler(program: &str, arguments: &[&str], pdf: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let octets = pdf.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&octets));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn text(pdf: &[u8]) -> String {
    String::from_utf8(poppler("pdftotext", &["-layout", "-", "-"], pdf)).unwrap()
}

fn squeezed(pdf: &[u8]) -> String {
    text(pdf).split_whitespace().collect()
}

/// What a camera sees of a page: PGM is width, height and one octet a pixel.
fn decoded(pdf: &[u8], page: usize) -> Vec<String> {
    let page = page.to_string();
    let pgm = poppler("pdftoppm", &["-gray", "-r", "150", "-f", &page, "-l", &page, "-"], pdf);
    let mut parts = pgm.splitn(4, |octet| *octet == b'\n');
    assert_eq!(parts.next(), Some(&b"P5"[..]));
    let size = std::str::from_utf8(parts.next().unwrap()).unwrap().to_owned();
    let size: Vec<usize> = size.split(' ').map(|number| number.parse().unwrap()).collect();
    let pixels = parts.nth(1).unwrap();
    let mut image =
        rqrr::PreparedImage::prepare_from_greyscale(size[0], size[1], |x, y| pixels[y * size[0] + x]);
    image.detect_grids().iter().map(|grid| grid.decode().unwrap().1).collect()
}

fn refused(receipt: &Receipt) -> Problem {
    pdf(receipt, &FONT).unwrap_err()
}

#[test]
fn everything_is_read_back() {
    let pdf = made(&receipt());
    let text = text(&pdf);
    for part in [
        "收据",
        "Receipt",
        "签印电子认证服务有限公司",
        "019e7ac01f2b5d6e7f8091a2b3c4d5e6",
        "2026-11-26",
        "NJ-2026-000123",
        "南京梧桐树下信息技术有限公司",
        "新办证书：U-key",
        "证书（含电子签章）服务费，每年",
        "Certificate with electronic seal, a year",
        "¥50.00",
        "¥150.00",
        "¥200.00",
        "贰佰元整",
        "现金 Cash",
        "jiangning",
        "019e7ac0aabbccddeeff001122334455",
        "019e7ac01f2b00112233445566778899",
        "2026-1",
        "00112233445566778899aabbccddeeff",
        URL,
        ROOT,
        "第 1 页，共 1 页",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // Nothing differs from the sum of the lines, so there is nothing to explain.
    assert!(!text.contains("订单合计") && !text.contains("减免"), "{text}");
    assert_eq!(decoded(&pdf, 1), [URL]);
}

#[test]
fn the_font_is_an_embedded_subset_and_the_file_is_small() {
    let pdf = made(&receipt());
    let fonts = String::from_utf8(poppler("pdffonts", &["-"], &pdf)).unwrap();
    let fonts: Vec<Vec<&str>> = fonts.lines().skip(2).map(|line| line.split_whitespace().collect()).collect();
    assert!(!fonts.is_empty());
    for font in &fonts {
        // … emb sub uni object ID
        assert_eq!(font[font.len() - 5..font.len() - 2], ["yes", "yes", "yes"], "{font:?}");
        assert!(font[0].contains("WenQuanYi"), "{font:?}");
    }
    assert!(pdf.len() < 60_000, "{}", pdf.len());
    assert!(String::from_utf8_lossy(&pdf).contains("pdfaid:part"), "PDF/A");
}

#[test]
fn the_same_receipt_is_the_same_file() {
    assert_eq!(made(&receipt()), made(&receipt()));
    let other = Receipt { amount: Fen::new(20_001), ..receipt() };
    assert_ne!(made(&receipt()), made(&other));
}

#[test]
fn what_differs_from_the_lines_is_explained() {
    let mut part = Receipt { amount: Fen::new(7_005), ..receipt() };
    part.order.as_mut().unwrap().waived = Fen::new(1_000);
    let shown = squeezed(&made(&part));
    for part in ["订单合计Ordertotal¥200.00", "减免Waived-¥10.00", "¥70.05", "柒拾元零伍分"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let bare =
        Receipt { payer: None, lines: Vec::new(), order: None, cashier: None, counter: None, ..receipt() };
    let shown = squeezed(&made(&bare));
    assert!(shown.contains("预收款") && shown.contains("待确认"), "{shown}");
}

#[test]
fn a_character_without_a_glyph_is_refused_by_name() {
    for (payer, character, code_point) in [
        ("上海𠮷野贸易有限公司", "𠮷", "U+20BB7"),
        ("a\u{7}b", "\u{fffd}", "U+0007"),
        ("葛\u{e0100}", "\u{e0100}", "U+E0100"),
    ] {
        let problem = refused(&Receipt { payer: Some(payer.to_owned()), ..receipt() });
        assert_eq!(problem.rule, Rule::ReceiptGlyph);
        let facts = [("character", character.to_owned()), ("code_point", code_point.to_owned())];
        assert_eq!(problem.facts(), facts);
    }
    let mut lines = receipt().lines;
    lines[0].en.push('𠮷');
    assert_eq!(refused(&Receipt { lines, ..receipt() }).rule, Rule::ReceiptGlyph);
}

#[test]
fn what_cannot_be_written_is_refused() {
    for fen in [-1, 100_000_000_000_000] {
        pdf(&Receipt { amount: Fen::new(fen), ..receipt() }, &FONT).unwrap_err();
    }
    pdf(&Receipt { url: "x".repeat(5_000), ..receipt() }, &FONT).unwrap_err();
    for file in ["/nowhere/font.ttf", "/etc/hostname", "/"] {
        let problem = ReceiptFont::load(Path::new(file), 0).err().unwrap();
        assert_eq!(problem.rule, Rule::ReceiptFont, "{file}");
        assert!(problem.facts()[0].1.starts_with(file), "{problem}");
    }
    assert!(ReceiptFont::load(&Receipts::default().font, 9).is_err());
}

#[test]
fn long_names_wrap() {
    let name: String = "南京市江宁区人力资源和社会保障服务中心".chars().cycle().take(100).collect();
    let latin = format!("{} Co., Ltd.", "Wutong".repeat(15));
    for payer in [name, latin] {
        let pdf = made(&Receipt { payer: Some(payer.clone()), issuer: payer.clone(), ..receipt() });
        let shown = squeezed(&pdf);
        let payer: String = payer.split_whitespace().collect();
        assert!(shown.contains(&payer), "{payer}: {shown}");
        assert_eq!(decoded(&pdf, 1), [URL]);
    }
}

#[test]
fn two_hundred_lines_take_several_pages() {
    let lines: Vec<_> = (1..=200).map(|number| line(number, 15_000)).collect();
    let pdf = made(&Receipt { lines, ..receipt() });
    let pages = text(&pdf);
    let pages: Vec<&str> = pages.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(pages.len() > 10, "{}", pages.len());
    let mut rows = 0;
    for (index, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("第 {} 页，共 {} 页", index + 1, pages.len())), "{page}");
        assert!(page.contains("019e7ac01f2b5d6e7f8091a2b3c4d5e6"), "{page}");
        rows += page.matches("服务费").count();
        assert_eq!(page.contains("大写 In words"), index + 1 == pages.len());
    }
    assert_eq!(rows, 200);
    assert_eq!(decoded(&pdf, pages.len()), [URL]);
    assert!(decoded(&pdf, 1).is_empty());
}

#[test]
fn nothing_stands_outside_the_page_or_on_other_text() {
    let face = FONT.face().unwrap();
    let lines: Vec<_> = (0..23).map(|_| line(60_000, 99_999_999)).collect();
    let long: String = "长".repeat(100);
    let wide = Receipt {
        lines,
        payer: Some(long.clone()),
        issuer: long,
        reference: "R".repeat(64),
        counter: Some("c".repeat(64)),
        amount: Fen::new(99_999_999_999_999),
        url: format!("https://{}", "a".repeat(160)),
        ..receipt()
    };
    for receipt in [receipt(), wide] {
        for page in layout::pages(&receipt, &face).unwrap() {
            let mut boxes: Vec<[f32; 4]> = Vec::new();
            for mark in page {
                if let layout::Mark::Text { x, y, size, text, .. } = mark {
                    let (left, right) = (x, x + face.width(&text, size).unwrap());
                    assert!(left >= 30.0 && right <= layout::WIDTH - 30.0, "{text}");
                    assert!(y - size >= 10.0 && y <= layout::HEIGHT - 10.0, "{text}");
                    // The height of capitals and of Chinese characters, without the space between lines.
                    let own = [left, y - size * 0.8, right, y + size * 0.1];
                    for other in &boxes {
                        let apart = own[2] <= other[0]
                            || other[2] <= own[0]
                            || own[3] <= other[1]
                            || other[3] <= own[1];
                        assert!(apart, "{text}: {own:?} {other:?}");
                    }
                    boxes.push(own);
                }
            }
        }
    }
}

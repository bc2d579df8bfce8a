//! Tables as people and their programs really send them; and octets that nobody meant.

use encoding_rs::GB18030;
use proptest::prelude::*;
use rust_xlsxwriter::{Format as Style, Formula, Workbook, Worksheet};

use super::{cell::starts_formula, *};
use crate::problem::Problem;

const LIMITS: Limits = Limits { lines: 3, columns: 4, cell: 20 };
const COLUMNS: [Column; 2] = [
    Column { label: "单位名称 (name)", names: &["单位名称", "name"], needed: true },
    Column { label: "年限 (years)", names: &["年限", "years"], needed: false },
];

fn refused(octets: &[u8], xlsx: bool) -> (&'static str, Vec<(&'static str, String)>) {
    let problem = read(octets, xlsx, LIMITS).unwrap_err();
    (problem.rule.name(), problem.facts().to_vec())
}

fn texts(sheet: &Sheet) -> Vec<(u32, Vec<&str>)> {
    fn cells(line: &Line) -> Vec<&str> {
        line.cells.iter().map(|cell| cell.text.as_str()).collect()
    }
    sheet.lines.iter().map(|line| (line.number, cells(line))).collect()
}

fn workbook(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut book = Workbook::new();
    fill(book.add_worksheet());
    book.save_to_buffer().unwrap()
}

#[test]
fn every_encoding_is_found_and_written_back_octet_for_octet() {
    let text = "单位名称,年限\r\n南京签印科技有限公司,2\r\n\"北京,分公司\",3\r\n";
    let gb = GB18030.encode(text).0.into_owned();
    let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
    for (octets, name) in [
        (text.as_bytes().to_vec(), "csv:utf-8:crlf"),
        (marked(&[0xef, 0xbb, 0xbf], text.as_bytes()), "csv:utf-8-bom:crlf"),
        (gb.clone(), "csv:gb18030:crlf"),
        (marked(&[0x84, 0x31, 0x95, 0x33], &gb), "csv:gb18030-bom:crlf"),
        (text.replace("\r\n", "\n").into_bytes(), "csv:utf-8:lf"),
    ] {
        let sheet = read(&octets, false, LIMITS).unwrap();
        assert_eq!(sheet.format.to_string(), name);
        assert_eq!(name.parse(), Ok(sheet.format));
        assert_eq!(sheet.header, ["单位名称", "年限"]);
        let found = texts(&sheet);
        assert_eq!(found, [(2, vec!["南京签印科技有限公司", "2"]), (3, vec!["北京,分公司", "3"])], "{name}");
        let rows: Vec<Vec<String>> =
            found.iter().map(|(_, row)| row.iter().map(|text| (*text).to_owned()).collect()).collect();
        assert_eq!(write(sheet.format, &sheet.header, &rows).unwrap(), octets, "{name}");
    }
    assert_eq!("csv:utf-8".parse::<Format>(), Err(()));
}

#[test]
fn octets_that_are_no_characters_are_refused_with_their_line() {
    let mut octets = GB18030.encode("单位名称\n南京\n").0.into_owned();
    octets.extend_from_slice(b"\xb9\xab\xff\xff\n");
    assert_eq!(refused(&octets, false), ("sheet.encoding", vec![("line", "3".to_owned())]));
    // A mark says what is meant: after it nothing else is guessed.
    assert_eq!(refused(b"\xef\xbb\xbfname\n\xc4\xcf\n", false).0, "sheet.encoding");
    assert_eq!(refused(b"\xff\xfen\0a\0", false).0, "sheet.utf-16");
    assert_eq!(refused(b"n\0a\0", false).0, "sheet.form");
    assert_eq!(refused(b"", false).0, "sheet.empty");
}

#[test]
fn a_character_across_two_chunks_is_one() {
    let filler = "x".repeat(15);
    for shift in 0..4 {
        let mut text = format!("name\n{}", "y".repeat(shift));
        while text.len() < 200_000 {
            text.push_str(&filler);
            text.push_str("南\n");
        }
        for octets in [text.clone().into_bytes(), GB18030.encode(&text).0.into_owned()] {
            let sheet = read(&octets, false, Limits { lines: 1_000_000, ..LIMITS }).unwrap();
            assert!(sheet.lines.iter().all(|line| line.cells[0].text.ends_with('南')));
        }
    }
}

#[test]
fn limits() {
    let fact = |what: &str, limit: u32| vec![("what", what.to_owned()), ("limit", limit.to_string())];
    assert_eq!(refused(b"name\n1\n2\n3\n4\n", false), ("sheet.too-large", fact("行数 (lines)", 3)));
    assert_eq!(refused(b"a,b,c,d,e\n", false), ("sheet.too-large", fact("列数 (columns)", 4)));
    assert_eq!(refused("name\n012345678901234567890\n".as_bytes(), false).0, "sheet.too-large");
    let endless = format!("name\n\"{}", "x".repeat(3 * 1024 * 1024));
    assert_eq!(
        refused(endless.as_bytes(), false),
        ("sheet.too-large", fact("一行的字节数 (octets of a line)", 1024 * 1024))
    );
    assert_eq!(texts(&read(b"name,x\n\n,\n1\n", false, LIMITS).unwrap()), [(4, vec!["1"])], "empty lines");
    assert_eq!(texts(&read(b"name\r1\r2\r", false, LIMITS).unwrap()), [(2, vec!["1"]), (3, vec!["2"])]);
}

#[test]
fn columns_stand_in_any_order_and_once() {
    let header = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let rule = |text| Places::of(&COLUMNS, &header(text)).map(|_| ()).map_err(|problem| problem.rule.name());
    assert_eq!(rule("年限,单位名称"), Ok(()));
    assert_eq!(rule(" Name "), Ok(()));
    assert_eq!(rule("name,单位名称"), Err("sheet.column-doubled"));
    assert_eq!(rule("name,备注"), Err("sheet.column-unknown"));
    assert_eq!(rule("years"), Err("sheet.column-missing"));
    let headless = Places::of(&COLUMNS, &header("11010519491231002X,2")).unwrap_err();
    assert_eq!(headless.facts()[0], ("column", "*****************X".to_owned()), "personal data");
    let places = Places::of(&COLUMNS, &header("years,name")).unwrap();
    let line =
        |cells: &[&str]| Line { number: 2, cells: cells.iter().map(|text| Cell::text(text)).collect() };
    assert_eq!(places.cell(&line(&["2", "甲"]), 0).unwrap().text, "甲");
    assert!(places.fits(&line(&["2", "甲", ""])).is_ok());
    for cells in [&["2"][..], &["2", "甲", "x"]] {
        assert_eq!(places.fits(&line(cells)).unwrap_err().rule.name(), "line.cells");
    }
}

#[test]
fn a_workbook_is_read_by_its_values() {
    let octets = workbook(|sheet| {
        sheet.write_row(0, 0, ["name", "years", "no"]).unwrap();
        sheet.write_string(1, 0, "南京").unwrap();
        sheet.write_number(1, 1, 12_345_678.0).unwrap();
        sheet.write_number(1, 2, 320_104_199_001_011_234.0).unwrap();
        let date = Style::new().set_num_format("yyyy-mm-dd");
        sheet.write_number_with_format(3, 2, 45_000.0, &date).unwrap();
    });
    let sheet = read(&octets, true, LIMITS).unwrap();
    assert_eq!((sheet.format, sheet.header.len()), (Format::Xlsx, 3));
    let found = texts(&sheet);
    assert_eq!(found[0], (2, vec!["南京", "12345678", "320104199001011260"]));
    assert_eq!(found[1].0, 4, "an empty row in between keeps its number");
    let kinds: Vec<Kind> = sheet.lines[0].cells.iter().map(|cell| cell.kind).collect();
    assert_eq!(kinds, [Kind::Text, Kind::Number, Kind::Imprecise]);
    assert_eq!(sheet.lines[1].cells[2].kind, Kind::Date);
}

#[test]
fn what_a_workbook_may_not_have() {
    let formula = workbook(|sheet| {
        sheet.write_string(0, 0, "name").unwrap();
        sheet.write_formula(1, 1, Formula::new("=1+1").set_result("2")).unwrap();
    });
    assert_eq!(refused(&formula, true), ("sheet.formula", vec![("cell", "B2".to_owned())]));
    let merged = workbook(|sheet| {
        sheet.merge_range(0, 0, 0, 2, "name", &Style::new()).unwrap();
    });
    assert_eq!(refused(&merged, true), ("sheet.merged", vec![("cells", "A1:C1".to_owned())]));
    let mut two = Workbook::new();
    two.add_worksheet().write_string(0, 0, "name").unwrap();
    two.add_worksheet().set_hidden(true);
    assert_eq!(
        refused(&two.save_to_buffer().unwrap(), true),
        ("sheet.count", vec![("found", "2".to_owned())])
    );
    let far = workbook(|sheet| {
        sheet.write_string(0, 0, "name").unwrap();
        sheet.write_string(1_048_575, 16_383, "x").unwrap();
    });
    assert_eq!(refused(&far, true).0, "sheet.too-large");
    assert_eq!(refused(&workbook(|_| {}), true).0, "sheet.empty");
    assert_eq!(refused(b"PK\x03\x04", true).0, "sheet.form");
    assert_eq!(refused(b"name\n", true).0, "sheet.form");
    assert_eq!(refused(&workbook(|_| {}), false).0, "sheet.form", "XLSX that says to be CSV");
}

#[test]
fn a_zip_bomb_is_not_unpacked() {
    use std::io::Write;
    let mut bomb = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    bomb.start_file("xl/worksheets/sheet1.xml", zip::write::SimpleFileOptions::default()).unwrap();
    let zeros = vec![b' '; 1024 * 1024];
    for _ in 0..40 {
        bomb.write_all(&zeros).unwrap();
    }
    let octets = bomb.finish().unwrap().into_inner();
    assert!(octets.len() < 100_000, "{}", octets.len());
    let (rule, facts) = refused(&octets, true);
    assert_eq!((rule, facts[0].1.as_str()), ("sheet.too-large", "解压后的字节数 (octets, unpacked)"));
}

fn findings(check: impl FnOnce(&mut Vec<Finding>)) -> Vec<(&'static str, bool)> {
    let mut found = Vec::new();
    check(&mut found);
    found.iter().map(|finding| (finding.problem.rule.name(), finding.review)).collect()
}

#[test]
fn codes_are_plain() {
    let of = |text: &str, kind| {
        findings(|found| {
            code(&Cell { text: text.to_owned(), kind }, "x", found);
        })
    };
    assert_eq!(of("32010001", Kind::Text), []);
    for (text, rule) in [
        ("", "cell.empty"),
        ("  ", "cell.empty"),
        (" 32010001", "cell.spaces"),
        ("32010001\u{a0}", "cell.spaces"),
        ("３２010001", "cell.full-width"),
        ("3201\u{200b}0001", "cell.hidden-character"),
        ("\u{202e}32010001", "cell.hidden-character"),
        ("=1+1", "cell.formula"),
    ] {
        assert_eq!(of(text, Kind::Text), [(rule, false)], "{text:?}");
    }
    assert_eq!(of("1", Kind::Imprecise), [("cell.precision", false)]);
    assert_eq!(of("1", Kind::Date), [("cell.date", false)]);
    let number = |text| {
        findings(|found| {
            years(&Cell::text(text), "x", found);
        })
    };
    assert_eq!(number("2"), []);
    for bad in ["two", "2.5", "99999999", "二"] {
        assert_eq!(number(bad), [("cell.number", false)], "{bad}");
    }
}

#[test]
fn names_that_look_like_others_are_for_review() {
    let of = |text: &str| {
        findings(|found| {
            name(&Cell::text(text), "x", found);
        })
    };
    for good in ["南京签印科技有限公司", "南京ABC（中国）有限公司", "A·B 公司", "3号店", "𠮷野家"]
    {
        assert_eq!(of(good), [], "{good}");
    }
    // Full-width, compatibility ideograph, Kangxi radical, Cyrillic and Greek letters, a letter of phonetics.
    for odd in [
        "南京ＡＢＣ公司",
        "\u{f90a}公司",
        "\u{2f26}公司",
        "南京\u{410}BC公司",
        "\u{391}BC公司",
        "\u{251}公司",
    ] {
        assert_eq!(of(odd), [("cell.look-alike", true)], "{odd}");
    }
    for bad in ["南京\u{202e}公司", "南京\u{200d}公司", "南\u{e0100}公司", "南京\n公司"] {
        assert_eq!(of(bad), [("cell.hidden-character", false)], "{bad:?}");
    }
    assert_eq!(of(&"南".repeat(101)), [("cell.name", false)]);
    assert_eq!(of("@南京"), [("cell.formula", false)]);
}

#[test]
fn nothing_that_goes_back_is_a_formula() {
    let row = vec![
        "=HYPERLINK(1)".to_owned(),
        "+1".to_owned(),
        "-1".to_owned(),
        "@x".to_owned(),
        "南京".to_owned(),
    ];
    let header = row.clone();
    let csv =
        write(Format::Csv { encoding: Encoding::Utf8, crlf: false }, &header, std::slice::from_ref(&row))
            .unwrap();
    let sheet = String::from_utf8(csv.clone()).unwrap();
    assert!(sheet.split([',', '\n']).all(|cell| !starts_formula(cell)), "{sheet}");
    let wide = Limits { columns: 5, ..LIMITS };
    let again = read(&csv, false, wide).unwrap();
    assert_eq!(
        again.lines[0].cells.iter().map(|cell| &cell.text).collect::<Vec<_>>(),
        row.iter().collect::<Vec<_>>()
    );
    let book = write(Format::Xlsx, &header, std::slice::from_ref(&row)).unwrap();
    let again = read(&book, true, wide).unwrap();
    assert_eq!(again.header, row);
}

#[test]
fn a_file_that_changes_between_two_readings_is_noticed() {
    let scanned = scan(&b"name\n1\n"[..]).unwrap();
    let mut lines = Lines::new(&b"name\n2\n"[..], &scanned, LIMITS);
    let problem: Problem = loop {
        match lines.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("nobody noticed"),
            Err(problem) => break problem,
        }
    };
    assert_eq!(problem.rule.name(), "sheet.changed");
}

fn good_book() -> Vec<u8> {
    workbook(|sheet| {
        sheet.write_row(0, 0, ["name", "years"]).unwrap();
        sheet.write_row(1, 0, ["南京", "2"]).unwrap();
    })
}

proptest! {
    #[test]
    fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&octets, false, LIMITS);
        let _ = read(&octets, true, LIMITS);
    }

    #[test]
    fn mutated_workbooks_never_panic(at in any::<prop::sample::Index>(), flip in 1_u8..=255) {
        let mut octets = good_book();
        let place = at.index(octets.len());
        octets[place] ^= flip;
        let _ = read(&octets, true, LIMITS);
    }

    #[test]
    fn mutated_text_never_panic(text in "[\",=南京\r\n\t 1\u{202e}\u{ff21}]{0,200}") {
        if let Ok(sheet) = read(text.as_bytes(), false, LIMITS) {
            for line in &sheet.lines {
                for cell in &line.cells {
                    let mut found = Vec::new();
                    name(cell, "x", &mut found);
                    code(cell, "x", &mut found);
                }
            }
        }
    }
}

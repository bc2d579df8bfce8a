//! A table of persons → a result for each line. The whole file is read and checked before anything is kept.

use std::collections::{BTreeSet, HashMap};

use jiff::civil::Date;

use super::{
    Field,
    catalogue::PERSON,
    check::{Errors, Values, check},
    sheet,
};
use crate::language::Text;

/// A line of the file.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: u32,
    pub(crate) checked: Result<Values, Errors>,
}

/// Header and an example, to be filled in.
pub(crate) fn template() -> Vec<Vec<String>> {
    let example = |field: &Field| match field.name {
        "id_number" => "11010519491231002X",
        "name" => "张三",
        "born" => "1949-12-31",
        "area" => "320104",
        "address" => "南京市秦淮区示例路 1 号",
        "mobile" => "13800000000",
        "sex" => "女",
        _ => field.choices().first().map_or("", |choice| choice.1.0),
    };
    vec![
        PERSON.fields.iter().map(|field| field.label.0.to_owned()).collect(),
        PERSON.fields.iter().map(|field| example(field).to_owned()).collect(),
    ]
}

/// Reads and checks every line.
pub(crate) fn read(octets: &[u8], today: Date) -> Result<Vec<Line>, Text> {
    let rows = sheet::read(octets)?;
    let mut rows = rows.into_iter();
    let empty =
        Text("文件中没有人员。请从第 2 行起填写。", "The file has no persons. Fill it in from line 2.");
    let (_, header) = rows.next().ok_or(empty)?;
    let columns = columns(&header)?;
    let mut lines: Vec<Line> = rows.map(|(number, cells)| line(number, &columns, cells, today)).collect();
    if lines.is_empty() {
        return Err(empty);
    }
    refuse_doubles(&mut lines);
    Ok(lines)
}

fn columns(header: &[sheet::Cell]) -> Result<Vec<&'static Field>, Text> {
    const HEADER: Text = Text(
        "第 1 行不是模板的表头：有缺少、重复或不认识的列。请重新下载模板。",
        "Line 1 is not the template's: a column is missing, doubled or unknown. Fetch the template again.",
    );
    let mut found = Vec::new();
    for cell in header {
        let text = cell.as_ref().map_err(|_| HEADER)?;
        let named = |field: &&Field| {
            field.label.0 == text || field.label.1.eq_ignore_ascii_case(text) || field.name == text
        };
        found.push(PERSON.fields.iter().find(named).ok_or(HEADER)?);
    }
    let names: BTreeSet<&str> = found.iter().map(|field| field.name).collect();
    let complete = PERSON.fields.iter().all(|field| !field.required || names.contains(field.name));
    if complete && names.len() == found.len() { Ok(found) } else { Err(HEADER) }
}

fn line(number: u32, columns: &[&'static Field], cells: Vec<sheet::Cell>, today: Date) -> Line {
    let (mut values, mut errors) = (Values::default(), Errors::new());
    for (at, cell) in cells.into_iter().enumerate() {
        match (columns.get(at), cell) {
            (None, Ok(text)) if text.is_empty() => {}
            (None, _) => {
                let more = Text(
                    "这一行比表头多。请检查逗号。",
                    "This line has more cells than the header. Look for a comma.",
                );
                errors.insert("", more);
            }
            (Some(_), Ok(text)) if text.is_empty() => {}
            (Some(field), Ok(text)) => values.set(field.name, of_choice(field, text)),
            (Some(field), Err(error)) => {
                errors.insert(field.name, error);
            }
        }
    }
    let checked = match check(&PERSON, values, today) {
        Ok(values) if errors.is_empty() => Ok(values),
        Ok(_) => Err(errors),
        Err((_, others)) => {
            for (name, error) in others {
                errors.entry(name).or_insert(error);
            }
            Err(errors)
        }
    };
    Line { number, checked }
}

/// A choice is written as people see it, in either language, or as its code.
fn of_choice(field: &Field, text: String) -> String {
    let found = field
        .choices()
        .iter()
        .find(|choice| choice.0 == text || choice.1.0 == text || choice.1.1.eq_ignore_ascii_case(&text));
    found.map_or(text, |choice| choice.0.to_owned())
}

/// One person twice in a file: nobody can say which line is right, so neither is kept.
fn refuse_doubles(lines: &mut [Line]) {
    let key = |line: &Line| {
        let values = line.checked.as_ref().ok()?;
        values.get("id_number").map(str::to_owned)
    };
    let mut counts: HashMap<String, u32> = HashMap::new();
    for key in lines.iter().filter_map(key) {
        *counts.entry(key).or_default() += 1;
    }
    for line in lines {
        if key(line).and_then(|key| counts.get(&key).copied()).is_some_and(|count| count > 1) {
            let twice = Text(
                "文件中有重复的证件号码。请只留一行。",
                "This number stands in the file more than once. Leave one line.",
            );
            line.checked = Err(Errors::from([("id_number", twice)]));
        }
    }
}

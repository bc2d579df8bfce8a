//! Reading TOML with limits: each value is asked for by name with its rule, what nobody asked for is an error, and
//! each error knows its line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::key::sha256;

const FILE_OCTETS_MAX: usize = 64 * 1024;
const TEXT_CHARS_MAX: usize = 200;

/// One thing that is wrong in `policies/`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("policies/{file}:{line}: {rule}, found {found}")]
pub struct PolicyError {
    /// Path relative to `policies/`.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What must hold.
    pub rule: String,
    /// What stands there.
    pub found: String,
}

impl PolicyError {
    pub(super) fn missing(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: 1,
            rule: "the file must exist".to_owned(),
            found: "nothing".to_owned(),
        }
    }

    pub(super) fn unknown(file: &str) -> Self {
        let rule = "the name must be one that policies/README.md lists".to_owned();
        Self { file: file.to_owned(), line: 1, rule, found: file.to_owned() }
    }
}

/// One file.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    errors: RefCell<Vec<PolicyError>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, errors: RefCell::new(Vec::new()) }
    }

    pub(super) fn file(&self) -> &'a str {
        self.file
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// SHA-256 of the file's text.
    pub(super) fn sha256(&self) -> [u8; 32] {
        sha256(self.text.as_bytes())
    }

    /// Reads the file: `build` gives `None` when a value was refused.
    pub(super) fn read<T>(
        &self,
        build: impl FnOnce(&Section<'_>) -> Option<T>,
    ) -> Result<T, Vec<PolicyError>> {
        let table = match self.parse() {
            Ok(table) => table,
            Err(error) => return Err(vec![error]),
        };
        let section = Section::new(self, table.get_ref(), 1);
        let built = build(&section);
        section.finish();
        self.finish(built)
    }

    /// The value, unless an error was noted.
    pub(super) fn finish<T>(&self, built: Option<T>) -> Result<T, Vec<PolicyError>> {
        match built {
            Some(value) if self.errors.borrow().is_empty() => Ok(value),
            _ => Err(self.errors.take()),
        }
    }

    pub(super) fn error(&self, line: usize, rule: impl Into<String>, found: impl Into<String>) {
        let (rule, found) = (rule.into(), found.into());
        self.errors.borrow_mut().push(PolicyError { file: self.file.to_owned(), line, rule, found });
    }

    fn parse(&self) -> Result<Spanned<DeTable<'a>>, PolicyError> {
        let error = |line, rule: &str, found: String| PolicyError {
            file: self.file.to_owned(),
            line,
            rule: rule.to_owned(),
            found,
        };
        if self.text.len() > FILE_OCTETS_MAX {
            let rule = format!("the file must be at most {FILE_OCTETS_MAX} octets");
            return Err(error(1, &rule, self.text.len().to_string()));
        }
        DeTable::parse(self.text).map_err(|found| {
            let line = found.span().map_or(1, |span| self.line(&span));
            error(line, "the file must be TOML", found.message().to_owned())
        })
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.text.as_bytes().iter().take(span.start).filter(|octet| **octet == b'\n').count() + 1
    }
}

/// One table of a file.
pub(super) struct Section<'a> {
    reader: &'a Reader<'a>,
    table: &'a DeTable<'a>,
    line: usize,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Section<'a> {
    fn new(reader: &'a Reader<'a>, table: &'a DeTable<'a>, line: usize) -> Self {
        Self { reader, table, line, asked: RefCell::new(BTreeSet::new()) }
    }

    /// The line of a key, or of the table when it is absent.
    fn line_of(&self, key: &str) -> usize {
        self.table.get(key).map_or(self.line, |value| self.reader.line(&value.span()))
    }

    /// Notes an error at a key.
    pub(super) fn refuse(&self, key: &str, rule: impl Into<String>, found: impl Into<String>) {
        self.reader.error(self.line_of(key), rule, found);
    }

    pub(super) fn integer(&self, key: &str, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let rule = format!("{key} must be {} to {}", range.start(), range.end());
        let value = self.value(key, &rule)?;
        let number =
            value.as_integer().and_then(|found| i64::from_str_radix(found.as_str(), found.radix()).ok());
        match number {
            Some(number) if range.contains(&number) => Some(number),
            Some(number) => self.wrong(key, rule, number.to_string()),
            None => self.wrong(key, rule, shown(value)),
        }
    }

    /// Whether an optional key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.asked.borrow_mut().insert(key.to_owned());
        self.table.contains_key(key)
    }

    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        let rule = format!("{key} must be true or false");
        let value = self.value(key, &rule)?;
        value.as_bool().or_else(|| self.wrong(key, rule, shown(value)))
    }

    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let rule = format!("{key} must be a text of 1 to {TEXT_CHARS_MAX} characters");
        let value = self.value(key, &rule)?;
        match value.as_str() {
            Some(text) if !text.is_empty() && text.chars().count() <= TEXT_CHARS_MAX => Some(text),
            Some(text) => self.wrong(key, rule, format!("{} characters", text.chars().count())),
            None => self.wrong(key, rule, shown(value)),
        }
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(
        &self,
        key: &str,
        rule: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(text).or_else(|| self.wrong(key, format!("{key} must be {rule}"), text))
    }

    /// A list of texts that `parse` understands, without repetition; with the line of each.
    pub(super) fn list<T>(
        &self,
        key: &str,
        rule: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<Vec<(usize, T)>> {
        let whole = format!("{key} must be a list");
        let value = self.value(key, &whole)?;
        let Some(array) = value.as_array() else {
            return self.wrong(key, whole, shown(value));
        };
        let mut seen = BTreeSet::new();
        let mut list = Some(Vec::new());
        for item in array.iter() {
            let line = self.reader.line(&item.span());
            let text = item.get_ref().as_str();
            match text.and_then(&parse) {
                Some(parsed) if seen.insert(text) => {
                    if let Some(list) = &mut list {
                        list.push((line, parsed));
                    }
                }
                Some(_) => {
                    self.reader.error(line, format!("{key} must not repeat"), shown(item.get_ref()));
                    list = None;
                }
                None => {
                    self.reader.error(line, format!("each of {key} must be {rule}"), shown(item.get_ref()));
                    list = None;
                }
            }
        }
        list
    }

    /// A date `YYYY-MM-DD`.
    pub(super) fn date(&self, key: &str) -> Option<Date> {
        let rule = format!("{key} must be a date YYYY-MM-DD");
        let value = self.value(key, &rule)?;
        match value.as_datetime() {
            Some(toml::value::Datetime { date: Some(date), time: None, offset: None }) => {
                let day = date.to_string().parse().ok();
                day.or_else(|| self.wrong(key, rule, date.to_string()))
            }
            _ => self.wrong(key, rule, shown(value)),
        }
    }

    /// A table below this one; its own unknown keys are noted when `build` is done.
    pub(super) fn table<T>(&self, key: &str, build: impl FnOnce(&Section<'a>) -> Option<T>) -> Option<T> {
        let rule = format!("[{key}] must be a table");
        let value = self.value(key, &rule)?;
        let Some(table) = value.as_table() else {
            return self.wrong(key, rule, shown(value));
        };
        let section = Section::new(self.reader, table, self.line_of(key));
        let built = build(&section);
        section.finish();
        built
    }

    /// A list of tables, `[[key]]`.
    pub(super) fn tables<T>(&self, key: &str, build: impl Fn(&Section<'a>) -> Option<T>) -> Option<Vec<T>> {
        let rule = format!("[[{key}]] must be there, once or more");
        let value = self.value(key, &rule)?;
        let Some(array) = value.as_array() else {
            return self.wrong(key, rule, shown(value));
        };
        let mut built = Vec::new();
        for item in array.iter() {
            let line = self.reader.line(&item.span());
            let Some(table) = item.get_ref().as_table() else {
                self.reader.error(line, rule.clone(), shown(item.get_ref()));
                return None;
            };
            let section = Section::new(self.reader, table, line);
            built.push(build(&section));
            section.finish();
        }
        built.into_iter().collect()
    }

    fn value(&self, key: &str, rule: &str) -> Option<&'a DeValue<'a>> {
        self.asked.borrow_mut().insert(key.to_owned());
        let value = self.table.get(key).map(Spanned::get_ref);
        if value.is_none() {
            self.reader.error(self.line, rule, "nothing");
        }
        value
    }

    fn wrong<T>(&self, key: &str, rule: impl Into<String>, found: impl Into<String>) -> Option<T> {
        self.refuse(key, rule, found);
        None
    }

    fn finish(&self) {
        let asked = self.asked.borrow();
        for key in self.table.keys().filter(|key| !asked.contains(key.get_ref().as_ref())) {
            let known: Vec<&str> = asked.iter().map(String::as_str).collect();
            let rule = format!("the key must be one of {}", known.join(", "));
            self.reader.error(self.reader.line(&key.span()), rule, key.get_ref().as_ref());
        }
    }
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.chars().take(TEXT_CHARS_MAX).collect(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        other => other.type_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        let reader = Reader::new("x.toml", text);
        let result = reader.read(|section| {
            let number = section.integer("number", 1..=10);
            let list = section.list("list", "a or b", |text| ["a", "b"].contains(&text).then_some(()));
            let date = section.date("date");
            number.zip(list).zip(date)
        });
        result.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_error_names_line_rule_and_value() {
        let good = "number = 1\nlist = [\"a\"]\ndate = 2026-01-01\n";
        assert_eq!(errors(good), Vec::<String>::new());
        assert_eq!(
            errors("date = 2026-01-01T00:00:00Z\nlist = [\"a\",\n \"c\", \"a\"]\n\nnumber = 11\nother = 1\n"),
            [
                "policies/x.toml:5: number must be 1 to 10, found 11",
                "policies/x.toml:3: each of list must be a or b, found c",
                "policies/x.toml:3: list must not repeat, found a",
                "policies/x.toml:1: date must be a date YYYY-MM-DD, found datetime",
                "policies/x.toml:6: the key must be one of date, list, number, found other",
            ]
        );
        assert_eq!(
            errors("list = []\ndate = 2026-01-01\n"),
            ["policies/x.toml:1: number must be 1 to 10, found nothing"]
        );
        assert!(
            errors("number = 1\n= 2\n")[0].starts_with("policies/x.toml:2: the file must be TOML, found ")
        );
        assert!(errors(&"#".repeat(70_000))[0].contains("at most 65536 octets"));
        assert!(
            errors("number = 1\nnumber = 2\n")[0].starts_with("policies/x.toml:2: the file must be TOML")
        );
    }
}

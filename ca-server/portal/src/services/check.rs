//! What people filled in → values that are right, or one error a field that says what to do.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::{Field, Kind, Service};
use crate::language::Text;

/// Values as they are kept: by field, trimmed, never empty; several choices joined by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(crate) struct Values(BTreeMap<String, String>);

/// By field.
pub(crate) type Errors = BTreeMap<&'static str, Text>;

impl Values {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// What a form sent for the fields of a service: several values of one name are several choices.
    pub(crate) fn of_form(service: &Service, pairs: &[(String, String)]) -> Self {
        let mut values = Self::default();
        for field in service.fields {
            let sent: Vec<&str> = pairs
                .iter()
                .filter(|(name, _)| name == field.name)
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
                .collect();
            if !sent.is_empty() {
                values.set(field.name, sent.join(","));
            }
        }
        values
    }
}

/// Checks every field, then what is between them. Values come back as they are kept: codes in capital letters.
pub(crate) fn check(service: &Service, mut values: Values, today: Date) -> Result<Values, (Values, Errors)> {
    let mut errors = Errors::new();
    let own_document = values.get("id_kind").is_some_and(|kind| kind != "id-card");
    for field in service.fields {
        match values.get(field.name) {
            None if field.required => {
                errors.insert(field.name, Text("必填。请填写。", "This is needed. Fill it in."));
            }
            None => {}
            Some(value) => match one(field, value, own_document, today) {
                Ok(value) => values.set(field.name, value),
                Err(error) => {
                    errors.insert(field.name, error);
                }
            },
        }
    }
    if errors.is_empty() {
        errors.extend((service.across)(&values));
    }
    if errors.is_empty() { Ok(values) } else { Err((values, errors)) }
}

fn one(field: &Field, value: &str, own_document: bool, today: Date) -> Result<String, Text> {
    if let Some(error) = unseen(value) {
        return Err(error);
    }
    let digits =
        |least, most| (least..=most).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_digit());
    let (good, error) = match field.kind {
        Kind::Text(most) => (value.chars().count() <= most, Text("太长。请缩短。", "Too long. Shorten it.")),
        Kind::Name => (
            value.chars().count() <= 50 && !value.chars().any(|c| c.is_ascii_digit()),
            Text(
                "姓名不能有数字，最多 50 字。请改正。",
                "A name has no digits and at most 50 characters. Correct it.",
            ),
        ),
        Kind::IdNumber => return id_number(&value.to_ascii_uppercase(), own_document),
        Kind::PersonNumber => {
            (digits(6, 20), Text("应为 6 到 20 位数字。请核对回执。", "6 to 20 digits. See the receipt."))
        }
        Kind::Area => (digits(6, 6), Text("应为 6 位数字。请改正。", "Six digits. Correct it.")),
        Kind::Mobile => (
            digits(11, 11) && value.starts_with('1'),
            Text("应为 1 开头的 11 位数字。请改正。", "11 digits that begin with 1. Correct it."),
        ),
        Kind::Date => return date(value, today),
        Kind::Money => (
            is_money(value),
            Text(
                "应为大于 0 的金额，最多两位小数，如 5600.00。",
                "An amount above 0 with at most two decimals, as 5600.00.",
            ),
        ),
        Kind::One(choices) => (
            choices.iter().any(|choice| choice.0 == value),
            Text("不是列表中的值。请从列表中选择。", "Not a value of the list. Choose one of the list."),
        ),
        Kind::Many(choices) => {
            let mut seen = Vec::new();
            let known = value.split(',').all(|part| {
                let new = !seen.contains(&part);
                seen.push(part);
                new && choices.iter().any(|choice| choice.0 == part)
            });
            (known, Text("不是列表中的值。请从列表中选择。", "Not values of the list. Choose from the list."))
        }
    };
    if good { Ok(value.to_owned()) } else { Err(error) }
}

/// Controls and characters that nobody can see, or that turn a line around.
fn unseen(value: &str) -> Option<Text> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    value.chars().any(hidden).then_some(Text(
        "含有看不见的字符。请重新输入。",
        "It has characters that cannot be seen. Type it again.",
    ))
}

fn id_number(value: &str, own_document: bool) -> Result<String, Text> {
    let plain = (5..=20).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_alphanumeric());
    if !plain {
        return Err(Text("应为 5 到 20 位数字或字母。请改正。", "5 to 20 digits and letters. Correct it."));
    }
    // Eighteen digits are an identity card number whatever the form says: a passport has fewer.
    if (value.len() == 18 || !own_document) && !is_id_card(value) {
        return Err(Text(
            "身份证号码有误（18 位，日期和校验位须正确）。请核对证件。",
            "Not an identity card number: 18 characters, a date and a check digit. Compare it with the card.",
        ));
    }
    Ok(value.to_owned())
}

/// GB 11643-1999: area, date, sequence, check digit.
pub(crate) fn is_id_card(value: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    let digits: Vec<u32> = value.chars().take(17).map_while(|c| c.to_digit(10)).collect();
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    let check = usize::try_from(sum % 11).ok().and_then(|at| CHECKS.get(at).copied());
    let born = value.get(6..14).and_then(|text| Date::strptime("%Y%m%d", text).ok());
    value.len() == 18 && digits.len() == 17 && value.chars().last() == check && born.is_some()
}

fn date(value: &str, today: Date) -> Result<String, Text> {
    let date = Date::strptime("%Y-%m-%d", value.replace('/', "-"));
    let date =
        date.map_err(|_| Text("不是日期。请写成 2026-01-31。", "Not a date. Write it as 2026-01-31."))?;
    // A contract may run for decades; a year of 3026 is a slip of the finger.
    let near = (1900..=today.year().saturating_add(60)).contains(&date.year());
    if near {
        Ok(date.to_string())
    } else {
        Err(Text("年份不合理。请核对。", "This year cannot be. Compare it."))
    }
}

fn is_money(value: &str) -> bool {
    let (yuan, fen) = value.split_once('.').unwrap_or((value, "0"));
    let digits =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    digits(yuan, 8) && digits(fen, 2) && value.bytes().any(|c| matches!(c, b'1'..=b'9'))
}

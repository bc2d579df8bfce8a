//! The services of the guide: which fields each has, and what a value must be. Pure: no clock, no database.
//!
//! `catalogue` names them, `check` reads what people filled in, `sheet` and `batch` do the same for files.

pub(crate) mod batch;
pub(crate) mod catalogue;
pub(crate) mod check;
pub(crate) mod ethnicity;
pub(crate) mod sheet;

use crate::language::Text;

/// A service with a form.
#[derive(Debug)]
pub(crate) struct Service {
    /// In addresses and in the database.
    pub(crate) name: &'static str,
    pub(crate) title: Text,
    pub(crate) about: Text,
    pub(crate) fields: &'static [Field],
    /// What is wrong between fields: the field's name, and the text.
    pub(crate) across: fn(&check::Values) -> Option<(&'static str, Text)>,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: Text,
    pub(crate) hint: Text,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// At most so many characters.
    Text(usize),
    Name,
    /// 居民身份证 by GB 11643, or another document's number: which one, a choice `id_kind` says; without it, either.
    IdNumber,
    /// 个人编号
    PersonNumber,
    /// Six digits.
    Area,
    Mobile,
    Date,
    /// Yuan with at most two decimals.
    Money,
    One(&'static [Choice]),
    Many(&'static [Choice]),
}

/// A value of a list: code, Chinese, English.
#[derive(Debug)]
pub(crate) struct Choice(pub(crate) &'static str, pub(crate) Text);

impl Service {
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Field {
    pub(crate) const fn choices(&self) -> &'static [Choice] {
        match self.kind {
            Kind::One(choices) | Kind::Many(choices) => choices,
            _ => &[],
        }
    }
}

//! Which language a person reads: Chinese unless asked otherwise.

use axum::http::{HeaderMap, header};

use crate::session;

/// A language of pages and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Language {
    /// Chinese, simplified.
    Zh,
    /// English.
    En,
}

/// A text in both languages: Chinese, English.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) &'static str, pub(crate) &'static str);

/// Remembers `?lang=`.
pub(crate) const COOKIE: &str = "__Host-lang";

impl Language {
    pub(crate) const fn of(self, text: Text) -> &'static str {
        match self {
            Self::Zh => text.0,
            Self::En => text.1,
        }
    }

    /// For templates, which hand references over.
    pub(crate) const fn s(self, text: &Text) -> &'static str {
        self.of(*text)
    }

    /// For templates.
    pub(crate) const fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// What a switch of the page asks for.
    pub(crate) fn asked(query: Option<&str>) -> Option<Self> {
        let asked = query.unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
        asked.and_then(Self::of_tag)
    }

    /// For a request: `?lang=` first, then what was asked for before, then Accept-Language (RFC 9110 §12.5.4), then Chinese.
    pub(crate) fn of_request(query: Option<&str>, headers: &HeaderMap) -> Self {
        let remembered = || session::cookie(headers, COOKIE).and_then(Self::of_tag);
        if let Some(language) = Self::asked(query).or_else(remembered) {
            return language;
        }
        let accepted =
            headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0, Self::Zh);
        for range in accepted.split(',') {
            let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
            let weight = thousandths(weight.trim());
            if let Some(language) = Self::of_tag(tag.trim()).filter(|_| weight > best.0) {
                best = (weight, language);
            }
        }
        best.1
    }

    /// For the command line, from LANG and its relatives.
    pub(crate) fn of_locale(locale: &str) -> Self {
        Self::of_tag(locale).unwrap_or(Self::Zh)
    }

    /// The tag of HTML's `lang`.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Zh => "zh-CN",
            Self::En => "en",
        }
    }

    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.']).next().unwrap_or_default();
        match primary.to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Zh),
            "en" => Some(Self::En),
            _ => None,
        }
    }
}

/// qvalue in thousandths; what is no qvalue weighs nothing.
fn thousandths(weight: &str) -> u16 {
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    if !matches!(whole, "0" | "1") || part.len() > 3 || !part.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    let digits = format!("{whole}{part:0<3}");
    digits.parse::<u16>().unwrap_or(0).min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: Option<&str>, accept: &str) -> Language {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, accept.parse().unwrap());
        Language::of_request(query, &headers)
    }

    #[test]
    fn chinese_unless_asked_otherwise() {
        for (query, accept, language) in [
            (None, "", Language::Zh),
            (None, "fr", Language::Zh),
            (None, "en-GB,en;q=0.9", Language::En),
            (None, "zh-CN,zh;q=0.9,en;q=0.8", Language::Zh),
            (None, "en;q=0.3, zh;q=0.7", Language::Zh),
            (None, "fr, en;q=0.5", Language::En),
            (None, "en;q=nonsense", Language::Zh),
            (Some("a=b&lang=en"), "zh", Language::En),
            (Some("lang=zh"), "en", Language::Zh),
            (Some("lang=xx"), "en", Language::En),
        ] {
            assert_eq!(of(query, accept), language, "{query:?} {accept}");
        }
        assert_eq!(Language::of_locale("en_US.UTF-8"), Language::En);
        assert_eq!(Language::of_locale("C"), Language::Zh);
    }
}

//! The two languages of every message.

/// Language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 中文
    Zh,
    /// English
    En,
}

impl Language {
    /// From `LANG` or the like: English when it starts so, else Chinese.
    #[must_use]
    pub fn from_tag(tag: &str) -> Self {
        if tag.trim_start().to_ascii_lowercase().starts_with("en") { Self::En } else { Self::Zh }
    }

    pub(crate) fn choose<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_only_when_it_says_so() {
        assert_eq!(Language::from_tag("en_GB.UTF-8"), Language::En);
        assert_eq!(Language::from_tag("zh_CN.UTF-8"), Language::Zh);
        assert_eq!(Language::from_tag("C"), Language::Zh);
    }
}

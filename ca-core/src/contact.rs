//! How a unit is reached: a mail address and a telephone number. Personal data: shown in full to whoever changes them
//! only, masked everywhere else.

use std::fmt;

use email_address::{EmailAddress, Options};

use crate::{Ciphertext, Error};

/// RFC 5321 §4.5.3.1.3, without the angle brackets.
const MAIL_OCTETS_MAX: usize = 254;

/// How a unit is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Mail.
    pub mail: Option<MailAddress>,
    /// Telephone.
    pub phone: Option<Phone>,
}

/// The same as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealedContact {
    /// Mail address.
    pub mail: Option<Ciphertext>,
    /// Telephone number.
    pub phone: Option<Ciphertext>,
}

/// A mail address: `local@domain` in ASCII, without quotes, comments or address literals.
#[derive(Clone, PartialEq, Eq)]
pub struct MailAddress(String);

impl MailAddress {
    /// Reads an address (RFC 5321 §4.1.2, without what nobody uses and much cannot send to).
    ///
    /// # Errors
    /// [`Error::Mail`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let options =
            Options::default().without_display_text().without_domain_literal().with_minimum_sub_domains(2);
        if text.len() > MAIL_OCTETS_MAX
            || !text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b'"')
        {
            return Err(Error::Mail);
        }
        let address = EmailAddress::parse_with_options(text, options).map_err(|_| Error::Mail)?;
        let numeric = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit());
        if address.domain().rsplit('.').next().is_none_or(numeric) {
            return Err(Error::Mail);
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole address, for storage and sending only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// First character and domain.
    #[must_use]
    pub fn masked(&self) -> String {
        let domain = self.0.rsplit('@').next().unwrap_or_default();
        format!("{}***@{domain}", &self.0[..1])
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailAddress({})", self.masked())
    }
}

/// A telephone number of the Chinese mainland: a mobile one, or a landline with its area code. Digits only.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Reads a number, with or without spaces, hyphens and `+86`.
    ///
    /// # Errors
    /// [`Error::Phone`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let compact: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        let national = match compact.strip_prefix("+86") {
            // Abroad the area code goes without its zero.
            Some(rest) if !rest.starts_with('1') || rest.starts_with("10") => format!("0{rest}"),
            Some(rest) => rest.to_owned(),
            None => compact,
        };
        let digits = national.as_bytes();
        let fits = digits.iter().all(u8::is_ascii_digit)
            && match digits {
                [b'1', b'3'..=b'9', ..] => digits.len() == 11,
                // Beijing and the other codes of three digits have subscriber numbers of eight.
                [b'0', b'1', b'0', b'2'..=b'8', ..] | [b'0', b'2', _, b'2'..=b'8', ..] => digits.len() == 11,
                [b'0', b'3'..=b'9', _, _, b'2'..=b'8', ..] => digits.len() == 11 || digits.len() == 12,
                _ => false,
            };
        if fits { Ok(Self(national)) } else { Err(Error::Phone) }
    }

    /// The whole number, for storage and sending only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// First 3 and last 4 digits.
    #[must_use]
    pub fn masked(&self) -> String {
        format!("{}****{}", &self.0[..3], &self.0[self.0.len() - 4..])
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses() {
        for good in ["a@b.cn", "zhang.san+ca@mail.example.com", "x@xn--fiq228c.com", "o'neil@example.org"] {
            assert_eq!(MailAddress::parse(good).unwrap().reveal(), good);
        }
        let long = format!("{}@{}.com", "a".repeat(64), "b".repeat(63));
        assert!(MailAddress::parse(&long).is_ok());
        for bad in [
            "",
            "zhang",
            "@example.com",
            "a@",
            "a@b",
            "a@localhost",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a b@example.com",
            "a@example.com\r\nBcc: b@example.com",
            "张三 <a@example.com>",
            "<a@example.com>",
            "张三@example.com",
            "\"a b\"@example.com",
            "a..b@example.com",
            ".a@example.com",
            "a@-example.com",
            "a@example..com",
            "a@b@example.com",
            "a@example.com,b@example.com",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}.com", "b".repeat(64)),
            &format!("a@{}com", "b.".repeat(130)),
        ] {
            assert_eq!(MailAddress::parse(bad), Err(Error::Mail), "{bad:?}");
        }
    }

    #[test]
    fn telephone_numbers() {
        for (given, kept) in [
            ("13800138000", "13800138000"),
            ("138 0013 8000", "13800138000"),
            ("+86 138-0013-8000", "13800138000"),
            ("025-86590000", "02586590000"),
            ("+86 25 8659 0000", "02586590000"),
            ("+86 10 6500 0000", "01065000000"),
            ("0512-6522000", "05126522000"),
            ("0512-65220000", "051265220000"),
        ] {
            assert_eq!(Phone::parse(given).unwrap().reveal(), kept);
        }
        for bad in [
            "",
            "110",
            "12800138000",
            "1380013800",
            "138001380000",
            "86590000",
            "025-8659000",
            "025-1659000",
            "+1 202 555 0100",
            "０25-86590000",
            "025-86590000-8",
        ] {
            assert_eq!(Phone::parse(bad), Err(Error::Phone), "{bad:?}");
        }
    }

    #[test]
    fn masks_hide() {
        let contact = Contact {
            mail: Some(MailAddress::parse("zhangsan@example.com").unwrap()),
            phone: Some(Phone::parse("13800138000").unwrap()),
        };
        let shown = format!("{contact:?}");
        assert!(shown.contains("z***@example.com") && shown.contains("138****8000"), "{shown}");
        assert!(!shown.contains("zhangsan") && !shown.contains("0013"), "{shown}");
    }
}

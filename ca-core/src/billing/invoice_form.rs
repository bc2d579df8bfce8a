//! What is filled in for a 发票, and to whom it is written.

use std::fmt;

use ca_verifier::{UnitCode, Uscc};

use super::InvoiceError;
use crate::{MailAddress, Name, Phone};

const ADDRESS_CHARS_MAX: usize = 100;
const ACCOUNT_DIGITS: std::ops::RangeInclusive<usize> = 6..=32;

/// Which invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InvoiceKind {
    /// 普通发票.
    Ordinary,
    /// 增值税专用发票: the buyer deducts its tax, so that the tax bureau must know the buyer well.
    Special,
}

impl InvoiceKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ordinary, Self::Special];

    /// The name in the API, the database and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Special => "special",
        }
    }

    /// Reads a name.
    ///
    /// # Errors
    /// [`InvoiceError::Kind`].
    pub fn from_name(name: &str) -> Result<Self, InvoiceError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(InvoiceError::Kind)
    }
}

/// What people fill in; nothing of it is checked yet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct InvoiceForm {
    /// `ordinary` or `special`.
    pub kind: String,
    /// 发票抬头: the buyer's name.
    pub title: String,
    /// 纳税人识别号.
    pub tax_number: Option<String>,
    /// Registered address.
    pub address: Option<String>,
    /// Telephone number.
    pub phone: Option<String>,
    /// Name of the bank's branch.
    pub bank: Option<String>,
    /// Number of the account there.
    pub account: Option<String>,
    /// Where the invoice is sent.
    pub mail: String,
}

/// Who paid and therefore may ask: an invoice is written to nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvoicePayer {
    /// A unit, by the code that it is registered with.
    Unit(UnitCode),
    /// A person.
    Person,
}

/// An invoice that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvoiceRequest {
    /// To whom.
    pub buyer: Buyer,
    /// Where it is sent.
    pub mail: MailAddress,
}

/// To whom an invoice is written.
#[derive(Clone, PartialEq, Eq)]
pub enum Buyer {
    /// A person: an ordinary invoice to a name and nothing else.
    Person {
        /// The name.
        title: Name,
    },
    /// A unit: an ordinary invoice, with its particulars where it gave them.
    Unit {
        /// Its name.
        title: Name,
        /// Its tax number.
        tax_number: Uscc,
        /// What else stands on it.
        particulars: Option<Particulars>,
    },
    /// A unit: a special invoice.
    Special {
        /// Its name.
        title: Name,
        /// Its tax number.
        tax_number: Uscc,
        /// What a special invoice needs.
        particulars: Particulars,
    },
}

/// Address, telephone, bank and account: all of them or none.
#[derive(Clone, PartialEq, Eq)]
pub struct Particulars {
    /// Registered address.
    pub address: String,
    /// Telephone number.
    pub phone: Phone,
    /// Name of the bank's branch.
    pub bank: String,
    /// Number of the account there, digits only.
    pub account: String,
}

impl InvoiceRequest {
    /// Checks a form. `payer` is who paid, as we know them.
    ///
    /// # Errors
    /// [`InvoiceError`] of the first field that is wrong.
    pub fn parse(payer: InvoicePayer, form: &InvoiceForm) -> Result<Self, InvoiceError> {
        let kind = InvoiceKind::from_name(&form.kind)?;
        let title = Name::parse(&form.title).map_err(|_| InvoiceError::Title)?;
        let buyer = match payer {
            InvoicePayer::Person => Self::person(kind, title, form)?,
            InvoicePayer::Unit(code) => Self::unit(kind, title, code, form)?,
        };
        let mail = MailAddress::parse(&form.mail).map_err(|_| InvoiceError::Mail)?;
        Ok(Self { buyer, mail })
    }

    /// Which invoice.
    #[must_use]
    pub fn kind(&self) -> InvoiceKind {
        match self.buyer {
            Buyer::Person { .. } | Buyer::Unit { .. } => InvoiceKind::Ordinary,
            Buyer::Special { .. } => InvoiceKind::Special,
        }
    }

    fn person(kind: InvoiceKind, title: Name, form: &InvoiceForm) -> Result<Buyer, InvoiceError> {
        if kind == InvoiceKind::Special {
            return Err(InvoiceError::PersonSpecial);
        }
        let tax_number = ("tax_number", form.tax_number.as_deref());
        let given = std::iter::once(tax_number).chain(form.particulars()).find(|(_, value)| value.is_some());
        match given {
            Some((field, _)) => Err(InvoiceError::Unwanted { field }),
            None => Ok(Buyer::Person { title }),
        }
    }

    fn unit(
        kind: InvoiceKind,
        title: Name,
        code: UnitCode,
        form: &InvoiceForm,
    ) -> Result<Buyer, InvoiceError> {
        // Since 2015 the unified code is the tax number (国办发〔2015〕50号); an organisation code never was one.
        let UnitCode::Uscc(own) = code else { return Err(InvoiceError::NoTaxNumber) };
        let given = form.tax_number.as_deref().ok_or(InvoiceError::Missing { field: "tax_number" })?;
        let tax_number = Uscc::parse(given).map_err(InvoiceError::TaxNumber)?;
        if tax_number != own {
            return Err(InvoiceError::OtherUnit);
        }
        if kind == InvoiceKind::Ordinary && form.particulars().iter().all(|(_, value)| value.is_none()) {
            return Ok(Buyer::Unit { title, tax_number, particulars: None });
        }
        let particulars = Particulars::parse(form)?;
        Ok(match kind {
            InvoiceKind::Ordinary => Buyer::Unit { title, tax_number, particulars: Some(particulars) },
            InvoiceKind::Special => Buyer::Special { title, tax_number, particulars },
        })
    }
}

impl InvoiceForm {
    fn particulars(&self) -> [(&'static str, Option<&str>); 4] {
        [
            ("address", self.address.as_deref()),
            ("phone", self.phone.as_deref()),
            ("bank", self.bank.as_deref()),
            ("account", self.account.as_deref()),
        ]
    }
}

impl fmt::Debug for InvoiceForm {
    /// Not what people filled in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvoiceForm").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Buyer {
    /// A unit by its public code; of a person nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person { .. } => f.write_str("Person"),
            Self::Unit { tax_number, .. } => write!(f, "Unit({tax_number})"),
            Self::Special { tax_number, .. } => write!(f, "Special({tax_number})"),
        }
    }
}

impl Particulars {
    fn parse(form: &InvoiceForm) -> Result<Self, InvoiceError> {
        let missing = form.particulars().into_iter().find(|(_, value)| value.is_none());
        if let Some((field, _)) = missing {
            return Err(InvoiceError::Missing { field });
        }
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let phone = Phone::parse(&given(&form.phone)).map_err(|_| InvoiceError::Phone)?;
        let compact: String = given(&form.account).chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        if !ACCOUNT_DIGITS.contains(&compact.len()) || !compact.bytes().all(|c| c.is_ascii_digit()) {
            return Err(InvoiceError::Account);
        }
        Ok(Self {
            address: text("address", given(&form.address))?,
            phone,
            bank: text("bank", given(&form.bank))?,
            account: compact,
        })
    }

    /// Last 4 digits.
    #[must_use]
    pub fn masked_account(&self) -> String {
        format!("****{}", &self.account[self.account.len().saturating_sub(4)..])
    }
}

impl fmt::Debug for Particulars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Particulars({:?}, {})", self.phone, self.masked_account())
    }
}

/// As strict as a name and of the same length.
fn text(field: &'static str, value: String) -> Result<String, InvoiceError> {
    match Name::parse(&value) {
        Ok(_) => Ok(value),
        Err(_) => Err(InvoiceError::Text { field, most: ADDRESS_CHARS_MAX }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USCC: &str = "91320104000000019U";

    fn unit() -> InvoicePayer {
        InvoicePayer::Unit(UnitCode::parse(USCC).unwrap())
    }

    fn ordinary() -> InvoiceForm {
        InvoiceForm {
            kind: "ordinary".to_owned(),
            title: "南京示例科技有限公司".to_owned(),
            tax_number: Some(USCC.to_owned()),
            mail: "caiwu@example.com".to_owned(),
            ..InvoiceForm::default()
        }
    }

    fn special() -> InvoiceForm {
        InvoiceForm {
            kind: "special".to_owned(),
            address: Some("南京市江宁区示例路 1 号".to_owned()),
            phone: Some("025-86590000".to_owned()),
            bank: Some("示例银行南京分行".to_owned()),
            account: Some("6222 0000 0000 0001-234".to_owned()),
            ..ordinary()
        }
    }

    fn person() -> InvoiceForm {
        InvoiceForm { title: "张三".to_owned(), tax_number: None, ..ordinary() }
    }

    #[test]
    fn forms_that_are_complete() {
        let made = InvoiceRequest::parse(unit(), &ordinary()).unwrap();
        assert_eq!(made.kind(), InvoiceKind::Ordinary);
        assert!(matches!(made.buyer, Buyer::Unit { particulars: None, .. }));

        let made = InvoiceRequest::parse(unit(), &special()).unwrap();
        assert_eq!(made.kind(), InvoiceKind::Special);
        let Buyer::Special { tax_number, particulars, .. } = made.buyer else { panic!() };
        assert_eq!((tax_number.as_str(), particulars.account.as_str()), (USCC, "6222000000000001234"));
        assert_eq!(particulars.phone.reveal(), "02586590000");

        let full = InvoiceForm { kind: "ordinary".to_owned(), ..special() };
        let made = InvoiceRequest::parse(unit(), &full).unwrap();
        assert!(matches!(made.buyer, Buyer::Unit { particulars: Some(_), .. }));

        let made = InvoiceRequest::parse(InvoicePayer::Person, &person()).unwrap();
        assert!(matches!(made.buyer, Buyer::Person { ref title } if title.as_str() == "张三"));
    }

    #[test]
    fn forms_that_are_refused() {
        use InvoiceError as E;
        let some = |text: &str| Some(text.to_owned());
        let long = "长".repeat(101);
        let text = |field| E::Text { field, most: 100 };
        let missing = |field| E::Missing { field };
        let unwanted = |field| E::Unwanted { field };
        let old = InvoicePayer::Unit(UnitCode::parse("692454192").unwrap());
        for (payer, form, error) in [
            (unit(), InvoiceForm { kind: "普通".to_owned(), ..ordinary() }, E::Kind),
            (unit(), InvoiceForm { title: String::new(), ..ordinary() }, E::Title),
            (unit(), InvoiceForm { title: " 甲".to_owned(), ..ordinary() }, E::Title),
            (unit(), InvoiceForm { title: "甲\u{7}乙".to_owned(), ..ordinary() }, E::Title),
            (unit(), InvoiceForm { title: "甲\u{202e}乙".to_owned(), ..ordinary() }, E::Title),
            (unit(), InvoiceForm { title: long.clone(), ..ordinary() }, E::Title),
            (unit(), InvoiceForm { tax_number: None, ..ordinary() }, missing("tax_number")),
            (unit(), InvoiceForm { tax_number: some("91320106MA1X00017N"), ..ordinary() }, E::OtherUnit),
            (
                unit(),
                InvoiceForm { tax_number: some("91320104000000019X"), ..ordinary() },
                E::TaxNumber(ca_verifier::Error::UsccCheck { found: 'X', expected: 'U' }),
            ),
            (
                unit(),
                InvoiceForm { tax_number: some("913201040000000"), ..ordinary() },
                E::TaxNumber(ca_verifier::Error::UsccForm),
            ),
            (old, ordinary(), E::NoTaxNumber),
            (old, InvoiceForm { tax_number: None, ..ordinary() }, E::NoTaxNumber),
            (unit(), InvoiceForm { kind: "special".to_owned(), ..ordinary() }, missing("address")),
            (unit(), InvoiceForm { phone: None, ..special() }, missing("phone")),
            (unit(), InvoiceForm { bank: None, ..special() }, missing("bank")),
            (unit(), InvoiceForm { account: None, ..special() }, missing("account")),
            // Of an ordinary one's particulars all or none.
            (unit(), InvoiceForm { bank: some("示例银行"), ..ordinary() }, missing("address")),
            (unit(), InvoiceForm { address: some(""), ..special() }, text("address")),
            (unit(), InvoiceForm { address: some("一\n二"), ..special() }, text("address")),
            (unit(), InvoiceForm { bank: Some(long), ..special() }, text("bank")),
            (unit(), InvoiceForm { phone: some("110"), ..special() }, E::Phone),
            (unit(), InvoiceForm { account: some("12345"), ..special() }, E::Account),
            (unit(), InvoiceForm { account: some("62220000x"), ..special() }, E::Account),
            (unit(), InvoiceForm { account: some("６２２２００００"), ..special() }, E::Account),
            (unit(), InvoiceForm { account: Some("1".repeat(33)), ..special() }, E::Account),
            (unit(), InvoiceForm { mail: "caiwu".to_owned(), ..ordinary() }, E::Mail),
            (InvoicePayer::Person, InvoiceForm { kind: "special".to_owned(), ..person() }, E::PersonSpecial),
            (InvoicePayer::Person, ordinary(), unwanted("tax_number")),
            (InvoicePayer::Person, InvoiceForm { bank: some("示例银行"), ..person() }, unwanted("bank")),
            (InvoicePayer::Person, InvoiceForm { mail: String::new(), ..person() }, E::Mail),
        ] {
            let found = InvoiceRequest::parse(payer, &form).unwrap_err();
            assert_eq!(found, error, "{payer:?}");
        }
    }

    #[test]
    fn what_people_filled_in_is_not_shown() {
        let request = InvoiceRequest::parse(unit(), &special()).unwrap();
        let named = InvoiceRequest::parse(InvoicePayer::Person, &person()).unwrap();
        let Buyer::Special { particulars, .. } = &request.buyer else { panic!() };
        let shown = format!("{request:?} {particulars:?} {named:?} {:?} {:?}", special(), person());
        for hidden in ["张三", "6222", "86590000", "示例", "caiwu"] {
            assert!(!shown.contains(hidden), "{hidden}: {shown}");
        }
        assert!(shown.contains("****1234"), "{shown}");
    }

    #[test]
    fn kinds_are_read_back() {
        for kind in InvoiceKind::ALL {
            assert_eq!(InvoiceKind::from_name(kind.name()), Ok(kind));
        }
    }
}

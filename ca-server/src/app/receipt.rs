//! Receipts: what one says, as PDF for whoever paid, and what its public page tells whoever holds one.

use std::collections::BTreeMap;

use ca_core::{
    BankLineState, Fen, PaymentId,
    billing::{Bill, Charge, OrderState, Payer, Payment, QuoteLine},
    fingerprint,
};
use ca_store::Reader;
use jiff::civil::Date;

use super::App;
use crate::{
    problem::{Failure, Problem},
    receipt::{Receipt, ReceiptFont, ReceiptLine, ReceiptOrder, item_words, kind_words, pdf},
    wire,
};

/// Octets of a receipt's code, in hexadecimal.
const CODE_LENGTH: usize = 32;

/// What the public page says of a payment: no person, and no unit but the one that paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptStatus {
    pub(crate) number: String,
    pub(crate) day: Date,
    pub(crate) amount: Fen,
    /// Kinds of what it was for, and how many of each.
    pub(crate) items: Vec<(&'static str, usize)>,
    /// The unit that paid; `None` where a person did, or nobody knows.
    pub(crate) unit: Option<String>,
    pub(crate) state: ReceiptState,
}

/// What became of the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReceiptState {
    /// Nothing of it went back.
    Valid,
    /// Part of what was paid for the order went back.
    RefundedInPart,
    /// All of it went back.
    Refunded,
    /// It was for no order, and went back to whoever sent it.
    Returned,
    /// The bank or the gateway took it back, or a part of it.
    TakenBack,
}

impl ReceiptState {
    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::RefundedInPart => "refunded-in-part",
            Self::Refunded => "refunded",
            Self::Returned => "returned",
            Self::TakenBack => "taken-back",
        }
    }

    /// An order's refunds are not of one payment or another; what two persons decided stands in its sums.
    fn of(bill: Option<&Bill>) -> Self {
        match bill {
            Some(bill) if bill.order.state == OrderState::Refunded => Self::Refunded,
            Some(bill) if bill.order.refunded > Fen::ZERO => Self::RefundedInPart,
            _ => Self::Valid,
        }
    }
}

/// A code, or the empty text, which is nobody's.
fn well_formed(code: &str) -> &str {
    let form = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if code.len() == CODE_LENGTH && code.bytes().all(form) { code } else { "" }
}

impl App {
    /// The receipt of a payment as PDF.
    ///
    /// # Errors
    /// Not found; `Rule::ReceiptFont`; `Rule::ReceiptGlyph`.
    pub(crate) fn receipt_pdf(&self, id: &PaymentId) -> Result<Vec<u8>, Problem> {
        let receipt = self.store.read(|reader| {
            let payment = reader.payment(id)?.ok_or_else(|| Problem::not_found("payment"))?;
            self.receipt(reader, payment)
        })?;
        pdf(&receipt, self.receipt_font()?)
    }

    /// What a receipt's public page says; `None` for a code that is none. Every code is looked up alike, so that no time
    /// tells a code of the right form from another.
    pub(crate) fn receipt_status(&self, code: &str) -> Result<Option<ReceiptStatus>, Problem> {
        let wanted = well_formed(code);
        self.store.read(|reader| {
            let Some(payment) = reader.payment_by_code(wanted)? else { return Ok(None) };
            let bill = bill_of(reader, &payment)?;
            let mut items: BTreeMap<&'static str, usize> = BTreeMap::new();
            for charge in bill.iter().flat_map(|bill| &bill.charges).filter(|charge| counts(charge)) {
                *items.entry(charge.kind).or_default() += 1;
            }
            let unit = match &payment.payer {
                Some(Payer::Unit(id)) => reader.unit(id)?.map(|unit| unit.name.as_str().to_owned()),
                _ => None,
            };
            Ok(Some(ReceiptStatus {
                number: payment.id.to_string(),
                day: wire::china_day(payment.at)?,
                amount: payment.amount,
                items: items.into_iter().collect(),
                unit,
                state: match reader.bank_line_of(&payment.id)?.map(|line| line.state) {
                    Some(BankLineState::Returned { .. }) => ReceiptState::Returned,
                    _ if reader.chargeback_of(&payment.id)?.is_some() => ReceiptState::TakenBack,
                    _ => ReceiptState::of(bill.as_ref()),
                },
            }))
        })
    }

    /// Whether the code is that of a payment at a gateway which has not come.
    pub(crate) fn receipt_awaited(&self, code: &str) -> Result<bool, Problem> {
        Ok(self
            .store
            .read(|reader| reader.online_payment_by_code(well_formed(code)))?
            .is_some_and(|p| p.state.is_live()))
    }

    fn receipt(&self, reader: &mut Reader<'_>, payment: Payment) -> Result<Receipt, Problem> {
        let bill = bill_of(reader, &payment)?;
        let mut lines = Vec::new();
        if let Some(bill) = &bill {
            let mut explained = reader.charge_lines(&bill.order.id)?;
            for charge in bill.charges.iter().filter(|charge| counts(charge)) {
                let of = explained.remove(&charge.application).unwrap_or_default();
                lines.extend(of.into_iter().map(|line| (charge.kind, line)));
            }
        }
        let payer = match &payment.payer {
            Some(Payer::Unit(id)) => reader.unit(id)?.map(|unit| unit.name.as_str().to_owned()),
            // Erased after so many years: the identifier is left.
            Some(Payer::Agent(id)) => {
                let name = self.agent_view(reader, id)?.name;
                Some(name.map_or_else(|| format!("经办人 Agent {id}"), |name| name.to_string()))
            }
            None => None,
        };
        let base = self.public_base();
        let root = self.ca.certificate("root").ok_or_else(|| Failure::inconsistent("no root certificate"))?;
        Ok(Receipt {
            issuer: self.config.organization.clone(),
            number: payment.id.to_string(),
            reference: payment.reference,
            day: wire::china_day(payment.at)?,
            payer,
            lines: grouped(lines)?,
            order: bill.map(|bill| ReceiptOrder {
                id: bill.order.id.to_string(),
                tariff: bill.order.tariff,
                total: bill.order.total,
                waived: bill.order.waived,
            }),
            amount: payment.amount,
            method: payment.method,
            cashier: payment.cashier.map(|id| id.to_string()),
            counter: payment.counter.map(|code| self.counter_name(code)),
            url: format!("{base}/receipts/{}", payment.code),
            root: fingerprint(root),
            code: payment.code,
        })
    }

    /// As people know it; a counter that is closed by now keeps its code.
    fn counter_name(&self, code: String) -> String {
        let known = self.policies.counters().get(&code).map(|counter| counter.zh().to_owned());
        known.unwrap_or(code)
    }

    /// Read once. Where that fails it is tried again at the next receipt, so that installing the font is enough.
    pub(crate) fn receipt_font(&self) -> Result<&ReceiptFont, Problem> {
        if let Some(font) = self.receipt_font.get() {
            return Ok(font);
        }
        let settings = &self.config.receipts;
        let font = ReceiptFont::load(&settings.font, settings.font_index)?;
        Ok(self.receipt_font.get_or_init(|| font))
    }
}

fn bill_of(reader: &mut Reader<'_>, payment: &Payment) -> Result<Option<Bill>, Problem> {
    match &payment.order {
        Some(order) => reader.bill(order)?.ok_or_else(|| Problem::not_found("order")).map(Some),
        None => Ok(None),
    }
}

/// What stands in the order's total: what is wanted, and what was paid for and given back.
fn counts(charge: &Charge) -> bool {
    charge.live || charge.refunded > Fen::ZERO
}

/// Lines that are alike become one, in the order in which they come first: a list of five hundred units is one page.
fn grouped(lines: Vec<(&'static str, QuoteLine)>) -> Result<Vec<ReceiptLine>, Problem> {
    let mut groups: Vec<(&'static str, QuoteLine, u32)> = Vec::new();
    for (kind, line) in lines {
        let quantity = u32::from(line.quantity);
        let alike =
            |known: &QuoteLine| (known.item, known.price, &known.note) == (line.item, line.price, &line.note);
        match groups.iter_mut().find(|(group, known, _)| *group == kind && alike(known)) {
            Some((_, _, sum)) => *sum = sum.saturating_add(quantity),
            None => groups.push((kind, line, quantity)),
        }
    }
    groups.into_iter().map(|(kind, line, quantity)| receipt_line(kind, line, quantity)).collect()
}

fn receipt_line(kind: &'static str, line: QuoteLine, quantity: u32) -> Result<ReceiptLine, Problem> {
    let QuoteLine { item, price, note, .. } = line;
    let ((kind_zh, kind_en), (item_zh, item_en)) = (kind_words(kind), item_words(item));
    let (note_zh, note_en) = match note.as_deref() {
        Some("free-exchange") => ("（免费更换）".to_owned(), " (free exchange)".to_owned()),
        Some(other) => (format!("（{other}）"), format!(" ({other})")),
        None => (String::new(), String::new()),
    };
    let amount = price.get().checked_mul(i64::from(quantity)).ok_or(ca_core::Error::Overflow)?;
    Ok(ReceiptLine {
        zh: format!("{kind_zh}：{item_zh}{note_zh}"),
        en: format!("{kind_en}: {item_en}{note_en}"),
        quantity,
        price,
        amount: Fen::new(amount),
    })
}

#[cfg(test)]
mod tests {
    use ca_core::billing::Item;

    use super::*;

    #[test]
    fn lines_that_are_alike_become_one() {
        let line = |item, quantity, note: Option<&str>| QuoteLine {
            item,
            quantity,
            price: Fen::new(5_000),
            note: note.map(str::to_owned),
        };
        let made = grouped(vec![
            ("new", line(Item::Token, 1, None)),
            ("new", line(Item::CertificateYear, 2, None)),
            ("new", line(Item::Token, 1, None)),
            ("renew", line(Item::CertificateYear, 3, None)),
            ("replace", line(Item::Token, 1, Some("free-exchange"))),
        ])
        .unwrap();
        let shown: Vec<_> =
            made.iter().map(|line| (line.zh.as_str(), line.quantity, line.amount.get())).collect();
        assert_eq!(
            shown,
            [
                ("新办证书：U-key", 2, 10_000),
                ("新办证书：证书（含电子签章）服务费，每年", 2, 10_000),
                ("证书续期：证书（含电子签章）服务费，每年", 3, 15_000),
                ("证书补办：U-key（免费更换）", 1, 5_000),
            ]
        );
    }
}

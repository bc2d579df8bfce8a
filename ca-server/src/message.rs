//! What notices say: the templates of `templates/notice/`, one file a language. The first line is the subject, and
//! nothing that somebody typed stands in it.

use askama::Template;

use crate::problem::Failure;

/// What a message tells, as the templates need it.
pub(crate) enum Content {
    TrainingAccepted {
        id: String,
    },
    TrainingRejected {
        id: String,
        reasons: String,
    },
    TrainingInvited {
        id: String,
        at: String,
        place: String,
    },
    TrainingPassed {
        id: String,
    },
    TrainingFailed {
        id: String,
        reasons: String,
    },
    TrainingAbsent {
        id: String,
    },
    /// Without a fee nothing is to be paid.
    ApplicationApproved {
        id: String,
        fee: Option<String>,
    },
    /// Without a fee it is settled.
    RenewalOrdered {
        id: String,
        certificate: Ends,
        fee: Option<String>,
    },
    ApplicationRejected {
        id: String,
        reasons: String,
    },
    /// The application that it was paid for.
    Arrears {
        id: String,
        days: u16,
    },
    ArrearsHeld {
        id: String,
    },
    CertificateHeld {
        certificate: Ends,
        since: String,
        /// Somebody said that the token is gone.
        lost: bool,
        due: Option<Due>,
    },
    HoldEnding {
        certificate: Ends,
        due: Due,
    },
    HoldEnded {
        certificate: Ends,
        revoked: bool,
    },
    /// The unit by its name of now, since when, what, and which certificates that touches.
    UnitChanged {
        unit: String,
        since: String,
        happened: Happened,
        certificates: Vec<Affected>,
    },
    /// The application that the certificate came of.
    KeyRevoked {
        id: String,
    },
    Ready {
        id: String,
    },
    Activation {
        code: String,
    },
    Expiry {
        certificate: Ends,
        days: u16,
        renewal: Advice,
    },
    InvoiceIssued {
        invoice: Invoiced,
    },
    InvoiceRefused {
        amount: String,
        order: String,
        reasons: String,
    },
    /// And the number of the invoice that takes it back.
    InvoiceRedLettered {
        invoice: Invoiced,
        red: String,
    },
    /// What was to be told is no longer so.
    Changed {
        id: String,
    },
}

/// A certificate and its end.
pub(crate) struct Ends {
    pub(crate) unit: String,
    pub(crate) serial: String,
    pub(crate) end: String,
}

/// What happened to a unit.
pub(crate) enum Happened {
    Renamed { name: String },
    NewCode { code: String },
    OtherAgent,
    Ended,
}

/// A certificate that what happened touches.
pub(crate) struct Affected {
    pub(crate) serial: String,
    pub(crate) end: String,
    /// What was entered by itself about it; nothing where a person must see to it.
    pub(crate) application: Option<String>,
    /// Its renewal is near.
    pub(crate) late: bool,
}

/// How and when a hold ends by itself.
pub(crate) struct Due {
    pub(crate) revokes: bool,
    pub(crate) at: String,
}

/// An invoice, without what stands on it.
pub(crate) struct Invoiced {
    pub(crate) number: String,
    pub(crate) amount: String,
    pub(crate) order: String,
    /// Where the payer fetches its file.
    pub(crate) file: String,
}

/// What is to be done about a certificate that ends.
pub(crate) enum Advice {
    /// Its renewal waits for money.
    Pay { order: String, fee: String },
    /// Its renewal is settled: the holder executes it.
    Execute,
    /// Its renewal is looked at.
    Wait,
    /// It is changed first, by this application.
    Change { id: String },
    /// Somebody must come; what stands in the way, in both languages.
    Come { zh: String, en: String },
}

/// A message in one language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) subject: String,
    pub(crate) body: String,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) zh: Text,
    pub(crate) en: Text,
}

#[derive(Template)]
#[template(path = "notice/zh.txt")]
struct Chinese<'a> {
    content: &'a Content,
}

#[derive(Template)]
#[template(path = "notice/en.txt")]
struct English<'a> {
    content: &'a Content,
}

impl Message {
    pub(crate) fn new(content: &Content) -> Result<Self, Failure> {
        let text = |rendered: Result<String, askama::Error>, sender: &str| {
            let rendered = rendered.map_err(Failure::inconsistent)?;
            let parts = rendered.split_once("\n\n");
            let (subject, body) = parts.ok_or_else(|| Failure::inconsistent("a notice without a subject"))?;
            Ok::<_, Failure>(Text { subject: format!("{sender}{subject}"), body: body.trim().to_owned() })
        };
        Ok(Self {
            zh: text(Chinese { content }.render(), "【签印】")?,
            en: text(English { content }.render(), "[Qianyin] ")?,
        })
    }

    /// Both languages in one line.
    pub(crate) fn subject(&self) -> String {
        format!("{} {}", self.zh.subject, self.en.subject)
    }

    /// Both languages, Chinese first.
    pub(crate) fn body(&self) -> String {
        format!("{}\n\n{}\n", self.zh.body, self.en.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message() {
        let id = || "0000019300000000ffffffffffffffff".to_owned();
        let reasons = || "照片不清；\n\n第二行 {{ id }} <b>".to_owned();
        let ends = || Ends {
            unit: "南京签印科技有限公司".to_owned(),
            serial: "01ab".to_owned(),
            end: "2026-12-25 11:59".to_owned(),
        };
        let invoiced = || Invoiced {
            number: "26322000000000000001".to_owned(),
            amount: "¥150.00".to_owned(),
            order: id(),
            file: "/api/v1/own/invoices/0000019300000000ffffffffffffffff/file".to_owned(),
        };
        let due = |revokes| Due { revokes, at: "2026-12-26 10:00".to_owned() };
        let since = || "2026-11-26 10:00".to_owned();
        let held = |lost, due| Content::CertificateHeld { certificate: ends(), since: since(), lost, due };
        let expiry = |renewal| Content::Expiry { certificate: ends(), days: 30, renewal };
        let changed = |happened, late| {
            let affected = |application| Affected {
                serial: "01ab".to_owned(),
                end: "2026-12-25 11:59".to_owned(),
                application,
                late,
            };
            let (unit, since) = ("南京签印认证有限公司".to_owned(), "2026-11-26 00:00".to_owned());
            let certificates = vec![affected(Some(id())), affected(None)];
            Content::UnitChanged { unit, since, happened, certificates }
        };
        let contents = [
            Content::TrainingAccepted { id: id() },
            Content::TrainingRejected { id: id(), reasons: reasons() },
            Content::TrainingInvited {
                id: id(),
                at: "2026-12-01 09:00".to_owned(),
                place: "水西门大街61号二楼".to_owned(),
            },
            Content::TrainingPassed { id: id() },
            Content::TrainingFailed { id: id(), reasons: reasons() },
            Content::TrainingAbsent { id: id() },
            Content::ApplicationApproved { id: id(), fee: Some("¥200.00".to_owned()) },
            Content::ApplicationApproved { id: id(), fee: None },
            Content::ApplicationRejected { id: id(), reasons: reasons() },
            Content::Arrears { id: id(), days: 15 },
            Content::ArrearsHeld { id: id() },
            held(true, Some(due(true))),
            held(false, None),
            Content::HoldEnding { certificate: ends(), due: due(true) },
            Content::HoldEnding { certificate: ends(), due: due(false) },
            Content::HoldEnded { certificate: ends(), revoked: true },
            Content::HoldEnded { certificate: ends(), revoked: false },
            Content::KeyRevoked { id: id() },
            Content::Ready { id: id() },
            Content::Activation { code: "ABCDE-23456".to_owned() },
            Content::RenewalOrdered { id: id(), certificate: ends(), fee: Some("¥150.00".to_owned()) },
            Content::RenewalOrdered { id: id(), certificate: ends(), fee: None },
            expiry(Advice::Pay { order: id(), fee: "¥150.00".to_owned() }),
            expiry(Advice::Execute),
            expiry(Advice::Wait),
            expiry(Advice::Change { id: id() }),
            changed(Happened::Renamed { name: "南京签印认证有限公司".to_owned() }, true),
            changed(Happened::NewCode { code: "91320104000000019U".to_owned() }, false),
            changed(Happened::OtherAgent, false),
            changed(Happened::Ended, false),
            expiry(Advice::Come { zh: "经办人未经培训。".to_owned(), en: "No training.".to_owned() }),
            expiry(Advice::Come { zh: String::new(), en: String::new() }),
            Content::InvoiceIssued { invoice: invoiced() },
            Content::InvoiceRefused { amount: "¥150.00".to_owned(), order: id(), reasons: reasons() },
            Content::InvoiceRedLettered { invoice: invoiced(), red: "26322000000000000002".to_owned() },
            Content::Changed { id: id() },
        ];
        let mut all = String::new();
        for content in &contents {
            let message = Message::new(content).unwrap();
            assert!(!message.subject().contains('\n') && message.en.subject.is_ascii(), "{message:?}");
            all.push_str(&format!("== {}\n{}\n", message.subject(), message.body()));
        }
        insta::assert_snapshot!(all);
    }
}

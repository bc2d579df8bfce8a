//! What a notice tells, made at each try: secrets are stored nowhere, and reasons and places are as they stand then.

use ca_core::{
    ApplicationKind, ApplicationState, Fen, HoldEnd, HoldId, HoldOutcome, HoldReason, InvoiceId, NoticeAbout,
    NoticeKind, TrainingState, Unit, UnitEventId, UnitEventKind, billing::InvoiceState,
};
use ca_store::{ApplicationFilter, NoticeRecord, Reader};
use ca_verifier::Serial;

use super::{invoice_of, mismatch};
use crate::{
    app::{App, deliver::code_renewals, renewal_order::Prospect, unit_change::touched_by},
    message::{Advice, Affected, Content, Due, Ends, Happened, Invoiced},
    problem::Problem,
    rule::Language,
    wire,
};

const DAY_SECS: i64 = 86_400;

impl App {
    /// What the notice tells, as it stands now.
    pub(super) async fn content(
        &self,
        notice: &NoticeRecord,
        unit: Option<&Unit>,
    ) -> Result<Content, Problem> {
        if let NoticeAbout::Invoice(id) = &notice.about {
            return self.store.read(|reader| invoice(reader, notice, id));
        }
        // Only of invoices the addressee may be a person.
        let unit = unit.ok_or_else(|| mismatch(notice))?;
        if let (NoticeKind::Arrears, NoticeAbout::Application(id)) = (notice.kind, &notice.about) {
            return Ok(Content::Arrears { id: id.to_string(), days: self.policies.fees().arrears_days() });
        }
        if let NoticeAbout::Certificate(serial) = &notice.about {
            return self.store.read(|reader| self.expiry(reader, notice, unit, *serial));
        }
        if let NoticeAbout::UnitEvent(id) = &notice.about {
            return self.store.read(|reader| self.unit_changed(reader, unit, id));
        }
        let NoticeKind::Activation = notice.kind else {
            return self.store.read(|reader| content(reader, notice, unit));
        };
        let NoticeAbout::Application(application) = &notice.about else {
            return Err(mismatch(notice).into());
        };
        let renewals = self.store.read(|reader| {
            let known = reader.application(application)?.ok_or_else(|| Problem::not_found("application"))?;
            match known.state {
                ApplicationState::Delivered { serial } | ApplicationState::Active { serial } => {
                    code_renewals(reader, &serial).map(|(count, _)| count)
                }
                _ => Ok(0),
            }
        })?;
        let code = self.activation_code(application, renewals).await?;
        Ok(Content::Activation { code: format!("{}-{}", &code[..5], &code[5..]) })
    }

    fn expiry(
        &self,
        reader: &mut Reader<'_>,
        notice: &NoticeRecord,
        unit: &Unit,
        serial: Serial,
    ) -> Result<Content, Problem> {
        let days = notice.kind.expiry_days().ok_or_else(|| mismatch(notice))?;
        let renewal = match self.prospect_of(reader, serial)? {
            Prospect::Applied(known) if matches!(known.kind, ApplicationKind::Change { .. }) => {
                Advice::Change { id: known.id.to_string() }
            }
            Prospect::Applied(known) => match known.state {
                ApplicationState::Submitted => Advice::Wait,
                ApplicationState::Approved { .. } => {
                    let bill = reader.bill_of(&known.id)?.ok_or_else(|| Problem::not_found("order"))?;
                    Advice::Pay {
                        order: bill.order.id.to_string(),
                        fee: bill.order.outstanding().to_string(),
                    }
                }
                _ => Advice::Execute,
            },
            Prospect::Closed(missing) => {
                let words = |language| missing.iter().map(|part| part.texts(language).0).collect::<Vec<_>>();
                Advice::Come { zh: words(Language::Zh).concat(), en: words(Language::En).join(" ") }
            }
            Prospect::Open | Prospect::Declined => Advice::Come { zh: String::new(), en: String::new() },
        };
        Ok(Content::Expiry { certificate: ends(reader, unit, serial)?, days, renewal })
    }

    /// What happened to the unit, and how it stands with what that entered.
    fn unit_changed(
        &self,
        reader: &mut Reader<'_>,
        unit: &Unit,
        id: &UnitEventId,
    ) -> Result<Content, Problem> {
        let now = wire::now();
        let event = reader.unit_event(id)?.ok_or_else(|| Problem::not_found("event"))?;
        let filter = ApplicationFilter {
            unit: Some(event.unit.clone()),
            event: Some(id.clone()),
            limit: i64::from(u16::MAX),
            ..ApplicationFilter::default()
        };
        let entered = reader.applications(&filter)?;
        let late = now.plus_secs(i64::from(self.policies.applications().renewal().days_before) * DAY_SECS);
        let mut certificates = Vec::new();
        for touched in touched_by(reader, &event, now)? {
            let own = entered.iter().find(|known| known.kind.certificate() == Some(touched.serial));
            certificates.push(Affected {
                serial: touched.serial.to_string(),
                end: wire::china_time(touched.not_after),
                application: own.map(|known| known.id.to_string()),
                late: touched.not_after <= late,
            });
        }
        let happened = match event.kind {
            UnitEventKind::Rename { name } => Happened::Renamed { name: name.as_str().to_owned() },
            UnitEventKind::NewCode { code } => Happened::NewCode { code: code.to_string() },
            UnitEventKind::Agent { .. } => Happened::OtherAgent,
            UnitEventKind::Merger { .. } | UnitEventKind::Dissolution => Happened::Ended,
        };
        let (unit, since) = (unit.name.as_str().to_owned(), wire::china_time(event.effective_at));
        Ok(Content::UnitChanged { unit, since, happened, certificates })
    }
}

/// Number and amount, never what stands on it.
fn invoice(reader: &mut Reader<'_>, notice: &NoticeRecord, id: &InvoiceId) -> Result<Content, Problem> {
    let known = invoice_of(reader, id)?;
    let (amount, order) = (known.amount.to_string(), known.order.to_string());
    let file = format!("/api/v1/own/invoices/{id}/file");
    Ok(match (notice.kind, known.state) {
        // One that was taken back meanwhile was written all the same; the next message says so.
        (
            NoticeKind::InvoiceIssued,
            InvoiceState::Issued { number, .. } | InvoiceState::RedLettered { number, .. },
        ) => {
            let number = number.as_str().to_owned();
            Content::InvoiceIssued { invoice: Invoiced { number, amount, order, file } }
        }
        (NoticeKind::InvoiceRedLettered, InvoiceState::RedLettered { number, red }) => {
            let (number, red) = (number.as_str().to_owned(), red.as_str().to_owned());
            Content::InvoiceRedLettered { invoice: Invoiced { number, amount, order, file }, red }
        }
        (NoticeKind::InvoiceRefused, InvoiceState::Refused { reasons }) => {
            Content::InvoiceRefused { amount, order, reasons }
        }
        _ => return Err(mismatch(notice).into()),
    })
}

fn ends(reader: &mut Reader<'_>, unit: &Unit, serial: Serial) -> Result<Ends, Problem> {
    let record = reader.certificate(&serial)?.ok_or_else(|| Problem::not_found("certificate"))?;
    let (unit, end) = (unit.name.as_str().to_owned(), wire::china_time(record.not_after));
    Ok(Ends { unit, serial: serial.to_string(), end })
}

fn hold(
    reader: &mut Reader<'_>,
    notice: &NoticeRecord,
    unit: &Unit,
    id: &HoldId,
) -> Result<Content, Problem> {
    let known = reader.hold(id)?.ok_or_else(|| Problem::not_found("hold"))?;
    let certificate = ends(reader, unit, known.certificate)?;
    let due = known.due.map(|(end, at)| Due { revokes: end == HoldEnd::Revoke, at: wire::china_time(at) });
    Ok(match (notice.kind, known.ended, due) {
        // What was to be told may have happened, or become idle, meanwhile.
        (NoticeKind::HoldEnding | NoticeKind::HoldEnded, Some((_, _, HoldOutcome::Revoked)), _) => {
            Content::HoldEnded { certificate, revoked: true }
        }
        (NoticeKind::HoldEnding | NoticeKind::HoldEnded, Some((_, _, HoldOutcome::Released)), _) => {
            Content::HoldEnded { certificate, revoked: false }
        }
        (NoticeKind::HoldEnding, None, Some(due)) => Content::HoldEnding { certificate, due },
        (NoticeKind::CertificateHeld | NoticeKind::HoldEnding | NoticeKind::HoldEnded, _, due) => {
            let (since, lost) = (wire::china_time(known.placed_at), known.reason == HoldReason::Lost);
            Content::CertificateHeld { certificate, since, lost, due }
        }
        _ => return Err(mismatch(notice).into()),
    })
}

fn content(reader: &mut Reader<'_>, notice: &NoticeRecord, unit: &Unit) -> Result<Content, Problem> {
    match &notice.about {
        NoticeAbout::Training(id) => {
            let training = reader.training(id)?.ok_or_else(|| Problem::not_found("training"))?;
            let session = match training.state.session() {
                Some(session) => reader.training_session(session)?,
                None => None,
            };
            let id = id.to_string();
            Ok(match (notice.kind, training.state, session) {
                (NoticeKind::TrainingAccepted, ..) => Content::TrainingAccepted { id },
                (NoticeKind::TrainingRejected, TrainingState::Rejected { reasons, .. }, _) => {
                    Content::TrainingRejected { id, reasons }
                }
                (NoticeKind::TrainingInvited, _, Some(session)) => {
                    let (at, place) = (wire::china_time(session.starts_at), session.place);
                    Content::TrainingInvited { id, at, place }
                }
                (NoticeKind::TrainingPassed, ..) => Content::TrainingPassed { id },
                (NoticeKind::TrainingFailed, TrainingState::Failed { reasons, .. }, _) => {
                    Content::TrainingFailed { id, reasons }
                }
                (NoticeKind::TrainingAbsent, ..) => Content::TrainingAbsent { id },
                _ => Content::Changed { id },
            })
        }
        NoticeAbout::Application(id) => {
            let known = reader.application(id)?.ok_or_else(|| Problem::not_found("application"))?;
            let order = reader.charge(id)?;
            let id = id.to_string();
            let fee = order.map(|order| order.total).filter(|fee| *fee != Fen::ZERO);
            let fee = fee.map(|fee| fee.to_string());
            Ok(match (notice.kind, known.state) {
                (NoticeKind::ApplicationApproved, _) => Content::ApplicationApproved { id, fee },
                (
                    NoticeKind::RenewalOrdered,
                    ApplicationState::Approved { .. } | ApplicationState::Paid { .. },
                ) => {
                    let ApplicationKind::Renew { of } = known.kind else {
                        return Err(mismatch(notice).into());
                    };
                    Content::RenewalOrdered { id, certificate: ends(reader, unit, of)?, fee }
                }
                (NoticeKind::ApplicationRejected, ApplicationState::Rejected { reasons, .. }) => {
                    Content::ApplicationRejected { id, reasons }
                }
                (NoticeKind::ReadyForCollection, _) => Content::Ready { id },
                (NoticeKind::ArrearsHeld, _) => Content::ArrearsHeld { id },
                (NoticeKind::KeyRevoked, _) => Content::KeyRevoked { id },
                _ => Content::Changed { id },
            })
        }
        NoticeAbout::Hold(id) => hold(reader, notice, unit, id),
        NoticeAbout::Certificate(_) | NoticeAbout::Invoice(_) | NoticeAbout::UnitEvent(_) => {
            Err(mismatch(notice).into())
        }
    }
}

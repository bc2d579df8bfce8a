//! Whether a person's data must still be kept, and because of what.

use ca_verifier::{Serial, Time};

use crate::policy::RetentionRules;
use crate::{ApplicationId, InvoiceId, TrainingId, UnitId};

/// Everything that ties a person's data to the CA's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ties {
    /// A unit for which the agent may act now.
    pub pair: Option<UnitId>,
    /// An application that is not over.
    pub application: Option<ApplicationId>,
    /// An application for training that is not over.
    pub training: Option<TrainingId>,
    /// An invoice that the agent asked for and that is neither written nor refused.
    pub invoice: Option<InvoiceId>,
    /// The certificate that lapses last, of those that the agent had a part in, and when it lapses.
    pub certificate: Option<(Serial, Time)>,
    /// The last thing that happened with the agent.
    pub last_event: Time,
}

/// What keeps a person's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The agent may act for this unit.
    Pair(UnitId),
    /// This application is not over.
    Application(ApplicationId),
    /// This application for training is not over.
    Training(TrainingId),
    /// This invoice is still to be written.
    Invoice(InvoiceId),
    /// The time after this certificate's lapse is not over before then.
    Certificate(Serial, Time),
    /// The time after the last event is not over before then.
    Event(Time),
    /// The end of the time cannot be computed: unsure means keep.
    Unclear,
}

impl Ties {
    /// What keeps the data at `now`; `None` when it can be erased.
    #[must_use]
    pub fn kept(&self, rules: &RetentionRules, now: Time) -> Option<Kept> {
        if let Some(unit) = &self.pair {
            return Some(Kept::Pair(unit.clone()));
        }
        if let Some(application) = &self.application {
            return Some(Kept::Application(application.clone()));
        }
        if let Some(training) = &self.training {
            return Some(Kept::Training(training.clone()));
        }
        if let Some(invoice) = &self.invoice {
            return Some(Kept::Invoice(invoice.clone()));
        }
        if let Some((serial, lapse)) = self.certificate {
            match rules.over_at(lapse) {
                Some(over) if over <= now => {}
                Some(over) => return Some(Kept::Certificate(serial, over)),
                None => return Some(Kept::Unclear),
            }
        }
        match rules.over_at(self.last_event) {
            Some(over) if over <= now => None,
            Some(over) => Some(Kept::Event(over)),
            None => Some(Kept::Unclear),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing;

    const DAY: i64 = 86_400;

    fn free() -> Ties {
        Ties {
            pair: None,
            application: None,
            training: None,
            invoice: None,
            certificate: None,
            last_event: Time::from_secs(0),
        }
    }

    #[test]
    fn every_tie_keeps() {
        let policies = testing::policies();
        let rules = policies.retention();
        let now = Time::from_secs(11 * 365 * DAY);
        assert_eq!(free().kept(rules, now), None);
        let (unit, application) = (UnitId::new(now, [1; 10]), ApplicationId::new(now, [2; 10]));
        let (training, invoice) = (TrainingId::new(now, [3; 10]), InvoiceId::new(now, [4; 10]));
        let serial = Serial::from_random(1, &[3; 17]).unwrap();
        let lapse = now.plus_secs(-9 * 365 * DAY);
        let over = rules.over_at(lapse).unwrap();
        let cases = [
            (Ties { pair: Some(unit.clone()), ..free() }, Kept::Pair(unit)),
            (Ties { application: Some(application.clone()), ..free() }, Kept::Application(application)),
            (Ties { training: Some(training.clone()), ..free() }, Kept::Training(training)),
            (Ties { invoice: Some(invoice.clone()), ..free() }, Kept::Invoice(invoice)),
            (Ties { certificate: Some((serial, lapse)), ..free() }, Kept::Certificate(serial, over)),
            (Ties { last_event: lapse, ..free() }, Kept::Event(over)),
            (Ties { last_event: Time::from_millis(i64::MAX), ..free() }, Kept::Unclear),
        ];
        for (ties, kept) in cases {
            assert_eq!(ties.kept(rules, now), Some(kept));
        }
    }

    #[test]
    fn the_time_ends_to_the_millisecond() {
        let policies = testing::policies();
        let rules = policies.retention();
        let serial = Serial::from_random(1, &[3; 17]).unwrap();
        let ties = Ties { certificate: Some((serial, Time::from_secs(5 * DAY))), ..free() };
        let over = rules.over_at(Time::from_secs(5 * DAY)).unwrap();
        assert!(ties.kept(rules, Time::from_millis(over.millis() - 1)).is_some());
        assert_eq!(ties.kept(rules, over), None);
    }
}

//! What an event of a unit means for each of its certificates and for each application that is not finished: a table with an
//! answer for everything, so that nothing goes on with old data unseen (step 11).
//!
//! What nobody has in hands yet is made anew; what somebody uses goes on until a person has decided its change or its end.

use crate::{ApplicationKind, ApplicationState, Error, UnitEventKind};

/// What an event changes, as certificates see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impact {
    /// The name or the code, which certificates say.
    Data,
    /// The unit ends.
    End,
    /// Who acts for it, which no certificate says.
    Agent,
}

/// Where a certificate is on the event's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Revoked, or past its end.
    Over,
    /// Made, and in nobody's hands yet: it waits at the counter, or the holder's program is at work.
    Made,
    /// Handed over and never activated, on hold or not.
    Delivered,
    /// In use.
    Good,
    /// On hold, after it was in use.
    Held,
    /// It serves for some days while another's token is repaired.
    Temporary,
}

/// What comes after a certificate, when the event went through the applications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Successor {
    /// Nothing that is known.
    None,
    /// An application that goes on, with the data of now.
    UnderWay,
    /// A certificate that is handed over and not activated.
    HandedOver,
}

/// What an event finds of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Where it is.
    pub found: Found,
    /// Whether the event is about what it says, or about who applied for it.
    pub touched: bool,
    /// What comes after it.
    pub successor: Successor,
    /// Whether there is an agent in whose name something can be entered.
    pub agent: bool,
}

/// What an event finds of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApplicationFacts {
    /// Whether it says what the unit is no longer, or is the leaving agent's.
    pub touched: bool,
    /// A renewal that the policy ordered and that nobody has begun to pay.
    pub by_itself: bool,
}

macro_rules! fates {
    ($(#[$outer:meta])* $name:ident, $what:literal { $($(#[$inner:meta])* $fate:ident $text:literal $zh:literal $en:literal;)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$inner])* $fate),+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$fate),+];

            /// The name in the API and the log.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$fate => $text),+ }
            }

            /// For a person, in Chinese and in English.
            #[must_use]
            pub fn texts(self) -> (&'static str, &'static str) {
                match self { $(Self::$fate => ($zh, $en)),+ }
            }

            /// From its name.
            ///
            /// # Errors
            /// [`Error::Unknown`].
            pub fn from_name(name: &str) -> Result<Self, Error> {
                let found = Self::ALL.iter().copied().find(|fate| fate.name() == name);
                found.ok_or_else(|| Error::Unknown { what: $what, value: name.to_owned() })
            }
        }
    };
}

fates! {
    /// What became of a certificate by an event.
    CertificateFate, "certificate-fate" {
        /// It stays as it is.
        Unaffected "unaffected"
            "继续使用，无需办理。"
            "It stays as it is; nothing is to be done.";
        /// A change is entered, to be decided.
        ChangeEntered "change-entered"
            "已录入变更申请：由另一人审核，再由持有人运行 ukey renew 换发。"
            "A change is entered: another person decides it, then its holder makes it with ukey renew.";
        /// Its end is entered, to be decided.
        RevocationEntered "revocation-entered"
            "已录入吊销申请：由另一人审核，审核通过即吊销。"
            "Its revocation is entered: another person decides it, and it is revoked then.";
        /// Nobody had it: it is revoked at once.
        Withdrawn "withdrawn"
            "尚未交到持有人手中：已作废（吊销）。"
            "Nobody had it yet: it is revoked.";
        /// Its successor, under way, says the new data.
        CarriedOver "carried-over"
            "正在办理的后续申请将按新信息制证，办结时旧证书即吊销。"
            "What is under way for it will say the new data, and ends it.";
        /// Its replacement is handed over; that one's change is entered.
        ReplacedSoon "replaced-soon"
            "补办的新证书已交付，激活后此证书即吊销；变更针对新证书录入。"
            "Its replacement is handed over and ends it when activated; the change is entered for that one.";
        /// It ends within days.
        EndsByItself "ends-by-itself"
            "临时证书，几天内自行到期。"
            "A temporary one: it ends within days.";
        /// Nobody acts for the unit: nothing can be entered.
        NeedsPerson "needs-person"
            "单位没有经办人，未能录入：请先确认经办人，再在柜台录入申请。"
            "Nobody acts for the unit, so nothing was entered: confirm an agent, then enter it at the counter.";
    }
}

fates! {
    /// What became of an application by an event.
    ApplicationFate, "application-fate" {
        /// It goes on as it was.
        Unaffected "unaffected"
            "照常办理。"
            "It goes on as it was.";
        /// It says the new data, and is decided with them.
        CarriedOver "carried-over"
            "已改为新信息，按新信息审核。"
            "It says the new data now, and is decided with them.";
        /// Another person approves the new data before anything is made; a token in work is given up.
        ApproveAnew "approve-anew"
            "已停止制证：由未录入该事项的审核员按新信息再次审核后继续，已缴费用不变。"
            "Nothing is made of it until another person approves it anew, with the new data; what is paid stays paid.";
        /// It ends: something else takes its place, or nothing is made for the unit any more.
        Expired "expired"
            "已终止；多缴的款项记为单位余额。"
            "It ended; money that came in for it is the unit's credit.";
        /// Nothing is made of it; its money is given back.
        Stopped "stopped"
            "不再制证：已缴费用请办理退费（两人）。"
            "Nothing is made of it any more: have what was paid given back (two persons).";
        /// It is the new agent's.
        Passed "passed"
            "由新经办人继续办理。"
            "It goes on as the new agent's.";
    }
}

impl UnitEventKind {
    /// What it changes, as certificates see it.
    #[must_use]
    pub fn impact(&self) -> Impact {
        match self {
            Self::Rename { .. } | Self::NewCode { .. } => Impact::Data,
            Self::Merger { .. } | Self::Dissolution => Impact::End,
            Self::Agent { .. } => Impact::Agent,
        }
    }
}

impl Impact {
    /// What becomes of a certificate.
    #[must_use]
    pub fn on_certificate(self, facts: CertificateFacts) -> CertificateFate {
        use CertificateFate as F;
        match (self, facts.found) {
            (_, Found::Over) | (Self::Agent, _) => F::Unaffected,
            (Self::Data, _) if !facts.touched => F::Unaffected,
            (Self::Data | Self::End, Found::Made) => F::Withdrawn,
            (Self::Data, Found::Temporary) => F::EndsByItself,
            (Self::Data, Found::Delivered | Found::Good | Found::Held) => match facts.successor {
                Successor::UnderWay => F::CarriedOver,
                Successor::HandedOver => F::ReplacedSoon,
                Successor::None if facts.agent => F::ChangeEntered,
                Successor::None => F::NeedsPerson,
            },
            (Self::End, Found::Delivered | Found::Good | Found::Held | Found::Temporary) => {
                if facts.agent {
                    F::RevocationEntered
                } else {
                    F::NeedsPerson
                }
            }
        }
    }

    /// What becomes of an application.
    #[must_use]
    pub fn on_application(
        self,
        kind: ApplicationKind,
        state: &ApplicationState,
        facts: ApplicationFacts,
    ) -> ApplicationFate {
        use ApplicationFate as F;
        use ApplicationState as S;
        let ends = matches!(kind, ApplicationKind::Revoke { .. } | ApplicationKind::Hold { .. });
        match (self, state) {
            (_, S::Withdrawn | S::Expired | S::Done { .. } | S::Active { .. }) => F::Unaffected,
            (Self::Data | Self::Agent, _) if !facts.touched => F::Unaffected,
            (
                Self::Agent,
                S::Submitted
                | S::Rejected { .. }
                | S::Approved { .. }
                | S::Paid { .. }
                | S::Personalising { .. }
                | S::Issued { .. }
                | S::Delivered { .. },
            ) => F::Passed,
            // Corrected, it says what the unit is then; handed over, its certificate is looked at.
            (Self::Data | Self::End, S::Rejected { .. } | S::Delivered { .. }) => F::Unaffected,
            (Self::Data, _) if !kind.makes_certificate() => F::Unaffected,
            (Self::End, _) if ends => F::Unaffected,
            (Self::Data, S::Submitted | S::Approved { .. }) if facts.by_itself => F::Expired,
            (Self::Data, S::Submitted) => F::CarriedOver,
            (
                Self::Data,
                S::Approved { .. } | S::Paid { .. } | S::Personalising { .. } | S::Issued { .. },
            ) => F::ApproveAnew,
            (Self::End, S::Submitted | S::Approved { .. }) => F::Expired,
            (Self::End, S::Paid { .. } | S::Personalising { .. } | S::Issued { .. }) => F::Stopped,
        }
    }
}

#[cfg(test)]
mod tests {
    use ca_verifier::{Reason, Serial, Time};

    use super::*;
    use crate::{AttemptId, Author, Loss, StaffId};

    const IMPACTS: [Impact; 3] = [Impact::Data, Impact::End, Impact::Agent];
    const FOUND: [Found; 6] =
        [Found::Over, Found::Made, Found::Delivered, Found::Good, Found::Held, Found::Temporary];
    const SUCCESSORS: [Successor; 3] = [Successor::None, Successor::UnderWay, Successor::HandedOver];

    fn certificates() -> Vec<CertificateFacts> {
        let mut all = Vec::new();
        for found in FOUND {
            for successor in SUCCESSORS {
                for (touched, agent) in [(true, true), (true, false), (false, true), (false, false)] {
                    all.push(CertificateFacts { found, touched, successor, agent });
                }
            }
        }
        all
    }

    fn states() -> Vec<ApplicationState> {
        let serial = Serial::from_content(&[9]).unwrap();
        let by = StaffId::new(Time::from_secs(0), [2; 10]);
        let attempt = AttemptId::new(Time::from_secs(0), [8; 10]);
        let (payment, author) = (None, Author::Staff(by.clone()));
        vec![
            ApplicationState::Submitted,
            ApplicationState::Rejected { by, reasons: "documents".into() },
            ApplicationState::Approved { by: author.clone() },
            ApplicationState::Paid { payment: None },
            ApplicationState::Personalising { payment: None, attempt: attempt.clone() },
            ApplicationState::Issued { payment, attempt, serial },
            ApplicationState::Delivered { serial },
            ApplicationState::Active { serial },
            ApplicationState::Withdrawn,
            ApplicationState::Expired,
            ApplicationState::Done { by: author },
        ]
    }

    fn kinds() -> Vec<ApplicationKind> {
        let of = Serial::from_content(&[9]).unwrap();
        vec![
            ApplicationKind::New,
            ApplicationKind::Renew { of },
            ApplicationKind::Rekey { of },
            ApplicationKind::Replace { of, cause: Loss::Lost },
            ApplicationKind::Replace { of, cause: Loss::Repair },
            ApplicationKind::Change { of },
            ApplicationKind::Revoke { of, reason: Reason::Superseded },
            ApplicationKind::Hold { of },
            ApplicationKind::Release { of },
            ApplicationKind::Unlock { of },
        ]
    }

    /// What lives and says something else, or must end, is somebody's business; what is over is nobody's.
    #[test]
    fn no_certificate_is_passed_over() {
        for facts in certificates() {
            let (data, end) = (Impact::Data.on_certificate(facts), Impact::End.on_certificate(facts));
            let over = facts.found == Found::Over;
            assert_eq!(data == CertificateFate::Unaffected, over || !facts.touched, "{facts:?}");
            assert_eq!(end == CertificateFate::Unaffected, over, "{facts:?}");
            assert_eq!(Impact::Agent.on_certificate(facts), CertificateFate::Unaffected);
            // One application for what comes after a certificate, and none without an agent.
            if data == CertificateFate::ChangeEntered {
                assert!(facts.successor == Successor::None && facts.agent, "{facts:?}");
            }
        }
    }

    /// Nothing is made of what says old data, and nothing of what is for a unit that has ended.
    #[test]
    fn no_application_makes_what_is_not_so() {
        for kind in kinds() {
            for state in states() {
                for (touched, by_itself) in [(true, true), (true, false), (false, true), (false, false)] {
                    let facts = ApplicationFacts { touched, by_itself };
                    let makes_something = matches!(
                        state,
                        ApplicationState::Submitted
                            | ApplicationState::Approved { .. }
                            | ApplicationState::Paid { .. }
                            | ApplicationState::Personalising { .. }
                            | ApplicationState::Issued { .. }
                    );
                    let data = Impact::Data.on_application(kind, &state, facts);
                    let expected = makes_something && touched && kind.makes_certificate();
                    assert_eq!(data != ApplicationFate::Unaffected, expected, "{kind:?} {state:?} {facts:?}");
                    let end = Impact::End.on_application(kind, &state, facts);
                    let ends = matches!(kind, ApplicationKind::Revoke { .. } | ApplicationKind::Hold { .. });
                    assert_eq!(
                        end != ApplicationFate::Unaffected,
                        makes_something && !ends,
                        "{kind:?} {state:?}"
                    );
                    let agent = Impact::Agent.on_application(kind, &state, facts);
                    assert!(matches!(agent, ApplicationFate::Passed | ApplicationFate::Unaffected));
                }
            }
        }
    }

    #[test]
    fn names_come_back() {
        for fate in CertificateFate::ALL {
            assert_eq!(CertificateFate::from_name(fate.name()), Ok(*fate));
        }
        for fate in ApplicationFate::ALL {
            assert_eq!(ApplicationFate::from_name(fate.name()), Ok(*fate));
        }
        assert!(CertificateFate::from_name("lost").is_err() && ApplicationFate::from_name("lost").is_err());
    }

    /// The tables of docs/counter.md are this table.
    #[test]
    fn the_counters_page_says_so() {
        let page = include_str!("../../docs/counter.md");
        let row = |label: &str, of: &dyn Fn(Impact) -> &'static str| {
            let cells = IMPACTS.map(|impact| format!(" `{}` |", of(impact)));
            let line = format!("| {label} |{}", cells.concat());
            assert!(page.lines().any(|known| known == line), "docs/counter.md lacks\n{line}");
        };
        let facts = |found, successor| CertificateFacts { found, successor, touched: true, agent: true };
        for (label, facts) in [
            ("made, not handed over", facts(Found::Made, Successor::None)),
            ("handed over, not activated", facts(Found::Delivered, Successor::None)),
            ("in use", facts(Found::Good, Successor::None)),
            ("in use, and something is under way for it", facts(Found::Good, Successor::UnderWay)),
            ("in use, and its replacement is handed over", facts(Found::Good, Successor::HandedOver)),
            ("on hold", facts(Found::Held, Successor::None)),
            ("on hold, and something is under way for it", facts(Found::Held, Successor::UnderWay)),
            ("temporary", facts(Found::Temporary, Successor::None)),
            (
                "any of these, and nobody acts for the unit",
                CertificateFacts { agent: false, ..facts(Found::Good, Successor::None) },
            ),
            ("revoked or past its end", facts(Found::Over, Successor::None)),
        ] {
            row(label, &|impact| impact.on_certificate(facts).name());
        }
        let states = states();
        let facts = |by_itself| ApplicationFacts { touched: true, by_itself };
        for (label, state, by_itself) in [
            ("`submitted`", 0, false),
            ("`rejected`", 1, false),
            ("`approved`", 2, false),
            ("`approved`, a renewal that ordered itself, unpaid", 2, true),
            ("`paid`", 3, false),
            ("`personalising`", 4, false),
            ("`issued`", 5, false),
            ("`delivered`", 6, false),
        ] {
            row(label, &|impact| {
                impact.on_application(ApplicationKind::New, &states[state], facts(by_itself)).name()
            });
        }
        for fate in CertificateFate::ALL {
            assert!(page.contains(&format!("| `{}` | ", fate.name())), "{} is not explained", fate.name());
        }
        for fate in ApplicationFate::ALL {
            assert!(page.contains(&format!("| `{}` | ", fate.name())), "{} is not explained", fate.name());
        }
    }
}

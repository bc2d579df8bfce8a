//! A hold on a certificate: why, by whom, since when, and how it ends by itself (step 11).
//!
//! ```text
//! placed ──tell, 7 days before──▶ told ──its day has come──▶ revoked or released, as the policy said
//!    └──────── released, revoked, or another reason took its place, at any time ────────▶ ended
//! ```
//! No hold ends by itself before its unit was told and had 7 days to answer.

use ca_verifier::{Serial, Time};

use crate::{Ciphertext, Error, HoldId};

const DAY_SECS: i64 = 86_400;
/// How many days before its end the unit is told.
pub const TOLD_DAYS: i64 = 7;

/// Why a certificate is on hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldReason {
    /// Somebody said that the token is gone.
    Lost,
    /// What bought it was taken back.
    Arrears,
    /// The unit asked for it, and an officer decided.
    Application,
    /// A member of staff, or an operator, put it on hold.
    Staff,
    /// Its token is being repaired, and a temporary certificate serves meanwhile.
    Repair,
}

/// How a hold ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldEnd {
    /// The certificate is revoked.
    Revoke,
    /// It is what it was before.
    Release,
}

/// How a hold ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldOutcome {
    /// The certificate was revoked.
    Revoked,
    /// It is what it was before.
    Released,
    /// It is on hold still, for another reason.
    Replaced,
}

/// One hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Our identifier.
    pub id: HoldId,
    /// On which certificate.
    pub certificate: Serial,
    /// Why.
    pub reason: HoldReason,
    /// Who placed it, as the log writes it.
    pub placed_by: String,
    /// When.
    pub placed_at: Time,
    /// Who called, and what they said, sealed.
    pub caller: Option<Ciphertext>,
    /// How and when it ends by itself; `None`: a person ends it.
    pub due: Option<(HoldEnd, Time)>,
    /// When the unit was told of that.
    pub told_at: Option<Time>,
    /// When, by whom and how it ended; `None` while the certificate is on hold for it.
    pub ended: Option<(Time, String, HoldOutcome)>,
}

impl HoldReason {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Arrears, Self::Application, Self::Staff, Self::Repair];

    /// The name in the API, the policies and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Arrears => "arrears",
            Self::Application => "application",
            Self::Staff => "staff",
            Self::Repair => "repair",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        named(Self::ALL, Self::name, "hold-reason", name)
    }
}

impl HoldEnd {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Revoke, Self::Release];

    /// The name in the API, the policies and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Release => "release",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        named(Self::ALL, Self::name, "hold-end", name)
    }
}

impl HoldOutcome {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Revoked, Self::Released, Self::Replaced];

    /// The name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Released => "released",
            Self::Replaced => "replaced",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        named(Self::ALL, Self::name, "hold-outcome", name)
    }
}

impl Hold {
    /// The same hold after its unit was told at `now`: it ends 7 days later, or on its day when that is later. `None` when
    /// it is not the time, or never will be.
    #[must_use]
    pub fn told(&self, now: Time) -> Option<Self> {
        let (end, due) = self.due.filter(|_| self.told_at.is_none() && self.ended.is_none())?;
        let notice = now.plus_secs(TOLD_DAYS * DAY_SECS);
        let told = Self { due: Some((end, due.max(notice))), told_at: Some(now), ..self.clone() };
        (due <= notice).then_some(told)
    }

    /// How it ends by itself at `now`; `None` when it does not.
    #[must_use]
    pub fn ends(&self, now: Time) -> Option<HoldEnd> {
        let (end, due) = self.due.filter(|_| self.told_at.is_some() && self.ended.is_none())?;
        (due <= now).then_some(end)
    }

    /// The same hold, ended.
    #[must_use]
    pub fn ended(&self, now: Time, by: String, how: HoldOutcome) -> Self {
        Self { ended: Some((now, by, how)), ..self.clone() }
    }
}

fn named<T: Copy, const N: usize>(
    all: [T; N],
    name_of: fn(T) -> &'static str,
    what: &'static str,
    name: &str,
) -> Result<T, Error> {
    let found = all.into_iter().find(|one| name_of(*one) == name);
    found.ok_or_else(|| Error::Unknown { what, value: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000_000);

    fn hold(due: Option<(HoldEnd, Time)>) -> Hold {
        Hold {
            id: HoldId::new(NOW, [1; 10]),
            certificate: Serial::from_content(&[9]).unwrap(),
            reason: HoldReason::Lost,
            placed_by: "staff:1".to_owned(),
            placed_at: NOW,
            caller: None,
            due,
            told_at: None,
            ended: None,
        }
    }

    fn days(count: i64) -> Time {
        NOW.plus_secs(count * DAY_SECS)
    }

    #[test]
    fn nothing_ends_before_the_unit_had_its_days() {
        let placed = hold(Some((HoldEnd::Revoke, days(30))));
        assert_eq!(placed.told(days(22)), None, "too early");
        assert_eq!(placed.ends(days(400)), None, "nobody was told");
        let told = placed.told(days(23)).unwrap();
        assert_eq!(told.due, Some((HoldEnd::Revoke, days(30))));
        assert_eq!(told.told(days(24)), None, "once");
        assert_eq!((told.ends(days(29)), told.ends(days(30))), (None, Some(HoldEnd::Revoke)));
        let late = placed.told(days(60)).unwrap();
        assert_eq!((late.ends(days(66)), late.ends(days(67))), (None, Some(HoldEnd::Revoke)));
        let over = told.ended(days(25), "staff:2".to_owned(), HoldOutcome::Released);
        assert_eq!(over.ends(days(30)), None);
        let never = hold(None);
        assert_eq!((never.told(days(400)), never.ends(days(400))), (None, None));
    }

    #[test]
    fn names_come_back() {
        for reason in HoldReason::ALL {
            assert_eq!(HoldReason::from_name(reason.name()), Ok(reason));
        }
        for end in HoldEnd::ALL {
            assert_eq!(HoldEnd::from_name(end.name()), Ok(end));
        }
        for how in HoldOutcome::ALL {
            assert_eq!(HoldOutcome::from_name(how.name()), Ok(how));
        }
        assert!(HoldReason::from_name("stolen").is_err());
    }
}

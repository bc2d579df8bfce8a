//! The life of an appointment at a counter. While it is booked it can be moved to another day.
//!
//! ```text
//! booked ──keep───▶ kept
//!   ├─────miss────▶ missed
//!   └────cancel───▶ cancelled
//! ```

use ca_verifier::Time;
use jiff::civil::Date;

use crate::{ApplicationId, AppointmentId, Error, Refusal, StaffId, UnitId};

/// Where an appointment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppointmentState {
    /// It takes a seat.
    Booked,
    /// Somebody came.
    Kept,
    /// Nobody came.
    Missed,
    /// Given back; the seat is free.
    Cancelled,
}

/// What can be asked of an appointment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppointmentCommand {
    /// Another day, counter or hour.
    Move,
    /// Somebody came.
    Keep,
    /// Nobody came.
    Miss,
    /// It is given back.
    Cancel,
}

/// What an appointment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To hand in an application.
    Apply,
    /// To take a U-key.
    Collect,
    /// Anything else.
    Other,
}

/// An appointment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Our identifier.
    pub id: AppointmentId,
    /// A code of `policies/counters.toml`.
    pub counter: String,
    /// On which day.
    pub day: Date,
    /// When it begins, `HH:MM`: a slot of the counter.
    pub slot: String,
    /// The day's year had no published calendar when it was booked.
    pub estimated: bool,
    /// What for.
    pub purpose: Purpose,
    /// Which unit.
    pub unit: UnitId,
    /// Which application, when there is one.
    pub application: Option<ApplicationId>,
    /// Who booked it.
    pub made_by: StaffId,
    /// When.
    pub made_at: Time,
    /// Where it stands.
    pub state: AppointmentState,
}

impl AppointmentState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Booked, Self::Kept, Self::Missed, Self::Cancelled];

    /// The next state.
    ///
    /// # Errors
    /// [`Refusal::WrongState`]: the appointment stays as it was.
    pub fn transition(self, command: AppointmentCommand) -> Result<Self, Refusal> {
        use AppointmentCommand as C;
        match (self, command) {
            (Self::Booked, C::Move) => Ok(Self::Booked),
            (Self::Booked, C::Keep) => Ok(Self::Kept),
            (Self::Booked, C::Miss) => Ok(Self::Missed),
            (Self::Booked, C::Cancel) => Ok(Self::Cancelled),
            (state, command) => Err(Refusal::WrongState { state: state.name(), command: command.name() }),
        }
    }

    /// The name that stands in the database, the log and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::Kept => "kept",
            Self::Missed => "missed",
            Self::Cancelled => "cancelled",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "state of an appointment", value: name.to_owned() })
    }
}

impl AppointmentCommand {
    /// The name that stands in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Keep => "keep",
            Self::Miss => "miss",
            Self::Cancel => "cancel",
        }
    }
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Apply, Self::Collect, Self::Other];

    /// The name that stands in the database and the API.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Collect => "collect",
            Self::Other => "other",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|purpose| purpose.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "purpose", value: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use AppointmentCommand as C;
        let mut table = Vec::new();
        for state in AppointmentState::ALL {
            assert_eq!(AppointmentState::from_name(state.name()), Ok(state));
            for command in [C::Move, C::Keep, C::Miss, C::Cancel] {
                if let Ok(next) = state.transition(command) {
                    table.push(format!("{} {} {}", state.name(), command.name(), next.name()));
                }
            }
        }
        let all = ["booked move booked", "booked keep kept", "booked miss missed", "booked cancel cancelled"];
        assert_eq!(table, all);
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_name(purpose.name()), Ok(purpose));
        }
        assert!(AppointmentState::from_name("").is_err() && Purpose::from_name("").is_err());
    }
}

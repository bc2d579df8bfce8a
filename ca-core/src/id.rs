//! Typed identifiers: 48 bits of time and 80 random bits, 32 hexadecimal characters.
//!
//! Time-ordered, so that indexes grow at one end; random enough that nobody guesses another unit's.

use std::fmt;

use ca_verifier::Time;

use crate::Error;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// A new identifier; `random` comes from the operating system's generator.
            #[must_use]
            pub fn new(now: Time, random: [u8; 10]) -> Self {
                Self(compose(now, random))
            }

            /// Reads one back.
            ///
            /// # Errors
            /// [`Error::Identifier`] when it is not 32 lower-case hexadecimal characters.
            pub fn parse(text: &str) -> Result<Self, Error> {
                check(text).map(|()| Self(text.to_owned()))
            }

            /// When it was made.
            #[must_use]
            pub fn made_at(&self) -> Time {
                Time::from_millis(i64::from_str_radix(&self.0[..12], 16).unwrap_or_default())
            }

            /// The 32 characters.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )+};
}

identifiers! {
    /// A line of a bank statement.
    BankLineId,
    /// An online payment at a gateway.
    OnlinePaymentId,
    /// A unit (单位): the organisation a certificate speaks for.
    UnitId,
    /// An agent (经办人): the person who acts for a unit.
    AgentId,
    /// An application for a certificate.
    ApplicationId,
    /// An order: what an application costs.
    OrderId,
    /// A payment.
    PaymentId,
    /// A waiver or a refund.
    AdjustmentId,
    /// A payment that was taken back.
    ChargebackId,
    /// An issuing line of a workstation.
    LineId,
    /// A hold on a certificate.
    HoldId,
    /// A vendor's delivery of tokens.
    TokenDeliveryId,
    /// An invoice (发票).
    InvoiceId,
    /// One attempt at personalising a token for an application. Its 16 octets are the CKA_ID of the key pair.
    AttemptId,
    /// A member of staff.
    StaffId,
    /// A unit's application to have its agent trained.
    TrainingId,
    /// A training session.
    SessionId,
    /// Something that happens to a unit.
    UnitEventId,
    /// The online account of a unit or an agent.
    AccountId,
    /// A notice: a message to an agent or a unit.
    NoticeId,
    /// A social security card in an agent's history.
    CardId,
    /// What opens one commitment of the log.
    OpeningId,
    /// A list of units for new certificates.
    BatchId,
    /// An appointment at a counter.
    AppointmentId,
}

impl AttemptId {
    /// The CKA_ID of the key pair that this attempt makes, so that leftovers of a broken attempt are recognised.
    #[must_use]
    pub fn cka_id(&self) -> Vec<u8> {
        hex::decode(&self.0).unwrap_or_default()
    }
}

fn compose(now: Time, random: [u8; 10]) -> String {
    let millis = now.millis().to_be_bytes();
    format!("{}{}", hex::encode(&millis[2..]), hex::encode(random))
}

fn check(text: &str) -> Result<(), Error> {
    let hexadecimal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if text.len() == 32 && text.bytes().all(hexadecimal) { Ok(()) } else { Err(Error::Identifier) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_order_by_time_and_read_back() {
        let early = UnitId::new(Time::from_secs(1), [0xff; 10]);
        let late = UnitId::new(Time::from_secs(2), [0; 10]);
        assert!(early < late);
        assert_eq!(late.made_at(), Time::from_secs(2));
        assert_eq!(UnitId::parse(early.as_str()).unwrap(), early);
        for bad in ["", "0", &"0".repeat(33), &"G".repeat(32), &"A".repeat(32)] {
            assert!(UnitId::parse(bad).is_err());
        }
    }
}

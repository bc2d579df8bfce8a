//! Units, agents and staff, and the application that ties them (steps 1 and 2 of the path).

use ca_verifier::{Time, UnitCode};

use crate::policy::Deadline;
use crate::{
    AgentId, ApplicationId, ApplicationKind, ApplicationState, CardId, Ciphertext, Error, Sealed, SessionId,
    StaffId, TrainingId, TrainingState, UnitEventId, UnitId,
};

const NAME_CHARS_MAX: usize = 100;

/// A legal or personal name: trimmed, without control characters, at most 100 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::Name`] when empty, too long, with outer spaces, or with control, direction or zero-width characters.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        };
        if text.trim() != text
            || text.is_empty()
            || text.chars().count() > NAME_CHARS_MAX
            || text.chars().any(hidden)
        {
            return Err(Error::Name);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A unit (单位).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Our identifier.
    pub id: UnitId,
    /// Its unified social credit code, or the organisation code of an older unit.
    pub code: UnitCode,
    /// 劳动保障证号: eight digits.
    pub labour_no: String,
    /// Its legal name.
    pub name: Name,
    /// Province, the subject's ST.
    pub province: String,
    /// City, the subject's L.
    pub city: String,
    /// The agency that insures it, a code of `policies/eligibility.toml`; `None` from before this was asked.
    pub agency: Option<String>,
    /// District or county, the six digits of GB/T 2260; `None` when it was not told. It decides nothing.
    pub region: Option<String>,
    /// Why a person should look at the name: characters that look like others.
    pub name_flag: Option<String>,
    /// Who registered it, as the log writes it.
    pub registered_by: String,
    /// When.
    pub registered_at: Time,
    /// Since when it is merged or dissolved: then nothing new is made for it.
    pub ended_at: Option<Time>,
}

impl Unit {
    /// Checks 劳动保障证号.
    ///
    /// # Errors
    /// [`Error::LabourNumber`] unless it is eight ASCII digits.
    pub fn check_labour_no(text: &str) -> Result<(), Error> {
        if text.len() == 8 && text.bytes().all(|c| c.is_ascii_digit()) {
            Ok(())
        } else {
            Err(Error::LabourNumber)
        }
    }

    /// Checks the region.
    ///
    /// # Errors
    /// [`Error::Region`] unless it is six ASCII digits that do not begin with 0.
    pub fn check_region(text: &str) -> Result<(), Error> {
        if text.len() == 6 && text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0') {
            Ok(())
        } else {
            Err(Error::Region)
        }
    }
}

/// An agent (经办人). Who it is stands here sealed only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Our identifier.
    pub id: AgentId,
    /// Who it is, as long as that is known.
    pub identity: Identity,
    /// Passed the training, and when.
    pub qualified_at: Option<Time>,
}

/// What is known of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Sealed; numbers of cards are in [`AgentCard`].
    Known {
        /// The name.
        name: Sealed,
        /// The identity card number (GB 11643), unless only a social security card was shown.
        id_card: Option<Sealed>,
    },
    /// Erased after the time for which it had to be kept; nobody can be told from it.
    Erased {
        /// When.
        at: Time,
    },
}

/// A social security card (社会保障卡) that an agent has or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentCard {
    /// Our identifier.
    pub id: CardId,
    /// Whose.
    pub agent: AgentId,
    /// Its number; `None` when it was erased.
    pub number: Option<Sealed>,
    /// Since when it is the agent's.
    pub valid_from: Time,
    /// Who entered it, as the log writes it.
    pub registered_by: String,
    /// Why.
    pub reason: CardReason,
    /// When it was replaced or erased.
    pub ended_at: Option<Time>,
}

/// Why a card was entered. A list, and not a text: nobody's story is written into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardReason {
    /// The agent's first one.
    First,
    /// The one before was lost.
    Lost,
    /// The one before was damaged.
    Damaged,
    /// The card was issued anew, with another number.
    Reissued,
    /// The number before was entered wrongly.
    Corrected,
}

impl CardReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::First, Self::Lost, Self::Damaged, Self::Reissued, Self::Corrected];

    /// The name that stands in the API, the log and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Lost => "lost",
            Self::Damaged => "damaged",
            Self::Reissued => "reissued",
            Self::Corrected => "corrected",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|reason| reason.name() == name);
        known.ok_or_else(|| Error::Unknown { what: "reason", value: name.to_owned() })
    }
}

/// The number of a social security card. The card maker assigns it and a new card has a new one; forms differ by region
/// and year, so it is taken as it stands: 1 to 32 ASCII letters and digits, letters upper-case.
#[derive(Clone, PartialEq, Eq)]
pub struct CardNumber(String);

impl CardNumber {
    const CHARS_MAX: usize = 32;
    /// Fewer would show too large a part of a short number.
    const SHOWN_FROM: usize = 8;

    /// Reads a number; small letters become capitals.
    ///
    /// # Errors
    /// [`Error::CardNumber`]: look-alikes, full-width digits, spaces and signs are refused, not guessed at.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let fits = (1..=Self::CHARS_MAX).contains(&text.len());
        if fits && text.bytes().all(|c| c.is_ascii_alphanumeric()) {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(Error::CardNumber)
        }
    }

    /// The whole number, for storage only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The last four characters, of a number that has eight or more.
    #[must_use]
    pub fn masked(&self) -> String {
        let shown = if self.0.len() < Self::SHOWN_FROM { self.0.len() } else { self.0.len() - 4 };
        format!("********{}", &self.0[shown..])
    }
}

impl std::fmt::Debug for CardNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CardNumber({})", self.masked())
    }
}

/// A resident identity card number (GB 11643-1999) whose date and check digit fit.
#[derive(Clone, PartialEq, Eq)]
pub struct IdCard(String);

impl IdCard {
    /// Reads 18 characters; a small x becomes a capital one.
    ///
    /// # Errors
    /// [`Error::IdCardForm`], [`Error::IdCardDate`], [`Error::IdCardCheck`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        const CHECKS: &[u8; 11] = b"10X98765432";
        let text = text.to_ascii_uppercase();
        let bytes: &[u8; 18] = text.as_bytes().try_into().map_err(|_| Error::IdCardForm)?;
        let mut sum = 0;
        for (character, weight) in bytes.iter().zip(WEIGHTS) {
            sum += char::from(*character).to_digit(10).ok_or(Error::IdCardForm)? * weight;
        }
        let number = |range| text.get(range).and_then(|part: &str| part.parse::<u32>().ok()).unwrap_or(0);
        let (year, month, day) = (number(6..10), number(10..12), number(12..14));
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            _ => 0,
        };
        if !(1900..=2100).contains(&year) || day == 0 || day > days {
            return Err(Error::IdCardDate);
        }
        let expected = usize::try_from(sum % 11).ok().and_then(|index| CHECKS.get(index));
        if expected == bytes.get(17) { Ok(Self(text)) } else { Err(Error::IdCardCheck) }
    }

    /// The whole number, for storage only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// First 6 and last 4 characters.
    #[must_use]
    pub fn masked(&self) -> String {
        format!("{}********{}", &self.0[..6], &self.0[14..])
    }
}

impl std::fmt::Debug for IdCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdCard({})", self.masked())
    }
}

/// What the counter saw of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentForm {
    /// The original, or a form that was signed and sealed here.
    Original,
    /// A copy that stays at the counter.
    Copy,
}

impl DocumentForm {
    /// The name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Copy => "copy",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        [Self::Original, Self::Copy]
            .into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| Error::Unknown { what: "form", value: name.to_owned() })
    }
}

/// One document that a registration or an application needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its key in `policies/documents.toml`.
    pub kind: String,
    /// What was seen of it.
    pub form: DocumentForm,
    /// SHA-256 of the scan.
    pub sha256: [u8; 32],
    /// Who saw it.
    pub seen_by: StaffId,
    /// When.
    pub seen_at: Time,
}

/// An application for a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// Our identifier.
    pub id: ApplicationId,
    /// What it asks for.
    pub kind: ApplicationKind,
    /// For which unit.
    pub unit: UnitId,
    /// The unit's name, as the certificate will have it: what is approved, whatever happens to the unit meanwhile.
    pub unit_name: Name,
    /// The unit's code, likewise.
    pub unit_code: UnitCode,
    /// By which agent.
    pub agent: AgentId,
    /// Certificate profile, a file of `policies/profiles/`.
    pub profile: String,
    /// Years that are bought; 0 when none are.
    pub years: u16,
    /// The version of the certification practice statement that was accepted; empty in old applications.
    pub cps: String,
    /// The counter that hands the token over.
    pub counter: Option<String>,
    /// Whom to call about it: personal data.
    pub contact: Option<Ciphertext>,
    /// What lies with it.
    pub documents: Vec<Document>,
    /// Who entered it, or corrected it last.
    pub entered_by: Author,
    /// Who entered it before.
    pub entered_before: Vec<Author>,
    /// When it was entered, or corrected last.
    pub entered_at: Time,
    /// Where it stands.
    pub state: ApplicationState,
}

impl Application {
    /// How often it was entered: 1, and one more with each correction.
    #[must_use]
    pub fn revision(&self) -> usize {
        self.entered_before.len() + 1
    }
}

/// Who enters or approves an application for a certificate: a person; for renewals of what persons approved before, the
/// program by the policy; or an event of the unit, which a person recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// A member of staff.
    Staff(StaffId),
    /// Nobody: `policies/applications.toml` says so.
    Policy,
    /// What happened to the unit. It approves nothing, nor does the person behind it.
    Event {
        /// Which event.
        event: UnitEventId,
        /// Who recorded it.
        recorded_by: StaffId,
    },
}

impl Author {
    /// What stands in the database where no person does; the log's name of the program with the same meaning.
    const POLICY: &str = "system:renewals";
    /// Before the event and the person, with a colon between.
    const EVENT: &str = "unit-event:";

    /// Reads what [`Author`] prints.
    ///
    /// # Errors
    /// [`Error::Identifier`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            Self::POLICY => Ok(Self::Policy),
            _ => match text.strip_prefix(Self::EVENT).and_then(|parts| parts.split_once(':')) {
                Some((event, person)) => Ok(Self::Event {
                    event: UnitEventId::parse(event)?,
                    recorded_by: StaffId::parse(person)?,
                }),
                None => StaffId::parse(text).map(Self::Staff),
            },
        }
    }

    /// The person who had a hand in it.
    #[must_use]
    pub fn person(&self) -> Option<&StaffId> {
        match self {
            Self::Staff(person) | Self::Event { recorded_by: person, .. } => Some(person),
            Self::Policy => None,
        }
    }

    /// The event that entered it.
    #[must_use]
    pub fn event(&self) -> Option<&UnitEventId> {
        match self {
            Self::Event { event, .. } => Some(event),
            Self::Staff(_) | Self::Policy => None,
        }
    }
}

impl std::fmt::Display for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Staff(id) => write!(f, "{id}"),
            Self::Policy => f.write_str(Self::POLICY),
            Self::Event { event, recorded_by } => write!(f, "{}{event}:{recorded_by}", Self::EVENT),
        }
    }
}

/// Who entered an application for training: staff at the counter, or the unit online.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enterer {
    /// A member of staff.
    Staff(StaffId),
    /// The unit itself, by its account.
    Unit(UnitId),
}

impl Enterer {
    /// Reads what [`Enterer`] prints.
    ///
    /// # Errors
    /// [`Error::Identifier`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("unit:") {
            Some(unit) => UnitId::parse(unit).map(Self::Unit),
            None => StaffId::parse(text).map(Self::Staff),
        }
    }
}

impl std::fmt::Display for Enterer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Staff(id) => write!(f, "{id}"),
            Self::Unit(id) => write!(f, "unit:{id}"),
        }
    }
}

/// A unit's application to have its agent trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Training {
    /// Our identifier.
    pub id: TrainingId,
    /// Which unit.
    pub unit: UnitId,
    /// Whom.
    pub agent: AgentId,
    /// Who entered it.
    pub entered_by: Enterer,
    /// When.
    pub entered_at: Time,
    /// Until when it must be decided.
    pub due: Deadline,
    /// Where it stands.
    pub state: TrainingState,
}

/// A session in which agents are trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingSession {
    /// Our identifier.
    pub id: SessionId,
    /// When it begins.
    pub starts_at: Time,
    /// Where, for the invitation.
    pub place: String,
    /// How many agents have room.
    pub seats: u16,
    /// Who planned it.
    pub planned_by: StaffId,
    /// When it was planned.
    pub planned_at: Time,
}

/// A member of staff: known by the certificate on their own token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staff {
    /// Our identifier.
    pub id: StaffId,
    /// Name.
    pub name: Name,
    /// Names of `policies/roles.toml`.
    pub roles: Vec<String>,
    /// Serial number of the certificate, hexadecimal.
    pub certificate: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_cards() {
        for good in ["11010519491231002X", "440524188001010014"] {
            let result = IdCard::parse(good);
            // The second vector is a person born in 1880: right check digit, impossible applicant.
            assert_eq!(result.is_ok(), good.starts_with("110105"), "{good}");
        }
        assert!(matches!(IdCard::parse("110105194912310021"), Err(Error::IdCardCheck)));
        assert!(matches!(IdCard::parse("11010519490231002X"), Err(Error::IdCardDate)));
        assert!(matches!(IdCard::parse("1101051949123100２X"), Err(Error::IdCardForm)));
        for bad in
            ["11010519491231002 X", " 11010519491231002", "１10105194912310", "1101051949123100２X", ""]
        {
            assert!(matches!(IdCard::parse(bad), Err(Error::IdCardForm)), "{bad:?}");
        }
        assert_eq!(IdCard::parse("11010519491231002x").unwrap().reveal(), "11010519491231002X");
        assert_eq!(IdCard::parse("11010519491231002X").unwrap().masked(), "110105********002X");
        assert!(!format!("{:?}", IdCard::parse("11010519491231002X").unwrap()).contains("19491231"));
    }

    #[test]
    fn cards() {
        assert_eq!(CardNumber::parse("a1b2C3d4e").unwrap().reveal(), "A1B2C3D4E");
        assert_eq!(CardNumber::parse("32010012345").unwrap().masked(), "********2345");
        assert_eq!(CardNumber::parse("1234567").unwrap().masked(), "********");
        assert!(!format!("{:?}", CardNumber::parse("32010012345").unwrap()).contains("320100"));
        // Empty, too long, space, control, full-width, Cyrillic А, zero-width, sign.
        let long = "1".repeat(33);
        for bad in ["", &long, "1234 5678", "1234\n", "１２３４", "А1234567", "1234\u{200b}5", "12-34"] {
            assert_eq!(CardNumber::parse(bad), Err(Error::CardNumber), "{bad:?}");
        }
        assert!(CardReason::ALL.iter().all(|reason| CardReason::from_name(reason.name()) == Ok(*reason)));
        assert!(CardReason::from_name("stolen").is_err());
    }

    #[test]
    fn names() {
        assert_eq!(Name::parse("南京签印科技有限公司").unwrap().as_str(), "南京签印科技有限公司");
        for bad in ["", " 南京", "南京\n", "南\u{202e}京", "南\u{200b}京", &"南".repeat(101)] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
    }
}

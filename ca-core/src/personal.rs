//! Personal data at rest: sealed values, blind indexes to find them by, and salted commitments for the log.
//!
//! What goes into the database is a [`Sealed`], and only a [`Vault`] makes one: who has no key cannot forget to use it.
//! The vault's key comes from the issuing token and every nonce from the caller; nothing here is random.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest::{SHA256, digest},
    hkdf, hmac,
};
use zeroize::Zeroizing;

use crate::{
    AgentId, ApplicationId, CardId, CardNumber, Error, HoldId, IdCard, InvoiceId, Name, OpeningId, UnitId,
};

/// The first octet of every ciphertext: which key sealed it.
const KEY_VERSION: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
const SALT: usize = 32;

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// A person's name.
    Name,
    /// An identity card number.
    IdCard,
    /// The number of a social security card.
    Card,
}

impl Field {
    /// The name that stands in commitments, in the database and in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::IdCard => "id-card",
            Self::Card => "card",
        }
    }

    /// From its name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn from_name(name: &str) -> Result<Self, Error> {
        [Self::Name, Self::IdCard, Self::Card]
            .into_iter()
            .find(|field| field.name() == name)
            .ok_or_else(|| Error::Unknown { what: "field", value: name.to_owned() })
    }
}

/// Where a ciphertext stands. Moved to another row or column it does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    table: &'static str,
    column: &'static str,
    row: &'a str,
}

impl<'a> Place<'a> {
    /// An agent's name.
    #[must_use]
    pub fn name(id: &'a AgentId) -> Self {
        Self { table: "agent", column: "name", row: id.as_str() }
    }

    /// An agent's identity card number.
    #[must_use]
    pub fn id_card(id: &'a AgentId) -> Self {
        Self { table: "agent", column: "id_card", row: id.as_str() }
    }

    /// The number of an agent's card.
    #[must_use]
    pub fn card(id: &'a CardId) -> Self {
        Self { table: "agent_card", column: "number", row: id.as_str() }
    }

    /// A unit's mail address.
    #[must_use]
    pub fn mail(unit: &'a UnitId) -> Self {
        Self { table: "unit_contact", column: "mail", row: unit.as_str() }
    }

    /// A unit's telephone number.
    #[must_use]
    pub fn phone(unit: &'a UnitId) -> Self {
        Self { table: "unit_contact", column: "phone", row: unit.as_str() }
    }

    /// Whom to call about an application.
    #[must_use]
    pub fn application_contact(id: &'a ApplicationId) -> Self {
        Self { table: "application", column: "contact", row: id.as_str() }
    }

    /// Who reported a loss, and what they said.
    #[must_use]
    pub fn hold_caller(id: &'a HoldId) -> Self {
        Self { table: "hold", column: "caller", row: id.as_str() }
    }

    /// What stands on an invoice.
    #[must_use]
    pub fn invoice(id: &'a InvoiceId) -> Self {
        Self { table: "invoice", column: "form", row: id.as_str() }
    }

    /// What opens a commitment.
    #[must_use]
    pub fn opening(id: &'a OpeningId) -> Self {
        Self { table: "personal_opening", column: "opening", row: id.as_str() }
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// The row's key.
    #[must_use]
    pub fn row(&self) -> &'a str {
        self.row
    }

    fn associated(&self) -> Vec<u8> {
        framed(&[&[KEY_VERSION], self.table.as_bytes(), self.column.as_bytes(), self.row.as_bytes()])
    }
}

/// A sealed value as it is stored: key version, nonce, ciphertext, tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext(Vec<u8>);

impl Ciphertext {
    /// Reads one back; whether it opens is seen when it is opened.
    ///
    /// # Errors
    /// [`Error::Personal`] when its form is not one that this program writes.
    pub fn from_stored(octets: Vec<u8>) -> Result<Self, Error> {
        let whole = octets.len() >= 1 + NONCE + TAG && octets.first() == Some(&KEY_VERSION);
        if whole { Ok(Self(octets)) } else { Err(Error::Personal) }
    }

    /// What is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A keyed digest of a value: equal for equal values, useless without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlindIndex([u8; 32]);

impl BlindIndex {
    /// Reads one back.
    #[must_use]
    pub fn from_stored(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// What is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A value of which the database knows the ciphertext and the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Finds it.
    pub index: BlindIndex,
    /// Holds it.
    pub cipher: Ciphertext,
}

/// A number by which a person is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonNumber {
    /// 居民身份证.
    IdCard(IdCard),
    /// 社会保障卡.
    Card(CardNumber),
}

impl PersonNumber {
    /// Reads what a person types: an identity card number when it is one, a card's otherwise.
    ///
    /// # Errors
    /// [`Error::CardNumber`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match IdCard::parse(text) {
            Ok(number) => Ok(Self::IdCard(number)),
            Err(_) => CardNumber::parse(text).map(Self::Card),
        }
    }
}

/// What a commitment hides.
pub struct Opening {
    /// 32 random octets.
    pub salt: [u8; SALT],
    /// The value in its canonical form.
    pub value: Zeroizing<String>,
}

impl Opening {
    /// The commitment that this opens.
    #[must_use]
    pub fn commitment(&self, field: Field) -> [u8; 32] {
        commitment(&self.salt, field, &self.value)
    }
}

/// The keys for personal data. They live in memory only and are derived anew from the issuing token at every start.
pub struct Vault {
    fields: LessSafeKey,
    indexes: hmac::Key,
    fingerprint: [u8; 32],
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// What the token's HMAC key is asked for; the answer is the root of this version's keys.
    pub const DERIVATION: &'static [u8] = b"qianyin personal data 1";

    /// Keys from the root, which only the token can compute.
    ///
    /// # Errors
    /// [`Error::Personal`] when ring refuses, which it does not.
    pub fn new(root: &Zeroizing<[u8; 32]>) -> Result<Self, Error> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, Self::DERIVATION).extract(root.as_slice());
        let fields = root.expand(&[b"fields"], &AES_256_GCM).map_err(|_| Error::Personal)?;
        let indexes = root.expand(&[b"indexes"], hmac::HMAC_SHA256).map_err(|_| Error::Personal)?;
        let indexes = hmac::Key::from(indexes);
        let fingerprint = mac(&indexes, b"fingerprint", b"");
        Ok(Self { fields: LessSafeKey::new(UnboundKey::from(fields)), indexes, fingerprint })
    }

    /// Says which key this is, and nothing about it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Seals an agent's name.
    ///
    /// # Errors
    /// As [`Vault::new`].
    pub fn seal_name(&self, id: &AgentId, nonce: [u8; NONCE], name: &Name) -> Result<Sealed, Error> {
        let cipher = self.encrypt(Place::name(id), nonce, name.as_str().as_bytes())?;
        Ok(Sealed { index: self.name_index(name), cipher })
    }

    /// Seals an agent's identity card number.
    ///
    /// # Errors
    /// As [`Vault::new`].
    pub fn seal_id_card(&self, id: &AgentId, nonce: [u8; NONCE], number: &IdCard) -> Result<Sealed, Error> {
        let cipher = self.encrypt(Place::id_card(id), nonce, number.reveal().as_bytes())?;
        Ok(Sealed { index: self.id_card_index(number), cipher })
    }

    /// Seals the number of an agent's card.
    ///
    /// # Errors
    /// As [`Vault::new`].
    pub fn seal_card(&self, id: &CardId, nonce: [u8; NONCE], number: &CardNumber) -> Result<Sealed, Error> {
        let cipher = self.encrypt(Place::card(id), nonce, number.reveal().as_bytes())?;
        Ok(Sealed { index: self.card_index(number), cipher })
    }

    /// Seals what opens a commitment. The salt is sealed with the value: beside a commitment it would let anybody try
    /// all numbers that there can be.
    ///
    /// # Errors
    /// As [`Vault::new`].
    pub fn seal_opening(
        &self,
        id: &OpeningId,
        nonce: [u8; NONCE],
        opening: &Opening,
    ) -> Result<Ciphertext, Error> {
        let octets = Zeroizing::new([opening.salt.as_slice(), opening.value.as_bytes()].concat());
        self.encrypt(Place::opening(id), nonce, &octets)
    }

    /// Seals a text that nobody looks for by its value.
    ///
    /// # Errors
    /// As [`Vault::new`].
    pub fn seal_text(&self, place: Place<'_>, nonce: [u8; NONCE], clear: &str) -> Result<Ciphertext, Error> {
        self.encrypt(place, nonce, clear.as_bytes())
    }

    /// Opens a text at its place.
    ///
    /// # Errors
    /// [`Error::Personal`] when it was changed, moved, or sealed by another key.
    pub fn open(&self, place: Place<'_>, sealed: &Ciphertext) -> Result<Zeroizing<String>, Error> {
        text(self.decrypt(place, sealed)?)
    }

    /// Opens what opens a commitment.
    ///
    /// # Errors
    /// As [`Vault::open`].
    pub fn open_opening(&self, id: &OpeningId, sealed: &Ciphertext) -> Result<Opening, Error> {
        let octets = self.decrypt(Place::opening(id), sealed)?;
        let (salt, value) = octets.split_first_chunk::<SALT>().ok_or(Error::Personal)?;
        Ok(Opening { salt: *salt, value: text(Zeroizing::new(value.to_vec()))? })
    }

    /// Finds agents of this name.
    #[must_use]
    pub fn name_index(&self, name: &Name) -> BlindIndex {
        self.index(Field::Name.name(), name.as_str().as_bytes())
    }

    /// Finds the agent with this identity card number.
    #[must_use]
    pub fn id_card_index(&self, number: &IdCard) -> BlindIndex {
        self.index(Field::IdCard.name(), number.reveal().as_bytes())
    }

    /// Finds the agent with this card.
    #[must_use]
    pub fn card_index(&self, number: &CardNumber) -> BlindIndex {
        self.index(Field::Card.name(), number.reveal().as_bytes())
    }

    /// A digest of a request with personal data in it: a plain one would let anybody try all numbers that there can be.
    #[must_use]
    pub fn request_digest(&self, octets: &[u8]) -> [u8; 32] {
        self.index("request", octets).0
    }

    fn index(&self, kind: &str, value: &[u8]) -> BlindIndex {
        BlindIndex(mac(&self.indexes, kind.as_bytes(), value))
    }

    fn encrypt(&self, place: Place<'_>, nonce: [u8; NONCE], clear: &[u8]) -> Result<Ciphertext, Error> {
        let mut octets = clear.to_vec();
        let aad = Aad::from(place.associated());
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        self.fields.seal_in_place_append_tag(nonce_used, aad, &mut octets).map_err(|_| Error::Personal)?;
        Ok(Ciphertext([&[KEY_VERSION], nonce.as_slice(), octets.as_slice()].concat()))
    }

    fn decrypt(&self, place: Place<'_>, sealed: &Ciphertext) -> Result<Zeroizing<Vec<u8>>, Error> {
        let (nonce, octets) = sealed.0[1..].split_first_chunk::<NONCE>().ok_or(Error::Personal)?;
        let mut octets = Zeroizing::new(octets.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(place.associated());
        let clear = self.fields.open_in_place(nonce, aad, &mut octets).map_err(|_| Error::Personal)?.len();
        octets.truncate(clear);
        Ok(octets)
    }
}

/// SHA-256 over purpose, salt, field and value, each with its length before it (ARCHITECTURE.md §8).
#[must_use]
pub fn commitment(salt: &[u8; SALT], field: Field, value: &str) -> [u8; 32] {
    let parts = framed(&[b"qianyin commitment 1", salt, field.name().as_bytes(), value.as_bytes()]);
    digest(&SHA256, &parts).as_ref().try_into().unwrap_or_default()
}

/// A text in which nobody's number can stand: whole numbers of eight digits and more are left out.
#[must_use]
pub fn without_numbers(text: &str) -> String {
    const MOST: usize = 7;
    let mut kept = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars().map(Some).chain([None]) {
        match character {
            Some(digit) if digit.is_numeric() => run.push(digit),
            other => {
                kept.push_str(if run.chars().count() > MOST { "…" } else { &run });
                run.clear();
                kept.extend(other);
            }
        }
    }
    kept
}

/// Whether an identity card number stands anywhere in a text.
#[must_use]
pub fn has_id_card(text: &str) -> bool {
    masked_id_cards(text) != text
}

/// A text with its identity card numbers masked: what people type may end in the log, which forgets nothing.
#[must_use]
pub fn masked_id_cards(text: &str) -> String {
    const LENGTH: usize = 18;
    let mut characters: Vec<char> = text.chars().collect();
    for start in 0..(characters.len() + 1).saturating_sub(LENGTH) {
        let Some(part) = characters.get_mut(start..start + LENGTH) else { continue };
        if let Ok(number) = IdCard::parse(&part.iter().collect::<String>()) {
            for (place, masked) in part.iter_mut().zip(number.masked().chars()) {
                *place = masked;
            }
        }
    }
    characters.into_iter().collect()
}

fn text(octets: Zeroizing<Vec<u8>>) -> Result<Zeroizing<String>, Error> {
    std::str::from_utf8(&octets).map(|text| Zeroizing::new(text.to_owned())).map_err(|_| Error::Personal)
}

fn mac(key: &hmac::Key, kind: &[u8], value: &[u8]) -> [u8; 32] {
    hmac::sign(key, &framed(&[kind, value])).as_ref().try_into().unwrap_or_default()
}

/// Parts with their lengths, so that no two lists of parts have the same octets.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use ca_verifier::Time;

    use super::*;

    const NUMBER: &str = "11010519491231002X";

    fn vault(seed: u8) -> Vault {
        Vault::new(&Zeroizing::new([seed; 32])).unwrap()
    }

    fn agent(number: u8) -> AgentId {
        AgentId::new(Time::from_secs(1), [number; 10])
    }

    #[test]
    fn sealed_values_open_at_their_place_only() {
        let (vault, id, card) = (vault(1), agent(1), IdCard::parse(NUMBER).unwrap());
        let sealed = vault.seal_id_card(&id, [5; 12], &card).unwrap();
        assert_eq!(*vault.open(Place::id_card(&id), &sealed.cipher).unwrap(), NUMBER);
        let other = agent(2);
        for place in [Place::id_card(&other), Place::name(&id)] {
            assert_eq!(vault.open(place, &sealed.cipher).unwrap_err(), Error::Personal, "{place:?}");
        }
        assert!(self::vault(2).open(Place::id_card(&id), &sealed.cipher).is_err(), "another token's key");
        let octets = sealed.cipher.as_bytes();
        assert!(!octets.windows(6).any(|part| part == &NUMBER.as_bytes()[..6]));
        for place in 0..octets.len() {
            let mut changed = octets.to_vec();
            changed[place] ^= 1;
            let opened = Ciphertext::from_stored(changed)
                .and_then(|cipher| vault.open(Place::id_card(&id), &cipher).map(drop));
            assert_eq!(opened, Err(Error::Personal), "octet {place}");
        }
        assert!(Ciphertext::from_stored(octets[..28].to_vec()).is_err());
        assert!(Ciphertext::from_stored(Vec::new()).is_err());
    }

    #[test]
    fn indexes_find_equal_values_of_one_kind_under_one_key() {
        let card = IdCard::parse(NUMBER).unwrap();
        let same = CardNumber::parse(NUMBER).unwrap();
        let vault = vault(1);
        assert_eq!(
            vault.id_card_index(&card),
            vault.id_card_index(&IdCard::parse("11010519491231002x").unwrap())
        );
        assert_ne!(vault.id_card_index(&card), vault.card_index(&same), "kinds are apart");
        assert_ne!(vault.id_card_index(&card), self::vault(2).id_card_index(&card));
        assert_ne!(vault.fingerprint(), self::vault(2).fingerprint());
        assert_eq!(vault.fingerprint(), self::vault(1).fingerprint());
    }

    #[test]
    fn commitments_open_with_salt_field_and_value() {
        let vault = vault(1);
        let id = OpeningId::new(Time::from_secs(1), [1; 10]);
        let opening = Opening { salt: [7; 32], value: Zeroizing::new("张三".to_owned()) };
        let committed = opening.commitment(Field::Name);
        let cipher = vault.seal_opening(&id, [1; 12], &opening).unwrap();
        assert!(!cipher.as_bytes().windows(32).any(|part| part == [7; 32]), "the salt is sealed, too");
        let opened = vault.open_opening(&id, &cipher).unwrap();
        assert_eq!(opened.commitment(Field::Name), committed);
        assert_ne!(opened.commitment(Field::Card), committed);
        assert_ne!(commitment(&[8; 32], Field::Name, "张三"), committed);
        assert_ne!(commitment(&[7; 32], Field::Name, "张四"), committed);
        // As ARCHITECTURE.md §8 writes it, so that another program can be written from it.
        let mut octets = Vec::new();
        for part in [b"qianyin commitment 1".as_slice(), &[7; 32], b"name", "张三".as_bytes()] {
            octets.extend_from_slice(&[0, 0, 0, u8::try_from(part.len()).unwrap()]);
            octets.extend_from_slice(part);
        }
        assert_eq!(digest(&SHA256, &octets).as_ref(), committed);
    }

    #[test]
    fn a_person_types_either_number() {
        assert!(matches!(PersonNumber::parse(NUMBER), Ok(PersonNumber::IdCard(_))));
        assert!(
            matches!(PersonNumber::parse("110105194912310021"), Ok(PersonNumber::Card(_))),
            "no check digit"
        );
        assert_eq!(PersonNumber::parse("32 01"), Err(Error::CardNumber));
    }

    #[test]
    fn numbers_are_found_in_free_text() {
        assert!(has_id_card(&format!("证件{NUMBER}不符")));
        assert_eq!(
            masked_id_cards(&format!("/a/{NUMBER}/{NUMBER}")),
            "/a/110105********002X/110105********002X"
        );
        assert_eq!(masked_id_cards("短"), "短");
        assert!(has_id_card(NUMBER));
        assert!(!has_id_card("收据号 R-110105194912310021"));
        assert_eq!(without_numbers("integer `110105194912310021`, column 42"), "integer `…`, column 42");
        assert_eq!(without_numbers("１１０１０５１９49"), "…");
        assert_eq!(without_numbers("1234567"), "1234567");
    }
}

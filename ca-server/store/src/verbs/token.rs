//! Tokens: what vendors delivered, where each is, where it stands.

use ca_core::{AttemptId, Location, StockWord, Token, TokenDeliveryId, TokenSerial, TokenState};
use ca_verifier::{Serial, Time};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{digest, intact, serial};
use crate::{
    Reader, StoreError, Tx,
    schema::{token, token_delivery},
    tx::{all, change_one, insert, one, run},
};

/// A vendor's delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenDelivery {
    /// Our identifier.
    pub id: TokenDeliveryId,
    /// Of the file that lists it.
    pub sha256: [u8; 32],
    /// Who imported it, as the log writes it.
    pub imported_by: String,
    /// When.
    pub imported_at: Time,
    /// How many tokens.
    pub tokens: i64,
}

/// Which tokens, by their serial numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenFilter {
    /// Only of this model.
    pub model: Option<String>,
    /// Only of this batch.
    pub batch: Option<String>,
    /// Only in the state of this name.
    pub state: Option<String>,
    /// Only here.
    pub location: Option<Location>,
    /// Only of this delivery.
    pub delivery: Option<TokenDeliveryId>,
    /// Only after this one.
    pub after: Option<String>,
    /// How many at most.
    pub limit: i64,
}

/// How many tokens of one kind are in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockCount {
    /// Where.
    pub location: Location,
    /// The vendor's name for it.
    pub model: String,
    /// Which lot.
    pub batch: String,
    /// Where they stand.
    pub state: String,
    /// How many.
    pub tokens: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = token_delivery)]
struct DeliveryRow {
    id: String,
    sha256: Vec<u8>,
    imported_by: String,
    imported_at: i64,
    tokens: i64,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = token, treat_none_as_default_value = false)]
struct Row {
    serial: String,
    model: String,
    batch: String,
    delivery: Option<String>,
    place_kind: String,
    place: String,
    state: String,
    attempt: Option<String>,
    certificate: Option<Vec<u8>>,
    moved_at: i64,
}

impl Reader<'_> {
    /// One token.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token(&mut self, number: &str) -> Result<Option<Token>, StoreError> {
        one!(self, Row, token::table.find(number))?.map(Token::try_from).transpose()
    }

    /// Tokens in the order of their serial numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens(&mut self, filter: &TokenFilter) -> Result<Vec<Token>, StoreError> {
        let rows: Vec<Row> = run!(self, connection => {
            let mut query = token::table.into_boxed();
            if let Some(model) = &filter.model {
                query = query.filter(token::model.eq(model));
            }
            if let Some(batch) = &filter.batch {
                query = query.filter(token::batch.eq(batch));
            }
            if let Some(state) = &filter.state {
                query = query.filter(token::state.eq(state));
            }
            if let Some(location) = &filter.location {
                query = query.filter(token::place_kind.eq(location.kind()));
                query = query.filter(token::place.eq(location.name()));
            }
            if let Some(delivery) = &filter.delivery {
                query = query.filter(token::delivery.eq(delivery.as_str()));
            }
            if let Some(after) = &filter.after {
                query = query.filter(token::serial.gt(after));
            }
            query.order(token::serial).limit(filter.limit).select(Row::as_select()).load(connection)
        })?;
        rows.into_iter().map(Token::try_from).collect()
    }

    /// Tokens at a counter that work and that nobody has got, by their serial numbers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn tokens_waiting(&mut self, counter: &str, limit: i64) -> Result<Vec<String>, StoreError> {
        let query = token::table
            .filter(token::place_kind.eq("counter"))
            .filter(token::place.eq(counter))
            .filter(token::state.eq_any(["blank", "claimed", "personalised"]))
            .order(token::serial)
            .limit(limit)
            .select(token::serial);
        run!(self, connection => query.load(connection))
    }

    /// How many tokens there are of each kind, in each place and state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn stock(&mut self) -> Result<Vec<StockCount>, StoreError> {
        let rows: Vec<(String, String, String, String, String, i64)> = run!(self, connection => {
            token::table
                .group_by(sql::<Text>("1, 2, 3, 4, 5"))
                .order(sql::<Text>("1, 2, 3, 4, 5"))
                .select((
                    sql::<Text>("place_kind"),
                    sql::<Text>("place"),
                    sql::<Text>("model"),
                    sql::<Text>("batch"),
                    sql::<Text>("state"),
                    sql::<BigInt>("COUNT(*)"),
                ))
                .load(connection)
        })?;
        let count = |(kind, place, model, batch, state, tokens): (String, String, _, _, _, _)| {
            let location = location(&kind, &place)?;
            Ok(StockCount { location, model, batch, state, tokens })
        };
        rows.into_iter().map(count).collect()
    }

    /// Deliveries, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn token_deliveries(
        &mut self,
        after: Option<&TokenDeliveryId>,
        limit: i64,
    ) -> Result<Vec<TokenDelivery>, StoreError> {
        let after = after.map_or("", TokenDeliveryId::as_str);
        let query =
            token_delivery::table.filter(token_delivery::id.gt(after)).order(token_delivery::id).limit(limit);
        all!(self, DeliveryRow, query)?.into_iter().map(TokenDelivery::try_from).collect()
    }
}

impl Tx<'_> {
    /// A new delivery.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `token-delivery` when this very file was imported before.
    pub fn insert_token_delivery(&mut self, new: &TokenDelivery) -> Result<(), StoreError> {
        let row = DeliveryRow {
            id: new.id.to_string(),
            sha256: new.sha256.to_vec(),
            imported_by: new.imported_by.clone(),
            imported_at: new.imported_at.millis(),
            tokens: new.tokens,
        };
        insert!(self, token_delivery::table, &row)
    }

    /// A token that was never ours before.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] `token`.
    pub fn insert_token(&mut self, new: &Token) -> Result<(), StoreError> {
        insert!(self, token::table, &Row::from(new))
    }

    /// Moves a token on, if it is still as it was read: its state, its place, and the delivery that brought it.
    ///
    /// # Errors
    /// [`StoreError::Stale`] `token`.
    pub fn move_token(&mut self, from: &Token, to: &Token) -> Result<(), StoreError> {
        let (was, is) = (Row::from(from), Row::from(to));
        let row = token::table
            .find(&was.serial)
            .filter(token::state.eq(&was.state))
            .filter(token::place_kind.eq(&was.place_kind))
            .filter(token::place.eq(&was.place))
            .filter(token::moved_at.eq(was.moved_at));
        let set = (
            token::delivery.eq(is.delivery),
            token::place_kind.eq(is.place_kind),
            token::place.eq(is.place),
            token::state.eq(is.state),
            token::attempt.eq(is.attempt),
            token::certificate.eq(is.certificate),
            token::moved_at.eq(is.moved_at),
        );
        change_one!(self, "token", diesel::update(row).set(set))
    }
}

fn location(kind: &str, place: &str) -> Result<Location, StoreError> {
    match kind {
        "box" => Ok(Location::Box(intact(StockWord::parse("box", place), "token", place)?)),
        "counter" => Ok(Location::Counter(place.to_owned())),
        _ => Err(StoreError::Corrupt { table: "token", id: place.to_owned() }),
    }
}

impl From<&Token> for Row {
    fn from(token: &Token) -> Self {
        Self {
            serial: token.serial.to_string(),
            model: token.model.to_string(),
            batch: token.batch.to_string(),
            delivery: token.delivery.as_ref().map(TokenDeliveryId::to_string),
            place_kind: token.location.kind().to_owned(),
            place: token.location.name().to_owned(),
            state: token.state.name().to_owned(),
            attempt: token.state.attempt().map(AttemptId::to_string),
            certificate: token.state.certificate().map(|serial| serial.as_bytes().to_vec()),
            moved_at: token.moved_at.millis(),
        }
    }
}

impl TryFrom<Row> for Token {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let id = &row.serial;
        let attempt =
            row.attempt.as_ref().map(|text| intact(AttemptId::parse(text), "token", id)).transpose()?;
        let certificate = row.certificate.as_ref().map(|octets| serial(octets, "token", id)).transpose()?;
        Ok(Self {
            serial: intact(TokenSerial::parse(id), "token", id)?,
            model: intact(StockWord::parse("model", &row.model), "token", id)?,
            batch: intact(StockWord::parse("batch", &row.batch), "token", id)?,
            delivery: row
                .delivery
                .as_ref()
                .map(|text| intact(TokenDeliveryId::parse(text), "token", id))
                .transpose()?,
            location: location(&row.place_kind, &row.place)?,
            state: state(&row.state, attempt, certificate)
                .ok_or_else(|| StoreError::Corrupt { table: "token", id: id.clone() })?,
            moved_at: Time::from_millis(row.moved_at),
        })
    }
}

fn state(name: &str, attempt: Option<AttemptId>, certificate: Option<Serial>) -> Option<TokenState> {
    Some(match (name, attempt, certificate) {
        ("blank", None, None) => TokenState::Blank,
        ("claimed", Some(attempt), None) => TokenState::Claimed { attempt },
        ("personalised", Some(attempt), Some(certificate)) => {
            TokenState::Personalised { attempt, certificate }
        }
        ("delivered", None, Some(certificate)) => TokenState::Delivered { certificate },
        ("active", None, Some(certificate)) => TokenState::Active { certificate },
        ("held", None, Some(certificate)) => TokenState::Held { certificate },
        ("spoiled", None, None) => TokenState::Spoiled,
        ("returned", None, None) => TokenState::Returned,
        ("lost", None, certificate) => TokenState::Lost { certificate },
        ("damaged", None, Some(certificate)) => TokenState::Damaged { certificate },
        ("terminated", None, Some(certificate)) => TokenState::Terminated { certificate },
        _ => return None,
    })
}

impl TryFrom<DeliveryRow> for TokenDelivery {
    type Error = StoreError;

    fn try_from(row: DeliveryRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: intact(TokenDeliveryId::parse(&row.id), "token_delivery", &row.id)?,
            sha256: digest(row.sha256, "token_delivery", &row.id)?,
            imported_by: row.imported_by,
            imported_at: Time::from_millis(row.imported_at),
            tokens: row.tokens,
        })
    }
}

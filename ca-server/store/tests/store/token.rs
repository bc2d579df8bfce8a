//! Tokens as they were read are what is written back; a move counts only from the state and place that were read.

use ca_core::{Location, StockWord, Token, TokenDeliveryId, TokenSerial, TokenState, UNATTESTED};
use ca_store::{StoreError, TokenDelivery, TokenFilter};

use crate::world::*;

fn word(text: &str) -> StockWord {
    StockWord::parse("word", text).unwrap()
}

fn delivery() -> TokenDelivery {
    TokenDelivery {
        id: TokenDeliveryId::new(NOW, octets(1)),
        sha256: digest(1),
        imported_by: "operator:root".into(),
        imported_at: NOW,
        tokens: 2,
    }
}

fn token(number: u32, state: TokenState) -> Token {
    Token {
        serial: TokenSerial::parse(&format!("T{number:02}")).unwrap(),
        model: word("SoftHSM v2"),
        batch: word("2026-01"),
        delivery: Some(delivery().id),
        location: Location::Box(word("A-1")),
        state,
        moved_at: NOW,
    }
}

fn states() -> Vec<TokenState> {
    let (attempt, certificate) = (attempt(1).id, serial(1));
    vec![
        TokenState::Blank,
        TokenState::Claimed { attempt: attempt.clone() },
        TokenState::Personalised { attempt, certificate },
        TokenState::Delivered { certificate },
        TokenState::Active { certificate },
        TokenState::Held { certificate },
        TokenState::Spoiled,
        TokenState::Returned,
        TokenState::Lost { certificate: None },
        TokenState::Lost { certificate: Some(certificate) },
        TokenState::Damaged { certificate },
        TokenState::Terminated { certificate },
    ]
}

#[test]
fn every_state_comes_back() {
    on_both(|store| {
        enroll(store);
        write(store, |tx| personalising(tx, 1));
        let all: Vec<Token> = (0..).zip(states()).map(|(number, state)| token(number, state)).collect();
        let new = all.clone();
        write(store, move |tx| {
            tx.insert_token_delivery(&delivery())?;
            new.iter().try_for_each(|token| tx.insert_token(token))
        });
        let limit = 100;
        let found = read(store, |reader| reader.tokens(&TokenFilter { limit, ..TokenFilter::default() }));
        assert_eq!(found, all);
        let of = |filter: TokenFilter| read(store, |reader| reader.tokens(&filter)).len();
        let lost = Some("lost".to_owned());
        assert_eq!(of(TokenFilter { state: lost, limit, ..TokenFilter::default() }), 2);
        let after = Some("T09".to_owned());
        assert_eq!(of(TokenFilter { after, limit, ..TokenFilter::default() }), 2);
        let delivery = Some(delivery().id);
        assert_eq!(of(TokenFilter { delivery, limit, ..TokenFilter::default() }), 12);
        let location = Some(Location::Counter("gulou".to_owned()));
        assert_eq!(of(TokenFilter { location, limit, ..TokenFilter::default() }), 0);
        let counts = read(store, |reader| reader.stock());
        assert_eq!(counts.iter().map(|count| count.tokens).sum::<i64>(), 12);
        assert_eq!(counts.iter().find(|count| count.state == "lost").unwrap().tokens, 2);
    });
}

#[test]
fn what_cannot_be() {
    on_both(|store| {
        write(store, |tx| {
            tx.insert_token_delivery(&delivery())?;
            tx.insert_token(&token(1, TokenState::Blank))
        });
        let conflict = |what| StoreError::Conflict { what };
        let again = TokenDelivery { id: TokenDeliveryId::new(NOW, octets(2)), ..delivery() };
        assert_eq!(refused(store, move |tx| tx.insert_token_delivery(&again)), conflict("token-delivery"));
        assert_eq!(refused(store, |tx| tx.insert_token(&token(1, TokenState::Blank))), conflict("token"));
        let stranger = token(2, TokenState::Claimed { attempt: attempt(9).id });
        assert_eq!(refused(store, move |tx| tx.insert_token(&stranger)), StoreError::NotFound);

        let (from, spoiled) = (token(1, TokenState::Blank), token(1, TokenState::Spoiled));
        write(store, move |tx| tx.move_token(&from, &spoiled));
        let stale = StoreError::Stale { what: "token" };
        let (from, to) = (token(1, TokenState::Blank), token(1, TokenState::Returned));
        assert_eq!(refused(store, move |tx| tx.move_token(&from, &to)), stale);
        let elsewhere = Token { location: Location::Box(word("A-2")), ..token(1, TokenState::Spoiled) };
        let to = token(1, TokenState::Returned);
        assert_eq!(refused(store, move |tx| tx.move_token(&elsewhere, &to)), stale);
        let later = Token { moved_at: NOW.plus_secs(1), ..token(1, TokenState::Spoiled) };
        let to = token(1, TokenState::Returned);
        assert_eq!(refused(store, move |tx| tx.move_token(&later, &to)), stale);
        assert_eq!(read(store, |reader| reader.token("T01")), Some(token(1, TokenState::Spoiled)));
    });
}

/// The one way in which a second attempt may use a key: its certificate is renewed, and a program keeps the key.
#[test]
fn a_kept_key_is_bound_once() {
    use ca_core::{ApplicationKind, CertificateState, Intent};
    on_both(|store| {
        enroll(store);
        let kept =
            |number| Intent { spki_sha256: digest(7), token: Some(UNATTESTED.to_owned()), ..intent(number) };
        write(store, |tx| {
            personalising(tx, 1)?;
            personalising(tx, 2)
        });
        let record = |intent| store.record_intent_blocking(intent, |_| Ok::<_, StoreError>(())).map(drop);
        record(kept(1)).unwrap();
        write(store, move |tx| tx.commit_issued(&kept(1), &[1], CertificateState::Good, NOW));
        let taken = Err(StoreError::Conflict { what: "public-key" });
        assert_eq!(record(kept(2)), taken, "an application that renews nothing");
        write(store, |tx| {
            let mut application = application(3);
            application.kind = ApplicationKind::Renew { of: serial(1) };
            application.state = ca_core::ApplicationState::Personalising {
                payment: Some(payment(3).id),
                attempt: attempt(3).id,
            };
            tx.insert_application(&application)?;
            pay(tx, 3)?;
            let mut attempt = attempt(3);
            attempt.state = ca_core::AttemptState::Initialised { token: UNATTESTED.to_owned() };
            tx.insert_attempt(&attempt)
        });
        let on_a_token = Intent { token: Some("T3".to_owned()), ..kept(3) };
        assert_eq!(record(on_a_token), taken, "a token's key is not kept");
        record(kept(3)).unwrap();
        assert_eq!(read(store, |reader| reader.intent(&serial(3))), Some(kept(3)));
    });
}

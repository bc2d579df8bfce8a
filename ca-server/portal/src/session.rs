//! Sessions of agents, in memory: each is bound to the client certificate that it began with, and ends with idle time,
//! with its greatest age, on logging out and on a restart.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, header};

use crate::{captcha::Fingerprint, fault::Fault, secret};

/// The prefix makes browsers refuse it without Secure, from a subdomain or for a part of the site.
pub(crate) const COOKIE: &str = "__Host-portal";
const MOST: usize = 100_000;

/// Who acts.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) card: String,
    pub(crate) name: String,
    /// Stands in each form.
    pub(crate) csrf: String,
    /// The password came from somebody else and must be replaced first.
    pub(crate) must_change: bool,
    peer: Fingerprint,
    begun: Instant,
    seen: Instant,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    idle: Duration,
    life: Duration,
    /// By the digest of the cookie's value: what is in memory opens no session.
    open: Mutex<HashMap<[u8; 32], Session>>,
}

impl Sessions {
    pub(crate) fn new(idle: Duration, life: Duration) -> Self {
        Self { idle, life, open: Mutex::default() }
    }

    /// Begins one and gives the value of its cookie, new at each login.
    pub(crate) fn begin(
        &self,
        peer: Fingerprint,
        card: String,
        name: String,
        must_change: bool,
    ) -> Result<String, Fault> {
        let (token, now) = (secret::token()?, Instant::now());
        let session =
            Session { card, name, csrf: secret::token()?, must_change, peer, begun: now, seen: now };
        let mut open = self.lock();
        open.retain(|_, session| self.is_alive(session));
        while open.len() >= MOST {
            let oldest = open.iter().min_by_key(|(_, session)| session.seen).map(|(key, _)| *key);
            oldest.and_then(|key| open.remove(&key));
        }
        open.insert(secret::sha256(token.as_bytes()), session);
        Ok(token)
    }

    /// The session of a request; with another certificate there is none, and it ends: its cookie was stolen.
    pub(crate) fn of(&self, headers: &HeaderMap, peer: Fingerprint) -> Option<Session> {
        let key = secret::sha256(cookie(headers, COOKIE)?.as_bytes());
        let mut open = self.lock();
        let session = open.get_mut(&key)?;
        if session.peer != peer || !self.is_alive(session) {
            open.remove(&key);
            return None;
        }
        session.seen = Instant::now();
        Some(session.clone())
    }

    pub(crate) fn end(&self, headers: &HeaderMap) {
        if let Some(token) = cookie(headers, COOKIE) {
            self.lock().remove(&secret::sha256(token.as_bytes()));
        }
    }

    /// After a change of password: wherever else this card is logged in, it is not any more.
    pub(crate) fn end_all_of(&self, card: &str) {
        self.lock().retain(|_, session| session.card != card);
    }

    fn is_alive(&self, session: &Session) -> bool {
        session.seen.elapsed() < self.idle && session.begun.elapsed() < self.life
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The value of a cookie (RFC 6265 §5.4). Two of one name are none: one of them is not ours.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut found = lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    });
    let value = found.next()?;
    found.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {COOKIE}={value}").parse().unwrap());
        headers
    }

    #[test]
    fn a_session_belongs_to_its_certificate_and_ends() {
        let sessions = Sessions::new(Duration::from_secs(60), Duration::from_secs(60));
        let begin = |card: &str| sessions.begin([1; 32], card.to_owned(), String::new(), false).unwrap();
        let token = begin("a");
        assert!(sessions.of(&headers(&token), [1; 32]).is_some());
        assert!(sessions.of(&headers("other"), [1; 32]).is_none());
        assert!(sessions.of(&headers(&token), [2; 32]).is_none());
        assert!(sessions.of(&headers(&token), [1; 32]).is_none(), "a stolen cookie ends it");
        let (token, other) = (begin("a"), begin("b"));
        sessions.end(&headers(&token));
        assert!(sessions.of(&headers(&token), [1; 32]).is_none());
        sessions.end_all_of("b");
        assert!(sessions.of(&headers(&other), [1; 32]).is_none());
        for (idle, life) in [(0, 60), (60, 0)] {
            let sessions = Sessions::new(Duration::from_secs(idle), Duration::from_secs(life));
            let token = sessions.begin([1; 32], String::new(), String::new(), false).unwrap();
            assert!(sessions.of(&headers(&token), [1; 32]).is_none(), "{idle} {life}");
        }
        let mut doubled = headers("x");
        doubled.append(header::COOKIE, format!("{COOKIE}=y").parse().unwrap());
        assert_eq!(cookie(&doubled, COOKIE), None);
    }
}

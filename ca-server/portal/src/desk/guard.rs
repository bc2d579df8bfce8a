//! What stands before the handlers: whence a POST comes, which language, who acts. And what each form must bring.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use ca_verifier::VerifiedUnit;

use super::{today, views};
use crate::{
    fault::Fault,
    language::{self, Language, Text},
    pages,
    routes::Site,
    secret,
    session::Session,
    store::{
        pairs::{Pair, pairs},
        submissions::Author,
    },
    unit::Peer,
};

/// The page that a refused request is answered with.
pub(super) type Refused = Box<Response>;

/// Whoever is logged in: unit, agent, and the language they read.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) unit: VerifiedUnit,
    pub(super) session: Session,
    pub(super) language: Language,
    pub(super) peer: Peer,
}

impl Visitor {
    pub(super) fn author(&self) -> Author {
        Author {
            uscc: self.uscc(),
            unit_name: self.unit.name().to_owned(),
            serial: self.unit.serial().to_string(),
            card: self.session.card.clone(),
            agent_name: self.session.name.clone(),
        }
    }

    pub(super) fn uscc(&self) -> String {
        self.unit.code().as_str().to_owned()
    }

    /// Time has passed since the request began: the status once more, right before something is kept.
    pub(super) fn still_good(&self, site: &Site) -> Result<(), Refused> {
        let refused = |refusal| Box::new(pages::refused(&Request::default(), &refusal));
        self.peer.check(&site.gate).map(|_| ()).map_err(refused)
    }
}

/// A POST that does not come from a page of this site is refused (OWASP: Origin beside the token of the form).
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let own = text(header::HOST).map(|host| format!("https://{host}"));
    let from_here = own.is_some() && text(header::ORIGIN) == own.as_deref();
    let site = headers.get("sec-fetch-site");
    let same_site = site.is_none_or(|site| site == "same-origin");
    if matches!(*request.method(), Method::GET | Method::HEAD) || (from_here && same_site) {
        return next.run(request).await;
    }
    views::problem(language_of(&request), StatusCode::FORBIDDEN, "origin", NOT_FROM_HERE)
}

const NOT_FROM_HERE: views::Problem = views::Problem {
    what: Text(
        "请求不是从本站页面发出的，没有执行。",
        "The request did not come from a page of this site and was not carried out.",
    ),
    remedy: Text("请从首页重新进入后再办理。", "Begin again from the home page."),
};

/// Keeps what `?lang=` asked for.
pub(super) async fn remember_language(request: Request, next: Next) -> Response {
    let asked = Language::asked(request.uri().query());
    let mut response = next.run(request).await;
    if let Some(asked) = asked {
        let value = format!(
            "{}={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=31536000",
            language::COOKIE,
            asked.tag()
        );
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }
    response
}

/// Puts a [`Visitor`] into the request: a session of this certificate, and a pair that is good at this moment.
pub(super) async fn require_agent(
    State(site): State<Arc<Site>>,
    Extension(unit): Extension<VerifiedUnit>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let language = language_of(&request);
    let Some(desk) = &site.desk else { return pages::not_found(&request) };
    let Some(session) = desk.sessions.of(request.headers(), peer.fingerprint()) else {
        return Redirect::to("/?ended").into_response();
    };
    let (card, uscc) = (session.card.clone(), unit.code().as_str().to_owned());
    match desk.store.run(move |db| pairs(db, &card, &uscc, today())).await {
        Ok(Pair::Good) => {}
        Ok(pair) => {
            desk.sessions.end(request.headers());
            return views::pair_refused(language, pair);
        }
        Err(fault) => return fault.into_response(),
    }
    if session.must_change && !matches!(request.uri().path(), "/password" | "/logout") {
        return Redirect::to("/password").into_response();
    }
    request.extensions_mut().insert(Visitor { unit, session, language, peer });
    next.run(request).await
}

pub(super) fn language_of(request: &Request) -> Language {
    Language::of_request(request.uri().query(), request.headers())
}

/// What a form sent.
#[derive(Debug)]
pub(super) struct Sent(pub(super) Vec<(String, String)>);

impl Sent {
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The form's own token, by which the same form sent twice is known.
    pub(super) fn form(&self) -> Result<String, Refused> {
        form_token(self.get("form"))
    }

    /// Whether the form is of this session.
    pub(super) fn check(&self, visitor: &Visitor) -> Result<(), Refused> {
        csrf(visitor, self.get("csrf"))
    }
}

pub(super) fn form_token(text: &str) -> Result<String, Refused> {
    let whole = text.len() == 64 && text.bytes().all(|c| c.is_ascii_hexdigit());
    if whole { Ok(text.to_owned()) } else { Err(Box::new(StatusCode::BAD_REQUEST.into_response())) }
}

pub(super) fn csrf(visitor: &Visitor, found: &str) -> Result<(), Refused> {
    if secret::same(&visitor.session.csrf, found) {
        return Ok(());
    }
    Err(Box::new(views::problem(visitor.language, StatusCode::FORBIDDEN, "form-token", NOT_FROM_HERE)))
}

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let language = language_of(&request);
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        form.map(|Form(pairs)| Self(pairs)).map_err(|rejection| {
            let problem = views::Problem {
                what: Text(
                    "表单过大或无法识别，没有提交。",
                    "The form is too large or cannot be read; nothing was submitted.",
                ),
                remedy: Text("请返回，缩短内容后重新提交。", "Go back, shorten it and submit it again."),
            };
            views::problem(language, rejection.status(), "form", problem)
        })
    }
}

/// The session's cookie.
pub(super) fn set_session(headers: &mut HeaderMap, token: &str, age: Option<u32>) -> Result<(), Fault> {
    let age = age.map_or(String::new(), |age| format!("; Max-Age={age}"));
    let cookie =
        format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Strict{age}", crate::session::COOKIE);
    let value = HeaderValue::from_str(&cookie).map_err(|_| Fault::Randomness)?;
    headers.append(header::SET_COOKIE, value);
    Ok(())
}

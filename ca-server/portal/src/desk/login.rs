//! The second step: card number, query password and check code; logging out; a password of one's own.

use std::sync::Arc;

use axum::{
    Extension,
    extract::{Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use ca_verifier::VerifiedUnit;

use super::{
    Desk,
    guard::{Sent, Visitor, set_session},
    now_ms, today,
    views::{self, Login},
};
use crate::{
    fault::Fault,
    language::{Language, Text},
    pages,
    password::Password,
    routes::Site,
    server::now,
    store::{
        agents,
        pairs::{Pair, pairs},
        tries,
    },
    unit::Peer,
};

const WRONG: Text = Text(
    "社保卡号或个人查询密码不正确。请核对后重试；连续 5 次错误将锁定 15 分钟。忘记密码的，请到人社服务窗口重置。",
    "Card number or query password is wrong. Compare and try again: five wrong tries lock for 15 minutes. \
     A forgotten password is reset at a service counter.",
);
const LOCKED: Text = Text(
    "错误次数过多，已锁定。请 15 分钟后再试；不是您本人操作的，请联系人社服务窗口。",
    "Too many wrong tries; it is locked. Try again in 15 minutes. If it was not you, call a service counter.",
);
const CODE: Text = Text(
    "验证码不正确或已失效。请按新的图片或语音重新输入。",
    "The check code is wrong or too old. Type the new one of the picture or the sound.",
);
const CARD: Text = Text(
    "社保卡号为 8 到 20 位数字或字母。请改正。",
    "A card number has 8 to 20 digits and letters. Correct it.",
);
const ENDED: Text =
    Text("您已退出，或登录已超时。请重新登录。", "You are logged out, or were away too long. Log in again.");

/// `/`: the login of the agent, or what may be done.
pub(super) async fn home(
    State(site): State<Arc<Site>>,
    Extension(unit): Extension<VerifiedUnit>,
    Extension(language): Extension<Language>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(pages::not_found(&request)) };
    if pages::wants_json(&request) {
        return Ok(pages::accepted(&request, &unit, language, now()));
    }
    match desk.sessions.of(request.headers(), peer.fingerprint()) {
        Some(session) if session.must_change => Ok(Redirect::to("/password").into_response()),
        Some(session) => Ok(views::home(&Visitor { unit, session, language, peer })),
        None => {
            let ended =
                request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "ended"));
            let captcha = desk.captchas.make(peer.fingerprint())?;
            let login = Login { captcha, card: String::new(), notice: ended.then_some(ENDED), error: None };
            Ok(views::login(StatusCode::OK, language, &unit, login))
        }
    }
}

pub(super) async fn captcha(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    Path(file): Path<String>,
    request: Request,
) -> Response {
    let Some(desk) = &site.desk else { return pages::not_found(&request) };
    let found = match file.rsplit_once('.') {
        Some((name, "png")) => {
            desk.captchas.picture(name, peer.fingerprint()).map(|octets| ("image/png", octets))
        }
        Some((name, "wav")) => {
            desk.captchas.sound(name, peer.fingerprint()).map(|octets| ("audio/wav", octets))
        }
        _ => None,
    };
    found.map_or_else(
        || pages::not_found(&request),
        |(kind, octets)| ([(header::CONTENT_TYPE, kind)], octets).into_response(),
    )
}

pub(super) async fn log_in(
    State(site): State<Arc<Site>>,
    Extension(unit): Extension<VerifiedUnit>,
    Extension(language): Extension<Language>,
    Extension(peer): Extension<Peer>,
    sent: Sent,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    let again = |status, error| {
        let captcha = desk.captchas.make(peer.fingerprint())?;
        let card = sent.get("card").chars().take(20).collect();
        Ok(views::login(status, language, &unit, Login { captcha, card, notice: None, error: Some(error) }))
    };
    if !desk.captchas.is_solved(sent.get("captcha_id"), peer.fingerprint(), sent.get("captcha")) {
        return again(StatusCode::UNPROCESSABLE_ENTITY, CODE);
    }
    let Some(card) = agents::card_number(sent.get("card")) else {
        return again(StatusCode::UNPROCESSABLE_ENTITY, CARD);
    };
    let uscc = unit.code().as_str().to_owned();
    let tail = card.get(card.len() - 4..).unwrap_or_default();
    let log = |decision, code| tracing::info!(target: "agent", uscc, card_tail = tail, decision, code);
    match prove(desk, &card, &uscc, Password::new(sent.get("password").to_owned())).await? {
        Proof::Locked => {
            log("refused", "locked");
            again(StatusCode::TOO_MANY_REQUESTS, LOCKED)
        }
        Proof::Wrong => {
            log("refused", "wrong");
            again(StatusCode::FORBIDDEN, WRONG)
        }
        Proof::Right(_, pair @ (Pair::NotConfirmed | Pair::NotQualified)) => {
            log("refused", "pair");
            Ok(views::pair_refused(language, pair))
        }
        Proof::Right(agent, Pair::Good) => {
            log("accepted", "good");
            let token =
                desk.sessions.begin(peer.fingerprint(), card.clone(), agent.name, agent.must_change)?;
            let mut response = Redirect::to("/").into_response();
            set_session(response.headers_mut(), &token, None)?;
            Ok(response)
        }
    }
}

enum Proof {
    Locked,
    Wrong,
    Right(agents::Agent, Pair),
}

/// Counted and durable before the password is looked at; as much work for a card that does not exist.
async fn prove(desk: &Desk, card: &str, uscc: &str, password: Password) -> Result<Proof, Fault> {
    let key = (card.to_owned(), uscc.to_owned());
    let (counted, agent) = desk
        .store
        .run(move |db| Ok((tries::count(db, &key.0, &key.1, now_ms())?, agents::find(db, &key.0)?)))
        .await?;
    if !counted {
        return Ok(Proof::Locked);
    }
    let stored = agent.as_ref().map(|agent| agent.password_hash.clone());
    let right = desk.hash(password, move |password| password.is(stored.as_deref())).await?;
    let Some(agent) = agent.filter(|_| right) else { return Ok(Proof::Wrong) };
    let key = (card.to_owned(), uscc.to_owned());
    let pair = desk
        .store
        .run(move |db| {
            tries::forgive(db, &key.0, &key.1)?;
            pairs(db, &key.0, &key.1, today())
        })
        .await?;
    Ok(Proof::Right(agent, pair))
}

pub(super) async fn logout(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Fault> {
    if let Err(refused) = sent.check(&visitor) {
        return Ok(*refused);
    }
    if let Some(desk) = &site.desk {
        desk.sessions.end(&headers);
    }
    let mut response = Redirect::to("/?ended").into_response();
    set_session(response.headers_mut(), "", Some(0))?;
    Ok(response)
}

pub(super) async fn password_page(Extension(visitor): Extension<Visitor>) -> Response {
    views::password(StatusCode::OK, &visitor, None)
}

pub(super) async fn change_password(
    State(site): State<Arc<Site>>,
    Extension(visitor): Extension<Visitor>,
    sent: Sent,
) -> Result<Response, Fault> {
    let Some(desk) = &site.desk else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    if let Err(refused) = sent.check(&visitor) {
        return Ok(*refused);
    }
    let password = |name| Password::new(sent.get(name).to_owned());
    let (old, new) = (password("old"), password("new"));
    let card = visitor.session.card.clone();
    let error = if !new.is_same(&password("again")) {
        Some(Text("两次输入的新密码不一致。请重新输入。", "The two new passwords differ. Type them again."))
    } else if new.is_same(&old) {
        Some(Text("新密码不能与旧密码相同。请换一个。", "The new password is the old one. Choose another."))
    } else {
        new.weakness(&card)
    };
    if let Some(error) = error {
        return Ok(views::password(StatusCode::UNPROCESSABLE_ENTITY, &visitor, Some(error)));
    }
    match prove(desk, &card, &visitor.uscc(), old).await? {
        Proof::Locked => Ok(views::password(StatusCode::TOO_MANY_REQUESTS, &visitor, Some(LOCKED))),
        Proof::Wrong => Ok(views::password(StatusCode::FORBIDDEN, &visitor, Some(WRONG))),
        Proof::Right(agent, _) => {
            let hash = desk.hash(new, Password::hash).await?;
            let key = card.clone();
            desk.store.run(move |db| agents::set_password(db, &key, &hash)).await?;
            // A new session as well: whoever knew the old cookie or password is out.
            desk.sessions.end_all_of(&card);
            let token = desk.sessions.begin(visitor.peer.fingerprint(), card, agent.name, false)?;
            let mut response = Redirect::to("/").into_response();
            set_session(response.headers_mut(), &token, None)?;
            Ok(response)
        }
    }
}

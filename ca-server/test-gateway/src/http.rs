//! The listener and its paths: operations, pages, and the control URL.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::{
    app::App,
    fault::{AnswerFault, Forgery, Message, sign},
    key::HEADER,
    operation::{Answer, carry_out},
    page,
};

const BODY_MAX: usize = 8 * 1024;
const CONNECTIONS_MAX: usize = 256;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

type Reply = Response<Full<Bytes>>;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up as told")]
struct HangUp;

/// Serves until the process ends.
pub(crate) async fn serve(app: Arc<App>, listener: TcpListener) -> std::io::Result<Infallible> {
    let seats = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { continue };
        let (stream, _) = listener.accept().await?;
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let app = Arc::clone(&app);
                async move { handle(&app, request).await }
            });
            let mut connection = hyper::server::conn::http1::Builder::new();
            connection.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            drop(seat);
        });
    }
}

async fn handle(app: &Arc<App>, request: Request<Incoming>) -> Result<Reply, HangUp> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_MAX).collect().await else {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "more than 8 KiB"));
    };
    let (method, body, path) = (&parts.method, body.to_bytes(), parts.uri.path());
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if path == "/healthz" {
        return Ok(plain(StatusCode::OK, "ok"));
    }
    if let Some(operation) = path.strip_prefix("/v1/")
        && method == Method::POST
    {
        return operate(app, operation, header(HEADER).unwrap_or_default(), &body).await;
    }
    if let Some(name) = path.strip_prefix("/pay/") {
        let zh = page::is_chinese(parts.uri.query(), header(ACCEPT_LANGUAGE.as_str()));
        return Ok(pay(app, method, name, zh));
    }
    if let Some(command) = path.strip_prefix("/control/").filter(|_| app.control) {
        let body: &[u8] = if body.is_empty() { b"{}" } else { &body };
        return Ok(match app.command(command, body) {
            Ok(value) => reply(StatusCode::OK, "application/json", value.to_string()),
            Err((status, why)) => {
                plain(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), &why)
            }
        });
    }
    Ok(plain(StatusCode::NOT_FOUND, "there is nothing here"))
}

async fn operate(app: &App, operation: &str, signature: &str, body: &[u8]) -> Result<Reply, HangUp> {
    let now = crate::now();
    // Nothing of it can be trusted, not even what it asks: a signed no could be taken for an answer to another request.
    if !app.merchant_key.verify(signature, body, now.as_second()) {
        return Ok(plain(
            StatusCode::UNAUTHORIZED,
            "not the merchant's signature over this body, or too old",
        ));
    }
    let Ok(page) = crate::random::<16>().map(hex::encode) else {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "no random numbers"));
    };
    let fault = app.lock().faults.answers.pop_front().unwrap_or_default();
    let answer = if fault.skip {
        Some(Answer { status: 500, body: serde_json::json!({}) })
    } else {
        let pages = format!("{}/pay", app.origin);
        carry_out(&mut app.lock().ledger, operation, body, (page, &pages), now)
    };
    let Some(answer) = answer else {
        return Ok(plain(StatusCode::BAD_REQUEST, "no request of the protocol"));
    };
    let AnswerFault { delay_ms, hang_up, status, forge, replay, .. } = fault;
    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    if hang_up {
        return Err(HangUp);
    }
    let forgery: Forgery = forge.unwrap_or_default();
    let Ok(message) = sign(app.signers(), &answer.body, &forgery, crate::now().as_second()) else {
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "cannot sign"));
    };
    let said = (status.unwrap_or(answer.status), message);
    let before = app.lock().last_answer.replace(said.clone());
    let (status, Message { body, signature }) = before.filter(|_| replay).unwrap_or(said);
    let mut reply = reply(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        "application/json",
        body,
    );
    if let Some(value) = signature.and_then(|signature| signature.parse().ok()) {
        reply.headers_mut().insert("qianyin-gateway-signature", value);
    }
    Ok(reply)
}

fn pay(app: &Arc<App>, method: &Method, name: &str, zh: bool) -> Reply {
    let now = crate::now();
    let mut held = app.lock();
    let Some(order) = held.ledger.of_page(name) else {
        return plain(StatusCode::NOT_FOUND, "没有这笔支付 | there is no such payment");
    };
    if method == Method::POST {
        let number = order.asked.order.clone();
        // Paid or closed before: the page says so.
        let notice = held.ledger.pay(&number, false, now);
        drop(held);
        if let Ok(notice) = notice {
            app.call_back(notice);
        }
        let mut reply = plain(StatusCode::SEE_OTHER, "");
        let place = format!("/pay/{name}?lang={}", if zh { "zh" } else { "en" });
        if let Ok(place) = place.parse() {
            reply.headers_mut().insert(LOCATION, place);
        }
        return reply;
    }
    let html = page::pay(order, held.ledger.merchant(), zh, now).unwrap_or_default();
    let mut reply = reply(StatusCode::OK, "text/html; charset=utf-8", html);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    if let Ok(policy) = policy.parse() {
        reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    reply
}

fn plain(status: StatusCode, text: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", text.to_owned())
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    reply.headers_mut().insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    reply
}

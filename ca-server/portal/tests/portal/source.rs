//! A CRL address on 127.0.0.1 that counts what it is asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    /// `None` answers 500.
    crl: Option<Vec<u8>>,
    version: u32,
    full: u32,
    not_modified: u32,
}

impl Source {
    pub(crate) async fn start(crl: Option<Vec<u8>>) -> Self {
        let state = Arc::new(Mutex::new(Answers { crl, ..Answers::default() }));
        let router = Router::new().route("/0.crl", get(answer)).with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/0.crl", self.address)
    }

    pub(crate) fn publish(&self, crl: Option<Vec<u8>>) {
        let mut state = self.state.lock().unwrap();
        state.crl = crl;
        state.version += 1;
    }

    /// Whole answers and "not modified" so far.
    pub(crate) fn counts(&self) -> (u32, u32) {
        let state = self.state.lock().unwrap();
        (state.full, state.not_modified)
    }
}

async fn answer(State(state): State<Arc<Mutex<Answers>>>, headers: HeaderMap) -> Response {
    let mut state = state.lock().unwrap();
    let Some(crl) = state.crl.clone() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let etag = format!("\"{}\"", state.version);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|held| held == etag.as_str()) {
        state.not_modified += 1;
        return StatusCode::NOT_MODIFIED.into_response();
    }
    state.full += 1;
    ([(header::ETAG, etag)], crl).into_response()
}

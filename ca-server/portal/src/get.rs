//! One GET over plain HTTP/1.1, to an address of the configuration. Addresses in certificates are never fetched.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    header::{CONNECTION, HOST, HeaderValue, IF_NONE_MATCH},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinHandle};

const DEFAULT_PORT: u16 = 80;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("HTTP: {0}")]
    Http(hyper::Error),
    #[error("address: {0}")]
    Address(hyper::http::Error),
    #[error("HTTP status {0}")]
    Status(StatusCode),
    #[error("body: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
}

/// An answer whose body is still to come. Its connection ends with it.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) response: Response<Incoming>,
    _connection: Connection,
}

impl Got {
    /// The whole body, of at most so many octets.
    pub(crate) async fn body(self, most: usize) -> Result<Bytes, GetError> {
        let body = Limited::new(self.response.into_body(), most).collect().await;
        Ok(body.map_err(GetError::Body)?.to_bytes())
    }
}

#[derive(Debug)]
struct Connection(JoinHandle<hyper::Result<()>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks for `path` at the place of `url`. `known`: the entity tag of what is there already.
pub(crate) async fn get(url: &Uri, path: &str, known: Option<&HeaderValue>) -> Result<Got, GetError> {
    let host = url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, url.port_u16().unwrap_or(DEFAULT_PORT)))
        .await
        .map_err(GetError::Connect)?;
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut request = Request::get(path).header(HOST, authority).header(CONNECTION, "close");
    if let Some(tag) = known {
        request = request.header(IF_NONE_MATCH, tag);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(GetError::Address)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(GetError::Http)?;
    let connection = Connection(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(GetError::Http)?;
    Ok(Got { response, _connection: connection })
}

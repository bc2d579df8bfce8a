//! HTTP/1.1 over mutual TLS: one connection that is kept and, when it is lost, made anew.
//!
//! A request that may have reached the server is never sent twice by this code; one that certainly did not, is.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    HeaderMap, Method, Request, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{ACCEPT, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, client::Resumption, sign::SingleCertAndKey};
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    Error,
    tls::{Identity, TokenKey},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than the server lets a long poll wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
const ANSWER_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Pauses before further tries to connect.
const BACKOFF: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(600), Duration::from_millis(1800)];

/// A connection with one server.
pub struct Client {
    url: String,
    host: String,
    port: u16,
    authority: String,
    name: ServerName<'static>,
    connector: TlsConnector,
    key: Option<TokenKey>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// What the server answered, whatever the status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; `null` when it is empty or something else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The answer itself below status 400, the refusal with its problem document otherwise.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn accepted(self) -> Result<Self, Error> {
        if self.status < 400 {
            Ok(self)
        } else {
            Err(Error::Refused { status: self.status, problem: self.json() })
        }
    }
}

impl Client {
    /// Connects to `https://host[:port]`, whose certificate must lead to one of `anchors`; with `identity`, offers its
    /// certificate.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Unreachable`], [`Error::Tls`], and [`Error::Hsm`] when the token does not sign.
    pub async fn connect(
        url: &str,
        anchors: &[CertificateDer<'static>],
        identity: Option<&Identity>,
    ) -> Result<Self, Error> {
        let mut client = Self::new(url, anchors, identity)?;
        client.connection = Some(client.open_patiently().await?);
        Ok(client)
    }

    /// As [`Client::connect`], but the connection is made with the first request: a server may still be starting.
    ///
    /// # Errors
    /// [`Error::Url`]; [`Error::Tls`] when anchors or identity cannot be used.
    pub fn new(
        url: &str,
        anchors: &[CertificateDer<'static>],
        identity: Option<&Identity>,
    ) -> Result<Self, Error> {
        let (host, port, name) = parse(url).ok_or_else(|| Error::Url { url: url.to_owned() })?;
        let config = tls_config(anchors, identity)
            .map_err(|error| Error::Tls { url: url.to_owned(), detail: error.to_string() })?;
        let authority =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            host,
            port,
            authority,
            name,
            connector: TlsConnector::from(Arc::new(config)),
            key: identity.map(|identity| identity.key().clone()),
            connection: None,
        })
    }

    /// The server's address as given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One request and its answer. `path` begins with `/`; `headers` are pairs of name and value.
    ///
    /// # Errors
    /// [`Error::Unreachable`] and [`Error::Tls`]: it did not reach the server. [`Error::AnswerLost`]: it may have.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let body = body.map(|value| ("application/json", Bytes::from(value.to_string())));
        self.send(method, path, body, headers).await
    }

    /// As [`Client::request`], with a body of any media type.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<(&str, Bytes)>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, Error> {
        let mut builder = Request::builder().method(method).uri(path).header(HOST, &self.authority);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            builder = builder.header(ACCEPT, "application/json, application/problem+json");
        }
        if let Some((media_type, _)) = &body {
            builder = builder.header(CONTENT_TYPE, *media_type);
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let octets = body.map(|(_, octets)| octets).unwrap_or_default();
        let request = builder.body(Full::new(octets)).map_err(|_| Error::Url { url: path.to_owned() })?;
        let result = timeout(ANSWER_TIMEOUT, self.exchange(request)).await;
        result.unwrap_or_else(|_| {
            // The answer may still come: on a connection that nobody reads any more.
            self.connection = None;
            Err(self.lost("no answer in time"))
        })
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, Error> {
        let mut kept = self.connection.take();
        if let Some(connection) = &mut kept
            && connection.ready().await.is_err()
        {
            kept = None;
        }
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.open_patiently().await?,
        };
        let response = match connection.try_send_request(request).await {
            Ok(response) => response,
            Err(mut failed) => {
                let Some(unsent) = failed.take_message() else {
                    return Err(self.sent_in_vain(&failed.into_error()));
                };
                connection = self.open_patiently().await?;
                connection.send_request(unsent).await.map_err(|error| self.sent_in_vain(&error))?
            }
        };
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_OCTETS_MAX).collect().await;
        let body = body.map_err(|error| self.lost(error))?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
    }

    /// In TLS 1.3 the server refuses a client certificate only after the handshake: it shows at the first request.
    fn sent_in_vain(&self, error: &hyper::Error) -> Error {
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let tls = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            if let Some(tls) = tls.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
                return of_tls(&self.url, tls);
            }
            source = cause.source();
        }
        self.lost(error)
    }

    fn lost(&self, detail: impl ToString) -> Error {
        Error::AnswerLost { url: self.url.clone(), detail: detail.to_string() }
    }

    async fn open_patiently(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        for pause in BACKOFF {
            match self.open().await {
                Err(Error::Unreachable { .. }) => tokio::time::sleep(pause).await,
                other => return other,
            }
        }
        self.open().await
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, Error> {
        let unreachable = |detail: String| Error::Unreachable { url: self.url.clone(), detail };
        let (connector, name) = (self.connector.clone(), self.name.clone());
        let (host, port) = (self.host.clone(), self.port);
        // Of its own: rustls waits for the token's signature where it stands, and whoever waits for this has more to do.
        let opening = tokio::spawn(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await.map_err(Opening::Tcp)?;
            // Small messages, each waiting for the last: Nagle's algorithm would only add delay.
            let _ = stream.set_nodelay(true);
            connector.connect(name, stream).await.map_err(Opening::Tls)
        });
        let stream = match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(Ok(stream))) => stream,
            Ok(Ok(Err(Opening::Tls(error)))) => return Err(self.tls_failure(&error)),
            Ok(Ok(Err(Opening::Tcp(error)))) => return Err(unreachable(error.to_string())),
            Ok(Err(error)) => return Err(Error::System(std::io::Error::other(error))),
            Err(_) => return Err(unreachable("no answer in time".to_owned())),
        };
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(sender)
    }

    fn tls_failure(&self, error: &std::io::Error) -> Error {
        if let Some(error) = self.key.as_ref().and_then(TokenKey::take_error) {
            return Error::Hsm(error);
        }
        tls_error(&self.url, error)
    }
}

/// Where a connection failed.
enum Opening {
    Tcp(std::io::Error),
    Tls(std::io::Error),
}

/// What a handshake that failed means.
pub(crate) fn tls_error(url: &str, error: &std::io::Error) -> Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => of_tls(url, tls),
        None => Error::Unreachable { url: url.to_owned(), detail: error.to_string() },
    }
}

/// Whose certificate is wrong is told apart: another remedy helps.
fn of_tls(url: &str, error: &rustls::Error) -> Error {
    let (url, detail) = (url.to_owned(), error.to_string());
    match error {
        rustls::Error::InvalidCertificate(_) => Error::Untrusted { url, detail },
        _ => Error::Tls { url, detail },
    }
}

pub(crate) fn tls_config(
    anchors: &[CertificateDer<'static>],
    identity: Option<&Identity>,
) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for anchor in anchors {
        roots.add(anchor.clone())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        Some(identity) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())))
        }
        None => builder.with_no_client_auth(),
    };
    // Each connection proves anew that the token is there.
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn parse(url: &str) -> Option<(String, u16, ServerName<'static>)> {
    let uri: Uri = url.parse().ok()?;
    let bare = uri.path() == "/" && uri.query().is_none();
    if uri.scheme_str() != Some("https") || !bare {
        return None;
    }
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host.clone()).ok()?;
    Some((host, uri.port_u16().unwrap_or(443), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let read = |url| parse(url).map(|(host, port, _)| (host, port));
        assert_eq!(read("https://ca.qianyin.test:8443"), Some(("ca.qianyin.test".to_owned(), 8443)));
        assert_eq!(read("https://127.0.0.1"), Some(("127.0.0.1".to_owned(), 443)));
        assert_eq!(read("https://[::1]:8443/"), Some(("::1".to_owned(), 8443)));
        for bad in
            ["", "ca.qianyin.test", "http://ca.qianyin.test", "https://a/b", "https://a/?b", "https://a b"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}

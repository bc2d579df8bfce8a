//! Another program's URL: TLS with the machine's or the file's roots, and one connection a request.

use std::{path::Path, sync::Arc};

use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::{Bytes, Incoming},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use super::{is_loopback, roots, wrong};
use crate::problem::Failure;

/// Where requests go.
pub(super) struct Endpoint {
    url: Uri,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// Why there is no answer. Says nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{0}")]
    Connection(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// An answer, and the connection on which its body comes: dropped, the connection ends.
pub(super) struct Answer {
    answer: Response<Incoming>,
    driver: Driver,
}

struct Driver(JoinHandle<Result<(), hyper::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Endpoint {
    /// `section` is where the configuration names it, with `url` and `ca_file`. Refuses what would send in the clear past
    /// this machine.
    pub(super) fn open(url: &str, ca_file: Option<&Path>, section: &str) -> Result<Self, Failure> {
        let key = format!("{section}.url");
        let url: Uri = url.parse().map_err(|error| wrong(&key, error))?;
        let host = url.host().ok_or_else(|| wrong(&key, "it names no host"))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, port) = match url.scheme_str() {
            Some("https") => (Some(connector(&bare, ca_file, section)?), 443),
            Some("http") if is_loopback(host) => (None, 80),
            _ => return Err(wrong(&key, "https is needed; http is for this machine only")),
        };
        Ok(Self { host: bare, port: url.port_u16().unwrap_or(port), url, tls })
    }

    pub(super) fn authority(&self) -> &str {
        self.url.authority().map_or("", |authority| authority.as_str())
    }

    pub(super) fn path(&self) -> &str {
        self.url.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Sends one request on a connection of its own. There is no time limit here.
    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                exchange(stream, request).await
            }
            None => exchange(stream, request).await,
        }
    }
}

impl Answer {
    pub(super) fn status(&self) -> hyper::StatusCode {
        self.answer.status()
    }

    /// A header that stands once.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.answer.headers().get_all(name).iter();
        let value = values.next().filter(|_| values.next().is_none())?;
        value.to_str().ok()
    }

    /// The body, when it has at most `limit` octets.
    pub(super) async fn body(self, limit: usize) -> Option<Bytes> {
        use http_body_util::{BodyExt, Limited};
        let Self { answer, driver } = self;
        let body = Limited::new(answer.into_body(), limit).collect().await;
        drop(driver);
        Some(body.ok()?.to_bytes())
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, NoAnswer> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = Driver(tokio::spawn(connection));
    Ok(Answer { answer: sender.send_request(request).await?, driver })
}

fn connector(
    host: &str,
    ca_file: Option<&Path>,
    section: &str,
) -> Result<(TlsConnector, ServerName<'static>), Failure> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| wrong(&format!("{section}.url"), error))?;
    let roots = roots(ca_file, &format!("{section}.ca_file"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(section, error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok((TlsConnector::from(Arc::new(client)), name))
}

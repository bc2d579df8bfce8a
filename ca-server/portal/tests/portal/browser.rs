//! A small HTTPS client with a certificate, connections that can be kept, and sessions that can be resumed.

use std::{net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::SendRequest,
    header::HeaderMap,
};
use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::{
    ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion, crypto::ring, version::TLS13,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[derive(Clone)]
pub(crate) struct Browser(Arc<ClientConfig>);

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    pub(crate) kind: Option<HandshakeKind>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Text; for other octets see `octets`.
    pub(crate) body: String,
    pub(crate) octets: Bytes,
}

impl Browser {
    pub(crate) fn new(
        root: &CertificateDer<'_>,
        identity: Option<(Vec<CertificateDer<'static>>, KeyPair)>,
    ) -> Self {
        Self::with_version(root, identity, &TLS13)
    }

    pub(crate) fn with_version(
        root: &CertificateDer<'_>,
        identity: Option<(Vec<CertificateDer<'static>>, KeyPair)>,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root.clone().into_owned()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        Self(Arc::new(match identity {
            Some((chain, key)) => {
                let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        }))
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Connection {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Connection { sender, kind }
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.connect(address).await.get(path, headers).await
    }
}

impl Connection {
    pub(crate) async fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.try_get(path, headers).await.unwrap()
    }

    pub(crate) async fn try_get(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, hyper::Error> {
        self.send("GET", path, headers, Bytes::new()).await
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, hyper::Error> {
        let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let response: Response<Incoming> =
            self.sender.send_request(request.body(Full::new(body)).unwrap()).await?;
        let (parts, body) = response.into_parts();
        let octets = body.collect().await?.to_bytes();
        let body = String::from_utf8_lossy(&octets).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, body, octets })
    }
}

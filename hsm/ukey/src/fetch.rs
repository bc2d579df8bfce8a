//! One question over HTTP or HTTPS without a certificate of our own: status, CA certificates, whether a server is there.

use std::{sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Uri,
    body::Bytes,
    client::conn::http1,
    header::{ACCEPT, CONNECTION, CONTENT_TYPE, DATE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{Error, client};

const TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_OCTETS_MAX: usize = 256 * 1024;

/// Whether the server's certificate is looked at; plain HTTP has none.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// It must lead to one of these.
    Anchors(&'a [CertificateDer<'static>]),
    /// It is not looked at: what comes is proved in another way, by a signature or a fingerprint on paper.
    Unchecked,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// HTTP status.
    pub status: u16,
    /// The server's clock, in seconds since 1970, where it told.
    pub date: Option<i64>,
    /// The body.
    pub body: Bytes,
}

impl Fetched {
    /// The body of a 200.
    ///
    /// # Errors
    /// [`Error::Unexpected`].
    pub fn ok(self, url: &str) -> Result<Bytes, Error> {
        if self.status == 200 {
            Ok(self.body)
        } else {
            Err(Error::Unexpected { url: url.to_owned(), status: self.status })
        }
    }
}

/// Asks once: GET, or POST of a body with its media type.
///
/// # Errors
/// [`Error::Url`], [`Error::Unreachable`], [`Error::Untrusted`], [`Error::Tls`].
pub async fn fetch(url: &str, body: Option<(&str, Vec<u8>)>, trust: Trust<'_>) -> Result<Fetched, Error> {
    let gone = |detail: String| Error::Unreachable { url: url.to_owned(), detail };
    let asking = async {
        let target = Target::parse(url).ok_or_else(|| Error::Url { url: url.to_owned() })?;
        let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
        let stream = stream.map_err(|error| gone(error.to_string()))?;
        let request = target.request(body).ok_or_else(|| Error::Url { url: url.to_owned() })?;
        let Some(name) = target.tls else {
            return exchange(url, stream, request).await;
        };
        let connector = TlsConnector::from(Arc::new(
            tls_config(trust)
                .map_err(|error| Error::Tls { url: url.to_owned(), detail: error.to_string() })?,
        ));
        let stream = connector.connect(name, stream).await;
        exchange(url, stream.map_err(|error| client::tls_error(url, &error))?, request).await
    };
    timeout(TIMEOUT, asking).await.unwrap_or_else(|_| Err(gone("no answer in time".to_owned())))
}

async fn exchange(
    url: &str,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Fetched, Error> {
    let gone = |detail: String| Error::Unreachable { url: url.to_owned(), detail };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| gone(error.to_string()))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    let response = sender.send_request(request).await.map_err(|error| gone(error.to_string()))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_OCTETS_MAX).collect().await;
    let date = parts.headers.get(DATE).and_then(|value| value.to_str().ok()).and_then(read_date);
    let body = body.map_err(|error| gone(error.to_string()))?.to_bytes();
    Ok(Fetched { status: parts.status.as_u16(), date, body })
}

/// IMF-fixdate (RFC 9110 §5.6.7), which is a date of RFC 5322.
fn read_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp().as_second())
}

struct Target {
    host: String,
    port: u16,
    tls: Option<ServerName<'static>>,
    authority: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (tls, usual) = match uri.scheme_str()? {
            "http" => (None, 80),
            "https" => (Some(ServerName::try_from(host.clone()).ok()?), 443),
            _ => return None,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let authority = uri.authority()?.as_str().to_owned();
        Some(Self { host, port: uri.port_u16().unwrap_or(usual), tls, authority, path })
    }

    fn request(&self, body: Option<(&str, Vec<u8>)>) -> Option<Request<Full<Bytes>>> {
        let mut builder =
            Request::builder().uri(&self.path).header(HOST, &self.authority).header(CONNECTION, "close");
        if let Some((media_type, _)) = &body {
            builder = builder.method(Method::POST).header(CONTENT_TYPE, *media_type);
        }
        let octets = body.map(|(_, octets)| Bytes::from(octets)).unwrap_or_default();
        builder.header(ACCEPT, "*/*").body(Full::new(octets)).ok()
    }
}

fn tls_config(trust: Trust<'_>) -> Result<ClientConfig, rustls::Error> {
    let anchors = match trust {
        Trust::Anchors(anchors) => return client::tls_config(anchors, None),
        Trust::Unchecked => Arc::new(Unchecked(rustls::crypto::ring::default_provider())),
    };
    let provider = Arc::new(anchors.0.clone());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.dangerous().with_custom_certificate_verifier(anchors).with_no_client_auth())
}

/// For a root that nobody trusts yet: its fingerprint is compared with what stands on paper, or nothing is installed.
#[derive(Debug)]
struct Unchecked(CryptoProvider);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_dates() {
        let target = Target::parse("http://ca.example/ocsp").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.path.as_str()), ("ca.example", 80, "/ocsp"));
        let target = Target::parse("https://[::1]:8443/ca/root.cer?x=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8443));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("[::1]:8443", "/ca/root.cer?x=1"));
        for bad in ["", "ca.example", "ftp://ca.example/", "http:///x", "http://a b/"] {
            assert!(Target::parse(bad).is_none(), "{bad}");
        }
        assert_eq!(read_date("Mon, 23 Nov 2026 00:00:00 GMT"), Some(1_795_392_000));
        assert_eq!(read_date("yesterday"), None);
    }
}

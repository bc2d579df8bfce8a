//! Callbacks: signed, sent until the merchant takes them.

use std::{path::Path, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Uri,
    body::Bytes,
    header::{CONNECTION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use crate::{
    StartError,
    app::App,
    fault::{CallbackFault, Forgery, Message, sign},
    key::HEADER,
    ledger::Notice,
};

const TIMEOUT: Duration = Duration::from_secs(10);
/// With pauses that double: about a thousand times the first pause in all.
const TRIES: u32 = 11;

/// A callback that went out, or did not.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) order: String,
    pub(crate) message: Message,
    /// `None` without an answer.
    pub(crate) status: Option<u16>,
}

impl Sent {
    pub(crate) fn view(&self) -> Value {
        json!({
            "order": self.order, "body": String::from_utf8_lossy(&self.message.body),
            "signature": self.message.signature, "status": self.status,
        })
    }
}

/// TLS for `https` callbacks, with the roots of a file.
pub(crate) fn connector(file: &Path) -> Result<TlsConnector, StartError> {
    let unfit = |why: String| StartError::Key { file: file.to_owned(), why };
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unfit(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unfit(error.to_string()))?;
        roots.add(certificate).map_err(|error| unfit(error.to_string()))?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unfit(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl App {
    /// Sends a callback in the background, as the next fault says.
    pub(crate) fn call_back(self: &Arc<Self>, notice: Notice) {
        let fault = self.lock().faults.callbacks.pop_front().unwrap_or_default();
        if fault.drop {
            return;
        }
        if fault.hold {
            self.lock().held.push((notice, CallbackFault { hold: false, ..fault }));
            return;
        }
        let app = Arc::clone(self);
        tokio::spawn(async move { app.send(&notice, &fault).await });
    }

    /// Sends it with its copies; all but the forged until it is taken.
    pub(crate) async fn send(&self, notice: &Notice, fault: &CallbackFault) {
        tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        let forgery = fault.forge.clone().unwrap_or_default();
        for _ in 0..fault.copies {
            self.send_once(notice, &forgery).await;
        }
        let mut pause = self.retry;
        for _ in 0..TRIES {
            let status = self.send_once(notice, &forgery).await;
            if fault.forge.is_some() || status.is_some_and(|status| (200..300).contains(&status)) {
                return;
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Each try has its own time, and so its own signature.
    async fn send_once(&self, notice: &Notice, forgery: &Forgery) -> Option<u16> {
        let message = sign(self.signers(), &notice.body, forgery, crate::now().as_second()).ok()?;
        let status = tokio::time::timeout(TIMEOUT, self.post(&notice.notify_url, &message)).await;
        let status = status.ok().flatten();
        self.lock().record(Sent { order: notice.order.clone(), message, status });
        status
    }

    async fn post(&self, url: &str, message: &Message) -> Option<u16> {
        let url: Uri = url.parse().ok()?;
        let authority = url.authority()?.clone();
        let mut request = Request::post(url.path_and_query()?.as_str())
            .header(HOST, authority.as_str())
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json");
        if let Some(signature) = &message.signature {
            request = request.header(HEADER, signature);
        }
        let request = request.body(Full::new(Bytes::from(message.body.clone()))).ok()?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls = url.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port)).await.ok()?;
        if !tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host).ok()?;
        exchange(self.tls.as_ref()?.connect(name, stream).await.ok()?, request).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Option<u16> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.ok();
    let status = answer.as_ref().map(|answer| answer.status().as_u16());
    // Read to its end, so that the merchant does not see a broken connection; no more than a little of it.
    if let Some(answer) = answer {
        let _ = http_body_util::Limited::new(answer.into_body(), 64 * 1024).collect().await;
    }
    driver.abort();
    status
}

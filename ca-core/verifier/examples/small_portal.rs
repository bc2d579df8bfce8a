//! A complete portal: mutual TLS, who it is, and whether the certificate is good at every request.
//!
//! `small_portal FOLDER ADDRESS`; the folder has root.pem, issuing.pem, portal.pem (the chain), portal.key, and 0.crl, which
//! something fetches each second (docs/portal-small.md).

use std::{
    error::Error,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Extension, Router, body::Body, http::Response, routing::get};
use ca_verifier::{Admission, Gate, GateLayer, Refusal, Time, Trust, VerifiedUnit, server_config};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tower::ServiceExt;

fn now() -> Time {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Time::from_secs(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

async fn home(Extension(unit): Extension<VerifiedUnit>) -> String {
    format!("{} {}\n", unit.code(), unit.name())
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    let mut answer = Response::new(Body::from(format!("{}\n", refusal.code())));
    *answer.status_mut() = axum::http::StatusCode::FORBIDDEN;
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("FOLDER is missing")?);
    let read = |file| CertificateDer::from_pem_file(folder.join(file));
    let (root, issuing) = (read("root.pem")?, read("issuing.pem")?);
    let gate = Arc::new(Gate::new(Trust::new(&[root], std::slice::from_ref(&issuing))?));
    let chain = CertificateDer::pem_file_iter(folder.join("portal.pem"))?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("portal.key"))?;
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(server_config(chain, key, gate.trust())?));
    let app = Router::new().route("/", get(home)).layer(GateLayer::new(Arc::clone(&gate), now, refuse));

    let (its_gate, crl) = (Arc::clone(&gate), folder.join("0.crl"));
    std::thread::spawn(move || {
        loop {
            let loaded = std::fs::read(&crl).map(|der| its_gate.load_crl(&der, &issuing, now()));
            // The one in use stays in use until its nextUpdate; then everybody is refused.
            if !matches!(loaded, Ok(Ok(_))) {
                eprintln!("no fresh CRL: {loaded:?}");
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    let listener = tokio::net::TcpListener::bind(arguments.next().ok_or("ADDRESS is missing")?).await?;
    loop {
        let ((stream, _), tls, gate, app) =
            (listener.accept().await?, tls.clone(), Arc::clone(&gate), app.clone());
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else { return };
            let peer = Admission::new(&gate, stream.get_ref().1.peer_certificates(), now());
            let service = service_fn(move |mut request: hyper::Request<Incoming>| {
                request.extensions_mut().insert(peer.clone());
                app.clone().oneshot(request.map(Body::new))
            });
            let _ =
                http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}

//! TLS connections for axum. Handshakes run apart from `accept`, with a deadline and a limit, so that a slow or
//! silent client holds up nobody.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::{extract::connect_info::Connected, serve::IncomingStream};
use ca_verifier::Trust;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{http::Peer, problem::Failure};

/// Long, because a person types a PIN meanwhile: the token is asked during the handshake.
const HANDSHAKE: Duration = Duration::from_secs(60);
const HANDSHAKES_MAX: usize = 1024;

/// Accepts TLS connections.
pub(crate) struct TlsListener {
    local: SocketAddr,
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    pub(crate) fn new(listener: TcpListener, config: Arc<ServerConfig>) -> Self {
        let local = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([127, 0, 0, 1], 0)));
        let (sender, ready) = mpsc::channel(64);
        tokio::spawn(accept(listener, TlsAcceptor::from(config), sender));
        Self { local, ready }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let Ok(permit) = Arc::clone(&handshakes).acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: others may be closed meanwhile.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if sender.is_closed() {
            return;
        }
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                let _ = sender.send((stream, address)).await;
            }
        });
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.local)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        let certificates = stream.io().get_ref().1.peer_certificates();
        let certificate = certificates.and_then(|chain| chain.first()).map(|der| Arc::from(der.as_ref()));
        Self { certificate, address: stream.remote_addr().ip() }
    }
}

/// Plain HTTP: nobody proves anything.
impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { certificate: None, address: stream.remote_addr().ip() }
    }
}

/// TLS with a client certificate asked for but not required: who it is gets decided at each request.
pub(crate) fn server_config(chain: &Path, key: &Path, trust: &Trust) -> Result<Arc<ServerConfig>, Failure> {
    let unreadable = |file: &Path, error: rustls::pki_types::pem::Error| Failure::Config {
        file: file.to_owned(),
        detail: error.to_string(),
    };
    let certificates = CertificateDer::pem_file_iter(chain).map_err(|error| unreadable(chain, error))?;
    let certificates: Vec<_> =
        certificates.collect::<Result<_, _>>().map_err(|error| unreadable(chain, error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
    let mut config =
        ca_verifier::server_config(certificates, private, trust).map_err(Failure::inconsistent)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

//! Sockets: TLS accepted with a limit on number and time, one admission per connection, HTTP/1.1 by hyper.

use std::{
    future::Future,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Body};
use ca_verifier::{Gate, Time};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{ServerConfig, server::Acceptor};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};
use tower::ServiceExt;

use crate::{
    Config, Error,
    config::Limits,
    desk::Desk,
    followers::{Followers, Following},
    routes::{self, Site},
    unit::Peer,
};

const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A portal that listens.
#[derive(Debug)]
pub struct Portal {
    listener: TcpListener,
    address: SocketAddr,
    tls: Arc<ServerConfig>,
    gate: Arc<Gate>,
    router: Router,
    following: Following,
    limits: Limits,
}

impl Portal {
    /// Binds the address and asks every source of status once. A source that does not answer does not prevent the
    /// start: its certificates are refused until it does.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Store`].
    pub async fn bind(config: Config) -> Result<Self, Error> {
        let listen = |cause| Error::Listen { address: config.listen.to_string(), cause };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let gate = Arc::new(config.gate);
        let (followers, following) = Followers::start(config.sources, &gate).await;
        let desk = config.services.map(Desk::open).transpose()?;
        let site = Site { gate: Arc::clone(&gate), followers, desk };
        Ok(Self {
            listener,
            address,
            tls: Arc::new(config.tls),
            gate,
            router: routes::router(Arc::new(site)),
            following,
            limits: config.limits,
        })
    }

    /// The address that it listens on.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let _following = self.following;
        let mut connections = tokio::task::JoinSet::new();
        let permits = Arc::new(Semaphore::new(self.limits.connections_max));
        let mut stop = std::pin::pin!(stop);
        loop {
            // Waiting for a permit leaves further clients in the kernel's queue, where they cost next to nothing.
            let permit = tokio::select! {
                () = &mut stop => break,
                permit = Arc::clone(&permits).acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, _)) => {
                    let door = Door {
                        tls: Arc::clone(&self.tls),
                        gate: Arc::clone(&self.gate),
                        router: self.router.clone(),
                        limits: self.limits,
                    };
                    connections.spawn(async move {
                        door.serve(stream).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Mostly too many open files: a pause lets connections end.
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// What one connection needs of the portal.
struct Door {
    tls: Arc<ServerConfig>,
    gate: Arc<Gate>,
    router: Router,
    limits: Limits,
}

impl Door {
    async fn serve(self, stream: TcpStream) {
        let Some(stream) = self.shake_hands(stream).await else {
            return;
        };
        // Resumed connections come by here as well: rustls gives back the certificates of the first handshake.
        let peer = Peer::admit(&self.gate, stream.get_ref().1.peer_certificates(), now());
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, peer) = (router.clone(), peer.clone());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(peer);
                router.oneshot(request).await
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// Whoever connects and says nothing has less time than whoever is typing a PIN.
    async fn shake_hands(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        // Answers are small; waiting to fill packets would only delay them.
        let _ = stream.set_nodelay(true);
        let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
        let hello = timeout(self.limits.idle, hello).await.ok()?.ok()?;
        timeout(self.limits.handshake, hello.into_stream(Arc::clone(&self.tls))).await.ok()?.ok()
    }
}

/// The machine's clock, read here and nowhere else.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

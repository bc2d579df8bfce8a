//! The sidecar's socket.

use std::{fs, future::Future, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use axum::Router;
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::{
    CheckConfig,
    cache::Paths,
    config::Place,
    routes::{self, Desk},
};
use crate::{
    Error,
    followers::{Followers, Following},
    routes::Site,
};

/// A sidecar that listens.
#[derive(Debug)]
pub struct Sidecar {
    listener: Listener,
    place: String,
    router: Router,
    following: Following,
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Loopback(TcpListener),
}

impl Sidecar {
    /// Binds the socket and asks every source of status once, as [`crate::Portal::bind`] does.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn bind(config: CheckConfig) -> Result<Self, Error> {
        let (listener, place) = listen(&config.listen).await?;
        let gate = Arc::new(config.gate);
        let (followers, following) = Followers::start(config.sources, &gate).await;
        let site = Arc::new(Site { gate, followers, desk: None });
        let desk = Desk { site, paths: Paths::new(config.cached_paths), form: config.form };
        Ok(Self { listener, place, router: routes::router(Arc::new(desk)), following })
    }

    /// `unix:PATH` or ADDRESS:PORT.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Serves until `stop` is ready.
    ///
    /// # Errors
    /// [`Error::Listen`] when the socket fails.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let _following = self.following;
        let serve = async {
            match self.listener {
                Listener::Unix(listener) => axum::serve(listener, self.router).await,
                Listener::Loopback(listener) => axum::serve(listener, self.router).await,
            }
        };
        tokio::select! {
            () = stop => Ok(()),
            ended = serve => ended.map_err(|cause| Error::Listen { address: self.place, cause }),
        }
    }
}

async fn listen(place: &Place) -> Result<(Listener, String), Error> {
    match place {
        Place::Unix { path, mode } => {
            let address = format!("unix:{}", path.display());
            match bind_unix(path, *mode).await {
                Ok(listener) => Ok((Listener::Unix(listener), address)),
                Err(cause) => Err(Error::Listen { address, cause }),
            }
        }
        Place::Loopback(address) => {
            let failed = |cause| Error::Listen { address: address.to_string(), cause };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let bound = listener.local_addr().map_err(failed)?;
            Ok((Listener::Loopback(listener), bound.to_string()))
        }
    }
}

/// Bound beside its place, given its mode and only then renamed: nobody meets it with another mode, and what a killed
/// sidecar left behind is replaced. One that answers is not.
async fn bind_unix(path: &Path, mode: u32) -> std::io::Result<UnixListener> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(std::io::ErrorKind::AddrInUse.into());
    }
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let listener = UnixListener::bind(&draft)?;
    let placed =
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).and_then(|()| fs::rename(&draft, path));
    if let Err(error) = placed {
        let _ = fs::remove_file(&draft);
        return Err(error);
    }
    Ok(listener)
}

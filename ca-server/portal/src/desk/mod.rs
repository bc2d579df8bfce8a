//! What agents do: the second step of the login, forms, tables, submissions. HTTP only: values are checked in
//! `services`, kept by `store`, and the pages are in `views`.

mod forms;
mod guard;
mod login;
mod records;
mod tables;
mod views;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use tokio::sync::Semaphore;

use crate::{
    Error, captcha::Captchas, config::ServicesConfig, fault::Fault, password::Password, routes::Site,
    session::Sessions, store::Store,
};

const FORM_MAX: usize = 64 * 1024;
/// A file of 500 persons needs a tenth of it.
const TABLE_MAX: usize = 2 * 1024 * 1024;
/// Password hashes at once: each takes 19 MiB.
const HASHES: usize = 2;

/// What the handlers for agents share.
#[derive(Debug)]
pub(crate) struct Desk {
    store: Store,
    captchas: Captchas,
    sessions: Sessions,
    hashes: Semaphore,
}

impl Desk {
    pub(crate) fn open(config: ServicesConfig) -> Result<Self, Error> {
        let file = config.database;
        let store = Store::open(&file).map_err(|cause| Error::Store { file, cause })?;
        Ok(Self {
            store,
            captchas: Captchas::default(),
            sessions: Sessions::new(config.idle, config.life),
            hashes: Semaphore::new(HASHES),
        })
    }

    /// Looks at a password, or makes a hash of one, on a thread that may be slow.
    async fn hash<T: Send + 'static>(
        &self,
        password: Password,
        work: impl FnOnce(&Password) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        // The semaphore is never closed; were it, the hash would only be one more at once.
        let _permit = self.hashes.acquire().await;
        tokio::task::spawn_blocking(move || work(&password)).await?
    }
}

/// The routes behind the unit's certificate, when there are services.
pub(crate) fn router(site: &Arc<Site>) -> Router<Arc<Site>> {
    let for_agents = Router::new()
        .route("/password", get(login::password_page).post(login::change_password))
        .route("/logout", post(login::logout))
        .route("/services/{service}", get(forms::page).post(forms::submit))
        .route("/batch", get(tables::page))
        .route("/batch", post(tables::submit).layer(DefaultBodyLimit::max(TABLE_MAX)))
        .route("/batch/{file}", get(tables::template))
        .route("/submissions", get(records::list))
        .route("/submissions.csv", get(records::export))
        .route("/submissions/{receipt}", get(records::view))
        .route("/submissions/{receipt}/correction", get(forms::correction))
        .route("/submissions/{receipt}/withdrawal", post(records::withdraw))
        .route_layer(from_fn_with_state(Arc::clone(site), guard::require_agent));
    Router::new()
        .route("/", get(login::home))
        .route("/login", post(login::log_in))
        .route("/captcha/{file}", get(login::captcha))
        .merge(for_agents)
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(from_fn(guard::same_origin))
        .layer(from_fn(guard::remember_language))
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The day in China, where the units are.
fn today() -> Date {
    let zone = TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC);
    Zoned::now().with_time_zone(zone).date()
}

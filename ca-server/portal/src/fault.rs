//! What fails in the portal itself: the person gets a page that says so, the operator the cause in the log.

/// Nothing was changed, and the person may try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the system gives no random octets")]
    Randomness,
    #[error("password hash: {0}")]
    Hash(String),
    #[error("a picture or sound for the check code cannot be made")]
    Captcha,
    #[error("a table cannot be written: {0}")]
    Table(String),
    #[error("a stored submission cannot be read: {0}")]
    Stored(#[from] serde_json::Error),
    #[error("a page cannot be rendered: {0}")]
    Page(#[from] askama::Error),
    #[error("a thread ended: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

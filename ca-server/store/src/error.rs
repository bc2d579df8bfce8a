//! The crate's errors, and how both databases' constraints become the same words.

use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as Diesel};

/// Why a verb, a transaction or the opening of a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A row that the change refers to is not there.
    #[error("a record that this one refers to does not exist")]
    NotFound,
    /// Another row has what must be unique. Of several such things each database names another one first.
    #[error("{what} exists already")]
    Conflict {
        /// What must be unique, in domain words: `unit-code`, `payment-reference`, `live-attempt`, ...
        what: &'static str,
    },
    /// The row is no longer in the state that was read; nothing was changed.
    #[error("{what} was changed by somebody else in the meantime")]
    Stale {
        /// What kind of row.
        what: &'static str,
    },
    /// Locked by others for too long, or a deadlock was cut. Nothing was changed; the request may come again.
    #[error("the database is busy")]
    Busy,
    /// A row that cannot be read back into its type.
    #[error("corrupt row {id} in table {table}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
    },
    /// The database refuses the statement: a CHECK, an append-only table, a type.
    #[error("refused by the database: {0}")]
    Rejected(String),
    /// The database cannot be reached or cannot write. Nothing was changed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// COMMIT was sent and its answer did not come. Read before doing anything again.
    #[error("the outcome of a commit is unknown")]
    OutcomeUnknown,
    /// Migrations are pending.
    #[error("the database's schema is behind this program (pending: {}): run `ca-server migrate`", pending.join(", "))]
    SchemaBehind {
        /// Names of the pending migrations, oldest first.
        pending: Vec<String>,
    },
    /// Neither `sqlite:PATH` nor `postgres://…`. The URL is not repeated: it may hold a password.
    #[error("database URL: sqlite:PATH, postgres://... or postgresql://... is needed")]
    WrongUrl,
}

impl StoreError {
    pub(crate) fn unavailable(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Diesel> for StoreError {
    fn from(error: Diesel) -> Self {
        match error {
            Diesel::NotFound => Self::NotFound,
            Diesel::DatabaseError(kind, information) => of_database(kind, information.as_ref()),
            Diesel::DeserializationError(error) => Self::Rejected(error.to_string()),
            other => Self::unavailable(other),
        }
    }
}

/// Reads `message` only: PostgreSQL's details repeat values, which may be personal data.
fn of_database(
    kind: DatabaseErrorKind,
    information: &(dyn DatabaseErrorInformation + Send + Sync),
) -> StoreError {
    let message = information.message();
    match kind {
        DatabaseErrorKind::UniqueViolation => {
            StoreError::Conflict { what: conflict(&constraint(information)) }
        }
        DatabaseErrorKind::ForeignKeyViolation => StoreError::NotFound,
        DatabaseErrorKind::SerializationFailure => StoreError::Busy,
        DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
            StoreError::unavailable(message)
        }
        // Somebody else spent it since it was read.
        _ if constraint(information).contains(BALANCE) => StoreError::Stale { what: "balance" },
        _ if BUSY.iter().any(|text| message.contains(text)) => StoreError::Busy,
        _ if CANNOT_WRITE.iter().any(|text| message.contains(text)) => StoreError::unavailable(message),
        _ => StoreError::Rejected(message.to_owned()),
    }
}

/// What payers and orders have is never less than nothing.
const BALANCE: &str = "ledger_account_balance_fen";

/// SQLITE_BUSY, and PostgreSQL's 40P01 and 55P03, which diesel gives no kind of their own.
const BUSY: [&str; 4] =
    ["database is locked", "database table is locked", "deadlock detected", "lock timeout"];
/// SQLITE_FULL, SQLITE_IOERR, SQLITE_READONLY and PostgreSQL's 53100.
const CANNOT_WRITE: [&str; 4] =
    ["database or disk is full", "disk I/O error", "readonly database", "No space left on device"];

/// `table_column_column`: the name that PostgreSQL gives, and that SQLite's list of columns is turned into.
fn constraint(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> String {
    if let Some(name) = information.constraint_name() {
        return name.to_owned();
    }
    let columns = information.message().rsplit(": ").next().unwrap_or_default();
    let table = columns.split('.').next().unwrap_or_default();
    let names = columns.split(", ").filter_map(|column| column.split_once('.')).map(|(_, name)| name);
    std::iter::once(table).chain(names).collect::<Vec<_>>().join("_")
}

/// The word for a constraint; `row` for one that nobody named, which a test forbids.
pub(crate) fn conflict(constraint: &str) -> &'static str {
    match constraint {
        "unit_id" => "unit",
        "unit_code" => "unit-code",
        "unit_labour_no" => "unit-labour-number",
        "agent_id" => "agent",
        "agent_id_card_index" => "agent-id-card",
        "agent_clear_agent" => "agent-clear",
        "agent_card_id" => "agent-card",
        "agent_card_agent" => "agent-card-live",
        "agent_card_number_index" => "agent-card-number",
        "personal_opening_id" => "personal-opening",
        "personal_opening_commitment" => "commitment",
        "agent_unit_agent_unit" => "agent-unit",
        "staff_id" => "staff",
        "staff_certificate" => "staff-certificate",
        "application_id" => "application",
        "application_certificate" => "successor",
        "unit_document_unit_position" => "unit-document",
        "unit_name_part_part_unit" => "unit-name-part",
        "unit_event_id" => "unit-event",
        "account_id" => "account",
        "account_unit" => "account-unit",
        "account_agent" => "account-agent",
        "account_name" => "account-name",
        "account_session_token_sha256" => "session",
        "application_document_application_position" => "application-document",
        "fee_order_id" => "order",
        "charge_application" => "charge",
        "charge_line_application_position" => "charge-line",
        "payment_id" => "payment",
        "payment_method_reference" => "payment-reference",
        "payment_code" => "payment-code",
        "ledger_account_name" => "ledger-account",
        "adjustment_id" => "adjustment",
        "adjustment_method_reference" => "payment-reference",
        "online_payment_id" => "online-payment",
        "online_payment_nonce" => "online-payment-nonce",
        "online_payment_code" => "online-payment-code",
        "online_payment_fee_order" => "live-online-payment",
        "online_payment_gateway_transaction_no" => "payment-reference",
        "chargeback_id" => "chargeback",
        "chargeback_payment" => "chargeback",
        "chargeback_reference" => "payment-reference",
        "chargeback_settlement" => "payment",
        "hold_id" | "hold_certificate" => "hold",
        "invoice_id" => "invoice",
        "invoice_number" => "invoice-number",
        "invoice_red_number" => "invoice-number",
        "invoice_file_invoice" => "invoice-file",
        "shift_counter_day" => "shift",
        "pay_out_adjustment" => "pay-out",
        "bank_line_id" => "bank-line",
        "bank_line_payment" => "bank-line-payment",
        "bank_line_return_reference" => "payment-reference",
        "posting_id" => "posting",
        "token_delivery_id" | "token_delivery_sha256" => "token-delivery",
        "token_serial" => "token",
        "issuing_line_id" | "issuing_line_workstation" => "issuing-line",
        "line_item_line_position" | "line_item_application" => "line-item",
        "attempt_id" => "attempt",
        "attempt_held_application" => "live-attempt",
        "attempt_held_workstation" => "workstation",
        "public_key_spki_sha256" => "public-key",
        "intent_serial" => "serial",
        "intent_attempt" => "intent-attempt",
        "open_intent_serial" => "open-intent",
        "certificate_serial" => "certificate",
        "status_serial" => "status",
        "status_epoch_id" => "status-epoch",
        "crl_number_issuer_shard" => "crl-counter",
        "crl_issuer_shard_number" => "crl-number",
        "lease_name" => "lease",
        "audit_id" => "audit",
        "idempotency_actor_request_key" => "idempotency-key",
        "training_session_id" => "training-session",
        "training_id" => "training",
        "training_unit_agent" => "training",
        "register_import_number" | "register_import_state" => "register-import",
        "register_row_import_line" => "register-row",
        "register_row_import_labour_no" => "register-labour-number",
        "batch_id" => "batch",
        "batch_line_batch_line" => "batch-line",
        "batch_line_application" => "batch-application",
        "counter_day_counter_day" => "counter-day",
        "appointment_id" | "appointment_application" => "appointment",
        "notice_id" => "notice",
        "notice_certificate_step" => "expiry-notice",
        "notice_delivery_notice_channel" => "notice-delivery",
        "unit_contact_unit" => "unit-contact",
        "ca_certificate_name" => "ca-certificate",
        "setting_name" => "setting",
        _ => "row",
    }
}

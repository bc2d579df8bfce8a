//! The whole database as text, for the auditor's own program: JSON Lines, one object a row.
//!
//! Each object has the member `table` and one member a column: text as text, integers as integers, octets as
//! lower-case hexadecimal, JSON as JSON, nothing as `null`. Tables come in the order of [`TABLES`], rows in the order
//! of their keys: the same contents give the same octets on both databases. Personal data and secrets do not leave, sealed
//! or not: whether there is some is all that the export says.

use std::io::Write;

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, connection::DefaultLoadingMode, pg::PgRowByRowLoadingMode,
    sql_query, sql_types::Text,
};

use crate::{Reader, Store, StoreError, connection::AnyConnection};

/// Every table of the CA: name, key, columns. A column's form is text or integer unless `:hex`, `:json` or
/// `:withheld` follows. A test compares them with the schema.
pub(crate) const TABLES: &[(&str, &str, &str)] = &[
    ("setting", "name", "name value"),
    ("ca_certificate", "name", "name der:hex at"),
    ("staff", "id", "id name roles:json certificate"),
    (
        "unit",
        "id",
        "id code labour_no name province city registered_by registered_at agency region name_flag ended_at",
    ),
    ("unit_document", "unit, position", "unit position kind form sha256:hex seen_by seen_at"),
    ("unit_name_part", "part, unit", "part unit"),
    (
        "unit_event",
        "id",
        "id unit kind name code successor agent_from agent_to before basis sha256:hex effective_at recorded_by \
         recorded_at state",
    ),
    (
        "agent",
        "id",
        "id qualified_at name_sealed:withheld name_index:withheld id_card_sealed:withheld id_card_index:withheld \
         erased_at",
    ),
    ("agent_clear", "agent", "agent name:withheld id_card:withheld"),
    (
        "agent_card",
        "id",
        "id agent number_sealed:withheld number_index:withheld valid_from registered_by reason ended_at",
    ),
    ("personal_opening", "id", "id agent field commitment:hex opening_sealed:withheld at"),
    ("agent_unit", "agent, unit", "agent unit confirmed_at confirmed_by ended_at ended_by"),
    (
        "application",
        "id",
        "id unit agent profile years entered_by entered_at state decided_by reasons payment attempt serial:hex \
         unit_name unit_code kind certificate:hex cause cps counter contact_sealed:withheld entered_before:json",
    ),
    (
        "application_document",
        "application, position",
        "application position kind sha256:hex seen_by form seen_at",
    ),
    ("account", "id", "id unit agent name password:withheld initial failures locked_until changed_at"),
    ("account_session", "token_sha256", "token_sha256:withheld account created_at expires_at"),
    (
        "fee_order",
        "id",
        "id payer tariff quoted_at honoured_until state total_fen waived_fen received_fen refunded_fen invoiced_fen",
    ),
    ("charge", "application", "application fee_order kind total_fen waived_fen refunded_fen earned_fen live"),
    ("charge_line", "application, position", "application position item quantity price_fen note"),
    ("payment", "id", "id fee_order payer method reference amount_fen cashier counter code:withheld at"),
    ("posting", "id", "id reason cause fee_order debit credit amount_fen at"),
    ("ledger_account", "name", "name balance_fen"),
    (
        "adjustment",
        "id",
        "id kind fee_order application amount_fen into_credit keeps_certificate reason requested_by requested_at \
         state decided_by reasons method reference",
    ),
    (
        "online_payment",
        "id",
        "id fee_order gateway amount_fen nonce:withheld code:withheld description opened_by created_at told_at expires_at state \
         url:withheld transaction_no",
    ),
    (
        "chargeback",
        "id",
        "id payment fee_order amount_fen reference recorded_by recorded_at state held_at settlement",
    ),
    (
        "invoice",
        "id",
        "id fee_order payer kind amount_fen form_sealed:withheld requested_by requested_at due_at due_estimated state number \
         file_sha256:hex red_number reasons erased_at",
    ),
    ("invoice_file", "invoice", "invoice media_type content:withheld"),
    ("shift", "counter, day", "counter day state counted closed_by closed_at requested_by reason decided_by"),
    ("pay_out", "adjustment", "adjustment counter method amount_fen at"),
    (
        "bank_line",
        "id",
        "id payment booked_on amount_fen imported_by imported_at state reason payer_name:withheld remark:withheld fee_order \
         assigned_by return_reason:withheld return_by return_approved_by return_reference",
    ),
    (
        "attempt",
        "id",
        "id application workstation clerk wanted_token state token serial:hex reason created_at lease_until note \
         held_application held_workstation first_pin",
    ),
    ("issuing_line", "id", "id workstation clerk started_at ended_at"),
    ("line_item", "line, position", "line position application state token note"),
    ("token_delivery", "id", "id sha256:hex imported_by imported_at tokens"),
    (
        "token",
        "serial",
        "serial model batch delivery place_kind place state attempt certificate:hex moved_at",
    ),
    ("public_key", "spki_sha256", "spki_sha256:hex unit token attempt bound_at"),
    (
        "intent",
        "serial",
        "serial:hex issuer profile profile_sha256:hex tbs:hex spki_sha256:hex unit application attempt token \
         not_before not_after shard actor at",
    ),
    ("open_intent", "serial", "serial:hex"),
    (
        "certificate",
        "serial",
        "serial:hex der:hex sha256:hex issuer profile unit application not_before not_after shard issued_at",
    ),
    (
        "status",
        "serial",
        "serial:hex issuer shard state activated reason revoked_at not_after changed_at epoch \
         invalid_since",
    ),
    ("status_epoch", "id", "id epoch"),
    ("crl_number", "issuer, shard", "issuer shard number"),
    ("crl", "issuer, shard, number", "issuer shard number this_update next_update epoch der:hex"),
    ("lease", "name", "name holder fence until"),
    ("audit", "id", "id at actor action object object_id rule detail:json"),
    ("idempotency", "actor, request_key", "actor request_key request_sha256:hex resource at"),
    ("training_session", "id", "id starts_at place seats planned_by planned_at"),
    (
        "training",
        "id",
        "id unit agent entered_by entered_at due_at due_estimated state decided_by reasons session",
    ),
    (
        "register_import",
        "number",
        "number file_sha256:hex state staged_lines good bad started_by started_at ended_at",
    ),
    ("register_row", "import, line", "import line uscc org_code labour_no name agency region"),
    ("batch", "id", "id file_sha256:hex format header:json state documents:json entered_by entered_at"),
    (
        "batch_line",
        "batch, line",
        "batch line verdict unit agent years counter cells:json findings:json application",
    ),
    ("counter_day", "counter, day", "counter day"),
    ("appointment", "id", "id counter day slot estimated purpose unit application made_by made_at state"),
    (
        "notice",
        "id",
        "id recipient template application created_at routed_at training certificate:hex step invoice hold \
         unit_event",
    ),
    (
        "hold",
        "id",
        "id certificate:hex reason placed_by placed_at caller_sealed:withheld due_end due_at told_at ended_at ended_by \
         ended_how",
    ),
    ("notice_delivery", "notice, channel", "notice channel state attempts next_at sent_at error"),
    ("unit_contact", "unit", "unit mail_sealed:withheld phone_sealed:withheld changed_at changed_by"),
];

#[derive(QueryableByName)]
struct Line {
    // A name that no column has: what rows are ordered by must be the column.
    #[diesel(sql_type = Text)]
    exported: String,
}

impl Store {
    /// Writes everything to `sink`, from one snapshot, without holding more than a few rows. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the sink or the database fails, [`StoreError::Corrupt`].
    pub fn export(&self, sink: &mut dyn Write) -> Result<(), StoreError> {
        self.read(|reader| TABLES.iter().try_for_each(|table| reader.export(table, sink)))?;
        sink.flush().map_err(StoreError::unavailable)
    }
}

impl Reader<'_> {
    fn export(
        &mut self,
        (table, key, columns): &(&'static str, &str, &str),
        sink: &mut dyn Write,
    ) -> Result<(), StoreError> {
        self.run(|connection| {
            Ok(match connection {
                AnyConnection::Postgres(connection) => {
                    let query = sql_query(select("json_build_object", table, key, columns, in_postgres));
                    // Row by row: libpq would otherwise hold the whole table.
                    pour(table, query.load_iter::<Line, PgRowByRowLoadingMode>(connection)?, sink)
                }
                AnyConnection::Sqlite(connection) => {
                    let query = sql_query(select("json_object", table, key, columns, in_sqlite));
                    pour(table, query.load_iter::<Line, DefaultLoadingMode>(connection)?, sink)
                }
            })
        })?
    }
}

fn select(
    object: &str,
    table: &str,
    key: &str,
    columns: &str,
    expression: fn(&str, &str) -> String,
) -> String {
    let mut members = format!("'table', '{table}'");
    for column in columns.split_whitespace() {
        let (name, form) = column.split_once(':').unwrap_or((column, ""));
        members.push_str(&format!(", '{name}', {}", expression(name, form)));
    }
    format!("SELECT CAST({object}({members}) AS TEXT) AS exported FROM {table} ORDER BY {key}")
}

fn in_postgres(name: &str, form: &str) -> String {
    match form {
        "hex" => format!("encode({name}, 'hex')"),
        "json" => format!("{name}::json"),
        _ => in_both(name, form),
    }
}

fn in_sqlite(name: &str, form: &str) -> String {
    match form {
        // hex(NULL) is the empty string.
        "hex" => format!("iif({name} IS NULL, NULL, lower(hex({name})))"),
        "json" => format!("json({name})"),
        _ => in_both(name, form),
    }
}

fn in_both(name: &str, form: &str) -> String {
    match form {
        "withheld" => format!("CASE WHEN {name} IS NOT NULL THEN 'withheld' END"),
        _ => name.to_owned(),
    }
}

fn pour(
    table: &'static str,
    rows: impl Iterator<Item = QueryResult<Line>>,
    sink: &mut dyn Write,
) -> Result<(), StoreError> {
    for row in rows {
        let row = row?;
        // Read and written again: the databases differ in spaces and escapes.
        let object: serde_json::Value = serde_json::from_str(&row.exported)
            .map_err(|_| StoreError::Corrupt { table, id: "a row that is not JSON".to_owned() })?;
        writeln!(sink, "{object}").map_err(StoreError::unavailable)?;
    }
    Ok(())
}

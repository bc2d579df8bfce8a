//! Rows of the export: the columns that some rule reads, and no others.
//!
//! Times are milliseconds since 1970, amounts are fen. A column that is missing makes the line malformed; NULL is not
//! the same as missing.

use serde::{Deserialize, Deserializer};

use crate::octets::{Digested, Octets};

/// One row, by its table.
#[derive(Debug, Deserialize)]
#[serde(tag = "table", rename_all = "snake_case")]
pub(crate) enum Row {
    Unit(Unit),
    UnitEvent(UnitEvent),
    Application(Application),
    FeeOrder(FeeOrder),
    Charge(Charge),
    Payment(Payment),
    OnlinePayment(OnlinePayment),
    Posting(Posting),
    LedgerAccount(LedgerAccount),
    Adjustment(Adjustment),
    BankLine(BankLine),
    Chargeback(Chargeback),
    Shift(Shift),
    Invoice(Invoice),
    Attempt(Attempt),
    Token(Token),
    PublicKey(PublicKey),
    Intent(Intent),
    OpenIntent(OpenIntent),
    Certificate(Certificate),
    Status(Status),
    StatusEpoch(StatusEpoch),
    CrlNumber(CrlNumber),
    Crl(Crl),
    CaCertificate(CaCertificate),
    Audit(Audit),
    /// A table that no rule reads.
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Unit {
    pub(crate) id: String,
    pub(crate) code: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct UnitEvent {
    pub(crate) id: String,
    pub(crate) unit: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) recorded_by: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) before: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) unit: String,
    pub(crate) unit_name: String,
    pub(crate) unit_code: String,
    pub(crate) kind: String,
    /// The certificate that it is about.
    #[serde(deserialize_with = "nullable")]
    pub(crate) certificate: Option<Octets>,
    pub(crate) entered_by: String,
    pub(crate) entered_before: Vec<String>,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) decided_by: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) payment: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct FeeOrder {
    pub(crate) id: String,
    pub(crate) payer: String,
    pub(crate) state: String,
    pub(crate) total_fen: i64,
    pub(crate) waived_fen: i64,
    pub(crate) received_fen: i64,
    pub(crate) refunded_fen: i64,
    /// On its invoices that are asked for or issued.
    pub(crate) invoiced_fen: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Charge {
    pub(crate) application: String,
    pub(crate) fee_order: String,
    pub(crate) kind: String,
    pub(crate) total_fen: i64,
    pub(crate) waived_fen: i64,
    pub(crate) refunded_fen: i64,
    pub(crate) earned_fen: i64,
    pub(crate) live: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) fee_order: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) payer: Option<String>,
    pub(crate) method: String,
    pub(crate) reference: String,
    pub(crate) amount_fen: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OnlinePayment {
    pub(crate) id: String,
    pub(crate) fee_order: String,
    pub(crate) gateway: String,
    pub(crate) amount_fen: i64,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) transaction_no: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Posting {
    pub(crate) id: i64,
    pub(crate) reason: String,
    pub(crate) cause: String,
    pub(crate) debit: String,
    pub(crate) credit: String,
    pub(crate) amount_fen: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LedgerAccount {
    pub(crate) name: String,
    pub(crate) balance_fen: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Adjustment {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) application: String,
    pub(crate) amount_fen: i64,
    pub(crate) into_credit: i64,
    pub(crate) requested_by: String,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) decided_by: Option<String>,
    /// How it was paid out.
    #[serde(deserialize_with = "nullable")]
    pub(crate) method: Option<String>,
    /// The number of the proof.
    #[serde(deserialize_with = "nullable")]
    pub(crate) reference: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Chargeback {
    pub(crate) id: String,
    pub(crate) payment: String,
    pub(crate) fee_order: String,
    pub(crate) amount_fen: i64,
    pub(crate) state: String,
    /// The payment by which the money came again.
    #[serde(deserialize_with = "nullable")]
    pub(crate) settlement: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) fee_order: String,
    pub(crate) payer: String,
    pub(crate) amount_fen: i64,
    pub(crate) requested_at: i64,
    pub(crate) due_at: i64,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) number: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) red_number: Option<String>,
    /// When what stood on it was erased with its payer's personal data.
    #[serde(deserialize_with = "nullable")]
    pub(crate) erased_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Shift {
    pub(crate) counter: String,
    pub(crate) day: String,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) requested_by: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) decided_by: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BankLine {
    pub(crate) id: String,
    pub(crate) payment: String,
    pub(crate) amount_fen: i64,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) fee_order: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) assigned_by: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) return_by: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) return_approved_by: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) return_reference: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) id: String,
    pub(crate) application: String,
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Token {
    pub(crate) serial: String,
    pub(crate) state: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) certificate: Option<Octets>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PublicKey {
    pub(crate) spki_sha256: Octets,
    #[serde(deserialize_with = "nullable")]
    pub(crate) unit: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Intent {
    pub(crate) serial: Octets,
    pub(crate) issuer: String,
    pub(crate) profile: String,
    pub(crate) tbs: Digested,
    pub(crate) spki_sha256: Octets,
    #[serde(deserialize_with = "nullable")]
    pub(crate) unit: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) application: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) token: Option<String>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) shard: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OpenIntent {
    pub(crate) serial: Octets,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) serial: Octets,
    pub(crate) der: Octets,
    pub(crate) sha256: Octets,
    pub(crate) issuer: String,
    pub(crate) profile: String,
    #[serde(deserialize_with = "nullable")]
    pub(crate) unit: Option<String>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) application: Option<String>,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    pub(crate) shard: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) serial: Octets,
    pub(crate) state: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StatusEpoch {
    pub(crate) epoch: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CrlNumber {
    pub(crate) issuer: String,
    pub(crate) shard: i64,
    pub(crate) number: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Crl {
    pub(crate) issuer: String,
    pub(crate) shard: i64,
    pub(crate) number: i64,
    pub(crate) this_update: i64,
    pub(crate) epoch: i64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CaCertificate {
    pub(crate) name: String,
    pub(crate) der: Octets,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Audit {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) object_id: String,
    /// The rule that refused; `None` when it was done.
    #[serde(deserialize_with = "nullable")]
    pub(crate) rule: Option<String>,
    pub(crate) detail: Detail,
}

/// Further facts of an entry; those that no rule reads are skipped.
#[derive(Debug, Deserialize)]
pub(crate) struct Detail {
    /// The state after a change of status.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// What was moved, fen in digits.
    #[serde(default)]
    pub(crate) amount: Option<String>,
    /// Orders that became one, with spaces between.
    #[serde(default)]
    pub(crate) orders: Option<String>,
    /// What happened to the unit.
    #[serde(default)]
    pub(crate) event: Option<String>,
    /// What became of the object by that.
    #[serde(default)]
    pub(crate) fate: Option<String>,
}

/// `Option` by itself would take a missing column for NULL.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_not_null() {
        let row = |text: &str| serde_json::from_str::<Row>(text);
        assert!(row(r#"{"spki_sha256":"00","table":"public_key","token":null,"unit":null}"#).is_ok());
        assert!(row(r#"{"spki_sha256":"00","table":"public_key","token":null}"#).is_err());
        assert!(row(r#"{"spki_sha256":0,"table":"public_key","token":null,"unit":null}"#).is_err());
        assert!(row(r#"{"table":"unit","id":"1","id":"2","code":"3"}"#).is_err());
        assert!(row(r#"{"table":"unit","id":"1","code":"3"}x"#).is_err());
        assert!(matches!(row(r#"{"table":"lease","name":"crl"}"#), Ok(Row::Other)));
        assert!(row(r#"{"name":"crl"}"#).is_err());
    }
}

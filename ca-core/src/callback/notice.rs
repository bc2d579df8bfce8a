//! The octets of a notice: one JSON object with exactly these fields, each in its only form.

use ca_verifier::Time;
use serde::Deserialize;

use super::AuthenticBody;
use crate::Fen;

/// Of identifiers, numbers and nonces.
const TEXT_MAX: usize = 64;

/// What a gateway says of a payment, with its own signature. Believed only after [`GatewayNotice::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayNotice {
    pub(super) merchant: String,
    pub(super) order: String,
    pub(super) amount: Fen,
    pub(super) currency: String,
    pub(super) state: NoticeState,
    pub(super) nonce: String,
}

/// How the payment stands at the gateway, with what is known there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// Paid.
    Success {
        /// The gateway's own number of the payment.
        transaction: String,
        /// When.
        paid_at: Time,
    },
    /// Nobody can pay it any more.
    Closed,
    /// Not paid yet.
    Pending,
}

/// Why octets of a gateway are no notice. Says nothing of the octets' content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoticeForm {
    /// Not one JSON object with the fields of a notice, each once and of its own type.
    #[error("not a JSON object with the fields of a notice, each once (line {line}, column {column})")]
    Json {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// A field of the right type with a value that it cannot have.
    #[error("{field}: {needed} needed")]
    Field {
        /// Which.
        field: &'static str,
        /// What it must be.
        needed: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    merchant: String,
    order: String,
    transaction: Option<String>,
    amount: i64,
    currency: String,
    state: String,
    nonce: String,
    paid_at: Option<String>,
}

impl GatewayNotice {
    /// Reads a notice. `transaction` and `paid_at` are there (and not null) when `state` is `success`, and then only.
    ///
    /// # Errors
    /// [`NoticeForm`]: which field, and what it must be. Unknown and repeated fields are refused.
    pub fn parse(body: AuthenticBody<'_>) -> Result<Self, NoticeForm> {
        let octets = body.octets();
        // A derived reader takes an array in the fields' order, too.
        if octets.iter().find(|octet| !octet.is_ascii_whitespace()) != Some(&b'{') {
            return Err(NoticeForm::Json { line: 1, column: 1 });
        }
        let fields: Fields = serde_json::from_slice(octets)
            .map_err(|error| NoticeForm::Json { line: error.line(), column: error.column() })?;
        let refused = |field, needed| NoticeForm::Field { field, needed };
        const TEXT: &str = "1 to 64 visible ASCII characters are";
        for (field, value) in
            [("merchant", &fields.merchant), ("order", &fields.order), ("nonce", &fields.nonce)]
        {
            if !gateway_text(value) {
                return Err(refused(field, TEXT));
            }
        }
        if fields.amount < 1 {
            return Err(refused("amount", "a whole number of fen, 1 at least, is"));
        }
        if fields.currency.len() != 3 || !fields.currency.bytes().all(|c| c.is_ascii_uppercase()) {
            return Err(refused("currency", "three capital letters (ISO 4217) are"));
        }
        let state = match (fields.state.as_str(), fields.transaction, fields.paid_at) {
            ("success", Some(transaction), Some(paid_at)) => {
                if !gateway_text(&transaction) {
                    return Err(refused("transaction", TEXT));
                }
                let paid_at = rfc3339(&paid_at).ok_or(refused("paid_at", "a moment of RFC 3339 is"))?;
                NoticeState::Success { transaction, paid_at }
            }
            ("success", None, _) => return Err(refused("transaction", "the number of the payment is")),
            ("success", _, None) => return Err(refused("paid_at", "a moment of RFC 3339 is")),
            ("closed" | "pending", Some(_), _) => {
                return Err(refused("transaction", "none before it is paid is"));
            }
            ("closed" | "pending", _, Some(_)) => {
                return Err(refused("paid_at", "none before it is paid is"));
            }
            ("closed", None, None) => NoticeState::Closed,
            ("pending", None, None) => NoticeState::Pending,
            _ => return Err(refused("state", "success, closed or pending is")),
        };
        let Fields { merchant, order, currency, nonce, .. } = fields;
        Ok(Self { merchant, order, amount: Fen::new(fields.amount), currency, state, nonce })
    }

    /// The online payment that it is about, to look up what was asked for. Not compared yet.
    #[must_use]
    pub fn order(&self) -> &str {
        &self.order
    }
}

/// Whether a text can be an identifier, a number or a nonce at a gateway: 1 to 64 visible ASCII characters.
#[must_use]
pub fn gateway_text(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

/// RFC 3339 §5.6 and nothing more; jiff also reads forms of RFC 9557 and ISO 8601.
fn rfc3339(text: &str) -> Option<Time> {
    let (date, rest) = text.split_at_checked(19)?;
    let like = |text: &str, form: &str| {
        text.len() == form.len()
            && text
                .bytes()
                .zip(form.bytes())
                .all(|(c, f)| if f == b'9' { c.is_ascii_digit() } else { c == f })
    };
    if text.len() > 40 || !like(date, "9999-99-99T99:99:99") {
        return None;
    }
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if !(1..=9).contains(&(fraction.len() - offset.len())) {
                return None;
            }
            offset
        }
        None => rest,
    };
    if offset != "Z" && !like(offset, "+99:99") && !like(offset, "-99:99") {
        return None;
    }
    let moment: jiff::Timestamp = text.parse().ok()?;
    Some(Time::from_millis(moment.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"{"merchant":"M001","order":"019abc","transaction":"T9","amount":20000,"currency":"CNY","state":"success","nonce":"n-1","paid_at":"2026-11-23T08:00:00+08:00"}"#;

    fn parse(text: &str) -> Result<GatewayNotice, NoticeForm> {
        GatewayNotice::parse(AuthenticBody::testing(text.as_bytes()))
    }

    fn refused(from: &str, to: &str) -> String {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not there");
        parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_the_gateway_writes() {
        let notice = parse(GOOD).unwrap();
        assert_eq!(notice.order(), "019abc");
        assert_eq!(notice.amount, Fen::new(20_000));
        let paid_at = Time::from_secs(1_795_392_000);
        assert_eq!(notice.state, NoticeState::Success { transaction: "T9".into(), paid_at });
        let pending = r#"{"merchant":"M","order":"o","amount":9223372036854775807,"currency":"CNY","state":"pending","nonce":"n"}"#;
        assert_eq!(parse(pending).unwrap().amount.get(), i64::MAX);
        assert_eq!(parse(&pending.replace("pending", "closed")).unwrap().state, NoticeState::Closed);
    }

    #[test]
    fn amounts_are_whole_fen_and_nothing_else() {
        for amount in ["0", "-1", "-0", "-9223372036854775808"] {
            assert!(!refused("20000", amount).is_empty(), "{amount}");
        }
        assert_eq!(refused("20000", "0"), "amount: a whole number of fen, 1 at least, is needed");
        for amount in [
            "9223372036854775808",
            "18446744073709551616",
            "0.005",
            "200.0",
            "1e2",
            "1E2",
            "\"100\"",
            "null",
            "true",
            "[100]",
            "{}",
            "+1",
            "0100",
            "0x64",
            "1_000",
            "NaN",
        ] {
            assert!(refused("20000", amount).starts_with("not a JSON object"), "{amount}");
        }
    }

    #[test]
    fn fields_are_there_once_and_known() {
        for (from, to) in [
            ("\"amount\":20000", "\"amount\":20000,\"amount\":20000"),
            ("\"order\":\"019abc\"", "\"order\":\"019abc\",\"\\u006frder\":\"019abd\""),
            ("\"transaction\":\"T9\"", "\"transaction\":\"T9\",\"transaction\":null"),
            ("\"nonce\"", "\"extra\":1,\"nonce\""),
            ("\"nonce\"", "\"Nonce\""),
            ("\"merchant\":\"M001\",", ""),
            ("\"state\":\"success\",", ""),
            ("\"currency\":\"CNY\"", "\"currency\":null"),
            ("+08:00\"}", "+08:00\"} {}"),
            ("+08:00\"}", "+08:00\"},"),
            ("{", "\u{feff}{"),
        ] {
            assert!(refused(from, to).starts_with("not a JSON object"), "{to}");
        }
        let array = r#"["M001","019abc","T9",20000,"CNY","success","n-1","2026-11-23T08:00:00+08:00"]"#;
        assert_eq!(parse(array), Err(NoticeForm::Json { line: 1, column: 1 }), "fields without names");
    }

    #[test]
    fn each_field_has_its_own_form() {
        let long = "x".repeat(65);
        for bad in ["", " ", "a b", "订单", "a\\n", long.as_str()] {
            for (field, value) in
                [("merchant", "M001"), ("order", "019abc"), ("nonce", "n-1"), ("transaction", "T9")]
            {
                let refusal = refused(&format!("\"{value}\""), &format!("\"{bad}\""));
                assert!(refusal.starts_with(&format!("{field}: ")), "{field} {bad:?}: {refusal}");
            }
        }
        for bad in ["cny", "CN", "CNYY", "", "人民币"] {
            assert!(refused("CNY", bad).starts_with("currency: "), "{bad}");
        }
        for bad in ["Success", "paid", ""] {
            assert!(refused("success", bad).starts_with("state: "), "{bad}");
        }
        for bad in ["closed", "pending"] {
            assert!(refused("success", bad).starts_with("transaction: "), "{bad} with a transaction");
        }
        assert!(refused("\"transaction\":\"T9\",", "").starts_with("transaction: "));
        assert!(refused("\"T9\"", "null").starts_with("transaction: "));
        assert!(refused(",\"paid_at\":\"2026-11-23T08:00:00+08:00\"", "").starts_with("paid_at: "));
    }

    #[test]
    fn moments_are_of_rfc_3339() {
        assert_eq!(rfc3339("2026-11-23T00:00:00Z"), Some(Time::from_secs(1_795_392_000)));
        assert_eq!(rfc3339("2026-11-22T19:00:00.250-05:00"), Some(Time::from_millis(1_795_392_000_250)));
        for bad in [
            "2026-11-23",
            "2026-11-23T00:00:00",
            "2026-11-23 00:00:00Z",
            "2026-11-23T00:00Z",
            "2026-11-23T00:00:00+08",
            "2026-11-23T00:00:00+08:00[Asia/Shanghai]",
            "2026-11-31T00:00:00Z",
            "2026-11-23T25:00:00Z",
            "20261123T000000Z",
            "2026-11-23T00:00:00.Z",
            "2026-11-23T00:00:00.0123456789Z",
            "2026-11-23T00:00:00Z ",
            "+002026-11-23T00:00:00Z",
            "",
            "二〇二六年十一月二十三日零时零分零秒",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad}");
            assert!(refused("2026-11-23T08:00:00+08:00", bad).starts_with("paid_at: "), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = GatewayNotice::parse(AuthenticBody::testing(&octets));
        }

        /// A mutated notice is refused, or says what its octets say: nothing is made up.
        #[test]
        fn mutated_notices_are_read_as_they_stand(at in 0..GOOD.len(), octet in any::<u8>()) {
            let mut octets = GOOD.as_bytes().to_vec();
            octets[at] = octet;
            if let Ok(notice) = GatewayNotice::parse(AuthenticBody::testing(&octets)) {
                let value: serde_json::Value = serde_json::from_slice(&octets).unwrap();
                prop_assert_eq!(value["order"].as_str(), Some(notice.order()));
                prop_assert_eq!(value["amount"].as_i64(), Some(notice.amount.get()));
                prop_assert_eq!(value["merchant"].as_str(), Some(notice.merchant.as_str()));
            }
        }
    }
}

//! The operations of `docs/gateway.md`: a request's octets to what is answered.

use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::ledger::{Code, Ledger, NewOrder};

const TEXT_MAX: usize = 64;
const URL_MAX: usize = 2_048;
const DESCRIPTION_MAX: usize = 200;

/// Before it is signed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// What every request holds, and an answer repeats.
#[derive(Deserialize)]
struct Asked {
    operation: String,
    request: String,
    merchant: String,
    order: String,
}

#[derive(Deserialize)]
struct Create {
    amount: i64,
    currency: String,
    nonce: String,
    description: String,
    notify_url: String,
    return_url: String,
    expires_at: String,
}

#[derive(Deserialize)]
struct Refund {
    refund: String,
    amount: i64,
}

#[derive(Deserialize)]
struct QueryRefund {
    refund: String,
}

/// What stands in a good answer.
enum Said {
    /// The whole body.
    Notice(Value),
    /// Beside what is repeated.
    Fields(Value),
}

/// Carries a request out. `page` is the name of a new page, `pages` where pages stand. `None`: it is no request of the
/// protocol, and nothing signed can answer it.
pub(crate) fn carry_out(
    ledger: &mut Ledger,
    operation: &str,
    body: &[u8],
    (page, pages): (String, &str),
    now: Timestamp,
) -> Option<Answer> {
    let value: Value = serde_json::from_slice(body).ok().filter(Value::is_object)?;
    let asked: Asked = read(&value)?;
    let texts = [&asked.request, &asked.merchant, &asked.order];
    if asked.operation != operation || !texts.into_iter().all(|text| is_text(text)) {
        return None;
    }
    let said = match operation {
        _ if asked.merchant != ledger.merchant() => Err("merchant"),
        "create" => create(ledger, &asked, &value, (page, pages), now),
        "query" => ledger.query(&asked.order, now).map(|notice| Said::Notice(notice.body)),
        "close" => ledger
            .close(&asked.order, now)
            .map(|closed| Said::Fields(json!({ "state": if closed { "closed" } else { "paid" } }))),
        "refund" => refund(ledger, &asked, &value),
        "query-refund" => query_refund(ledger, &asked, &value),
        _ => return None,
    };
    let (status, more) = match said {
        Ok(Said::Notice(body)) => return Some(Answer { status: 200, body }),
        Ok(Said::Fields(more)) => (200, more),
        Err(code @ ("unknown-order" | "unknown-refund")) => (404, json!({ "refused": code })),
        Err(code @ "full") => (503, json!({ "refused": code })),
        Err(code) => (409, json!({ "refused": code })),
    };
    let Asked { operation, request, merchant, order } = asked;
    let names = [("operation", operation), ("request", request), ("merchant", merchant), ("order", order)];
    let mut fields: Map<String, Value> =
        names.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Some(Answer { status, body: fields.into() })
}

fn create(
    ledger: &mut Ledger,
    asked: &Asked,
    value: &Value,
    (page, pages): (String, &str),
    now: Timestamp,
) -> Result<Said, Code> {
    let new: Create = read(value).ok_or("form")?;
    let url = |url: &str| {
        url.len() <= URL_MAX
            && url.bytes().all(|c| c.is_ascii_graphic())
            && (url.starts_with("https://") || url.starts_with("http://"))
    };
    let described = (1..=DESCRIPTION_MAX).contains(&new.description.chars().count());
    if !is_text(&new.nonce) || !described || !url(&new.notify_url) || !url(&new.return_url) {
        return Err("form");
    }
    let Create { amount, currency, nonce, description, notify_url, return_url, expires_at } = new;
    let expires_at: Timestamp = expires_at.parse().map_err(|_| "form")?;
    let order = asked.order.clone();
    let new = NewOrder {
        order,
        amount,
        currency,
        nonce: nonce.clone(),
        description,
        notify_url,
        return_url,
        expires_at,
    };
    let page = ledger.create(new, page, now)?;
    Ok(Said::Fields(json!({ "nonce": nonce, "url": format!("{pages}/{page}") })))
}

fn refund(ledger: &mut Ledger, asked: &Asked, value: &Value) -> Result<Said, Code> {
    let Refund { refund, amount } = read(value).ok_or("form")?;
    if !is_text(&refund) {
        return Err("form");
    }
    let state = ledger.refund(&asked.order, &refund, amount)?;
    Ok(Said::Fields(json!({ "refund": refund, "amount": amount, "state": state })))
}

fn query_refund(ledger: &Ledger, asked: &Asked, value: &Value) -> Result<Said, Code> {
    let QueryRefund { refund } = read(value).ok_or("form")?;
    let (amount, state) = ledger.query_refund(&asked.order, &refund)?;
    Ok(Said::Fields(json!({ "refund": refund, "amount": amount, "state": state })))
}

fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn is_text(text: &str) -> bool {
    (1..=TEXT_MAX).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(ledger: &mut Ledger, operation: &str, more: Value) -> Option<Answer> {
        let mut body = json!({ "operation": operation, "request": "r-1", "merchant": "M001", "order": "o" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let now = Timestamp::from_second(1).unwrap();
        carry_out(ledger, operation, body.to_string().as_bytes(), ("p".into(), "http://h/pay"), now)
    }

    fn new() -> Value {
        json!({
            "amount": 20_000, "currency": "CNY", "nonce": "n", "description": "证书服务费",
            "notify_url": "https://ca.example.org/n", "return_url": "https://ca.example.org/r",
            "expires_at": "2026-11-23T08:00:00Z",
        })
    }

    #[test]
    fn answers_repeat_what_was_asked() {
        let mut ledger = Ledger::new("M001");
        let answer = ask(&mut ledger, "create", new()).unwrap();
        let body = json!({
            "operation": "create", "request": "r-1", "merchant": "M001", "order": "o", "nonce": "n", "url": "http://h/pay/p",
        });
        assert_eq!(answer, Answer { status: 200, body });
        let answer = ask(&mut ledger, "refund", json!({ "refund": "f", "amount": 1 })).unwrap();
        assert_eq!((answer.status, &answer.body["refused"]), (409, &json!("not-paid")));
        let answer = ask(&mut ledger, "query-refund", json!({ "refund": "f" })).unwrap();
        assert_eq!((answer.status, &answer.body["refused"]), (404, &json!("unknown-refund")));
        let answer = ask(&mut ledger, "close", json!({ "merchant": "M002" })).unwrap();
        assert_eq!((&answer.body["refused"], &answer.body["merchant"]), (&json!("merchant"), &json!("M002")));
    }

    #[test]
    fn what_is_no_request_is_not_answered_with_a_signature() {
        let mut ledger = Ledger::new("M001");
        for more in [json!({ "operation": "close" }), json!({ "order": "" }), json!({ "request": "a b" })] {
            assert_eq!(ask(&mut ledger, "create", more), None);
        }
        assert_eq!(ask(&mut ledger, "transfer", json!({})), None);
        let now = Timestamp::from_second(1).unwrap();
        for octets in [&b""[..], b"[]", b"{}", b"\xff"] {
            assert_eq!(carry_out(&mut ledger, "query", octets, (String::new(), ""), now), None);
        }
    }

    #[test]
    fn forms_are_checked() {
        let long = "x".repeat(DESCRIPTION_MAX + 1);
        for (field, value) in [
            ("amount", json!("20000")),
            ("amount", json!(200.5)),
            ("nonce", json!("")),
            ("description", json!(long)),
            ("notify_url", json!("javascript:alert(1)")),
            ("return_url", json!("/r")),
            ("expires_at", json!("tomorrow")),
        ] {
            let mut more = new();
            more[field] = value;
            let answer = ask(&mut Ledger::new("M001"), "create", more).unwrap();
            assert_eq!((answer.status, &answer.body["refused"]), (409, &json!("form")), "{field}");
        }
    }
}

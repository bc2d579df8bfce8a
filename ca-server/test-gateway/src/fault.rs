//! What the control URL tells this gateway to do wrong.

use std::collections::VecDeque;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{StartError, key::Signer};

/// Whose key signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Whose {
    /// This gateway's.
    #[default]
    Own,
    /// Another of the same algorithm.
    Wrong,
    /// None: no header at all.
    None,
}

/// How a message is changed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Forgery {
    /// Fields that are replaced before it is signed.
    pub(crate) set: Map<String, Value>,
    /// Fields that are taken out before it is signed.
    pub(crate) remove: Vec<String>,
    /// Spaces that are put behind before it is signed.
    pub(crate) pad: usize,
    pub(crate) key: Whose,
    /// What the header says.
    pub(crate) algorithm: Option<String>,
    /// The header's time, in seconds from now.
    pub(crate) shift_secs: i64,
    /// Text that is put behind after it is signed.
    pub(crate) append: String,
}

/// What becomes of a callback.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CallbackFault {
    /// It is never sent.
    pub(crate) drop: bool,
    /// It waits for `/control/release`.
    pub(crate) hold: bool,
    pub(crate) delay_ms: u64,
    /// It is sent so many times besides.
    pub(crate) copies: u32,
    /// It is sent once, so changed; the true one is not sent.
    pub(crate) forge: Option<Forgery>,
}

/// What becomes of an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AnswerFault {
    /// The request is not carried out.
    pub(crate) skip: bool,
    pub(crate) delay_ms: u64,
    /// The connection ends without an answer.
    pub(crate) hang_up: bool,
    pub(crate) status: Option<u16>,
    pub(crate) forge: Option<Forgery>,
    /// The answer before this one is sent again.
    pub(crate) replay: bool,
}

/// For the next messages, in turn; then all is well.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Faults {
    pub(crate) callbacks: VecDeque<CallbackFault>,
    pub(crate) answers: VecDeque<AnswerFault>,
}

/// As it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) body: Vec<u8>,
    pub(crate) signature: Option<String>,
}

/// Signs a message, changed or not.
pub(crate) fn sign(
    (signer, stranger): (&Signer, &Signer),
    body: &Value,
    forgery: &Forgery,
    now_secs: i64,
) -> Result<Message, StartError> {
    let mut body = body.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.extend(forgery.set.clone());
        for name in &forgery.remove {
            fields.remove(name);
        }
    }
    let mut octets = body.to_string().into_bytes();
    octets.resize(octets.len() + forgery.pad, b' ');
    let time = now_secs.saturating_add(forgery.shift_secs);
    let value = match forgery.key {
        Whose::Own => Some(signer.sign(time, &octets)?),
        Whose::Wrong => Some(stranger.sign(time, &octets)?),
        Whose::None => None,
    };
    let name = forgery.algorithm.as_deref().unwrap_or(signer.name());
    octets.extend(forgery.append.as_bytes());
    Ok(Message { body: octets, signature: value.map(|value| format!("t={time},alg={name},v={value}")) })
}

#[cfg(test)]
mod tests {
    use ca_core::GatewayKey;
    use ca_verifier::Time;
    use ring::hmac;
    use serde_json::json;

    use super::*;

    /// Each forgery is what it says: the CA's own code sees the difference where there is one.
    #[test]
    fn forgeries_are_what_they_say() {
        const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
        let signer = Signer::Hmac(hmac::Key::new(hmac::HMAC_SHA256, SECRET));
        let stranger = Signer::stranger().unwrap();
        let now = 1_795_392_000;
        let verdict = |forgery: Value| {
            let forgery: Forgery = serde_json::from_value(forgery).unwrap();
            let message =
                sign((&signer, &stranger), &json!({ "amount": 1, "order": "o" }), &forgery, now).unwrap();
            let header = message.signature.unwrap_or_default();
            let body = GatewayKey::shared(SECRET).unwrap();
            let verdict = body.verify(&header, &message.body, Time::from_secs(now)).map(|_| ());
            (verdict.map_err(|refusal| refusal.rule()), String::from_utf8(message.body).unwrap())
        };
        assert_eq!(verdict(json!({})), (Ok(()), r#"{"amount":1,"order":"o"}"#.into()));
        assert_eq!(
            verdict(json!({ "set": { "amount": 2 } })),
            (Ok(()), r#"{"amount":2,"order":"o"}"#.into())
        );
        assert_eq!(verdict(json!({ "remove": ["order"], "pad": 1 })), (Ok(()), "{\"amount\":1} ".into()));
        for (forgery, rule) in [
            (json!({ "key": "wrong" }), "signature.wrong"),
            (json!({ "key": "none" }), "signature.form"),
            (json!({ "algorithm": "rsa-sha256" }), "signature.algorithm"),
            (json!({ "shift_secs": -301 }), "signature.old"),
            (json!({ "shift_secs": 61 }), "signature.ahead"),
            (json!({ "append": " " }), "signature.wrong"),
            (json!({ "pad": 9_000 }), "signature.body-too-large"),
        ] {
            assert_eq!(verdict(forgery.clone()).0, Err(rule), "{forgery}");
        }
        assert!(serde_json::from_value::<Faults>(json!({ "callback": [] })).is_err(), "a slip of the pen");
    }
}

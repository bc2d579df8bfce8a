//! The commands of a personalisation as a server sends them.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::ATTEMPT;

/// The SO PIN of a token that leaves the factory, and the one that it gets.
pub(crate) const FACTORY: &str = "factory-so";
pub(crate) const DERIVED: &str = "derived-so";
pub(crate) const CHALLENGE: [u8; 32] = [7; 32];

pub(crate) fn initialise(label: &str, pin: &str) -> Value {
    json!({ "command": "initialise", "label": label, "factory_so_pin": FACTORY, "so_pin": DERIVED,
        "user_pin": pin })
}

pub(crate) fn request(cka_id: &str, algorithm: &str, pin: &str) -> Value {
    json!({ "command": "request", "cka_id": cka_id, "algorithm": algorithm, "user_pin": pin,
        "subject_cn": ATTEMPT })
}

/// Whose subject is the identifier, as a renewal's is.
pub(crate) fn request_named(cka_id: &str, algorithm: &str, pin: &str) -> Value {
    let mut command = request(cka_id, algorithm, pin);
    command["subject_cn"] = json!(cka_id);
    command
}

pub(crate) fn write(cka_id: &str, der: &[u8], label: &str, pin: &str) -> Value {
    json!({ "command": "write", "cka_id": cka_id, "certificate": BASE64.encode(der), "label": label,
        "user_pin": pin })
}

pub(crate) fn prove(cka_id: &str, pin: &str) -> Value {
    json!({ "command": "prove", "cka_id": cka_id, "challenge": BASE64.encode(CHALLENGE), "user_pin": pin })
}

pub(crate) fn discard(cka_id: &str, pin: &str) -> Value {
    json!({ "command": "discard", "cka_id": cka_id, "user_pin": pin })
}

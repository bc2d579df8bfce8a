//! The ceremony's report: who, when, which keys, where, with what (EN 319 411-1 GEN-6.5.1-11 to -14).

use std::path::PathBuf;

use ca_core::Policies;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::{Plan, keys::Keys, report_path};
use crate::{files, problem::Failure, wire};

/// Writes the report. Gives its path.
pub(super) fn write(
    plan: &Plan,
    policies: &Policies,
    keys: &Keys,
    certificates: &[(&'static str, Vec<u8>)],
) -> Result<PathBuf, Failure> {
    let mut inventory = Vec::new();
    for key in keys.all() {
        inventory.push(json!({
            "label": key.label,
            "token": key.token,
            "cka_id": key.key.cka_id().to_string(),
            "algorithm": key.key.algorithm().to_string(),
            "sha256": key.fingerprint()?,
            "local": key.attributes.local,
            "always_sensitive": key.attributes.always_sensitive,
            "never_extractable": key.attributes.never_extractable,
        }));
    }
    let tokens: Vec<_> = keys.tokens.iter().map(|token| json!({
        "label": token.label, "serial": token.serial.as_str(), "model": token.model, "manufacturer": token.manufacturer,
    })).collect();
    let certificates: Vec<_> = certificates
        .iter()
        .map(|(name, der)| json!({ "name": name, "sha256": hex::encode(digest(&SHA256, der)) }))
        .collect();
    let people: Vec<_> =
        plan.people.iter().map(|person| json!({ "name": person.name, "role": person.role })).collect();
    let report = json!({
        "title": plan.title,
        "held_at": wire::now().to_string(),
        "people": people,
        "module": {
            "path": keys.module.path, "description": keys.module.description,
            "manufacturer": keys.module.manufacturer, "version": keys.module.version,
            "cryptoki": keys.module.cryptoki_version,
        },
        "tokens": tokens,
        "keys": inventory,
        "certificates": certificates,
        "policies_sha256": hex::encode(policies.sha256()),
        "program_version": env!("CARGO_PKG_VERSION"),
    });
    let path = report_path(&plan.output);
    let text = serde_json::to_string_pretty(&report).map_err(Failure::inconsistent)?;
    files::write_public(&path, text.as_bytes())?;
    Ok(path)
}

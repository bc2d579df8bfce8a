//! Rules of RFC 5280.

mod authority_key_identifier;
mod criticality;
mod issuer_name;
mod issuer_validity;
mod key_usage;
mod name_country;
mod name_lengths;
mod name_string_types;
mod serial;
mod signature_algorithm;
mod subject_key_identifier;
mod unique_extensions;
mod urls;
mod validity_encoding;
mod validity_order;
mod version;

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    authority_key_identifier::RULE,
    criticality::RULE,
    issuer_name::RULE,
    issuer_validity::RULE,
    key_usage::RULE,
    name_country::RULE,
    name_lengths::RULE,
    name_string_types::RULE,
    serial::RULE,
    signature_algorithm::RULE,
    subject_key_identifier::RULE,
    unique_extensions::RULE,
    urls::RULE,
    validity_encoding::RULE,
    validity_order::RULE,
    version::RULE,
];

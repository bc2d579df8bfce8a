//! DER writing (X.690) for what rcgen has no type: extensions, CRLs, OCSP answers, PKCS#10 and key encodings.
//!
//! What deliberately does not live here: certificates, which rcgen writes (`issuance`), and any reading.

mod csr;
mod der;
pub(crate) mod extension;
mod key;

pub use csr::{assemble_csr, csr_info};
pub(crate) use der::{
    Framed, HEADER_MAX, SEQUENCE, bits, concat, enumerated, explicit, generalized_time, integer, octets, oid,
    oid_content, sequence, signed, time, tlv,
};
pub(crate) use extension::{Extension, authority_key_identifier, subject_key_identifier};
pub(crate) use key::ecdsa_raw;
pub use key::{ecdsa_der, spki_from_ec_point, spki_from_rsa};

//! The verifier against certificates, CRLs and OCSP answers that other code made, good and bad.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod crl;
mod gate;
mod ocsp;
mod path;
mod pki;
mod push;
mod reading;
mod tls;

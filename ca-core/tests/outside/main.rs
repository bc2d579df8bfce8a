//! ca-core as others see it: OpenSSL, rcgen's own CRL writer, requests made by OpenSSL, and arbitrary requests.
//!
//! One program, so that the hierarchy of `common` is compiled and linked once.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;
mod crl_rcgen;
mod csr;
mod fuzz;
mod key_only;
mod openssl;

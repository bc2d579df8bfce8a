//! PKCS#11 v2.40 through cryptoki: modules, tokens, sessions, PINs, keys, objects, raw signatures.
//!
//! Knows no X.509: public keys leave as the raw forms of the standard (EC point, modulus and exponent), signatures
//! as the mechanism gives them (`r‖s` for ECDSA). Holds no policy: which PIN is good enough, which key is strong
//! enough and what a certificate says is decided elsewhere. Depends on no other crate of the workspace.
//!
//! | need | call |
//! |---|---|
//! | which tokens are there | [`Module::load`], [`Module::tokens`] |
//! | make a blank token usable | [`Token::init`], [`Token::so_session`], [`SoSession::init_user_pin`] |
//! | a key pair born on the token | [`Token::session`], [`Session::generate_key_pair`], [`Session::attributes`] |
//! | one signature on a holder's token | [`Session::sign`] |
//! | many signatures with a CA key | [`SessionPool::open`], [`SessionPool::sign`] |
//! | work that may never come back | [`within`] |
//! | a program that holds PINs | [`keep_memory_private`], [`read_secret`] |
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod deadline;
mod epoch;
mod error;
mod handle;
mod key;
mod module;
mod object;
mod pin;
mod pool;
mod process;
mod secret;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod token;

pub use deadline::within;
pub use error::{Class, Error};
pub use key::{Input, KeyAlgorithm, KeyAttributes, KeyId, KeyRef, PublicKey};
pub use module::{Module, ModuleInfo};
pub use object::{CertificateObject, ObjectInfo};
pub use pin::{Pin, SoPin};
pub use pool::{Patience, SessionPool};
pub use process::{keep_memory_private, read_secret};
pub use session::{Session, SoSession};
pub use token::{PinState, Token, TokenInfo, TokenSerial};

//! OCSP (RFC 6960, RFC 9919, RFC 9654): requests read strictly, answers written and signed by a delegated responder.
//!
//! What deliberately does not live here: HTTP, caching, and who is good or revoked.
//!
//! A serial number that was never issued is answered `unknown`, not with the extended revoked definition of
//! RFC 6960 §4.4.8: "revoked since 1970, certificateHold" would have to be told of serial numbers that may still be
//! issued tomorrow, and whoever cached it would refuse a good certificate. A burned serial number is `revoked`.

mod cert_id;
mod question;
mod request;
mod response;
#[cfg(test)]
mod testing;

pub use cert_id::{CertId, CertIdForm, HashAlgorithm};
pub use question::{ocsp_question, ocsp_questions};
pub use request::{OcspRefusal, OcspRequest};
pub use response::{CertAnswer, OcspAnswer, OcspError, OcspPlan, PreparedOcsp, Responder, ocsp_error};

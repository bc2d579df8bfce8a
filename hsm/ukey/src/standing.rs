//! How a certificate stands now: its own CA is asked (OCSP, RFC 6960), and the answer is believed only when the responder
//! that this CA certified signed it for this question, and the CA leads to the holder's root.

use ca_core::{CertId, HashAlgorithm, Issuer, ocsp_question};
use ca_verifier::{OcspAnswer, Refusal, Time, Trust, UnitCertificate};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{
    Error,
    certificate::Fields,
    fetch::{self, fetch},
};

pub use ca_verifier::{Reason, Standing};

/// RFC 9654 §2.1.
const NONCE_OCTETS: usize = 32;
const REQUEST: &str = "application/ocsp-request";

/// What was asked, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The certificate, DER.
    pub der: &'a [u8],
    /// What it says.
    pub fields: &'a Fields,
    /// The roots that the holder trusts; with none, an answer proves nothing.
    pub anchors: &'a [CertificateDer<'static>],
    /// CA certificates that were given; the issuer is fetched when it is not among them.
    pub issuers: &'a [CertificateDer<'static>],
    /// Now.
    pub now: Time,
}

/// What the CA answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// `None`: the CA does not know this certificate.
    pub standing: Option<Standing>,
    /// Since when it is on hold or revoked.
    pub since: Option<Time>,
    /// The issuer leads to a root that the holder trusts.
    pub proved: bool,
}

/// Why nothing is known.
#[derive(Debug)]
pub enum Unknown {
    /// It was not to be asked for.
    Offline,
    /// The certificate does not say where to ask.
    NoAddress,
    /// Nobody answered.
    Silent(Error),
    /// An answer came that is not believed: why, in English.
    Unproved(String),
}

impl Question<'_> {
    /// Asks.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn ask(&self) -> Result<Known, Unknown> {
        let url = self.fields.ocsp_url.as_deref().ok_or(Unknown::NoAddress)?;
        let issuing = self.issuer().await?;
        let unproved = |error: &dyn ToString| Unknown::Unproved(error.to_string());
        let issuer = Issuer::load(&issuing).map_err(|error| unproved(&error))?;
        let proved = self.prove(&issuing)?;
        let serial = ca_core::serial_of_certificate(self.der).map_err(|error| unproved(&error))?;
        let mut nonce = [0; NONCE_OCTETS];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| Unknown::Unproved("no random numbers".to_owned()))?;
        let request = ocsp_question(&CertId::of(&issuer, HashAlgorithm::Sha256, serial), &nonce);
        let answer = fetch(url, Some((REQUEST, request)), fetch::Trust::Unchecked).await;
        let answer = answer.and_then(|answer| answer.ok(url)).map_err(Unknown::Silent)?;
        let answer = OcspAnswer::verify(&answer, &issuing, &serial, Some(&nonce), self.now);
        let answer = answer.map_err(|error| unproved(&error))?;
        Ok(Known { standing: answer.standing(), since: answer.since(), proved })
    }

    /// The one of the given CAs that the certificate names, or the one that lies where the certificate says.
    async fn issuer(&self) -> Result<Vec<u8>, Unknown> {
        let named = |der: &[u8]| {
            crate::certificate::read(der).is_some_and(|fields| fields.subject == self.fields.issuer)
        };
        if let Some(given) = self.issuers.iter().chain(self.anchors).find(|der| named(der)) {
            return Ok(given.to_vec());
        }
        let url = self.fields.issuer_url.as_deref().ok_or(Unknown::NoAddress)?;
        let came = fetch(url, None, fetch::Trust::Unchecked).await;
        let came = came.and_then(|came| came.ok(url)).map_err(Unknown::Silent)?;
        // DER by RFC 5280 §4.2.2.1; some servers keep PEM.
        let der = CertificateDer::from_pem_slice(&came).map_or_else(|_| came.to_vec(), |der| der.to_vec());
        if named(&der) {
            Ok(der)
        } else {
            Err(Unknown::Unproved(format!("{url} is not the certificate of the issuer")))
        }
    }

    /// Whether the certificate leads through this issuer to a root of the holder's. One that has run out is looked at as
    /// it was: the CA answers for it all the same.
    fn prove(&self, issuing: &[u8]) -> Result<bool, Unknown> {
        if self.anchors.is_empty() {
            return Ok(false);
        }
        let trust = Trust::new(self.anchors, &[CertificateDer::from(issuing)]);
        let trust = trust.map_err(|error| Unknown::Unproved(error.to_string()))?;
        let at = self.now.min(Time::from_secs(self.fields.not_after));
        match trust.verify_path(self.der, &[], at) {
            // A member of staff's certificate names no unit: that is no matter of its path.
            Ok(_) | Err(Refusal::NoIdentity) => Ok(true),
            Err(refusal) => Err(Unknown::Unproved(refusal.to_string())),
        }
    }
}

/// The unit that a certificate names, for people's eyes.
#[must_use]
pub fn unit_name(der: &[u8]) -> Option<String> {
    UnitCertificate::read(der).ok().map(|unit| unit.legal_name().to_owned())
}

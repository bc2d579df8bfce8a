//! rustls for a portal that wants to explain its refusals: TLS proves possession of a key, the [`crate::Gate`]
//! decides about the certificate.

use std::sync::Arc;

use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::{Error, Trust};

/// **Authenticates nobody by itself.** Accepts *any* client certificate, self-signed, expired and revoked ones
/// included, as long as the client proves in the handshake that it holds the private key; and no certificate at
/// all. After the handshake every connection must go through [`crate::Gate::admit`], and every request through
/// [`crate::Gate::check`].
///
/// Why: a verifier that refuses ends the handshake with an alert, and a browser shows its user a number. A refusal
/// at the request can be a page that says what to do. It is also the only place that sees resumed connections,
/// which no verifier is asked about.
#[derive(Debug)]
pub struct ProofOfPossession {
    provider: Arc<CryptoProvider>,
    hints: Vec<DistinguishedName>,
}

impl ProofOfPossession {
    /// Asks clients for certificates below the CAs of `trust`, so that a browser offers the right ones.
    #[must_use]
    pub fn new(trust: &Trust) -> Self {
        Self {
            provider: Arc::new(ring::default_provider()),
            hints: trust.subjects().iter().map(|subject| DistinguishedName::in_sequence(subject)).collect(),
        }
    }
}

impl ClientCertVerifier for ProofOfPossession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A server configuration for TLS 1.2 and 1.3 with [`ProofOfPossession`].
///
/// Resumption stays on: rustls keeps the peer's certificates with the session, in this process's memory only, and
/// gives them back on a resumed connection, where admission and status are asked again. Early data stays off, since
/// it can be replayed.
///
/// # Errors
/// [`Error::Tls`] when the key does not fit the certificate.
pub fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    trust: &Trust,
) -> Result<ServerConfig, Error> {
    let tls = |error: rustls::Error| Error::Tls(error.to_string());
    let verifier = ProofOfPossession::new(trust);
    ServerConfig::builder_with_provider(Arc::clone(&verifier.provider))
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(chain, key)
        .map_err(tls)
}

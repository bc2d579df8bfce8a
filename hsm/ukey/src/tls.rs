//! TLS client authentication with a key in a token (RFC 8446 §4.4.3), for rustls.
//!
//! The token is logged in for one signature and logged out again, so that pulling it out is never awkward. A PIN that
//! the token refused is not tried again, however often the connection is made anew (I11).

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hsm::{Input, KeyAlgorithm, KeyRef, Pin, Token};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    sign::{CertifiedKey, Signer, SigningKey},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use crate::{
    Error,
    certificate::{self, Fields},
    job::sha256,
};

/// A certificate and its key on a token.
#[derive(Clone, Debug)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key: TokenKey,
    certificate: Fields,
}

impl Identity {
    /// Finds the certificate to log in with: of those whose key is on the token, the one that ends last. The PIN is
    /// tried here, once. `chain` is a PEM file with the CA certificates to send along.
    ///
    /// # Errors
    /// [`Error::NoCertificate`], [`Error::Pem`], [`Error::Hsm`].
    pub fn open(token: &Token, pin: Pin, chain: Option<&Path>) -> Result<Self, Error> {
        Self::open_except(token, pin, chain, &[])
    }

    /// As [`Identity::open`], without the certificates that have one of these serial numbers, in hexadecimal.
    ///
    /// # Errors
    /// As [`Identity::open`].
    pub fn open_except(
        token: &Token,
        pin: Pin,
        chain: Option<&Path>,
        except: &[String],
    ) -> Result<Self, Error> {
        let mut candidates: Vec<_> = token
            .certificates()?
            .into_iter()
            .filter_map(|object| certificate::read(&object.der).map(|fields| (fields, object)))
            .filter(|(fields, _)| !except.contains(&fields.serial_hex))
            .collect();
        // A rekeyed certificate ends when the one before would have, and begins later.
        candidates.sort_by_key(|(fields, _)| std::cmp::Reverse((fields.not_after, fields.not_before)));
        let session = token.session(&pin)?;
        let mut found = None;
        for (fields, object) in candidates {
            let Ok(cka_id) = hsm::KeyId::new(&object.cka_id) else {
                continue;
            };
            match session.find_key(&cka_id)? {
                Some(key) if certificate::spki(key.public()).as_ref() == Some(&fields.spki) => {
                    found = Some((fields, object.der, key));
                    break;
                }
                _ => {}
            }
        }
        drop(session);
        let (fields, der, key) =
            found.ok_or_else(|| Error::NoCertificate { token: token.serial().to_string() })?;
        let mut certificates = vec![CertificateDer::from(der)];
        if let Some(chain) = chain {
            certificates.extend(read_pem(chain)?);
        }
        let inner = Inner { token: token.clone(), pin, key, last: Mutex::new(Last::default()) };
        let key = TokenKey(Arc::new(inner));
        let certified = CertifiedKey::new(certificates, Arc::new(key.clone()));
        Ok(Self { certified: Arc::new(certified), key, certificate: fields })
    }

    /// What the certificate says.
    #[must_use]
    pub fn certificate(&self) -> &Fields {
        &self.certificate
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.key.0.token
    }

    /// CKA_ID of the key.
    pub(crate) fn cka_id(&self) -> &hsm::KeyId {
        self.key.0.key.cka_id()
    }

    /// The CA certificates that are sent along.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        self.certified.cert.get(1..).unwrap_or_default()
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    pub(crate) fn key(&self) -> &TokenKey {
        &self.key
    }
}

/// Reads all certificates of a PEM file, at least one.
///
/// # Errors
/// [`Error::File`], [`Error::Pem`].
pub fn read_pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = std::fs::read(path).map_err(|error| Error::File { path: path.to_owned(), error })?;
    let unreadable = || Error::Pem { path: path.to_owned() };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let read = read.map_err(|_| unreadable())?;
    if read.is_empty() { Err(unreadable()) } else { Ok(read) }
}

/// How long a token has for one signature: less than a connection has.
const SIGN_WITHIN: Duration = Duration::from_secs(8);

/// A private key on a token, as rustls wants it.
#[derive(Clone)]
pub struct TokenKey(Arc<Inner>);

struct Inner {
    token: Token,
    pin: Pin,
    key: KeyRef,
    last: Mutex<Last>,
}

/// What rustls cannot carry through a handshake.
#[derive(Default)]
struct Last {
    /// The token's own words about the last failure.
    error: Option<hsm::Error>,
    /// The token refused the PIN.
    refused: bool,
    /// A signature is under way, perhaps for ever.
    signing: bool,
}

impl TokenKey {
    /// Why the last signature failed, once.
    pub(crate) fn take_error(&self) -> Option<hsm::Error> {
        self.last().error.take()
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.0.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On a thread of its own: a driver that hangs must not take along whoever wants to connect.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, hsm::Error> {
        let hangs = || hsm::Error::ModuleHangs { token: self.0.token.serial().clone() };
        {
            let mut last = self.last();
            if last.refused {
                return Err(hsm::Error::PinLocked { token: self.0.token.serial().clone() });
            }
            // One signature at a time: a login covers the whole process.
            if std::mem::replace(&mut last.signing, true) {
                return Err(hangs());
            }
        }
        let (key, message) = (self.clone(), message.to_vec());
        let signed = hsm::within(SIGN_WITHIN, move || {
            let signed = key.sign_here(scheme, &message);
            let mut last = key.last();
            last.signing = false;
            last.refused |=
                matches!(signed, Err(hsm::Error::PinIncorrect { .. } | hsm::Error::PinLocked { .. }));
            signed
        });
        signed.unwrap_or_else(|| Err(hangs()))
    }

    fn sign_here(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, hsm::Error> {
        let session = self.0.token.session(&self.0.pin)?;
        match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => {
                session.sign(&self.0.key, Input::Sha256(&sha256(message)))
            }
            SignatureScheme::RSA_PSS_SHA256 => session.sign(&self.0.key, Input::MessagePss(message)),
            _ => session.sign(&self.0.key, Input::Message(message)),
        }
    }

    fn schemes(&self) -> &'static [SignatureScheme] {
        match self.0.key.algorithm() {
            KeyAlgorithm::EcP256 => &[SignatureScheme::ECDSA_NISTP256_SHA256],
            // TLS 1.3 knows PSS only; TLS 1.2 both.
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 => {
                &[SignatureScheme::RSA_PSS_SHA256, SignatureScheme::RSA_PKCS1_SHA256]
            }
            KeyAlgorithm::Ed25519 => &[],
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({} on token {})", self.0.key.cka_id(), self.0.token.serial())
    }
}

impl SigningKey for TokenKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *self.schemes().iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(TokenSigner { key: self.clone(), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.key.algorithm() {
            KeyAlgorithm::EcP256 => SignatureAlgorithm::ECDSA,
            KeyAlgorithm::Ed25519 => SignatureAlgorithm::ED25519,
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 => SignatureAlgorithm::RSA,
        }
    }
}

/// One handshake's signature.
#[derive(Debug)]
struct TokenSigner {
    key: TokenKey,
    scheme: SignatureScheme,
}

impl Signer for TokenSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let failed = |error: hsm::Error| {
            let text = error.to_string();
            self.key.last().error = Some(error);
            rustls::Error::General(text)
        };
        let raw = self.key.sign(self.scheme, message).map_err(failed)?;
        if self.scheme == SignatureScheme::ECDSA_NISTP256_SHA256 {
            return ca_core::ecdsa_der(&raw).map_err(|error| rustls::Error::General(error.to_string()));
        }
        Ok(raw)
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

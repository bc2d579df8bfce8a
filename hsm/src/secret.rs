//! Secret keys that never leave the token, and HMAC with them (PKCS#11 v2.40 §2.6, FIPS 198-1): values such as SO
//! PINs are derived, so that none is stored.

use cryptoki::{
    mechanism::Mechanism,
    object::{Attribute, KeyType, ObjectClass, ObjectHandle},
};

use crate::{Error, KeyId, Session, handle::Handle, key::By};

const SECRET_OCTETS: u64 = 32;

impl Session {
    /// Generates a secret key of 32 octets for [`Session::hmac_sha256`].
    ///
    /// # Errors
    /// [`Error::KeyExists`] when the label has a secret key already, and those of every call.
    pub fn generate_secret(&self, label: &str, cka_id: &KeyId) -> Result<(), Error> {
        let handle = self.handle();
        if !handle.find(ObjectClass::SECRET_KEY, By::Label(label))?.is_empty() {
            return Err(Error::KeyExists { token: handle.token().clone(), key: label.to_owned() });
        }
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::GENERIC_SECRET),
            Attribute::ValueLen(SECRET_OCTETS.into()),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Encrypt(false),
            Attribute::Decrypt(false),
            Attribute::Wrap(false),
            Attribute::Unwrap(false),
            Attribute::Derive(false),
            Attribute::Id(cka_id.as_bytes().to_vec()),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        handle.call(|session| session.generate_key(&Mechanism::GenericSecretKeyGen, &template)).map(drop)
    }

    /// HMAC-SHA-256 of `data` with the secret key of this label.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::KeyAmbiguous`], and those of every call.
    pub fn hmac_sha256(&self, label: &str, data: &[u8]) -> Result<[u8; 32], Error> {
        let key = self.handle().one(ObjectClass::SECRET_KEY, By::Label(label))?;
        self.handle().hmac_sha256(key, data)
    }
}

impl Handle {
    pub(crate) fn hmac_sha256(&self, key: ObjectHandle, data: &[u8]) -> Result<[u8; 32], Error> {
        let tag = match self.sign_with(&Mechanism::Sha256Hmac, key, data) {
            // A tag is the same each time: its outcome may be unknown, but nothing depends on that.
            Err(Error::OutcomeUnknown { cause, .. }) => return Err(*cause),
            other => other?,
        };
        tag.try_into().map_err(|_| self.encoding("the HMAC is not 32 octets long"))
    }
}

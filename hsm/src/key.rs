//! Key pairs born on the token, and signatures with them (PKCS#11 v2.40 §2.1 and §2.3, v3.0 for Ed25519).

use std::fmt;

use cryptoki::{
    context::Function,
    error::Error as P11Error,
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
        rsa::{PkcsMgfType, PkcsPssParams},
    },
    object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle},
};

use crate::{Error, Session, error::translate, handle::Handle};

/// prime256v1, 1.2.840.10045.3.1.7, as CKA_EC_PARAMS.
const P256_PARAMS: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// PrintableString `edwards25519` (PKCS#11 v3.0 §2.3.5): the form that SoftHSM takes.
const ED25519_PARAMS: &[u8] = b"\x13\x0cedwards25519";
const KEY_ID_OCTETS_MAX: usize = 64;
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// A CKA_ID of 1 to 64 octets. The empty one is what foreign objects without an identifier have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Vec<u8>);

impl KeyId {
    /// Takes the octets.
    ///
    /// # Errors
    /// [`Error::KeyIdLength`].
    pub fn new(octets: &[u8]) -> Result<Self, Error> {
        if octets.is_empty() || octets.len() > KEY_ID_OCTETS_MAX {
            return Err(Error::KeyIdLength { length: octets.len() });
        }
        Ok(Self(octets.to_vec()))
    }

    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What kinds of keys are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 (FIPS 186-5).
    EcP256,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// RSA, 2048 bits, exponent 65537.
    Rsa2048,
    /// RSA, 3072 bits, exponent 65537.
    Rsa3072,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcP256 => "EC P-256",
            Self::Ed25519 => "Ed25519",
            Self::Rsa2048 => "RSA-2048",
            Self::Rsa3072 => "RSA-3072",
        })
    }
}

/// A public key in the standard's raw form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// Uncompressed point on P-256: `04 ‖ X ‖ Y`.
    Ec([u8; 65]),
    /// RFC 8032.
    Ed25519([u8; 32]),
    /// Unsigned big-endian integers without leading zeros.
    Rsa {
        /// Modulus.
        n: Vec<u8>,
        /// Public exponent.
        e: Vec<u8>,
    },
}

/// A private key on the token, by its CKA_ID, with the public key that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRef {
    cka_id: KeyId,
    algorithm: KeyAlgorithm,
    public: PublicKey,
}

impl KeyRef {
    /// Its CKA_ID.
    #[must_use]
    pub fn cka_id(&self) -> &KeyId {
        &self.cka_id
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

/// Where a private key comes from and what can happen to it, as the token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAttributes {
    /// CKA_LOCAL: generated on this token.
    pub local: bool,
    /// CKA_SENSITIVE: its value cannot be read.
    pub sensitive: bool,
    /// CKA_ALWAYS_SENSITIVE: and never could.
    pub always_sensitive: bool,
    /// CKA_EXTRACTABLE: it can be wrapped and taken away.
    pub extractable: bool,
    /// CKA_NEVER_EXTRACTABLE: and never could.
    pub never_extractable: bool,
}

/// What to sign. Which kinds a key takes depends on its algorithm; another kind is [`Error::Input`].
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// SHA-256 digest of the message, for P-256. The signature is `r‖s`, 64 octets.
    Sha256(&'a [u8; 32]),
    /// The message: Ed25519 (RFC 8032), or RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2).
    Message(&'a [u8]),
    /// The message: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and 32 octets of salt (RFC 8017 §8.1), as TLS 1.3 has it.
    MessagePss(&'a [u8]),
}

impl Session {
    /// C_GenerateKeyPair. The private key is CKA_SENSITIVE, not CKA_EXTRACTABLE, and signs only.
    ///
    /// # Errors
    /// [`Error::KeyExists`] when the CKA_ID has a private key already, [`Error::TokenFull`], [`Error::Mechanism`],
    /// and those of every call.
    pub fn generate_key_pair(
        &self,
        algorithm: KeyAlgorithm,
        cka_id: &KeyId,
        label: &str,
    ) -> Result<KeyRef, Error> {
        let handle = self.handle();
        if !handle.find(ObjectClass::PRIVATE_KEY, By::Id(cka_id))?.is_empty() {
            return Err(Error::KeyExists { token: handle.token().clone(), key: cka_id.to_string() });
        }
        let (public, private) = templates(algorithm, cka_id, label);
        let mechanism = match algorithm {
            KeyAlgorithm::EcP256 => Mechanism::EccKeyPairGen,
            KeyAlgorithm::Ed25519 => Mechanism::EccEdwardsKeyPairGen,
            KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 => Mechanism::RsaPkcsKeyPairGen,
        };
        handle.call(|session| session.generate_key_pair(&mechanism, &public, &private))?;
        // Read back: what the token holds is what counts, not what it was asked for.
        handle.key(By::Id(cka_id)).map(|(key, _)| key)
    }

    /// The key pair with this CKA_ID; `None` when there is neither half.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`] when one half is missing, [`Error::KeyAmbiguous`], [`Error::Encoding`] for a kind of key
    /// that this crate does not make, and those of every call.
    pub fn find_key(&self, cka_id: &KeyId) -> Result<Option<KeyRef>, Error> {
        self.handle().find_key(By::Id(cka_id))
    }

    /// The key pair whose private key has this CKA_LABEL.
    ///
    /// # Errors
    /// As for [`Session::find_key`].
    pub fn key_by_label(&self, label: &str) -> Result<Option<KeyRef>, Error> {
        self.handle().find_key(By::Label(label))
    }

    /// Reads the private key's attributes back.
    ///
    /// # Errors
    /// [`Error::KeyAbsent`], [`Error::Encoding`] when the token does not tell one of them.
    pub fn attributes(&self, key: &KeyRef) -> Result<KeyAttributes, Error> {
        let handle = self.handle();
        let private = handle.one(ObjectClass::PRIVATE_KEY, By::Id(&key.cka_id))?;
        let flag = |kind, pick: fn(&Attribute) -> Option<bool>| {
            let read = handle.attributes(private, &[kind])?;
            read.iter()
                .find_map(pick)
                .ok_or_else(|| handle.encoding("a flag of the private key cannot be read"))
        };
        Ok(KeyAttributes {
            local: flag(AttributeType::Local, |a| if let Attribute::Local(v) = a { Some(*v) } else { None })?,
            sensitive: flag(AttributeType::Sensitive, |a| {
                if let Attribute::Sensitive(v) = a { Some(*v) } else { None }
            })?,
            always_sensitive: flag(AttributeType::AlwaysSensitive, |a| {
                if let Attribute::AlwaysSensitive(v) = a { Some(*v) } else { None }
            })?,
            extractable: flag(AttributeType::Extractable, |a| {
                if let Attribute::Extractable(v) = a { Some(*v) } else { None }
            })?,
            never_extractable: flag(AttributeType::NeverExtractable, |a| {
                if let Attribute::NeverExtractable(v) = a { Some(*v) } else { None }
            })?,
        })
    }

    /// One signature.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::KeyAbsent`]; [`Error::OutcomeUnknown`] once C_Sign began; before, those of every
    /// call.
    pub fn sign(&self, key: &KeyRef, input: Input<'_>) -> Result<Vec<u8>, Error> {
        let private = self.handle().one(ObjectClass::PRIVATE_KEY, By::Id(&key.cka_id))?;
        self.handle().sign(key, private, input)
    }
}

/// How an object is named.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Id(&'a KeyId),
    Label(&'a str),
}

impl By<'_> {
    fn attribute(self) -> Attribute {
        match self {
            Self::Id(id) => Attribute::Id(id.0.clone()),
            Self::Label(label) => Attribute::Label(label.as_bytes().to_vec()),
        }
    }
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Label(label) => f.write_str(label),
        }
    }
}

impl Handle {
    pub(crate) fn find(&self, class: ObjectClass, name: By<'_>) -> Result<Vec<ObjectHandle>, Error> {
        let template = [Attribute::Token(true), Attribute::Class(class), name.attribute()];
        self.call(|session| session.find_objects(&template))
    }

    pub(crate) fn one(&self, class: ObjectClass, name: By<'_>) -> Result<ObjectHandle, Error> {
        let what = match class {
            ObjectClass::PRIVATE_KEY => "private key",
            ObjectClass::PUBLIC_KEY => "public key",
            _ => "secret key",
        };
        let token = self.token().clone();
        match self.find(class, name)?.as_slice() {
            [] => Err(Error::KeyAbsent { token, what, key: name.to_string() }),
            [only] => Ok(*only),
            many => Err(Error::KeyAmbiguous { token, what, key: name.to_string(), count: many.len() }),
        }
    }

    pub(crate) fn attributes(
        &self,
        object: ObjectHandle,
        kinds: &[AttributeType],
    ) -> Result<Vec<Attribute>, Error> {
        self.call(|session| session.get_attributes(object, kinds))
    }

    pub(crate) fn encoding(&self, what: &'static str) -> Error {
        Error::Encoding { token: self.token().clone(), what }
    }

    fn find_key(&self, name: By<'_>) -> Result<Option<KeyRef>, Error> {
        let halves = [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY];
        let absent = halves.iter().map(|class| self.find(*class, name)).collect::<Result<Vec<_>, _>>()?;
        if absent.iter().all(Vec::is_empty) {
            return Ok(None);
        }
        self.key(name).map(|(key, _)| Some(key))
    }

    /// The private key's handle, and the public key, which is found by the private key's CKA_ID.
    pub(crate) fn key(&self, name: By<'_>) -> Result<(KeyRef, ObjectHandle), Error> {
        let private = self.one(ObjectClass::PRIVATE_KEY, name)?;
        let id = self.attributes(private, &[AttributeType::Id])?;
        let [Attribute::Id(id)] = id.as_slice() else {
            return Err(self.encoding("the private key has no CKA_ID"));
        };
        let cka_id = KeyId::new(id)?;
        let public = self.one(ObjectClass::PUBLIC_KEY, By::Id(&cka_id))?;
        let (algorithm, public) = self.public_key(public)?;
        Ok((KeyRef { cka_id, algorithm, public }, private))
    }

    fn public_key(&self, object: ObjectHandle) -> Result<(KeyAlgorithm, PublicKey), Error> {
        match self.attributes(object, &[AttributeType::KeyType])?.as_slice() {
            [Attribute::KeyType(KeyType::EC)] => {
                let point = self.point(object, P256_PARAMS, "the key's curve is not P-256")?;
                let point = point.as_slice().try_into().ok().filter(|point: &[u8; 65]| point[0] == 4);
                let point =
                    point.ok_or_else(|| self.encoding("CKA_EC_POINT is not an uncompressed P-256 point"))?;
                Ok((KeyAlgorithm::EcP256, PublicKey::Ec(point)))
            }
            [Attribute::KeyType(KeyType::EC_EDWARDS)] => {
                let point = self.point(object, ED25519_PARAMS, "the key's curve is not Ed25519")?;
                let point = point
                    .as_slice()
                    .try_into()
                    .map_err(|_| self.encoding("CKA_EC_POINT is not an Ed25519 key"))?;
                Ok((KeyAlgorithm::Ed25519, PublicKey::Ed25519(point)))
            }
            [Attribute::KeyType(KeyType::RSA)] => self.rsa_key(object),
            _ => Err(self.encoding("the key is neither EC, Ed25519 nor RSA")),
        }
    }

    /// CKA_EC_POINT is a DER OCTET STRING by the standard; some modules give the bare point.
    fn point(
        &self,
        object: ObjectHandle,
        params: &[u8],
        other_curve: &'static str,
    ) -> Result<Vec<u8>, Error> {
        let read = self.attributes(object, &[AttributeType::EcParams, AttributeType::EcPoint])?;
        let [Attribute::EcParams(found), Attribute::EcPoint(point)] = read.as_slice() else {
            return Err(self.encoding("CKA_EC_PARAMS or CKA_EC_POINT cannot be read"));
        };
        if found != params {
            return Err(self.encoding(other_curve));
        }
        Ok(match point.as_slice() {
            [0x04, 0x41, bare @ ..] if bare.len() == 0x41 => bare.to_vec(),
            [0x04, 0x20, bare @ ..] if bare.len() == 0x20 => bare.to_vec(),
            bare => bare.to_vec(),
        })
    }

    fn rsa_key(&self, object: ObjectHandle) -> Result<(KeyAlgorithm, PublicKey), Error> {
        let read = self.attributes(object, &[AttributeType::Modulus, AttributeType::PublicExponent])?;
        let [Attribute::Modulus(n), Attribute::PublicExponent(e)] = read.as_slice() else {
            return Err(self.encoding("CKA_MODULUS or CKA_PUBLIC_EXPONENT cannot be read"));
        };
        let minimal =
            |number: &[u8]| number.iter().copied().skip_while(|octet| *octet == 0).collect::<Vec<_>>();
        let (n, e) = (minimal(n), minimal(e));
        let algorithm = match n.len() {
            256 => KeyAlgorithm::Rsa2048,
            384 => KeyAlgorithm::Rsa3072,
            _ => return Err(self.encoding("the RSA modulus is neither 2048 nor 3072 bits long")),
        };
        Ok((algorithm, PublicKey::Rsa { n, e }))
    }

    /// C_SignInit and C_Sign. Only before C_Sign is the outcome known to be "no signature".
    pub(crate) fn sign(
        &self,
        key: &KeyRef,
        private: ObjectHandle,
        input: Input<'_>,
    ) -> Result<Vec<u8>, Error> {
        let (mechanism, data) = match (key.algorithm, input) {
            (KeyAlgorithm::EcP256, Input::Sha256(digest)) => (Mechanism::Ecdsa, digest.as_slice()),
            (KeyAlgorithm::Ed25519, Input::Message(message)) => {
                (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), message)
            }
            (KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072, Input::Message(message)) => {
                (Mechanism::Sha256RsaPkcs, message)
            }
            (KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072, Input::MessagePss(message)) => (pss(), message),
            _ => {
                return Err(Error::Input { key: key.cka_id.clone(), algorithm: key.algorithm });
            }
        };
        self.sign_with(&mechanism, private, data)
    }

    pub(crate) fn sign_with(
        &self,
        mechanism: &Mechanism<'_>,
        key: ObjectHandle,
        data: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let signed = self.call(|session| {
            Ok(match session.sign(mechanism, key, data) {
                Err(error @ P11Error::Pkcs11(_, Function::SignInit)) => Err((false, error)),
                Err(error) => Err((true, error)),
                Ok(signature) => Ok(signature),
            })
        })?;
        signed.map_err(|(begun, error)| {
            let cause = translate(self.token(), error);
            if begun {
                Error::OutcomeUnknown { token: self.token().clone(), cause: Box::new(cause) }
            } else {
                cause
            }
        })
    }
}

fn pss() -> Mechanism<'static> {
    Mechanism::Sha256RsaPkcsPss(PkcsPssParams {
        hash_alg: MechanismType::SHA256,
        mgf: PkcsMgfType::MGF1_SHA256,
        s_len: 32.into(),
    })
}

/// Usage flags that SoftHSM would set by itself (decrypt, unwrap, derive) are switched off by name.
fn templates(algorithm: KeyAlgorithm, cka_id: &KeyId, label: &str) -> (Vec<Attribute>, Vec<Attribute>) {
    let shared = [
        Attribute::Token(true),
        Attribute::Id(cka_id.0.clone()),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    let mut public = vec![Attribute::Private(false), Attribute::Verify(true)];
    let mut private = vec![
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ];
    match algorithm {
        KeyAlgorithm::EcP256 => public.push(Attribute::EcParams(P256_PARAMS.to_vec())),
        KeyAlgorithm::Ed25519 => public.push(Attribute::EcParams(ED25519_PARAMS.to_vec())),
        KeyAlgorithm::Rsa2048 => public.push(Attribute::ModulusBits(2048.into())),
        KeyAlgorithm::Rsa3072 => public.push(Attribute::ModulusBits(3072.into())),
    }
    match algorithm {
        KeyAlgorithm::EcP256 | KeyAlgorithm::Ed25519 => private.push(Attribute::Derive(false)),
        KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 => {
            public.extend([
                Attribute::PublicExponent(PUBLIC_EXPONENT.to_vec()),
                Attribute::Encrypt(false),
                Attribute::Wrap(false),
            ]);
            private.extend([Attribute::Decrypt(false), Attribute::Unwrap(false)]);
        }
    }
    public.extend(shared.clone());
    private.extend(shared);
    (public, private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_have_limits() {
        assert_eq!(KeyId::new(&[0xab, 0x01]).unwrap().to_string(), "ab01");
        assert!(KeyId::new(&[7; 64]).is_ok());
        assert!(matches!(KeyId::new(&[]), Err(Error::KeyIdLength { length: 0 })));
        assert!(matches!(KeyId::new(&[7; 65]), Err(Error::KeyIdLength { length: 65 })));
    }
}

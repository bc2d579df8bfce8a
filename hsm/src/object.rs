//! Certificate objects (PKCS#11 v2.40 §4.6), and what lies on a token under one CKA_ID.
//!
//! The caller brings subject, issuer and serial number in DER: this crate reads no certificate.

use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};

use crate::{Error, KeyId, Session, handle::Handle, key::By};

/// A certificate as the token holds it. Empty vectors stand for attributes that a foreign object does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateObject {
    /// CKA_ID: that of the key pair.
    pub cka_id: Vec<u8>,
    /// CKA_LABEL, UTF-8.
    pub label: String,
    /// CKA_VALUE: the certificate in DER.
    pub der: Vec<u8>,
    /// CKA_SUBJECT: DER of Name.
    pub subject: Vec<u8>,
    /// CKA_ISSUER: DER of Name.
    pub issuer: Vec<u8>,
    /// CKA_SERIAL_NUMBER: DER of INTEGER.
    pub serial: Vec<u8>,
}

/// One object, for a look at leftovers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// CKA_ID; empty where an object has none.
    pub cka_id: Vec<u8>,
    /// CKA_CLASS in the standard's words (`CKO_PRIVATE_KEY`).
    pub class: String,
    /// CKA_LABEL.
    pub label: String,
}

impl Session {
    /// Certificates on the token.
    ///
    /// # Errors
    /// Those of every call.
    pub fn certificates(&self) -> Result<Vec<CertificateObject>, Error> {
        self.handle().certificates()
    }

    /// Writes a certificate beside those that are there. When the very same lies there already, nothing is written.
    ///
    /// # Errors
    /// [`Error::TokenFull`], [`Error::WriteProtected`], [`Error::KeyIdLength`], and those of every call.
    pub fn write_certificate(&self, certificate: &CertificateObject) -> Result<(), Error> {
        let cka_id = KeyId::new(&certificate.cka_id)?;
        if !self.find_certificate(&cka_id, &certificate.der)?.is_empty() {
            return Ok(());
        }
        let template = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Id(certificate.cka_id.clone()),
            Attribute::Label(certificate.label.as_bytes().to_vec()),
            Attribute::Subject(certificate.subject.clone()),
            Attribute::Issuer(certificate.issuer.clone()),
            Attribute::SerialNumber(certificate.serial.clone()),
            Attribute::Value(certificate.der.clone()),
        ];
        self.handle().call(|session| session.create_object(&template)).map(drop)
    }

    /// Deletes a certificate; it is no error when it is not there.
    ///
    /// # Errors
    /// [`Error::WriteProtected`], and those of every call.
    pub fn delete_certificate(&self, cka_id: &KeyId, der: &[u8]) -> Result<(), Error> {
        let found = self.find_certificate(cka_id, der)?;
        self.destroy(&found)
    }

    /// Everything with this CKA_ID, to recognise what a broken attempt left.
    ///
    /// # Errors
    /// Those of every call.
    pub fn objects(&self, cka_id: &KeyId) -> Result<Vec<ObjectInfo>, Error> {
        let found = self.with_id(cka_id)?;
        found.into_iter().map(|object| self.handle().object_info(object)).collect()
    }

    /// Keys and certificates on the token, whosever they are.
    ///
    /// # Errors
    /// Those of every call.
    pub fn keys_and_certificates(&self) -> Result<Vec<ObjectInfo>, Error> {
        let classes = [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY, ObjectClass::CERTIFICATE];
        let mut infos = Vec::new();
        for class in classes {
            let template = [Attribute::Token(true), Attribute::Class(class)];
            for object in self.handle().call(|session| session.find_objects(&template))? {
                infos.push(self.handle().object_info(object)?);
            }
        }
        Ok(infos)
    }

    /// Deletes everything with this CKA_ID and says how much that was. The private key goes first: what a pulled token
    /// leaves of it signs nothing.
    ///
    /// # Errors
    /// [`Error::WriteProtected`], and those of every call.
    pub fn delete_objects(&self, cka_id: &KeyId) -> Result<usize, Error> {
        let mut found = self.handle().find(ObjectClass::PRIVATE_KEY, By::Id(cka_id))?;
        found.extend(
            self.with_id(cka_id)?.into_iter().filter(|object| !found.contains(object)).collect::<Vec<_>>(),
        );
        self.destroy(&found)?;
        Ok(found.len())
    }

    fn with_id(&self, cka_id: &KeyId) -> Result<Vec<ObjectHandle>, Error> {
        let template = [Attribute::Token(true), Attribute::Id(cka_id.as_bytes().to_vec())];
        self.handle().call(|session| session.find_objects(&template))
    }

    fn find_certificate(&self, cka_id: &KeyId, der: &[u8]) -> Result<Vec<ObjectHandle>, Error> {
        // The value is compared here: not every module searches by CKA_VALUE.
        let mut same = Vec::new();
        for object in self.handle().find(ObjectClass::CERTIFICATE, By::Id(cka_id))? {
            let value = self.handle().attributes(object, &[AttributeType::Value])?;
            if matches!(value.as_slice(), [Attribute::Value(value)] if value == der) {
                same.push(object);
            }
        }
        Ok(same)
    }

    fn destroy(&self, objects: &[ObjectHandle]) -> Result<(), Error> {
        objects.iter().try_for_each(|object| self.handle().call(|session| session.destroy_object(*object)))
    }
}

impl Handle {
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateObject>, Error> {
        let template = [Attribute::Token(true), Attribute::Class(ObjectClass::CERTIFICATE)];
        let found = self.call(|session| session.find_objects(&template))?;
        found.into_iter().map(|object| self.certificate(object)).collect()
    }

    fn certificate(&self, object: ObjectHandle) -> Result<CertificateObject, Error> {
        let kinds = [
            AttributeType::Id,
            AttributeType::Label,
            AttributeType::Value,
            AttributeType::Subject,
            AttributeType::Issuer,
            AttributeType::SerialNumber,
        ];
        let mut read = CertificateObject {
            cka_id: Vec::new(),
            label: String::new(),
            der: Vec::new(),
            subject: Vec::new(),
            issuer: Vec::new(),
            serial: Vec::new(),
        };
        for attribute in self.attributes(object, &kinds)? {
            match attribute {
                Attribute::Id(octets) => read.cka_id = octets,
                Attribute::Label(octets) => read.label = String::from_utf8_lossy(&octets).into_owned(),
                Attribute::Value(octets) => read.der = octets,
                Attribute::Subject(octets) => read.subject = octets,
                Attribute::Issuer(octets) => read.issuer = octets,
                Attribute::SerialNumber(octets) => read.serial = octets,
                _ => {}
            }
        }
        Ok(read)
    }

    fn object_info(&self, object: ObjectHandle) -> Result<ObjectInfo, Error> {
        let mut info = ObjectInfo { cka_id: Vec::new(), class: String::new(), label: String::new() };
        let kinds = [AttributeType::Id, AttributeType::Class, AttributeType::Label];
        for attribute in self.attributes(object, &kinds)? {
            match attribute {
                Attribute::Id(octets) => info.cka_id = octets,
                Attribute::Class(class) => info.class = class.to_string(),
                Attribute::Label(octets) => info.label = String::from_utf8_lossy(&octets).into_owned(),
                _ => {}
            }
        }
        Ok(info)
    }
}

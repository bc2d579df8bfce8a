//! What an attempt that was given up leaves on a holder's token: its key pair, perhaps its certificate, under the attempt's
//! identifier as CKA_ID.
//!
//! The server says which attempts are over. Whether anything goes is decided here: nothing that another program put there,
//! and no key with a certificate unless this program itself was shown that it is revoked. A server that lies, or errs, can
//! have no key deleted that somebody uses.

use std::collections::BTreeSet;

use hsm::{Error, KeyId, ObjectInfo, Session};

use crate::{certificate, job::Failure, protocol::Done};

/// An attempt's identifier.
const ID_OCTETS: usize = 16;
const PRIVATE_KEY: &str = "CKO_PRIVATE_KEY";
const PUBLIC_KEY: &str = "CKO_PUBLIC_KEY";
const CERTIFICATE: &str = "CKO_CERTIFICATE";

/// Identifiers, hexadecimal, of what an attempt of ours put on the token, without that of the key in use.
pub(crate) fn identifiers(session: &Session, in_use: &KeyId) -> Result<Vec<String>, Error> {
    let objects = session.keys_and_certificates()?;
    let ids: BTreeSet<_> = objects.iter().filter_map(|object| KeyId::new(&object.cka_id).ok()).collect();
    let ours = |id: &KeyId| {
        let mut its = objects.iter().filter(|object| object.cka_id == id.as_bytes());
        id != in_use && is_of_attempt(id, &mut its)
    };
    Ok(ids.iter().filter(|id| ours(id)).map(ToString::to_string).collect())
}

/// Keys that an attempt makes have its identifier as CKA_ID and, in hexadecimal, as label; beside them lies a certificate
/// and nothing else.
fn is_of_attempt<'a>(id: &KeyId, mut objects: impl Iterator<Item = &'a ObjectInfo>) -> bool {
    let name = id.to_string();
    id.as_bytes().len() == ID_OCTETS
        && objects.all(|object| match object.class.as_str() {
            PRIVATE_KEY | PUBLIC_KEY => object.label == name,
            class => class == CERTIFICATE,
        })
}

/// Deletes everything with this CKA_ID, if it is an attempt's and each certificate of its key is one of `revoked`.
pub(crate) fn discard(session: &Session, id: &KeyId, revoked: &[Vec<u8>]) -> Result<Done, Failure> {
    let objects = session.objects(id)?;
    if !is_of_attempt(id, objects.iter()) {
        return Err(Failure::Kept("it was made by another program"));
    }
    let has = |class: &str| objects.iter().any(|object| object.class == class);
    let mut spki = None;
    if has(PRIVATE_KEY) {
        // Without its public key nobody can say which certificates are its own.
        let key = match session.find_key(id) {
            Ok(key) => key,
            Err(Error::KeyAbsent { .. } | Error::KeyAmbiguous { .. } | Error::Encoding { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        spki = key.and_then(|key| certificate::spki(key.public()));
        if spki.is_none() {
            return Err(Failure::Kept("its public key cannot be read"));
        }
    }
    for object in session.certificates()? {
        let is_its_own = object.cka_id == id.as_bytes()
            || certificate::read(&object.der).is_some_and(|fields| Some(&fields.spki) == spki.as_ref());
        if is_its_own && !revoked.contains(&object.der) {
            return Err(Failure::Kept("a certificate goes with it that is not known to be revoked"));
        }
    }
    session.delete_objects(id)?;
    Ok(Done::Nothing {})
}

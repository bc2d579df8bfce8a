//! The CA's keys, born on their tokens.

use hsm::{KeyAlgorithm, KeyAttributes, KeyId, KeyRef, Module, Pin, PublicKey, Session, TokenInfo};
use ring::digest::{SHA256, digest};

use super::{Plan, plan::CaPlan};
use crate::{
    ca::{self, label},
    files,
    problem::Failure,
    wire,
};

/// A key that was made, and the session that may use it until the ceremony ends.
pub(super) struct CaKey {
    pub(super) label: &'static str,
    pub(super) token: String,
    pub(super) key: KeyRef,
    pub(super) attributes: KeyAttributes,
    session: std::rc::Rc<Session>,
}

/// All keys of the ceremony.
pub(super) struct Keys {
    pub(super) module: hsm::ModuleInfo,
    pub(super) tokens: Vec<TokenInfo>,
    pub(super) root: CaKey,
    pub(super) issuing: CaKey,
    pub(super) ocsp: CaKey,
    pub(super) log: CaKey,
    secrets: (std::rc::Rc<Session>, KeyId),
}

impl Keys {
    /// Generates all keys and reads back that none can leave its token. Refuses tokens that hold such keys already.
    pub(super) fn generate(plan: &Plan) -> Result<Self, Failure> {
        let module = Module::load(&plan.module)?;
        let root_session = open(&module, &plan.root)?;
        let issuing_session = open(&module, &plan.issuing)?;
        refuse_used(&root_session, &plan.root.token, &[label::ROOT])?;
        refuse_used(&issuing_session, &plan.issuing.token, &[label::ISSUING, label::OCSP, label::LOG])?;
        let tokens = module.tokens()?;
        let of_plan = |token: &TokenInfo| [&plan.root.token, &plan.issuing.token].contains(&&token.label);
        let secrets_id = KeyId::new(&wire::random::<16>()?)?;
        issuing_session.generate_secret(label::SECRETS, &secrets_id)?;
        let root = (plan.root.algorithm(), label::ROOT, &root_session, &plan.root.token);
        let issuing = (plan.issuing.algorithm(), label::ISSUING, &issuing_session, &plan.issuing.token);
        let ocsp = (Ok(KeyAlgorithm::EcP256), label::OCSP, &issuing_session, &plan.issuing.token);
        let log = (Ok(KeyAlgorithm::Ed25519), label::LOG, &issuing_session, &plan.issuing.token);
        Ok(Self {
            module: module.info()?,
            tokens: tokens.into_iter().filter(of_plan).collect(),
            root: generate(root)?,
            issuing: generate(issuing)?,
            ocsp: generate(ocsp)?,
            log: generate(log)?,
            secrets: (issuing_session.clone(), secrets_id),
        })
    }

    pub(super) fn all(&self) -> [&CaKey; 4] {
        [&self.root, &self.issuing, &self.ocsp, &self.log]
    }

    /// Removes what was made, after a ceremony that failed: no certificate counts yet.
    pub(super) fn remove(&self) {
        for key in self.all() {
            if let Err(error) = key.session.delete_objects(key.key.cka_id()) {
                tracing::error!(%error, key = key.label, "a key of the failed ceremony stays on its token");
            }
        }
        if let Err(error) = self.secrets.0.delete_objects(&self.secrets.1) {
            tracing::error!(%error, "the HMAC key of the failed ceremony stays on its token");
        }
    }
}

fn open(module: &Module, plan: &CaPlan) -> Result<std::rc::Rc<Session>, Failure> {
    let pin = Pin::new(files::read_secret(&plan.pin_file)?)?;
    Ok(std::rc::Rc::new(module.token_named(&plan.token)?.session(&pin)?))
}

fn refuse_used(session: &Session, token: &str, labels: &[&str]) -> Result<(), Failure> {
    for label in labels {
        if session.key_by_label(label)?.is_some() {
            return Err(Failure::Refused(format!(
                "密码卡 {token} 上已有密钥 {label}，没有做任何更改。\n\
                 Token {token} holds a key {label} already; nothing was changed."
            )));
        }
    }
    Ok(())
}

type Wanted<'a> = (Result<KeyAlgorithm, String>, &'static str, &'a std::rc::Rc<Session>, &'a String);

fn generate((algorithm, label, session, token): Wanted<'_>) -> Result<CaKey, Failure> {
    let algorithm = algorithm.map_err(Failure::Inconsistent)?;
    let key = session.generate_key_pair(algorithm, &KeyId::new(&wire::random::<16>()?)?, label)?;
    let attributes = session.attributes(&key)?;
    let stays = KeyAttributes {
        local: true,
        sensitive: true,
        always_sensitive: true,
        extractable: false,
        never_extractable: true,
    };
    if attributes != stays {
        let _ = session.delete_objects(key.cka_id());
        return Err(Failure::inconsistent(format!("key {label} could leave token {token}: {attributes:?}")));
    }
    Ok(CaKey { label, token: token.clone(), key, attributes, session: session.clone() })
}

impl CaKey {
    pub(super) fn spki(&self) -> Result<Vec<u8>, Failure> {
        ca::spki(self.key.public())
    }

    /// SHA-256 of SubjectPublicKeyInfo; of the 32 octets for Ed25519, which stands in no certificate here.
    pub(super) fn fingerprint(&self) -> Result<String, Failure> {
        let octets = match self.key.public() {
            PublicKey::Ed25519(octets) => octets.to_vec(),
            _ => self.spki()?,
        };
        Ok(hex::encode(digest(&SHA256, &octets)))
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, hsm::Error> {
        ca::sign_with(self.key.algorithm(), message, |input| self.session.sign(&self.key, input))
    }
}

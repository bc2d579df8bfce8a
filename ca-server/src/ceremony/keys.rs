//! The CA's keys, born on their tokens.

use std::rc::Rc;

use ca_store::kill_point;
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
    session: Rc<Session>,
}

/// All keys of the ceremony.
pub(super) struct Keys {
    pub(super) module: hsm::ModuleInfo,
    pub(super) tokens: Vec<TokenInfo>,
    pub(super) root: CaKey,
    pub(super) issuing: CaKey,
    pub(super) ocsp: CaKey,
    pub(super) log: CaKey,
}

impl Keys {
    /// Generates all keys and reads back that none can leave its token.
    pub(super) fn generate(plan: &Plan, tokens: &Tokens, ids: &Ids) -> Result<Self, Failure> {
        let (root_session, issuing_session) = (&tokens.root, &tokens.issuing);
        let of_plan = |token: &TokenInfo| [&plan.root.token, &plan.issuing.token].contains(&&token.label);
        issuing_session.generate_secret(label::SECRETS, &ids.secrets)?;
        kill_point("make-key:after");
        let root = (plan.root.algorithm(), label::ROOT, root_session, &plan.root.token);
        let issuing = (plan.issuing.algorithm(), label::ISSUING, issuing_session, &plan.issuing.token);
        let ocsp = (Ok(KeyAlgorithm::EcP256), label::OCSP, issuing_session, &plan.issuing.token);
        let log = (Ok(KeyAlgorithm::Ed25519), label::LOG, issuing_session, &plan.issuing.token);
        Ok(Self {
            module: tokens.module.info()?,
            tokens: tokens.module.tokens()?.into_iter().filter(of_plan).collect(),
            root: generate(root, &ids.root)?,
            issuing: generate(issuing, &ids.issuing)?,
            ocsp: generate(ocsp, &ids.ocsp)?,
            log: generate(log, &ids.log)?,
        })
    }

    pub(super) fn all(&self) -> [&CaKey; 4] {
        [&self.root, &self.issuing, &self.ocsp, &self.log]
    }
}

/// Both tokens of the plan, logged in to.
pub(super) struct Tokens {
    module: Module,
    root: Rc<Session>,
    issuing: Rc<Session>,
}

impl Tokens {
    /// Each PIN is tried once.
    pub(super) fn open(plan: &Plan) -> Result<Self, Failure> {
        let module = Module::load(&plan.module)?;
        let open = |ca: &CaPlan| {
            let pin = Pin::new(files::read_secret(&ca.pin_file)?)?;
            Ok::<_, Failure>(Rc::new(module.token_named(&ca.token)?.session(&pin)?))
        };
        let (root, issuing) = (open(&plan.root)?, open(&plan.issuing)?);
        Ok(Self { module, root, issuing })
    }

    /// Refuses tokens that hold such keys already.
    pub(super) fn refuse_used(&self, plan: &Plan) -> Result<(), Failure> {
        refuse_used(&self.root, &plan.root.token, &[label::ROOT])?;
        refuse_used(&self.issuing, &plan.issuing.token, &[label::ISSUING, label::OCSP, label::LOG])
    }

    /// Removes what a ceremony made that came to nothing: no certificate counts yet.
    pub(super) fn remove(&self, ids: &Ids) -> Result<(), hsm::Error> {
        self.root.delete_objects(&ids.root)?;
        for id in [&ids.issuing, &ids.ocsp, &ids.log, &ids.secrets] {
            self.issuing.delete_objects(id)?;
        }
        Ok(())
    }
}

/// CKA_ID of each key, drawn before any is made, so that it can be written down first.
pub(super) struct Ids {
    root: KeyId,
    issuing: KeyId,
    ocsp: KeyId,
    log: KeyId,
    secrets: KeyId,
}

impl Ids {
    pub(super) fn random() -> Result<Self, Failure> {
        let id = || Ok::<_, Failure>(KeyId::new(&wire::random::<16>()?)?);
        Ok(Self { root: id()?, issuing: id()?, ocsp: id()?, log: id()?, secrets: id()? })
    }

    /// As the log keeps them.
    pub(super) fn to_text(&self) -> String {
        [&self.root, &self.issuing, &self.ocsp, &self.log, &self.secrets].map(ToString::to_string).join(" ")
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let read = |word: &str| KeyId::new(&hex::decode(word).ok()?).ok();
        let [root, issuing, ocsp, log, secrets] =
            text.split(' ').map(read).collect::<Option<Vec<_>>>()?.try_into().ok()?;
        Some(Self { root, issuing, ocsp, log, secrets })
    }
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

type Wanted<'a> = (Result<KeyAlgorithm, String>, &'static str, &'a Rc<Session>, &'a String);

fn generate((algorithm, label, session, token): Wanted<'_>, id: &KeyId) -> Result<CaKey, Failure> {
    let algorithm = algorithm.map_err(Failure::Inconsistent)?;
    let key = session.generate_key_pair(algorithm, id, label)?;
    kill_point("make-key:after");
    let attributes = session.attributes(&key)?;
    let stays = KeyAttributes {
        local: true,
        sensitive: true,
        always_sensitive: true,
        extractable: false,
        never_extractable: true,
    };
    if attributes != stays {
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
        kill_point("sign:before");
        let signature =
            ca::sign_with(self.key.algorithm(), message, |input| self.session.sign(&self.key, input));
        kill_point("sign:after");
        signature
    }
}

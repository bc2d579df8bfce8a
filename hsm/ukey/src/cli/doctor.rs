//! `ukey doctor`: what module and tokens can do, against what this program needs.

use hsm::Module;
use ukey::Error;

use crate::report::{Checkup, Voice};

/// Mechanisms of the standard, and what needs each.
const NEEDED: [&str; 6] = [
    "CKM_EC_KEY_PAIR_GEN",
    "CKM_ECDSA",
    "CKM_RSA_PKCS_KEY_PAIR_GEN",
    "CKM_SHA256_RSA_PKCS",
    "CKM_SHA256_RSA_PKCS_PSS",
    "CKM_SHA256_HMAC",
];

pub(super) fn run(module: &Module, voice: &Voice) -> Result<(), Error> {
    let mut checkups = Vec::new();
    for info in module.tokens()? {
        let has = module.token(&info.serial)?.mechanisms()?;
        let (present, missing) = NEEDED.iter().partition(|name| has.iter().any(|known| known == *name));
        checkups.push(Checkup { info, present, missing });
    }
    voice.doctor(&module.info()?, &checkups);
    Ok(())
}

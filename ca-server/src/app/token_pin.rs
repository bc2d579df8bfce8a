//! PINs of holders' tokens: the security officer's, which only the HSM can compute, and the holder's first one by the rules
//! of `policies/tokens.toml`.

use ca_core::policy::InitialPin;
use ca_store::{AttemptRecord, Reader};

use super::{App, personalise::Hand, unlock};
use crate::{
    problem::Problem,
    protocol::{PinRule, Step, UserPin},
};

/// Characters of the attempt's identifier in a token's label, which has room for 32.
const LABEL_CHARACTERS: usize = 20;

impl App {
    /// The PIN that a token gets at the counter, by its model's rule; an unlocked one gets its holder's.
    pub(super) fn token_pin(
        &self,
        reader: &mut Reader<'_>,
        attempt: &AttemptRecord,
    ) -> Result<UserPin, Problem> {
        let rules = self.policies.tokens();
        let token = reader.token(attempt.wanted_token.as_deref().unwrap_or_default())?;
        let chosen = token.is_some_and(|token| rules.initial(token.model.as_str()) == InitialPin::Chosen);
        if !chosen && unlock::unlocks(reader, attempt)?.is_none() {
            return Ok(UserPin { user_pin: Some(rules.initial_pin().to_owned()), holder_pin: None });
        }
        let application = reader.application(&attempt.application)?;
        let application = application.ok_or_else(|| Problem::not_found("application"))?;
        let (least, most) = rules.pin_chars();
        let (denied, code) = (rules.denied_pins().to_vec(), application.unit_code.to_string());
        Ok(UserPin { user_pin: None, holder_pin: Some(Box::new(PinRule { least, most, denied, code })) })
    }

    /// What is done with the security officer's PIN: a blank token is initialised, a locked one unlocked. The label names
    /// the attempt: a token that has it was initialised for this attempt and is not wiped again.
    pub(super) async fn open_token(
        &self,
        hand: &Hand,
        attempt: &AttemptRecord,
        token: &str,
    ) -> Result<Step, Problem> {
        let (so_pin, pin) = (self.so_pin(token).await?, hand.pin.clone());
        if self.store.read(|reader| unlock::unlocks(reader, attempt))?.is_some() {
            return Ok(Step::Unlock { so_pin, pin });
        }
        let (rules, attempt) = (self.policies.tokens(), &attempt.id);
        Ok(Step::Initialise {
            label: format!("QY {}", &attempt.as_str()[..LABEL_CHARACTERS]),
            factory_so_pin: rules.factory_so_pin().to_owned(),
            so_pin,
            pin,
        })
    }

    /// The token's SO PIN: computed by a key in the HSM from the token's serial number, stored nowhere.
    async fn so_pin(&self, token: &str) -> Result<String, Problem> {
        let mac = self.hmac(format!("qianyin-so-pin-v1:{token}")).await?;
        Ok(hex::encode(&mac[..8]))
    }
}

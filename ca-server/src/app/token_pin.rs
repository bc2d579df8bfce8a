//! PINs of holders' tokens: the security officer's, which only the HSM can compute, and the holder's first one by the rules
//! of `policies/tokens.toml`.

use ca_core::{
    Action, ApplicationId, ApplicationKind, ApplicationState, AttemptId, AuditEntry, policy::InitialPin,
};
use ca_store::{AttemptRecord, WriteSite};

use super::{App, personalise::Hand, unlock};
use crate::{
    permit::{DeliverToken, Permit},
    problem::{Failure, Problem},
    protocol::{PinRule, Step, UserPin},
    receipt::{PinSlip, slip_pdf},
    rule::Rule,
    wire,
};

/// Characters of the attempt's identifier in a token's label, which has room for 32.
const LABEL_CHARACTERS: usize = 20;
/// As long as tokens' keypads and people bear; 100 million of them.
const SLIP_DIGITS: usize = 8;
const SLIP_TRIES: u8 = 16;

impl App {
    /// Where the first PIN of a token comes from, by today's rule for its model.
    pub(super) fn first_pin(&self, token: &str) -> Result<InitialPin, Problem> {
        let token = self.store.read(|reader| reader.token(token))?;
        let model = token.as_ref().map_or("", |token| token.model.as_str());
        Ok(self.policies.tokens().initial(model))
    }

    /// The PIN that a token gets at the counter, by the rule with which its attempt began; an unlocked one gets its
    /// holder's.
    pub(super) async fn token_pin(&self, attempt: &AttemptRecord) -> Result<UserPin, Problem> {
        let application = self.store.read(|reader| reader.application(&attempt.application))?;
        let application = application.ok_or_else(|| Problem::not_found("application"))?;
        let unlocks = matches!(application.kind, ApplicationKind::Unlock { .. });
        let initial =
            if unlocks { InitialPin::Chosen } else { attempt.first_pin.unwrap_or(InitialPin::Fixed) };
        let rules = self.policies.tokens();
        Ok(match initial {
            InitialPin::Fixed => UserPin { user_pin: Some(rules.initial_pin().to_owned()), holder_pin: None },
            InitialPin::Slip => {
                UserPin { user_pin: Some(self.slip_pin(&attempt.id).await?), holder_pin: None }
            }
            InitialPin::Chosen => {
                let ((least, most), denied) = (rules.pin_chars(), rules.denied_pins().to_vec());
                let code = application.unit_code.to_string();
                let rule = PinRule { least, most, denied, code };
                UserPin { user_pin: None, holder_pin: Some(Box::new(rule)) }
            }
        })
    }

    /// Eight random digits: computed by a key in the HSM from the attempt, stored nowhere.
    async fn slip_pin(&self, attempt: &AttemptId) -> Result<String, Problem> {
        let denied = self.policies.tokens().denied_pins();
        for number in 0..SLIP_TRIES {
            let mac = self.hmac(format!("qianyin-slip-pin-v1:{attempt}:{number}")).await?;
            // 250 and above would make some digits likelier than others.
            let digits = mac.iter().filter(|octet| **octet < 250).map(|octet| char::from(b'0' + octet % 10));
            let pin: String = digits.take(SLIP_DIGITS).collect();
            if pin.len() == SLIP_DIGITS && !denied.contains(&pin) {
                return Ok(pin);
            }
        }
        Err(Failure::inconsistent("no PIN for a slip").into())
    }

    /// The slip, as often as a printer needs it, until the holder has activated the certificate; each time stands in the log.
    pub(crate) async fn pin_slip(
        &self,
        permit: Permit<DeliverToken>,
        application: &ApplicationId,
    ) -> Result<Vec<u8>, Problem> {
        let (known, attempt, token) = self.store.read(|reader| {
            let known = reader.application(application)?.ok_or_else(|| Problem::not_found("application"))?;
            let attempt = reader.live_attempt_of(application)?;
            let attempt = attempt.ok_or_else(|| Problem::not_found("personalisation"))?;
            let token = reader.token(attempt.state.token().unwrap_or_default())?;
            Ok::<_, Problem>((known, attempt, token))
        })?;
        let waits =
            matches!(known.state, ApplicationState::Issued { .. } | ApplicationState::Delivered { .. });
        if !waits || attempt.first_pin != Some(InitialPin::Slip) {
            return Err(Problem::new(Rule::PinSlipNone).with("state", known.state.name()));
        }
        let (id, actor, serial) =
            (attempt.id.clone(), permit.actor().clone(), token.map(|token| token.serial));
        let slip = PinSlip {
            issuer: self.config.organization.clone(),
            number: application.to_string(),
            day: wire::china_day(attempt.created_at)?,
            unit: known.unit_name.as_str().to_owned(),
            token: serial.map(|serial| serial.to_string()).unwrap_or_default(),
            pin: self.slip_pin(&attempt.id).await?,
        };
        let document = slip_pdf(&slip, self.receipt_font()?)?;
        self.store
            .write(WriteSite::NoteAttempt, move |tx| {
                let entry = AuditEntry::done(wire::now(), &actor, Action::DeliverToken, "attempt", &id);
                Ok::<_, Problem>(tx.append_audit(&entry.with("step", "print-slip"))?)
            })
            .await?;
        Ok(document)
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

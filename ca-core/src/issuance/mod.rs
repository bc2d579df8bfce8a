//! Issuing a certificate (step 6 of the path): plan → [`Prepared`] → intent committed → one signature → [`Issued`].
//!
//! `prepare` fixes every octet and lints it; the store commits [`Prepared::intent`] and returns the proof;
//! [`Prepared::sign`] consumes both, so that one preparation is signed at most once (I2, I3).
//! What deliberately does not live here: reserving serial numbers and durability (`ca-store`), keys (`hsm`).

mod expected;
mod tbs;
#[cfg(test)]
pub(crate) mod testing;

use ca_verifier::{Serial, Time};

pub(crate) use expected::extensions;
#[cfg(test)]
pub(crate) use tbs::write_altered;

use crate::encode;
use crate::issuer::read;
use crate::key::sha256;
use crate::lint::{self, Finding, LintContext};
use crate::policy::{Kind, Profile};
use crate::{
    ApplicationId, AttemptId, Intent, Issuer, RecordedIntent, SignError, SignatureAlgorithm, Subject,
    SubjectKey, UnitId, Urls, ValidatedCsr,
};

/// Where the certificate's key comes from.
#[derive(Clone, Copy, Debug)]
pub enum PlanKey<'a> {
    /// From a request, with proof of possession.
    Proven(&'a ValidatedCsr),
    /// Made by the ceremony itself; refused by profiles that ask for proof of possession.
    Own(&'a SubjectKey),
}

impl<'a> PlanKey<'a> {
    pub(crate) fn key(self) -> &'a SubjectKey {
        match self {
            Self::Proven(csr) => csr.key(),
            Self::Own(key) => key,
        }
    }
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub enum IssuerRef<'a> {
    /// One of our CAs.
    Ca(&'a Issuer),
    /// The certificate's own key: the root.
    SelfSigned,
}

impl<'a> IssuerRef<'a> {
    pub(crate) fn ca(self) -> Option<&'a Issuer> {
        match self {
            Self::Ca(issuer) => Some(issuer),
            Self::SelfSigned => None,
        }
    }
}

/// What stands in the intent beside the certificate.
#[derive(Clone, Debug)]
pub struct IntentContext {
    /// `root` or `issuing`: the issuer's name in URLs and in the store.
    pub issuer: String,
    /// Whose certificate.
    pub unit: Option<UnitId>,
    /// Which application asked for it.
    pub application: Option<ApplicationId>,
    /// Which attempt it belongs to.
    pub attempt: Option<AttemptId>,
    /// Which token holds the key.
    pub token: Option<String>,
    /// Who asked, as the log writes it.
    pub actor: String,
    /// Now.
    pub at: Time,
}

/// Everything that a certificate is made of.
#[derive(Clone, Debug)]
pub struct CertificatePlan<'a> {
    /// What it looks like.
    pub profile: &'a Profile,
    /// Whose it is.
    pub subject: Subject,
    /// Reserved for it.
    pub serial: Serial,
    /// Start of validity; whole seconds count.
    pub not_before: Time,
    /// End of validity; whole seconds count.
    pub not_after: Time,
    /// The key.
    pub key: PlanKey<'a>,
    /// Who signs.
    pub issuer: IssuerRef<'a>,
    /// The CA's addresses.
    pub urls: &'a Urls,
    /// CRL shard, fixed for the certificate's life.
    pub shard: u16,
    /// What the intent says of it.
    pub context: IntentContext,
}

impl CertificatePlan<'_> {
    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        match self.issuer {
            IssuerRef::Ca(issuer) => issuer.algorithm(),
            IssuerRef::SelfSigned => self.key.key().algorithm().signature(),
        }
    }

    fn refusals(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut refuse = |rule, clause, detail: String| findings.push(Finding { rule, clause, detail });
        if self.profile.proof_of_possession() && matches!(self.key, PlanKey::Own(_)) {
            let detail = format!("profile {} needs a validated request", self.profile.name());
            refuse("issue.proof-of-possession", "ETSI EN 319 411-1 REG-6.3.1-01", detail);
        }
        let octets = self.serial.as_bytes().len();
        if octets != Serial::ISSUED_OCTETS {
            let detail =
                format!("{octets} octets, a prefix and 136 random bits have {}", Serial::ISSUED_OCTETS);
            refuse("issue.serial", "BR 7.1.2.7", detail);
        }
        let self_signed = matches!(self.issuer, IssuerRef::SelfSigned);
        if self_signed != (self.profile.kind() == Kind::RootCa) {
            let detail = format!("profile {} and self-signed: {self_signed}", self.profile.name());
            refuse("issue.issuer", "RFC 5280 §3.2", detail);
        }
        if self.context.issuer != self.profile.issuer() {
            let detail = format!(
                "profile {} is signed by {}, not {}",
                self.profile.name(),
                self.profile.issuer(),
                self.context.issuer
            );
            refuse("issue.issuer", "policies/profiles", detail);
        }
        findings
    }
}

/// Why a certificate was not prepared: every finding, not only the first.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct IssueRefusal {
    findings: Vec<Finding>,
}

impl IssueRefusal {
    /// What was found, with rule and clause.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Fixes and lints the octets to be signed.
///
/// # Errors
/// [`IssueRefusal`] with everything that is wrong.
pub fn prepare(plan: &CertificatePlan<'_>) -> Result<Prepared, IssueRefusal> {
    let refusals = plan.refusals();
    if !refusals.is_empty() {
        return Err(IssueRefusal { findings: refusals });
    }
    let algorithm = plan.algorithm();
    let tbs = tbs::write(plan).map_err(|error| IssueRefusal {
        findings: vec![Finding { rule: "issue.encoding", clause: "RFC 5280 §4.1", detail: error }],
    })?;
    // BR 4.3.1.2: what is linted is the certificate to be, with a signature that can never verify.
    let dummy = encode::signed(&tbs, algorithm, &[0; 72]);
    let findings = lint::lint(&dummy, &LintContext::of(plan));
    if !findings.is_empty() {
        return Err(IssueRefusal { findings });
    }
    let key = plan.key.key();
    let issuer_key = plan.issuer.ca().map_or(key.bits(), Issuer::key).to_vec();
    let context = &plan.context;
    let intent = Intent {
        serial: plan.serial,
        issuer: context.issuer.clone(),
        profile: plan.profile.name().to_owned(),
        profile_sha256: plan.profile.sha256(),
        tbs,
        spki_sha256: key.spki_sha256(),
        unit: context.unit.clone(),
        application: context.application.clone(),
        attempt: context.attempt.clone(),
        token: context.token.clone(),
        not_before: Time::from_secs(plan.not_before.secs()),
        not_after: Time::from_secs(plan.not_after.secs()),
        shard: plan.shard,
        actor: context.actor.clone(),
        at: context.at,
    };
    Ok(Prepared { intent, algorithm, issuer_key })
}

/// A certificate whose octets are fixed and linted, and which nobody has signed.
#[must_use = "prepared certificates are recorded and signed, or dropped before they are recorded"]
#[derive(Debug)]
pub struct Prepared {
    intent: Intent,
    algorithm: SignatureAlgorithm,
    issuer_key: Vec<u8>,
}

impl Prepared {
    /// What must be durable before [`Self::sign`].
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// How `sign` must sign.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Signs once, assembles, verifies and reads back. `sign` gets the octets to be signed and returns the signature
    /// as the certificate carries it: DER Ecdsa-Sig-Value (`ecdsa_der`), or PKCS#1 octets.
    ///
    /// # Errors
    /// [`SignError`]. Except for [`SignError::OtherIntent`] a signature may exist: burn the serial number (I3).
    pub fn sign<E>(
        self,
        recorded: RecordedIntent,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<Issued, SignError<E>> {
        if recorded.serial() != self.intent.serial {
            return Err(SignError::OtherIntent { prepared: self.intent.serial, recorded: recorded.serial() });
        }
        let signature = sign(&self.intent.tbs).map_err(SignError::Signer)?;
        self.algorithm
            .verify_bits(&self.issuer_key, &self.intent.tbs, &signature)
            .map_err(|_| SignError::Signature)?;
        let der = encode::signed(&self.intent.tbs, self.algorithm, &signature);
        let same = read(&der).is_some_and(|certificate| {
            certificate.tbs_certificate.as_ref() == self.intent.tbs
                && certificate.signature_value.data.as_ref() == signature
                && certificate.tbs_certificate.raw_serial() == self.intent.serial.as_bytes()
                && sha256(certificate.public_key().raw) == self.intent.spki_sha256
        });
        if same { Ok(Issued { der, intent: self.intent }) } else { Err(SignError::ReadBack) }
    }
}

/// A certificate whose signature was verified with the issuer's key and whose octets are those of its intent.
#[must_use = "an issued certificate is committed, or its serial number burned"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    der: Vec<u8>,
    intent: Intent,
}

impl Issued {
    /// The certificate.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.intent.serial
    }

    /// What was recorded before it was signed.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.der)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_once_and_only_its_own_intent() {
        let hierarchy = testing::hierarchy();
        let csr = hierarchy.csr();
        let plan = hierarchy.unit_plan(&csr);
        let prepared = prepare(&plan).unwrap();
        let other = Serial::from_random(1, &[9; 17]).unwrap();
        let error =
            prepared.sign(RecordedIntent::assert_recorded(other), |_| -> Result<_, ()> { panic!("signed") });
        assert_eq!(error, Err(SignError::OtherIntent { prepared: plan.serial, recorded: other }));
        let issued = hierarchy.issue(&plan);
        assert_eq!(issued.serial(), plan.serial);
        assert_eq!(issued.intent().spki_sha256, csr.spki_sha256());
        assert_eq!(issued.intent().not_before.millis() % 1000, 0);
    }

    #[test]
    fn a_wrong_signature_never_becomes_a_certificate() {
        let hierarchy = testing::hierarchy();
        let csr = hierarchy.csr();
        let plan = hierarchy.unit_plan(&csr);
        let recorded = || RecordedIntent::assert_recorded(plan.serial);
        let failed = prepare(&plan).unwrap().sign(recorded(), |_| Err("unplugged"));
        assert_eq!(failed, Err(SignError::Signer("unplugged")));
        let foreign = prepare(&plan).unwrap().sign(recorded(), |tbs| hierarchy.root_sign(tbs));
        assert_eq!(foreign, Err(SignError::Signature));
        let other_octets =
            prepare(&plan).unwrap().sign(recorded(), |tbs| hierarchy.sign(&[tbs, &[0]].concat()));
        assert_eq!(other_octets, Err(SignError::Signature));
        let none = prepare(&plan).unwrap().sign(recorded(), |_| Ok::<_, ()>(Vec::new()));
        assert_eq!(none, Err(SignError::Signature));
    }

    #[test]
    fn the_plan_itself_is_judged() {
        let hierarchy = testing::hierarchy();
        let csr = hierarchy.csr();
        let rules = |plan: &CertificatePlan<'_>| -> Vec<&'static str> {
            prepare(plan).map_or_else(
                |refusal| refusal.findings().iter().map(|finding| finding.rule).collect(),
                |_| Vec::new(),
            )
        };
        let mut plan = hierarchy.unit_plan(&csr);
        plan.key = PlanKey::Own(csr.key());
        assert_eq!(rules(&plan), ["issue.proof-of-possession"]);
        let mut plan = hierarchy.unit_plan(&csr);
        plan.serial = Serial::from_content(&[1]).unwrap();
        assert_eq!(rules(&plan), ["issue.serial"]);
        let mut plan = hierarchy.unit_plan(&csr);
        plan.issuer = IssuerRef::SelfSigned;
        assert_eq!(rules(&plan), ["issue.issuer"]);
        let mut plan = hierarchy.unit_plan(&csr);
        plan.context.issuer = "root".to_owned();
        assert_eq!(rules(&plan), ["issue.issuer"]);
    }

    #[test]
    fn refusals_list_everything() {
        let hierarchy = testing::hierarchy();
        let csr = hierarchy.csr();
        let mut plan = hierarchy.unit_plan(&csr);
        plan.not_before = plan.context.at.plus_secs(-49 * 3600);
        plan.not_after = hierarchy.issuing.not_after().plus_secs(1);
        let refusal = prepare(&plan).unwrap_err();
        let rules: Vec<&str> = refusal.findings().iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, ["rfc5280.issuer-validity", "profile.lifetime", "profile.not-before"]);
        assert!(refusal.to_string().contains("profile.lifetime (policies/profiles): "), "{refusal}");
    }
}

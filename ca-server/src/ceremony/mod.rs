//! The key ceremony: from one reviewed file to root, issuing CA, OCSP signer, log key and TLS certificates.
//!
//! Keys of the CA are born on their tokens and stay there, which is read back from the tokens. The last act is one
//! transaction that registers the certificates: before it nothing counts, and the keys that were made are removed,
//! at once after an error and by the next ceremony after a crash. For that the log names each key before it is made.
//! After it a second ceremony refuses.

mod keys;
mod plan;
mod report;
mod unfinished;

use std::path::Path;

use ca_core::{
    Action, Actor, AuditEntry, CertificatePlan, CertificateState, Host, Intent, IntentContext, Issuer,
    IssuerRef, Name, PlanKey, Policies, Subject, SubjectKey, Urls,
};
use ca_store::{CrlRecord, Store, StoreError, WriteSite};
use ca_verifier::Time;

use self::keys::{CaKey, Ids, Keys, Tokens};
pub(crate) use self::plan::{CaPlan, Person, Plan, TlsPlan, UrlPlan};
use crate::{
    ca::{self, label},
    draft::{Draft, ROOT_CRL_DAYS},
    files, policies,
    problem::Failure,
    wire,
};

/// Holds the ceremony. Gives the report's path.
pub(crate) async fn hold(plan: &Plan) -> Result<std::path::PathBuf, Failure> {
    crate::config::enter(&plan.environment)?;
    let policies = policies::load(&plan.policies)?;
    std::fs::create_dir_all(&plan.output).map_err(|error| Failure::file(&plan.output, error))?;
    let database = plan.database_url();
    Store::migrate(&database)?;
    let store = Store::open(&database)?;
    let unfinished = unfinished::find(&store, plan)?;
    refuse_second(&store, plan, unfinished.is_some())?;
    let tokens = Tokens::open(plan)?;
    if let Some(ids) = unfinished {
        tokens.remove(&ids)?;
    }
    tokens.refuse_used(plan)?;
    let ids = Ids::random()?;
    unfinished::begin(&store, plan, &ids).await?;
    let held = match Keys::generate(plan, &tokens, &ids) {
        Ok(keys) => Ceremony { plan, policies: &policies, store: &store, keys: &keys }.hold().await,
        Err(failure) => Err(failure),
    };
    if matches!(held, Err(Failure::Store(StoreError::OutcomeUnknown))) {
        // The CA may be there: without its keys it would be lost.
        return Err(Failure::Refused(
            "数据库没有答复最后一次提交，密钥留在密码卡上。请再次运行：程序会说明仪式已经完成，或重新举行。\n\
             The database did not answer a commit; the keys stay on their tokens. Run it again: it says that the ceremony has been held, or holds it."
                .to_owned(),
        ));
    }
    if held.is_err()
        && let Err(error) = tokens.remove(&ids)
    {
        tracing::error!(%error, "keys of the failed ceremony stay on their tokens until the next one");
    }
    held
}

fn refuse_second(store: &Store, plan: &Plan, unfinished: bool) -> Result<(), Failure> {
    let registered = store.read(|reader| reader.ca_certificate(label::ROOT))?;
    let config = plan.output.join(CONFIG_FILE);
    if registered.is_none() && (unfinished || !config.exists()) {
        return Ok(());
    }
    let where_ = if registered.is_some() { plan.database.clone() } else { config.display().to_string() };
    Err(Failure::Refused(format!(
        "密钥仪式已经举行过（{where_}），没有做任何更改。如确需新的 CA，请换用新的目录、数据库和密码卡。\n\
         The key ceremony has been held already ({where_}); nothing was changed. For another CA take another folder, database and tokens."
    )))
}

/// Name of the server's configuration in the output folder.
pub(crate) const CONFIG_FILE: &str = "ca-server.toml";

struct Ceremony<'a> {
    plan: &'a Plan,
    policies: &'a Policies,
    store: &'a Store,
    keys: &'a Keys,
}

/// A certificate that does not count yet.
struct Signed {
    intent: Intent,
    der: Vec<u8>,
}

/// What is to be certified.
struct Wanted<'a> {
    profile: &'a str,
    subject: Subject,
    key: SubjectKey,
    years: u16,
    issuer: IssuerRef<'a>,
    issuer_name: &'a str,
}

impl Ceremony<'_> {
    async fn hold(&self) -> Result<std::path::PathBuf, Failure> {
        let plan = self.plan;
        let urls = ca::urls(&plan.urls.status, &plan.urls.cps)?;
        let root = self.certify_root(&urls).await?;
        let root_issuer = Issuer::load(&root.der).map_err(Failure::inconsistent)?;
        let issuing = self.certify_issuing(&urls, &root_issuer).await?;
        let issuer = Issuer::load(&issuing.der).map_err(Failure::inconsistent)?;
        let responder = self.certify_responder(&urls, &issuer).await?;
        let server = self.certify_tls(&urls, &issuer, &plan.server, "server").await?;
        let portal = self.certify_tls(&urls, &issuer, &plan.portal, "portal").await?;
        let root_crl = self.root_crl(&root_issuer)?;
        let signed = [
            (label::ROOT, root),
            (label::ISSUING, issuing),
            (label::OCSP, responder),
            ("server", server),
            ("portal", portal),
        ];
        let made = signed.each_ref().map(|(name, signed)| (*name, signed.der.clone()));
        self.write_files(&made)?;
        let report = report::write(plan, self.policies, self.keys, &made)?;
        self.register(signed.into(), root_crl).await?;
        Ok(report)
    }

    async fn certify_root(&self, urls: &Urls) -> Result<Signed, Failure> {
        let key = self.subject_key(&self.keys.root)?;
        let wanted = Wanted {
            profile: "root-ca",
            subject: ca_subject(&self.plan.root)?,
            key,
            years: self.plan.root.years,
            issuer: IssuerRef::SelfSigned,
            issuer_name: label::ROOT,
        };
        self.certify(wanted, urls, &self.keys.root).await
    }

    async fn certify_issuing(&self, urls: &Urls, root: &Issuer) -> Result<Signed, Failure> {
        let key = self.subject_key(&self.keys.issuing)?;
        let wanted = Wanted {
            profile: "issuing-ca",
            subject: ca_subject(&self.plan.issuing)?,
            key,
            years: self.plan.issuing.years,
            issuer: IssuerRef::Ca(root),
            issuer_name: label::ROOT,
        };
        self.certify(wanted, urls, &self.keys.root).await
    }

    async fn certify_responder(&self, urls: &Urls, issuing: &Issuer) -> Result<Signed, Failure> {
        let key = self.subject_key(&self.keys.ocsp)?;
        let name = format!("{} OCSP", self.plan.issuing.common_name);
        let wanted = Wanted {
            profile: "ocsp-signer",
            subject: authority(&self.plan.issuing.organization, &name)?,
            key,
            years: self.plan.responder_years,
            issuer: IssuerRef::Ca(issuing),
            issuer_name: label::ISSUING,
        };
        self.certify(wanted, urls, &self.keys.issuing).await
    }

    /// TLS servers are no CA: their keys are files, made here, readable by their owner only.
    async fn certify_tls(
        &self,
        urls: &Urls,
        issuing: &Issuer,
        tls: &TlsPlan,
        name: &str,
    ) -> Result<Signed, Failure> {
        let pair = rcgen::KeyPair::generate().map_err(Failure::inconsistent)?;
        let spki = rcgen::PublicKeyData::subject_public_key_info(&pair);
        let key = SubjectKey::from_spki(&spki, self.policies.keys()).map_err(Failure::inconsistent)?;
        let organization = Name::parse(&self.plan.issuing.organization).map_err(Failure::inconsistent)?;
        let hosts = tls.names.iter().map(|name| Host::parse(name)).collect::<Result<_, _>>();
        let subject =
            hosts.and_then(|hosts| Subject::server(&organization, hosts)).map_err(Failure::inconsistent)?;
        let wanted = Wanted {
            profile: "tls-server",
            subject,
            key,
            years: tls.years,
            issuer: IssuerRef::Ca(issuing),
            issuer_name: label::ISSUING,
        };
        let signed = self.certify(wanted, urls, &self.keys.issuing).await?;
        files::write_secret(&self.plan.output.join(format!("{name}.key")), pair.serialize_pem().as_bytes())?;
        Ok(signed)
    }

    fn subject_key(&self, key: &CaKey) -> Result<SubjectKey, Failure> {
        SubjectKey::from_spki(&key.spki()?, self.policies.keys()).map_err(Failure::inconsistent)
    }

    /// The order of issuing holds here too: intent, one signature; the certificates are committed with the last act.
    async fn certify(&self, wanted: Wanted<'_>, urls: &Urls, signer: &CaKey) -> Result<Signed, Failure> {
        let now = wire::now();
        let not_before = Time::from_secs(now.secs());
        let profile = self.policies.profile(wanted.profile).map_err(Failure::inconsistent)?;
        let prepared = ca_core::prepare(&CertificatePlan {
            profile,
            subject: wanted.subject,
            serial: wire::serial(self.plan.serial_prefix)?,
            not_before,
            not_after: wire::last_second(not_before, wanted.years)?,
            key: PlanKey::Own(&wanted.key),
            issuer: wanted.issuer,
            urls,
            shard: 0,
            context: IntentContext {
                issuer: wanted.issuer_name.to_owned(),
                unit: None,
                application: None,
                attempt: None,
                token: None,
                actor: Actor::System("ceremony").to_string(),
                at: now,
            },
        })
        .map_err(Failure::inconsistent)?;
        let intent = prepared.intent().clone();
        let entry = audit(&intent, Action::RecordIntent, now);
        let recorded = self
            .store
            .record_intent(intent.clone(), move |tx| Ok::<_, Failure>(tx.append_audit(&entry)?))
            .await?;
        let issued = prepared.sign(recorded, |tbs| signer.sign(tbs)).map_err(Failure::inconsistent)?;
        Ok(Signed { intent, der: issued.der().to_vec() })
    }

    fn root_crl(&self, root: &Issuer) -> Result<CrlRecord, Failure> {
        let life = (Time::from_secs(wire::now().secs()), ROOT_CRL_DAYS);
        Draft::of_root(root, 1, life, (0, std::iter::empty())).prepare()?.sign(|tbs| self.keys.root.sign(tbs))
    }

    fn write_files(&self, made: &[(&'static str, Vec<u8>)]) -> Result<(), Failure> {
        let pem =
            |name: &str| made.iter().find(|(known, _)| *known == name).map(|(_, der)| certificate_pem(der));
        let pem = |name: &str| pem(name).unwrap_or_default();
        let chain = format!("{}{}", pem(label::ISSUING), pem(label::ROOT));
        let output = &self.plan.output;
        for (file, text) in [
            ("root.pem", pem(label::ROOT)),
            ("issuing.pem", pem(label::ISSUING)),
            ("chain.pem", chain),
            ("ocsp.pem", pem(label::OCSP)),
            ("server.pem", pem("server") + &pem(label::ISSUING)),
            ("portal.pem", pem("portal") + &pem(label::ISSUING)),
        ] {
            files::write_public(&output.join(file), text.as_bytes())?;
        }
        let config = toml::to_string_pretty(&self.plan.server_config()).map_err(Failure::inconsistent)?;
        files::write_public(&output.join(CONFIG_FILE), config.as_bytes())
    }

    /// Commits all certificates at once. The intents of a ceremony that came to nothing are burned like any other.
    async fn register(
        &self,
        signed: Vec<(&'static str, Signed)>,
        root_crl: CrlRecord,
    ) -> Result<(), Failure> {
        let title = self.plan.title.clone();
        let people: Vec<String> =
            self.plan.people.iter().map(|person| format!("{} ({})", person.name, person.role)).collect();
        self.store
            .write(WriteSite::Ceremony, move |tx| {
                let now = wire::now();
                for (name, Signed { intent, der }) in &signed {
                    tx.commit_issued(intent, der, CertificateState::Good, now)?;
                    tx.append_audit(&audit(intent, Action::IssueCertificate, now))?;
                    tx.insert_ca_certificate(name, der, now)?;
                }
                tx.next_crl_number(label::ROOT, 0)?;
                tx.insert_crl(&root_crl)?;
                let entry = AuditEntry::done(now, &Actor::System("ceremony"), Action::Ceremony, "ca", title);
                tx.append_audit(&entry.with("people", people.join(", ")))?;
                Ok::<_, Failure>(())
            })
            .await
    }
}

fn ca_subject(plan: &CaPlan) -> Result<Subject, Failure> {
    authority(&plan.organization, &plan.common_name)
}

fn authority(organization: &str, common_name: &str) -> Result<Subject, Failure> {
    let name = |text| Name::parse(text).map_err(Failure::inconsistent);
    Ok(Subject::authority(&name(organization)?, &name(common_name)?))
}

fn audit(intent: &Intent, action: Action, now: Time) -> AuditEntry {
    AuditEntry::done(now, &Actor::System("ceremony"), action, "certificate", intent.serial)
        .with("profile", &intent.profile)
}

/// PEM of a certificate (RFC 7468).
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    pem("CERTIFICATE", der)
}

fn pem(kind: &str, der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {kind}-----\n");
    for line in text.as_bytes().chunks(64) {
        lines.push_str(std::str::from_utf8(line).unwrap_or_default());
        lines.push('\n');
    }
    lines.push_str(&format!("-----END {kind}-----\n"));
    lines
}

/// Where a ceremony's report lies.
pub(crate) fn report_path(output: &Path) -> std::path::PathBuf {
    output.join("ceremony-report.json")
}

//! `staff add`: a member of staff, known from now on by the certificate for the key on their own token.

use std::path::PathBuf;

use ca_core::{
    Action, Actor, AuditEntry, CertificatePlan, CertificateState, IntentContext, IssuerRef, Name, PlanKey,
    Staff as Member, StaffId, Subject, UntrustedCsr,
};
use ca_store::WriteSite;
use ca_verifier::Time;
use clap::{Args, Subcommand};

use super::{Out, Server, Stop, operator};
use crate::{
    app::App,
    ceremony::certificate_pem,
    config::Config,
    files,
    problem::{Failure, Problem},
    rule::Rule,
    serve, wire,
};

/// The CSR's subject says only what it is for: the name comes from this command (I8).
const CSR_SUBJECT: &str = "qianyin-staff";
/// Years of a staff certificate.
const YEARS: u16 = 1;

#[derive(Subcommand)]
pub(super) enum Staff {
    /// Add one, with a CSR from their token (`ukey request`) | 添加工作人员
    Add(Add),
    /// List them | 列出工作人员
    List(Server),
}

#[derive(Args)]
pub(super) struct Add {
    /// Name | 姓名
    #[arg(long)]
    name: String,
    /// Roles of policies/roles.toml, by commas | 岗位
    #[arg(long, value_delimiter = ',', required = true)]
    role: Vec<String>,
    /// CSR, PEM or DER | 证书请求文件
    #[arg(long)]
    csr: PathBuf,
    /// Where the certificate goes, PEM | 证书输出文件
    #[arg(long)]
    output: PathBuf,
    #[command(flatten)]
    server: Server,
}

impl Staff {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        match self {
            Self::Add(add) => add.run(out).await,
            Self::List(server) => list(&server),
        }
    }
}

fn list(server: &Server) -> Result<(), Stop> {
    let config = Config::load(&server.config)?;
    let store = ca_store::Store::open(&config.database).map_err(Failure::Store)?;
    for member in store.read(|reader| reader.staff_list()).map_err(Failure::Store)? {
        println!("{} {} {} {}", member.id, member.name.as_str(), member.roles.join(","), member.certificate);
    }
    Ok(())
}

impl Add {
    async fn run(self, out: &Out) -> Result<(), Stop> {
        let app = serve::open(Config::load(&self.server.config)?)?;
        if let Some(unknown) =
            self.role.iter().find(|role| !app.policies.roles().names().any(|name| name == role.as_str()))
        {
            return Err(Problem::field("role", format!("policies/roles.toml has no role {unknown}")).into());
        }
        let name = Name::parse(&self.name).map_err(Problem::from)?;
        let der = files::read_pem_or_der(&self.csr, "CERTIFICATE REQUEST")?;
        let certificate = add(&app, name, self.role, &der).await?;
        files::write_public(&self.output, certificate_pem(&certificate).as_bytes())?;
        out.say(
            &format!("已添加 {}，证书：{}", self.name, self.output.display()),
            &format!("{} added; certificate: {}", self.name, self.output.display()),
        );
        Ok(())
    }
}

/// The order of issuing holds for staff, too: intent, one signature, certificate.
async fn add(app: &App, name: Name, roles: Vec<String>, csr: &[u8]) -> Result<Vec<u8>, Problem> {
    let refused = |refusal: ca_core::CsrRefusal| {
        Problem::new(Rule::Csr).with("rule", refusal.rule()).with("detail", refusal)
    };
    let csr = UntrustedCsr::read(csr).and_then(|csr| csr.validate(app.policies.keys(), Some(CSR_SUBJECT)));
    let csr = csr.map_err(refused)?;
    let now = wire::now();
    let id = StaffId::new(now, wire::random()?);
    let not_before = Time::from_secs(now.secs());
    let profile = app.policies.profile("staff-auth").map_err(Failure::inconsistent)?;
    let actor = Actor::Operator(operator());
    let prepared = ca_core::prepare(&CertificatePlan {
        profile,
        subject: Subject::staff(&Name::parse(&app.config.organization)?, &id, &name),
        serial: wire::serial(app.config.serial_prefix)?,
        not_before,
        not_after: wire::last_second(not_before, YEARS)?,
        key: PlanKey::Proven(&csr),
        issuer: IssuerRef::Ca(&app.ca.issuing),
        urls: &app.ca.urls,
        shard: 0,
        context: IntentContext {
            issuer: "issuing".to_owned(),
            unit: None,
            application: None,
            attempt: None,
            token: None,
            actor: actor.to_string(),
            at: now,
        },
    })
    .map_err(|refusal| Problem::new(Rule::Lint).with("findings", refusal))?;
    let intent = prepared.intent().clone();
    let serial = intent.serial;
    let entry = AuditEntry::done(now, &actor, Action::RecordIntent, "certificate", serial);
    let recorded = app
        .store
        .record_intent(intent.clone(), move |tx| tx.append_audit(&entry).map_err(Problem::from))
        .await?;
    let signer = app.ca.issuing_signer();
    let issued = prepared.sign(recorded, |tbs| signer.sign(tbs)).map_err(Failure::inconsistent)?;
    let der = issued.der().to_vec();
    app.store
        .write(WriteSite::RegisterStaff, move |tx| {
            let now = wire::now();
            tx.commit_issued(&intent, issued.der(), CertificateState::Good, now)?;
            tx.append_audit(&AuditEntry::done(now, &actor, Action::IssueCertificate, "certificate", serial))?;
            tx.insert_staff(&Member {
                id: id.clone(),
                name,
                roles: roles.clone(),
                certificate: serial.to_string(),
            })?;
            let entry = AuditEntry::done(now, &actor, Action::RegisterStaff, "staff", id);
            tx.append_audit(&entry.with("roles", roles.join(",")).with("certificate", serial))?;
            Ok::<_, Problem>(())
        })
        .await?;
    Ok(der)
}

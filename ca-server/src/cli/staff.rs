//! `staff add`: a member of staff, known from now on by the certificate for the key on their own token. The command
//! may be given again: the same key never makes a second member.

use std::path::PathBuf;

use ca_core::{
    Action, Actor, AuditEntry, CertificatePlan, CertificateState, IntentContext, IssuerRef, Name, PlanKey,
    Staff as Member, StaffId, Subject, UntrustedCsr, ValidatedCsr,
};
use ca_store::{WriteSite, kill_point};
use ca_verifier::{Serial, Time};
use clap::{Args, Subcommand};

use super::{Out, Server, Stop, bench, operator};
use crate::{
    app::{App, clock},
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
    /// Give one other roles, or none; in force with the next request | 更改岗位，立即生效
    SetRoles(SetRoles),
    /// List them | 列出工作人员
    List(Server),
}

#[derive(Args)]
pub(super) struct SetRoles {
    /// Identifier, as `staff list` shows it | 工作人员编号
    id: String,
    /// Roles of policies/roles.toml, by commas; none takes all away | 岗位
    #[arg(long, value_delimiter = ',')]
    role: Vec<String>,
    #[command(flatten)]
    server: Server,
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
            Self::SetRoles(set) => set.run(out).await,
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
        let app = serve::open(Config::load(&self.server.config)?).await?;
        check_roles(&app.policies, &self.role)?;
        let name = Name::parse(&self.name).map_err(Problem::from)?;
        let der = files::read_pem_or_der(&self.csr, "CERTIFICATE REQUEST")?;
        let csr = validate(&app, &der)?;
        let output = self.output.display();
        if let Some((member, certificate)) = known(&app, &csr)? {
            if member.name != name || member.roles != self.role {
                return Err(Problem::new(Rule::KeyUsed).into());
            }
            files::write_public(&self.output, certificate_pem(&certificate).as_bytes())?;
            out.say(
                &format!("{name} 已经登记过，没有再次登记；证书重新写入：{output}", name = self.name),
                &format!(
                    "{} is registered already and was not registered again; certificate: {output}",
                    self.name
                ),
            );
            return Ok(());
        }
        let certificate = add(&app, name, self.role, &csr).await?;
        files::write_public(&self.output, certificate_pem(&certificate).as_bytes())?;
        out.say(
            &format!("已添加 {}，证书：{output}", self.name),
            &format!("{} added; certificate: {output}", self.name),
        );
        Ok(())
    }
}

impl SetRoles {
    /// Needs the database only: a right is taken away even when the token of the CA is not there.
    async fn run(self, out: &Out) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        let policies = crate::policies::load(&config.policies)?;
        check_roles(&policies, &self.role)?;
        let store = ca_store::Store::open(&config.database).map_err(Failure::Store)?;
        let id = StaffId::parse(&self.id).map_err(Problem::from)?;
        let (actor, roles, staff) = (Actor::Operator(operator()), self.role.clone(), id.clone());
        store
            .write(WriteSite::RegisterStaff, move |tx| {
                let known = tx.staff_list()?.into_iter().find(|member| member.id == staff);
                let known = known.ok_or_else(|| Problem::not_found("staff"))?;
                tx.set_staff_roles(&staff, &roles)?;
                let entry = AuditEntry::done(wire::now(), &actor, Action::RegisterStaff, "staff", &staff);
                let entry = entry.with("before", known.roles.join(",")).with("roles", roles.join(","));
                tx.append_audit(&entry)?;
                Ok::<_, Problem>(())
            })
            .await?;
        let roles = self.role.join(",");
        out.say(&format!("{id} 的岗位已改为：{roles}"), &format!("{id} now has the roles: {roles}"));
        Ok(())
    }
}

/// Roles of staff that the policy has; accounts are known by a password and are no staff, and a portal's server is no person.
fn check_roles(policies: &ca_core::Policies, roles: &[String]) -> Result<(), Problem> {
    if roles.len() > 1 && roles.iter().any(|role| role == ca_core::policy::PORTAL) {
        return Err(Problem::field("role", "a portal's server has the role portal and no other"));
    }
    let known = |role: &str| policies.roles().names().any(|name| name == role);
    match roles.iter().find(|role| !known(role) || ca_core::Roles::is_account(role)) {
        Some(role) => {
            Err(Problem::field("role", format!("policies/roles.toml has no role {role} for staff")))
        }
        None => Ok(()),
    }
}

fn validate(app: &App, der: &[u8]) -> Result<ValidatedCsr, Problem> {
    let refused = |refusal: ca_core::CsrRefusal| {
        Problem::new(Rule::Csr).with("rule", refusal.rule()).with("detail", refusal)
    };
    let csr = UntrustedCsr::read(der).and_then(|csr| csr.validate(app.policies.keys(), Some(CSR_SUBJECT)));
    csr.map_err(refused)
}

/// Who has this key already, with the certificate: a command that a crash cut short, or one given twice.
fn known(app: &App, csr: &ValidatedCsr) -> Result<Option<(Member, Vec<u8>)>, Failure> {
    app.store.read(|reader| {
        for member in reader.staff_list()? {
            let serial = Serial::from_hex(&member.certificate).map_err(Failure::inconsistent)?;
            let Some(certificate) = reader.certificate(&serial)? else { continue };
            let spki = ca_core::spki_of_certificate(&certificate.der).map_err(Failure::inconsistent)?;
            if spki == csr.spki_der() {
                return Ok(Some((member, certificate.der)));
            }
        }
        Ok(None)
    })
}

/// A clerk with a key that nobody keeps, so that a benchmark can ask as one. Gives the certificate.
pub(super) async fn add_for_bench(app: &App) -> Result<Vec<u8>, Problem> {
    let csr = bench::csr(CSR_SUBJECT, &ring::rand::SystemRandom::new())?;
    add(app, Name::parse("性能测试员")?, vec!["clerk".to_owned()], &validate(app, &csr)?).await
}

/// The order of issuing holds for staff, too: intent, one signature, certificate.
async fn add(app: &App, name: Name, roles: Vec<String>, csr: &ValidatedCsr) -> Result<Vec<u8>, Problem> {
    let now = wire::now();
    clock::check(&app.store, now)?;
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
        key: PlanKey::Proven(csr),
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
    let issued = prepared.sign(recorded, |tbs| {
        kill_point("sign:before");
        let signature = signer.sign(tbs);
        kill_point("sign:after");
        signature
    });
    let issued = issued.map_err(Failure::inconsistent)?;
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

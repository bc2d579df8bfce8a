//! `bench`: how many certificates a second this machine issues, with a throw-away CA and the whole of step 6.
//!
//! CSR in, durable and audited certificate out, beside the limits of the same run: ring's P-256 and fdatasync.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use ca_core::{
    Actor, Agent, AgentId, Application, ApplicationId, ApplicationState, AttemptId, AttemptState, Author,
    Fen, IdCard, Identity, Name, OrderId, PaymentId, SignatureAlgorithm, StaffId, Unit, UnitId,
    billing::{Bill, BillCommand, Charge, Order, OrderState, Payer, Payment, PaymentMethod},
};
use ca_store::{AttemptRecord, Tx, WriteSite};
use ca_verifier::{Time, Uscc};
use clap::Args;
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
    },
};

use super::{Out, Stop, bench_ocsp, bench_orders, bench_search, init::Init};
use crate::{
    app::{App, IssueOrder},
    ceremony::CONFIG_FILE,
    config::Config,
    problem::{Failure, Problem},
    serve, wire,
};

#[derive(Args)]
pub(super) struct Bench {
    /// Empty folder for the throw-away CA | 临时 CA 的空目录
    #[arg(long)]
    dir: PathBuf,
    /// Folder of the policies | 策略目录
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// Clients at once, by commas | 并发数
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,256")]
    clients: Vec<usize>,
    /// Certificates in each round | 每轮签发数
    #[arg(long, default_value_t = 8000)]
    count: usize,
    /// Units to be searched among by 200 clerks at once, in the place of issuing | 改测检索：登记这么多单位
    #[arg(long)]
    search: Option<usize>,
    /// Paid orders among which statements and reconciliations are timed, in the place of issuing | 改测对账：订单数
    #[arg(long, conflicts_with = "search")]
    orders: Option<usize>,
    /// Random serial numbers asked of the OCSP responder, and the cost of its answers, in the place of issuing |
    /// 改测 OCSP：询问这么多个随机序列号
    #[arg(long, conflicts_with_all = ["search", "orders"])]
    ocsp: Option<usize>,
    /// Rows of the register that is imported; 0: none | 导入名册的行数
    #[arg(long, default_value_t = 500_000)]
    register: u32,
}

impl Bench {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        if !self.dir.join(CONFIG_FILE).exists() {
            Init::at(&self.dir, &self.policies).run(out).await?;
        }
        let config = Config::load(&self.dir.join(CONFIG_FILE))?;
        let app = Arc::new(serve::open(config).await?);
        let kind = if app.config.database.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" };
        if let Some(units) = self.search {
            return bench_search::run(&app, units).await;
        }
        if let Some(orders) = self.orders {
            return bench_orders::run(&app, orders, kind).await;
        }
        if let Some(random) = self.ocsp {
            return bench_ocsp::run(&app, random, ring_sign()?).await;
        }
        if self.register > 0 {
            super::bench_register::run(&app, &self.dir, self.register, kind).await?;
        }
        limits(&self.dir)?;
        for clients in self.clients {
            // One client alone waits for the disk at each step: fewer rounds say as much.
            let count = if clients < 8 { self.count.div_ceil(8) } else { self.count };
            let orders = seed(&app, count).await?;
            let (rate, p50, p99) = issue_all(&app, orders, clients).await?;
            println!("issue  {kind:<10} c={clients:<4} {rate:>7.0}/s  p50 {p50:>6.1} ms  p99 {p99:>6.1} ms");
        }
        limits(&self.dir)?;
        Ok(())
    }
}

async fn issue_all(app: &Arc<App>, orders: Vec<IssueOrder>, clients: usize) -> Result<(f64, f64, f64), Stop> {
    let (orders, next) = (Arc::new(orders), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (app, orders, next) = (Arc::clone(app), Arc::clone(&orders), Arc::clone(&next));
        tasks.push(tokio::spawn(async move {
            let mut waits = Vec::new();
            while let Some(order) = orders.get(next.fetch_add(1, Ordering::Relaxed)) {
                let asked = Instant::now();
                app.issue(order.clone()).await?;
                waits.push(asked.elapsed());
            }
            Ok::<_, Problem>(waits)
        }));
    }
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.map_err(Failure::inconsistent)??);
    }
    Ok(summary(waits, start.elapsed()))
}

/// Rate, median and 99th percentile of the waits, in milliseconds.
pub(super) fn summary(mut waits: Vec<Duration>, elapsed: Duration) -> (f64, f64, f64) {
    waits.sort_unstable();
    let at =
        |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1000.0;
    (per_second(waits.len(), elapsed), at(50), at(99))
}

pub(super) fn per_second(count: usize, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / elapsed.as_secs_f64()
}

/// Paid applications whose tokens are initialised, each with its CSR.
async fn seed(app: &Arc<App>, count: usize) -> Result<Vec<IssueOrder>, Stop> {
    let now = wire::now();
    let staff = StaffId::new(now, wire::random()?);
    let (unit, agent) = seed_people(app, &staff).await?;
    let random = SystemRandom::new();
    let mut orders = Vec::new();
    while orders.len() < count {
        let mut batch = Vec::new();
        for _ in 0..500.min(count - orders.len()) {
            let attempt = AttemptId::new(now, wire::random()?);
            batch.push(IssueOrder {
                csr: csr(attempt.as_str(), &random)?,
                former: None,
                token: format!("BENCH{attempt}"),
                application: ApplicationId::new(now, wire::random()?),
                actor: Actor::Staff(staff.clone()),
                attempt,
            });
        }
        orders.extend(batch.iter().cloned());
        let (unit, agent, staff) = (unit.clone(), agent.clone(), staff.clone());
        let seed_all = move |tx: &mut Tx<'_>| {
            for order in &batch {
                seed_one(tx, order, &unit, &agent, &staff)?;
            }
            Ok::<_, Problem>(())
        };
        app.store.write(WriteSite::Import, seed_all).await?;
    }
    Ok(orders)
}

pub(super) async fn seed_people(app: &Arc<App>, staff: &StaffId) -> Result<(Unit, AgentId), Problem> {
    let uscc = Uscc::parse("91320104000000019U")?;
    let card = IdCard::parse("11010519491231002X")?;
    let now = wire::now();
    let unit = Unit {
        id: UnitId::new(now, wire::random()?),
        code: uscc.into(),
        labour_no: "10000001".to_owned(),
        name: Name::parse("南京示例科技有限公司")?,
        province: "江苏省".to_owned(),
        city: "南京市".to_owned(),
        region: None,
        agency: Some("nanjing".to_owned()),
        name_flag: None,
        registered_by: staff.to_string(),
        registered_at: now,
        ended_at: None,
    };
    let id = AgentId::new(now, wire::random()?);
    let name = app.vault.seal_name(&id, wire::random()?, &Name::parse("张三")?);
    let id_card = app.vault.seal_id_card(&id, wire::random()?, &card);
    let (name, id_card) = (name.map_err(Failure::inconsistent)?, id_card.map_err(Failure::inconsistent)?);
    let index = id_card.index;
    let agent = Agent { id, identity: Identity::Known { name, id_card: Some(id_card) }, qualified_at: None };
    app.store
        .write(WriteSite::Import, move |tx| {
            if let (Some(unit), Some(agent)) = (tx.unit_by_code(&uscc.into())?, tx.agent_by_id_card(&index)?)
            {
                return Ok((unit, agent.id));
            }
            tx.insert_unit(&unit)?;
            tx.insert_agent(&agent)?;
            Ok((unit, agent.id))
        })
        .await
}

fn seed_one(
    tx: &mut Tx<'_>,
    order: &IssueOrder,
    unit: &Unit,
    agent: &AgentId,
    staff: &StaffId,
) -> Result<(), Problem> {
    let now = wire::now();
    seed_paid(tx, &order.application, Some(&order.attempt), (unit, agent, staff), now)?;
    tx.insert_attempt(&AttemptRecord {
        id: order.attempt.clone(),
        application: order.application.clone(),
        workstation: format!("bench-{}", order.attempt),
        clerk: Author::Staff(staff.clone()),
        wanted_token: Some(order.token.clone()),
        first_pin: None,
        state: AttemptState::Initialised { token: order.token.clone() },
        created_at: now,
        lease_until: now.plus_secs(3600),
        note: String::new(),
    })?;
    Ok(())
}

/// An application that is paid, and held by an attempt if there is one.
pub(super) fn seed_paid(
    tx: &mut Tx<'_>,
    id: &ApplicationId,
    attempt: Option<&AttemptId>,
    (unit, agent, staff): (&Unit, &AgentId, &StaffId),
    now: Time,
) -> Result<(), Problem> {
    let payment = PaymentId::new(now, wire::random()?);
    let fee = Fen::new(20_000);
    let paid = Some(payment.clone());
    tx.insert_application(&Application {
        id: id.clone(),
        kind: ca_core::ApplicationKind::New,
        unit: unit.id.clone(),
        unit_name: unit.name.clone(),
        unit_code: unit.code,
        agent: agent.clone(),
        profile: "unit-sign".to_owned(),
        years: 1,
        cps: String::new(),
        counter: None,
        contact: None,
        documents: Vec::new(),
        entered_by: Author::Staff(staff.clone()),
        entered_before: Vec::new(),
        entered_at: now,
        state: match attempt {
            Some(attempt) => ApplicationState::Personalising { payment: paid, attempt: attempt.clone() },
            None => ApplicationState::Paid { payment: paid },
        },
    })?;
    let payer = Payer::Unit(unit.id.clone());
    let due = Order {
        id: OrderId::new(now, wire::random()?),
        payer: payer.clone(),
        tariff: "bench".to_owned(),
        quoted_at: now,
        honoured_until: now,
        state: OrderState::Quoted,
        total: fee,
        waived: Fen::ZERO,
        received: Fen::ZERO,
        refunded: Fen::ZERO,
    };
    let charge = Charge {
        application: id.clone(),
        kind: ca_core::ApplicationKind::New.name(),
        total: fee,
        waived: Fen::ZERO,
        refunded: Fen::ZERO,
        earned: Fen::ZERO,
        live: true,
    };
    let mut bill = Bill::quoted(due, vec![charge])?;
    bill.apply(&BillCommand::Open)?;
    let postings = bill.apply(&BillCommand::Receive { method: PaymentMethod::Cash, amount: fee })?;
    tx.insert_bill(&bill, &[])?;
    tx.insert_payment(&Payment {
        id: payment.clone(),
        order: Some(bill.order.id.clone()),
        payer: Some(payer),
        method: PaymentMethod::Cash,
        reference: payment.to_string(),
        amount: fee,
        cashier: Some(staff.clone()),
        counter: None,
        code: payment.to_string(),
        at: now,
    })?;
    Ok(tx.book(("payment", payment.as_str()), Some(&bill.order.id), &postings, now)?)
}

pub(super) fn csr(subject: &str, random: &SystemRandom) -> Result<Vec<u8>, Failure> {
    let (_, key) = key_pair(random)?;
    let point: &[u8; 65] = key.public_key().as_ref().try_into().map_err(Failure::inconsistent)?;
    let info = ca_core::csr_info(subject, &ca_core::spki_from_ec_point(point));
    let signature = key.sign(random, &info).map_err(Failure::inconsistent)?;
    Ok(ca_core::assemble_csr(&info, SignatureAlgorithm::EcdsaP256Sha256, signature.as_ref()))
}

fn key_pair(random: &SystemRandom) -> Result<(Vec<u8>, EcdsaKeyPair), Failure> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random)
        .map_err(Failure::inconsistent)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), random);
    Ok((pkcs8.as_ref().to_vec(), pair.map_err(Failure::inconsistent)?))
}

/// What the machine itself can do, in the same run.
fn limits(dir: &Path) -> Result<(), Failure> {
    let random = SystemRandom::new();
    let (_, key) = key_pair(&random)?;
    let sign = rate(|| key.sign(&random, b"limit").map(|_| ()).map_err(Failure::inconsistent))?;
    let signature = key.sign(&random, b"limit").map_err(Failure::inconsistent)?;
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref());
    let verify = rate(|| public.verify(b"limit", signature.as_ref()).map_err(Failure::inconsistent))?;
    let path = dir.join("fdatasync.bench");
    let mut file = std::fs::File::create(&path).map_err(|error| Failure::file(&path, error))?;
    let sync = rate(|| Ok(file.write_all(&[0; 4096]).and_then(|()| file.sync_data())?))?;
    let _ = std::fs::remove_file(&path);
    println!("limit  ring P-256 sign {sign:.0}/s  verify {verify:.0}/s  fdatasync 4 KiB {sync:.0}/s");
    Ok(())
}

/// Raw P-256 signatures a second on one core.
fn ring_sign() -> Result<f64, Failure> {
    let random = SystemRandom::new();
    let (_, key) = key_pair(&random)?;
    rate(|| key.sign(&random, b"limit").map(|_| ()).map_err(Failure::inconsistent))
}

fn rate(mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < Duration::from_millis(500) {
        work()?;
        count += 1;
    }
    Ok(per_second(count, start.elapsed()))
}

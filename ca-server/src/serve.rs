//! The running server: both listeners and the workers, until it is asked to stop.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ca_core::{Action, Actor, AuditEntry, NoticeChannel, RevocationKey};
use ca_store::{Store, WriteSite};
use ca_verifier::Trust;
use tokio::sync::watch;
use zeroize::Zeroizing;

use crate::{
    app::App,
    ca::{Ca, label},
    channel::{Channels, gateway::Gateways},
    config::Config,
    http, listener, personal, policies,
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

/// How soon a change of status that any process made is seen.
const STATUS_POLL: Duration = Duration::from_millis(200);
/// Deadlines are days: a minute late is on time.
const DAY_POLL: Duration = Duration::from_secs(60);
const GATEWAY_POLL: Duration = Duration::from_secs(1);
const NOTICE_POLL: Duration = Duration::from_millis(500);
const HOUR: Duration = Duration::from_secs(3600);
const DRAIN: Duration = Duration::from_secs(5);

/// Opens everything that a use case needs.
pub(crate) async fn open(config: Config) -> Result<App, Failure> {
    crate::config::enter(&config.hsm.environment)?;
    let policies = policies::load(&config.policies)?;
    let store = Store::open(&config.database)?;
    let certificates: HashMap<String, Vec<u8>> =
        store.read(|reader| reader.ca_certificates())?.into_iter().collect();
    if certificates.is_empty() {
        return Err(Failure::no_ceremony());
    }
    let ca = Ca::open(&config, certificates)?;
    let channels = Channels::open(&config.notices)?;
    let gateways = Gateways::open(&config.gateways)?;
    let vault = personal::open(&store, &ca.secrets()).await?;
    let root = Zeroizing::new(ca.secrets().hmac(RevocationKey::DERIVATION)?);
    let keys = (vault, RevocationKey::new(&root));
    let epoch = store.read(|reader| reader.epoch())?;
    Ok(App::new(config, store, policies, ca, (channels, gateways), keys, epoch))
}

/// Serves until SIGINT or SIGTERM.
pub(crate) async fn serve(config: Config) -> Result<(), Failure> {
    let app = Arc::new(open(config).await?);
    let burned = app.recover().await.map_err(stopped)?;
    note(&app, Action::Start, burned).await?;
    let holder = hex::encode(wire::random::<8>()?);
    match app.refresh_crls(&holder).await {
        // The last one is served: status goes on, and the log says what is wrong.
        Err(problem) if problem.rule == Rule::CrlGuard => {
            tracing::error!(facts = ?problem.facts(), "CRL: refused")
        }
        done => drop(done.map_err(stopped)?),
    }

    let (stop, stopping) = watch::channel(false);
    let plain = tokio::net::TcpListener::bind(app.config.listen.http).await?;
    let secure = tokio::net::TcpListener::bind(app.config.listen.https).await?;
    let tls = tls_config(&app)?;
    println!("ca-server ready http://{} https://{}", plain.local_addr()?, secure.local_addr()?);
    let mut workers = vec![
        tokio::spawn(watch_status(Arc::clone(&app), holder, stopping.clone())),
        tokio::spawn(tell_status(Arc::clone(&app), stopping.clone())),
        tokio::spawn(keep_answers_ready(Arc::clone(&app), stopping.clone())),
        tokio::spawn(keep_days(Arc::clone(&app), stopping.clone())),
        tokio::spawn(every_hour(Arc::clone(&app), stopping.clone())),
        tokio::spawn(route_notices(Arc::clone(&app), stopping.clone())),
        tokio::spawn(deliver_notices(Arc::clone(&app), NoticeChannel::File, stopping.clone())),
        tokio::spawn(deliver_notices(Arc::clone(&app), NoticeChannel::Mail, stopping.clone())),
        tokio::spawn(deliver_notices(Arc::clone(&app), NoticeChannel::Webhook, stopping.clone())),
    ];
    for gateway in app.gateways.names() {
        workers.push(tokio::spawn(ask_gateway(Arc::clone(&app), gateway.to_owned(), stopping.clone())));
    }
    let status = http::status_router(Arc::clone(&app)).into_make_service_with_connect_info::<http::Peer>();
    let api = http::api_router(Arc::clone(&app)).into_make_service_with_connect_info::<http::Peer>();
    let status = axum::serve(plain, status).with_graceful_shutdown(told(stopping.clone()));
    let api =
        axum::serve(listener::TlsListener::new(secure, tls), api).with_graceful_shutdown(told(stopping));
    let serving = async { tokio::try_join!(status.into_future(), api.into_future()) };
    tokio::select! {
        ended = serving => { ended?; }
        () = asked_to_stop() => {
            tracing::info!("stopping");
            let _ = stop.send(true);
            // Kept-alive connections without a request must not hold the server up.
            tokio::time::sleep(DRAIN.min(Duration::from_millis(300))).await;
        }
    }
    for worker in workers {
        let _ = tokio::time::timeout(DRAIN, worker).await;
    }
    note(&app, Action::Stop, 0).await
}

fn tls_config(app: &App) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let certificate = |name: &str| {
        let der = app
            .ca
            .certificate(name)
            .ok_or_else(|| Failure::inconsistent(format!("no certificate {name}")))?;
        Ok::<_, Failure>(rustls::pki_types::CertificateDer::from(der.to_vec()))
    };
    let (root, issuing) = (certificate(label::ROOT)?, certificate(label::ISSUING)?);
    let trust = Trust::new(&[root], &[issuing]).map_err(Failure::inconsistent)?;
    listener::server_config(&app.config.tls.chain, &app.config.tls.key, &trust)
}

async fn watch_status(app: Arc<App>, holder: String, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        match app.refresh_crls(&holder).await {
            Ok(_) => {}
            // The CRL that is served stays; it says itself until when it is good.
            Err(problem) => tracing::error!(cause = ?problem.cause(), "CRL: {}", problem.rule.name()),
        }
        tokio::time::sleep(STATUS_POLL).await;
    }
}

/// Apart from the CRL, which takes seconds when it is large: what moved is forgotten here and told there at once.
async fn tell_status(app: Arc<App>, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let turn = Arc::clone(&app);
        let work = move || turn.hear_status().and_then(|()| turn.tell_status());
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => {}
            Ok(Err(problem)) => {
                tracing::error!(cause = ?problem.cause(), "status: {}", problem.rule.name());
            }
            Err(error) => tracing::error!(%error, "status"),
        }
        tokio::time::sleep(STATUS_POLL).await;
    }
    app.stream.stop();
}

/// What is half made at the end is not needed any more.
async fn keep_answers_ready(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = app.keep_answers_ready() => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Soon after the start, and each hour: renewals by themselves, then reminders of what ends, which tell of them; quotes that
/// are over.
async fn every_hour(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        match app.expire_renewals(wire::now()).await {
            Ok(count) => tracing::info!(count, "renewals that nobody paid for in time"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "renewals: {}", problem.rule.name()),
        }
        match app.order_renewals(wire::now()).await {
            Ok(count) => tracing::info!(count, "renewals ordered"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "renewals: {}", problem.rule.name()),
        }
        match app.ask_for_reminders().await {
            Ok(count) => tracing::info!(count, "reminders of certificates that end"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "reminders: {}", problem.rule.name()),
        }
        match app.hold_arrears(wire::now()).await {
            Ok(count) => tracing::info!(count, "orders on hold for arrears"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "arrears: {}", problem.rule.name()),
        }
        match app.keep_holds(wire::now()).await {
            Ok((told, ended)) => tracing::info!(told, ended, "holds that end by themselves"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "holds: {}", problem.rule.name()),
        }
        match app.renew_quotes(wire::now()).await {
            Ok(count) => tracing::info!(count, "orders with today's prices"),
            Err(problem) => tracing::error!(cause = ?problem.cause(), "quotes: {}", problem.rule.name()),
        }
        let _ = tokio::time::timeout(HOUR, stopping.wait_for(|stop| *stop)).await;
    }
}

/// What came of online payments for which no callback came. A worker of its own for each gateway: one that hangs holds up
/// no other.
async fn ask_gateway(app: Arc<App>, gateway: String, mut stopping: watch::Receiver<bool>) {
    let mut asked = HashMap::new();
    while !*stopping.borrow() {
        tokio::select! {
            done = app.ask_gateway_again(&gateway, &mut asked) => if let Err(problem) = done {
                tracing::error!(gateway, cause = ?problem.cause(), "online payments: {}", problem.rule.name());
            },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        let _ = tokio::time::timeout(GATEWAY_POLL, stopping.wait_for(|stop| *stop)).await;
    }
}

async fn route_notices(app: Arc<App>, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(problem) = app.route_notices().await {
            tracing::error!(cause = ?problem.cause(), "notices: {}", problem.rule.name());
        }
        tokio::time::sleep(NOTICE_POLL).await;
    }
}

/// What days bring by themselves: events of units whose day has come, applications that nobody went on with.
async fn keep_days(app: Arc<App>, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        let now = wire::now();
        if let Err(problem) = app.apply_unit_events(now).await {
            tracing::error!(cause = ?problem.cause(), "unit events: {}", problem.rule.name());
        }
        if let Err(problem) = app.expire_applications(now).await {
            tracing::error!(cause = ?problem.cause(), "applications: {}", problem.rule.name());
        }
        let mut stopping = stopping.clone();
        let stopped = async move { stopping.wait_for(|stop| *stop).await.is_ok() };
        let _ = tokio::time::timeout(DAY_POLL, stopped).await;
    }
}

/// A worker of its own for each channel: a mail server that hangs holds up no file. What is on its way at the end is
/// tried again after the next start.
async fn deliver_notices(app: Arc<App>, channel: NoticeChannel, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = app.keep_delivering(channel) => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

async fn note(app: &App, action: Action, burned: usize) -> Result<(), Failure> {
    let entry =
        AuditEntry::done(wire::now(), &Actor::System("server"), action, "server", env!("CARGO_PKG_VERSION"))
            .with("policies", hex::encode(app.policies.sha256()))
            .with("burned", burned);
    app.store.write(WriteSite::AppendAudit, move |tx| Ok::<_, Failure>(tx.append_audit(&entry)?)).await
}

fn stopped(problem: Problem) -> Failure {
    Failure::Refused(
        problem.cause().map_or_else(|| problem.to_string(), |cause| format!("{problem}\n{cause}")),
    )
}

async fn told(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender is gone: that, too, is the end.
    let _ = stopping.wait_for(|stop| *stop).await;
}

async fn asked_to_stop() {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

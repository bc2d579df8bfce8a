//! `test-gateway`: a payment gateway for tests and demonstrations, on this machine only. It speaks the protocol of
//! `docs/gateway.md`, keeps everything in memory, and misbehaves as the control URL tells it. Exit codes: 1 failed,
//! 2 usage.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test may stop at the first surprise"))]

mod app;
mod callback;
mod fault;
mod http;
mod key;
mod ledger;
mod operation;
mod page;

use std::{
    convert::Infallible, io::Write, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc,
    time::Duration,
};

use clap::Parser;
use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    app::App,
    key::{Algorithm, MerchantKey, Signer},
};

/// A payment gateway for tests: no money moves. 测试用支付网关。
#[derive(Parser)]
#[command(name = "test-gateway", version)]
struct Arguments {
    /// Address on this machine; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The merchant's number here
    #[arg(long)]
    merchant: String,
    /// How answers and callbacks are signed
    #[arg(long)]
    algorithm: Algorithm,
    /// What they are signed with, mode 0600: one line, or an RSA key in PKCS#8 PEM
    #[arg(long)]
    key_file: PathBuf,
    /// What the merchant's requests are checked with, mode 0600: one line
    #[arg(long)]
    merchant_key_file: PathBuf,
    /// What forgeries with another's key are signed with, as `key_file`; needed with --control and rsa-sha256
    #[arg(long, required_if_eq_all([("control", "true"), ("algorithm", "rsa-sha256")]))]
    other_key_file: Option<PathBuf>,
    /// PEM: whom to trust for callbacks over https
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Milliseconds before a callback that was not taken is sent again; doubles each time
    #[arg(long, default_value_t = 1_000)]
    retry_ms: u64,
    /// Serves /control/, by which tests make it misbehave
    #[arg(long)]
    control: bool,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: std::io::Error },
    #[error("{}: mode {mode:04o}: others can reach it; run chmod 600", file.display())]
    Mode { file: PathBuf, mode: u32 },
    #[error("{}: {why}", file.display())]
    Key { file: PathBuf, why: String },
    #[error("{0} is not on this machine: a gateway for tests serves nobody else")]
    Address(SocketAddr),
    #[error("the operating system gives no random numbers")]
    Randomness,
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Now.
pub(crate) fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// Octets of the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut octets = [0; N];
    SystemRandom::new().fill(&mut octets).map_err(|_| StartError::Randomness)?;
    Ok(octets)
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(never) => match never {},
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "test-gateway: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<Infallible, StartError> {
    if !arguments.listen.ip().is_loopback() {
        return Err(StartError::Address(arguments.listen));
    }
    let signer = Signer::open(arguments.algorithm, &arguments.key_file)?;
    let stranger = match &arguments.other_key_file {
        Some(file) => Signer::open(arguments.algorithm, file)?,
        // Of the wrong algorithm for RSA: without the control URL it is never used.
        None => Signer::stranger()?,
    };
    let merchant_key = MerchantKey::open(&arguments.merchant_key_file)?;
    let tls = arguments.ca_file.as_deref().map(callback::connector).transpose()?;
    let retry = Duration::from_millis(arguments.retry_ms);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(arguments.listen).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        // Who started it waits for this line.
        let mut output = std::io::stdout();
        writeln!(output, "{origin}/v1")?;
        output.flush()?;
        let (control, merchant) = (arguments.control, &arguments.merchant);
        let app = App::new((signer, stranger, merchant_key), tls, retry, control, origin, merchant);
        Ok(http::serve(Arc::new(app), listener).await?)
    })
}

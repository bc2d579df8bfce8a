//! P-256 signatures per second through the session pool on SoftHSM2, by hand:
//! `cargo run --release -p hsm --example sign_rate`.
#![expect(clippy::unwrap_used, reason = "a measurement may stop at the first surprise")]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use hsm::{Input, KeyAlgorithm, KeyId, Pin, SessionPool, testing::SoftHsm};

const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let conf = std::env::var_os("SOFTHSM2_CONF");
    if conf.is_none_or(|conf| !conf.to_string_lossy().contains("qianyin-softhsm")) {
        // SoftHSM2 wants its configuration before this process starts.
        let softhsm = SoftHsm::new();
        let (name, value) = softhsm.env();
        Command::new(std::env::current_exe().unwrap()).env(name, value).status().unwrap();
        return;
    }
    let conf = std::path::PathBuf::from(std::env::var_os("SOFTHSM2_CONF").unwrap());
    let softhsm = SoftHsm::at(conf.parent().unwrap());
    let token = softhsm.init_token("rate", "so-pin-1", "123456");
    let pin = || Pin::new("123456".to_owned()).unwrap();
    token
        .session(&pin())
        .unwrap()
        .generate_key_pair(KeyAlgorithm::EcP256, &KeyId::new(b"k").unwrap(), "k")
        .unwrap();
    for threads in [1, 2, 4, 8] {
        let pool = SessionPool::open(&token, pin(), 4).unwrap();
        let start = Instant::now();
        let work = || {
            let mut count = 0_u32;
            while start.elapsed() < MEASURED {
                pool.sign("k", Input::Sha256(&[7; 32])).unwrap();
                count += 1;
            }
            count
        };
        let total: u32 = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        println!("{threads} threads: {:.0} signatures/s", f64::from(total) / start.elapsed().as_secs_f64());
    }
}

//! `bench --ocsp`: random serial numbers, none of which may be told good, and what an answer costs without HTTP: cached,
//! and signed for a nonce, beside ring's raw P-256 signatures on one core.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use ca_core::{CertAnswer, CertId, HashAlgorithm, ocsp_questions};
use ca_verifier::{OcspAnswer, Serial, Standing};

use super::{Stop, bench};
use crate::{
    app::App,
    ca::label,
    problem::{Failure, Problem},
    wire,
};

/// Questions in one request, and in one look into the database.
const AT_ONCE: usize = 16;
/// One request in so many is asked as a client asks it, signed and verified; the others are looked up as it would be.
const SIGNED_EACH: usize = 500;
const CACHED: usize = 50_000;
const NONCES: usize = 4_000;
const CLIENTS: usize = 32;

pub(super) async fn run(app: &Arc<App>, random: usize, ring: f64) -> Result<(), Stop> {
    let serials = app
        .store
        .read(|reader| reader.current_serials(label::ISSUING, None, wire::now(), 1))
        .map_err(Failure::from)?;
    let known = *serials.first().ok_or_else(|| Failure::inconsistent("no certificate to ask about"))?;
    never_issued(app, random).await?;
    cached(app, known).await?;
    nonces(app, known, ring).await
}

/// Drawn as the CA draws its own, so that they look like them.
async fn never_issued(app: &Arc<App>, random: usize) -> Result<(), Stop> {
    let start = Instant::now();
    let (mut asked, mut good, mut signed, mut round) = (0, 0, 0, 0_usize);
    while asked < random {
        let mut ids = Vec::with_capacity(AT_ONCE);
        for _ in 0..AT_ONCE.min(random - asked) {
            let serial = wire::serial(app.config.serial_prefix)?;
            ids.push(CertId::of(&app.ca.issuing, HashAlgorithm::Sha1, serial));
        }
        let told = app.ocsp_statuses(&ids)?;
        good += told.iter().filter(|status| **status != CertAnswer::Unknown).count();
        if round.is_multiple_of(SIGNED_EACH) {
            for id in &ids {
                good += usize::from(ask(app, id, None).await?.is_some());
                signed += 1;
            }
        }
        (asked, round) = (asked + ids.len(), round + 1);
    }
    let rate = bench::per_second(asked, start.elapsed());
    println!(
        "ocsp   random serial numbers {asked}, {signed} of them signed and verified: {good} known, {rate:.0}/s"
    );
    if good > 0 {
        return Err(
            Failure::inconsistent(format!("{good} serial numbers that were never issued are known")).into()
        );
    }
    Ok(())
}

/// What a client learns from the whole way, with its checks; `None`: unknown.
async fn ask(app: &Arc<App>, id: &CertId, nonce: Option<&[u8]>) -> Result<Option<Standing>, Stop> {
    let answer = app.answer_ocsp(&ocsp_questions(std::slice::from_ref(id), nonce)).await;
    let issuer = app.ca.issuing.der();
    let read = OcspAnswer::verify(&answer.der, issuer, &id.serial(), nonce, wire::now());
    Ok(read.map_err(Failure::inconsistent)?.standing())
}

async fn cached(app: &Arc<App>, known: Serial) -> Result<(), Stop> {
    let id = CertId::of(&app.ca.issuing, HashAlgorithm::Sha1, known);
    ask(app, &id, None).await?;
    let request = ocsp_questions(&[id], None);
    let before = app.responding.counts.signed.load(Ordering::Relaxed);
    let start = Instant::now();
    for _ in 0..CACHED {
        app.answer_ocsp(&request).await;
    }
    let elapsed = start.elapsed();
    let signed = app.responding.counts.signed.load(Ordering::Relaxed) - before;
    let rate = bench::per_second(CACHED, elapsed);
    println!("ocsp   cached {rate:.0}/s on one core, {:.2} µs each, {signed} signed anew", 1e6 / rate);
    Ok(())
}

async fn nonces(app: &Arc<App>, known: Serial, ring: f64) -> Result<(), Stop> {
    let id = CertId::of(&app.ca.issuing, HashAlgorithm::Sha1, known);
    ask(app, &id, Some(&[7; 32])).await?;
    let (next, start) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (app, next, id) = (Arc::clone(app), Arc::clone(&next), id.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                while next.fetch_add(1, Ordering::Relaxed) < NONCES {
                    let nonce = wire::random::<32>()?;
                    let answer =
                        app.answer_ocsp(&ocsp_questions(std::slice::from_ref(&id), Some(&nonce))).await;
                    // An error has a few octets and no signature.
                    answered += usize::from(answer.der.len() > 100);
                }
                Ok::<_, Problem>(answered)
            })
        })
        .collect();
    let mut answered = 0;
    for client in clients {
        answered += client.await.map_err(Failure::inconsistent)??;
    }
    let rate = bench::per_second(answered, start.elapsed());
    let signers = app.config.ocsp.signers;
    println!(
        "ocsp   with a nonce {rate:.0}/s by {signers} signers, {answered} of {NONCES} answered  ratio to ring sign {:.2}",
        rate / ring
    );
    Ok(())
}

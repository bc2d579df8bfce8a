//! `bench --orders`: what a unit's statement and a day's reconciliation take when many orders are on file, spread over a
//! year; each beside the goal of one second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ca_core::{
    ApplicationId, StaffId, Unit,
    billing::{Account, Payer},
};
use ca_store::{Tx, WriteSite};

use super::{Stop, bench};
use crate::{app::App, problem::Problem, wire};

/// Orders made in one transaction.
const CHUNK: usize = 2_000;
const ROUNDS: u32 = 50;
const YEAR_MILLIS: i64 = 365 * 86_400_000;
/// Entries of one page of a statement.
const PAGE: i64 = 100;
const GOAL_MS: f64 = 1_000.0;

pub(super) async fn run(app: &Arc<App>, orders: usize, kind: &str) -> Result<(), Stop> {
    let start = Instant::now();
    let unit = seed(app, orders).await?;
    println!(
        "seed      {kind:<10} {orders} paid orders of a year, {:.0}/s",
        bench::per_second(orders, start.elapsed())
    );
    let account = Account::Credit(Payer::Unit(unit.id));
    let entries = i64::try_from(orders).unwrap_or(i64::MAX).saturating_mul(2);
    tell(kind, "statement", |round| {
        let after = entries / i64::from(ROUNDS) * i64::from(round);
        app.store.read(|reader| {
            reader.balance(&account)?;
            reader.booked(&account, after, PAGE).map(drop)
        })?;
        Ok(())
    })?;
    tell(kind, "reconcile", |round| {
        let day = wire::china_day(wire::now().plus_secs(-86_400 * i64::from(round * 7 + 1)))?;
        app.reconcile(&day.to_string()).map(drop)
    })
}

fn tell(kind: &str, name: &str, work: impl Fn(u32) -> Result<(), Problem>) -> Result<(), Stop> {
    let (start, mut waits): (_, Vec<Duration>) = (Instant::now(), Vec::new());
    for round in 0..ROUNDS {
        let asked = Instant::now();
        work(round)?;
        waits.push(asked.elapsed());
    }
    let (_, p50, p99) = bench::summary(waits, start.elapsed());
    println!(
        "{name:<9} {kind:<10} p50 {p50:>7.1} ms  p99 {p99:>7.1} ms  ratio to the goal of 1 s {:.3}",
        p99 / GOAL_MS
    );
    Ok(())
}

async fn seed(app: &Arc<App>, orders: usize) -> Result<Unit, Problem> {
    let now = wire::now();
    let staff = StaffId::new(now, wire::random()?);
    let (unit, agent) = bench::seed_people(app, &staff).await?;
    let count = i64::try_from(orders).unwrap_or(i64::MAX).max(1);
    let mut number = 0;
    while number < count {
        let last = count.min(number.saturating_add(i64::try_from(CHUNK).unwrap_or(1)));
        let (unit, agent, staff) = (unit.clone(), agent.clone(), staff.clone());
        let work = move |tx: &mut Tx<'_>| {
            for one in number..last {
                let at = now.plus_secs((YEAR_MILLIS / count * one - YEAR_MILLIS) / 1000);
                let application = ApplicationId::new(at, wire::random()?);
                bench::seed_paid(tx, &application, None, (&unit, &agent, &staff), at)?;
            }
            Ok::<_, Problem>(())
        };
        app.store.write(WriteSite::Import, work).await?;
        number = last;
    }
    Ok(unit)
}

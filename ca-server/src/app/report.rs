//! What the day, the months and the counters come to: read from the same rows that everything else is made of.

use std::collections::{BTreeMap, BTreeSet};

use ca_core::{ApplicationKind, Fen, billing::PaymentMethod};
use ca_store::Span;
use ca_verifier::{Serial, Time};
use jiff::{ToSpan, civil::Date};

use super::{App, shift::span};
use crate::{problem::Problem, wire};

const DAYS_MAX: i64 = 366;
/// Rows that a difference names.
const NAMED: usize = 50;
/// A certificate and its entry are of one transaction, whose moments may fall on both sides of midnight.
const MIDNIGHT_SECS: i64 = 60;

/// Something of a day that a person must look at.
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) zh: &'static str,
    pub(crate) en: &'static str,
    /// How many there are.
    pub(crate) count: usize,
    /// The first of them.
    pub(crate) rows: Vec<String>,
}

/// A line of a day's sums.
pub(crate) struct Sum {
    /// The counter; none for what no counter took.
    pub(crate) counter: Option<String>,
    pub(crate) method: PaymentMethod,
    pub(crate) count: i64,
    pub(crate) amount: Fen,
    /// Paid out of the till, in fen.
    pub(crate) paid_out: Fen,
}

/// A day, reconciled.
pub(crate) struct Reconciliation {
    pub(crate) sums: Vec<Sum>,
    /// What does not agree.
    pub(crate) differences: Vec<Finding>,
    /// What waits for somebody.
    pub(crate) open: Vec<Finding>,
}

/// A part of the revenue.
pub(crate) struct Revenue {
    pub(crate) key: String,
    pub(crate) amount: Fen,
}

/// Certificates that end in one month.
pub(crate) struct Month {
    pub(crate) month: String,
    pub(crate) ending: i64,
    /// Renewals that wait for a decision or for money.
    pub(crate) applied: i64,
    /// Renewals that are settled and not executed yet.
    pub(crate) paid: i64,
    /// What the renewal of all of them costs today.
    pub(crate) expected: Fen,
}

impl App {
    /// Compares everything that is recorded of a day in two places.
    pub(crate) fn reconcile(&self, day: &str) -> Result<Reconciliation, Problem> {
        let span = span(day)?;
        let mut differences = Vec::new();
        let mut differ = |what, (zh, en), rows: Vec<String>| {
            if !rows.is_empty() {
                differences.push(Finding { what, zh, en, count: rows.len(), rows: first(rows) });
            }
        };
        let days = self.counter_days(day)?;
        self.store
            .read(|reader| {
                let (came, went) = (reader.takings(span)?, reader.pay_outs(span)?);
                let mut received: BTreeMap<PaymentMethod, i64> = BTreeMap::new();
                for one in &came {
                    *received.entry(one.method).or_default() += one.amount.get();
                }
                let booked: BTreeMap<_, _> = reader.booked_in(span)?.into_iter().collect();
                let rows = PaymentMethod::ALL.into_iter().filter_map(|method| {
                    let (payments, book) = (
                        received.get(&method).copied().unwrap_or_default(),
                        booked.get(&method).map_or(0, |fen| fen.get()),
                    );
                    (payments != book)
                        .then(|| format!("{}: {} / {}", method.name(), Fen::new(payments), Fen::new(book)))
                });
                differ("book", ("收款与账簿不符", "payments and the book differ"), rows.collect());
                let limit = i64::try_from(NAMED + 1).unwrap_or(i64::MAX);
                let unasked = reader.online_unasked(span, limit)?;
                differ(
                    "online",
                    ("网关到账无对应的在线支付", "a gateway's money that nobody asked for"),
                    unasked,
                );
                let wide = Span {
                    from: span.from.plus_secs(-MIDNIGHT_SECS),
                    until: span.until.plus_secs(MIDNIGHT_SECS),
                };
                let set = |serials: Vec<Serial>| serials.into_iter().collect::<BTreeSet<_>>();
                let (made, logged) = (set(reader.made(wide)?), set(reader.made_by_log(wide)?));
                let (of_day, logged_of_day) = (set(reader.made(span)?), set(reader.made_by_log(span)?));
                let lost = of_day.difference(&logged).map(ToString::to_string);
                differ(
                    "log",
                    ("证书没有日志记录", "certificates without an entry in the log"),
                    lost.collect(),
                );
                // Certificates of staff and of the CA itself are logged as well, and are for no application.
                let mut extra = Vec::new();
                for serial in logged_of_day.difference(&made) {
                    if reader.certificate(serial)?.is_none() {
                        extra.push(serial.to_string());
                    }
                }
                differ(
                    "certificates",
                    ("日志有记录而没有证书", "entries in the log without a certificate"),
                    extra,
                );

                let mut open = Vec::new();
                let mut wait = |what, (zh, en), count: usize, rows| {
                    if count > 0 {
                        open.push(Finding { what, zh, en, count, rows });
                    }
                };
                let unclosed = days.iter().filter(|day| {
                    let used = day.recorded.certificates > 0
                        || day.recorded.tokens_issued > 0
                        || came.iter().any(|one| one.counter.as_deref() == Some(&day.counter));
                    used && !day.close.as_ref().is_some_and(|close| close.state.is_closed())
                });
                let unclosed: Vec<String> = unclosed.map(|day| day.counter.clone()).collect();
                wait("shift", ("柜台尚未结账", "counters that are not closed"), unclosed.len(), unclosed);
                let mut nowhere = Vec::new();
                for method in [PaymentMethod::Cash, PaymentMethod::Card] {
                    let receipts = reader.receipts_at(None, method.name(), span, limit)?;
                    nowhere.extend(receipts.into_iter().map(|(number, fen)| format!("{number} {fen}")));
                }
                wait(
                    "counter",
                    ("现金、刷卡收款未注明柜台", "cash and cards of no counter"),
                    nowhere.len(),
                    first(nowhere),
                );
                for (what, words, (count, fen)) in [
                    ("unmatched", ("银行来款待认领", "bank money that fits no order"), reader.unmatched()?),
                    ("payable", ("退款待付出", "refunds that are not paid out"), reader.payable()?),
                    ("arrears", ("被收回的款项待补缴", "money that was taken back"), reader.arrears()?),
                ] {
                    let count = usize::try_from(count).unwrap_or_default();
                    wait(what, words, count, vec![fen.to_string()]);
                }
                let mut sums: Vec<Sum> = came
                    .into_iter()
                    .map(|one| Sum {
                        paid_out: Fen::ZERO,
                        counter: one.counter,
                        method: one.method,
                        count: one.count,
                        amount: one.amount,
                    })
                    .collect();
                for out in went {
                    match sums.iter_mut().find(|sum| sum.counter == out.counter && sum.method == out.method) {
                        Some(sum) => sum.paid_out = out.amount,
                        None => sums.push(Sum {
                            counter: out.counter,
                            method: out.method,
                            count: 0,
                            amount: Fen::ZERO,
                            paid_out: out.amount,
                        }),
                    }
                }
                Ok((sums, open))
            })
            .map(|(sums, open)| Reconciliation { sums, differences, open })
    }

    /// What was earned in a span of days, by `day`, `counter` or `kind`.
    pub(crate) fn revenue(&self, from: &str, to: &str, by: &str) -> Result<Vec<Revenue>, Problem> {
        let (first, last) = (span(from)?, span(to)?);
        let days = (last.until.secs() - first.from.secs()) / 86_400;
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Problem::field("to", format!("1 to {DAYS_MAX} days are needed")));
        }
        let earned = self.store.read(|reader| reader.earned(Span { from: first.from, until: last.until }))?;
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for one in earned {
            let key = match by {
                "day" => {
                    let moment = Time::from_secs(one.day * 86_400);
                    // Days since the epoch as China counts them: no zone is applied again.
                    moment.to_string().chars().take(10).collect()
                }
                "counter" => one.counter.unwrap_or_default(),
                "kind" => one.kind,
                _ => return Err(Problem::field("by", "one of day, counter, kind is needed")),
            };
            *sums.entry(key).or_default() += one.amount.get();
        }
        Ok(sums.into_iter().map(|(key, fen)| Revenue { key, amount: Fen::new(fen) }).collect())
    }

    /// Certificates that end in each of the next months, and what their renewal comes to.
    pub(crate) fn expected_renewals(&self, from: &str, months: u8) -> Result<Vec<Month>, Problem> {
        let wrong = || Problem::field("from", "a month YYYY-MM is needed");
        let mut first: Date = Some(from)
            .filter(|from| from.len() == 7)
            .and_then(|from| format!("{from}-01").parse().ok())
            .ok_or_else(wrong)?;
        if !(1..=24).contains(&months) {
            return Err(Problem::field("months", "1 to 24 months are needed"));
        }
        let now = wire::now();
        let years = self.policies.applications().renewal().years;
        let of = Serial::from_content(&[1]).map_err(|_| wrong())?;
        let price = self.tariff(now)?.quote(ApplicationKind::Renew { of }, years, None, now)?.total.get();
        let mut found = Vec::new();
        for _ in 0..months {
            let next = first.checked_add(1.month()).map_err(|_| wrong())?;
            let begin = |day: Date| wire::china_midnight(&day.to_string()).ok_or_else(wrong);
            let rows = self
                .store
                .read(|reader| Ok::<_, Problem>(reader.renewals_due(begin(first)?, begin(next)?)?))?;
            let (mut ending, mut applied, mut paid) = (0, 0, 0);
            for (state, count) in rows {
                ending += count;
                match state.as_deref() {
                    None => {}
                    Some("submitted" | "approved") => applied += count,
                    Some(_) => paid += count,
                }
            }
            let expected = Fen::new(price.saturating_mul(ending));
            let month = first.to_string().chars().take(7).collect();
            found.push(Month { month, ending, applied, paid, expected });
            first = next;
        }
        Ok(found)
    }
}

fn first(mut rows: Vec<String>) -> Vec<String> {
    rows.truncate(NAMED);
    rows
}

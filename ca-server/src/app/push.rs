//! Step 9: status by push. One signed message a second, or as soon as something moved, for everybody who listens to this
//! instance; and the signed snapshot to start from. Both are read from the database, so that what another instance did is
//! told as soon as what this one did. Nothing is told while the database does not answer: silence is what portals notice.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use ca_core::{StatusMessage, StatusSnapshotPlan};
use ca_store::{CrlSource, StatusRecord};
use ca_verifier::{
    STATUS_CHANGES_MAX, STATUS_MESSAGE_OCTETS_MAX, SignedStatus, StatusChange, StatusSnapshot, Time,
};
use hyper::body::Bytes;
use ring::digest::{SHA256, digest};
use tokio::{
    sync::{Semaphore, broadcast, mpsc},
    time::timeout,
};

use super::{App, crl::ISSUING};
use crate::{
    problem::{Failure, Problem},
    rule::Rule,
    wire,
};

const HEARTBEAT: Duration = Duration::from_secs(1);
/// Changes in a message, but for those of one epoch, which are never parted.
const TURN: i64 = 10_000;
/// Messages that a subscriber may be behind.
const BEHIND: usize = 16;
/// Whoever takes no message for so long is not served any more.
const SLOW: Duration = Duration::from_secs(10);
/// Subscribers of this instance, and of one place on the network.
const SEATS: usize = 1024;
const SEATS_EACH_PLACE: usize = 16;
/// Messages for those who were away, signed at once.
const CATCHING_UP: usize = 2;
/// A snapshot of the same epoch is made anew after so long, since the responder's certificate stands in it.
const SNAPSHOT_AGE: Duration = Duration::from_secs(12 * 3600);
/// A snapshot takes at most every fifth second of one core, however much moves: what moved since is in the stream.
const SNAPSHOT_REST: u32 = 4;

/// What this instance tells, and to how many.
#[derive(Debug)]
pub(crate) struct StatusStream {
    last: Mutex<Last>,
    told: broadcast::Sender<Told>,
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
    catching_up: Semaphore,
    snapshot: tokio::sync::Mutex<Option<Arc<SnapshotFile>>>,
    /// Subscribers that were too slow, since the start.
    pub(crate) dropped: AtomicI64,
}

/// How far this instance has told.
#[derive(Clone, Copy, Debug)]
struct Last {
    epoch: i64,
    at: Time,
    /// By the machine's own clock, which nobody sets.
    when: Option<Instant>,
}

/// What all subscribers are told.
#[derive(Clone, Debug)]
enum Told {
    Status {
        from: i64,
        to: i64,
        at: Time,
        /// `None`: too much for a message.
        event: Option<Bytes>,
    },
    Stopping,
}

/// A snapshot as it is served.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    epoch: i64,
    pub(crate) octets: Bytes,
    /// Names these octets and no others.
    pub(crate) tag: String,
    made: Instant,
    cost: Duration,
}

/// Why a stream ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The client must take the snapshot: what it lacks is too much for a message, or it knows more than the database.
    Snapshot(&'static str),
    /// The client reconnects: it was too slow, the server stops, the message could not be made.
    Over(&'static str),
}

/// A place at the stream, given back when it is dropped.
#[derive(Debug)]
struct Seat {
    place: IpAddr,
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = seats.get_mut(&self.place) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.place);
            }
        }
    }
}

impl StatusStream {
    /// Has told everything up to `epoch`.
    pub(crate) fn new(epoch: i64) -> Self {
        Self {
            last: Mutex::new(Last { epoch, at: Time::from_millis(0), when: None }),
            told: broadcast::channel(BEHIND).0,
            seats: Arc::default(),
            catching_up: Semaphore::new(CATCHING_UP),
            snapshot: tokio::sync::Mutex::default(),
            dropped: AtomicI64::new(0),
        }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// The epoch that was told last, and how many milliseconds ago; -1 before the first message.
    pub(crate) fn last_told(&self) -> (i64, i64) {
        let last = self.last();
        let age = last.when.map(|when| i64::try_from(when.elapsed().as_millis()).unwrap_or(i64::MAX));
        (last.epoch, age.unwrap_or(-1))
    }

    /// All subscribers are told that this is the end.
    pub(crate) fn stop(&self) {
        let _ = self.told.send(Told::Stopping);
    }

    fn last(&self) -> Last {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From the returned state on nothing is missed.
    fn join(&self) -> (broadcast::Receiver<Told>, Last) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (self.told.subscribe(), *last)
    }

    fn tell(&self, from: i64, to: i64, at: Time, event: Option<Bytes>) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Last { epoch: to, at, when: Some(Instant::now()) };
        // An error means that nobody listens.
        let _ = self.told.send(Told::Status { from, to, at, event });
    }

    fn sit_down(&self, address: IpAddr) -> Result<Seat, Problem> {
        // Whoever has one address of IPv6 has 2^64 of them.
        let place = match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::from(((address.to_bits() >> 64) << 64).to_be_bytes()),
            v4 @ IpAddr::V4(_) => v4,
        };
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.values().sum::<usize>() >= SEATS {
            return Err(Problem::new(Rule::Busy));
        }
        let taken = seats.entry(place).or_default();
        if *taken >= SEATS_EACH_PLACE {
            return Err(Problem::new(Rule::TooMany));
        }
        *taken += 1;
        Ok(Seat { place, seats: Arc::clone(&self.seats) })
    }
}

impl App {
    /// Tells what moved since the last turn, or that nothing did. Called by one worker only.
    pub(crate) fn tell_status(&self) -> Result<(), Problem> {
        loop {
            let last = self.stream.last();
            let (now, found) = self.store.read(|reader| {
                let now = reader.epoch()?;
                let moved = now > last.epoch;
                let found = if moved { reader.status_changes(last.epoch, TURN)? } else { Vec::new() };
                Ok::<_, Problem>((now, found))
            })?;
            // A database that went back was restored: nothing is told until it is ahead again.
            let early = last.when.is_some_and(|when| when.elapsed() < HEARTBEAT);
            if now < last.epoch || (now == last.epoch && early) {
                return Ok(());
            }
            let whole = i64::try_from(found.len()).is_ok_and(|count| count < TURN);
            let to = if whole { now } else { found.last().map_or(now, |(epoch, _)| *epoch) };
            // Later than the message before, whatever the clock does.
            let at = wire::now().max(Time::from_millis(last.at.millis() + 1));
            let message = self.status_message(last.epoch, to, at, found)?;
            self.stream.tell(last.epoch, to, at, message.map(|jws| event("status", Some(to), &jws)));
            if whole {
                return Ok(());
            }
        }
    }

    /// `None` when it is too much for one message. One C_Sign, in this thread.
    fn status_message(
        &self,
        from: i64,
        to: i64,
        at: Time,
        found: Vec<(i64, StatusRecord)>,
    ) -> Result<Option<String>, Failure> {
        let ours = found.into_iter().map(|(_, record)| record).filter(|record| record.issuer == ISSUING);
        let changes: Vec<StatusChange> = ours.map(change).collect();
        if changes.len() > STATUS_CHANGES_MAX {
            return Ok(None);
        }
        let (issuer, responder) = (&self.ca.issuing, &self.ca.responder);
        let (from, to) = (epoch(from)?, epoch(to)?);
        let message = StatusMessage { issuer, responder, from, to, at, changes: &changes };
        let signer = self.ca.responder_signer();
        let jws = message.prepare().sign(|octets| signer.sign(octets)).map_err(Failure::inconsistent)?;
        if jws.len() > STATUS_MESSAGE_OCTETS_MAX {
            return Ok(None);
        }
        // Read back with the relying parties' own code: what they could not use is not told.
        SignedStatus::verify(jws.as_bytes(), issuer.der(), wire::now()).map_err(Failure::inconsistent)?;
        Ok(Some(jws))
    }

    /// Events from the epoch `after` on, for a client at `address`. Ends with the receiver.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        address: IpAddr,
        after: i64,
    ) -> Result<mpsc::Receiver<Bytes>, Problem> {
        let seat = self.stream.sit_down(address)?;
        // One for the next message, one for the last word.
        let (sender, receiver) = mpsc::channel(2);
        let app = Arc::clone(self);
        tokio::spawn(async move {
            let _seat = seat;
            let Ok(last_word) = sender.clone().reserve_owned().await else { return };
            let end = tokio::select! {
                end = app.serve_subscriber(after, &sender) => end,
                () = sender.closed() => return,
            };
            last_word.send(end.event());
        });
        Ok(receiver)
    }

    async fn serve_subscriber(self: &Arc<Self>, after: i64, sender: &mpsc::Sender<Bytes>) -> End {
        let (mut told, last) = self.stream.join();
        // Another instance may have told more already than this one; nobody can know more than the database.
        match self.store.read(|reader| reader.epoch()) {
            Ok(now) if after > now => return End::Snapshot("ahead"),
            Ok(_) => {}
            Err(error) => return failed(&error),
        }
        let mut held = after;
        let begun = self.give(sender, Bytes::from_static(b": qianyin status\nretry: 1000\n\n")).await;
        let done = match begun {
            Ok(()) if held < last.epoch => self.catch_up(&mut held, (last.epoch, last.at), sender).await,
            begun => begun,
        };
        if let Err(end) = done {
            return end;
        }
        loop {
            let (from, to, at, event) = match told.recv().await {
                Ok(Told::Status { from, to, at, event }) => (from, to, at, event),
                Ok(Told::Stopping) | Err(broadcast::error::RecvError::Closed) => {
                    return End::Over("stopping");
                }
                Err(broadcast::error::RecvError::Lagged(_)) => return self.too_slow(),
            };
            let done = match event {
                // This instance has not heard yet of what the client knows.
                _ if to < held || (to == held && from < held) => Ok(()),
                None => return End::Snapshot("too-much"),
                Some(event) if from == held => {
                    held = to;
                    self.give(sender, event).await
                }
                Some(_) => self.catch_up(&mut held, (to, at), sender).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// One message from `held` to what was told to all at `at`. What moved since then may be in it, and is told again.
    async fn catch_up(
        self: &Arc<Self>,
        held: &mut i64,
        (to, at): (i64, Time),
        sender: &mpsc::Sender<Bytes>,
    ) -> Result<(), End> {
        let turn = self.stream.catching_up.acquire().await.map_err(|_| End::Over("stopping"))?;
        let (app, from) = (Arc::clone(self), *held);
        let work = move || {
            // One more than fits: with it, what is left out is seen.
            let most = i64::try_from(STATUS_CHANGES_MAX).unwrap_or(i64::MAX).saturating_add(1);
            let found = app.store.read(|reader| reader.status_changes(from, most))?;
            if found.len() > STATUS_CHANGES_MAX {
                return Ok(None);
            }
            // Before the first message there is no time of it.
            let at = if at.millis() == 0 { wire::now() } else { at };
            app.status_message(from, to, at, found)
        };
        let made = tokio::task::spawn_blocking(work).await;
        drop(turn);
        let message = made.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let message = message.ok_or(End::Snapshot("too-much"))?;
        *held = to;
        self.give(sender, event("status", Some(to), &message)).await
    }

    async fn give(&self, sender: &mpsc::Sender<Bytes>, event: Bytes) -> Result<(), End> {
        match timeout(SLOW, sender.send(event)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Over("closed")),
            Err(_) => Err(self.too_slow()),
        }
    }

    fn too_slow(&self) -> End {
        self.stream.dropped.fetch_add(1, Ordering::Relaxed);
        End::Over("slow")
    }

    /// The snapshot to start from: made once for all who ask.
    pub(crate) async fn status_snapshot(self: &Arc<Self>) -> Result<Arc<SnapshotFile>, Problem> {
        let mut kept = self.stream.snapshot.lock().await;
        let now = self.store.read(|reader| reader.epoch())?;
        if let Some(file) = kept.as_ref() {
            let (age, rest) = (file.made.elapsed(), file.cost * SNAPSHOT_REST);
            if age < rest || (file.epoch == now && age < SNAPSHOT_AGE) {
                return Ok(Arc::clone(file));
            }
        }
        let app = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || app.make_snapshot()).await;
        let made = Arc::new(made.map_err(Failure::inconsistent)??);
        *kept = Some(Arc::clone(&made));
        Ok(made)
    }

    fn make_snapshot(&self) -> Result<SnapshotFile, Failure> {
        let begun = Instant::now();
        // The time of the question: a message that says more was made later.
        let at = wire::now();
        let (moved, entries) =
            self.store.read(|reader| Ok::<_, Failure>((reader.epoch()?, reader.not_good(ISSUING, at)?)))?;
        let (issuer, responder) = (&self.ca.issuing, &self.ca.responder);
        let plan = StatusSnapshotPlan { issuer, responder, epoch: epoch(moved)?, at, entries: &entries };
        let signer = self.ca.responder_signer();
        let prepared = plan.prepare().map_err(Failure::inconsistent)?;
        let octets = prepared.sign(|octets| signer.sign(octets)).map_err(Failure::inconsistent)?;
        StatusSnapshot::verify(&octets, issuer.der(), wire::now()).map_err(Failure::inconsistent)?;
        let tag = hex::encode(digest(&SHA256, &octets));
        Ok(SnapshotFile {
            epoch: moved,
            octets: octets.into(),
            tag,
            made: Instant::now(),
            cost: begun.elapsed(),
        })
    }
}

impl End {
    fn event(self) -> Bytes {
        match self {
            Self::Snapshot(why) => event("snapshot", None, &format!("{{\"why\":\"{why}\"}}")),
            Self::Over(why) => event("end", None, &format!("{{\"why\":\"{why}\"}}")),
        }
    }
}

/// An event as the HTML standard writes it (§9.2.6 of server-sent events).
fn event(name: &str, id: Option<i64>, data: &str) -> Bytes {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}

fn failed(error: &dyn std::fmt::Display) -> End {
    tracing::error!(%error, "status by push");
    End::Over("failed")
}

fn change(record: StatusRecord) -> StatusChange {
    let not_after = record.not_after;
    let source = CrlSource::from(record);
    StatusChange { serial: source.serial, standing: source.standing, since: source.since, not_after }
}

fn epoch(number: i64) -> Result<u64, Failure> {
    u64::try_from(number).map_err(Failure::inconsistent)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// 1,024 seats, 16 for one place; whoever leaves gives theirs back.
    #[test]
    fn seats_are_counted_by_place_and_in_all() {
        let stream = StatusStream::new(0);
        let refused = |address: IpAddr| stream.sit_down(address).map(drop).unwrap_err().rule;
        let place = |number: usize| IpAddr::from(Ipv4Addr::from(u32::try_from(number).unwrap()));
        let places = SEATS / SEATS_EACH_PLACE;
        let mut taken: Vec<Seat> = Vec::new();
        for number in 1..places {
            taken.extend((0..SEATS_EACH_PLACE).map(|_| stream.sit_down(place(number)).unwrap()));
            assert_eq!(refused(place(number)), Rule::TooMany, "{number}");
        }
        // All addresses of a /64 are one place, and so are both ways of writing an IPv4 address.
        let of_one_network = |number: usize| {
            let last = u64::try_from(number).unwrap();
            IpAddr::from(Ipv6Addr::from_bits((0x2001_0db8_0000_0001 << 64) | u128::from(last)))
        };
        taken.extend((0..SEATS_EACH_PLACE).map(|number| stream.sit_down(of_one_network(number)).unwrap()));
        assert_eq!((taken.len(), stream.subscribers()), (SEATS, SEATS));
        for address in [of_one_network(99), place(1), place(SEATS)] {
            assert_eq!(refused(address), Rule::Busy, "the 1,025th: {address}");
        }
        drop(taken.pop());
        assert_eq!(stream.subscribers(), SEATS - 1);
        let mapped = IpAddr::from(Ipv4Addr::from(1).to_ipv6_mapped());
        assert_eq!((refused(mapped), refused(place(1))), (Rule::TooMany, Rule::TooMany));
        taken.push(stream.sit_down(place(SEATS)).unwrap());
        assert_eq!(refused(of_one_network(7)), Rule::Busy);
        taken.clear();
        assert_eq!(stream.subscribers(), 0);
        assert!(stream.seats.lock().unwrap().is_empty(), "nothing is kept of who was here");
    }
}

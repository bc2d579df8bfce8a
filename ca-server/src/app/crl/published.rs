//! The CRLs that are being served, by shard.

use std::{
    collections::{BTreeMap, HashMap},
    io::Write,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use ca_store::CrlRecord;
use ca_verifier::{Crl, Serial, Standing, Time};
use flate2::{Compression, write::GzEncoder};
use hyper::body::Bytes;

/// What was refused once is tried again after so long: each try costs a number and a signature.
const REST: Duration = Duration::from_secs(30);

/// Everything that is served.
#[derive(Debug, Default)]
pub(crate) struct Published {
    shards: ArcSwap<BTreeMap<u16, Arc<PublishedCrl>>>,
    /// Shards whose next CRL was refused.
    refused: Mutex<HashMap<u16, Refused>>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    at: Instant,
    /// Since the last CRL that was not.
    times: u32,
}

/// One CRL.
#[derive(Debug)]
pub(crate) struct PublishedCrl {
    pub(crate) number: i64,
    pub(crate) epoch: i64,
    pub(crate) this_update: Time,
    pub(crate) next_update: Time,
    pub(crate) der: Bytes,
    gzip: OnceLock<Bytes>,
    /// The same CRL as a relying party reads it; `None` of the root's, which nobody here relies on.
    pub(super) read: Option<Crl>,
    /// Nothing of its shard moved up to this epoch.
    seen: AtomicI64,
}

impl Published {
    pub(crate) fn of(&self, shard: u16) -> Option<Arc<PublishedCrl>> {
        self.shards.load().get(&shard).cloned()
    }

    /// By rising shard.
    pub(crate) fn all(&self) -> Arc<BTreeMap<u16, Arc<PublishedCrl>>> {
        self.shards.load_full()
    }

    /// Whether relying parties that read the CRL of its shard refuse the certificate.
    pub(crate) fn lists(&self, shard: u16, serial: &Serial) -> bool {
        let crl = self.of(shard);
        crl.and_then(|crl| crl.read.as_ref().map(|read| read.standing(serial) != Standing::Good))
            == Some(true)
    }

    /// How many times in a row the next CRL of each shard was refused.
    pub(crate) fn refusals(&self) -> BTreeMap<u16, u32> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.iter().map(|(shard, refused)| (*shard, refused.times)).collect()
    }

    pub(super) fn put(&self, shard: u16, crl: Arc<PublishedCrl>) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(&shard);
        self.shards.rcu(|shards| {
            let mut next = BTreeMap::clone(shards);
            next.insert(shard, Arc::clone(&crl));
            next
        });
    }

    pub(super) fn is_resting(&self, shard: u16) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(&shard).is_some_and(|refused| refused.at.elapsed() < REST)
    }

    /// The next CRL of this shard was refused; whether that is new.
    pub(super) fn rest(&self, shard: u16) -> bool {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let times = refused.get(&shard).map_or(0, |refused| refused.times) + 1;
        refused.insert(shard, Refused { at: Instant::now(), times });
        times == 1
    }
}

impl PublishedCrl {
    pub(super) fn new(record: &CrlRecord, read: Crl) -> Self {
        Self { read: Some(read), ..Self::unread(record) }
    }

    pub(super) fn unread(record: &CrlRecord) -> Self {
        Self {
            number: record.number,
            epoch: record.epoch,
            this_update: record.this_update,
            next_update: record.next_update,
            der: Bytes::copy_from_slice(&record.der),
            gzip: OnceLock::new(),
            read: None,
            seen: AtomicI64::new(record.epoch),
        }
    }

    /// Compressed once (RFC 1952), when the first asks for it. Takes seconds for millions of entries.
    pub(crate) fn gzip(&self) -> Bytes {
        let compress = || {
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            // A Vec takes everything; what would be empty all the same is served as it is.
            let done = out.write_all(&self.der).and_then(|()| out.finish());
            done.map(Bytes::from).unwrap_or_default()
        };
        self.gzip.get_or_init(compress).clone()
    }

    pub(super) fn seen(&self) -> i64 {
        self.seen.load(Ordering::Relaxed)
    }

    pub(super) fn see(&self, epoch: i64) {
        self.seen.fetch_max(epoch, Ordering::Relaxed);
    }
}

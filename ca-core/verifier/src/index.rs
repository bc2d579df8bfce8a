//! Live status from verified CRLs (one per distribution point, newest only, current or refused) and from push.

use std::{collections::HashMap, sync::Arc};

use crate::{
    Crl, CrlNumber, Error, PushSource, Refusal, SignedStatus, Standing, StatusSnapshot, Time, Unavailable,
    VerifiedPath,
    crl::CLOCK_SKEW_SECS,
    issuer::KeyHash,
    pushed::{Pushed, SILENCE_SECS},
};

/// The CRLs in use. Cloning is cheap; lists are shared.
#[derive(Clone, Debug, Default)]
pub struct StatusIndex {
    shards: HashMap<String, Shard>,
    unconfirmed_max_secs: Option<i64>,
    /// By the key of the issuer that they are expected of.
    pushed: HashMap<KeyHash, Pushed>,
    silence_secs: Option<i64>,
}

#[derive(Clone, Debug)]
struct Shard {
    crl: Arc<Crl>,
    loaded_at: Time,
}

/// One source of status and how old it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The distribution point.
    pub url: String,
    /// Number of the CRL in use.
    pub number: CrlNumber,
    /// Status epoch of the CRL in use.
    pub epoch: Option<u64>,
    /// When it was issued.
    pub this_update: Time,
    /// Until when it is used.
    pub next_update: Time,
    /// When it was loaded or last confirmed to be the newest.
    pub loaded_at: Time,
    /// Certificates that it lists.
    pub entries: usize,
}

impl StatusIndex {
    /// See [`crate::Gate::refuse_unconfirmed_after`].
    #[must_use]
    pub fn refuse_unconfirmed_after(mut self, secs: i64) -> Self {
        self.unconfirmed_max_secs = Some(secs);
        self
    }

    /// Takes a CRL into use at `now`, in place of the one for the same distribution point. The same CRL again
    /// only renews `loaded_at`.
    ///
    /// # Errors
    /// [`Error::NotYetCurrent`], [`Error::NoLongerCurrent`], [`Error::Issuer`] when the distribution point
    /// belongs to another CA, [`Error::CrlNumber`] and [`Error::CrlEpoch`] when something goes back. The CRL in
    /// use then stays in use.
    pub fn load(&mut self, crl: Arc<Crl>, now: Time) -> Result<(), Error> {
        if now.plus_secs(CLOCK_SKEW_SECS) < crl.this_update() {
            return Err(Error::NotYetCurrent { what: "CRL", this_update: crl.this_update(), now });
        }
        if now > crl.next_update() {
            return Err(Error::NoLongerCurrent { what: "CRL", next_update: crl.next_update(), now });
        }
        if let Some(held) = self.shards.get(crl.url()) {
            check_follows(&held.crl, &crl)?;
        }
        self.shards.insert(crl.url().to_owned(), Shard { crl, loaded_at: now });
        Ok(())
    }

    /// The status of a certificate whose path has been verified. Where push is configured for its issuer, push must
    /// know it; where a CRL that it names is loaded besides, the worse word counts.
    ///
    /// # Errors
    /// [`Refusal::StatusUnavailable`] in every other case. There is no switch that turns it off.
    pub fn standing(&self, path: &VerifiedPath, now: Time) -> Result<Standing, Refusal> {
        let Some(pushed) = self.pushed.get(path.issuer_key()) else {
            return self.listed(path, now);
        };
        let pushed = pushed.standing(&path.unit().serial(), now, self.silence_secs.unwrap_or(SILENCE_SECS));
        let pushed = pushed.map_err(Refusal::StatusUnavailable);
        if !self.lists(path) {
            return pushed;
        }
        match (pushed, self.listed(path, now)) {
            (Ok(one), Ok(other)) => Ok(one.worse(other)),
            // A bad word is one, whatever the other source does.
            (Ok(bad), Err(_)) | (Err(_), Ok(bad)) if bad != Standing::Good => Ok(bad),
            (Err(refusal), _) | (_, Err(refusal)) => Err(refusal),
        }
    }

    /// Whether a CRL is loaded that speaks of this certificate.
    fn lists(&self, path: &VerifiedPath) -> bool {
        let mut named = path.unit().crl_urls().iter().filter_map(|url| self.shards.get(url));
        named.any(|shard| shard.crl.issuer_key() == path.issuer_key())
    }

    /// The status by CRLs: a certificate's CRL must be signed with the key that signed
    /// the certificate, stand for a distribution point that the certificate names, and be current at `now`.
    fn listed(&self, path: &VerifiedPath, now: Time) -> Result<Standing, Refusal> {
        let unit = path.unit();
        let Some(first) = unit.crl_urls().first() else {
            return Err(Refusal::StatusUnavailable(Unavailable::NoDistributionPoint));
        };
        let mut why = Unavailable::NotLoaded { url: first.clone() };
        let mut known = None;
        for url in unit.crl_urls() {
            let Some(shard) = self.shards.get(url) else {
                continue;
            };
            if shard.crl.issuer_key() != path.issuer_key() {
                continue;
            }
            match check_current(&shard.crl, now).and_then(|()| self.check_confirmed(url, shard, now)) {
                Err(unavailable) => why = unavailable,
                Ok(()) => match shard.crl.standing(&unit.serial()) {
                    // Another list may know more; the first bad word counts.
                    Standing::Good => known = Some(Standing::Good),
                    bad => return Ok(bad),
                },
            }
        }
        known.ok_or(Refusal::StatusUnavailable(why))
    }

    /// See [`crate::Gate::expect_push`].
    pub(crate) fn expect_push(&mut self, issuer_key: KeyHash, silence_secs: i64) {
        self.pushed.entry(issuer_key).or_default();
        self.silence_secs = Some(silence_secs);
    }

    /// See [`crate::Gate::load_snapshot`].
    pub(crate) fn load_snapshot(&mut self, snapshot: StatusSnapshot) -> Result<u64, Error> {
        let pushed = self.pushed.get_mut(snapshot.issuer_key()).ok_or(Error::StatusUnexpected)?;
        pushed.load(snapshot)
    }

    /// See [`crate::Gate::apply`].
    pub(crate) fn apply(&mut self, status: &SignedStatus, now: Time) -> Result<u64, Error> {
        let pushed = self.pushed.get_mut(status.issuer_key()).ok_or(Error::StatusUnexpected)?;
        pushed.apply(status, now)
    }

    /// The sources of push, by the key of their issuer.
    #[must_use]
    pub fn push_sources(&self) -> Vec<PushSource> {
        let silence = self.silence_secs.unwrap_or(SILENCE_SECS);
        let mut sources: Vec<PushSource> =
            self.pushed.iter().map(|(key, pushed)| pushed.source(key, silence)).collect();
        sources.sort_by_key(|source| source.issuer_key);
        sources
    }

    /// The sources in use, by URL.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let mut sources: Vec<Source> = self
            .shards
            .values()
            .map(|Shard { crl, loaded_at }| Source {
                url: crl.url().to_owned(),
                number: crl.number(),
                epoch: crl.epoch(),
                this_update: crl.this_update(),
                next_update: crl.next_update(),
                loaded_at: *loaded_at,
                entries: crl.len(),
            })
            .collect();
        sources.sort_by(|a, b| a.url.cmp(&b.url));
        sources
    }

    fn check_confirmed(&self, url: &str, shard: &Shard, now: Time) -> Result<(), Unavailable> {
        match self.unconfirmed_max_secs {
            Some(secs) if now > shard.loaded_at.plus_secs(secs) => {
                Err(Unavailable::Unconfirmed { url: url.to_owned(), since: shard.loaded_at })
            }
            _ => Ok(()),
        }
    }

    /// Renews `loaded_at` of a source that has confirmed its CRL as the newest.
    pub(crate) fn confirm(&mut self, url: &str, now: Time) {
        if let Some(shard) = self.shards.get_mut(url) {
            shard.loaded_at = now;
        }
    }

    /// Whether exactly these octets are in use.
    pub(crate) fn holds(&self, fingerprint: &[u8; 32]) -> Option<&str> {
        let held = self.shards.values().find(|shard| shard.crl.fingerprint() == fingerprint);
        held.map(|shard| shard.crl.url())
    }
}

fn check_follows(held: &Crl, next: &Crl) -> Result<(), Error> {
    if held.issuer_key() != next.issuer_key() {
        return Err(Error::Issuer { what: "CRL" });
    }
    if held.fingerprint() == next.fingerprint() {
        return Ok(());
    }
    // An equal number with other content is two truths under one name.
    if next.number() <= held.number() {
        return Err(Error::CrlNumber {
            url: next.url().to_owned(),
            held: held.number().to_string(),
            found: next.number().to_string(),
        });
    }
    match (held.epoch(), next.epoch()) {
        (Some(before), after) if after.is_none_or(|after| after < before) => {
            Err(Error::CrlEpoch { url: next.url().to_owned(), held: before, found: after })
        }
        _ => Ok(()),
    }
}

fn check_current(crl: &Crl, now: Time) -> Result<(), Unavailable> {
    let url = || crl.url().to_owned();
    if now.plus_secs(CLOCK_SKEW_SECS) < crl.this_update() {
        return Err(Unavailable::NotYetCurrent { url: url(), this_update: crl.this_update() });
    }
    if now > crl.next_update() {
        return Err(Unavailable::Stale { url: url(), next_update: crl.next_update() });
    }
    Ok(())
}

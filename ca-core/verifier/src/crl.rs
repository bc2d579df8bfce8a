//! Complete CRLs for one distribution point (RFC 5280 §5): read once, signature checked once, kept as an index.
//!
//! What deliberately is not understood, and therefore refused: delta and indirect CRLs, CRLs for some reasons or
//! some kinds of certificates, CRLs without a distribution point.

use std::fmt;

use der::{Decode, Tag, TagNumber};

use crate::{
    Error, Reason, Serial, Standing, Time,
    issuer::{Issuer, KeyHash, sha256},
    oid,
    read::{Extension, Fields, NUMBER_OCTETS, context, limit},
};

/// Octets of a CRL read at most.
pub const CRL_OCTETS_MAX: usize = 50 * 1024 * 1024;

/// Entries of a CRL read at most: more than fit into [`CRL_OCTETS_MAX`] with serials of our length.
pub const CRL_ENTRIES_MAX: usize = 1_500_000;

/// How far the clocks of CA and portal may differ, in seconds.
pub const CLOCK_SKEW_SECS: i64 = 60;

const WHAT: &str = "CRL";
const ENTRY: &str = "CRL entry";

// id-ce, content octets.
const CRL_NUMBER: &[u8] = &[0x55, 0x1d, 20];
const REASON_CODE: &[u8] = &[0x55, 0x1d, 21];
const INVALIDITY_DATE: &[u8] = &[0x55, 0x1d, 24];
const DELTA_CRL_INDICATOR: &[u8] = &[0x55, 0x1d, 27];
const ISSUING_DISTRIBUTION_POINT: &[u8] = &[0x55, 0x1d, 28];
const CERTIFICATE_ISSUER: &[u8] = &[0x55, 0x1d, 29];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 35];

/// CRLReason certificateHold.
const CERTIFICATE_HOLD: u8 = 6;

/// Number of a CRL (RFC 5280 §5.2.3), 0 to 20 octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CrlNumber([u8; NUMBER_OCTETS]);

/// A CRL whose signature and form have been checked. Only [`Crl::verify`] makes one.
#[derive(Debug)]
pub struct Crl {
    url: String,
    issuer_key: KeyHash,
    number: CrlNumber,
    epoch: Option<u64>,
    this_update: Time,
    next_update: Time,
    fingerprint: [u8; 32],
    entries: Entries,
}

/// Sorted by serial: 22 octets an entry, found by bisection.
struct Entries(Vec<(Serial, Standing)>);

impl Crl {
    /// Reads a CRL of at most [`CRL_OCTETS_MAX`] octets and checks it with the certificate of its issuer.
    /// Whether it is current is asked later, each time that it is used.
    ///
    /// # Errors
    /// [`Error::Size`], [`Error::Form`], [`Error::CriticalExtension`], [`Error::Issuer`], [`Error::Signer`],
    /// [`Error::Signature`].
    pub fn verify(der: &[u8], issuer_der: &[u8]) -> Result<Self, Error> {
        limit(WHAT, der, CRL_OCTETS_MAX)?;
        let issuer = Issuer::read(issuer_der)?;
        if !issuer.is_ca {
            return Err(Error::Signer { what: WHAT, why: "it is not a CA" });
        }
        if !issuer.signs_crls {
            return Err(Error::Signer { what: WHAT, why: "keyUsage lacks cRLSign" });
        }
        let mut signed = Fields::open(WHAT, Tag::Sequence, der)?;
        let tbs = signed.whole()?;
        let algorithm = signed.content(Tag::Sequence)?;
        let signature = signed.bits()?;
        signed.finish()?;
        let list = TbsCertList::read(tbs)?;
        if list.issuer != issuer.subject {
            return Err(Error::Issuer { what: WHAT });
        }
        if list.algorithm != algorithm {
            return Err(Error::Form { what: WHAT, why: "two signature algorithms are named" });
        }
        issuer.verify(WHAT, algorithm, tbs, signature)?;
        let extensions = CrlExtensions::read(&list.extensions)?;
        Ok(Self {
            url: extensions.url,
            issuer_key: issuer.key_hash,
            number: extensions.number,
            epoch: extensions.epoch,
            this_update: list.this_update,
            next_update: list.next_update,
            fingerprint: sha256(der),
            entries: Entries::read(list.entries)?,
        })
    }

    /// URI of the distribution point that it is complete for.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> CrlNumber {
        self.number
    }

    /// The status epoch that it reflects, when it says so.
    #[must_use]
    pub const fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// When it was issued.
    #[must_use]
    pub const fn this_update(&self) -> Time {
        self.this_update
    }

    /// Until when it may be used.
    #[must_use]
    pub const fn next_update(&self) -> Time {
        self.next_update
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.0.len()
    }

    /// Whether nothing is revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.0.is_empty()
    }

    /// What it says of a serial of its issuer: [`Standing::Good`] when nothing.
    #[must_use]
    pub fn standing(&self, serial: &Serial) -> Standing {
        let found = self.entries.0.binary_search_by_key(serial, |entry| entry.0);
        found.ok().and_then(|index| self.entries.0.get(index)).map_or(Standing::Good, |entry| entry.1)
    }

    /// Every serial that it lists, rising.
    pub fn entries(&self) -> impl Iterator<Item = (Serial, Standing)> + '_ {
        self.entries.0.iter().copied()
    }

    pub(crate) const fn issuer_key(&self) -> &KeyHash {
        &self.issuer_key
    }

    pub(crate) const fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

/// TBSCertList (§5.1.2) with the parts that need more reading left raw.
struct TbsCertList<'a> {
    algorithm: &'a [u8],
    issuer: &'a [u8],
    this_update: Time,
    next_update: Time,
    entries: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

impl<'a> TbsCertList<'a> {
    fn read(tbs: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::open(WHAT, Tag::Sequence, tbs)?;
        if fields.optional(Tag::Integer)? != Some(&[1]) {
            return Err(Error::Form { what: WHAT, why: "version is not 2" });
        }
        let algorithm = fields.content(Tag::Sequence)?;
        let issuer = fields.whole()?;
        let this_update = fields.time()?;
        if !fields.next_is_time() {
            return Err(Error::Form { what: WHAT, why: "nextUpdate is missing" });
        }
        let next_update = fields.time()?;
        let entries = fields.optional(Tag::Sequence)?.unwrap_or_default();
        let mut tagged = fields.fields(context(TagNumber::N0, true))?;
        let extensions = tagged.extensions()?;
        tagged.finish()?;
        fields.finish()?;
        Ok(Self { algorithm, issuer, this_update, next_update, entries, extensions })
    }
}

/// crlExtensions (§5.2) that this crate understands.
struct CrlExtensions {
    url: String,
    number: CrlNumber,
    epoch: Option<u64>,
}

impl CrlExtensions {
    fn read(extensions: &[Extension<'_>]) -> Result<Self, Error> {
        let (mut url, mut number, mut epoch) = (None, None, None);
        for extension in extensions {
            match extension.oid {
                CRL_NUMBER => number = Some(read_number(extension.value)?),
                ISSUING_DISTRIBUTION_POINT if extension.critical => url = Some(read_url(extension.value)?),
                ISSUING_DISTRIBUTION_POINT => {
                    return Err(Error::Form { what: WHAT, why: "issuingDistributionPoint is not critical" });
                }
                DELTA_CRL_INDICATOR => {
                    return Err(Error::Form { what: WHAT, why: "a delta CRL" });
                }
                known if known == oid::STATUS_EPOCH => epoch = Some(read_epoch(extension.value)?),
                AUTHORITY_KEY_IDENTIFIER => {}
                _ => extension.refuse_if_critical(WHAT)?,
            }
        }
        Ok(Self {
            url: url.ok_or(Error::Form { what: WHAT, why: "issuingDistributionPoint is missing" })?,
            number: number.ok_or(Error::Form { what: WHAT, why: "cRLNumber is missing" })?,
            epoch,
        })
    }
}

fn read_number(value: &[u8]) -> Result<CrlNumber, Error> {
    let mut fields = Fields::of(WHAT, value)?;
    let number = fields.number()?;
    fields.finish()?;
    Ok(CrlNumber(number))
}

fn read_epoch(value: &[u8]) -> Result<u64, Error> {
    u64::from_der(value)
        .map_err(|_| Error::Form { what: WHAT, why: "the status epoch is not a number of 64 bits" })
}

/// issuingDistributionPoint (§5.2.5): one URI and nothing that narrows the scope.
fn read_url(value: &[u8]) -> Result<String, Error> {
    let unfit = Error::Form { what: WHAT, why: "issuingDistributionPoint is not one URI" };
    let mut point = Fields::open(WHAT, Tag::Sequence, value)?;
    let name = point.optional(context(TagNumber::N0, true))?;
    if !point.is_finished() {
        return Err(Error::Form {
            what: WHAT,
            why: "an indirect CRL, or one for some certificates or reasons",
        });
    }
    let Some(name) = name else { return Err(unfit) };
    let mut names = Fields::open(WHAT, context(TagNumber::N0, true), name)?;
    let Some(uri) = names.optional(context(TagNumber::N6, false))? else {
        return Err(unfit);
    };
    if !names.is_finished() || !uri.is_ascii() {
        return Err(unfit);
    }
    String::from_utf8(uri.to_vec()).map_err(|_| unfit)
}

impl Entries {
    fn read(content: &[u8]) -> Result<Self, Error> {
        let mut list = Fields::of(ENTRY, content)?;
        let mut entries = Vec::new();
        while !list.is_finished() {
            if entries.len() == CRL_ENTRIES_MAX {
                return Err(Error::Form { what: WHAT, why: "more entries than are read" });
            }
            entries.push(read_entry(list.fields(Tag::Sequence)?)?);
        }
        entries.sort_unstable_by_key(|entry| entry.0);
        if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::Form { what: WHAT, why: "a serial comes twice" });
        }
        entries.shrink_to_fit();
        Ok(Self(entries))
    }
}

fn read_entry(mut fields: Fields<'_>) -> Result<(Serial, Standing), Error> {
    let serial = Serial::from_content(fields.content(Tag::Integer)?)?;
    fields.time()?;
    let extensions = if fields.is_finished() { Vec::new() } else { fields.extensions()? };
    fields.finish()?;
    let (mut reason, mut not_activated) = (0, false);
    for extension in &extensions {
        match extension.oid {
            REASON_CODE => reason = read_reason(extension.value)?,
            known if known == oid::NOT_ACTIVATED => not_activated = true,
            // Critical by §5.3.3; without an indirect CRL it has no business here.
            CERTIFICATE_ISSUER => {
                return Err(Error::Form { what: ENTRY, why: "names another issuer" });
            }
            INVALIDITY_DATE => {}
            _ => extension.refuse_if_critical(ENTRY)?,
        }
    }
    Ok((serial, standing(reason, not_activated).ok_or(Error::Form { what: ENTRY, why: "unknown reason" })?))
}

pub(crate) fn standing(reason: u8, not_activated: bool) -> Option<Standing> {
    match (reason, not_activated) {
        (CERTIFICATE_HOLD, true) => Some(Standing::NotActivated),
        (CERTIFICATE_HOLD, false) => Some(Standing::Held),
        (code, _) => Reason::from_code(code).map(Standing::Revoked),
    }
}

/// CRLReason ::= ENUMERATED
pub(crate) fn read_reason(value: &[u8]) -> Result<u8, Error> {
    match Fields::open(ENTRY, Tag::Enumerated, value).and(Ok(value))? {
        [_, 1, reason] => Ok(*reason),
        _ => Err(Error::Form { what: ENTRY, why: "unknown reason" }),
    }
}

impl fmt::Display for CrlNumber {
    /// Hexadecimal without leading zeros, as `openssl crl -crlnumber` prints it after `0x`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = hex::encode(self.0);
        let trimmed = digits.trim_start_matches('0');
        f.write_str(if trimmed.is_empty() { "0" } else { trimmed })
    }
}

impl fmt::Debug for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrlNumber({self})")
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_few_octets() {
        assert!(size_of::<(Serial, Standing)>() <= 40, "{}", size_of::<(Serial, Standing)>());
    }
}

//! Writing a full CRL, of one shard or of everything (RFC 5280 §5; step 9 of the path): plan → [`PreparedCrl`] → one signature →
//! [`SignedCrl`].
//!
//! Entries are written as they come from the iterator, about 53 octets each, and what stands before them goes into room that
//! was left for it, so that memory holds the CRL once and nothing beside it. What deliberately does not live here: numbers and epochs (`ca-store`), reading CRLs (`ca-verifier`).

use std::borrow::Cow;

use ca_verifier::{Reason, Serial, Time, oid};

use crate::encode::{self, Framed, HEADER_MAX, SEQUENCE, concat, explicit, octets, sequence};
use crate::{Issuer, SignError, SignatureAlgorithm};

const CRL_NUMBER: &[u64] = &[2, 5, 29, 20];
const ISSUING_DISTRIBUTION_POINT: &[u64] = &[2, 5, 29, 28];
const REASON_CODE: &[u64] = &[2, 5, 29, 21];
const INVALIDITY_DATE: &[u64] = &[2, 5, 29, 24];
const EXPIRED_CERTS_ON_CRL: &[u64] = &[2, 5, 29, 60];
const CERTIFICATE_HOLD: u8 = 6;
/// Octets of an entry with a reason; what is more is grown.
const ENTRY_OCTETS: usize = 56;
const VERSION_2: &[u8] = &[2, 1, 1];
/// AlgorithmIdentifier and BIT STRING, of RSA-4096 at most.
const SIGNATURE_ROOM: usize = 600;

/// Why a certificate stands in the CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlStanding {
    /// Not activated by its holder: certificateHold with our own marker.
    NotActivated,
    /// On hold.
    Held,
    /// Revoked for ever.
    Revoked(Reason),
}

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CrlEntry {
    /// Which certificate.
    pub serial: Serial,
    /// revocationDate, whole seconds.
    pub since: Time,
    /// Why.
    pub standing: CrlStanding,
    /// invalidityDate (§5.3.2): since when it should have been revoked, where that is known.
    pub invalid_since: Option<Time>,
}

/// Which certificates a CRL speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlScope<'a> {
    /// All of the issuer's: no issuingDistributionPoint. For the root, whose own certificate has no distribution point
    /// and is checked against this CRL by `openssl verify -crl_check_all`.
    All,
    /// Those whose cRLDistributionPoints has this address ([`crate::Urls::crl`]).
    Shard(&'a str),
}

/// What a CRL says.
#[derive(Clone, Debug)]
pub struct CrlPlan<'a, I> {
    /// Who signs.
    pub issuer: &'a Issuer,
    /// Which certificates it speaks for.
    pub scope: CrlScope<'a>,
    /// cRLNumber, from the database, strictly rising.
    pub number: u64,
    /// When the entries were read.
    pub this_update: Time,
    /// When the next CRL is there at the latest.
    pub next_update: Time,
    /// The status epoch that the entries reflect.
    pub epoch: u64,
    /// expiredCertsOnCRL (X.509 §9.5.2.8): certificates that ended at this time or later are still listed. `None`: those
    /// that ended before the last CRL are not.
    pub expired_since: Option<Time>,
    /// The entries, by rising serial number, so that a repeated one is seen. Their size hint saves memory.
    pub entries: I,
}

/// Why a CRL was not prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlRefusal {
    /// RFC 5280 §5.1.2.5
    #[error("crl.validity: nextUpdate {next} is not after thisUpdate {this}")]
    Validity {
        /// thisUpdate.
        this: Time,
        /// nextUpdate.
        next: Time,
    },
    /// An entry that does not follow the one before.
    #[error("crl.order: {serial} comes after {before}")]
    Order {
        /// The entry.
        serial: Serial,
        /// The one before.
        before: Serial,
    },
    /// An address that cannot stand in a CRL.
    #[error("crl.url: visible ASCII is needed")]
    Url,
}

impl<I: Iterator<Item = CrlEntry>> CrlPlan<'_, I> {
    /// Fixes the octets to be signed.
    ///
    /// # Errors
    /// [`CrlRefusal`].
    pub fn prepare(self) -> Result<PreparedCrl, CrlRefusal> {
        if self.next_update.secs() <= self.this_update.secs() {
            return Err(CrlRefusal::Validity { this: self.this_update, next: self.next_update });
        }
        let point = match self.scope {
            CrlScope::All => Vec::new(),
            CrlScope::Shard(url) => issuing_distribution_point(url)?,
        };
        let head = concat(&[
            VERSION_2,
            self.issuer.algorithm().identifier(),
            self.issuer.subject_der(),
            &encode::time(self.this_update),
            &encode::time(self.next_update),
        ]);
        let expired = match self.expired_since {
            None => Vec::new(),
            Some(since) => {
                extension(&encode::oid(EXPIRED_CERTS_ON_CRL), false, &encode::generalized_time(since))
            }
        };
        let extensions = explicit(
            0,
            &sequence(&[
                &encode::authority_key_identifier(self.issuer.key_identifier()).der(),
                &extension(&encode::oid(CRL_NUMBER), false, &encode::integer(&self.number.to_be_bytes())),
                &point,
                &extension(
                    &encode::oid_content(&oid::STATUS_EPOCH),
                    false,
                    &encode::integer(&self.epoch.to_be_bytes()),
                ),
                &expired,
            ]),
        );
        let content = self.entries.size_hint().0 * ENTRY_OCTETS + extensions.len() + SIGNATURE_ROOM;
        let mut tbs = Framed::with_room(head.len() + 3 * HEADER_MAX, content);
        let count = write_entries(self.entries, &mut tbs)?;
        // RFC 5280 §5.1.2.6: absent, not empty.
        if count > 0 {
            tbs.close(SEQUENCE);
        }
        tbs.push(&extensions);
        tbs.put_before(&head);
        tbs.close(SEQUENCE);
        Ok(PreparedCrl { tbs, count, algorithm: self.issuer.algorithm(), key: self.issuer.key().to_vec() })
    }
}

/// A CRL whose octets are fixed and which nobody has signed.
#[must_use = "a prepared CRL is signed or dropped"]
#[derive(Debug)]
pub struct PreparedCrl {
    tbs: Framed,
    count: u64,
    algorithm: SignatureAlgorithm,
    key: Vec<u8>,
}

impl PreparedCrl {
    /// DER of TBSCertList.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.tbs.as_slice()
    }

    /// How many entries.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.count
    }

    /// Signs and verifies. `sign` returns DER Ecdsa-Sig-Value or PKCS#1 octets.
    ///
    /// # Errors
    /// [`SignError`]; the number may be in a signature then and must not be used again.
    pub fn sign<E>(
        mut self,
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<SignedCrl, SignError<E>> {
        let signature = sign(self.tbs()).map_err(SignError::Signer)?;
        self.algorithm.verify_bits(&self.key, self.tbs(), &signature).map_err(|_| SignError::Signature)?;
        self.tbs.push(self.algorithm.identifier());
        self.tbs.push(&encode::bits(&signature));
        self.tbs.close(SEQUENCE);
        Ok(SignedCrl { der: self.tbs.into_vec() })
    }
}

/// A CRL whose signature was verified with the issuer's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCrl {
    der: Vec<u8>,
}

impl SignedCrl {
    /// The CRL.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The CRL, without a copy.
    #[must_use]
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }
}

fn write_entries(entries: impl Iterator<Item = CrlEntry>, out: &mut Framed) -> Result<u64, CrlRefusal> {
    let reasons = Reasons::new();
    let mut count = 0;
    let mut before: Option<Serial> = None;
    for entry in entries {
        if let Some(before) = before
            && entry.serial <= before
        {
            return Err(CrlRefusal::Order { serial: entry.serial, before });
        }
        before = Some(entry.serial);
        let serial = encode::tlv(0x02, entry.serial.as_bytes());
        let why = reasons.extensions(entry.standing, entry.invalid_since);
        out.push(&sequence(&[&serial, &encode::time(entry.since), &why]));
        count += 1;
    }
    Ok(count)
}

/// crlEntryExtensions of each standing, written once.
struct Reasons {
    not_activated: Vec<u8>,
    held: Vec<u8>,
    revoked: Vec<(Reason, Vec<u8>)>,
}

impl Reasons {
    fn new() -> Self {
        let code = reason_code;
        let marker = extension(&encode::oid_content(&oid::NOT_ACTIVATED), false, &[5, 0]);
        let revoked = Reason::ALL.map(|reason| match reason {
            // RFC 5280 §5.3.1: unspecified is told by absence.
            Reason::Unspecified => (reason, Vec::new()),
            other => (reason, sequence(&[&code(other.code())])),
        });
        Self {
            not_activated: sequence(&[&code(CERTIFICATE_HOLD), &marker]),
            held: sequence(&[&code(CERTIFICATE_HOLD)]),
            revoked: revoked.to_vec(),
        }
    }

    fn extensions(&self, standing: CrlStanding, invalid_since: Option<Time>) -> Cow<'_, [u8]> {
        match (standing, invalid_since) {
            (CrlStanding::NotActivated, _) => Cow::Borrowed(&self.not_activated),
            (CrlStanding::Held, _) => Cow::Borrowed(&self.held),
            (CrlStanding::Revoked(reason), None) => {
                let written = self.revoked.iter().find(|(known, _)| *known == reason);
                Cow::Borrowed(written.map_or(&[], |(_, der)| der.as_slice()))
            }
            (CrlStanding::Revoked(reason), Some(since)) => {
                let code = match reason {
                    Reason::Unspecified => Vec::new(),
                    other => reason_code(other.code()),
                };
                let date = encode::generalized_time(since);
                let date = extension(&encode::oid(INVALIDITY_DATE), false, &date);
                Cow::Owned(sequence(&[&code, &date]))
            }
        }
    }
}

fn reason_code(code: u8) -> Vec<u8> {
    extension(&encode::oid(REASON_CODE), false, &encode::enumerated(code))
}

fn extension(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[oid, critical, &octets(value)])
}

/// §5.2.5: critical, the shard's address and no other restriction.
fn issuing_distribution_point(url: &str) -> Result<Vec<u8>, CrlRefusal> {
    if url.is_empty() || !url.bytes().all(|c| c.is_ascii_graphic()) {
        return Err(CrlRefusal::Url);
    }
    let point = sequence(&[&explicit(0, &encode::extension::full_name(url))]);
    Ok(extension(&encode::oid(ISSUING_DISTRIBUTION_POINT), true, &point))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::issuance::testing::{NOW, hierarchy};
    use x509_parser::prelude::FromDer;
    use x509_parser::revocation_list::CertificateRevocationList;

    fn entry(octet: u8, standing: CrlStanding) -> CrlEntry {
        CrlEntry {
            serial: Serial::from_random(1, &[octet; 17]).unwrap(),
            since: NOW,
            standing,
            invalid_since: None,
        }
    }

    fn plan<I>(issuer: &Issuer, entries: I) -> CrlPlan<'_, I> {
        let scope = CrlScope::Shard("http://crl.qianyin.test/crl/issuing/3.crl");
        CrlPlan {
            issuer,
            scope,
            number: 300,
            this_update: NOW,
            next_update: NOW.plus_secs(3600),
            epoch: 7,
            expired_since: None,
            entries,
        }
    }

    #[test]
    fn reads_back() {
        let hierarchy = hierarchy();
        let entries = [
            entry(1, CrlStanding::NotActivated),
            entry(2, CrlStanding::Held),
            entry(3, CrlStanding::Revoked(Reason::KeyCompromise)),
            entry(4, CrlStanding::Revoked(Reason::Unspecified)),
        ];
        let prepared = plan(&hierarchy.issuing, entries.into_iter()).prepare().unwrap();
        assert_eq!(prepared.entries(), 4);
        let signed = prepared.sign(|tbs| hierarchy.sign(tbs)).unwrap();
        let (rest, crl) = CertificateRevocationList::from_der(signed.der()).unwrap();
        assert!(rest.is_empty());
        assert_eq!(crl.issuer().as_raw(), hierarchy.issuing.subject_der());
        assert_eq!(crl.crl_number(), Some(&300_u32.into()));
        let reasons: Vec<Option<u8>> = crl
            .iter_revoked_certificates()
            .map(|entry| entry.reason_code().map(|(_, code)| code.0))
            .collect();
        assert_eq!(reasons, [Some(6), Some(6), Some(1), None]);
        let counts: Vec<usize> =
            crl.iter_revoked_certificates().map(|entry| entry.extensions().len()).collect();
        assert_eq!(counts, [2, 1, 1, 0]);
        let epoch =
            crl.extensions().iter().find(|extension| extension.oid.as_bytes() == oid::STATUS_EPOCH).unwrap();
        assert_eq!((epoch.critical, epoch.value), (false, &[2, 1, 7][..]));
    }

    #[test]
    fn since_when_it_should_have_been_revoked() {
        let hierarchy = hierarchy();
        let since = Some(NOW.plus_secs(-86_400));
        let entries = [Reason::AffiliationChanged, Reason::Unspecified];
        let entries = (1..).zip(entries).map(|(octet, reason)| CrlEntry {
            invalid_since: since,
            ..entry(octet, CrlStanding::Revoked(reason))
        });
        let signed = plan(&hierarchy.issuing, entries).prepare().unwrap();
        let signed = signed.sign(|tbs| hierarchy.sign(tbs)).unwrap();
        let (_, crl) = CertificateRevocationList::from_der(signed.der()).unwrap();
        let read: Vec<_> = crl
            .iter_revoked_certificates()
            .map(|entry| {
                let date = entry.invalidity_date().unwrap().1.timestamp();
                (entry.reason_code().map(|(_, code)| code.0), date, entry.extensions().len())
            })
            .collect();
        let date = NOW.secs() - 86_400;
        assert_eq!(read, [(Some(3), date, 2), (None, date, 1)]);
    }

    #[test]
    fn expired_ones_that_are_still_listed() {
        let hierarchy = hierarchy();
        let kept = CrlPlan { expired_since: Some(NOW), ..plan(&hierarchy.issuing, std::iter::empty()) };
        let signed = kept.prepare().unwrap().sign(|tbs| hierarchy.sign(tbs)).unwrap();
        let (_, crl) = CertificateRevocationList::from_der(signed.der()).unwrap();
        let found = crl.extensions().iter().find(|extension| extension.oid.to_id_string() == "2.5.29.60");
        assert!(found.is_some_and(|found| !found.critical && found.value == encode::generalized_time(NOW)));
    }

    /// One million entries: the CRL stands in memory once, in room that was asked for once.
    #[test]
    fn a_large_crl_is_written_once() {
        let hierarchy = hierarchy();
        let entries = (0..1_000_000_u32).map(|number| {
            let mut random = [0; 17];
            random[..4].copy_from_slice(&number.to_be_bytes());
            let serial = Serial::from_random(1, &random).unwrap();
            CrlEntry { serial, ..entry(0, CrlStanding::Revoked(Reason::KeyCompromise)) }
        });
        let prepared = plan(&hierarchy.issuing, entries).prepare().unwrap();
        let (room, used) = (prepared.tbs.capacity(), prepared.tbs().len());
        assert!(used > 50_000_000 && room < 60_000_000, "{room} octets for {used}");
        let place = prepared.tbs().as_ptr();
        let signed = prepared.sign(|tbs| hierarchy.sign(tbs)).unwrap();
        assert!(
            signed.der().len() > used && signed.der().as_ptr() <= place,
            "moved to the front of its room"
        );
        assert!(signed.der.capacity() == room);
    }

    #[test]
    fn the_point_is_the_certificates_point() {
        let hierarchy = hierarchy();
        let unit = hierarchy.unit();
        let url = hierarchy.urls.crl("issuing", 3);
        let name = encode::extension::full_name(&url);
        let contains = |octets: &[u8]| octets.windows(name.len()).any(|window| window == name);
        assert!(contains(&unit));
        let crl = CrlPlan { scope: CrlScope::Shard(&url), ..plan(&hierarchy.issuing, std::iter::empty()) }
            .prepare()
            .unwrap();
        assert!(contains(crl.tbs()));
    }

    #[test]
    fn a_crl_for_all_has_no_point() {
        let hierarchy = hierarchy();
        let all =
            CrlPlan { scope: CrlScope::All, ..plan(&hierarchy.root, std::iter::empty()) }.prepare().unwrap();
        let signed = all.sign(|tbs| hierarchy.root_sign(tbs)).unwrap();
        let (_, crl) = CertificateRevocationList::from_der(signed.der()).unwrap();
        assert!(crl.extensions().iter().all(|extension| extension.oid.to_id_string() != "2.5.29.28"));
        assert_eq!(crl.extensions().len(), 3);
    }

    #[test]
    fn an_empty_list_is_absent() {
        let hierarchy = hierarchy();
        let signed = plan(&hierarchy.issuing, std::iter::empty()).prepare().unwrap();
        let signed = signed.sign(|tbs| hierarchy.sign(tbs)).unwrap();
        let (_, crl) = CertificateRevocationList::from_der(signed.der()).unwrap();
        assert_eq!(crl.iter_revoked_certificates().count(), 0);
        // After nextUpdate comes [0], not an empty SEQUENCE.
        let next = encode::time(NOW.plus_secs(3600));
        let place = signed.der().windows(next.len()).position(|window| window == next).unwrap();
        assert_eq!(signed.der()[place + next.len()], 0xa0);
    }

    #[test]
    fn refusals() {
        let hierarchy = hierarchy();
        let held = |octet| entry(octet, CrlStanding::Held);
        for bad in [[held(2), held(1)], [held(1), held(1)]] {
            let refusal = plan(&hierarchy.issuing, bad.into_iter()).prepare().unwrap_err();
            assert!(matches!(refusal, CrlRefusal::Order { .. }), "{refusal}");
        }
        let none = || plan(&hierarchy.issuing, std::iter::empty());
        assert!(matches!(CrlPlan { next_update: NOW, ..none() }.prepare(), Err(CrlRefusal::Validity { .. })));
        for url in ["", "http://例.test/1.crl", "http://crl.test/a b"] {
            assert_eq!(
                CrlPlan { scope: CrlScope::Shard(url), ..none() }.prepare().unwrap_err(),
                CrlRefusal::Url
            );
        }
        let foreign = none().prepare().unwrap().sign(|tbs| hierarchy.root_sign(tbs));
        assert_eq!(foreign, Err(SignError::Signature));
    }
}

//! Reading and checking an OCSP answer about one certificate (RFC 6960 §4.2, RFC 9654).
//!
//! What deliberately does not live here: requests and transport.

use std::time::Duration;

use der::{Tag, TagNumber};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::UnixTime;
use webpki::{EndEntityCert, anchor_from_trusted_cert};

use crate::{
    Error, Serial, Standing, Time,
    crl::{CLOCK_SKEW_SECS, standing},
    issuer::Issuer,
    oid,
    read::{Extension, Fields, context, limit, not_der},
};

/// Octets of an OCSP answer read at most.
pub const OCSP_OCTETS_MAX: usize = 64 * 1024;

const WHAT: &str = "OCSP";

// Content octets.
const OCSP_BASIC: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 1];
const OCSP_NONCE: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 1, 2];
const KP_OCSP_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 9];
const SHA1_OID: &[u8] = &[0x2b, 14, 3, 2, 26];
const SHA256_OID: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];

const N0: Tag = context(TagNumber::N0, true);
const N1: Tag = context(TagNumber::N1, true);

/// A checked answer. Only [`OcspAnswer::verify`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OcspAnswer {
    standing: Option<Standing>,
    since: Option<Time>,
    this_update: Time,
    next_update: Time,
}

impl OcspAnswer {
    /// Checks an OCSPResponse about certificate `serial` of the CA `issuer_der`: signed by the CA itself or by a
    /// responder that it certified for OCSP, about exactly this certificate, current at `now`, and with the nonce
    /// of the request when there was one.
    ///
    /// # Errors
    /// [`Error::OcspStatus`], [`Error::OcspNonce`], [`Error::OcspAnswers`], [`Error::Signature`],
    /// [`Error::Signer`], [`Error::NotYetCurrent`], [`Error::NoLongerCurrent`], [`Error::Form`], [`Error::Size`].
    pub fn verify(
        der: &[u8],
        issuer_der: &[u8],
        serial: &Serial,
        expected_nonce: Option<&[u8]>,
        now: Time,
    ) -> Result<Self, Error> {
        limit(WHAT, der, OCSP_OCTETS_MAX)?;
        let issuer = Issuer::read(issuer_der)?;
        let basic = BasicResponse::read(response_bytes(der)?)?;
        let data = ResponseData::read(basic.tbs)?;
        basic.check_signature(&issuer, &data.responder, now)?;
        data.check_extensions(expected_nonce)?;
        let mut found = 0;
        let mut answer = None;
        let mut responses = Fields::of(WHAT, data.responses)?;
        while !responses.is_finished() {
            let single = SingleResponse::read(responses.fields(Tag::Sequence)?)?;
            if single.is_about(&issuer, serial)? {
                found += 1;
                answer = Some(single.answer);
            }
        }
        match answer {
            Some(answer) if found == 1 => answer.check_current(now),
            _ => Err(Error::OcspAnswers { found }),
        }
    }

    /// What the responder says; `None` is "unknown": not a certificate of this CA, so never good.
    #[must_use]
    pub const fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// Since when the certificate is on hold or revoked; `None` when it is neither.
    #[must_use]
    pub const fn since(&self) -> Option<Time> {
        self.since
    }

    /// Since when this was known.
    #[must_use]
    pub const fn this_update(&self) -> Time {
        self.this_update
    }

    /// Until when it may be used.
    #[must_use]
    pub const fn next_update(&self) -> Time {
        self.next_update
    }

    fn check_current(self, now: Time) -> Result<Self, Error> {
        if now.plus_secs(CLOCK_SKEW_SECS) < self.this_update {
            return Err(Error::NotYetCurrent { what: WHAT, this_update: self.this_update, now });
        }
        if now > self.next_update {
            return Err(Error::NoLongerCurrent { what: WHAT, next_update: self.next_update, now });
        }
        Ok(self)
    }
}

/// OCSPResponse to the BasicOCSPResponse inside.
fn response_bytes(der: &[u8]) -> Result<&[u8], Error> {
    let mut response = Fields::open(WHAT, Tag::Sequence, der)?;
    match response.content(Tag::Enumerated)? {
        [0] => {}
        [status] => return Err(Error::OcspStatus(*status)),
        _ => return Err(not_der(WHAT)),
    }
    let mut tagged = response.fields(N0)?;
    response.finish()?;
    let mut bytes = tagged.fields(Tag::Sequence)?;
    tagged.finish()?;
    if bytes.content(Tag::ObjectIdentifier)? != OCSP_BASIC {
        return Err(Error::Form { what: WHAT, why: "not a basic response" });
    }
    let basic = bytes.content(Tag::OctetString)?;
    bytes.finish()?;
    Ok(basic)
}

struct BasicResponse<'a> {
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificates: Vec<&'a [u8]>,
}

impl<'a> BasicResponse<'a> {
    fn read(der: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::open(WHAT, Tag::Sequence, der)?;
        let tbs = fields.whole()?;
        let algorithm = fields.content(Tag::Sequence)?;
        let signature = fields.bits()?;
        let mut certificates = Vec::new();
        if let Some(tagged) = fields.optional(N0)? {
            let mut list = Fields::open(WHAT, Tag::Sequence, tagged)?;
            while !list.is_finished() {
                certificates.push(list.whole()?);
            }
        }
        fields.finish()?;
        Ok(Self { tbs, algorithm, signature, certificates })
    }

    /// §4.2.2.2: the CA itself, or a responder whose certificate the CA signed with extendedKeyUsage OCSPSigning.
    fn check_signature(&self, issuer: &Issuer<'_>, id: &ResponderId<'_>, now: Time) -> Result<(), Error> {
        if id.names(issuer) {
            return issuer.verify(WHAT, self.algorithm, self.tbs, self.signature);
        }
        for der in &self.certificates {
            let responder = Issuer::read(der)?;
            if id.names(&responder) {
                check_delegation(&responder, issuer, now)?;
                return responder.verify(WHAT, self.algorithm, self.tbs, self.signature);
            }
        }
        Err(Error::Signer { what: WHAT, why: "the responder is neither the CA nor certified in the answer" })
    }
}

pub(crate) fn check_delegation(responder: &Issuer<'_>, issuer: &Issuer<'_>, now: Time) -> Result<(), Error> {
    let signer = |why| Error::Signer { what: WHAT, why };
    let anchor = anchor_from_trusted_cert(&issuer.certificate).map_err(|_| not_der("issuer certificate"))?;
    let leaf = EndEntityCert::try_from(&responder.certificate).map_err(|_| not_der(WHAT))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.secs()).unwrap_or(0)));
    // No intermediates: the delegation must be direct.
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[anchor],
        &[],
        at,
        webpki::KeyUsage::required(KP_OCSP_SIGNING),
        None,
        None,
    )
    .map_err(|error| match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => {
            signer("it is outside its validity")
        }
        webpki::Error::RequiredEkuNotFoundContext(_) => signer("extendedKeyUsage lacks OCSPSigning"),
        _ => signer("the CA did not certify it"),
    })?;
    Ok(())
}

enum ResponderId<'a> {
    /// Name, whole.
    Name(&'a [u8]),
    /// SHA-1 of the octets of subjectPublicKey.
    KeyHash(&'a [u8]),
}

impl ResponderId<'_> {
    fn names(&self, signer: &Issuer<'_>) -> bool {
        match self {
            Self::Name(name) => signer.subject == *name,
            Self::KeyHash(hash) => digest(&SHA1_FOR_LEGACY_USE_ONLY, &signer.key_bits).as_ref() == *hash,
        }
    }
}

struct ResponseData<'a> {
    responder: ResponderId<'a>,
    responses: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

impl<'a> ResponseData<'a> {
    fn read(tbs: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::open(WHAT, Tag::Sequence, tbs)?;
        // No version: v1 is the only one, and a default is not written in DER (X.690 §11.5).
        let responder = if let Some(name) = fields.optional(N1)? {
            ResponderId::Name(name)
        } else {
            let mut tagged = fields.fields(context(TagNumber::N2, true))?;
            let hash = tagged.content(Tag::OctetString)?;
            tagged.finish()?;
            ResponderId::KeyHash(hash)
        };
        fields.time()?;
        let responses = fields.content(Tag::Sequence)?;
        let extensions = read_extensions(&mut fields, N1)?;
        fields.finish()?;
        Ok(Self { responder, responses, extensions })
    }

    fn check_extensions(&self, expected_nonce: Option<&[u8]>) -> Result<(), Error> {
        let mut nonce = None;
        for extension in &self.extensions {
            if extension.oid == OCSP_NONCE {
                let mut fields = Fields::of(WHAT, extension.value)?;
                nonce = Some(fields.content(Tag::OctetString)?);
                fields.finish()?;
            } else {
                extension.refuse_if_critical(WHAT)?;
            }
        }
        if expected_nonce.is_some() && nonce != expected_nonce { Err(Error::OcspNonce) } else { Ok(()) }
    }
}

fn read_extensions<'a>(fields: &mut Fields<'a>, tag: Tag) -> Result<Vec<Extension<'a>>, Error> {
    let Some(tagged) = fields.optional(tag)? else {
        return Ok(Vec::new());
    };
    let mut inner = Fields::of(WHAT, tagged)?;
    let extensions = inner.extensions()?;
    inner.finish()?;
    Ok(extensions)
}

struct SingleResponse<'a> {
    hash_oid: &'a [u8],
    name_hash: &'a [u8],
    key_hash: &'a [u8],
    serial: &'a [u8],
    answer: OcspAnswer,
}

impl<'a> SingleResponse<'a> {
    fn read(mut fields: Fields<'a>) -> Result<Self, Error> {
        let mut id = fields.fields(Tag::Sequence)?;
        let hash_oid = id.fields(Tag::Sequence)?.content(Tag::ObjectIdentifier)?;
        let name_hash = id.content(Tag::OctetString)?;
        let key_hash = id.content(Tag::OctetString)?;
        let serial = id.content(Tag::Integer)?;
        id.finish()?;
        let status = CertStatus::read(&mut fields)?;
        let this_update = fields.time()?;
        let Some(next_update) = fields.optional(N0)? else {
            return Err(Error::Form { what: WHAT, why: "nextUpdate is missing" });
        };
        let mut next = Fields::of(WHAT, next_update)?;
        let next_update = next.time()?;
        next.finish()?;
        let extensions = read_extensions(&mut fields, N1)?;
        fields.finish()?;
        let mut not_activated = false;
        for extension in &extensions {
            if extension.oid == oid::NOT_ACTIVATED {
                not_activated = true;
            } else {
                extension.refuse_if_critical(WHAT)?;
            }
        }
        let standing = status.standing(not_activated)?;
        let answer = OcspAnswer { standing, since: status.since(), this_update, next_update };
        Ok(Self { hash_oid, name_hash, key_hash, serial, answer })
    }

    /// Whether its CertID (§4.1.1) is that of `serial` of `issuer`.
    fn is_about(&self, issuer: &Issuer<'_>, serial: &Serial) -> Result<bool, Error> {
        let algorithm = match self.hash_oid {
            SHA1_OID => &SHA1_FOR_LEGACY_USE_ONLY,
            SHA256_OID => &SHA256,
            _ => {
                return Err(Error::Form {
                    what: WHAT,
                    why: "CertID is hashed neither with SHA-1 nor with SHA-256",
                });
            }
        };
        Ok(self.serial == serial.as_bytes()
            && digest(algorithm, &issuer.subject).as_ref() == self.name_hash
            && digest(algorithm, &issuer.key_bits).as_ref() == self.key_hash)
    }
}

enum CertStatus {
    Good,
    Revoked { at: Time, reason: u8 },
    Unknown,
}

impl CertStatus {
    fn read(fields: &mut Fields<'_>) -> Result<Self, Error> {
        if let Some(content) = fields.optional(context(TagNumber::N0, false))? {
            return if content.is_empty() { Ok(Self::Good) } else { Err(not_der(WHAT)) };
        }
        if let Some(content) = fields.optional(context(TagNumber::N2, false))? {
            return if content.is_empty() { Ok(Self::Unknown) } else { Err(not_der(WHAT)) };
        }
        let mut revoked = fields.fields(N1)?;
        let at = revoked.time()?;
        let reason = match revoked.optional(N0)? {
            None => 0,
            Some(tagged) => match Fields::of(WHAT, tagged)?.content(Tag::Enumerated)? {
                [reason] if tagged.len() == 3 => *reason,
                _ => return Err(not_der(WHAT)),
            },
        };
        revoked.finish()?;
        Ok(Self::Revoked { at, reason })
    }

    const fn since(&self) -> Option<Time> {
        match self {
            Self::Revoked { at, .. } => Some(*at),
            Self::Good | Self::Unknown => None,
        }
    }

    fn standing(&self, not_activated: bool) -> Result<Option<Standing>, Error> {
        match self {
            Self::Good => Ok(Some(Standing::Good)),
            Self::Unknown => Ok(None),
            Self::Revoked { reason, .. } => standing(*reason, not_activated)
                .map(Some)
                .ok_or(Error::Form { what: WHAT, why: "unknown reason" }),
        }
    }
}

//! Reading and checking a profile file.

use super::super::reader::{PolicyError, Reader, Section};
use super::{AlternativeName, Attribute, ExtendedKeyUsage, KeyUsage, Kind, Profile};
use crate::{KeyAlgorithm, encode};

const ISSUERS: [&str; 2] = ["root", "issuing"];
const OID_CHARS_MAX: usize = 128;

pub(in super::super) fn parse(reader: &Reader<'_>) -> Result<Profile, Vec<PolicyError>> {
    reader.read(|section| {
        let name = section.parsed("name", "the file's name", |text| {
            (format!("profiles/{text}.toml") == reader.file()).then(|| text.to_owned())
        });
        let version = section.integer("version", 1..=9999);
        let kind = word(section, "kind", Kind::NAMES, Kind::from_name);
        let issuer = section
            .parsed("issuer", "root or issuing", |text| ISSUERS.contains(&text).then(|| text.to_owned()));
        let proof = section.flag("proof-of-possession");
        let est = option(section, "est-reenroll");
        let same_key = option(section, "est-same-key");
        let attributes = format!("one of {}, with ? when optional", Attribute::NAMES);
        let subject = section.list("subject", &attributes, attribute);
        let keys = section.list("key-algorithms", "ec-p256, rsa-2048, rsa-3072 or rsa-4096", |text| {
            KeyAlgorithm::from_name(text).ok()
        });
        let lifetime = section.integer("lifetime-days-max", 1..=lifetime_limit(kind));
        let extensions = section.table("extensions", extensions);
        let profile = Profile {
            name: name?,
            version: u16::try_from(version?).ok()?,
            kind: kind?,
            issuer: issuer?,
            proof_of_possession: proof?,
            est_reenroll: est?,
            est_same_key: same_key?,
            subject: values(subject?),
            key_algorithms: values(keys?),
            lifetime_days_max: u16::try_from(lifetime?).ok()?,
            sha256: reader.sha256(),
            ..extensions?
        };
        check(section, &profile);
        Some(profile)
    })
}

/// Days. A unit: three paid years (domain rule) and a renewal made up to 92 days early; a root: 25 years, the longest
/// in the root programs; an issuing CA: 15 years.
fn lifetime_limit(kind: Option<Kind>) -> i64 {
    match kind {
        Some(Kind::RootCa) => 9_132,
        Some(Kind::IssuingCa) => 5_479,
        Some(Kind::EndEntity) | None => 1_188,
    }
}

fn extensions(section: &Section<'_>) -> Option<Profile> {
    let key_usage = section.list("key-usage", KeyUsage::NAMES, KeyUsage::from_name);
    let extended = section.list("extended-key-usage", ExtendedKeyUsage::NAMES, ExtendedKeyUsage::from_name);
    let alternative_name =
        word(section, "subject-alternative-name", AlternativeName::NAMES, AlternativeName::from_name);
    let access = section.list("authority-information-access", "OCSP or caIssuers", |text| {
        ["OCSP", "caIssuers"].contains(&text).then(|| text.to_owned())
    });
    let crl_distribution_point = section.flag("crl-distribution-point");
    let policies =
        section.list("certificate-policies", "an object identifier in dotted decimals", policy_oid);
    let cps = section.flag("cps");
    let uscc = section.flag("uscc");
    let ocsp_nocheck = section.flag("ocsp-nocheck");
    let access = values(access?);
    let has = |method: &str| access.iter().any(|found| found == method);
    Some(Profile {
        name: String::new(),
        version: 0,
        kind: Kind::EndEntity,
        issuer: String::new(),
        proof_of_possession: true,
        est_reenroll: false,
        est_same_key: false,
        subject: Vec::new(),
        key_algorithms: Vec::new(),
        lifetime_days_max: 0,
        key_usage: values(key_usage?),
        extended_key_usage: values(extended?),
        alternative_name: alternative_name?,
        ocsp: has("OCSP"),
        ca_issuers: has("caIssuers"),
        crl_distribution_point: crl_distribution_point?,
        policies: values(policies?),
        cps: cps?,
        uscc: uscc?,
        ocsp_nocheck: ocsp_nocheck?,
        sha256: [0; 32],
    })
}

/// What must hold between the values.
fn check(section: &Section<'_>, profile: &Profile) {
    for need in usages(profile).into_iter().chain(names(profile)).chain(issuers(profile)) {
        if !need.holds {
            section.refuse(need.key, need.rule, need.found);
        }
    }
}

struct Need<'a> {
    key: &'static str,
    holds: bool,
    rule: &'static str,
    found: &'a str,
}

fn need<'a>(key: &'static str, holds: bool, rule: &'static str, found: &'a str) -> Need<'a> {
    Need { key, holds, rule, found }
}

fn usages(profile: &Profile) -> [Need<'_>; 7] {
    let kind = profile.kind.name();
    let ca = profile.kind != Kind::EndEntity;
    let uses = |usage| profile.key_usage.contains(&usage);
    let purposes = |purpose| profile.extended_key_usage.contains(&purpose);
    // RFC 5280 §4.2.1.3: keyCertSign with CAs and with nobody else.
    let signing = uses(KeyUsage::KeyCertSign) == ca && uses(KeyUsage::CrlSign) == ca;
    // RFC 5280 §4.2.1.12: a CA's purposes would bind all that it signs.
    let purposed = profile.extended_key_usage.is_empty() == ca;
    // RFC 5280 §4.2.1.12: clientAuth and serverAuth alone are not consistent with contentCommitment.
    let committed = !uses(KeyUsage::ContentCommitment)
        || purposes(ExtendedKeyUsage::DocumentSigning)
        || purposes(ExtendedKeyUsage::EmailProtection);
    let responder = purposes(ExtendedKeyUsage::OcspSigning);
    let alone = !responder || profile.extended_key_usage.len() == 1;
    let server = purposes(ExtendedKeyUsage::ServerAuth);
    let hosts = server == (profile.alternative_name == AlternativeName::Hosts);
    let found = profile.alternative_name.name();
    [
        need("extensions", !profile.key_usage.is_empty(), "key-usage must name one or more", "none"),
        need("extensions", signing, "key-usage must have keyCertSign and cRLSign exactly for a CA", kind),
        need("extensions", purposed, "extended-key-usage must be empty exactly for a CA", kind),
        need(
            "extensions",
            committed,
            "contentCommitment must come with documentSigning or emailProtection",
            "neither",
        ),
        need("extensions", alone, "OCSPSigning must stand alone", "others"),
        // RFC 6960 §4.2.2.2.1
        need(
            "extensions",
            profile.ocsp_nocheck == responder,
            "ocsp-nocheck must be true exactly for OCSPSigning",
            "the other",
        ),
        need("extensions", hosts, "subject-alternative-name must be hosts exactly for serverAuth", found),
    ]
}

fn names(profile: &Profile) -> [Need<'_>; 6] {
    let common_name = profile.subject.contains(&(Attribute::CommonName, true));
    let unit = profile.subject.contains(&(Attribute::OrganizationIdentifier, true));
    let coded = profile.uscc == unit && (profile.alternative_name == AlternativeName::Uscc) == unit;
    let rule = "uscc, subject-alternative-name uscc and organizationIdentifier must come together";
    [
        need("subject", common_name, "subject must contain CN", "no CN"),
        need("extensions", coded, rule, "a part"),
        need(
            "key-algorithms",
            !profile.key_algorithms.is_empty(),
            "key-algorithms must name one or more",
            "none",
        ),
        need(
            "proof-of-possession",
            !unit || profile.proof_of_possession,
            "proof-of-possession must be true for a unit",
            "false",
        ),
        // Only a unit's certificate has an application to be executed.
        need("est-reenroll", unit || !profile.est_reenroll, "est-reenroll is for a unit's profile", "true"),
        need(
            "est-same-key",
            profile.est_reenroll || !profile.est_same_key,
            "est-same-key must come with est-reenroll",
            "true",
        ),
    ]
}

fn issuers(profile: &Profile) -> [Need<'_>; 6] {
    let ca = profile.kind != Kind::EndEntity;
    let root = profile.kind == Kind::RootCa;
    let responder = profile.ocsp_nocheck;
    let pointers = profile.ocsp || profile.ca_issuers || profile.crl_distribution_point;
    let listed = root || profile.crl_distribution_point || responder;
    let signer = if ca { "root" } else { "issuing" };
    let signed = profile.issuer == signer || (responder && profile.issuer == "root");
    let by_ceremony = !(ca && profile.proof_of_possession);
    // ETSI EN 319 411-1 CSS-6.6.3-01B: a responder's certificate does not ask a responder.
    let rule = "authority-information-access must not name OCSP for OCSPSigning";
    [
        need("extensions", !(responder && profile.ocsp), rule, "OCSP"),
        need("extensions", !(root && pointers), "a root must not point to an issuer", "a pointer"),
        need("extensions", listed, "crl-distribution-point must be true", "false"),
        need(
            "extensions",
            !profile.cps || !profile.policies.is_empty(),
            "cps must come with certificate-policies",
            "none",
        ),
        need("issuer", signed, "issuer must be root for a CA and issuing for others", &profile.issuer),
        need("proof-of-possession", by_ceremony, "proof-of-possession must be false for a CA", "true"),
    ]
}

/// A switch that is off unless it is written down.
fn option(section: &Section<'_>, key: &str) -> Option<bool> {
    if section.has(key) { section.flag(key) } else { Some(false) }
}

fn word<T>(section: &Section<'_>, key: &str, names: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
    section.parsed(key, &format!("one of {names}"), parse)
}

/// `OU?` is optional, `O` is not.
fn attribute(text: &str) -> Option<(Attribute, bool)> {
    match text.strip_suffix('?') {
        Some(optional) => Attribute::from_name(optional).map(|attribute| (attribute, false)),
        None => Attribute::from_name(text).map(|attribute| (attribute, true)),
    }
}

fn values<T>(list: Vec<(usize, T)>) -> Vec<T> {
    list.into_iter().map(|(_, value)| value).collect()
}

/// Content octets of an OBJECT IDENTIFIER (X.690 §8.19). Arcs are below 2^31, because programs that
/// hold an arc in 32 bits, pkilint among them, refuse the whole extension otherwise.
fn policy_oid(text: &str) -> Option<Vec<u8>> {
    if text.len() > OID_CHARS_MAX {
        return None;
    }
    let arcs = text.split('.').map(arc).collect::<Option<Vec<u64>>>()?;
    let [first, second, ..] = *arcs else { return None };
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    // Content octets are what follows tag and length, and so short an identifier has one octet of length.
    encode::oid(&arcs).get(2..).map(<[u8]>::to_vec)
}

fn arc(text: &str) -> Option<u64> {
    let shortest = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    let arc = text.parse().ok().filter(|arc| *arc < 1 << 31)?;
    (shortest && digits).then_some(arc)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    #[test]
    fn object_identifiers() {
        assert_eq!(policy_oid("2.5.29.32.0"), Some(vec![0x55, 0x1d, 0x20, 0]));
        assert_eq!(policy_oid("1.2.840.113549"), Some(vec![0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]));
        assert_eq!(policy_oid("2.999.1"), Some(vec![0x88, 0x37, 1]));
        for bad in ["", "1", "1.", "1.40", "3.1", "1.2.x", "1.2.03", "1.-2", &"1.2".repeat(100)] {
            assert_eq!(policy_oid(bad), None, "{bad}");
        }
    }

    const UNIT: &str = "profiles/unit-sign.toml";
    const RESPONDER: &str = "profiles/ocsp-signer.toml";
    /// File, old text, new text, rule.
    const DANGEROUS: [[&str; 4]; 18] = [
        [
            UNIT,
            "\"contentCommitment\"]",
            "\"contentCommitment\", \"keyCertSign\"]",
            "key-usage must have keyCertSign and cRLSign exactly for a CA, found end-entity",
        ],
        [
            UNIT,
            "\"emailProtection\", \"documentSigning\"]",
            "]",
            "contentCommitment must come with documentSigning or emailProtection, found neither",
        ],
        [
            UNIT,
            "lifetime-days-max = 1188",
            "lifetime-days-max = 1189",
            "lifetime-days-max must be 1 to 1188, found 1189",
        ],
        [UNIT, "name = \"unit-sign\"", "name = \"unit\"", "name must be the file's name, found unit"],
        [
            UNIT,
            "uscc = true",
            "uscc = false",
            "uscc, subject-alternative-name uscc and organizationIdentifier must come together, found a part",
        ],
        [
            UNIT,
            "crl-distribution-point = true",
            "crl-distribution-point = false",
            "crl-distribution-point must be true, found false",
        ],
        [
            UNIT,
            "proof-of-possession = true",
            "proof-of-possession = false",
            "proof-of-possession must be true for a unit, found false",
        ],
        [
            UNIT,
            "issuer = \"issuing\"",
            "issuer = \"root\"",
            "issuer must be root for a CA and issuing for others, found root",
        ],
        [UNIT, ", \"CN\"]", "]", "subject must contain CN, found no CN"],
        [
            "profiles/staff-auth.toml",
            "proof-of-possession = true",
            "proof-of-possession = true\nest-reenroll = true",
            "est-reenroll is for a unit's profile, found true",
        ],
        [
            UNIT,
            "proof-of-possession = true",
            "proof-of-possession = true\nest-reenroll = \"yes\"",
            "est-reenroll must be true or false, found yes",
        ],
        [
            UNIT,
            "proof-of-possession = true",
            "proof-of-possession = true\nest-same-key = true",
            "est-same-key must come with est-reenroll, found true",
        ],
        [
            UNIT,
            "\"O\", \"OU?\"",
            "\"O\", \"X?\"",
            "each of subject must be one of C, ST, L, O, OU, organizationIdentifier, serialNumber, CN, with ? when optional, found X?",
        ],
        [
            RESPONDER,
            "ocsp-nocheck = true",
            "ocsp-nocheck = false",
            "ocsp-nocheck must be true exactly for OCSPSigning, found the other",
        ],
        [
            RESPONDER,
            "[\"caIssuers\"]",
            "[\"OCSP\", \"caIssuers\"]",
            "authority-information-access must not name OCSP for OCSPSigning, found OCSP",
        ],
        [
            "profiles/issuing-ca.toml",
            "\"cRLSign\"]",
            "\"cRLSigns\"]",
            "each of key-usage must be digitalSignature, contentCommitment, keyCertSign, cRLSign, found cRLSigns",
        ],
        [
            "profiles/root-ca.toml",
            "crl-distribution-point = false",
            "crl-distribution-point = true",
            "a root must not point to an issuer, found a pointer",
        ],
        [
            "profiles/tls-server.toml",
            "= \"hosts\"",
            "= \"none\"",
            "subject-alternative-name must be hosts exactly for serverAuth, found none",
        ],
    ];

    #[test]
    fn dangerous_profiles_are_refused() {
        for [file, old, new, rule] in DANGEROUS {
            let errors = testing::errors_after(file, old, new);
            assert!(errors.iter().any(|error| error.ends_with(rule)), "{rule}: {errors:?}");
        }
    }

    #[test]
    fn the_hash_follows_the_text() {
        let profile = testing::policies().profile("unit-sign").unwrap().clone();
        let mut files = testing::files();
        testing::replace(&mut files, "profiles/unit-sign.toml", "version = 1", "version = 2");
        let other = super::super::super::Policies::parse(&files).unwrap();
        assert_ne!(profile.sha256(), other.profile("unit-sign").unwrap().sha256());
    }
}

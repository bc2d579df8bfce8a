//! `rfc5280.key-usage`: keyUsage and extKeyUsage agree, and keyCertSign comes with cA.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{ExtendedKeyUsage, KeyUsage};

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule =
    Rule { name: "rfc5280.key-usage", clause: "RFC 5280 §4.2.1.12, RFC 9336 §4", check };

fn check(certificate: &X509Certificate<'_>, _: &LintContext<'_>) -> Option<String> {
    let Some(usage) = certificate.key_usage().ok().flatten() else {
        return Some("keyUsage is absent".to_owned());
    };
    let usage = usage.value;
    if usage.flags == 0 {
        return Some("keyUsage is empty".to_owned());
    }
    if usage.key_cert_sign() != certificate.is_ca() {
        return Some(format!("keyCertSign: {}, cA: {}", usage.key_cert_sign(), certificate.is_ca()));
    }
    let purposes = certificate.extended_key_usage().ok().flatten()?.value;
    purpose_without_usage(usage, purposes)
        .or_else(|| usage_without_purpose(usage, purposes))
        .map(str::to_owned)
}

fn purpose_without_usage(usage: &KeyUsage, purposes: &ExtendedKeyUsage<'_>) -> Option<&'static str> {
    let signs = usage.digital_signature();
    let commits = usage.non_repudiation();
    [
        (purposes.server_auth && !(signs || usage.key_encipherment() || usage.key_agreement()), "serverAuth"),
        (purposes.client_auth && !(signs || usage.key_agreement()), "clientAuth"),
        (purposes.email_protection && !(signs || commits || usage.key_encipherment()), "emailProtection"),
        (purposes.ocsp_signing && !(signs || commits), "OCSPSigning"),
    ]
    .into_iter()
    .find_map(|(wrong, purpose)| wrong.then_some(purpose))
}

fn usage_without_purpose(usage: &KeyUsage, purposes: &ExtendedKeyUsage<'_>) -> Option<&'static str> {
    let committing = purposes.email_protection || purposes.ocsp_signing || !purposes.other.is_empty();
    let unused =
        usage.crl_sign() || usage.data_encipherment() || usage.encipher_only() || usage.decipher_only();
    match (usage.non_repudiation() && !committing, unused) {
        (true, _) => Some("contentCommitment without a purpose that commits"),
        (_, true) => Some("a key usage without a purpose"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn each_disagreement_is_found() {
        use rcgen::ExtendedKeyUsagePurpose as Purpose;
        use rcgen::KeyUsagePurpose as Usage;
        for (usages, purposes) in [
            (vec![Usage::ContentCommitment], vec![Purpose::ClientAuth]),
            (vec![Usage::DigitalSignature, Usage::ContentCommitment], vec![Purpose::ClientAuth]),
            (vec![Usage::ContentCommitment], vec![Purpose::ServerAuth]),
            (vec![Usage::KeyEncipherment], vec![Purpose::OcspSigning]),
            (vec![Usage::DigitalSignature, Usage::KeyCertSign], vec![Purpose::ClientAuth]),
            (vec![Usage::DigitalSignature, Usage::CrlSign], vec![Purpose::ClientAuth]),
            (vec![], vec![Purpose::ClientAuth]),
        ] {
            let rules = testing::written(|params| {
                params.key_usages = usages.clone();
                params.extended_key_usages = purposes.clone();
            });
            assert_eq!(rules, ["rfc5280.key-usage", "profile.extensions"], "{usages:?} {purposes:?}");
        }
    }
}

//! `profile.extensions`: exactly the extensions of the profile, byte for byte as our own writer would make them.

use std::collections::BTreeSet;

use x509_parser::certificate::X509Certificate;

use crate::encode;
use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "profile.extensions", clause: "policies/profiles", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let expected: BTreeSet<Vec<u8>> = context.extensions.iter().map(encode::Extension::der).collect();
    let found: Vec<(String, Vec<u8>)> = certificate
        .extensions()
        .iter()
        .map(|extension| {
            let critical: &[u8] = if extension.critical { &[1, 1, 0xff] } else { &[] };
            let oid = encode::oid_content(extension.oid.as_bytes());
            let der = encode::sequence(&[&oid, critical, &encode::octets(extension.value)]);
            (extension.oid.to_id_string(), der)
        })
        .collect();
    if let Some((oid, _)) = found.iter().find(|(_, der)| !expected.contains(der)) {
        return Some(format!("{oid} is not as profile {} has it", context.profile.name()));
    }
    (found.len() != expected.len()).then(|| {
        format!("{} extensions, profile {} has {}", found.len(), context.profile.name(), expected.len())
    })
}

#[cfg(test)]
mod tests {
    use crate::lint::testing;

    #[test]
    fn more_fewer_and_other_are_found() {
        let more = testing::written(|params| {
            let extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
            params.custom_extensions.push(extension);
        });
        assert_eq!(more, ["profile.extensions"]);
        let fewer = testing::written(|params| drop(params.custom_extensions.pop()));
        assert_eq!(fewer, ["profile.extensions"]);
        let other = testing::written(|params| params.extended_key_usages.reverse());
        assert_eq!(other, ["profile.extensions"]);
        let shard = testing::written(|params| {
            params.crl_distribution_points[0].uris =
                vec!["http://crl.qianyin.test/crl/issuing/4.crl".to_owned()];
        });
        assert_eq!(shard, ["profile.extensions"]);
    }
}

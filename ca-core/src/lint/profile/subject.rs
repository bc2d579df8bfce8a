//! `profile.subject`: the planned name, byte for byte, with the profile's attributes in the profile's order.

use x509_parser::certificate::X509Certificate;

use crate::encode;
use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "profile.subject", clause: "policies/profiles", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    let subject = certificate.subject();
    if subject.as_raw() != context.subject {
        return Some(format!("subject is {subject}, which is not the planned one byte for byte"));
    }
    let mut found = subject
        .iter_attributes()
        .map(|attribute| encode::oid_content(attribute.attr_type().as_bytes()))
        .peekable();
    for (attribute, needed) in context.profile.subject() {
        let present = found.next_if(|oid| *oid == encode::oid(attribute.oid())).is_some();
        if *needed && !present {
            return Some(format!("{} is absent or out of place", attribute.name()));
        }
    }
    found.next().map(|_| format!("more attributes than profile {} has", context.profile.name()))
}

#[cfg(test)]
mod tests {
    use crate::{Name, StaffId, Subject};

    use crate::lint::testing;

    #[test]
    fn an_optional_attribute_is_optional() {
        let department = Name::parse("财务部").unwrap();
        let unit = crate::issuance::testing::unit();
        let rules = testing::planned(|plan| plan.subject = Subject::unit(&unit, Some(&department)).unwrap());
        assert_eq!(rules, Vec::<&str>::new());
    }

    #[test]
    fn another_kind_of_subject_is_found() {
        let name = Name::parse("签印").unwrap();
        // Without a code there is nothing to write into subjectAltName, so it does not even come to the lint.
        assert_eq!(
            testing::planned(|plan| plan.subject = Subject::authority(&name, &name)),
            ["issue.encoding"]
        );
        let id = StaffId::new(crate::issuance::testing::NOW, [3; 10]);
        let hierarchy = crate::issuance::testing::hierarchy();
        let csr = hierarchy.csr();
        let mut plan = hierarchy.responder_plan(&csr);
        plan.subject = Subject::staff(&name, &id, &name);
        assert_eq!(testing::refused(&plan), ["profile.subject"]);
    }

    #[test]
    fn two_departments_in_rcgens_map_are_found() {
        let rules =
            testing::written(|params| params.distinguished_name.push(rcgen::DnType::CommonName, "另一个"));
        assert_eq!(rules, ["profile.subject"]);
    }
}

//! I8: whatever a request says, it changes nothing in the certificate but the key.
use ca_core::{UntrustedCsr, prepare};
use proptest::prelude::*;
use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SanType};

#[derive(Clone, Debug)]
struct Wishes {
    common_name: String,
    organization: Option<String>,
    alternative_name: Option<String>,
    ca: bool,
    extension: Option<(u64, Vec<u8>)>,
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let text = "[ -~一-龥]{0,40}";
    let extension = (1..1000_u64, prop::collection::vec(any::<u8>(), 0..40));
    let organization = prop::option::weighted(0.3, text);
    let alternative_name = prop::option::weighted(0.3, "[a-z]{1,20}");
    (text, organization, alternative_name, prop::bool::weighted(0.2), prop::option::weighted(0.3, extension))
        .prop_map(|(common_name, organization, alternative_name, ca, extension)| Wishes {
            common_name,
            organization,
            alternative_name,
            ca,
            extension,
        })
}

impl Wishes {
    fn only_a_name(&self) -> bool {
        self.organization.is_none() && self.alternative_name.is_none() && !self.ca && self.extension.is_none()
    }

    fn request(&self, key: &KeyPair) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, self.common_name.as_str());
        if let Some(organization) = &self.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
        }
        if let Some(name) = &self.alternative_name {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into().unwrap()));
        }
        if self.ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        if let Some((arc, value)) = &self.extension {
            params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 999, *arc], value.clone()));
        }
        params.serialize_request(key).unwrap().der().to_vec()
    }
}

#[test]
fn nothing_but_the_key_comes_from_a_request() {
    let hierarchy = crate::common::hierarchy();
    let key = KeyPair::generate().unwrap();
    let csr = hierarchy.csr(&key);
    let usual = prepare(&hierarchy.unit_plan(&csr)).unwrap().intent().tbs.clone();
    let mut runner = proptest::test_runner::TestRunner::default();
    let result = runner.run(&wishes(), |wishes| {
        let der = wishes.request(&key);
        let csr = UntrustedCsr::read(&der).unwrap();
        match csr.validate(hierarchy.policies.keys(), Some(&wishes.common_name)) {
            Ok(csr) => {
                prop_assert!(wishes.only_a_name(), "{wishes:?} was accepted");
                let prepared = prepare(&hierarchy.unit_plan(&csr)).unwrap();
                prop_assert_eq!(&prepared.intent().tbs, &usual);
                Ok(())
            }
            Err(refusal) => {
                prop_assert!(!wishes.only_a_name(), "{wishes:?}: {refusal}");
                Ok(())
            }
        }
    });
    result.unwrap();
    // The property says nothing when everything is refused.
    for common_name in ["", "a", "任何名字"] {
        let wishes = Wishes {
            common_name: common_name.to_owned(),
            organization: None,
            alternative_name: None,
            ca: false,
            extension: None,
        };
        let der = wishes.request(&key);
        let csr =
            UntrustedCsr::read(&der).unwrap().validate(hierarchy.policies.keys(), Some(common_name)).unwrap();
        assert_eq!(prepare(&hierarchy.unit_plan(&csr)).unwrap().intent().tbs, usual);
    }
}

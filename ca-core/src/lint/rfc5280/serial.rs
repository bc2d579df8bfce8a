//! `rfc5280.serial`: positive, at most 20 octets, shortest form, and the one that was reserved.

use ca_verifier::Serial;
use x509_parser::certificate::X509Certificate;

use crate::lint::{LintContext, Rule};

pub(super) const RULE: Rule = Rule { name: "rfc5280.serial", clause: "RFC 5280 §4.1.2.2", check };

fn check(certificate: &X509Certificate<'_>, context: &LintContext<'_>) -> Option<String> {
    match Serial::from_content(certificate.tbs_certificate.raw_serial()) {
        Ok(serial) if serial == context.serial => None,
        Ok(serial) => Some(format!("serial number is {serial}, reserved was {}", context.serial)),
        Err(error) => Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use ca_verifier::Serial;
    use rcgen::SerialNumber;

    use crate::lint::testing;

    #[test]
    fn other_zero_negative_and_long_are_found() {
        let other = Serial::from_random(1, &[8; 17]).unwrap();
        assert_eq!(testing::expected_other(|context| context.serial = other), ["rfc5280.serial"]);
        for bad in [&[0][..], &[1; 21], &[0x11; 25]] {
            let rules = testing::written(|params| params.serial_number = Some(SerialNumber::from_slice(bad)));
            assert_eq!(rules, ["rfc5280.serial"], "{bad:02x?}");
        }
        let negative = testing::altered(|der| testing::replace(der, &[2, 18, 1, 7, 7], &[2, 18, 0x81, 7, 7]));
        assert_eq!(negative, ["rfc5280.serial"]);
    }
}

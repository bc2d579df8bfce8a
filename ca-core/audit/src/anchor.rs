//! Trust: the root that the auditor brings, and the issuing CA that it certifies (RFC 5280 §6.1).
//!
//! The root in the database is compared and never trusted.

use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem};

use crate::{Violation, octets::Octets, x509};

/// A root certificate is a few hundred octets.
const PEM_OCTETS: usize = 64 * 1024;

/// The root that the auditor trusts.
#[derive(Clone, Debug)]
pub struct Anchor {
    der: Octets,
}

/// Why a file is no root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnchorProblem {
    /// Not one PEM block `CERTIFICATE` of reasonable size.
    #[error("not one PEM certificate")]
    NotOneCertificate,
    /// Not a CA's certificate that verifies with its own key.
    #[error("not a self-signed CA certificate")]
    NotSelfSigned,
}

impl AnchorProblem {
    pub(crate) fn zh(self) -> &'static str {
        match self {
            Self::NotOneCertificate => "不是单个 PEM 证书",
            Self::NotSelfSigned => "不是自签名的 CA 证书",
        }
    }
}

impl Anchor {
    /// Reads a PEM file (RFC 7468) with one certificate.
    ///
    /// # Errors
    /// [`AnchorProblem`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, AnchorProblem> {
        if pem.len() > PEM_OCTETS {
            return Err(AnchorProblem::NotOneCertificate);
        }
        let (rest, block) = parse_x509_pem(pem).map_err(|_| AnchorProblem::NotOneCertificate)?;
        if block.label != "CERTIFICATE" || rest.iter().any(|octet| !octet.is_ascii_whitespace()) {
            return Err(AnchorProblem::NotOneCertificate);
        }
        let root = x509::parse(&block.contents).map_err(|_| AnchorProblem::NotOneCertificate)?;
        if !may_certify(&root) || signed_by(&root, &root).is_err() {
            return Err(AnchorProblem::NotSelfSigned);
        }
        Ok(Self { der: Octets::new(&block.contents) })
    }
}

/// The root and, once its row was read, the issuing CA.
#[derive(Debug)]
pub(crate) struct Issuers {
    root: Anchor,
    issuing: Option<Octets>,
}

impl Issuers {
    pub(crate) fn new(root: Anchor) -> Self {
        Self { root, issuing: None }
    }

    /// Takes a row of `ca_certificate`: the root must be the auditor's, the issuing CA must be certified by it.
    pub(crate) fn see(&mut self, name: &str, der: &Octets) -> Result<(), Violation> {
        match name {
            "root" if *der != self.root.der => Err(Violation::OtherRoot),
            "issuing" => {
                let issuing = x509::parse(der.as_slice()).map_err(|why| Violation::NotX509 { why })?;
                let root = self.root.der.as_slice();
                signed_by(&issuing, &parsed(root)?)?;
                if !may_certify(&issuing) {
                    return Err(Violation::NotCa);
                }
                self.issuing = Some(der.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the certificate was signed by the CA that its row names.
    pub(crate) fn judge(&self, issuer: &str, certificate: &X509Certificate<'_>) -> Result<(), Violation> {
        let known = match issuer {
            "root" => Some(&self.root.der),
            "issuing" => self.issuing.as_ref(),
            _ => None,
        };
        let der = known.ok_or_else(|| Violation::NoIssuer { issuer: issuer.to_owned() })?;
        signed_by(certificate, &parsed(der.as_slice())?)
    }
}

fn parsed(der: &[u8]) -> Result<X509Certificate<'_>, Violation> {
    x509::parse(der).map_err(|why| Violation::NotX509 { why })
}

fn may_certify(certificate: &X509Certificate<'_>) -> bool {
    let ca = matches!(certificate.basic_constraints(), Ok(Some(constraints)) if constraints.value.ca);
    ca && matches!(certificate.key_usage(), Ok(Some(usage)) if usage.value.key_cert_sign())
}

fn signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Result<(), Violation> {
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        return Err(Violation::IssuerName);
    }
    // RFC 5280 §4.1.1.2: both fields must contain the same algorithm identifier.
    if certificate.signature_algorithm != certificate.tbs_certificate.signature {
        return Err(Violation::Algorithms);
    }
    certificate.verify_signature(Some(issuer.public_key())).map_err(|_| Violation::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Pki;

    #[test]
    fn only_one_self_signed_ca_is_a_root() {
        let pki = Pki::new();
        let root = pki.root_pem();
        assert!(Anchor::from_pem(root.as_bytes()).is_ok());
        let issuing = pki.issuing_pem();
        assert_eq!(Anchor::from_pem(issuing.as_bytes()).unwrap_err(), AnchorProblem::NotSelfSigned);
        for bad in [
            format!("{root}{root}"),
            root.replace("CERTIFICATE", "X509 CRL"),
            String::new(),
            "x".repeat(70_000),
        ] {
            assert_eq!(Anchor::from_pem(bad.as_bytes()).unwrap_err(), AnchorProblem::NotOneCertificate);
        }
    }
}

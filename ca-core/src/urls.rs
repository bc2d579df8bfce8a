//! The CA's addresses as they stand in certificates and CRLs.

use crate::Error;

const CHARS_MAX: usize = 200;

/// Where status and issuer certificates are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    ocsp: String,
    ca_base: String,
    crl_base: String,
    cps: String,
}

impl Urls {
    /// Checks the four addresses: the OCSP responder, the folders of `{issuer}.cer` and `{issuer}/{shard}.crl`
    /// without a slash at the end, and the CPS.
    ///
    /// # Errors
    /// [`Error::Url`]. Status addresses must be plain `http`: with https a client needs status to get status
    /// (RFC 5280 §8).
    pub fn new(ocsp: &str, ca_base: &str, crl_base: &str, cps: &str) -> Result<Self, Error> {
        for url in [ocsp, ca_base, crl_base] {
            check(url, &["http://"])?;
        }
        check(cps, &["http://", "https://"])?;
        let own = |text: &str| text.trim_end_matches('/').to_owned();
        Ok(Self {
            ocsp: ocsp.to_owned(),
            ca_base: own(ca_base),
            crl_base: own(crl_base),
            cps: cps.to_owned(),
        })
    }

    /// The OCSP responder.
    #[must_use]
    pub fn ocsp(&self) -> &str {
        &self.ocsp
    }

    /// The certificate of `issuer`: `root` or `issuing`.
    #[must_use]
    pub fn ca_issuers(&self, issuer: &str) -> String {
        format!("{}/{issuer}.cer", self.ca_base)
    }

    /// The CRL of one shard; stands in certificates and, byte for byte, in the CRL itself (RFC 5280 §6.3.3 b 2).
    #[must_use]
    pub fn crl(&self, issuer: &str, shard: u16) -> String {
        format!("{}/{issuer}/{shard}.crl", self.crl_base)
    }

    /// The certification practice statement.
    #[must_use]
    pub fn cps(&self) -> &str {
        &self.cps
    }
}

fn check(url: &str, schemes: &[&str]) -> Result<(), Error> {
    let host = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)).unwrap_or_default();
    let visible = url.len() <= CHARS_MAX && url.bytes().all(|c| c.is_ascii_graphic());
    if visible && host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') {
        Ok(())
    } else {
        Err(Error::Url { found: url.chars().take(CHARS_MAX).collect(), schemes: schemes.join(" or ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composes_and_refuses() {
        let http = "http://ca.qianyin.test/x/";
        let urls = Urls::new(http, http, http, "https://qianyin.test/cps").unwrap();
        assert_eq!(urls.crl("issuing", 3), "http://ca.qianyin.test/x/issuing/3.crl");
        assert_eq!(urls.ca_issuers("root"), "http://ca.qianyin.test/x/root.cer");
        for bad in [
            "",
            "https://ca.test/",
            "http:///x",
            "http://",
            "ldap://ca.test",
            "http://ca test/",
            "http://例.test/",
        ] {
            assert!(matches!(Urls::new(http, http, bad, http), Err(Error::Url { .. })), "{bad}");
        }
        assert!(Urls::new(http, http, &format!("http://{}", "a".repeat(200)), http).is_err());
    }
}

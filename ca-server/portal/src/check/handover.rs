//! How a web server hands the client's certificate over: one header, one form, chosen by configuration. A form that is
//! guessed would be a second way in.

use axum::http::{HeaderMap, HeaderName};
use base64::{Engine, engine::general_purpose::STANDARD};
use ca_verifier::Refusal;
use percent_encoding::percent_decode_str;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;

/// RFC 9440 §2.2.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");

/// The form of `Client-Cert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// nginx' `$ssl_client_escaped_cert`: PEM with URL escapes.
    EscapedPem,
    /// RFC 9440: base64 of the DER between colons.
    Rfc9440,
}

/// The one certificate of the request.
pub(crate) fn certificate(headers: &HeaderMap, form: Form) -> Result<CertificateDer<'static>, Refusal> {
    let mut values = headers.get_all(CLIENT_CERT).iter();
    let value = values.next().ok_or(Refusal::NoCertificate)?;
    if values.next().is_some() {
        return Err(Refusal::Malformed("more than one Client-Cert"));
    }
    let text = value.to_str().map_err(|_| Refusal::Malformed("Client-Cert is not ASCII"))?;
    // nginx sends no header for an empty variable; others may send an empty one.
    if text.is_empty() {
        return Err(Refusal::NoCertificate);
    }
    match form {
        Form::EscapedPem => {
            let pem = percent_decode_str(text).decode_utf8();
            let pem = pem.map_err(|_| Refusal::Malformed("Client-Cert is not PEM with URL escapes"))?;
            one_pem(&pem).ok_or(Refusal::Malformed("Client-Cert is not PEM with URL escapes"))
        }
        Form::Rfc9440 => text
            .strip_prefix(':')
            .and_then(|rest| rest.strip_suffix(':'))
            .and_then(|base64| STANDARD.decode(base64).ok())
            .map(CertificateDer::from)
            .ok_or(Refusal::Malformed("Client-Cert is not of RFC 9440")),
    }
}

/// The body of `POST /check`: DER of one certificate, or PEM with the leaf first.
pub(crate) fn body(octets: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    if octets.is_empty() {
        return Err(Refusal::NoCertificate);
    }
    // A certificate in DER is a SEQUENCE; no PEM file begins with its tag.
    if octets.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(octets.to_vec())]);
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(octets).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Refusal::Malformed("neither DER nor PEM")),
    }
}

fn one_pem(text: &str) -> Option<CertificateDer<'static>> {
    let inner = text.trim_end().strip_prefix("-----BEGIN CERTIFICATE-----")?;
    let inner = inner.strip_suffix("-----END CERTIFICATE-----")?;
    if inner.contains('-') {
        return None;
    }
    CertificateDer::from_pem_slice(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n";
    const ESCAPED: &str = "-----BEGIN%20CERTIFICATE-----%0AMAMCAQE%3D%0A-----END%20CERTIFICATE-----%0A";

    fn read(values: &[&str], form: Form) -> Result<CertificateDer<'static>, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CLIENT_CERT, HeaderValue::from_str(value).unwrap());
        }
        certificate(&headers, form)
    }

    #[test]
    fn each_form_reads_its_own_and_refuses_everything_else() {
        let der: &[u8] = &[0x30, 3, 2, 1, 1];
        assert_eq!(read(&[ESCAPED], Form::EscapedPem).unwrap().as_ref(), der);
        assert_eq!(read(&[":MAMCAQE=:"], Form::Rfc9440).unwrap().as_ref(), der);
        for form in [Form::EscapedPem, Form::Rfc9440] {
            assert_eq!(read(&[], form), Err(Refusal::NoCertificate));
            assert_eq!(read(&[""], form), Err(Refusal::NoCertificate));
        }
        let twice = format!("{ESCAPED}{ESCAPED}");
        for (values, form) in [
            (&[ESCAPED][..], Form::Rfc9440),
            (&[":MAMCAQE=:"], Form::EscapedPem),
            (&[ESCAPED, ESCAPED], Form::EscapedPem),
            (&[":MAMCAQE=:", ":MAMCAQE=:"], Form::Rfc9440),
            (&[&twice], Form::EscapedPem),
            (&["%ff%fe"], Form::EscapedPem),
            (&["MAMCAQE="], Form::Rfc9440),
            (&[":MAMCAQE=:;a=1"], Form::Rfc9440),
            (&[":MAMCAQE=:, :MAMCAQE=:"], Form::Rfc9440),
            (&[":MAMCAQE:"], Form::Rfc9440),
        ] {
            assert!(matches!(read(values, form), Err(Refusal::Malformed(_))), "{values:?}");
        }
    }

    #[test]
    fn a_body_is_der_or_pem() {
        assert_eq!(body(PEM.as_bytes()).unwrap(), body(&[0x30, 3, 2, 1, 1]).unwrap());
        assert_eq!(body(&[PEM, PEM].concat().into_bytes()).unwrap().len(), 2);
        assert_eq!(body(b""), Err(Refusal::NoCertificate));
        assert!(matches!(body(b"<html>"), Err(Refusal::Malformed(_))));
    }
}

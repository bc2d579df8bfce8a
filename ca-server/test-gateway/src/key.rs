//! Keys from files, and the signature header. Written from `docs/gateway.md`, without the CA's code: a mistake that both
//! sides shared would be seen by no test.

use std::{os::unix::fs::PermissionsExt, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{hmac, rand::SystemRandom, rsa, signature};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};

use crate::StartError;

/// The header's name.
pub(crate) const HEADER: &str = "Qianyin-Gateway-Signature";
const SECRET_OCTETS: std::ops::RangeInclusive<usize> = 32..=1024;
/// How far a request's time may be from ours.
const AGE_SECS_MAX: i64 = 300;
const AHEAD_SECS_MAX: i64 = 60;

/// How this gateway signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Algorithm {
    /// With a key that both sides know.
    HmacSha256,
    /// With an RSA key of its own, PKCS#1 v1.5.
    RsaSha256,
}

/// What this gateway signs with.
pub(crate) enum Signer {
    Hmac(hmac::Key),
    Rsa(Box<rsa::KeyPair>),
}

impl Signer {
    /// The key of a file: one line, or PKCS#8 in PEM.
    pub(crate) fn open(algorithm: Algorithm, file: &Path) -> Result<Self, StartError> {
        let octets = read(file)?;
        match algorithm {
            Algorithm::HmacSha256 => Ok(Self::Hmac(secret(file, &octets)?)),
            Algorithm::RsaSha256 => {
                let unfit = |why: String| StartError::Key { file: file.to_owned(), why };
                let der =
                    PrivatePkcs8KeyDer::from_pem_slice(&octets).map_err(|error| unfit(error.to_string()))?;
                let pair = rsa::KeyPair::from_pkcs8(der.secret_pkcs8_der());
                pair.map(Box::new).map(Self::Rsa).map_err(|error| unfit(error.to_string()))
            }
        }
    }

    /// A shared key that nobody knows.
    pub(crate) fn stranger() -> Result<Self, StartError> {
        let secret = crate::random::<32>()?;
        Ok(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Hmac(_) => "hmac-sha256",
            Self::Rsa(_) => "rsa-sha256",
        }
    }

    /// The signature of `t "." body`, in Base64.
    pub(crate) fn sign(&self, time: i64, body: &[u8]) -> Result<String, StartError> {
        let message = [time.to_string().as_bytes(), b".", body].concat();
        match self {
            Self::Hmac(key) => Ok(STANDARD.encode(hmac::sign(key, &message))),
            Self::Rsa(pair) => {
                let mut made = vec![0; pair.public().modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), &message, &mut made)
                    .map_err(|_| StartError::Randomness)?;
                Ok(STANDARD.encode(made))
            }
        }
    }
}

/// What the merchant's requests are checked with.
pub(crate) struct MerchantKey(hmac::Key);

impl MerchantKey {
    pub(crate) fn open(file: &Path) -> Result<Self, StartError> {
        Ok(Self(secret(file, &read(file)?)?))
    }

    /// Whether the merchant made the header's signature over this body, a short time ago.
    pub(crate) fn verify(&self, header: &str, body: &[u8], now: i64) -> bool {
        let parts: Vec<&str> = header.split(',').collect();
        let [time, "alg=hmac-sha256", tag] = parts[..] else { return false };
        let (Some(time), Some(tag)) = (time.strip_prefix("t="), tag.strip_prefix("v=")) else { return false };
        let Ok(tag) = STANDARD.decode(tag) else { return false };
        let message = [time.as_bytes(), b".", body].concat();
        let fresh = time
            .parse()
            .is_ok_and(|time: i64| (-AHEAD_SECS_MAX..=AGE_SECS_MAX).contains(&now.saturating_sub(time)));
        fresh && hmac::verify(&self.0, &message, &tag).is_ok()
    }
}

fn read(file: &Path) -> Result<Vec<u8>, StartError> {
    let failed = |error| StartError::File { file: file.to_owned(), error };
    let mode = std::fs::metadata(file).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StartError::Mode { file: file.to_owned(), mode });
    }
    std::fs::read(file).map_err(failed)
}

fn secret(file: &Path, octets: &[u8]) -> Result<hmac::Key, StartError> {
    let octets = octets.trim_ascii_end();
    if !SECRET_OCTETS.contains(&octets.len()) {
        let why = "one line of 32 to 1024 characters is needed".to_owned();
        return Err(StartError::Key { file: file.to_owned(), why });
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, octets))
}

#[cfg(test)]
mod tests {
    use ca_core::{GatewayKey, MerchantKey as Theirs};
    use ca_verifier::Time;

    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_795_392_000;

    #[test]
    fn the_ca_reads_what_this_gateway_signs_and_the_other_way_round() {
        let signer = Signer::Hmac(hmac::Key::new(hmac::HMAC_SHA256, SECRET));
        let header =
            |signer: &Signer| format!("t={NOW},alg={},v={}", signer.name(), signer.sign(NOW, b"{}").unwrap());
        let theirs = GatewayKey::shared(SECRET).unwrap();
        assert!(theirs.verify(&header(&signer), b"{}", Time::from_secs(NOW)).is_ok());
        assert!(theirs.verify(&header(&Signer::stranger().unwrap()), b"{}", Time::from_secs(NOW)).is_err());

        let ours = MerchantKey(hmac::Key::new(hmac::HMAC_SHA256, SECRET));
        let signed = Theirs::new(SECRET).unwrap().sign(b"{}", Time::from_secs(NOW));
        for (ahead, fits) in [(-61, false), (-60, true), (0, true), (300, true), (301, false)] {
            assert_eq!(ours.verify(&signed, b"{}", NOW + ahead), fits, "{ahead}");
        }
        for bad in
            ["", "t=1", &signed.replace("hmac", "rsa"), &signed.replace("v=", "v=A"), &format!("{signed},")]
        {
            assert!(!ours.verify(bad, b"{}", NOW), "{bad}");
        }
        assert!(!ours.verify(&signed, b"{ }", NOW));
    }
}

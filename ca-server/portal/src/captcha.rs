//! Check codes: six digits as a picture and as a sound, for one certificate, one try and five minutes.
//!
//! They slow programs down and keep none out: what protects a password is the lockout (`store::tries`).

use std::{
    collections::HashMap,
    io::Cursor,
    sync::Mutex,
    time::{Duration, Instant},
};

use captcha::{
    Captcha,
    filters::{Dots, Noise, Wave},
};

use crate::{fault::Fault, secret};

const LIFE: Duration = Duration::from_secs(300);
/// Open at once for one certificate; the oldest gives way.
const OPEN_A_PEER: usize = 8;
const OPEN_MAX: usize = 4096;
const DIGITS: [char; 9] = ['1', '2', '3', '4', '5', '6', '7', '8', '9'];
const LENGTH: u32 = 6;

/// Identifies a certificate.
pub(crate) type Fingerprint = [u8; 32];

/// The check codes that wait for an answer. A restart forgets them.
#[derive(Debug, Default)]
pub(crate) struct Captchas(Mutex<HashMap<String, Challenge>>);

#[derive(Debug)]
struct Challenge {
    peer: Fingerprint,
    answer: String,
    picture: Vec<u8>,
    /// One a digit.
    sounds: Vec<Vec<u8>>,
    made: Instant,
}

impl Captchas {
    /// Makes one, and gives its name.
    pub(crate) fn make(&self, peer: Fingerprint) -> Result<String, Fault> {
        let mut captcha = Captcha::new();
        captcha.set_chars(&DIGITS).add_chars(LENGTH).apply_filter(Noise::new(0.2));
        captcha
            .apply_filter(Wave::new(2.0, 12.0).vertical())
            .view(260, 90)
            .apply_filter(Dots::new(4).max_radius(5));
        let challenge = Challenge {
            peer,
            answer: captcha.chars_as_string(),
            picture: captcha.as_png().ok_or(Fault::Captcha)?,
            sounds: captcha.as_wav().into_iter().collect::<Option<_>>().ok_or(Fault::Captcha)?,
            made: Instant::now(),
        };
        let name = secret::token()?;
        let mut open = self.lock();
        open.retain(|_, challenge| challenge.made.elapsed() < LIFE);
        while let Some(oldest) = too_many(&open, peer) {
            open.remove(&oldest);
        }
        open.insert(name.clone(), challenge);
        Ok(name)
    }

    pub(crate) fn picture(&self, name: &str, peer: Fingerprint) -> Option<Vec<u8>> {
        self.lock().get(name).filter(|found| found.peer == peer).map(|found| found.picture.clone())
    }

    /// One sound for all digits.
    pub(crate) fn sound(&self, name: &str, peer: Fingerprint) -> Option<Vec<u8>> {
        let sounds =
            self.lock().get(name).filter(|found| found.peer == peer).map(|found| found.sounds.clone())?;
        joined(&sounds).ok()
    }

    /// Whether `answer` is right. Right or wrong, the challenge is gone.
    pub(crate) fn is_solved(&self, name: &str, peer: Fingerprint, answer: &str) -> bool {
        let found = self.lock().remove(name);
        found.is_some_and(|found| {
            found.peer == peer && found.made.elapsed() < LIFE && secret::same(&found.answer, answer.trim())
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Challenge>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn too_many(open: &HashMap<String, Challenge>, peer: Fingerprint) -> Option<String> {
    let of_peer = open.values().filter(|challenge| challenge.peer == peer).count();
    let oldest = |all: bool| {
        let those = open.iter().filter(|(_, challenge)| all || challenge.peer == peer);
        those.min_by_key(|(_, challenge)| challenge.made).map(|(name, _)| name.clone())
    };
    if of_peer >= OPEN_A_PEER {
        oldest(false)
    } else if open.len() >= OPEN_MAX {
        oldest(true)
    } else {
        None
    }
}

fn joined(sounds: &[Vec<u8>]) -> Result<Vec<u8>, hound::Error> {
    let (mut samples, mut spec) = (Vec::new(), None);
    for sound in sounds {
        let mut reader = hound::WavReader::new(sound.as_slice())?;
        spec = Some(reader.spec());
        for sample in reader.samples::<i16>() {
            samples.push(sample?);
        }
    }
    let mut whole = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut whole, spec.ok_or(hound::Error::UnfinishedSample)?)?;
    for sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(whole.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_try_for_one_certificate() {
        let captchas = Captchas::default();
        let answer = |name: &str| captchas.lock()[name].answer.clone();
        let name = captchas.make([1; 32]).unwrap();
        assert!(captchas.picture(&name, [1; 32]).unwrap().starts_with(b"\x89PNG"));
        assert!(captchas.sound(&name, [1; 32]).unwrap().starts_with(b"RIFF"));
        assert!(captchas.picture(&name, [2; 32]).is_none() && captchas.sound(&name, [2; 32]).is_none());
        let right = answer(&name);
        assert!(captchas.is_solved(&name, [1; 32], &right));
        assert!(!captchas.is_solved(&name, [1; 32], &right), "replayed");
        let name = captchas.make([1; 32]).unwrap();
        let right = answer(&name);
        assert!(!captchas.is_solved(&name, [1; 32], "000000"));
        assert!(!captchas.is_solved(&name, [1; 32], &right), "a second try");
        let name = captchas.make([1; 32]).unwrap();
        let right = answer(&name);
        assert!(!captchas.is_solved(&name, [2; 32], &right), "another certificate");
        for _ in 0..20 {
            captchas.make([3; 32]).unwrap();
        }
        assert_eq!(captchas.lock().len(), OPEN_A_PEER);
    }
}

//! `ukey init`, `request`, `install`: a U-key for a member of staff, whose certificate the CA's operator makes.

use std::{io::Write, path::PathBuf};

use clap::Args;
use hsm::{KeyAlgorithm, KeyId, Module, Pin, SoPin, TokenSerial};
use ring::rand::{SecureRandom, SystemRandom};
use ukey::{
    Enrolment, Error, certificate, job,
    pin_rule::PinRule,
    protocol::{Done, FailureCode, Outcome, Step},
};

use super::TokenArguments;
use crate::{report::Voice, secret::Source};

/// The name comes from the operator's command; the request says only what it is for.
const SUBJECT: &str = "qianyin-staff";

#[derive(Debug, Args)]
pub(super) struct Init {
    /// 新标签 / The new label
    #[arg(long, value_name = "NAME")]
    label: String,
    /// 存有 SO 口令的文件 / File with the SO PIN
    #[arg(long, value_name = "FILE")]
    so_pin_file: PathBuf,
    /// 存有用户口令的文件；不给则提示输入 / File with the user PIN; asked for when not given
    #[arg(long, value_name = "FILE")]
    pin_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Request {
    #[command(flatten)]
    token: TokenArguments,
    /// 证书请求输出文件（PEM） / Where the request goes (PEM)
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Install {
    #[command(flatten)]
    token: TokenArguments,
    /// 证书文件（PEM） / The certificate (PEM)
    #[arg(long, value_name = "FILE")]
    certificate: PathBuf,
}

/// Initialises a blank token; one that is initialised already is left alone.
pub(super) fn init(module: &Module, arguments: Init, voice: &Voice) -> Result<(), Error> {
    if module.tokens()?.iter().any(|token| token.initialised && token.label == arguments.label) {
        return Err(Error::Enrolment(Enrolment::LabelTaken(arguments.label)));
    }
    let so_pin = SoPin::new(Source::of(Some(arguments.so_pin_file), None).read("")?)?;
    let pin = super::pin::chosen_pin(&PinRule::default(), &Source::of(arguments.pin_file, None), voice)?;
    let blank = module
        .tokens()?
        .into_iter()
        .find(|token| !token.initialised)
        .ok_or(Error::Enrolment(Enrolment::NoBlankToken))?;
    let token = module.token(&TokenSerial::new(blank.serial.as_str()))?.init(&so_pin, &arguments.label)?;
    token.so_session(&so_pin)?.init_user_pin(&Pin::new(pin)?)?;
    voice.initialised(token.serial().as_str(), &arguments.label);
    Ok(())
}

/// Makes a key pair on the token and writes its request.
pub(super) fn request(module: &Module, arguments: &Request, voice: &Voice) -> Result<(), Error> {
    let token = arguments.token.find(module)?;
    let mut id = [0; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| Error::Enrolment(Enrolment::Randomness))?;
    let step = Step::Request {
        cka_id: KeyId::new(&id)?,
        algorithm: KeyAlgorithm::EcP256,
        user_pin: arguments.token.pin(&token, voice)?,
        subject_cn: SUBJECT.to_owned(),
    };
    let Done::Request { csr, .. } =
        done(job::execute_within(module, token.serial().as_str(), step, job::ANSWER_WITHIN))?
    else {
        return Err(Error::Enrolment(Enrolment::Token(FailureCode::BadCommand, "no request".to_owned())));
    };
    let failed = |error| Error::File { path: arguments.output.clone(), error };
    let lines: Vec<&str> =
        csr.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        lines.join("\n")
    );
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut file = options.open(&arguments.output).map_err(failed)?;
    file.write_all(pem.as_bytes()).map_err(failed)?;
    voice.requested(&arguments.output);
    Ok(())
}

/// Writes the certificate to the key that it is for, and reads it back.
pub(super) fn install(module: &Module, arguments: &Install, voice: &Voice) -> Result<(), Error> {
    let token = arguments.token.find(module)?;
    let unreadable = || Error::Pem { path: arguments.certificate.clone() };
    let der = ukey::tls::read_pem(&arguments.certificate)?.first().ok_or_else(unreadable)?.to_vec();
    let fields = certificate::read(&der).ok_or_else(unreadable)?;
    let pin = arguments.token.pin_text(&token, voice)?;
    let key = token.session(&Pin::new(pin.clone())?)?.key_by_label(SUBJECT)?;
    let key = key.filter(|key| certificate::spki(key.public()).as_ref() == Some(&fields.spki));
    let cka_id = key.ok_or(Error::Enrolment(Enrolment::NotItsKey))?.cka_id().clone();
    let step = Step::Write { cka_id, certificate: der, label: fields.common_name, user_pin: Pin::new(pin)? };
    done(job::execute_within(module, token.serial().as_str(), step, job::ANSWER_WITHIN))?;
    voice.installed(token.serial().as_str());
    Ok(())
}

fn done(outcome: Outcome) -> Result<Done, Error> {
    match outcome {
        Outcome::Done(done) => Ok(done),
        Outcome::Failed { code, message } => Err(Error::Enrolment(Enrolment::Token(code, message))),
    }
}

//! Mail by SMTP (RFC 5321), one connection a message.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, SinglePart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error,
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
    },
};

use super::{Letter, is_loopback, unreachable, wrong};
use crate::{
    config::{SmtpConfig, SmtpTls},
    files,
    problem::{Failure, Problem},
    rule::Rule,
};

/// Sends mail.
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    pub(super) fn open(config: &SmtpConfig, timeout_secs: u16) -> Result<Self, Failure> {
        let from = config.from.parse().map_err(|error| wrong("notices.smtp.from", error))?;
        let tls = match config.tls {
            SmtpTls::None if is_loopback(&config.host) => Tls::None,
            SmtpTls::None => return Err(wrong("notices.smtp.tls", "\"none\" is for this machine only")),
            SmtpTls::StartTls => Tls::Required(parameters(config)?),
            SmtpTls::Tls => Tls::Wrapper(parameters(config)?),
        };
        let timeout = Duration::from_secs(timeout_secs.into());
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(timeout));
        match (&config.user, &config.password_file) {
            (Some(user), Some(file)) => {
                builder = builder
                    .credentials(Credentials::new(user.clone(), files::read_secret(file)?.to_string()));
            }
            (None, None) => {}
            _ => return Err(wrong("notices.smtp", "user and password_file go together")),
        }
        Ok(Self { transport: builder.build(), from })
    }

    pub(super) async fn send(&self, letter: &Letter<'_>) -> Result<(), Problem> {
        let address = letter.contact.mail.as_ref().ok_or_else(|| Problem::new(Rule::NoticeNoAddress))?;
        // The same at every try, so that a second copy is known for what it is.
        let id = format!("<{}@{}>", letter.id, self.from.email.domain());
        let created = std::time::UNIX_EPOCH
            + Duration::from_millis(u64::try_from(letter.at.millis()).map_err(Failure::inconsistent)?);
        let message = Message::builder()
            .from(self.from.clone())
            .to(address.reveal().parse().map_err(|_| Problem::new(Rule::NoticeNoAddress))?)
            .subject(letter.message.subject())
            .date(created)
            .message_id(Some(id))
            // RFC 3834: nobody's absence is to be answered to us.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .singlepart(SinglePart::plain(letter.message.body()))
            .map_err(Failure::inconsistent)?;
        self.transport.send(message).await.map(drop).map_err(|error| problem(&error))
    }
}

fn parameters(config: &SmtpConfig) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(config.host.clone());
    if let Some(file) = &config.ca_file {
        let pem = std::fs::read(file).map_err(|error| Failure::file(file, error))?;
        let certificate =
            Certificate::from_pem(&pem).map_err(|error| wrong("notices.smtp.ca_file", error))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| wrong("notices.smtp", error))
}

/// By its code alone: the server's words repeat the address. Refused for ever is what a 5xx says of the message or
/// its recipient; 53x is about our own login, which the administrator mends.
fn problem(error: &Error) -> Problem {
    match error.status().map(|code| code.to_string()) {
        Some(code) if error.is_permanent() && !code.starts_with("53") => {
            Problem::new(Rule::NoticeRefused).with("detail", format!("SMTP {code}"))
        }
        Some(code) => unreachable(format!("SMTP {code}")),
        None if error.is_timeout() => unreachable("the mail server did not answer in time"),
        None if error.is_tls() => unreachable("no TLS connection to the mail server"),
        None if error.is_client() => {
            unreachable("the mail server does not offer the TLS or the login that is configured")
        }
        None if error.is_response() => unreachable("the mail server's answer cannot be read"),
        None => unreachable("no connection to the mail server, or it was cut"),
    }
}

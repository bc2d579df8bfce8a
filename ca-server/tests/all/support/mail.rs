//! A mail server for tests: takes, refuses, cuts or hangs as it is told, with and without TLS, and keeps what it took.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// What it does with mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// 451: later, perhaps.
    Busy,
    /// 550, and repeats the address, as real ones do.
    RefusesRecipient,
    /// Takes the message and cuts the connection instead of saying so.
    CutsAfterData,
    /// Takes the message and its time.
    Slow,
    /// Never answers a recipient.
    Hangs,
}

/// How it speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    Never,
    OnDemand,
    Always,
}

/// A message that was taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) data: Vec<u8>,
    /// User and password, when it came over TLS.
    pub(crate) login: Option<String>,
}

/// The server; it listens until the test ends.
pub(crate) struct MailServer {
    pub(crate) port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    manner: Manner,
    /// Recipients that were named, whatever became of the message.
    asked: usize,
    taken: Vec<Mail>,
}

impl MailServer {
    pub(crate) fn start() -> Self {
        Self::with_tls(Tls::Never, None)
    }

    /// With the CA's own server certificate, for 127.0.0.1.
    pub(crate) fn with_tls(tls: Tls, folder: Option<&Path>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared { manner: Manner::Takes, asked: 0, taken: Vec::new() }));
        let config = folder.map(server_config);
        let of_threads = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, config) = (Arc::clone(&of_threads), config.clone());
                // A client that goes away is none of the test's business.
                std::thread::spawn(move || drop(connection(stream, tls, config, &shared)));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.shared().manner = manner;
    }

    pub(crate) fn asked(&self) -> usize {
        self.shared().asked
    }

    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.shared().taken.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }
}

/// The CA's own server certificate, for 127.0.0.1.
pub(super) fn server_config(folder: &Path) -> Arc<ServerConfig> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(folder.join("server.pem"))
        .unwrap()
        .map(|certificate| certificate.unwrap())
        .collect();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

fn connection(
    mut stream: TcpStream,
    tls: Tls,
    config: Option<Arc<ServerConfig>>,
    shared: &Mutex<Shared>,
) -> std::io::Result<()> {
    if tls != Tls::Always {
        write!(stream, "220 mail.test ESMTP\r\n")?;
        let mut plain = BufReader::new(stream);
        if !session(&mut plain, tls == Tls::OnDemand, None, shared)? {
            return Ok(());
        }
        stream = plain.into_inner();
    }
    let server = ServerConnection::new(config.unwrap()).unwrap();
    let mut secure = StreamOwned::new(server, stream);
    if tls == Tls::Always {
        write!(secure, "220 mail.test ESMTP\r\n")?;
    }
    session(&mut BufReader::new(secure), false, Some(()), shared).map(drop)
}

/// One conversation; gives whether it goes on under TLS.
fn session<S: Read + Write>(
    stream: &mut BufReader<S>,
    start_tls: bool,
    secure: Option<()>,
    shared: &Mutex<Shared>,
) -> std::io::Result<bool> {
    let mut mail = Mail::default();
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Ok(false);
        }
        let word = line.split_whitespace().next().unwrap_or("").to_ascii_uppercase();
        let manner = shared.lock().unwrap().manner;
        let answer = match word.as_str() {
            "EHLO" if start_tls => "250-mail.test\r\n250 STARTTLS".to_owned(),
            "EHLO" if secure.is_some() => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN".to_owned(),
            "EHLO" => "250-mail.test\r\n250 8BITMIME".to_owned(),
            "STARTTLS" if start_tls => {
                write!(stream.get_mut(), "220 go ahead\r\n")?;
                return Ok(true);
            }
            "AUTH" => {
                let secret = STANDARD.decode(line.split_whitespace().nth(2).unwrap_or("")).unwrap();
                mail.login = Some(String::from_utf8(secret).unwrap().replace('\0', " ").trim().to_owned());
                "235 welcome".to_owned()
            }
            "RCPT" => {
                let to = line.split(['<', '>']).nth(1).unwrap_or("").to_owned();
                shared.lock().unwrap().asked += 1;
                match manner {
                    Manner::Hangs => loop {
                        std::thread::park();
                    },
                    Manner::Busy => "451 4.3.0 later".to_owned(),
                    Manner::RefusesRecipient => format!("550 5.1.1 <{to}> is not known here"),
                    Manner::Takes | Manner::Slow | Manner::CutsAfterData => {
                        mail.to = to;
                        "250 ok".to_owned()
                    }
                }
            }
            "DATA" => {
                write!(stream.get_mut(), "354 go ahead\r\n")?;
                mail.data = data(stream)?;
                if manner == Manner::Slow {
                    std::thread::sleep(Duration::from_secs(2));
                }
                shared.lock().unwrap().taken.push(mail.clone());
                if manner == Manner::CutsAfterData {
                    return Ok(false);
                }
                "250 taken".to_owned()
            }
            "QUIT" => {
                write!(stream.get_mut(), "221 bye\r\n")?;
                return Ok(false);
            }
            _ => "250 ok".to_owned(),
        };
        write!(stream.get_mut(), "{answer}\r\n")?;
    }
}

fn data(stream: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        if stream.read_until(b'\n', &mut data)? == 0 || data[start..] == *b".\r\n" {
            data.truncate(start);
            return Ok(data);
        }
        if data[start..].starts_with(b"..") {
            data.remove(start);
        }
    }
}

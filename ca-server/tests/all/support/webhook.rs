//! A webhook's receiver for tests: answers with the statuses that it is told, in turn, then with 200; keeps what came.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use ring::hmac;
use rustls::{ServerConnection, StreamOwned};
use serde_json::Value;

use super::mail::server_config;

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// The receiver; it listens until the test ends.
pub(crate) struct Receiver {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Receiver {
    pub(crate) fn start(statuses: &[u16]) -> Self {
        Self::listen("http", statuses, Some)
    }

    /// With the CA's own server certificate, for 127.0.0.1.
    pub(crate) fn with_tls(folder: &Path) -> Self {
        let config = server_config(folder);
        Self::listen("https", &[], move |stream| {
            let server = ServerConnection::new(Arc::clone(&config)).ok()?;
            Some(StreamOwned::new(server, stream))
        })
    }

    fn listen<S: Read + Write>(
        scheme: &str,
        statuses: &[u16],
        secure: impl Fn(TcpStream) -> Option<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/notices?for=test", listener.local_addr().unwrap());
        let (calls, mut statuses) = (Arc::default(), VecDeque::from(statuses.to_vec()));
        let kept: Arc<Mutex<Vec<Call>>> = Arc::clone(&calls);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let Some(mut stream) = secure(stream) else { continue };
                let Ok(call) = read(&mut stream) else { continue };
                let status = statuses.pop_front().unwrap_or(200);
                kept.lock().unwrap().push(call);
                // Far more than anybody should read, and words that nobody should log.
                let body = "S3CRET of the other side ".repeat(10_000);
                let length = body.len();
                let _ = write!(stream, "HTTP/1.1 {status} so\r\nContent-Length: {length}\r\n\r\n{body}");
            }
        });
        Self { url, calls }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// What came for notices of this kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.json()["kind"] == kind).collect()
    }
}

impl Call {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// As a receiver checks it: `t=…,v1=…` over the time and the body.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let (time, tag) = self.headers["qianyin-signature"].split_once(",v1=").unwrap();
        let signed = format!("{}.{}", time.strip_prefix("t=").unwrap(), self.body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &hex::decode(tag).unwrap()).is_ok()
    }
}

fn read(stream: &mut impl Read) -> std::io::Result<Call> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or("").to_owned();
    Ok(Call { path, headers, body: String::from_utf8(body).unwrap() })
}

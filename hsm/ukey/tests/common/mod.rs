//! A small CA and a scripted HTTPS server with client certificates.
#![expect(dead_code, reason = "each test file uses a part")]

pub(crate) mod commands;
pub(crate) mod faults;
pub(crate) mod personalisation;
pub(crate) mod plain;
pub(crate) mod program;

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hsm::{Module, Token, testing::SoftHsm};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SignatureAlgorithm,
};
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use ukey::{
    job,
    protocol::{Done, Envelope, Outcome, Step},
};
use x509_parser::{
    prelude::{FromDer, X509CertificationRequest},
    x509::SubjectPublicKeyInfo,
};

pub(crate) const ATTEMPT: &str = "0123456789abcdef0123456789abcdef";

/// The year in which certificates end: rcgen's own.
const END: i32 = 4096;

/// Root key and certificate, and a server certificate for 127.0.0.1.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: Vec<u8>,
    server: (Vec<u8>, Vec<u8>),
}

impl Ca {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name = name("Test root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let server = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Self { issuer, root, server: (server, key.serialize_der()) }
    }

    pub(crate) fn issue(&self, spki: &[u8], common_name: &str) -> Vec<u8> {
        self.issue_with(spki, common_name, Vec::new(), END)
    }

    /// Which says where its status and its issuer's certificate are.
    pub(crate) fn issue_at(&self, spki: &[u8], common_name: &str, ocsp: &str, issuer: &str) -> Vec<u8> {
        self.issue_with(spki, common_name, vec![Self::access(ocsp, issuer)], END)
    }

    /// The same, which ends before the others.
    pub(crate) fn issue_shorter(&self, spki: &[u8], common_name: &str, ocsp: &str, issuer: &str) -> Vec<u8> {
        self.issue_with(spki, common_name, vec![Self::access(ocsp, issuer)], END - 1)
    }

    fn access(ocsp: &str, issuer: &str) -> CustomExtension {
        let tlv = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        let access = |method: u8, url: &str| {
            let oid = tlv(6, &[0x2b, 6, 1, 5, 5, 7, 48, method]);
            tlv(0x30, &[oid, tlv(0x86, url.as_bytes())].concat())
        };
        let both = tlv(0x30, &[access(1, ocsp), access(2, issuer)].concat());
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], both)
    }

    fn issue_with(
        &self,
        spki: &[u8],
        common_name: &str,
        extensions: Vec<CustomExtension>,
        end: i32,
    ) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.not_after = rcgen::date_time_ymd(end, 1, 1);
        params.distinguished_name = name(common_name);
        params.custom_extensions = extensions;
        params.signed_by(&RawKey::read(spki), &self.issuer).unwrap().der().to_vec()
    }

    pub(crate) fn root_pem(&self, dir: &Path) -> PathBuf {
        let lines: Vec<_> = BASE64.encode(&self.root).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
        let body = String::from_utf8(lines.join(&b'\n')).unwrap();
        let path = dir.join("root.pem");
        std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"))
            .unwrap();
        path
    }
}

/// A public key in the form that rcgen takes.
struct RawKey(Vec<u8>);

impl RawKey {
    fn read(spki: &[u8]) -> Self {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(spki).unwrap();
        assert!(rest.is_empty());
        Self(spki.subject_public_key.data.to_vec())
    }
}

impl PublicKeyData for RawKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        if self.0.len() == 65 { &rcgen::PKCS_ECDSA_P256_SHA256 } else { &rcgen::PKCS_RSA_SHA256 }
    }
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// SubjectPublicKeyInfo of a CSR.
pub(crate) fn spki_of_csr(csr: &[u8]) -> Vec<u8> {
    let (rest, csr) = X509CertificationRequest::from_der(csr).unwrap();
    assert!(rest.is_empty());
    csr.certification_request_info.subject_pki.raw.to_vec()
}

pub(crate) fn step(command: Value) -> Step {
    let mut command = command;
    command["attempt"] = json!(ATTEMPT);
    Envelope::read(command).step.unwrap()
}

pub(crate) fn run(module: &Module, token: &str, command: Value) -> Outcome {
    job::execute(module, token, step(command))
}

pub(crate) fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => done,
        Outcome::Failed { code, message } => panic!("{}: {message}", code.as_str()),
    }
}

/// A token with key pair and certificate, PIN 271828.
pub(crate) fn personalised(softhsm: &SoftHsm, ca: &Ca, label: &str, algorithm: &str) -> Token {
    let token = softhsm.init_token(label, "so-pin-1", "271828");
    let module = softhsm.module();
    let serial = token.serial().as_str();
    let Done::Request { csr, .. } =
        done(run(&module, serial, commands::request("ab01", algorithm, "271828")))
    else {
        unreachable!()
    };
    let certificate = ca.issue(&spki_of_csr(&BASE64.decode(csr).unwrap()), label);
    done(run(&module, serial, commands::write("ab01", &certificate, label, "271828")));
    token
}

/// What the server got.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) body: Value,
    /// The client's certificate, DER.
    pub(crate) certificate: Vec<u8>,
}

/// What the server does.
pub(crate) enum Reply {
    Json(u16, Value),
    Empty(u16),
    /// Closes the connection without an answer.
    Hang,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) received: Arc<Mutex<Vec<Received>>>,
    pub(crate) handshakes: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    /// Answers with `script` on a port of the system's choice.
    pub(crate) fn start(ca: &Ca, script: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (received, handshakes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (acceptor, script) = (acceptor(ca), Arc::new(script));
        let (log, count) = (received.clone(), handshakes.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, script, log, count) =
                    (acceptor.clone(), script.clone(), log.clone(), count.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    count.fetch_add(1, Ordering::SeqCst);
                    let certificate =
                        stream.get_ref().1.peer_certificates().map_or_else(Vec::new, |c| c[0].to_vec());
                    let service = service_fn(move |request| {
                        answer(request, certificate.clone(), log.clone(), script.clone())
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { url, received, handshakes, _runtime: runtime }
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn acceptor(ca: &Ca) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.root.clone().into()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    // As the CA does: who offers none gets no further than what is open to everybody.
    let verifier = verifier.allow_unauthenticated().build().unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![ca.server.0.clone().into()], PrivateKeyDer::Pkcs8(ca.server.1.clone().into()))
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    certificate: Vec<u8>,
    log: Arc<Mutex<Vec<Received>>>,
    script: Arc<impl Fn(usize, &Received) -> Reply>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let header = parts.headers.get("idempotency-key").map(|value| value.to_str().unwrap().to_owned());
    let received = Received {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        idempotency_key: header,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        certificate,
    };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(received.clone());
        log.len() - 1
    };
    let (status, text) = match script(number, &received) {
        Reply::Json(status, value) => (status, value.to_string()),
        Reply::Empty(status) => (status, String::new()),
        Reply::Hang => return Err(std::io::Error::other("scripted")),
    };
    let built = Response::builder().status(status).body(Full::new(Bytes::from(text)));
    Ok::<_, Infallible>(built.unwrap()).map_err(|never| match never {})
}

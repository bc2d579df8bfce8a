//! TLS in memory: who gets through the handshake, and what a resumed session carries.

use std::sync::Arc;

use ca_verifier::{Gate, Reason, Refusal, server_config};
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
    client::ResolvesClientCert,
    crypto::ring,
    version::{TLS12, TLS13},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::pki::{Ca, Entry, NOW, SERIAL, reason, two_tiers};

struct Site {
    config: Arc<ServerConfig>,
    gate: Gate,
    issuing: Ca,
    roots: Arc<RootCertStore>,
}

fn key_der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

impl Site {
    fn new() -> Self {
        let (_, issuing, trust) = two_tiers();
        let key = KeyPair::generate().unwrap();
        // Valid at the machine's time, which the client's library reads.
        let cert = CertificateParams::new(vec!["portal.qianyin.test".to_owned()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let config = server_config(vec![cert.der().clone()], key_der(&key), &trust).unwrap();
        let gate = Gate::new(trust);
        gate.load_crl(&issuing.crl(|_| {}), &issuing.der, NOW).unwrap();
        Self { config: Arc::new(config), gate, issuing, roots: Arc::new(roots) }
    }

    fn client(
        &self,
        version: &'static SupportedProtocolVersion,
        identity: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots));
        Arc::new(match identity {
            Some((cert, key)) => builder.with_client_auth_cert(vec![cert], key).unwrap(),
            None => builder.with_no_client_auth(),
        })
    }

    fn connect(&self, client: &Arc<ClientConfig>) -> Result<ServerConnection, rustls::Error> {
        let name = "portal.qianyin.test".try_into().unwrap();
        let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        // Enough turns for the tickets, too.
        for _ in 0..6 {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut input = &wire[..];
            while !input.is_empty() {
                server.read_tls(&mut input).unwrap();
                server.process_new_packets()?;
            }
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut input = &wire[..];
            while !input.is_empty() {
                client.read_tls(&mut input).unwrap();
                client.process_new_packets()?;
            }
        }
        assert!(!server.is_handshaking() && !client.is_handshaking());
        Ok(server)
    }
}

#[test]
fn a_resumed_session_is_admitted_and_checked_again() {
    for version in [&TLS12, &TLS13] {
        let site = Site::new();
        let (leaf, key) = site.issuing.leaf_and_key(|_| {});
        let client = site.client(version, Some((leaf, key_der(&key))));
        let first = site.connect(&client).unwrap();
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        let path = site.gate.admit(first.peer_certificates(), NOW).unwrap();
        assert!(site.gate.check(&path, NOW).is_ok());

        let revoked = site.issuing.crl(|spec| {
            spec.number = Some(2);
            spec.entries = vec![Entry::new(&SERIAL, &[reason(4)])];
        });
        site.gate.load_crl(&revoked, &site.issuing.der, NOW).unwrap();
        let resumed = site.connect(&client).unwrap();
        assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(resumed.peer_certificates(), first.peer_certificates());
        let path = site.gate.admit(resumed.peer_certificates(), NOW).unwrap();
        assert_eq!(site.gate.check(&path, NOW), Err(Refusal::Revoked(Reason::Superseded)));
    }
}

#[test]
fn bad_certificates_reach_the_gate_and_no_certificate_too() {
    let site = Site::new();
    let (leaf, key) = Ca::root_named("Other", |_| {}).leaf_and_key(|_| {});
    for version in [&TLS12, &TLS13] {
        let server = site.connect(&site.client(version, Some((leaf.clone(), key_der(&key))))).unwrap();
        assert_eq!(site.gate.admit(server.peer_certificates(), NOW).unwrap_err(), Refusal::UnknownIssuer);
        let server = site.connect(&site.client(version, None)).unwrap();
        assert_eq!(site.gate.admit(server.peer_certificates(), NOW).unwrap_err(), Refusal::NoCertificate);
    }
}

#[test]
fn a_certificate_without_its_key_does_not_connect() {
    let site = Site::new();
    let (leaf, _) = site.issuing.leaf_and_key(|_| {});
    let provider = ring::default_provider();
    let thief = KeyPair::generate().unwrap();
    let signer = provider.key_provider.load_private_key(key_der(&thief)).unwrap();
    let stolen: Arc<dyn ResolvesClientCert> =
        Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(vec![leaf], signer)));
    for version in [&TLS12, &TLS13] {
        let mut client = ClientConfig::clone(&site.client(version, None));
        client.client_auth_cert_resolver = Arc::clone(&stolen);
        assert!(site.connect(&Arc::new(client)).is_err(), "{version:?}");
    }
}

#[test]
fn the_key_must_fit_the_portals_certificate() {
    let (_, _, trust) = two_tiers();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap();
    let other = key_der(&KeyPair::generate().unwrap());
    assert!(matches!(
        server_config(vec![cert.der().clone()], other, &trust),
        Err(ca_verifier::Error::Tls(_))
    ));
}

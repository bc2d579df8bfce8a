//! `portal check` behind a real nginx, with the configuration that docs/portal-nginx.md shows.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command},
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::StatusCode;
use portal::{CheckConfig, Sidecar};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    browser::Browser,
    pki::{USCC, reason},
    site::{Site, eventually, pem},
};

const PAGE: &str = include_str!("../../../../docs/portal-nginx.md");

/// The page's block of this language.
fn block(language: &str) -> &'static str {
    let begin = PAGE.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
    let rest = &PAGE[begin..];
    &rest[..rest.find("```").unwrap()]
}

/// What the backend was sent, head after head.
type Heads = Arc<Mutex<Vec<String>>>;

struct World {
    site: Site,
    address: SocketAddr,
    heads: Heads,
    sidecar: tokio::task::JoinHandle<()>,
    nginx: Child,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.nginx.id().to_string()]).status();
        let _ = self.nginx.wait();
    }
}

impl World {
    async fn new() -> Self {
        let site = Site::new().await;
        let heads = Heads::default();
        let backend = backend(Arc::clone(&heads)).await;
        let sidecar = Sidecar::bind(CheckConfig::read(&check_toml(&site)).unwrap()).await.unwrap();
        let sidecar = tokio::spawn(async move { sidecar.run(std::future::pending()).await.unwrap() });
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let nginx = start_nginx(&site, address, backend);
        let world = Self { site, address, heads, sidecar, nginx };
        eventually("nginx listens", || async { tokio::net::TcpStream::connect(address).await.is_ok() }).await;
        world
    }

    async fn asked(&self, browser: &Browser, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let answer = browser.get(self.address, "/", headers).await;
        (answer.status, answer.body)
    }

    fn last_head(&self) -> String {
        self.heads.lock().unwrap().last().unwrap().to_lowercase()
    }
}

/// The page's file with the site's own address of the CRL and a socket in its folder.
fn check_toml(site: &Site) -> std::path::PathBuf {
    let text = block("toml")
        .replace("/run/qianyin/check.sock", &site.folder.path().join("check.sock").display().to_string())
        .replace("http://ca.example/crl/issuing/0.crl", &site.source.url())
        .replace("poll_ms = 1000", "poll_ms = 100");
    site.folder.write("check.toml", &text)
}

fn start_nginx(site: &Site, address: SocketAddr, backend: SocketAddr) -> Child {
    let folder = site.folder.path().display().to_string();
    site.folder.write("chain.pem", &pem(&[&site.issuing.der, &site.root.der]));
    let server = block("nginx")
        .replace("listen 443 ssl http2;", &format!("listen {address} ssl http2;"))
        .replace("/etc/nginx/tls", &folder)
        .replace("/run/qianyin/check.sock", &format!("{folder}/check.sock"))
        .replace("127.0.0.1:8080", &backend.to_string());
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    // Only root may choose whose workers they are; without it they are whoever started nginx.
    let user = if fs::metadata("/proc/self").is_ok_and(|proc| std::os::unix::fs::MetadataExt::uid(&proc) == 0)
    {
        "user root;\n"
    } else {
        ""
    };
    let text = format!(
        "{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n\
         http {{\naccess_log off;\n{temporary}{server}\n}}\n"
    );
    let config = site.folder.write("nginx.conf", &text);
    Command::new("nginx").arg("-c").arg(config).arg("-p").arg(&folder).spawn().unwrap()
}

/// A unit's certificate and key as files, for clients that are programs of their own.
fn files(site: &Site) -> [String; 2] {
    let (leaf, key) = site.unit_files(|_| {});
    let certificate = site.folder.write("unit.pem", &pem(&[&leaf]));
    let key = site.folder.write("unit.key", &key.serialize_pem());
    [certificate, key].map(|path| path.display().to_string())
}

/// Octets over TLS with the unit's certificate. Gives what came back until the server closed.
async fn raw(world: &World, [certificate, key]: &[String; 2], octets: &str) -> String {
    let mut child = tokio::process::Command::new("openssl")
        .args(["s_client", "-quiet", "-no_ign_eof", "-connect", &world.address.to_string()])
        .args(["-cert", certificate, "-key", key])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(octets.as_bytes()).await.unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut said = Vec::new();
    // The input stays open until the server has answered: its end would be the connection's.
    let read = tokio::time::timeout(Duration::from_secs(20), output.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "no end: {octets:?}");
    drop(input);
    let _ = child.wait().await;
    String::from_utf8_lossy(&said).into_owned()
}

/// Answers everything with 200 and keeps the head of each request.
async fn backend(heads: Heads) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut octets = [0; 4096];
                match stream.read(&mut octets).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => head.extend_from_slice(&octets[..count]),
                }
            }
            heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\nbackend").await;
        }
    });
    address
}

#[tokio::test]
async fn a_unit_comes_in_and_goes_out_with_its_status() {
    let world = World::new().await;
    let unit = world.site.unit(|_| {});
    assert_eq!(world.asked(&unit, &[]).await, (StatusCode::OK, "backend".to_owned()));
    let head = world.last_head();
    assert!(head.contains(&format!("qianyin-unit: {}\r\n", USCC.to_lowercase())), "{head}");
    assert!(head.is_ascii() && head.contains("qianyin-unit-name: utf-8''"), "{head}");
    let seen = world.heads.lock().unwrap().len();

    // Nobody, and somebody whom no CA of ours knows.
    let anyone = Browser::new(&world.site.root.der, None);
    let (status, body) = world.asked(&anyone, &[("qianyin-unit", USCC)]).await;
    assert_eq!((status, body.trim()), (StatusCode::UNAUTHORIZED, "refused: no-certificate"));
    let other = crate::pki::Ca::root();
    let (leaf, key) = other.leaf_and_key(crate::site::current);
    let foreign = Browser::new(&world.site.root.der, Some((vec![leaf], key)));
    assert_ne!(world.asked(&foreign, &[]).await.0, StatusCode::OK);
    // Revoked: the connection that is open already is refused, too.
    let mut kept = unit.connect(world.address).await;
    assert_eq!(kept.get("/", &[]).await.status, StatusCode::OK);
    world.site.list(2, &[reason(1)]);
    eventually("revoked", || async { world.asked(&unit, &[]).await.0 == StatusCode::FORBIDDEN }).await;
    assert_eq!(kept.get("/", &[]).await.status, StatusCode::FORBIDDEN);
    // It was refused before it reached the backend.
    let after = world.heads.lock().unwrap().len();
    assert!(world.asked(&unit, &[]).await.1.contains("revoked"));
    assert_eq!(world.heads.lock().unwrap().len(), after);
    assert!(after > seen);

    // No sidecar, nobody in.
    world.site.publish(3, |_| {});
    eventually("good again", || async { world.asked(&unit, &[]).await.0 == StatusCode::OK }).await;
    world.sidecar.abort();
    fs::remove_file(world.site.folder.path().join("check.sock")).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.asked(&unit, &[]).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

/// What a client writes into our headers, in whatever way, is not what the backend reads.
#[tokio::test]
async fn headers_of_the_outside_world_do_not_get_through() {
    let world = World::new().await;
    let unit = world.site.unit(|_| {});
    let names = ["unit", "unit-name", "serial", "not-after", "refusal"];
    let ours = names.map(|name| format!("qianyin-{name}"));
    let theirs = ["client-cert", "client-cert-chain", "client_cert", "client_cert_chain"].map(str::to_owned);
    let mut tried = 0;
    let underscored = ours.iter().flat_map(|name| [name.replace('-', "_"), name.replacen('-', "_", 1)]);
    for name in ours.iter().cloned().chain(underscored).chain(theirs) {
        for value in ["SPOOFED", "SPOOFED, SPOOFED", ":U1BPT0ZFRA==:SPOOFED", "", "SPOOFED\tSPOOFED"] {
            for headers in [vec![(name.as_str(), value)], vec![(name.as_str(), value); 3]] {
                let (status, _) = world.asked(&unit, &headers).await;
                assert_eq!(status, StatusCode::OK, "{name}: {value}");
                let head = world.last_head();
                assert!(!head.contains("spoofed"), "{name}: {value}\n{head}");
                assert!(head.contains(&format!("qianyin-unit: {}\r\n", USCC.to_lowercase())), "{head}");
                assert_eq!(head.matches("qianyin-unit:").count(), 1, "{head}");
                tried += 1;
            }
        }
    }
    assert!(tried >= 100, "{tried}");
}

/// The same with requests that no well-behaved client sends, over HTTP/1.1 and HTTP/2.
#[tokio::test]
async fn nor_do_malformed_ones() {
    let world = World::new().await;
    let files = files(&world.site);
    let ours = ["unit", "unit-name", "serial", "not-after", "refusal"].map(|name| format!("Qianyin-{name}"));
    let (mut tried, mut passed_on) = (0, 0);
    for name in ours.iter().map(String::as_str).chain(["Client-Cert", "Client-Cert-Chain"]) {
        let upper = name.to_ascii_uppercase();
        let bodies = [
            format!("{upper}: SPOOFED\r\n\r\n"),
            format!("{name}:SPOOFED\r\n{upper}: SPOOFED\r\n\r\n"),
            format!("{name} : SPOOFED\r\n\r\n"),
            format!("{name}\t: SPOOFED\r\n\r\n"),
            format!(" {name}: SPOOFED\r\n\r\n"),
            format!("X: y\r\n {name}: SPOOFED\r\n\r\n"),
            format!("X: y\n{name}: SPOOFED\n\n"),
            format!("X: y\r{name}: SPOOFED\r\n\r\n"),
            format!("Connection: close, {name}\r\n{name}: SPOOFED\r\n\r\n"),
            format!(
                "Transfer-Encoding: chunked\r\nTrailer: {name}\r\n\r\n1\r\nx\r\n0\r\n{name}: SPOOFED\r\n\r\n"
            ),
            format!("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n{name}: SPOOFED\r\n\r\n0\r\n\r\n"),
        ];
        for body in bodies {
            world.heads.lock().unwrap().clear();
            let request = format!("POST / HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n{body}");
            let answer = raw(&world, &files, &request).await;
            let heads = world.heads.lock().unwrap().join("\n").to_lowercase();
            assert!(!heads.contains("spoofed"), "{body:?}\n{answer}\n{heads}");
            let said = heads.matches("qianyin-unit:").count();
            assert!(said <= 1 && (said == 1) == answer.contains("backend"), "{body:?}\n{answer}\n{heads}");
            (tried, passed_on) = (tried + 1, passed_on + said);
        }
    }
    assert!(passed_on >= 21, "three of each pass without what was forged: {passed_on}");
    assert!(world.asked(&world.site.unit(|_| {}), &[]).await.0 == StatusCode::OK, "it still works");
    for name in ours.iter().map(String::as_str).chain(["Client-Cert", "Client-Cert-Chain", "Client_Cert"]) {
        world.heads.lock().unwrap().clear();
        let output = tokio::process::Command::new("curl")
            .args([
                "-sS",
                "--http2",
                "-w",
                " %{http_version} %{http_code}",
                "--cert",
                &files[0],
                "--key",
                &files[1],
            ])
            .args(["--cacert", &world.site.folder.path().join("root.pem").display().to_string()])
            .args(["-H", &format!("{name}: SPOOFED"), "-H", &format!("{name}: SPOOFED again")])
            .arg(format!("https://{}/", world.address))
            .output()
            .await
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "backend 2 200", "{name}: {output:?}");
        let heads = world.heads.lock().unwrap().join("\n").to_lowercase();
        assert!(!heads.contains("spoofed") && heads.matches("qianyin-unit:").count() == 1, "{name}\n{heads}");
        tried += 1;
    }
    assert!(tried >= 80, "{tried}");
}

/// A certificate whose own text would end a line and begin another header.
#[tokio::test]
async fn nor_do_line_ends_in_a_certificate() {
    let world = World::new().await;
    for text in [
        "x\r\nQianyin-Unit: SPOOFED",
        "x\nQianyin-Unit: SPOOFED",
        "x\0Qianyin-Unit: SPOOFED",
        "x\u{2028}SPOOFED:",
    ] {
        world.heads.lock().unwrap().clear();
        let unit = world.site.unit(|params| {
            params.distinguished_name.push(rcgen::DnType::CommonName, text);
            params.distinguished_name.push(rcgen::DnType::OrganizationName, text);
            let uri = text.replace(['\0', '\u{2028}'], "").as_str().try_into().unwrap();
            params.subject_alt_names.push(rcgen::SanType::URI(uri));
        });
        let (status, _) = world.asked(&unit, &[]).await;
        let heads = world.heads.lock().unwrap().join("\n").to_lowercase();
        let lines = heads.lines().filter(|line| line.starts_with("qianyin-unit:")).count();
        assert!(lines <= 1 && (lines == 1) == (status == StatusCode::OK), "{text:?}: {status}\n{heads}");
        assert!(!heads.lines().any(|line| line.contains(": spoofed")), "{text:?}\n{heads}");
    }
}

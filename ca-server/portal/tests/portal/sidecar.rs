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
        .replace("listen 443 ssl http2;", &format!("listen {address} ssl;"))
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

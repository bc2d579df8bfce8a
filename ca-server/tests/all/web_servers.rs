//! nginx and Apache by themselves, with the configurations that docs/portal-small.md shows: CRLs, OCSP and stapling.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::support::{Ca, Database, openssl, root, text, wait};

/// The page's block of this language.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(root().join("docs/portal-small.md")).unwrap();
    let (_, from) = page.split_once(&format!("```{language}\n")).unwrap();
    from.split_once("```").unwrap().0.to_owned()
}

/// How status comes to the server.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    List,
    Question,
}

#[test]
fn by_list_and_by_question() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let chain = ["issuing.pem", "root.pem"].map(|file| std::fs::read_to_string(ca.path(file)).unwrap());
    std::fs::write(ca.path("chain.pem"), chain.concat()).unwrap();
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    wait(10, "the CRL without the hold", || !listed(&ca, &serial));

    for start in [Server::nginx, Server::apache] {
        for way in [Way::List, Way::Question] {
            let server = start(&ca, way);
            ca.portal.clone_from(&server.address);
            wait(10, "the login", || ca.login(&token) == (200, "backend\n".to_owned()));
            let mut forger = ca.curl_with_token(&token);
            forger.args(["-H", "Client-Cert: forged", "-H", "client-cert: forged"]);
            let answer = forger.arg(format!("https://{}/", server.address)).output().unwrap();
            assert_eq!(text(&answer), "backend\n");
            let unknown = Command::new("curl")
                .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", &ca.path("root.pem")])
                .arg(format!("https://{}/", server.address))
                .output()
                .unwrap();
            assert_ne!(String::from_utf8_lossy(&unknown.stdout), "200", "nobody without a certificate");
        }
    }
    staples(&ca);
    a_list_that_nobody_signed_changes_nothing(&ca);

    ca.revoke(&serial, "keyCompromise");
    wait(10, "the CRL with the revocation", || listed(&ca, &serial));
    for start in [Server::nginx, Server::apache] {
        for way in [Way::List, Way::Question] {
            let server = start(&ca, way);
            ca.portal.clone_from(&server.address);
            let (status, body) = ca.login(&token);
            assert!(status != 200 && !body.contains("backend"), "{status} {body}");
        }
    }
    // Nobody answers: nobody comes in, and the page says so.
    ca.stop_server();
    for start in [Server::nginx, Server::apache] {
        let server = start(&ca, Way::Question);
        ca.portal.clone_from(&server.address);
        assert_ne!(ca.login(&token).0, 200);
    }
}

fn run_fetch(ca: &Ca, source: &str) -> bool {
    let script = block("sh").replace("ca.example", source);
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(&ca.dir).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// Fetches the CRLs. Whether the certificate is on them.
fn listed(ca: &Ca, serial: &str) -> bool {
    assert!(run_fetch(ca, &ca.http));
    let list = text(&openssl(&["crl", "-in", &ca.path("issuing-0.pem"), "-noout", "-text"]));
    list.to_lowercase().contains(&serial.to_lowercase())
}

/// A list that another CA signed, or none at all.
fn a_list_that_nobody_signed_changes_nothing(ca: &Ca) {
    let before = std::fs::read(ca.path("crls.pem")).unwrap();
    let genuine = std::fs::read(ca.path("chain.pem")).unwrap();
    std::fs::write(ca.path("chain.pem"), std::fs::read(ca.path("portal.pem")).unwrap()).unwrap();
    assert!(!run_fetch(ca, &ca.http), "not signed by who stands there");
    std::fs::write(ca.path("chain.pem"), genuine).unwrap();
    assert!(!run_fetch(ca, "127.0.0.1:1"), "nobody is there");
    assert_eq!(std::fs::read(ca.path("crls.pem")).unwrap(), before);
}

/// nginx asks for its own certificate's answer after the first handshake.
fn staples(ca: &Ca) {
    let server = Server::nginx(ca, Way::List);
    let anchor = ca.path("root.pem");
    wait(20, "a stapled answer", || {
        let arguments = ["s_client", "-connect", &server.address, "-status", "-CAfile", &anchor];
        let output = Command::new("openssl").args(arguments).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        said.contains("OCSP Response Status: successful") && said.contains("Cert Status: good")
    });
}

/// A web server in front of a backend that says its name.
struct Server {
    address: String,
    child: Child,
    log: String,
    _backend: std::thread::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log, std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

impl Server {
    fn nginx(ca: &Ca, way: Way) -> Self {
        let (address, backend, handle) = places();
        let folder = ca.path("nginx");
        std::fs::create_dir_all(&folder).unwrap();
        let server = configured(ca, "nginx", way, &backend, ["ssl_crl", "ssl_ocsp"])
            .replace("listen 443 ssl;", &format!("listen {address} ssl;"));
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
            .concat();
        let config = format!(
            "{}daemon off;\nmaster_process on;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log info;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}{server}\n}}\n",
            if is_root() { "user root;\n" } else { "" }
        );
        let file = format!("{folder}/nginx.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-c", &file, "-p", &folder]);
        Self::listening(command, address, format!("{folder}/error.log"), handle)
    }

    fn apache(ca: &Ca, way: Way) -> Self {
        let (address, backend, handle) = places();
        let folder = ca.path("apache");
        std::fs::create_dir_all(&folder).unwrap();
        let server = configured(ca, "apache", way, &backend, ["SSLCARevocation", "SSLOCSP"])
            .replace("*:443", &address);
        let modules: String =
            ["mpm_event", "authz_core", "socache_shmcb", "ssl", "headers", "proxy", "proxy_http"]
                .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
                .concat();
        let user = if is_root() { "User www-data\nGroup www-data\n" } else { "" };
        let config = format!(
            "ServerRoot {folder}\nServerName localhost\nListen {address}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\nLogLevel ssl:info\n\
             {modules}{user}{server}"
        );
        let file = format!("{folder}/apache.conf");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("apache2");
        command.args(["-f", &file, "-DFOREGROUND"]);
        Self::listening(command, address, format!("{folder}/error.log"), handle)
    }

    fn listening(
        mut command: Command,
        address: String,
        log: String,
        backend: std::thread::JoinHandle<()>,
    ) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { address, child, log, _backend: backend };
        wait(20, "the web server", || TcpStream::connect(&server.address).is_ok());
        server
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The page's block with this CA's files and addresses. `ways`: how the lines for a list and for questions begin.
fn configured(ca: &Ca, language: &str, way: Way, backend: &str, ways: [&str; 2]) -> String {
    let [list, question] = ways;
    let lines = block(language).replace("/etc/tls", &ca.dir.display().to_string());
    let lines = lines.replace("127.0.0.1:8080", backend).replace("ca.example", &ca.http);
    let chosen = lines.lines().filter_map(|line| {
        let bare = line.trim_start();
        if bare.starts_with(list) && way == Way::Question {
            return None;
        }
        match bare.strip_prefix('#') {
            Some(option) if option.starts_with(question) && way == Way::Question => Some(option.to_owned()),
            _ => Some(line.to_owned()),
        }
    });
    let text = chosen.collect::<Vec<_>>().join("\n") + "\n";
    assert!(text.contains(ways[usize::from(way == Way::Question)]));
    assert!(Path::new(&ca.path("chain.pem")).exists());
    text
}

/// An address for the server, and a backend behind it.
fn places() -> (String, String, std::thread::JoinHandle<()>) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = listener.local_addr().unwrap().to_string();
    let handle = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut octets = [0; 4096];
                match stream.read(&mut octets) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => head.extend_from_slice(&octets[..count]),
                }
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let handed: Vec<&str> =
                head.lines().filter_map(|line| line.strip_prefix("client-cert: ")).collect();
            // The certificate of the handshake, and no other.
            let genuine = matches!(handed[..], [one] if one.starts_with("-----begin%20certificate"));
            let said = if genuine { "backend\n" } else { "forged!\n" };
            let _ =
                stream.write_all(format!("HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n{said}").as_bytes());
        }
    });
    (free, backend, handle)
}

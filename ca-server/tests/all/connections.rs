//! The key in the token, and connections that were made before the revocation: on a kept-alive one and on a resumed
//! one the same request is refused within five seconds.

use std::{
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Ca, Database, USCC, wait};

/// One curl asks so often, once a second.
const REQUESTS: usize = 12;

#[test]
fn a_connection_from_before_the_revocation_is_refused_after_it() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_portal();
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    let activated = ca.activate(&application, &token);
    assert!(activated.status.success(), "{}", crate::support::text(&activated));
    wait(5, "the login", || ca.login(&token).0 == 200);
    for version in ["-tls1_2", "-tls1_3"] {
        let first = ask(&ca, &token, &[version, "-sess_out", &ca.path(version)]);
        assert!(first.contains("\nNew, TLSv1") && accepted(&first), "{version}: {first}");
        let second =
            ask(&ca, &token, &[version, "-sess_in", &ca.path(version), "-sess_out", &ca.path(version)]);
        assert!(second.contains("\nReused, TLSv1") && accepted(&second), "{version}: {second}");
    }
    let revoked = on_one_connection(&ca, &serial, &token);
    // A ticket of TLS 1.3 can be used once: what is left is the second connection's, from before the revocation.
    for version in ["-tls1_2", "-tls1_3"] {
        let third = ask(&ca, &token, &[version, "-sess_in", &ca.path(version)]);
        assert!(third.contains("\nReused, TLSv1"), "{version}: {third}");
        assert!(third.contains("HTTP/1.1 403") && third.contains("revoked"), "{version}: {third}");
    }
    assert!(revoked.elapsed() < Duration::from_secs(20), "the sessions are asked soon after");
}

fn accepted(answer: &str) -> bool {
    answer.contains("HTTP/1.1 200") && answer.contains(USCC)
}

/// One curl, many requests, one connection: good until the revocation, refused within five seconds of it. Gives when
/// it was revoked.
fn on_one_connection(ca: &Ca, serial: &str, token: &str) -> Instant {
    let mut command = ca.curl_with_token(token);
    // Standard error, because curl keeps what it writes to a pipe back until it ends.
    command.args(["--rate", "60/m", "-o", "/dev/null", "-w", "%{stderr}%{http_code} %{num_connects}\n"]);
    command.arg(format!("https://{}/?[1-{REQUESTS}]", ca.portal)).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "200 1", "the first request makes the connection");
    assert_eq!(lines.next().unwrap(), "200 0", "the second uses it");
    ca.revoke(serial, "keyCompromise");
    let revoked = Instant::now();
    let mut refused = 0;
    for line in lines {
        let late = revoked.elapsed() > Duration::from_secs(5);
        assert!(
            line == "403 0" || (line == "200 0" && !late && refused == 0),
            "{line} {:?}",
            revoked.elapsed()
        );
        refused += usize::from(line == "403 0");
    }
    assert!(child.wait().unwrap().success());
    assert!(refused >= 3, "refused {refused} times on the connection that was accepted before");
    revoked
}

/// One request by `openssl s_client`; gives what it says of the session, and the answer.
fn ask(ca: &Ca, token: &str, options: &[&str]) -> String {
    let mut command = ca.with_engine("openssl");
    let (certificate, anchor) = (ca.path("unit.pem"), ca.path("root.pem"));
    command.args(["s_client", "-connect", &ca.portal, "-servername", "localhost", "-CAfile", &anchor]);
    command.args(["-verify_return_error", "-cert", &certificate, "-cert_chain", &ca.path("issuing.pem")]);
    command.args(["-engine", "pkcs11", "-keyform", "engine", "-key", &ca.key_uri(token)]).args(options);
    let mut child = spawn(command);
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        )
        .unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    drop(stdin);
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    child.wait().unwrap();
    answer + &errors
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

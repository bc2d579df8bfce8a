//! Revoked means refused on the next request, whatever the connection: one that curl keeps alive with the key in the
//! token, and one that OpenSSL resumes without showing the certificate again (RFC 8446 §2.2, RFC 5077).

use std::{
    io::Write,
    process::{Output, Stdio},
    time::Duration,
};

use crate::support::{Ca, Database, text, wait};

#[test]
fn kept_alive_and_resumed_connections_are_refused_too() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_portal();
    ca.start_counter(&[]);
    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    wait(5, "the login", || ca.login(&token).0 == 200);
    for version in ["-tls1_2", "-tls1_3"] {
        let first = s_client(&ca, &token, version, "-sess_out");
        assert!(text(&first).contains("HTTP/1.1 200"), "{version}: {}", text(&first));
    }

    // One request a second on one connection; the revocation falls between two of them.
    let kept = kept_alive(&ca, &token);
    std::thread::sleep(Duration::from_millis(2500));
    ca.revoke(&serial, "keyCompromise");
    let output = kept.wait_with_output().unwrap();
    let answers: Vec<(String, String)> = text(&output)
        .lines()
        .filter_map(|line| line.strip_prefix("answer "))
        .filter_map(|line| line.split_once(' '))
        .map(|(status, connects)| (status.to_owned(), connects.to_owned()))
        .collect();
    assert_eq!(answers.first(), Some(&("200".to_owned(), "1".to_owned())), "{}", text(&output));
    let refused = answers.iter().position(|(status, _)| status == "403");
    let refused = refused.unwrap_or_else(|| panic!("never refused: {answers:?}"));
    assert!((2..=7).contains(&refused), "refused at request {refused}: {answers:?}");
    assert_eq!(answers[refused].1, "0", "on the same connection: {answers:?}");
    assert!(answers[refused..].iter().all(|(status, _)| status == "403"), "{answers:?}");

    // The session of before the revocation: resumed or not, the request is refused.
    for version in ["-tls1_2", "-tls1_3"] {
        let again = s_client(&ca, &token, version, "-sess_in");
        let answer = text(&again);
        assert!(answer.contains("HTTP/1.1 403") && answer.contains("revoked"), "{version}: {answer}");
        assert!(answer.contains("Reused, "), "{version}: the session was not resumed: {answer}");
    }
}

/// curl, with the key in the token, asking once a second on one connection.
fn kept_alive(ca: &Ca, token: &str) -> std::process::Child {
    let mut command = ca.curl_with_token(token);
    command.args(["-H", "Accept: application/json"]);
    command.args(["--rate", "60/m", "-o", "/dev/null", "-w", "answer %{http_code} %{num_connects}\\n"]);
    let url = format!("https://{}/", ca.portal);
    for _ in 0..10 {
        command.args(["-o", "/dev/null", &url]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// One request by `openssl s_client`, with the key in the token; the session is written to or read from a file.
fn s_client(ca: &Ca, token: &str, version: &str, session: &str) -> Output {
    let file = ca.path(&format!("session{version}"));
    let key = ca.key_uri(token);
    let mut command = ca.with_engine("openssl");
    command.args(["s_client", "-connect", &ca.portal, version, session, &file, "-ign_eof"]);
    command.args(["-engine", "pkcs11", "-keyform", "engine", "-key", &key, "-cert", &ca.path("unit.pem")]);
    command.args(["-CAfile", &ca.path("root.pem")]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", ca.portal);
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

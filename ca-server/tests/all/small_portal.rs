//! The portal of the documentation, 70 lines around `ca-verifier`: who comes in, and who does not any more.

use std::process::{Child, Command, Stdio};

use crate::support::{Ca, Database, curl, program, text, wait};

struct Portal(Child);

impl Drop for Portal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_example_is_a_portal() {
    let mut ca = Ca::new(Database::Sqlite);
    ca.serve(&[]);
    ca.start_counter(&[]);
    let example = program("examples").join("small_portal");
    let arguments = [ca.dir.display().to_string(), ca.portal.clone()];
    let _portal = Portal(Command::new(example).args(arguments).stderr(Stdio::null()).spawn().unwrap());
    let url = format!("https://{}/", ca.portal);
    let anchor = ca.path("root.pem");
    let anybody = || text(&curl(&["-sS", "--cacert", &anchor, "-w", "%{http_code}", &url]));
    wait(20, "the portal", || anybody() == "no-certificate\n403");

    let (application, serial, token) = ca.issue();
    assert!(ca.activate(&application, &token).status.success());
    assert_eq!(ca.login(&token), (403, "status-unavailable\n".to_owned()), "no CRL was fetched yet");
    let fetch = || {
        let source = format!("http://{}/crl/issuing/0.crl", ca.http);
        let (new, file) = (ca.path("0.crl.new"), ca.path("0.crl"));
        assert!(curl(&["-sSf", "-o", &new, &source]).status.success());
        std::fs::rename(new, file).unwrap();
    };
    wait(20, "the login", || {
        fetch();
        ca.login(&token) == (200, "91320104000000019U 南京示例科技有限公司\n".to_owned())
    });
    ca.revoke(&serial, "keyCompromise");
    wait(20, "the refusal", || {
        fetch();
        ca.login(&token) == (403, "revoked\n".to_owned())
    });
}

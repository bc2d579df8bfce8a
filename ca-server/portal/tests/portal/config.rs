//! A wrong configuration says which file and which key.

use portal::{Config, Error};
use rcgen::KeyPair;

use crate::site::Site;

#[tokio::test]
async fn errors_name_file_and_key() {
    let site = Site::new().await;
    let good = std::fs::read_to_string(site.config_path()).unwrap();
    site.folder.write("empty.pem", "");
    site.folder.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
    for (from, to, key, why) in [
        ("anchors = [\"root.pem\"]", "anchors = [\"absent.pem\"]", "anchors[0]", "absent.pem"),
        ("anchors = [\"root.pem\"]", "anchors = []", "anchors", "at least one"),
        ("anchors = [\"root.pem\"]", "anchors = [\"empty.pem\"]", "anchors[0]", "no certificate"),
        (
            "intermediates = [\"issuing.pem\"]",
            "intermediates = [\"portal.pem\"]",
            "anchors",
            "does not say CA",
        ),
        ("certificate = \"portal.pem\"", "certificate = \"portal.key\"", "certificate", "no certificate"),
        ("key = \"portal.key\"", "key = \"portal.pem\"", "key", "no private key"),
        ("key = \"portal.key\"", "key = \"other.key\"", "key", "TLS"),
        ("127.0.0.1:0", "localhost", "listen", "ADDRESS:PORT"),
        ("poll_ms = 100", "poll_ms = 1", "poll_ms", "100..=3600000"),
        ("poll_ms = 100", "poll_mss = 100", "portal.toml", "poll_mss"),
        ("poll_ms = 100", "poll_ms = 100\nconnections_max = 0", "connections_max", "1..="),
        ("poll_ms = 100", "poll_ms = 100\nidle_timeout_ms = 1", "idle_timeout_ms", "100..="),
        ("poll_ms = 100", "poll_ms = 100\nstatus_age_max_secs = 1", "status_age_max_secs", "5..="),
        (
            "[[crl]]",
            "[services]\ndatabase = \"absent/portal.db\"\n[[crl]]",
            "services.database",
            "no such folder",
        ),
        (
            "[[crl]]",
            "[services]\ndatabase = \"portal.db\"\nidle_secs = 0\n[[crl]]",
            "services.idle_secs",
            "1..=3600",
        ),
        (
            "[[crl]]",
            "[services]\ndatabase = \"portal.db\"\nsession_secs = 90000\n[[crl]]",
            "services.session_secs",
            "1..=86400",
        ),
        ("url = \"http://", "url = \"https://", "crl[0].url", "http://HOST"),
        ("url = \"http://", "url = \"http://user@", "crl[0].url", "http://HOST"),
        ("issuer = \"issuing.pem\"", "issuer = \"portal.pem\"", "crl[0].issuer", "more than one"),
    ] {
        assert!(good.contains(from), "{from}");
        let path = site.folder.write("portal.toml", &good.replace(from, to));
        let error = Config::read(&path).unwrap_err();
        let Error::Config { file, key: found, .. } = &error else { panic!("{error}") };
        assert_eq!((file, found.as_str()), (&path, key), "{to}: {error}");
        assert!(error.to_string().contains(why), "{to}: {error}");
    }
    let absent = site.folder.path().join("absent.toml");
    assert!(Config::read(&absent).unwrap_err().to_string().contains("absent.toml"));
}

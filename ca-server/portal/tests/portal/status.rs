//! Status while time passes: revoked, resumed, cut off, broken.

use hyper::StatusCode;
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    browser::Browser,
    pki::{CrlSpec, URL, reason},
    site::{Site, eventually, now},
};

async fn health(browser: &Browser, address: std::net::SocketAddr) -> (StatusCode, Value) {
    let answer = browser.get(address, "/healthz", &[]).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

#[tokio::test]
async fn a_revocation_reaches_kept_and_resumed_connections() {
    for version in [&TLS12, &TLS13] {
        let site = Site::new().await;
        let address = site.run().await;
        let (leaf, key) = site.unit_files(|_| {});
        let browser = Browser::with_version(&site.root.der, Some((vec![leaf], key)), version);
        let mut kept = browser.connect(address).await;
        assert_eq!(kept.kind, Some(HandshakeKind::Full));
        assert_eq!(kept.get("/", &[]).await.status, StatusCode::OK);
        // Resumption works and is accepted before; so what refuses after is the status.
        let mut resumed = browser.connect(address).await;
        assert_eq!(resumed.kind, Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(resumed.get("/", &[]).await.status, StatusCode::OK);

        site.list(2, &[reason(1)]);
        let fresh = site.unit(|_| {});
        eventually("revoked", || async {
            fresh.get(address, "/", &[]).await.status == StatusCode::FORBIDDEN
        })
        .await;
        assert_eq!(kept.get("/", &[]).await.status, StatusCode::FORBIDDEN);
        let mut resumed = browser.connect(address).await;
        assert_eq!(resumed.kind, Some(HandshakeKind::Resumed), "{version:?}");
        let answer = resumed.get("/", &[]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains("revoked"));
    }
}

#[tokio::test]
async fn a_source_that_is_down_counts_until_next_update() {
    let site = Site::new().await;
    site.publish(1, |spec: &mut CrlSpec| spec.next_update = Some(now().plus_secs(3)));
    let address = site.run().await;
    let browser = site.unit(|_| {});
    site.source.publish(None);
    assert_eq!(browser.get(address, "/", &[]).await.status, StatusCode::OK);
    let anyone = Browser::new(&site.root.der, None);
    eventually("the failure is visible", || async {
        !health(&anyone, address).await.1["fetch"][0]["error"].is_null()
    })
    .await;
    eventually("refused after nextUpdate", || async {
        browser.get(address, "/", &[]).await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let answer = browser.get(address, "/", &[]).await;
    for text in ["status-unavailable", "暂时无法核对证书状态", "cannot be checked now"] {
        assert!(answer.body.contains(text), "{text}");
    }
    assert_eq!(answer.headers["retry-after"], "5");
    let (status, body) = health(&anyone, address).await;
    assert_eq!((status, &body["sources"][0]["current"]), (StatusCode::SERVICE_UNAVAILABLE, &false.into()));

    site.publish(2, |_| {});
    eventually("accepted again", || async { browser.get(address, "/", &[]).await.status == StatusCode::OK })
        .await;
}

#[tokio::test]
async fn without_any_status_the_portal_runs_and_refuses() {
    let site = Site::new().await;
    site.source.publish(None);
    let address = site.run().await;
    let browser = site.unit(|_| {});
    let answer = browser.get(address, "/", &[("accept", "application/json")]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("status-unavailable"));
    let (status, body) = health(&Browser::new(&site.root.der, None), address).await;
    assert_eq!((status, &body["status"]), (StatusCode::SERVICE_UNAVAILABLE, &"status-unavailable".into()));
    site.publish(1, |_| {});
    eventually("accepted", || async { browser.get(address, "/", &[]).await.status == StatusCode::OK }).await;
}

#[tokio::test]
async fn a_portal_can_ask_for_confirmation_sooner_than_next_update() {
    let site = Site::new().await;
    site.write_config("status_age_max_secs = 5");
    let address = site.run().await;
    let browser = site.unit(|_| {});
    site.source.publish(None);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(browser.get(address, "/", &[]).await.status, StatusCode::OK);
    eventually("refused", || async {
        browser.get(address, "/", &[]).await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
}

#[tokio::test]
async fn asks_with_etag_and_shows_sources_to_everybody() {
    let site = Site::new().await;
    let address = site.run().await;
    eventually("not modified", || async { site.source.counts().1 >= 2 }).await;
    assert_eq!(site.source.counts().0, 1);
    let (status, body) = health(&Browser::new(&site.root.der, None), address).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &"ok".into()));
    let source = &body["sources"][0];
    assert_eq!(
        (&source["url"], &source["number"], &source["current"]),
        (&URL.into(), &"1".into(), &true.into())
    );
    assert!(source["age_secs"].as_i64().unwrap() >= 5 && source["confirmed_secs_ago"].as_i64().unwrap() <= 2);
    assert_eq!(body["fetch"][0]["ok"], true);
}

#[tokio::test]
async fn a_bad_list_changes_nothing_and_is_seen() {
    let site = Site::new().await;
    site.list(7, &[reason(6)]);
    let address = site.run().await;
    let anyone = Browser::new(&site.root.der, None);
    let mut damaged = site.crl(8, |_| {});
    *damaged.last_mut().unwrap() ^= 1;
    for (bad, why) in [
        (damaged, "signature"),
        (site.crl(6, |_| {}), "does not follow"),
        (b"<html>captive portal</html>".to_vec(), "DER"),
        (site.root.crl(|_| {}), "another issuer"),
    ] {
        site.source.publish(Some(bad));
        eventually(why, || async {
            let (_, body) = health(&anyone, address).await;
            body["fetch"][0]["error"].as_str().is_some_and(|error| error.contains(why))
        })
        .await;
        let (status, body) = health(&anyone, address).await;
        assert_eq!((status, &body["sources"][0]["number"]), (StatusCode::OK, &"7".into()));
    }
    assert_eq!(site.unit(|_| {}).get(address, "/", &[]).await.status, StatusCode::FORBIDDEN, "still held");
}

#[tokio::test]
async fn addresses_in_certificates_are_never_fetched() {
    let site = Site::new().await;
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let trap = format!("http://{}/0.crl", canary.local_addr().unwrap());
    let address = site.run().await;
    let browser = site.unit(|params| params.crl_distribution_points[0].uris = vec![trap]);
    assert_eq!(browser.get(address, "/", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let hit = tokio::time::timeout(std::time::Duration::from_millis(500), canary.accept()).await;
    assert!(hit.is_err(), "somebody asked the address in the certificate");
}

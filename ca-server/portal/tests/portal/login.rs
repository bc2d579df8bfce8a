//! Who gets in, and what everybody else reads.

use ca_verifier::oid;
use hyper::StatusCode;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use crate::{
    browser::{Answer, Browser},
    pki::{Ca, USCC, not_activated, reason, validity},
    site::{Site, current, eventually},
};

#[tokio::test]
async fn a_good_unit_sees_its_page_in_its_language() {
    let site = Site::new().await;
    let address = site.run().await;
    let browser = site.unit(|_| {});
    let page = browser.get(address, "/", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    for text in ["登录成功", "福州签印软件有限公司", USCC, "0102030405060708090a0b0c0d0e0f101112", "剩余天数"]
    {
        assert!(page.body.contains(text), "{text}");
    }
    for (path, accept) in [("/", "en-GB,en;q=0.9,zh;q=0.1"), ("/?lang=en", "zh-CN")] {
        let page = browser.get(address, path, &[("accept-language", accept)]).await;
        assert!(page.body.contains("Logged in") && page.body.contains("lang=\"en\""), "{path} {accept}");
    }
}

#[tokio::test]
async fn programs_get_json() {
    let site = Site::new().await;
    let address = site.run().await;
    let accept = [("accept", "application/json")];
    let answer = site.unit(|_| {}).get(address, "/", &accept).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&body["decision"], &body["uscc"]), (&"accepted".into(), &USCC.into()));
    assert!(body["days_left"].as_i64().unwrap() > 300);

    let refused = Browser::new(&site.root.der, None).get(address, "/", &accept).await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let body: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!((&body["code"], &body["status"]), (&"no-certificate".into(), &401.into()));
}

fn assert_refused(answer: &Answer, status: StatusCode, code: &str, zh: &str, en: &str) {
    assert_eq!(answer.status, status, "{code}");
    for text in [code, zh, en, "该怎么办", "What to do"] {
        assert!(answer.body.contains(text), "{code}: {text} is missing in {}", answer.body);
    }
    assert!(!answer.body.contains(USCC), "a refusal confirms nothing");
}

type Case = (&'static str, &'static str, &'static str, fn(&mut CertificateParams));

#[tokio::test]
async fn every_bad_certificate_gets_its_page() {
    let site = Site::new().await;
    let address = site.run().await;
    let cases: [Case; 6] = [
        ("expired", "证书已过期", "has expired", |params| validity(params, -900, -800)),
        ("not-yet-valid", "证书尚未生效", "not valid yet", |params| validity(params, 4000, 4100)),
        ("extended-key-usage", "不能用于登录", "not for logging in", |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        ("key-usage", "不能用于登录", "not for logging in", |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }),
        ("no-identity", "不能用于登录", "not for logging in", |params| {
            params.custom_extensions.clear()
        }),
        ("malformed", "证书无法识别", "cannot be read", |params| {
            params
                .custom_extensions
                .push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], vec![0x30, 0]));
            params
                .custom_extensions
                .push(rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], vec![0x30, 0]));
        }),
    ];
    for (code, zh, en, change) in cases {
        let answer = site.unit(change).get(address, "/", &[]).await;
        assert_refused(&answer, StatusCode::FORBIDDEN, code, zh, en);
    }
}

#[tokio::test]
async fn strangers_get_their_page() {
    let site = Site::new().await;
    let address = site.run().await;
    let other = Ca::root_named("Other", |_| {});
    let (leaf, key) = other.leaf_and_key(current);
    let browser = Browser::new(&site.root.der, Some((vec![leaf, other.der], key)));
    let answer = browser.get(address, "/", &[]).await;
    assert_refused(&answer, StatusCode::FORBIDDEN, "unknown-issuer", "不认识的发证机构", "Unknown issuer");
    let (mut params, key) = (CertificateParams::default(), rcgen::KeyPair::generate().unwrap());
    current(&mut params);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let own = params.self_signed(&key).unwrap().der().clone();
    let browser = Browser::new(&site.root.der, Some((vec![own], key)));
    let answer = browser.get(address, "/", &[]).await;
    assert_refused(&answer, StatusCode::FORBIDDEN, "unknown-issuer", "不认识的发证机构", "Unknown issuer");
}

#[tokio::test]
async fn a_browser_without_certificate_sees_the_help_page() {
    let site = Site::new().await;
    let address = site.run().await;
    let answer = Browser::new(&site.root.der, None).get(address, "/", &[]).await;
    assert_refused(
        &answer,
        StatusCode::UNAUTHORIZED,
        "no-certificate",
        "没有出示单位证书",
        "No unit certificate",
    );
    assert_eq!(answer.headers["connection"], "close");
    assert!(answer.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn every_bad_status_gets_its_page_on_an_open_connection() {
    let site = Site::new().await;
    let address = site.run().await;
    let mut connection = site.unit(|_| {}).connect(address).await;
    assert_eq!(connection.get("/", &[]).await.status, StatusCode::OK);
    for (number, extensions, code, zh, en) in [
        (2, vec![reason(6), not_activated()], "not-activated", "证书尚未激活", "not activated"),
        (3, vec![reason(6)], "held", "证书已暂停使用", "on hold"),
        (4, vec![reason(4)], "revoked", "证书已被新证书取代", "was replaced"),
        (5, vec![reason(1)], "revoked", "证书已吊销", "is revoked"),
    ] {
        site.list(number, &extensions);
        let mut last = None;
        for _ in 0..100 {
            let answer = connection.get("/", &[]).await;
            let arrived = answer.body.contains(zh);
            last = Some(answer);
            if arrived {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_refused(&last.unwrap(), StatusCode::FORBIDDEN, code, zh, en);
    }
    site.publish(6, |_| {});
    let browser = site.unit(|_| {});
    eventually("released", || async { browser.get(address, "/", &[]).await.status == StatusCode::OK }).await;
}

#[tokio::test]
async fn names_are_text_and_never_markup() {
    let site = Site::new().await;
    let address = site.run().await;
    let browser = site.unit(|params| {
        params.distinguished_name.push(DnType::OrganizationName, "<script>alert(1)</script>\"&'");
        params
            .distinguished_name
            .push(DnType::CustomDnType(oid::ORGANIZATION_IDENTIFIER.to_vec()), "NTRCN-x");
    });
    let page = browser.get(address, "/", &[]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("alert(1)"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn answers_carry_the_safe_headers() {
    let site = Site::new().await;
    let address = site.run().await;
    let browser = Browser::new(&site.root.der, None);
    for (path, status) in [("/", 401), ("/healthz", 200), ("/nowhere", 404)] {
        let answer = browser.get(address, path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert!(
            answer.headers["strict-transport-security"].to_str().unwrap().starts_with("max-age="),
            "{path}"
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer", "{path}");
    }
    let style = browser.get(address, "/static/portal.css", &[]).await;
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (StatusCode::OK, &"text/css; charset=utf-8".parse().unwrap())
    );
    let page = browser.get(address, "/", &[]).await;
    for foreign in ["http://", "https://", "<script", " style="] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
}

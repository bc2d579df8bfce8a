//! Who acts: card, password, check code, lockout, the pair, and what a session is worth.

use hyper::StatusCode;

use crate::{
    agent::{Agent, CARD, FIRST, ORIGIN, OWN, encode, hidden, import, logged_in, open, register},
    browser::Browser,
    pki::{USCC, reason},
    site::eventually,
};

#[tokio::test]
async fn the_first_password_must_be_replaced() {
    let (site, address) = open("").await;
    let mut agent = Agent::new(site.unit(|_| {}), address);
    let answer = agent.log_in(CARD, FIRST).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    for part in ["__Host-portal=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    for path in ["/services/hire", "/submissions", "/batch", "/"] {
        assert_eq!(agent.get(path).await.headers["location"], "/password", "{path}");
    }
    let csrf = hidden(&agent.get("/password").await.body, "csrf");
    for (old, new, again, status, words) in [
        (FIRST, FIRST, FIRST, 422, "不能与旧密码相同"),
        (FIRST, "12345678", "12345678", 422, "太常见"),
        (FIRST, OWN, "other", 422, "不一致"),
        ("wrong", OWN, OWN, 403, "不正确"),
    ] {
        let pairs = [("csrf", csrf.as_str()), ("old", old), ("new", new), ("again", again)];
        let answer = agent.post("/password", &pairs).await;
        assert_eq!(answer.status, status, "{new}");
        assert!(answer.body.contains(words), "{words}: {}", answer.body);
    }
    let before = agent.cookie.clone();
    agent.change_password(FIRST, OWN).await;
    assert_ne!(before, agent.cookie);
    assert!(agent.get("/").await.body.contains("录用备案登记"));
    agent.cookie = before;
    assert_eq!(agent.get("/submissions").await.status, StatusCode::SEE_OTHER, "the old session is over");
    let database = std::fs::read(site.folder.path().join("portal.db")).unwrap();
    let wal = std::fs::read(site.folder.path().join("portal.db-wal")).unwrap_or_default();
    for secret in [FIRST, OWN] {
        let found = [&database, &wal]
            .iter()
            .any(|file| file.windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert!(!found, "a password in clear");
    }
}

#[tokio::test]
async fn a_wrong_or_used_check_code_is_refused_and_costs_no_try() {
    let (site, address) = open("").await;
    let mut agent = Agent::new(site.unit(|_| {}), address);
    for _ in 0..6 {
        let (name, _) = agent.check_code().await;
        let pairs = [("captcha_id", name.as_str()), ("captcha", "000000"), ("card", CARD), ("password", "x")];
        assert_eq!(agent.post("/login", &pairs).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let (name, code) = agent.check_code().await;
    let pairs = [("captcha_id", name.as_str()), ("captcha", &code), ("card", CARD), ("password", FIRST)];
    assert_eq!(agent.post("/login", &pairs).await.status, StatusCode::SEE_OTHER);
    let replayed = agent.post("/login", &pairs).await;
    assert_eq!(replayed.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(replayed.body.contains("验证码不正确或已失效"));
    // Another certificate of the same unit neither sees nor uses it.
    let (name, code) = agent.check_code().await;
    agent.browser = site.unit(|_| {});
    assert_eq!(agent.get(&format!("/captcha/{name}.png")).await.status, StatusCode::NOT_FOUND);
    let pairs = [("captcha_id", name.as_str()), ("captcha", &code), ("card", CARD), ("password", FIRST)];
    assert_eq!(agent.post("/login", &pairs).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn five_wrong_tries_lock_and_nothing_tells_whether_a_card_exists() {
    let (site, address) = open("").await;
    let mut agent = Agent::new(site.unit(|_| {}), address);
    let mut pages = Vec::new();
    for card in [CARD, "B99999999"] {
        let answer = agent.log_in(card, "wrong").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let captcha = hidden(&answer.body, "captcha_id");
        pages.push(answer.body.replace(&captcha, "").replace(card, ""));
    }
    assert_eq!(pages[0], pages[1]);
    for _ in 0..3 {
        assert_eq!(agent.log_in(CARD, "wrong").await.status, StatusCode::FORBIDDEN);
    }
    let locked = agent.log_in(CARD, FIRST).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS, "the right password does not help");
    assert!(locked.body.contains("15 分钟后"));
    // The lock is in the database: a restart does not open it.
    let mut after = Agent::new(site.unit(|_| {}), site.run().await);
    assert_eq!(after.log_in(CARD, FIRST).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        after.log_in("B99999999", "x").await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the unit is locked too"
    );
}

#[tokio::test]
async fn the_pair_must_be_confirmed_and_qualified_at_every_request() {
    let (site, mut agent) = logged_in().await;
    for (confirmed, until, words) in [("no", "2099-12-31", "没有确认您"), ("yes", "2020-01-01", "资格已到期")]
    {
        let good = register().replace(FIRST, "");
        let bad = good.replace("yes,2099-12-31", &format!("{confirmed},{until}"));
        assert!(import(&site, &bad).status.success());
        let answer = agent.get("/services/hire").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.body.contains(words), "{}", answer.body);
        let answer = agent.log_in(CARD, OWN).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(import(&site, &good).status.success());
        assert_eq!(agent.log_in(CARD, OWN).await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn a_session_is_good_with_its_certificate_only_and_ends() {
    let (site, agent) = logged_in().await;
    let thief = Agent { browser: site.unit(|_| {}), address: agent.address, cookie: agent.cookie.clone() };
    assert_eq!(thief.get("/submissions").await.headers["location"], "/?ended");
    assert_eq!(
        agent.get("/submissions").await.status,
        StatusCode::SEE_OTHER,
        "a stolen cookie ends the session"
    );
    let nobody = Browser::new(&site.root.der, None);
    assert_eq!(nobody.get(agent.address, "/submissions", &[]).await.status, StatusCode::UNAUTHORIZED);

    let mut again = Agent::new(site.unit(|_| {}), agent.address);
    again.log_in(CARD, OWN).await;
    let csrf = hidden(&again.get("/").await.body, "csrf");
    assert_eq!(again.post("/logout", &[("csrf", "0")]).await.status, StatusCode::FORBIDDEN);
    assert_eq!(again.post("/logout", &[("csrf", &csrf)]).await.headers["location"], "/?ended");
    assert_eq!(again.get("/submissions").await.status, StatusCode::SEE_OTHER);

    site.write_config("[services]\ndatabase = \"portal.db\"\nidle_secs = 1\n");
    let mut short = Agent::new(site.unit(|_| {}), site.run().await);
    short.log_in(CARD, OWN).await;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert!(short.get("/?ended").await.body.contains("登录已超时"));
}

#[tokio::test]
async fn a_post_must_come_from_this_site() {
    let (_site, agent) = logged_in().await;
    let csrf = hidden(&agent.get("/").await.body, "csrf");
    let pairs = [("csrf", csrf.as_str())];
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://127.0.0.1")],
        &[("origin", ORIGIN), ("sec-fetch-site", "cross-site")],
        &[("origin", ORIGIN), ("sec-fetch-site", "same-site")],
    ] {
        for path in
            ["/logout", "/login", "/password", "/batch", "/services/hire", "/submissions/x/withdrawal"]
        {
            let answer = agent.post_from(path, &pairs, headers).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {headers:?}");
            assert!(answer.body.contains("403 origin"), "{path}");
        }
    }
    assert_eq!(agent.get("/submissions").await.status, StatusCode::OK, "still logged in");
    assert_eq!(encode(&[("a b", "&")]), "a%20b=%26");
}

#[tokio::test]
async fn a_revocation_ends_everything_at_the_next_request() {
    let (site, agent) = logged_in().await;
    let mut kept = agent.browser.connect(agent.address).await;
    let cookie = [("cookie", agent.cookie.as_str())];
    assert_eq!(kept.get("/services/hire", &cookie).await.status, StatusCode::OK);
    site.list(2, &[reason(1)]);
    eventually("refused", || async { agent.get("/").await.status == StatusCode::FORBIDDEN }).await;
    assert_eq!(kept.get("/services/hire", &cookie).await.status, StatusCode::FORBIDDEN);
    let sent = agent.post("/services/hire", &[("csrf", "x")]).await;
    assert_eq!(sent.status, StatusCode::FORBIDDEN);
    assert!(sent.body.contains("revoked") && !sent.body.contains(USCC));
}

#[tokio::test]
async fn a_register_is_brought_whole_or_not_at_all() {
    let (site, address) = open("").await;
    let line = |line: &str| format!("{}{line}\n", register().replace("yes", "no"));
    for (register, why) in [
        (line("C12345678,李四,,91320106MA1X00017N,yes,2099-01-01"), "line 3: password"),
        (line("C1,李四,abcdefgh,91320106MA1X00017N,yes,2099-01-01"), "line 3: card"),
        (line("C12345678,李四,abcdefgh,9132,yes,2099-01-01"), "line 3: uscc"),
        (line("C12345678,李四,abcdefgh,91320106MA1X00017N,perhaps,2099-01-01"), "line 3: confirmed"),
        (line("C12345678,李四,abcdefgh,91320106MA1X00017N,yes,tomorrow"), "line 3: qualified_until"),
        (line("C12345678,李四"), "found record with 2 fields"),
        ("card,name\n".to_owned() + CARD + ",x\n", "missing field"),
    ] {
        let output = import(&site, &register);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{register}");
        assert!(error.contains(why) && error.contains("nothing was imported"), "{error}");
    }
    let mut agent = Agent::new(site.unit(|_| {}), address);
    assert_eq!(agent.log_in(CARD, FIRST).await.status, StatusCode::SEE_OTHER, "still confirmed");
    agent.change_password(FIRST, OWN).await;
    assert!(import(&site, &register()).status.success());
    assert_eq!(
        agent.log_in(CARD, OWN).await.status,
        StatusCode::SEE_OTHER,
        "an import leaves passwords alone"
    );
    let reset = register().replace("until", "until,reset").replace("2099-12-31", "2099-12-31,yes");
    assert!(import(&site, &reset).status.success());
    assert_eq!(agent.log_in(CARD, FIRST).await.status, StatusCode::SEE_OTHER);
    assert_eq!(agent.get("/").await.headers["location"], "/password");
}

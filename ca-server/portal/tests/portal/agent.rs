//! An agent at the portal: hears the check code, logs in, fills in forms as a browser without scripts does.

use std::{net::SocketAddr, process::Command, sync::LazyLock};

use captcha::Captcha;
use hyper::{StatusCode, body::Bytes};

use crate::{
    browser::{Answer, Browser},
    pki::USCC,
    site::Site,
};

pub(crate) const CARD: &str = "A12345678";
pub(crate) const FIRST: &str = "first-password";
pub(crate) const OWN: &str = "my own 口令 2026";
pub(crate) const ORIGIN: &str = "https://127.0.0.1";
const SERVICES: &str = "[services]\ndatabase = \"portal.db\"\n";

pub(crate) struct Agent {
    pub(crate) browser: Browser,
    pub(crate) address: SocketAddr,
    pub(crate) cookie: String,
}

/// A register of one agent, good for the usual unit.
pub(crate) fn register() -> String {
    format!("card,name,password,uscc,confirmed,qualified_until\n{CARD},张三,{FIRST},{USCC},yes,2099-12-31\n")
}

/// What `portal import-agents` says of a register.
pub(crate) fn import(site: &Site, register: &str) -> std::process::Output {
    let file = site.folder.write("agents.csv", register);
    let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
    command.args(["--lang", "en", "import-agents", "--config"]).arg(site.config_path()).arg(file);
    command.output().unwrap()
}

/// A portal with services and one agent, who has not logged in yet.
pub(crate) async fn open(extra: &str) -> (Site, SocketAddr) {
    let site = Site::new().await;
    site.write_config(&format!("{SERVICES}{extra}"));
    assert!(import(&site, &register()).status.success());
    let address = site.run().await;
    (site, address)
}

/// The same, with the agent logged in under a password of their own.
pub(crate) async fn logged_in() -> (Site, Agent) {
    let (site, address) = open("").await;
    let mut agent = Agent::new(site.unit(|_| {}), address);
    assert_eq!(agent.log_in(CARD, FIRST).await.status, StatusCode::SEE_OTHER);
    agent.change_password(FIRST, OWN).await;
    (site, agent)
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|octet| match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(octet).to_string(),
                _ => format!("%{octet:02X}"),
            })
            .collect()
    };
    let pairs: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

/// The value of a hidden input.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    let rest = page.split(&start).nth(1).unwrap_or_else(|| panic!("no {name} in {page}"));
    rest.split('"').next().unwrap().to_owned()
}

impl Agent {
    pub(crate) fn new(browser: Browser, address: SocketAddr) -> Self {
        Self { browser, address, cookie: String::new() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let headers = [("cookie", self.cookie.as_str())];
        self.browser.get(self.address, path, &headers).await
    }

    pub(crate) async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        self.post_from(path, pairs, &[("origin", ORIGIN)]).await
    }

    pub(crate) async fn post_from(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded"), ("cookie", &self.cookie)];
        all.extend_from_slice(headers);
        let body = Bytes::from(encode(pairs));
        self.browser.connect(self.address).await.send("POST", path, &all, body).await.unwrap()
    }

    /// Fetches a form, and sends it back filled in.
    pub(crate) async fn fill(&self, page: &str, action: &str, values: &[(&str, &str)]) -> Answer {
        let shown = self.get(page).await;
        assert_eq!(shown.status, StatusCode::OK, "{page}: {}", shown.body);
        let (csrf, form) = (hidden(&shown.body, "csrf"), hidden(&shown.body, "form"));
        let mut pairs = vec![("csrf", csrf.as_str()), ("form", form.as_str())];
        let of = shown.body.contains("name=\"of\"").then(|| hidden(&shown.body, "of"));
        pairs.extend(of.as_deref().map(|of| ("of", of)));
        pairs.extend_from_slice(values);
        self.post(action, &pairs).await
    }

    /// The name of a new check code and what it says, heard as a person who cannot see hears it.
    pub(crate) async fn check_code(&self) -> (String, String) {
        let page = self.get("/").await;
        let name = hidden(&page.body, "captcha_id");
        let sound = self.get(&format!("/captcha/{name}.wav")).await;
        assert_eq!(
            (sound.status, &sound.headers["content-type"]),
            (StatusCode::OK, &"audio/wav".parse().unwrap())
        );
        (name, heard(&sound.octets))
    }

    pub(crate) async fn log_in(&mut self, card: &str, password: &str) -> Answer {
        self.cookie.clear();
        let (name, code) = self.check_code().await;
        let pairs =
            [("captcha_id", name.as_str()), ("captcha", &code), ("card", card), ("password", password)];
        let answer = self.post("/login", &pairs).await;
        self.take_cookie(&answer);
        answer
    }

    pub(crate) async fn change_password(&mut self, old: &str, new: &str) {
        let csrf = hidden(&self.get("/password").await.body, "csrf");
        let pairs = [("csrf", csrf.as_str()), ("old", old), ("new", new), ("again", new)];
        let answer = self.post("/password", &pairs).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        self.take_cookie(&answer);
    }

    fn take_cookie(&mut self, answer: &Answer) {
        if let Some(set) = answer.headers.get("set-cookie") {
            self.cookie = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
    }
}

/// Each digit spoken: the sound of one is one length.
static SPOKEN: LazyLock<Vec<(char, Vec<i16>)>> = LazyLock::new(|| {
    let spoken =
        |digit: char| samples(Captcha::new().set_chars(&[digit]).add_char().as_wav()[0].as_deref().unwrap());
    ('1'..='9').map(|digit| (digit, spoken(digit))).collect()
});

fn samples(wav: &[u8]) -> Vec<i16> {
    hound::WavReader::new(wav).unwrap().samples::<i16>().map(Result::unwrap).collect()
}

fn heard(wav: &[u8]) -> String {
    let sound = samples(wav);
    let length = sound.len() / 6;
    let distance = |a: &[i16], b: &[i16]| -> i64 {
        a.iter().zip(b).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum()
    };
    let nearest = |part: &[i16]| SPOKEN.iter().min_by_key(|(_, digit)| distance(part, digit)).unwrap().0;
    sound.chunks_exact(length).map(nearest).collect()
}

//! The services over HTTP: each one good, each refusal, what is kept and shown.

use std::process::{Command, Stdio};

use hyper::StatusCode;

use crate::{
    agent::{Agent, CARD, FIRST, OWN, hidden, import, logged_in, register},
    browser::Answer,
    pki::USCC,
    site::Site,
};

const ID: &str = "11010519491231002X";

pub(crate) const PERSON: &[(&str, &str)] = &[
    ("id_kind", "id-card"),
    ("id_number", "11010519491231002x"),
    ("name", "张三"),
    ("sex", "female"),
    ("born", "1949-12-31"),
    ("ethnicity", "01"),
    ("household", "urban"),
    ("area", "320104"),
    ("address", "南京市秦淮区示例路 1 号"),
    ("education", "bachelor"),
    ("mobile", "13800000000"),
    ("reason", "first"),
];
const WHO: [(&str, &str); 3] = [("person_no", "1000000001"), ("name", "张三"), ("id_number", ID)];
const HIRE: &[(&str, &str)] = &[
    ("contract", "fixed"),
    ("begins", "2026-01-01"),
    ("ends", "2028-12-31"),
    ("post", "会计"),
    ("wage", "5600.00"),
    ("employment", "full-time"),
];
const END: &[(&str, &str)] =
    &[("contract_no", "HT-1"), ("ended", "2026-11-01"), ("reason", "expiry"), ("proof_no", "ZM-1")];
const JOIN: &[(&str, &str)] = &[
    ("insurance", "pension"),
    ("insurance", "injury"),
    ("from", "2026-11-01"),
    ("wage", "5600"),
    ("employment", "full-time"),
];
const STOP: &[(&str, &str)] =
    &[("insurance", "pension"), ("change", "suspend"), ("reason", "retirement"), ("from", "2026-11-01")];

fn with<'a>(values: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let kept = values.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes).copied().collect()
}

fn all(service: &str) -> Vec<(&'static str, &'static str)> {
    let own = match service {
        "person" => return PERSON.to_vec(),
        "hire" => HIRE,
        "end" => END,
        "join" => JOIN,
        _ => STOP,
    };
    WHO.iter().chain(own).copied().collect()
}

async fn submit(agent: &Agent, service: &str, values: &[(&str, &str)]) -> Answer {
    let path = format!("/services/{service}");
    agent.fill(&path, &path, values).await
}

fn receipt(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let location = answer.headers["location"].to_str().unwrap();
    location.strip_prefix("/submissions/").unwrap().strip_suffix("?done").unwrap().to_owned()
}

#[tokio::test]
async fn each_service_is_kept_with_both_identities() {
    let (_site, agent) = logged_in().await;
    for (service, words) in [
        ("person", &["人员建档", "个人编号", "汉族", "居民身份证", ID][..]),
        ("hire", &["录用备案登记", "固定期限", "会计"]),
        ("end", &["终解备案登记", "合同期满", "ZM-1"]),
        ("join", &["单位员工参保", "企业职工基本养老保险、工伤保险"]),
        ("stop", &["单位员工中止保险办理", "暂停缴费"]),
    ] {
        let receipt = receipt(&submit(&agent, service, &all(service)).await);
        let page = agent.get(&format!("/submissions/{receipt}")).await;
        for text in words.iter().chain(&[USCC, CARD, "0102030405060708090a0b0c0d0e0f101112", &receipt]) {
            assert!(page.body.contains(text), "{service}: {text}: {}", page.body);
        }
        assert!(agent.get("/submissions").await.body.contains(&receipt));
    }
}

#[tokio::test]
async fn each_refusal_names_its_field_in_both_languages_and_keeps_nothing() {
    let (_site, agent) = logged_in().await;
    let long = "长".repeat(201);
    for (service, change, field) in [
        ("person", ("name", ""), "name"),
        ("person", ("name", "张3"), "name"),
        ("person", ("name", "张\u{202e}三"), "name"),
        ("person", ("id_number", "110105194912310021"), "id_number"),
        ("person", ("id_number", "110105194913310021"), "id_number"),
        ("person", ("id_kind", "library-card"), "id_kind"),
        ("person", ("sex", "male"), "sex"),
        ("person", ("born", "1949-12-30"), "born"),
        ("person", ("born", "31.12.1949"), "born"),
        ("person", ("area", "3201"), "area"),
        ("person", ("mobile", "23800000000"), "mobile"),
        ("person", ("work_since", "1940-01-01"), "work_since"),
        ("person", ("remark", &long), "remark"),
        ("hire", ("person_no", "12a456"), "person_no"),
        ("hire", ("ends", ""), "ends"),
        ("hire", ("contract", "open"), "ends"),
        ("hire", ("ends", "2025-12-31"), "ends"),
        ("hire", ("begins", "3026-01-01"), "begins"),
        ("hire", ("probation", "2025-12-31"), "probation"),
        ("hire", ("employment", "dispatch"), "works_at"),
        ("hire", ("works_at", "别处"), "works_at"),
        ("hire", ("wage", "0.00"), "wage"),
        ("hire", ("wage", "-5"), "wage"),
        ("hire", ("wage", "1e9"), "wage"),
        ("end", ("reason", "resignation"), "resigned"),
        ("end", ("proof_no", ""), "proof_no"),
        ("join", ("insurance", "dental"), "insurance"),
        ("join", ("insurance", ""), "insurance"),
        ("join", ("from", "2026-02-30"), "from"),
        ("stop", ("reason", "other"), "remark"),
    ] {
        let answer = submit(&agent, service, &with(&all(service), &[change])).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{service} {change:?}");
        for text in ["没有提交", &format!("id=\"{field}-error\""), &format!("href=\"#{field}\"")] {
            assert!(answer.body.contains(text), "{service} {change:?}: {text}: {}", answer.body);
        }
        assert_eq!(answer.body.matches("class=\"wrong\"").count(), 1, "{service} {change:?}: one error");
    }
    assert!(agent.get("/submissions").await.body.contains("还没有记录"));
    let csrf = hidden(&agent.get("/").await.body, "csrf");
    let english = agent.post("/services/person?lang=en", &[("csrf", &csrf), ("form", &"0".repeat(64))]).await;
    assert!(english.body.contains("Not submitted") && english.body.contains("This is needed. Fill it in."));
    assert_eq!(agent.get("/services/absent").await.status, StatusCode::NOT_FOUND);
    let large = "x".repeat(70_000);
    let refused = agent.post("/services/person", &[("csrf", &csrf), ("remark", &large)]).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    for csrf in ["", "0"] {
        let refused = agent.post("/services/person", &with(PERSON, &[("csrf", csrf)])).await;
        assert!(refused.status == StatusCode::FORBIDDEN && refused.body.contains("form-token"));
    }
}

#[tokio::test]
async fn corrections_and_withdrawals_are_new_submissions() {
    let (_site, agent) = logged_in().await;
    let first = receipt(&submit(&agent, "hire", &all("hire")).await);
    let page = format!("/submissions/{first}/correction");
    assert!(agent.get(&page).await.body.contains("value=\"会计\""));
    let second = agent.fill(&page, "/services/hire", &with(&all("hire"), &[("post", "出纳")])).await;
    let second = receipt(&second);
    let old = agent.get(&format!("/submissions/{first}")).await.body;
    assert!(old.contains("会计") && old.contains(&second) && !old.contains("/withdrawal"));
    assert_eq!(agent.get(&page).await.status, StatusCode::CONFLICT, "once");
    let view = format!("/submissions/{second}");
    let withdrawal = format!("{view}/withdrawal");
    let third = receipt(&agent.fill(&view, &withdrawal, &[]).await);
    assert!(agent.get(&format!("/submissions/{third}")).await.body.contains("撤回"));
    let csrf = hidden(&agent.get("/").await.body, "csrf");
    let again = agent.post(&withdrawal, &[("csrf", &csrf), ("form", &"1".repeat(64))]).await;
    assert!(again.status == StatusCode::CONFLICT && again.body.contains("没有提交"));
    let form = "2".repeat(64);
    let of_another = with(&all("join"), &[("csrf", &csrf), ("form", &form), ("of", &third)]);
    assert_eq!(agent.post("/services/join", &of_another).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_corrected_person_file_keeps_its_number() {
    let (_site, agent) = logged_in().await;
    let number = |page: &str| {
        let rest = page.split("<dt>个人编号</dt><dd>").nth(1).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    let first = receipt(&submit(&agent, "person", PERSON).await);
    let page = format!("/submissions/{first}/correction");
    let changed = with(PERSON, &[("address", "南京市玄武区")]);
    let second = receipt(&agent.fill(&page, "/services/person", &changed).await);
    let [first, second] = [
        agent.get(&format!("/submissions/{first}")).await,
        agent.get(&format!("/submissions/{second}")).await,
    ];
    assert_eq!(number(&first.body), number(&second.body));
    assert!(second.body.contains("玄武区") && !first.body.contains("玄武区"));
}

#[tokio::test]
async fn a_form_sent_twice_is_one_submission() {
    let (_site, agent) = logged_in().await;
    let page = agent.get("/services/hire").await.body;
    let (csrf, form) = (hidden(&page, "csrf"), hidden(&page, "form"));
    let values = with(&all("hire"), &[("csrf", &csrf), ("form", &form)]);
    let first = receipt(&agent.post("/services/hire", &values).await);
    assert_eq!(first, receipt(&agent.post("/services/hire", &values).await));
    assert_eq!(agent.get("/submissions").await.body.matches("录用备案登记").count(), 1);
}

#[tokio::test]
async fn another_unit_sees_nothing_of_it() {
    let (site, agent) = logged_in().await;
    let receipt = receipt(&submit(&agent, "hire", &all("hire")).await);
    let uscc = "91320106MA1X00017N";
    assert!(import(&site, &register().replace(USCC, uscc)).status.success());
    let browser = site.unit(|params| {
        let code = yasn(uscc);
        params
            .custom_extensions
            .retain(|extension| extension.oid_components().collect::<Vec<_>>() != USCC_OID);
        params.custom_extensions.push(rcgen::CustomExtension::from_oid_content(&USCC_OID, code));
    });
    let mut other = Agent::new(browser, agent.address);
    assert_eq!(other.log_in(CARD, OWN).await.status, StatusCode::SEE_OTHER);
    assert!(other.get("/submissions").await.body.contains("还没有记录"));
    for path in [format!("/submissions/{receipt}"), format!("/submissions/{receipt}/correction")] {
        let answer = other.get(&path).await;
        assert!(answer.status.is_client_error() && !answer.body.contains("会计"), "{path}");
    }
    assert!(!other.get("/submissions.csv").await.body.contains("会计"));
}

const USCC_OID: [u64; 7] = [1, 2, 156, 10260, 4, 1, 4];

/// PrintableString.
fn yasn(text: &str) -> Vec<u8> {
    let mut der = vec![0x13, u8::try_from(text.len()).unwrap()];
    der.extend_from_slice(text.as_bytes());
    der
}

#[tokio::test]
async fn what_people_type_is_text_in_pages_and_in_tables() {
    let (_site, agent) = logged_in().await;
    let markup = "\"><script>alert(1)</script>'&";
    for service in ["person", "hire", "end", "join", "stop"] {
        let values: Vec<_> = all(service).iter().map(|(name, _)| (*name, markup)).collect();
        let answer = submit(&agent, service, &values).await;
        assert!(answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.body.contains("alert(1)"));
        assert!(!answer.body.contains("<script"), "{service}: {}", answer.body);
    }
    let kept =
        submit(&agent, "hire", &with(&all("hire"), &[("post", markup), ("remark", "=cmd|'/c calc'!A1")]))
            .await;
    let receipt = receipt(&kept);
    for path in [format!("/submissions/{receipt}"), format!("/submissions/{receipt}/correction")] {
        let page = agent.get(&path).await.body;
        assert!(page.contains("alert(1)") && !page.contains("<script"), "{page}");
    }
    let export = agent.get("/submissions.csv").await;
    assert!(export.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(export.octets.as_ref());
    let cells: Vec<String> =
        reader.records().flat_map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect();
    assert!(cells.iter().any(|cell| cell == "'=cmd|'/c calc'!A1"));
    assert!(cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])));
}

#[tokio::test]
async fn every_input_has_a_label_and_every_page_its_language() {
    let (_site, agent) = logged_in().await;
    let stranger = Agent::new(agent.browser.clone(), agent.address);
    let pages = [
        "/",
        "/password",
        "/services/person",
        "/services/hire",
        "/services/end",
        "/services/join",
        "/services/stop",
        "/batch",
        "/submissions",
    ];
    let mut inputs = 0;
    for (who, path) in pages.iter().map(|path| (&agent, *path)).chain([(&stranger, "/")]) {
        for (lang, tag) in [("zh", "lang=\"zh-CN\""), ("en", "lang=\"en\"")] {
            let page = who.get(&format!("{path}?lang={lang}")).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            assert!(page.body.contains(&format!("<html {tag}")), "{path}");
            assert!(page.headers["set-cookie"].to_str().unwrap().starts_with("__Host-lang="));
            assert!(!page.body.contains("<script") && !page.body.contains("style="), "{path}");
            for part in page.body.split('<') {
                let control = ["input ", "select ", "textarea "].iter().any(|tag| part.starts_with(tag));
                if !control || part.contains("type=\"hidden\"") {
                    continue;
                }
                let id = part.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
                assert!(page.body.contains(&format!("<label for=\"{id}\">")), "{path}: {id}");
                inputs += 1;
            }
        }
    }
    assert!(inputs > 100, "only {inputs} were found");
}

#[tokio::test]
async fn a_receipt_survives_the_death_of_the_program() {
    let site = Site::new().await;
    site.write_config("[services]\ndatabase = \"portal.db\"\n");
    assert!(import(&site, &register()).status.success());
    let ready = site.folder.path().join("ready");
    let start = || {
        let _ = std::fs::remove_file(&ready);
        let mut command = Command::new(env!("CARGO_BIN_EXE_portal"));
        command.args(["serve", "--config"]).arg(site.config_path()).arg("--ready-file").arg(&ready);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let address = || async {
        for _ in 0..200 {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                return text.trim().parse().unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the portal does not start");
    };
    let mut child = start();
    let mut agent = Agent::new(site.unit(|_| {}), address().await);
    agent.log_in(CARD, FIRST).await;
    agent.change_password(FIRST, OWN).await;
    let kept = submit(&agent, "hire", &all("hire")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let receipt = receipt(&kept);
    let mut child = start();
    agent.address = address().await;
    assert_eq!(
        agent.get("/submissions").await.status,
        StatusCode::SEE_OTHER,
        "sessions end with the program"
    );
    agent.log_in(CARD, OWN).await;
    let page = agent.get(&format!("/submissions/{receipt}")).await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(page.status == StatusCode::OK && page.body.contains("会计"));
}

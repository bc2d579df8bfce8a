//! `bench --search`: how long a clerk waits for a list or a search among as many units as a city has, with all clerks
//! asking at once. The whole of the API but TLS: who asks is looked up in the live status each time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::ConnectInfo,
    http::{Request, StatusCode},
};
use ca_core::{Name, Unit, UnitId};
use ca_store::WriteSite;
use ca_verifier::Uscc;
use tower::ServiceExt;

use super::{Stop, bench, staff};
use crate::{
    app::App,
    http,
    problem::{Failure, Problem},
    wire,
};

const CLERKS: usize = 200;
const ROUNDS: usize = 20_000;
/// Units registered in one transaction.
const CHUNK: usize = 2_000;
const DISTRICTS: [&str; 11] =
    ["玄武", "秦淮", "建邺", "鼓楼", "浦口", "栖霞", "雨花台", "江宁", "六合", "溧水", "高淳"];
/// Characters of names; two of them are a trade name, so that there are as many as a city has.
const CHARACTERS: &str = "金陵紫钟山长江秣石城梧桐雨花莫愁龙百家新东方恒泰华瑞永兴天成博远嘉禾安邦诚达大德丰福富高光广海和宏鸿\
    汇慧吉佳建健捷锦京景久聚骏凯康科乐力利联隆美明南宁鹏平普奇启千强勤青庆泉仁荣润森善尚盛世顺思泰腾同通万旺威维伟文祥\
    信星鑫旭宣雅亚岩阳扬耀业一艺亿益逸银英盈优友宇裕元源云运泽展昭振正志智中众卓子宗";
const TRADES: [&str; 12] = [
    "科技",
    "商贸",
    "建筑工程",
    "餐饮管理",
    "物流",
    "教育咨询",
    "电子",
    "医疗器械",
    "广告",
    "印刷",
    "机械制造",
    "软件",
];

pub(super) async fn run(app: &Arc<App>, units: usize) -> Result<(), Stop> {
    let kind = if app.config.database.starts_with("sqlite:") { "SQLite" } else { "PostgreSQL" };
    let start = Instant::now();
    let known = seed(app, units).await?;
    let rate = bench::per_second(units, start.elapsed());
    println!("seed   {kind:<10} {units} units with their name parts, {rate:.0}/s");
    let certificate: Arc<[u8]> = staff::add_for_bench(app).await?.into();
    let asked = questions(&known);
    for (name, paths) in asked {
        let (rate, p50, p99) = ask(app, &certificate, Arc::new(paths)).await?;
        println!(
            "search {kind:<10} {name:<22} c={CLERKS} {rate:>7.0}/s  p50 {p50:>6.1} ms  p99 {p99:>6.1} ms  goal 100 ms"
        );
    }
    Ok(())
}

/// Units with names as they are, each from its number.
async fn seed(app: &Arc<App>, units: usize) -> Result<Vec<(String, String)>, Problem> {
    let mut known = Vec::new();
    let mut number = 0;
    while number < units {
        let mut chunk = Vec::new();
        for _ in 0..CHUNK.min(units - number) {
            chunk.push(unit(number)?);
            number += 1;
        }
        known.extend(chunk.iter().step_by(97).map(|unit| (unit.code.to_string(), unit.labour_no.clone())));
        let work = move |tx: &mut ca_store::Tx<'_>| {
            chunk.iter().try_for_each(|unit| tx.insert_unit(unit)).map_err(Problem::from)
        };
        app.store.write(WriteSite::Import, work).await?;
    }
    Ok(known)
}

fn unit(number: usize) -> Result<Unit, Problem> {
    let now = wire::now();
    let name = format!(
        "南京{}{}{}有限公司",
        if number.is_multiple_of(3) { DISTRICTS[number % DISTRICTS.len()] } else { "" },
        trade_name(number),
        TRADES[number / 7 % TRADES.len()],
    );
    Ok(Unit {
        id: UnitId::new(now, wire::random()?),
        code: code(number)?.into(),
        labour_no: format!("{:08}", 50_000_000 + number),
        name: Name::parse(&name)?,
        province: "江苏省".to_owned(),
        city: "南京市".to_owned(),
        region: None,
        agency: Some("nanjing".to_owned()),
        name_flag: number.is_multiple_of(9_000).then(|| "look".to_owned()),
        registered_by: "system:bench".to_owned(),
        registered_at: now,
        ended_at: number.is_multiple_of(10_000).then_some(now),
    })
}

/// Two characters: the same for a handful of units, as in life.
fn trade_name(number: usize) -> String {
    let characters: Vec<char> = CHARACTERS.chars().collect();
    let of = |number: usize| characters[number % characters.len()];
    [of(number), of(number / characters.len() + number / 3)].iter().collect()
}

/// The one check digit of 31 that fits.
fn code(number: usize) -> Result<Uscc, Problem> {
    let body = format!("91320105{number:09}");
    let mut codes = "0123456789ABCDEFGHJKLMNPQRTUWXY"
        .chars()
        .filter_map(|check| Uscc::parse(&format!("{body}{check}")).ok());
    codes.next().ok_or_else(|| Problem::from(Failure::inconsistent("no check digit fits")))
}

fn questions(known: &[(String, String)]) -> Vec<(&'static str, Vec<String>)> {
    let search = |text: &str| format!("/api/v1/units?q={}", percent(text));
    let texts = |make: &dyn Fn(usize) -> String| (0..400).map(|n| search(&make(n * 37))).collect::<Vec<_>>();
    let (district, trade) = (|n: usize| DISTRICTS[n % DISTRICTS.len()], |n: usize| TRADES[n % TRADES.len()]);
    vec![
        ("by USCC", known.iter().map(|(code, _)| search(code)).collect()),
        ("by labour number", known.iter().map(|(_, labour_no)| search(labour_no)).collect()),
        ("by trade", texts(&|n| trade(n).to_owned())),
        ("by trade name", texts(&trade_name)),
        ("by name and trade", texts(&|n| format!("{}{}", trade_name(n), trade(n / 7)))),
        ("by district and name", texts(&|n| format!("{}{}", district(n), trade_name(n)))),
        ("by what nobody has", texts(&|n| format!("{}人民公社", trade_name(n)))),
        ("first page", vec!["/api/v1/units".to_owned()]),
        ("those that ended", vec!["/api/v1/units?state=ended".to_owned()]),
        ("those to look at", vec!["/api/v1/units?flagged=true".to_owned()]),
    ]
}

fn percent(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}

/// All clerks at once, each asking again as soon as there is an answer.
async fn ask(
    app: &Arc<App>,
    certificate: &Arc<[u8]>,
    paths: Arc<Vec<String>>,
) -> Result<(f64, f64, f64), Stop> {
    let (router, next) = (http::api_router(Arc::clone(app)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CLERKS {
        let (router, next, paths) = (router.clone(), Arc::clone(&next), Arc::clone(&paths));
        let peer = http::Peer {
            certificate: Some(Arc::clone(certificate)),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
        };
        tasks.push(tokio::spawn(async move {
            let mut waits: Vec<Duration> = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= ROUNDS {
                    return Ok::<_, Failure>(waits);
                }
                let path = &paths[number % paths.len()];
                let mut request = Request::get(path).body(Body::empty()).map_err(Failure::inconsistent)?;
                request.extensions_mut().insert(ConnectInfo(peer.clone()));
                let asked = Instant::now();
                // A request waits its turn behind those of the others, as it would in a socket.
                tokio::task::yield_now().await;
                let answer = router.clone().oneshot(request).await.map_err(Failure::inconsistent)?;
                waits.push(asked.elapsed());
                if answer.status() != StatusCode::OK {
                    return Err(Failure::inconsistent(format!("{path} answered {}", answer.status())));
                }
            }
        }));
    }
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await.map_err(Failure::inconsistent)??);
    }
    Ok(bench::summary(waits, start.elapsed()))
}

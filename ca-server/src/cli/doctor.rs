//! `doctor`: what the server needs, one line each.

use ca_store::CrlRecord;

use super::{Out, Server, Stop};
use crate::{
    app::App,
    ca::label,
    config::{self, Config},
    problem::Failure,
    rule::Language,
    serve, wire,
};

/// The root's token is far away: so many days before its CRL runs out people are told.
const ROOT_CRL_WARNING_DAYS: i64 = 30;

pub(super) async fn doctor(server: &Server, out: &Out) -> Result<(), Stop> {
    let config = Config::load(&server.config)?;
    // Before the first line, which would come twice otherwise.
    config::enter(&config.hsm.environment)?;
    out.say("配置正常", "configuration: ok");
    let app = serve::open(config).await?;
    out.say("策略、数据库、密码卡正常", "policies, database, token: ok");
    say_notices(&app, out)?;
    say_receipts(&app, out);
    let (epoch, crl, root_crl) = app.store.read(|reader| {
        let crls = (reader.latest_crl(label::ISSUING, 0)?, reader.latest_crl(label::ROOT, 0)?);
        Ok::<_, Failure>((reader.epoch()?, crls.0, crls.1))
    })?;
    let crl = current(crl, "CRL", "ca-server serve")?;
    let (number, next) = (crl.number, crl.next_update);
    out.say(
        &format!("CRL 编号 {number}，有效至 {next}，状态版本 {epoch}"),
        &format!("CRL number {number}, good until {next}, status epoch {epoch}"),
    );
    let crl = current(root_crl, "根 CRL / root CRL", "ca-server root-crl")?;
    let (number, next) = (crl.number, crl.next_update);
    out.say(
        &format!("根 CRL 编号 {number}，有效至 {next}"),
        &format!("root CRL number {number}, good until {next}"),
    );
    let days = (next.secs() - wire::now().secs()) / 86_400;
    if days < ROOT_CRL_WARNING_DAYS {
        out.say(
            &format!("警告：根 CRL 还有 {days} 天过期；请取出根密码卡，运行 ca-server root-crl。"),
            &format!(
                "WARNING: the root CRL runs out in {days} days; fetch the root's token and run ca-server root-crl."
            ),
        );
    }
    Ok(())
}

/// Messages that nobody got are a warning: certificates are issued and served all the same.
fn say_notices(app: &App, out: &Out) -> Result<(), Failure> {
    let (waiting, failed) = app.store.read(|reader| {
        Ok::<_, Failure>((reader.count_deliveries("waiting")?, reader.count_deliveries("failed")?))
    })?;
    out.say(&format!("消息：{waiting} 条待发"), &format!("messages: {waiting} waiting"));
    if failed > 0 {
        out.say(
            &format!("警告：{failed} 条消息发送失败；请查看 GET /api/v1/notices?state=failed，更正后重发。"),
            &format!("WARNING: {failed} messages were given up; see GET /api/v1/notices?state=failed, mend the cause and send them again."),
        );
    }
    Ok(())
}

/// Without a font no receipt is printed, and money is taken all the same.
fn say_receipts(app: &App, out: &Out) {
    match app.receipt_font() {
        Ok(_) => out.say("收据字体正常", "font of receipts: ok"),
        Err(problem) => {
            let text = |language| {
                let (situation, remedy) = problem.texts(language);
                format!("{situation} {remedy}")
            };
            out.say(&format!("警告：{}", text(Language::Zh)), &format!("WARNING: {}", text(Language::En)));
        }
    }
}

/// Refuses one that is not there or has run out.
fn current(crl: Option<CrlRecord>, what: &str, command: &str) -> Result<CrlRecord, Failure> {
    let Some(crl) = crl else {
        return Err(Failure::Refused(format!(
            "还没有 {what}；请运行 {command}。\nThere is no {what} yet; run {command}."
        )));
    };
    if crl.next_update < wire::now() {
        return Err(Failure::Refused(format!(
            "{what} 已过期（{0}）；请运行 {command}。\n{what} has run out ({0}); run {command}.",
            crl.next_update
        )));
    }
    Ok(crl)
}

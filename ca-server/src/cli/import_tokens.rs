//! `import-tokens`: a vendor's list of the tokens that it delivers, taken into stock whole or not at all.

use std::path::PathBuf;

use ca_store::Store;
use clap::Args;

use super::{Out, Server, Stop, operator};
use crate::{
    app::{
        batch::Upload,
        stock::{self, Place},
    },
    config::Config,
    permit::Permit,
    policies,
    problem::{Failure, Problem},
    rule::{Language, Rule},
};

/// As the API takes it.
const FILE_MAX: u64 = 8 * 1024 * 1024;

#[derive(Args)]
pub(super) struct ImportTokens {
    /// CSV or XLSX with the columns serial, model, batch | 交货清单（序列号、型号、批次）
    file: PathBuf,
    /// Box that they are put into | 入库的箱号
    #[arg(
        long = "box",
        value_name = "NAME",
        required_unless_present = "counter",
        conflicts_with = "counter"
    )]
    place: Option<String>,
    /// Counter that they go to, by its code or Chinese name | 直接发往的柜台
    #[arg(long, value_name = "CODE")]
    counter: Option<String>,
    /// Take nothing, and say what would be | 只检查，不入库
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
}

impl ImportTokens {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        let policies = policies::load(&config.policies)?;
        let place = match (self.place, self.counter) {
            (_, Some(code)) => Place::Counter(code),
            (name, None) => Place::Box(name.unwrap_or_default()),
        };
        let location = stock::location(policies.counters(), &place)?;
        let size = std::fs::metadata(&self.file).map_err(|error| Failure::file(&self.file, error))?.len();
        if size > FILE_MAX {
            let problem = Problem::new(Rule::SheetTooLarge);
            return Err(problem.with("what", "字节数 (octets)").with("limit", FILE_MAX).into());
        }
        let octets = std::fs::read(&self.file).map_err(|error| Failure::file(&self.file, error))?;
        let xlsx = self.file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"));
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let permit = Permit::of_operator(&operator());
        let file = (Upload { octets, xlsx }, location);
        let done = stock::import_tokens(&store, policies.tokens(), &permit, file, self.dry_run).await;
        let done = match done {
            Ok(done) => done,
            Err(problem) => {
                for part in problem.parts() {
                    let line = part.facts().iter().find(|(name, _)| *name == "line");
                    let line = line.map_or("", |(_, number)| number);
                    let ((zh, _), (en, _)) = (part.texts(Language::Zh), part.texts(Language::En));
                    eprintln!(
                        "{}",
                        out.choose(&format!("第 {line} 行：{zh}"), &format!("line {line}: {en}"))
                    );
                }
                return Err(problem.into());
            }
        };
        if out.json {
            let id = done.id.map(|id| id.to_string());
            println!("{}", serde_json::json!({ "delivery": id, "tokens": done.tokens }));
        } else if done.id.is_none() {
            let tokens = done.tokens;
            out.say(
                &format!("清单无误：{tokens} 个 U-key，未入库。"),
                &format!("The list is good: {tokens} tokens; nothing was taken."),
            );
        } else {
            let tokens = done.tokens;
            out.say(
                &format!("已入库 {tokens} 个 U-key。"),
                &format!("{tokens} tokens were taken into stock."),
            );
        }
        Ok(())
    }
}

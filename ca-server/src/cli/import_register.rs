//! `import-register`: the register of insured units from a CSV file. Interrupted, the same command goes on.

use std::path::PathBuf;

use ca_store::Store;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Out, Server, Stop, operator};
use crate::{
    app::register::{Accept, Done, Import, abandon},
    config::Config,
    permit::Permit,
    policies,
    problem::Failure,
};

#[derive(Args)]
pub(super) struct ImportRegister {
    /// CSV, UTF-8 or GB18030; the first line names the columns | 名册文件
    #[arg(required_unless_present = "abandon")]
    file: Option<PathBuf>,
    /// Where the report goes: a CSV with a line for each thing that is wrong | 问题清单输出文件
    #[arg(long)]
    report: Option<PathBuf>,
    /// Bad lines, in per cent, that are too many | 问题行比例上限（%）
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=100), value_name = "PERCENT")]
    max_bad: u32,
    /// Activate it with more bad lines, too | 接受超出比例的问题行
    #[arg(long)]
    accept_bad: bool,
    /// Activate it with less than half the units of the one in force, too | 接受单位数减半以上的名册
    #[arg(long)]
    accept_shrink: bool,
    /// Throw away an import that is not finished | 放弃未完成的导入
    #[arg(long, conflicts_with = "file")]
    abandon: bool,
    #[command(flatten)]
    server: Server,
}

impl ImportRegister {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let permit = Permit::of_operator(&operator());
        let Some(file) = &self.file else {
            let number = abandon(&store, permit).await?;
            if out.json {
                println!("{}", serde_json::json!({ "import": number, "state": "abandoned" }));
            } else {
                out.say(
                    &format!("已放弃第 {number} 次导入；现行名册未变。"),
                    &format!("Import {number} was thrown away; the register in force is as it was."),
                );
            }
            return Ok(());
        };
        let policies = policies::load(&config.policies)?;
        let import = Import {
            store: &store,
            agencies: policies.eligibility(),
            permit,
            file,
            report: self.report.as_deref(),
            accept: Accept { max_bad: self.max_bad, bad: self.accept_bad, shrink: self.accept_shrink },
        };
        // Hidden when standard error is not a terminal.
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {eta}") {
            bar.set_style(style);
        }
        let result = import
            .run(|read, size| {
                bar.set_length(size);
                bar.set_position(read);
            })
            .await;
        bar.finish_and_clear();
        show(out, result?);
        Ok(())
    }
}

fn show(out: &Out, done: Done) {
    let Done { number, resumed_at, lines, good, bad, review } = done;
    if out.json {
        let view = serde_json::json!({
            "import": number, "state": "active", "resumed_at": resumed_at, "lines": lines, "rows": good, "bad": bad,
            "review": review,
        });
        println!("{view}");
        return;
    }
    if resumed_at > 0 {
        out.say(
            &format!("从第 {resumed_at} 行之后继续。"),
            &format!("It went on after {resumed_at} lines that were done before."),
        );
    }
    out.say(
        &format!("名册已启用（第 {number} 次导入）：{lines} 行，{good} 个单位，{bad} 行有问题，{review} 行请核对。"),
        &format!(
            "The register is in force (import {number}): {lines} lines, {good} units, {bad} bad lines, {review} to be \
             looked at."
        ),
    );
}

//! `log show`: the audit log at the command line.

use ca_core::Action;
use ca_store::{AuditFilter, Store};
use clap::{Args, Subcommand};

use super::{Out, Server, Stop};
use crate::{
    config::Config,
    http::LogView,
    problem::{Failure, Problem},
};

#[derive(Subcommand)]
pub(super) enum Log {
    /// List entries in order | 按顺序列出
    Show(Show),
}

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    server: Server,
    /// Only entries after this number | 只列此编号之后的
    #[arg(long)]
    after: Option<i64>,
    /// Only this action, such as issue-certificate | 只列此类操作
    #[arg(long)]
    action: Option<String>,
    /// Only about this identifier or serial number | 只列此对象
    #[arg(long)]
    object: Option<String>,
    /// At most so many | 最多条数
    #[arg(long, default_value_t = 1000)]
    limit: i64,
}

impl Log {
    pub(super) fn run(self, out: &Out) -> Result<(), Stop> {
        let Self::Show(show) = self;
        let config = Config::load(&show.server.config)?;
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let action = show.action.as_deref().map(Action::from_name).transpose().map_err(Problem::from)?;
        let filter = AuditFilter {
            after: show.after,
            action,
            object_id: show.object,
            limit: show.limit,
            ..AuditFilter::default()
        };
        let found = store.read(|reader| reader.audit_log(&filter)).map_err(Failure::Store)?;
        for (number, record) in found {
            if out.json {
                let view =
                    serde_json::to_string(&LogView::new(number, record)).map_err(Failure::inconsistent)?;
                println!("{view}");
            } else {
                let outcome =
                    record.rule.as_deref().map_or("done".to_owned(), |rule| format!("refused:{rule}"));
                let detail: Vec<String> =
                    record.detail.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
                let detail = detail.join(" ");
                println!(
                    "{number:>6} {} {:<22} {:<12} {} {} {} {}",
                    record.at,
                    record.action.name(),
                    outcome,
                    plain(&record.actor),
                    record.object,
                    plain(&record.object_id),
                    detail
                );
            }
        }
        Ok(())
    }
}

/// One entry, one line: what somebody typed can neither begin another nor move a terminal's cursor.
fn plain(text: &str) -> impl std::fmt::Display {
    text.escape_debug()
}

//! `revoke-list`: the switch for an incident. Says what becomes invalid, and does it only when told how many that is.

use std::{
    collections::BTreeSet,
    io::{IsTerminal, Write},
    path::PathBuf,
};

use ca_store::Store;
use ca_verifier::Reason;
use clap::Args;
use serde_json::json;

use super::{Out, Server, Stop, operator};
use crate::{
    app::revocation_list::{self, Fate, Listed, OCTETS_MAX},
    config::Config,
    problem::{Failure, Problem},
    rule::Rule,
};

#[derive(Args)]
pub(super) struct RevokeList {
    /// File with a serial number (hexadecimal) in the first column of each line | 证书序列号清单
    file: PathBuf,
    /// RFC 5280 reason, as of `revoke` | 吊销原因
    #[arg(long)]
    reason: String,
    /// Say what would become invalid, and change nothing | 只说明影响，不吊销
    #[arg(long)]
    dry_run: bool,
    /// How many become invalid, as the dry run said; another number refuses | 演练时给出的吊销数量
    #[arg(long, value_name = "COUNT", required_unless_present = "dry_run")]
    confirm: Option<usize>,
    /// Go on though no certificate of ours has some of the numbers | 忽略不属于本 CA 的序列号
    #[arg(long)]
    skip_unknown: bool,
    /// Write each certificate with its unit and what becomes of it to this CSV file | 把明细写入 CSV 文件
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// How many of each.
struct Counts {
    revoke: usize,
    revoked: usize,
    burned: usize,
    unknown: usize,
    units: usize,
}

impl RevokeList {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let reason = Reason::from_name(&self.reason)
            .ok_or_else(|| Problem::new(Rule::ReasonUnknown).with("found", &self.reason))?;
        let size = std::fs::metadata(&self.file).map_err(|error| Failure::file(&self.file, error))?.len();
        if size > OCTETS_MAX {
            let problem = Problem::new(Rule::SheetTooLarge);
            return Err(problem.with("what", "字节数 (octets)").with("limit", OCTETS_MAX).into());
        }
        let text = std::fs::read_to_string(&self.file).map_err(|error| Failure::file(&self.file, error))?;
        let serials = revocation_list::read(&text)?;
        let config = Config::load(&self.server.config)?;
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        let listed = revocation_list::plan(&store, &serials)?;
        let counts = Counts::of(&listed);
        if let Some(output) = &self.output {
            write_csv(output, &listed)?;
        }
        if self.dry_run {
            counts.tell(out, None);
            return Ok(());
        }
        if counts.unknown > 0 && !self.skip_unknown {
            let first = listed.iter().find(|one| one.fate == Fate::Unknown);
            let first = first.map(|one| one.serial.to_string()).unwrap_or_default();
            return Err(Problem::new(Rule::ListUnknown)
                .with("count", counts.unknown)
                .with("first", first)
                .into());
        }
        if self.confirm != Some(counts.revoke) {
            let told = self.confirm.unwrap_or_default();
            return Err(Problem::new(Rule::ListCount).with("found", counts.revoke).with("told", told).into());
        }
        let mut done = 0;
        let progress = std::io::stderr().is_terminal();
        let count = || {
            done += 1;
            if progress && (done % 100 == 0 || done == counts.revoke) {
                eprint!("\r{done} / {}", counts.revoke);
            }
        };
        let revoked = revocation_list::carry_out(&store, &operator(), &listed, reason, count).await?;
        if progress {
            eprintln!();
        }
        counts.tell(out, Some(revoked));
        Ok(())
    }
}

impl Counts {
    fn of(listed: &[Listed]) -> Self {
        let count = |fate| listed.iter().filter(|one| one.fate == fate).count();
        let touched = listed.iter().filter(|one| one.fate == Fate::Revoke);
        let units: BTreeSet<_> = touched.filter_map(|one| one.unit.as_ref().map(|unit| &unit.id)).collect();
        Self {
            revoke: count(Fate::Revoke),
            revoked: count(Fate::Revoked),
            burned: count(Fate::Burned),
            unknown: count(Fate::Unknown),
            units: units.len(),
        }
    }

    fn tell(&self, out: &Out, done: Option<usize>) {
        let Self { revoke, revoked, burned, unknown, units } = self;
        if out.json {
            let told = json!({ "revoke": revoke, "units": units, "revoked_before": revoked, "burned": burned,
                "unknown": unknown, "revoked": done });
            println!("{told}");
            return;
        }
        match done {
            None => out.say(
                &format!("将吊销 {revoke} 张证书，涉及 {units} 家单位；没有吊销任何证书。执行时请加 --confirm {revoke}"),
                &format!("{revoke} certificates of {units} units would become invalid; nothing was changed. To do it: --confirm {revoke}"),
            ),
            Some(done) => out.say(
                &format!("已吊销 {done} 张证书，涉及 {units} 家单位。"),
                &format!("{done} certificates of {units} units were revoked."),
            ),
        }
        out.say(
            &format!("此前已吊销 {revoked}，签名未完成 {burned}，不属于本 CA {unknown}"),
            &format!("Revoked before: {revoked}; never finished: {burned}; not ours: {unknown}"),
        );
    }
}

fn write_csv(path: &std::path::Path, listed: &[Listed]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path, error);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = ["serial", "outcome", "state", "not_after", "unit_code", "unit_name"];
    writer.write_record(head).map_err(Failure::inconsistent)?;
    for one in listed {
        let (code, name) = one
            .unit
            .as_ref()
            .map_or_else(Default::default, |unit| (unit.code.to_string(), unit.name.as_str().to_owned()));
        let state = one.state.map_or("", |state| state.name());
        let end = one.not_after.map(|at| at.to_string()).unwrap_or_default();
        let row = [&one.serial.to_string(), one.fate.name(), state, &end, &code, &name];
        writer.write_record(row).map_err(Failure::inconsistent)?;
    }
    let octets = writer.into_inner().map_err(Failure::inconsistent)?;
    let mut file = std::fs::File::create(path).map_err(failed)?;
    file.write_all(&octets).map_err(failed)
}

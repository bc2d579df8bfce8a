//! The command line. Exit status: 0 no finding, 1 findings, 2 usage or nothing could be checked.

use std::{
    fs::File,
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{Anchor, Error, Language, Options, check};

/// Checks what `ca-server export` writes, with code and trust of its own.
/// 用独立的代码和信任锚核查 `ca-server export` 的输出。
#[derive(Parser)]
#[command(name = "ca-audit", version)]
struct Arguments {
    /// Language of messages; default: from LANG, else zh | 消息语言
    #[arg(long, global = true, value_enum)]
    lang: Option<Tag>,
    /// Machine-readable output | 供程序读取的输出
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tag {
    Zh,
    En,
}

#[derive(Subcommand)]
enum Command {
    /// Apply every rule to an export; exit status 0 no finding, 1 findings, 2 could not check | 核查导出文件
    Check(Check),
}

#[derive(clap::Args)]
struct Check {
    /// Export, JSON Lines | 导出文件
    export: PathBuf,
    /// The root that the auditor trusts, PEM; without it no signature is checked | 审计员信任的根证书
    #[arg(long)]
    root: Option<PathBuf>,
    /// The CA was at rest: an intent without outcome is a finding | 导出时系统静止，待定意图即为问题
    #[arg(long)]
    at_rest: bool,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let language = match arguments.lang {
        Some(Tag::Zh) => Language::Zh,
        Some(Tag::En) => Language::En,
        None => Language::from_tag(&std::env::var("LANG").unwrap_or_default()),
    };
    let Command::Check(command) = arguments.command;
    match command.run(language, arguments.json) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}", error.text(language));
            ExitCode::FAILURE
        }
    }
}

impl Check {
    /// Gives the number of findings.
    fn run(self, language: Language, json: bool) -> Result<usize, Error> {
        let anchor = self.root.as_deref().map(anchor).transpose()?;
        let unreadable = |source| Error::Read { path: self.export.clone(), source };
        let export = BufReader::new(File::open(&self.export).map_err(unreadable)?);
        let report = check(export, Options { anchor, at_rest: self.at_rest }).map_err(unreadable)?;
        let mut out = io::stdout().lock();
        let written =
            if json { report.write_json(&mut out, language) } else { report.write_text(&mut out, language) };
        written.and_then(|()| out.flush()).map_err(Error::Write)?;
        Ok(report.findings().len())
    }
}

fn anchor(path: &Path) -> Result<Anchor, Error> {
    let pem = std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    Anchor::from_pem(&pem).map_err(|problem| Error::Anchor { path: path.to_owned(), problem })
}

//! `import`: units and agents from a TOML file, each as if the counter had entered it. Known ones are left alone.

use std::path::PathBuf;

use ca_core::{AgentId, IdCard, personal::PersonNumber};
use clap::Args;
use ring::digest::{SHA256, digest};
use serde::Deserialize;

use super::{Out, Server, Stop, operator};
use crate::{
    app::{App, Made, NewAgent, NewUnit, Once},
    config::Config,
    permit::Permit,
    problem::{Failure, Problem},
    rule::Rule,
    serve,
};

#[derive(Args)]
pub(super) struct Import {
    /// File with [[unit]] and [[agent]] tables | 数据文件
    file: PathBuf,
    #[command(flatten)]
    server: Server,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    #[serde(default)]
    unit: Vec<NewUnit>,
    #[serde(default)]
    agent: Vec<AgentRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentRecord {
    name: String,
    id_card: String,
    /// Passed the training.
    #[serde(default)]
    qualified: bool,
    /// Unified social credit codes of the units that it acts for.
    #[serde(default)]
    units: Vec<String>,
}

impl Import {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let text = std::fs::read_to_string(&self.file).map_err(|error| Failure::file(&self.file, error))?;
        let records: Records = toml::from_str(&text)
            .map_err(|error| Failure::Config { file: self.file.clone(), detail: error.to_string() })?;
        let app = serve::open(Config::load(&self.server.config)?).await?;
        for unit in records.unit {
            let (uscc, name) = (unit.code()?.to_string(), unit.name.clone());
            let key = once("unit", &uscc);
            match app.register_unit(Permit::of_operator(&operator()), unit, key).await {
                Ok(Made::Now(id)) => {
                    out.say(&format!("已登记单位 {uscc} {name}：{id}"), &format!("unit {uscc} {name}: {id}"))
                }
                Ok(Made::Before(_)) => known(out, &uscc),
                Err(problem) if problem.rule == Rule::Duplicate => known(out, &uscc),
                Err(problem) => return Err(problem.into()),
            }
        }
        for agent in records.agent {
            import_agent(&app, agent, out).await?;
        }
        Ok(())
    }
}

async fn import_agent(app: &App, record: AgentRecord, out: &Out) -> Result<(), Problem> {
    let card = IdCard::parse(&record.id_card)?;
    let number = PersonNumber::IdCard(card.clone());
    let known_agent = app.store.read(|reader| app.agent_by_number(reader, &number))?;
    let id: AgentId = match known_agent {
        Some(agent) => agent.id,
        None => {
            let new = NewAgent { name: record.name.clone(), id_card: Some(record.id_card), card: None };
            // A plain digest of a number gives it away: all numbers that there can be are soon tried.
            let key = once("agent", &hex::encode(app.vault.request_digest(card.reveal().as_bytes())));
            match app.register_agent(Permit::of_operator(&operator()), new, key).await? {
                Made::Now(id) | Made::Before(id) => id,
            }
        }
    };
    if record.qualified {
        app.qualify_agent(Permit::of_operator(&operator()), id.clone()).await?;
    }
    for uscc in record.units {
        app.confirm_agent(Permit::of_operator(&operator()), id.clone(), uscc).await?;
    }
    let masked = card.masked();
    out.say(
        &format!("经办人 {} {masked}：{id}", record.name),
        &format!("agent {} {masked}: {id}", record.name),
    );
    Ok(())
}

fn known(out: &Out, what: &str) {
    out.say(&format!("{what} 已登记过，未更改"), &format!("{what} is registered already; left alone"));
}

/// The same record imported again is the same request.
fn once(kind: &str, what: &str) -> Once {
    let sha256 = digest(&SHA256, format!("import:{kind}:{what}").as_bytes());
    Once {
        key: format!("import {}", hex::encode(sha256)),
        request_sha256: sha256.as_ref().try_into().unwrap_or_default(),
    }
}

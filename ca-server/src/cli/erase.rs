//! `erase`: personal data whose time is over. Needs the database and the policies, not the token.

use ca_core::AgentId;
use ca_store::Store;
use clap::Args;

use super::{Out, Server, Stop, operator};
use crate::{
    app::erase,
    config::Config,
    permit::Permit,
    personal, policies,
    problem::{Failure, Problem},
    wire,
};

#[derive(Args)]
pub(super) struct Erase {
    #[command(flatten)]
    server: Server,
    /// Only say whose time is over | 只列出，不删除
    #[arg(long)]
    dry_run: bool,
    /// Only this agent; refused with what keeps the data | 只处理这一位经办人
    #[arg(long)]
    agent: Option<String>,
}

impl Erase {
    pub(super) async fn run(self, out: &Out) -> Result<(), Stop> {
        let config = Config::load(&self.server.config)?;
        let policies = policies::load(&config.policies)?;
        let (rules, now) = (policies.retention(), wire::now());
        let store = Store::open(&config.database).map_err(Failure::Store)?;
        if !store.read(|reader| reader.clear_agents()).map_err(Failure::Store)?.is_empty() {
            return Err(unsealed().into());
        }
        let mut over = erase::erasable(&store, rules, now)?;
        if let Some(agent) = &self.agent {
            let agent = AgentId::parse(agent).map_err(Problem::from)?;
            if !self.dry_run {
                over = vec![agent];
            } else {
                over.retain(|id| *id == agent);
            }
        }
        for id in &over {
            if !self.dry_run {
                erase::erase(&store, rules, &Permit::of_operator(&operator()), id, now).await?;
            }
            println!("{id}");
        }
        // Also what a run before this one erased and could not remove from the files.
        if !self.dry_run {
            personal::scrub(&store).await?;
        }
        let (count, years) = (over.len(), rules.years());
        if self.dry_run {
            out.say(
                &format!("{count} 位经办人的保存期（{years} 年）已满；未删除。"),
                &format!("The time ({years} years) is over for {count} agents; nothing was erased."),
            );
        } else {
            out.say(
                &format!("已删除 {count} 位经办人的个人信息（保存期 {years} 年）。"),
                &format!("The personal data of {count} agents was erased (kept for {years} years)."),
            );
        }
        Ok(())
    }
}

fn unsealed() -> Failure {
    Failure::Refused(
        "数据库中还有升级前未加密的个人信息。请先启动一次 ca-server serve（或运行 ca-server doctor），再运行 erase。\n\
         The database still holds personal data in clear, from before an upgrade. Start ca-server serve once, or run \
         ca-server doctor, then erase."
            .to_owned(),
    )
}

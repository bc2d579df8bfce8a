//! The outbox: messages to agents, asked for in the transaction of what they tell, made and sent afterwards. One file a
//! message, readable by the sending program only.

use ca_core::{ApplicationState, Training, TrainingSession};
use ca_store::{NoticeRecord, WriteSite};

use super::{App, deliver::code_renewals};
use crate::{
    problem::{Failure, Problem},
    wire,
};

/// Messages sent in one turn.
const TURN: i64 = 100;

impl App {
    /// Sends what waits; gives how many.
    pub(crate) async fn send_notices(&self) -> Result<usize, Problem> {
        let pending = self.store.read(|reader| reader.pending_notices(TURN))?;
        let count = pending.len();
        for notice in pending {
            // One that cannot be made must not hold up the others; it is tried again with the next turn.
            if let Err(problem) = self.send(notice).await {
                tracing::error!(cause = ?problem.cause(), "notice: {}", problem.rule.name());
            }
        }
        Ok(count)
    }

    async fn send(&self, notice: NoticeRecord) -> Result<(), Problem> {
        let (name, text) = self.message(&notice).await?;
        let file = self.config.notices.outbox.join(format!("{name}.txt"));
        crate::files::write_secret(&file, text.as_bytes())?;
        self.store
            .write(WriteSite::StoreNotice, move |tx| {
                tx.mark_notice_sent(&notice.id, wire::now()).map_err(Problem::from)
            })
            .await
    }

    /// The message's file name and text, in Chinese and English.
    async fn message(&self, notice: &NoticeRecord) -> Result<(String, String), Problem> {
        if let Some(application) = &notice.application {
            let (renewals, _) = self.store.read(|reader| {
                let known =
                    reader.application(application)?.ok_or_else(|| Problem::not_found("application"))?;
                match known.state {
                    ApplicationState::Delivered { serial } | ApplicationState::Active { serial } => {
                        code_renewals(reader, &serial)
                    }
                    _ => Ok((0, None)),
                }
            })?;
            let code = self.activation_code(application, renewals).await?;
            return Ok((application.to_string(), activation(&code)));
        }
        let unknown = || Failure::inconsistent(format!("notice {} is about nothing", notice.id));
        let id = notice.training.as_ref().ok_or_else(unknown)?;
        let (training, session) = self.store.read(|reader| {
            let training = reader.training(id)?.ok_or_else(|| Problem::not_found("training"))?;
            let session = match training.state.session() {
                Some(session) => reader.training_session(session)?,
                None => None,
            };
            Ok::<_, Problem>((training, session))
        })?;
        Ok((notice.id.clone(), training_message(&notice.template, &training, session.as_ref())))
    }
}

fn activation(code: &str) -> String {
    format!(
        "【签印】您申请的单位证书已发放。激活码：{}-{}。请先修改 U-key 初始口令，再运行 ukey activate。请勿告诉他人。\n\
         Your unit certificate was handed over. Activation code: {0}-{1}. Replace the initial PIN, then run ukey activate. Tell nobody.\n",
        &code[..5],
        &code[5..],
    )
}

/// What the notice was asked for; place and reasons as they stand when the message goes out.
fn training_message(template: &str, training: &Training, session: Option<&TrainingSession>) -> String {
    let id = &training.id;
    let (zh, en) = match (template, session, training.state.reasons()) {
        ("training-accepted", ..) => {
            ("已通过审核，请等待培训通知。".to_owned(), "is accepted; an invitation will follow.".to_owned())
        }
        ("training-rejected", _, Some(reasons)) => (
            format!("未通过审核：{reasons}。更正后可再次提交。"),
            format!("is rejected: {reasons}. Correct it and submit it again."),
        ),
        ("training-invited", Some(session), _) => {
            let (at, place) = (wire::china_time(session.starts_at), &session.place);
            (
                format!("的培训安排在 {at}，地点：{place}。免费，请准时参加。"),
                format!("has a seat on {at} (Nanjing time) at {place}. It is free of charge."),
            )
        }
        ("training-passed", ..) => (
            "的经办人已通过培训，取得网上办事业务操作资格。".to_owned(),
            "is complete: the agent is qualified.".to_owned(),
        ),
        ("training-failed", _, Some(reasons)) => (
            format!("的经办人未通过培训：{reasons}。将再次安排。"),
            format!("was not passed: {reasons}. Another session will follow."),
        ),
        ("training-absent", ..) => (
            "的经办人没有到场，将再次安排。".to_owned(),
            "was missed; another session will follow.".to_owned(),
        ),
        _ => ("有变动，请查询审核结果。".to_owned(), "has changed; please look it up.".to_owned()),
    };
    format!("【签印】培训申请 {id} {zh}\nTraining application {id} {en}\n")
}

//! Why nothing could be checked.

use std::{io, path::PathBuf};

use crate::{AnchorProblem, Language};

/// Why nothing could be checked. What is wrong inside an export is a finding and no error.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The report cannot be written.
    #[error("the report cannot be written: {0}")]
    Write(io::Error),
    /// The root is none.
    #[error("{}: {problem}", path.display())]
    Anchor {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        problem: AnchorProblem,
    },
}

impl Error {
    /// Situation and remedy, for people.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::Read { path, source } => language.choose(
                format!("无法读取 {}：{source}\n请检查路径和权限。", path.display()),
                format!("{} cannot be read: {source}\nCheck path and permissions.", path.display()),
            ),
            Self::Write(source) => language.choose(
                format!("无法输出报告：{source}\n请检查输出位置。",),
                format!("The report cannot be written: {source}\nCheck where it goes."),
            ),
            Self::Anchor { path, problem } => language.choose(
                format!("{}：{}\n请使用审计员自己保管的根证书（PEM）。", path.display(), problem.zh()),
                format!(
                    "{}: {problem}\nUse the root certificate that the auditor keeps (PEM).",
                    path.display()
                ),
            ),
        }
    }
}

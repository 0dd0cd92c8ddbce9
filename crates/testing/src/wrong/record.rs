//! What an engine answered to a wrong call, and how two answers are compared.

use serde::{Deserialize, Serialize};

/// One call and its answer, as stored in `contracts/docker-28.5-errors.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The line of the list.
    pub call: String,
    /// The answer.
    #[serde(flatten)]
    pub reply: Reply,
}

/// An answer with everything masked that differs from run to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reply {
    /// Over the socket.
    Api {
        /// Status code.
        status: u16,
        /// `message` of the answer; empty where the call succeeds after all.
        message: String,
    },
    /// Through the command line.
    Command {
        /// Exit code.
        code: i32,
        /// Standard output.
        stdout: String,
        /// Standard error.
        stderr: String,
    },
}

impl Reply {
    /// Whether the engine accepted the call after all.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Api { status, .. } => *status < 400,
            Self::Command { code, .. } => *code == 0,
        }
    }
}

/// How `ours` differs from `theirs`, in words; `None` when it does not.
///
/// Where the call succeeds only that counts: the list is about refusals.
pub fn compare(theirs: &Reply, ours: &Reply) -> Option<String> {
    match (theirs, ours) {
        (Reply::Api { status, .. }, Reply::Api { status: own, .. }) if *status < 400 && status == own => None,
        (Reply::Command { code: 0, .. }, Reply::Command { code: 0, .. }) => None,
        _ if theirs == ours => None,
        (Reply::Api { status, message }, Reply::Api { status: own, message: said }) => {
            Some(format!("docker {status} {message:?}\n   gantry {own} {said:?}"))
        }
        (Reply::Command { code, stdout, stderr }, Reply::Command { code: own, stdout: out, stderr: err }) => {
            Some(format!("docker {code} {stdout:?} {stderr:?}\n   gantry {own} {out:?} {err:?}"))
        }
        _ => Some("answered by another kind of call".to_owned()),
    }
}

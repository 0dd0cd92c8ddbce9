//! `state`, and the shape that `list` shares.

use std::collections::BTreeMap;

use container::{Container, Status};
use serde::Serialize;

use super::{Arguments, Command, name};
use crate::grammar::Grammar;
use crate::{Failure, output};

pub(crate) static COMMAND: Command = Command {
    name: "state",
    help: "output the state of a container",
    usage: "<container-id>",
    grammar: Grammar { flags: &[], stops_at_word: false },
    arguments: Arguments::Exactly(1),
    run: |globals, asked, _| {
        let container = globals.home().find(name(asked)?)?;
        let shown = Shown::new(&container, String::new())?;
        output::text(&serde_json::to_string_pretty(&shown)?);
        Ok(0)
    },
};

/// A container as runc shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    oci_version: String,
    pub(crate) id: String,
    /// 0 when it has stopped.
    pub(crate) pid: u32,
    pub(crate) status: &'static str,
    pub(crate) bundle: String,
    rootfs: String,
    pub(crate) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    pub(crate) owner: String,
}

impl Shown {
    pub(crate) fn new(container: &Container, owner: String) -> Result<Self, Failure> {
        let status = container.status()?;
        let record = &container.record;
        Ok(Self {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: if status == Status::Stopped { 0 } else { record.init_process_pid },
            status: status.word(),
            bundle: record.bundle.to_string_lossy().into_owned(),
            rootfs: record.rootfs.to_string_lossy().into_owned(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner,
        })
    }
}

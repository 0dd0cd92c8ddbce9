//! `top`: the processes of a container.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::session::Session;
use crate::table;
use engine_api::container::ContainerTopResponse;
use flags::Typed;

/// `top`.
pub(crate) static TOP: Command = Command::new(
    "CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    Words::AtLeast(1),
    run,
)
.aliases("container top, top")
.flags_first();

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let (name, options) = (check_name("container", &typed.positionals[0])?, &typed.positionals[1..]);
    let call = session.client()?.get(&format!("/containers/{name}/top"));
    let list: ContainerTopResponse = call.query_some("ps_args", options.join(" ")).send()?.json()?;
    let rows = std::iter::once(&list.titles).chain(&list.processes).map(|cells| cells.join("\t") + "\n");
    output::text(&table::align(&rows.collect::<String>(), table::TOP));
    Ok(())
}

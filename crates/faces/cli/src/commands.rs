//! One file for each command: its flags, what they mean, the calls, what is shown.

pub(crate) mod attach;
pub(crate) mod container_inspect;
pub(crate) mod create;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod history;
pub(crate) mod image_inspect;
pub(crate) mod images;
pub(crate) mod import;
pub(crate) mod info;
pub(crate) mod inspect;
pub(crate) mod kill;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod network_create;
pub(crate) mod network_inspect;
pub(crate) mod network_ls;
pub(crate) mod network_rm;
pub(crate) mod pause;
pub(crate) mod port;
pub(crate) mod ps;
pub(crate) mod pull;
pub(crate) mod rename;
pub(crate) mod restart;
pub(crate) mod rm;
pub(crate) mod rmi;
pub(crate) mod run;
pub(crate) mod start;
pub(crate) mod stop;
pub(crate) mod tag;
pub(crate) mod top;
pub(crate) mod unpause;
pub(crate) mod version;
pub(crate) mod volume_create;
pub(crate) mod volume_inspect;
pub(crate) mod volume_ls;
pub(crate) mod volume_rm;
pub(crate) mod wait;

use crate::failure::{Failure, fail};
use engine_api::filters::Filters;
use flags::{Flag, Typed};

/// The `--filter` of listings.
pub(crate) const FILTER: Flag =
    Flag::other("filter", "filter", check_filter, "Filter output based on conditions provided").short('f');

/// Checks one `--filter`: `name=value`.
pub(crate) fn check_filter(text: &str) -> Result<(), String> {
    if text.is_empty() || text.contains('=') {
        return Ok(());
    }
    Err("bad format of filter (expected name=value)".to_owned())
}

/// The filters typed, by name.
pub(crate) fn filters(typed: &Typed) -> Filters {
    let mut filters = Filters::default();
    for text in typed.all("filter") {
        if let Some((name, value)) = text.split_once('=') {
            filters.add(name.trim().to_lowercase(), value.trim());
        }
    }
    filters
}

/// Refuses an empty name before it becomes another call's path.
pub(crate) fn check_name<'a>(kind: &str, name: &'a str) -> Result<&'a str, Failure> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Err(fail!("invalid {kind} name or ID: value is empty"));
    }
    Ok(trimmed)
}

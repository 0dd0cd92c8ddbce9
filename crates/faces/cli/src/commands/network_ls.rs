//! `network ls`: the networks.

use super::{check_filter, filters};
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format::{self, natural_order, short_id};
use crate::listing::{self, Format, Row, Sheet};
use crate::output;
use crate::session::Session;
use engine_api::network::Network;
use flags::{Flag, Typed};

/// `network ls`.
pub(crate) static NETWORK_LS: Command = Command::new("[OPTIONS]", "List networks", Words::None, run)
    .aliases("network ls, network list")
    .flags(&[&[
        Flag::other("filter", "filter", check_filter, r#"Provide filter values (e.g. "driver=bridge")"#)
            .short('f'),
        Flag::text("format", format::LIST_HELP),
        Flag::switch("no-trunc", "Do not truncate the output"),
        Flag::switch("quiet", "Only display network IDs").short('q'),
    ]]);

const SHEET: Sheet = Sheet {
    headers: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    row_type: "*network.networkContext",
};

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let call = session.client()?.get("/networks").query_some("filters", filters(typed).to_json());
    let mut networks: Vec<Network> = call.send()?.json()?;
    let quiet = typed.is_on("quiet");
    let configured = session.globals.config.networks_format.as_str();
    let text = match typed.text("format") {
        "" if !configured.is_empty() && !quiet => configured,
        "" => "table",
        own => own,
    };
    networks.sort_by(|one, other| natural_order(&one.name, &other.name));
    let format = Format::new(match (text, quiet) {
        ("table", true) => "{{.ID}}",
        ("table", false) => "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
        ("raw", true) => "network_id: {{.ID}}",
        ("raw", false) => "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n",
        (custom, _) => custom,
    });
    let trunc = !typed.is_on("no-trunc");
    let rows: Vec<Row> = networks.iter().map(|network| row(network, trunc)).collect();
    output::text(&listing::render(&format, SHEET, &rows)?);
    Ok(())
}

fn row(network: &Network, trunc: bool) -> Row {
    let id = if trunc { short_id(&network.id) } else { &network.id };
    Row::new(
        [
            ("ID", id.into()),
            ("Name", network.name.as_str().into()),
            ("Driver", network.driver.as_str().into()),
            ("Scope", network.scope.as_str().into()),
            ("IPv4", network.enable_ipv4.to_string().into()),
            ("IPv6", network.enable_ipv6.to_string().into()),
            ("Internal", network.internal.to_string().into()),
            ("Labels", format::labels(&network.labels).into()),
            ("CreatedAt", created(&network.created).into()),
        ],
        network.labels.clone(),
    )
}

/// `2026-11-21T03:17:00.5+01:00` as Go prints a time that it has read: `2026-11-21 03:17:00.5 +0100 +0100`.
fn created(text: &str) -> String {
    let Some((date, rest)) = text.split_once('T') else { return text.to_owned() };
    match rest.strip_suffix('Z') {
        Some(time) => format!("{date} {time} +0000 UTC"),
        None => {
            let (time, offset) = rest.split_at(rest.find(['+', '-']).unwrap_or(rest.len()));
            let offset = offset.replace(':', "");
            format!("{date} {time} {offset} {offset}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_go_prints_them() {
        assert_eq!(created("2026-11-21T03:17:00.5+01:00"), "2026-11-21 03:17:00.5 +0100 +0100");
        assert_eq!(created("2026-11-21T03:17:00Z"), "2026-11-21 03:17:00 +0000 UTC");
    }
}

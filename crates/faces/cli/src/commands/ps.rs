//! `ps`, `container ls`: the containers.

use super::{FILTER, filters};
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format::{self, ago, moment, short_id};
use crate::listing::{self, Format, Row, Sheet};
use crate::output;
use crate::ports;
use crate::session::Session;
use crate::table::ellipsis;
use crate::zone;
use engine_api::container::ContainerSummary;
use flags::{Flag, Typed, quote};
use reference::Reference;
use serde_json::Value;

/// `ps`.
pub(crate) static PS: Command = Command::new("[OPTIONS]", "List containers", Words::None, run)
    .aliases("container ls, container list, container ps, ps")
    .flags(&[&[
        Flag::switch("all", "Show all containers (default shows just running)").short('a'),
        FILTER,
        Flag::text("format", format::LIST_HELP),
        Flag::int("last", "Show n last created containers (includes all states)").short('n').default("-1"),
        Flag::switch("latest", "Show the latest created container (includes all states)").short('l'),
        Flag::switch("no-trunc", "Don't truncate output"),
        Flag::switch("quiet", "Only display container IDs").short('q'),
        Flag::switch("size", "Display total file sizes").short('s'),
    ]]);

const SHEET: Sheet = Sheet {
    headers: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
    ],
    row_type: "*formatter.ContainerContext",
};

const TABLE: &str =
    "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const RAW: &str = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\nstatus: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n";

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let quiet = typed.is_on("quiet");
    let own = typed.text("format");
    if !own.is_empty() && quiet {
        output::error_line("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    let text = if own.is_empty() { session.globals.config.ps_format.as_str() } else { own };
    let mut size = typed.is_on("size");
    if !text.is_empty() {
        let shown = listing::check(text, SHEET)?;
        // Sizes are costly: they are asked for only if they are shown.
        let shows_size = shown.top_fields().iter().any(|field| field == "Size") || shows_all(text);
        size |= !quiet && !typed.has("size") && shows_size;
    }
    let limit = match typed.int("last") {
        -1 if typed.is_on("latest") => 1,
        last => last,
    };
    let mut call = session.client()?.get("/containers/json").query_if("all", typed.is_on("all"));
    if limit > 0 {
        call = call.query("limit", limit.to_string());
    }
    let call = call.query_if("size", size).query_some("filters", filters(typed).to_json());
    let containers: Vec<ContainerSummary> = call.send()?.json()?;
    let trunc = !typed.is_on("no-trunc");
    let rows: Vec<Row> = containers.iter().map(|container| row(container, trunc)).collect();
    output::text(&listing::render(&choose(text, quiet, size), SHEET, &rows)?);
    Ok(())
}

/// Whether the template writes whole rows.
fn shows_all(text: &str) -> bool {
    text.split("json").skip(1).any(|rest| {
        let rest = rest.trim_start().strip_prefix('.').unwrap_or("x");
        rest.trim_start().starts_with(['}', '|', ')'])
    })
}

fn choose(text: &str, quiet: bool, size: bool) -> Format {
    let with_size =
        |format: &str, column: &str| if size { format!("{format}{column}") } else { format.to_owned() };
    Format::new(match (text, quiet) {
        ("raw", true) => "container_id: {{.ID}}".to_owned(),
        (_, true) => "{{.ID}}".to_owned(),
        ("" | "table", false) => with_size(TABLE, "\t{{.Size}}"),
        ("raw", false) => with_size(RAW, "size: {{.Size}}\n"),
        (custom, false) => custom.to_owned(),
    })
}

fn row(container: &ContainerSummary, trunc: bool) -> Row {
    let id = if trunc { short_id(&container.id) } else { &container.id };
    let command = if trunc { ellipsis(&container.command, 20) } else { container.command.clone() };
    let created = moment(container.created);
    let volumes = container.mounts.iter().filter(|mount| mount.driver == "local").count();
    let networks: Vec<&str> = container.network_settings.networks.keys().map(String::as_str).collect();
    Row::new(
        [
            ("ID", id.into()),
            ("Names", names(container, trunc).into()),
            ("Image", image(container, trunc).into()),
            ("Command", quote(&command).into()),
            ("CreatedAt", zone::go_string(created).into()),
            ("RunningFor", ago(created).into()),
            ("Ports", ports::display(&container.ports).into()),
            ("State", container.state.as_str().into()),
            ("Status", container.status.as_str().into()),
            ("Size", size(container).into()),
            ("Labels", format::labels(&container.labels).into()),
            ("Mounts", mounts(container, trunc).into()),
            ("LocalVolumes", volumes.to_string().into()),
            ("Networks", networks.join(",").into()),
            ("Platform", platform(container)),
        ],
        container.labels.clone(),
    )
}

/// The container's names; shortened, only its own and not those that links gave it.
fn names(container: &ContainerSummary, trunc: bool) -> String {
    let names: Vec<&str> = container.names.iter().map(|name| name.get(1..).unwrap_or("")).collect();
    match names.iter().find(|name| !name.contains('/')) {
        Some(own) if trunc => (*own).to_owned(),
        _ => names.join(","),
    }
}

fn image(container: &ContainerSummary, trunc: bool) -> String {
    if container.image.is_empty() {
        return "<no image>".to_owned();
    }
    if !trunc {
        return container.image.clone();
    }
    let id = short_id(&container.image_id);
    if id == short_id(&container.image) {
        return id.to_owned();
    }
    match Reference::parse(&container.image) {
        Ok(image) => match image.tag().map(|tag| image.without_version().with_tag(tag)) {
            Some(Ok(tagged)) => tagged.familiar(),
            _ => image.familiar_name(),
        },
        Err(_) => container.image.clone(),
    }
}

fn size(container: &ContainerSummary) -> String {
    let own = format::size(container.size_rw);
    match container.size_root_fs {
        total if total > 0 => format!("{own} (virtual {})", format::size(total)),
        _ => own,
    }
}

fn mounts(container: &ContainerSummary, trunc: bool) -> String {
    let name = |mount: &engine_api::mount::MountPoint| {
        let name = if mount.name.is_empty() { &mount.source } else { &mount.name };
        if trunc { ellipsis(name, 15) } else { name.clone() }
    };
    container.mounts.iter().map(name).collect::<Vec<_>>().join(",")
}

fn platform(container: &ContainerSummary) -> Value {
    let described = container.image_manifest_descriptor.as_ref().and_then(|image| image.platform.as_ref());
    described.and_then(|platform| serde_json::to_value(platform).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> ContainerSummary {
        let text = br#"{"Id": "0123456789abcdef", "Names": ["/db/web", "/web"], "Image": "localhost:5000/web:1@sha256:00",
            "ImageID": "sha256:ffff", "Command": "sh -c 'while true; do date; done'", "SizeRw": 1234,
            "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}],
            "Labels": {"b": "2", "a": "1"}, "State": "running", "Status": "Up 2 minutes", "Created": 0,
            "Mounts": [{"Type": "volume", "Name": "0123456789abcdef0123", "Driver": "local"}, {"Source": "/etc"}],
            "NetworkSettings": {"Networks": {"bridge": {}}}}"#;
        engine_api::json::decode(text).unwrap()
    }

    fn shown(format: &str, trunc: bool) -> String {
        listing::render(&Format::new(format), SHEET, &[row(&container(), trunc)]).unwrap()
    }

    #[test]
    fn columns_are_those_of_docker() {
        assert_eq!(
            shown("{{.ID}} {{.Command}} {{.Ports}} {{.Names}} {{.Size}} {{.Labels}} {{.LocalVolumes}}", true),
            "0123456789ab \"sh -c 'while true; …\" 0.0.0.0:8080->80/tcp web 1.23kB a=1,b=2 1\n"
        );
        assert_eq!(shown("{{.Mounts}}", true), "0123456789abcd…,/etc\n");
        assert_eq!(shown("{{.Names}}|{{.Mounts}}", false), "db/web,web|0123456789abcdef0123,/etc\n");
        assert_eq!(shown(r#"{{.Label "b"}} {{.Networks}} {{.Platform}}"#, true), "2 bridge <nil>\n");
    }

    #[test]
    fn the_table_ends_with_names() {
        let table = shown(TABLE, true);
        assert!(table.starts_with("CONTAINER ID   IMAGE"), "{table}");
        assert!(table.lines().next().unwrap().ends_with("PORTS                  NAMES"), "{table}");
    }

    #[test]
    fn whole_rows_have_a_size() {
        assert!(shows_all("{{json .}}") && shows_all("x {{ json . | upper }}"));
        assert!(!shows_all("{{json .Names}}") && !shows_all("json") && !shows_all("{{.}}"));
    }

    #[test]
    fn digests_are_dropped_from_names_of_images() {
        let mut one = container();
        "busybox@sha256:1111111111111111111111111111111111111111111111111111111111111111"
            .clone_into(&mut one.image);
        assert_eq!(image(&one, true), "busybox");
        "sha256:ffff".clone_into(&mut one.image);
        assert_eq!(image(&one, true), "ffff");
    }
}

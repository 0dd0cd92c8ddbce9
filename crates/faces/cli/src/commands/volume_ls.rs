//! `volume ls`: the volumes.

use super::{check_filter, filters};
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::format::{self, natural_order};
use crate::listing::{self, Format, Row, Sheet};
use crate::output;
use crate::session::Session;
use engine_api::volume::{Volume, VolumeListResponse};
use flags::{Flag, Typed};

/// `volume ls`.
pub(crate) static VOLUME_LS: Command = Command::new("[OPTIONS]", "List volumes", Words::None, run)
    .aliases("volume ls, volume list")
    .flags(&[&[
        Flag::switch("cluster", "Display only cluster volumes, and use cluster volume list formatting")
            .since("1.42")
            .swarm(),
        Flag::other("filter", "filter", check_filter, r#"Provide filter values (e.g. "dangling=true")"#)
            .short('f'),
        Flag::text("format", format::LIST_HELP),
        Flag::switch("quiet", "Only display volume names").short('q'),
    ]]);

const SHEET: Sheet = Sheet {
    headers: &[
        ("ID", "ID"),
        ("Name", "VOLUME NAME"),
        ("Group", "GROUP"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Availability", "AVAILABILITY"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Status", "STATUS"),
    ],
    row_type: "*formatter.volumeContext",
};

const CLUSTER_TABLE: &str = "table {{.Name}}\t{{.Group}}\t{{.Driver}}\t{{.Availability}}\t{{.Status}}";

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let call = session.client()?.get("/volumes").query_some("filters", filters(typed).to_json());
    let mut volumes = call.send()?.json::<VolumeListResponse>()?.volumes;
    let quiet = typed.is_on("quiet");
    let is_cluster = typed.is_on("cluster");
    if is_cluster {
        // An engine outside any cluster has none of them.
        volumes.clear();
    }
    let configured = session.globals.config.volumes_format.as_str();
    let text = match typed.text("format") {
        _ if is_cluster && !quiet => CLUSTER_TABLE,
        _ if is_cluster => "table",
        "" if !configured.is_empty() && !quiet => configured,
        "" => "table",
        own => own,
    };
    volumes.sort_by(|one, other| natural_order(&one.name, &other.name));
    let format = Format::new(match (text, quiet) {
        ("table", true) => "{{.Name}}",
        ("table", false) => "table {{.Driver}}\t{{.Name}}",
        ("raw", true) => "name: {{.Name}}",
        ("raw", false) => "name: {{.Name}}\ndriver: {{.Driver}}\n",
        (custom, _) => custom,
    });
    let rows: Vec<Row> = volumes.iter().map(row).collect();
    output::text(&listing::render(&format, SHEET, &rows)?);
    Ok(())
}

fn row(volume: &Volume) -> Row {
    const UNKNOWN: &str = "N/A";
    let labels = volume.labels.clone().unwrap_or_default();
    let usage = volume.usage_data.as_ref();
    let size = |bytes: i64| units::bytes::human(u64::try_from(bytes).unwrap_or(0));
    Row::new(
        [
            ("Name", volume.name.as_str().into()),
            ("Group", UNKNOWN.into()),
            ("Driver", volume.driver.as_str().into()),
            ("Scope", volume.scope.as_str().into()),
            ("Availability", UNKNOWN.into()),
            ("Mountpoint", volume.mountpoint.as_str().into()),
            ("Labels", format::labels(&labels).into()),
            ("Links", usage.map_or_else(|| UNKNOWN.to_owned(), |usage| usage.ref_count.to_string()).into()),
            ("Size", usage.map_or_else(|| UNKNOWN.to_owned(), |usage| size(usage.size)).into()),
            ("Status", UNKNOWN.into()),
        ],
        labels,
    )
}

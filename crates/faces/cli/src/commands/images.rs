//! `images`, `image ls`: the images.

use super::{FILTER, filters};
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format::{self, ago, moment, short_id};
use crate::listing::{self, Format, Row, Sheet};
use crate::output;
use crate::session::Session;
use crate::zone;
use engine_api::StringMap;
use engine_api::image::ImageSummary;
use flags::{Flag, Typed, quote};
use reference::Reference;

/// `images`.
pub(crate) static IMAGES: Command =
    Command::new("[OPTIONS] [REPOSITORY[:TAG]]", "List images", Words::AtMost(1), run)
        .aliases("image ls, image list, images")
        .flags(&[&[
            Flag::switch("all", "Show all images (default hides intermediate images)").short('a'),
            Flag::switch("digests", "Show digests"),
            FILTER,
            Flag::text("format", format::LIST_HELP),
            Flag::switch("no-trunc", "Don't truncate output"),
            Flag::switch("quiet", "Only show image IDs").short('q'),
            Flag::switch("tree", "List multi-platform images as a tree (EXPERIMENTAL)").since("1.47"),
        ]]);

const SHEET: Sheet = Sheet {
    headers: &[
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("Containers", "CONTAINERS"),
        ("VirtualSize", "SIZE"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
    ],
    row_type: "*formatter.imageContext",
};

const TABLE: &str = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
const TABLE_WITH_DIGEST: &str = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
const RAW: &str = "repository: {{ .Repository }}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";
const RAW_WITH_DIGEST: &str = "repository: {{ .Repository }}\ntag: {{.Tag}}\ndigest: {{.Digest}}\nimage_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n";

const NONE: &str = "<none>";

/// The verbs of `image`, which people type behind `images` by mistake.
const VERBS: &[&str] = &[
    "build", "history", "import", "inspect", "list", "load", "ls", "prune", "pull", "push", "rm", "save",
    "tag",
];

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let quiet = typed.is_on("quiet");
    if typed.is_on("tree") {
        return Err(Failure::new("--tree is not supported yet"));
    }
    let mut filters = filters(typed);
    let name = typed.positionals.first().map_or("", String::as_str);
    if !name.is_empty() {
        filters.add("reference", name);
    }
    let call = session.client()?.get("/images/json").query_if("all", typed.is_on("all"));
    let images: Vec<ImageSummary> = call.query_some("filters", filters.to_json()).send()?.json()?;
    let own = typed.text("format");
    let configured = session.globals.config.images_format.as_str();
    let text = match own {
        "" if !configured.is_empty() && !quiet => configured,
        "" => "table",
        own => own,
    };
    let shows_digests = typed.is_on("digests");
    let format = choose(text, quiet, shows_digests);
    let wants_digests = shows_digests || format.contains("{{.Digest}}");
    let view = View { trunc: !typed.is_on("no-trunc"), wants_digests, shows_digests };
    let rows: Vec<Row> = images.iter().flat_map(|image| view.rows(image)).collect();
    output::text(&listing::render(&format, SHEET, &rows)?);
    if images.is_empty() && session.called == "images" && VERBS.contains(&name) {
        let program = session.program.name();
        let text =
            fail!("\nNo images found matching {}: did you mean \"{program} image {name}\"?", quote(name));
        output::error_line(&text.text);
    }
    Ok(())
}

fn choose(text: &str, quiet: bool, digests: bool) -> Format {
    Format::new(match (text, quiet, digests) {
        ("table", true, _) => "{{.ID}}".to_owned(),
        ("table", false, true) => TABLE_WITH_DIGEST.to_owned(),
        ("table", false, false) => TABLE.to_owned(),
        ("raw", true, _) => "image_id: {{.ID}}".to_owned(),
        ("raw", false, true) => RAW_WITH_DIGEST.to_owned(),
        ("raw", false, false) => RAW.to_owned(),
        (table, _, true) if table.starts_with("table") && !table.contains("{{.Digest}}") => {
            format!("{table}\t{{{{.Digest}}}}")
        }
        (custom, ..) => custom.to_owned(),
    })
}

/// What of an image is shown.
struct View {
    trunc: bool,
    wants_digests: bool,
    shows_digests: bool,
}

/// Tags or digests by repository, in the order in which the repositories appear.
type Versions = Vec<(String, Vec<String>)>;

fn add(versions: &mut Versions, repository: String, version: String) {
    match versions.iter_mut().find(|(known, _)| *known == repository) {
        Some((_, list)) => list.push(version),
        None => versions.push((repository, vec![version])),
    }
}

impl View {
    /// One row for each tag, with `--digests` for each tag and digest; a row for a digest that has no tag.
    fn rows(&self, image: &ImageSummary) -> Vec<Row> {
        if is_dangling(image) {
            return vec![self.row(image, NONE, NONE, NONE)];
        }
        let (mut tags, mut digests) = (Versions::new(), Versions::new());
        for name in image.repo_tags.iter().filter_map(|text| Reference::parse(text).ok()) {
            if let Some(tag) = name.tag() {
                add(&mut tags, name.familiar_name(), tag.to_owned());
            }
        }
        for name in image.repo_digests.iter().filter_map(|text| Reference::parse(text).ok()) {
            if let Some(digest) = name.digest() {
                add(&mut digests, name.familiar_name(), digest.to_string());
            }
        }
        let mut rows = Vec::new();
        for (repository, tags) in &tags {
            let own =
                digests.iter().position(|(known, _)| known == repository).map(|at| digests.remove(at).1);
            let own = own.filter(|_| self.wants_digests).unwrap_or_else(|| vec![NONE.to_owned()]);
            for tag in tags {
                rows.extend(own.iter().map(|digest| self.row(image, repository, tag, digest)));
            }
        }
        for (repository, list) in &digests {
            match self.shows_digests {
                true => rows.extend(list.iter().map(|digest| self.row(image, repository, NONE, digest))),
                false => rows.push(self.row(image, repository, NONE, "")),
            }
        }
        rows
    }

    fn row(&self, image: &ImageSummary, repository: &str, tag: &str, digest: &str) -> Row {
        let created = moment(image.created);
        let id = if self.trunc { short_id(&image.id) } else { &image.id };
        let full = |bytes: i64| units::bytes::human(u64::try_from(bytes).unwrap_or(0));
        let known = |value: i64, shown: String| if value == -1 { "N/A".to_owned() } else { shown };
        let shared = image.shared_size;
        Row::new(
            [
                ("ID", id.into()),
                ("Repository", repository.into()),
                ("Tag", tag.into()),
                ("Digest", digest.into()),
                ("CreatedSince", ago(created).into()),
                ("CreatedAt", zone::go_string(created).into()),
                ("Size", format::size(image.size).into()),
                ("Containers", known(image.containers, image.containers.to_string()).into()),
                ("VirtualSize", full(image.size).into()),
                ("SharedSize", known(shared, full(shared)).into()),
                ("UniqueSize", known(shared.min(image.size), full(image.size.saturating_sub(shared))).into()),
            ],
            StringMap::new(),
        )
    }
}

fn is_dangling(image: &ImageSummary) -> bool {
    let is = |list: &[String], none: &str| matches!(list, [one] if one == none);
    (image.repo_tags.is_empty() && image.repo_digests.is_empty())
        || (is(&image.repo_tags, "<none>:<none>") && is(&image.repo_digests, "<none>@<none>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

    fn shown(tags: &[&str], digests: &[String], shows_digests: bool) -> String {
        let image = ImageSummary {
            id: format!("sha256:{}", "0123456789ab".repeat(5)),
            repo_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            repo_digests: digests.to_vec(),
            size: 4_277_000,
            shared_size: -1,
            containers: -1,
            ..ImageSummary::default()
        };
        let view = View { trunc: true, wants_digests: shows_digests, shows_digests };
        let format = Format::new(
            "{{.Repository}}:{{.Tag}} {{.Digest}} {{.ID}} {{.Size}} {{.Containers}} {{.UniqueSize}}",
        );
        listing::render(&format, SHEET, &view.rows(&image)).unwrap()
    }

    #[test]
    fn there_is_a_row_for_each_tag() {
        assert_eq!(
            shown(
                &["busybox:1", "docker.io/library/busybox:2", "localhost:5000/t/x:1"],
                &[format!("busybox@{DIGEST}")],
                false
            ),
            "busybox:1 <none> 0123456789ab 4.28MB N/A N/A\n\
             busybox:2 <none> 0123456789ab 4.28MB N/A N/A\n\
             localhost:5000/t/x:1 <none> 0123456789ab 4.28MB N/A N/A\n"
        );
    }

    #[test]
    fn images_without_tags_are_shown_too() {
        assert!(shown(&[], &[], false).starts_with("<none>:<none> <none> "));
        assert!(shown(&[], &[format!("busybox@{DIGEST}")], false).starts_with("busybox:<none>  "));
        assert!(
            shown(&[], &[format!("busybox@{DIGEST}")], true)
                .starts_with(&format!("busybox:<none> {DIGEST} "))
        );
        assert!(
            shown(&["busybox:1"], &[format!("busybox@{DIGEST}")], true)
                .starts_with(&format!("busybox:1 {DIGEST} "))
        );
    }
}

//! `history`: the steps that made an image.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::{Failure, fail};
use crate::format::{self, ago, moment, short_id};
use crate::listing::{self, Format, Row, Sheet};
use crate::output;
use crate::platform::Platform;
use crate::session::Session;
use crate::table::ellipsis;
use crate::zone;
use engine_api::StringMap;
use engine_api::image::HistoryItem;
use flags::{Flag, Typed};

/// `history`.
pub(crate) static HISTORY: Command = Command::new(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    Words::Exactly(1),
    run,
)
.aliases("image history, history")
.flags(&[&[
    Flag::text("format", format::LIST_HELP),
    Flag::switch("human", "Print sizes and dates in human readable format").short('H').default("true"),
    Flag::switch("no-trunc", "Don't truncate output"),
    Flag::text(
        "platform",
        r#"Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")"#,
    )
    .since("1.48"),
    Flag::switch("quiet", "Only show image IDs").short('q'),
]]);

const SHEET: Sheet = Sheet {
    headers: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    row_type: "*image.historyContext",
};

/// Steps before the year 2000 have no real date.
const FIRST_REAL_DATE: i64 = 946_684_800;

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let platform = match typed.text("platform") {
        "" => String::new(),
        text => Platform::parse(text).map_err(|error| fail!("invalid platform: {error}"))?.json(),
    };
    let path = format!("/images/{}/history", check_name("image", &typed.positionals[0])?);
    let steps: Vec<HistoryItem> =
        session.client()?.get(&path).query_some("platform", platform).send()?.json()?;
    let human = typed.is_on("human");
    let format = match (typed.text("format"), typed.is_on("quiet"), human) {
        ("" | "table", true, _) => "{{.ID}}",
        ("" | "table", false, true) => {
            "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
        }
        ("" | "table", false, false) => {
            "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
        }
        (custom, ..) => custom,
    };
    let trunc = !typed.is_on("no-trunc");
    let rows: Vec<Row> = steps.iter().map(|step| row(step, trunc, human)).collect();
    output::text(&listing::render(&Format::new(format), SHEET, &rows)?);
    Ok(())
}

fn row(step: &HistoryItem, trunc: bool, human: bool) -> Row {
    let id = if trunc { short_id(&step.id) } else { &step.id };
    let by = step.created_by.replace('\t', " ");
    let by = if trunc { ellipsis(&by, 45) } else { by };
    let at = zone::rfc3339(moment(step.created));
    let since = match (human, step.created <= FIRST_REAL_DATE) {
        (false, _) => at.clone(),
        (true, true) => "N/A".to_owned(),
        (true, false) => ago(moment(step.created)),
    };
    let size = if human { format::size(step.size) } else { step.size.to_string() };
    Row::new(
        [
            ("ID", id.into()),
            ("CreatedSince", since.into()),
            ("CreatedAt", at.into()),
            ("CreatedBy", by.into()),
            ("Size", size.into()),
            ("Comment", step.comment.as_str().into()),
        ],
        StringMap::new(),
    )
}

//! `rmi`, `image rm`: names of images, and images without names.

use super::check_name;
use crate::command::{Command, Words};
use crate::failure::Failure;
use crate::output;
use crate::platform::Platform;
use crate::session::Session;
use client::Response;
use engine_api::image::ImageDeleteItem;
use flags::{Flag, Typed};

/// `rmi`.
pub(crate) static RMI: Command = Command::new(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    Words::AtLeast(1),
    run,
)
.aliases("image rm, image remove, rmi")
.flags(&[&[
    Flag::switch("force", "Force removal of the image").short('f'),
    Flag::switch("no-prune", "Do not delete untagged parents"),
    Flag::strings(
        "platform",
        r#"Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")"#,
    )
    .since("1.50"),
]]);

fn run(session: &Session, typed: &Typed) -> Result<(), Failure> {
    let parsed =
        typed.strings("platform").iter().map(|text| Platform::parse(text)).collect::<Result<Vec<_>, _>>();
    let platforms = parsed.map_err(Failure::new)?;
    let client = session.client()?;
    let mut failures = Vec::new();
    let mut only_missing = true;
    for name in &typed.positionals {
        let name = check_name("image", name)?;
        let mut call = client
            .delete(&format!("/images/{name}"))
            .query_if("force", typed.is_on("force"))
            .query_if("noprune", typed.is_on("no-prune"));
        for platform in &platforms {
            call = call.query("platforms", platform.json());
        }
        match call.send().and_then(Response::json::<Vec<ImageDeleteItem>>) {
            Ok(removed) => show(&removed),
            Err(error) => {
                only_missing &= error.is_not_found();
                failures.push(error.into());
            }
        }
    }
    match Failure::join(failures) {
        Err(failure) if typed.is_on("force") && only_missing => {
            output::error_line(&failure.text);
            Ok(())
        }
        result => result,
    }
}

fn show(removed: &[ImageDeleteItem]) {
    for item in removed {
        if item.deleted.is_empty() {
            output::line(&format!("Untagged: {}", item.untagged));
        } else {
            output::line(&format!("Deleted: {}", item.deleted));
        }
    }
}

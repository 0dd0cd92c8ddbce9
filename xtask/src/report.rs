//! What a full run showed, written to `docs/reports/full.md`: rows that need more than CI has count from there.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use crate::project;
use crate::test::Part;

/// Writes the report; the one before is in the history.
pub(crate) fn write(parts: &[Part]) -> Result<()> {
    let folder = project::root().join("docs/reports");
    fs::create_dir_all(&folder)?;
    let path = folder.join("full.md");
    fs::write(&path, text(parts, &Surroundings::look())).context("cannot write docs/reports/full.md")?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Where the run took place.
struct Surroundings {
    commit: String,
    day: String,
    kernel: String,
    processors: usize,
}

impl Surroundings {
    fn look() -> Self {
        let say = |program: &str, arguments: &[&str]| {
            let output = project::command(program, arguments).output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        Self {
            commit: say("git", &["describe", "--always", "--dirty"]).unwrap_or_default(),
            day: say("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default(),
            kernel: say("uname", &["-r"]).unwrap_or_default(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

fn text(parts: &[Part], place: &Surroundings) -> String {
    let Surroundings { commit, day, kernel, processors } = place;
    let mut text = format!(
        "# The last full run\n\nWritten by `cargo xtask test --full` on {day}: commit {commit}, Linux {kernel}, {processors} processors.\n\n\
         | part | passed | failed | seconds | |\n|---|---|---|---|---|\n"
    );
    for Part { name, count, seconds, outcome } in parts {
        let outcome = outcome.as_ref().map_or_else(|error| format!("**{error:#}**"), |()| "green".to_owned());
        let _ = writeln!(text, "| {name} | {} | {} | {seconds} | {outcome} |", count.passed, count.failed);
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::test::Count;

    #[test]
    fn a_report_says_where_and_how_each_part_ended() {
        let part =
            |name, failed, outcome| Part { name, count: Count { passed: 7, failed }, seconds: 5, outcome };
        let parts = [part("tests", 0, Ok(())), part("machines", 1, Err(anyhow!("no kernel")))];
        let place = Surroundings {
            commit: "abc".to_owned(),
            day: "2026-01-02".to_owned(),
            kernel: "6.1".to_owned(),
            processors: 2,
        };
        let text = text(&parts, &place);
        assert!(text.contains("on 2026-01-02: commit abc, Linux 6.1, 2 processors."), "{text}");
        assert!(
            text.contains("| tests | 7 | 0 | 5 | green |\n| machines | 7 | 1 | 5 | **no kernel** |\n"),
            "{text}"
        );
    }
}

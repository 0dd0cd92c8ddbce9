//! The environment of a container's process: defaults, then the image's and the user's words. Pure.

/// What every program finds when nothing else is said.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The environment of a process, in Docker's order: PATH, HOSTNAME, TERM with a terminal, then what the settings say.
/// HOME is added by the runtime, which reads the container's passwd file.
#[must_use]
pub(crate) fn plan(hostname: &str, has_terminal: bool, settings: &[String]) -> Vec<String> {
    let mut defaults = vec![PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if has_terminal {
        defaults.push("TERM=xterm".to_owned());
    }
    override_with(defaults, settings)
}

/// Puts `changes` over `base`: `NAME=value` replaces or adds, a bare `NAME` removes.
#[must_use]
pub(crate) fn override_with(base: Vec<String>, changes: &[String]) -> Vec<String> {
    let mut all: Vec<Option<String>> = base.into_iter().map(Some).collect();
    let count = all.len();
    for change in changes {
        let name = name_of(change);
        let known =
            all[..count].iter().position(|have| have.as_deref().is_some_and(|have| name_of(have) == name));
        match (known, change.contains('=')) {
            (Some(index), true) => all[index] = Some(change.clone()),
            (Some(index), false) => all[index] = None,
            (None, true) => all.push(Some(change.clone())),
            (None, false) => {}
        }
    }
    all.into_iter().flatten().filter(|entry| !entry.is_empty()).collect()
}

fn name_of(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn settings_replace_defaults_in_place_and_add_behind() {
        let all = plan("h", true, &words(&["TERM=dumb", "A=1", "PATH=/bin", "B"]));
        assert_eq!(all, ["PATH=/bin", "HOSTNAME=h", "TERM=dumb", "A=1"]);
    }

    #[test]
    fn a_bare_name_removes() {
        assert_eq!(override_with(words(&["A=1", "B=2"]), &words(&["A", "C=3"])), ["B=2", "C=3"]);
    }
}

//! The image's defaults under the user's words. Pure.

use engine_api::container::{ContainerConfig, HealthConfig, StrSlice};
use engine_api::{Empty, StringSet};
use oci_spec::image::Defaults;

use super::validate::ValidateError;

/// Fills what the user left open from the image, and gives program and arguments.
pub(super) fn merge(
    config: &mut ContainerConfig,
    image: Option<&Defaults>,
) -> Result<Vec<String>, ValidateError> {
    if let Some(image) = image {
        fill(config, image);
    }
    // `--entrypoint ""` arrives as one empty word and means "none".
    if config.entrypoint.as_ref().is_some_and(|words| words.0 == [""]) {
        config.entrypoint = None;
    }
    let words = |part: &Option<StrSlice>| part.clone().unwrap_or_default().0;
    let command = [words(&config.entrypoint), words(&config.cmd)].concat();
    if command.is_empty() { Err(ValidateError::NoCommand) } else { Ok(command) }
}

fn fill(config: &mut ContainerConfig, image: &Defaults) {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if config.stop_signal.is_empty() {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    // Where nothing was asked for, what the image says, be it nothing at all.
    config.volumes = config.volumes.take().filter(|set| !set.is_empty());
    config.env = config.env.take().filter(|list| !list.is_empty());
    join_sets(&mut config.exposed_ports, image.exposed_ports.iter().flatten().map(|(name, _)| name));
    join_sets(&mut config.volumes, image.volumes.iter().flatten().map(|(name, _)| name));
    fill_environment(config, image);
    let labels = config.labels.get_or_insert_default();
    for (name, value) in image.labels.iter().flatten() {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let is_empty = |words: &Option<StrSlice>| words.as_ref().is_none_or(|words| words.0.is_empty());
    if is_empty(&config.entrypoint) {
        if is_empty(&config.cmd) {
            config.cmd = image.cmd.clone().map(StrSlice);
        }
        if config.entrypoint.is_none() {
            config.entrypoint = image.entrypoint.clone().map(StrSlice);
        }
    }
    if let Some(check) = &image.healthcheck {
        fill_health(config.healthcheck.get_or_insert_default(), check);
    }
}

fn join_sets<'a>(own: &mut Option<StringSet>, more: impl Iterator<Item = &'a String>) {
    let mut more = more.peekable();
    if more.peek().is_some() {
        own.get_or_insert_default().extend(more.map(|name| (name.clone(), Empty {})));
    }
}

fn fill_environment(config: &mut ContainerConfig, image: &Defaults) {
    let name_of = |entry: &str| entry.split_once('=').map_or(entry.to_owned(), |(name, _)| name.to_owned());
    let Some(of_image) = &image.env else { return };
    let own = config.env.get_or_insert_default();
    let known: Vec<String> = own.iter().map(|entry| name_of(entry)).collect();
    own.extend(of_image.iter().filter(|entry| !known.contains(&name_of(entry))).cloned());
}

fn fill_health(own: &mut HealthConfig, image: &oci_spec::image::Healthcheck) {
    if own.test.as_ref().is_none_or(Vec::is_empty) {
        own.test.clone_from(&image.test);
    }
    let pairs = [
        (&mut own.interval, image.interval),
        (&mut own.timeout, image.timeout),
        (&mut own.start_period, image.start_period),
        (&mut own.start_interval, image.start_interval),
        (&mut own.retries, image.retries),
    ];
    for (own, image) in pairs {
        if *own == 0 {
            *own = image;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Vec<String> {
        list.iter().map(|&word| word.to_owned()).collect()
    }

    fn image() -> Defaults {
        Defaults {
            user: "app".into(),
            env: Some(words(&["PATH=/opt/bin", "LANG=C"])),
            entrypoint: Some(words(&["/entry"])),
            cmd: Some(words(&["serve"])),
            ..Defaults::default()
        }
    }

    #[test]
    fn the_user_wins_and_the_image_fills_the_rest() {
        let mut config =
            ContainerConfig { env: Some(words(&["LANG=de", "A=1"])), ..ContainerConfig::default() };
        assert_eq!(merge(&mut config, Some(&image())).unwrap(), ["/entry", "serve"]);
        assert_eq!(config.env, Some(words(&["LANG=de", "A=1", "PATH=/opt/bin"])));
        assert_eq!(config.user, "app");
    }

    #[test]
    fn a_command_replaces_the_images_and_an_entrypoint_drops_it() {
        let mut config =
            ContainerConfig { cmd: Some(words(&["shell"]).into()), ..ContainerConfig::default() };
        assert_eq!(merge(&mut config, Some(&image())).unwrap(), ["/entry", "shell"]);
        let mut config =
            ContainerConfig { entrypoint: Some(words(&["/bin/sh"]).into()), ..ContainerConfig::default() };
        assert_eq!(merge(&mut config, Some(&image())).unwrap(), ["/bin/sh"]);
    }

    #[test]
    fn an_empty_entrypoint_clears_and_nothing_to_run_is_refused() {
        let entrypoint = Some(words(&[""]).into());
        let mut config = ContainerConfig {
            entrypoint: entrypoint.clone(),
            cmd: Some(words(&["ls"]).into()),
            ..ContainerConfig::default()
        };
        assert_eq!(merge(&mut config, Some(&image())).unwrap(), ["ls"]);
        let mut config = ContainerConfig { entrypoint, ..ContainerConfig::default() };
        assert_eq!(merge(&mut config, Some(&image())).unwrap_err().to_string(), "no command specified");
    }
}

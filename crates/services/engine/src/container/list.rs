//! `GET /containers/json`: published views in the words of the API, newest first.

mod filter;

use std::sync::Arc;
use std::time::SystemTime;

use engine_api::container::{ContainerSummary, Port, PortMap, SummaryHostConfig, SummaryNetworkSettings};
use engine_api::filters::Filters;
use engine_api::network::EndpointSettings;
use units::{duration, time};

use self::filter::{Filter, Surroundings};
use super::inspect::{Size, encode_mount, measure};
use super::life::{Life, Phase};
use super::view::View;
use crate::engine::Shared;
use crate::{Engine, Error};

/// Which containers, and how much of each.
#[derive(Debug, Clone)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// The newest so many; 0 for no limit.
    pub limit: i64,
    /// Whether to measure layers.
    pub size: Size,
    /// Docker's filters.
    pub filters: Filters,
}

impl Engine {
    /// Lists containers, newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for unknown or malformed filters.
    pub async fn container_list(&self, options: ListOptions) -> Result<Vec<ContainerSummary>, Error> {
        let mut views = self.shared.containers.views();
        views.sort_by_key(|view| std::cmp::Reverse(view.intent.created));
        let surroundings = Surroundings {
            views: &views,
            image_id: &|name| self.shared.images.resolve(name).ok().map(|image| image.id().to_string()),
            find: &|name| Ok(self.shared.containers.find(name)?.view().id().to_owned()),
        };
        let filter = Filter::parse(&options, &surroundings)?;
        let chosen = filter.choose(&views);
        let mut list: Vec<ContainerSummary> = chosen.iter().map(|view| encode(&self.shared, view)).collect();
        if options.size == Size::Measured {
            for (summary, view) in list.iter_mut().zip(&chosen) {
                (summary.size_rw, summary.size_root_fs) =
                    measure(self, view.id(), &view.intent.image_id).await?;
            }
        }
        Ok(list)
    }
}

fn encode(shared: &Shared, view: &Arc<View>) -> ContainerSummary {
    let intent = &*view.intent;
    ContainerSummary {
        id: intent.id.clone(),
        names: vec![format!("/{}", intent.name)],
        image: shown_image(shared, view),
        image_id: intent.image_id.clone(),
        command: shown_command(&intent.command),
        created: time::unix_seconds(intent.created),
        ports: shown_ports(&view.network.ports),
        labels: intent.config.labels.clone().unwrap_or_default(),
        state: view.life.status().to_owned(),
        status: describe(&view.life, SystemTime::now()),
        host_config: SummaryHostConfig {
            network_mode: intent.host_config.network_mode.clone(),
            annotations: intent.host_config.annotations.clone(),
        },
        network_settings: SummaryNetworkSettings { networks: shown_networks(view) },
        mounts: intent.mounts.iter().map(encode_mount).collect(),
        ..ContainerSummary::default()
    }
}

/// The name that the user gave; the id once that name means another image, or none.
fn shown_image(shared: &Shared, view: &View) -> String {
    let (name, id) = (&view.intent.config.image, &view.intent.image_id);
    match shared.images.resolve(name) {
        Ok(image) if image.id().as_str() == id => name.clone(),
        _ => id.clone(),
    }
}

/// Program and arguments in one line; arguments with blanks in single quotes.
fn shown_command(command: &[String]) -> String {
    let Some((program, arguments)) = command.split_first() else { return String::new() };
    let quoted =
        arguments.iter().map(|word| if word.contains(' ') { format!("'{word}'") } else { word.clone() });
    std::iter::once(program.clone()).chain(quoted).collect::<Vec<_>>().join(" ")
}

/// One entry for each binding, one for each port that is only exposed.
pub(super) fn shown_ports(ports: &PortMap) -> Vec<Port> {
    let mut all = Vec::new();
    for (port, bindings) in ports {
        let (number, kind) = port.split_once('/').unwrap_or((port, "tcp"));
        let Ok(private_port) = number.parse() else { continue };
        let base = Port { private_port, kind: kind.to_owned(), ..Port::default() };
        match bindings.as_deref() {
            None | Some([]) => all.push(base),
            Some(bindings) => all.extend(bindings.iter().filter_map(|binding| {
                let public_port = binding.host_port.parse().ok()?;
                Some(Port { ip: binding.host_ip.clone(), public_port, ..base.clone() })
            })),
        }
    }
    all
}

/// `NetworkSettings.Networks` without what only `inspect` shows.
fn shown_networks(view: &View) -> std::collections::BTreeMap<String, EndpointSettings> {
    let mut networks = view.network.networks.clone();
    if networks.is_empty() {
        let mode = &view.intent.host_config.network_mode;
        if !mode.starts_with("container:") {
            networks.insert(mode.clone(), EndpointSettings::default());
        }
    }
    for settings in networks.values_mut() {
        settings.links = None;
        settings.aliases = None;
        settings.driver_opts = None;
        settings.dns_names = None;
    }
    networks
}

/// `Up 3 seconds`, `Exited (0) 2 hours ago`, as Docker's `ps` shows it.
fn describe(life: &Life, now: SystemTime) -> String {
    let since = |at: Option<SystemTime>| {
        duration::human(at.and_then(|at| now.duration_since(at).ok()).unwrap_or_default())
    };
    let up = || format!("Up {}", since(life.past.started_at));
    let code = life.past.exit_code;
    match &life.phase {
        Phase::Removing | Phase::Removed => "Removal In Progress".to_owned(),
        Phase::Dead => "Dead".to_owned(),
        Phase::Paused(_) => format!("{} (Paused)", up()),
        Phase::Unknown { process: Some(_), .. } => format!("{} (unknown)", up()),
        Phase::Running(_) => up(),
        _ if life.is_restarting() => format!("Restarting ({code}) {} ago", since(life.past.finished_at)),
        _ if life.past.started_at.is_none() => "Created".to_owned(),
        _ => format!("Exited ({code}) {} ago", since(life.past.finished_at)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use engine_api::container::PortBinding;

    use super::*;
    use crate::container::life::{Process, Then};

    #[test]
    fn states_are_told_as_docker_does() {
        let at = |second: u64| Some(UNIX_EPOCH + Duration::from_secs(second));
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let mut life = Life::created();
        assert_eq!(describe(&life, now), "Created");
        life.past.started_at = at(997);
        life.phase = Phase::Running(Process { pid: 1, then: Then::Policy });
        assert_eq!(describe(&life, now), "Up 3 seconds");
        life.phase = Phase::Paused(Process { pid: 1, then: Then::Policy });
        assert_eq!(describe(&life, now), "Up 3 seconds (Paused)");
        life.past.finished_at = at(880);
        life.past.exit_code = 137;
        life.phase = Phase::Exited;
        assert_eq!(describe(&life, now), "Exited (137) 2 minutes ago");
        life.phase = Phase::Waiting;
        assert_eq!(describe(&life, now), "Restarting (137) 2 minutes ago");
    }

    #[test]
    fn commands_are_quoted_and_ports_listed() {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(shown_command(&words(&["sh", "-c", "sleep 5"])), "sh -c 'sleep 5'");
        let binding = PortBinding { host_ip: "0.0.0.0".into(), host_port: "8080".into() };
        let ports = PortMap::from([("80/tcp".into(), Some(vec![binding])), ("53/udp".into(), None)]);
        let shown: Vec<(u16, u16, String)> = shown_ports(&ports)
            .into_iter()
            .map(|port| (port.private_port, port.public_port, port.kind))
            .collect();
        assert_eq!(shown, [(53, 0, "udp".to_owned()), (80, 8080, "tcp".to_owned())]);
    }
}

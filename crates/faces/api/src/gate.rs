//! What depends on the API version: fields that older clients do not know are taken out of what they send and of
//! what they get, and fields that they still expect are put in. Changes of plain data; Engine API, version history.

mod images;
mod system;

pub(crate) use images::{disk_usage, image_inspect, image_list};
pub(crate) use system::info;

use engine_api::container::{ContainerInspectResponse, ContainerSummary};
use engine_api::exec::ExecCreateRequest;
use engine_api::version::ApiVersion;

/// Whether a network mode names a network of the user's own.
fn is_user_defined(mode: &str) -> bool {
    !matches!(mode, "" | "default" | "bridge" | "host" | "none") && !mode.starts_with("container:")
}

/// The answer of `GET /containers/{id}/json`.
pub(crate) fn container_inspect(version: ApiVersion, answer: &mut ContainerInspectResponse) {
    if version.before(45) {
        let names = [answer.id.chars().take(12).collect(), answer.config.hostname.clone()];
        for (network, endpoint) in &mut answer.network_settings.networks {
            if !is_user_defined(network) {
                continue;
            }
            let aliases = endpoint.aliases.get_or_insert_default();
            for name in &names {
                if !aliases.contains(name) {
                    aliases.push(name.clone());
                }
            }
        }
    }
    if version.before(48) {
        answer.image_manifest_descriptor = None;
    }
}

/// The answer of `GET /containers/json`.
pub(crate) fn container_list(version: ApiVersion, answer: &mut [ContainerSummary]) {
    for container in answer {
        if version.before(46) {
            container.host_config.annotations = None;
        }
        if version.before(48) {
            container.image_manifest_descriptor = None;
        }
    }
}

/// The body of `POST /containers/{id}/exec`.
pub(crate) fn exec_create(version: ApiVersion, request: &mut ExecCreateRequest) {
    if version.before(42) {
        request.console_size = None;
    }
}

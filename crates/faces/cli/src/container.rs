//! The flags of `run` and `create`, by theme: each file declares its flags and says what they mean in the request.

mod devices;
mod general;
mod health;
mod limits;
mod logging;
mod mounts;
mod namespaces;
mod networks;
mod security;

use engine_api::container::{ContainerConfig, ContainerCreateRequest, HostConfig};
use engine_api::network::NetworkingConfig;
use engine_api::version::ApiVersion;
use flags::{Flag, Typed};

/// The flags of both commands.
pub(crate) const TABLES: [&[Flag]; 9] = [
    general::FLAGS,
    limits::FLAGS,
    devices::FLAGS,
    security::FLAGS,
    namespaces::FLAGS,
    networks::FLAGS,
    mounts::FLAGS,
    logging::FLAGS,
    health::FLAGS,
];

/// The request being put together; its parts go into one document at the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish {
    pub(crate) config: ContainerConfig,
    pub(crate) host: HostConfig,
    pub(crate) networking: NetworkingConfig,
}

impl Wish {
    /// The document of the call, in an API version; without what that version does not know any more.
    pub(crate) fn request(&self, version: Option<ApiVersion>) -> ContainerCreateRequest {
        let (mut config, mut host) = (self.config.clone(), self.host.clone());
        let is_before = |minor| version.is_some_and(|version| version.before(minor));
        if !is_before(42) || is_before(40) {
            host.kernel_memory = 0;
        }
        if !is_before(44) {
            // It stands in the endpoint; here too it would only earn a warning.
            config.mac_address.clear();
        }
        ContainerCreateRequest {
            config,
            host_config: Some(host),
            networking_config: Some(self.networking.clone()),
        }
    }
}

/// What the flags and the words `IMAGE [COMMAND] [ARG...]` ask for; `proxies` are variables that containers get unless
/// the user sets them.
///
/// # Errors
/// Flags that contradict each other or name what is not there, in Docker's words.
pub(crate) fn parse(typed: &Typed, proxies: &[(String, String)]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    networks::check_mac_address(typed.text("mac-address"))?;
    general::apply_streams(typed, &mut wish);
    limits::apply(typed, &mut wish)?;
    mounts::apply(typed, &mut wish)?;
    networks::apply_ports(typed, &mut wish)?;
    devices::apply(typed, &mut wish)?;
    general::apply(typed, proxies, &mut wish)?;
    namespaces::apply(typed, &mut wish)?;
    general::apply_life(typed, &mut wish)?;
    logging::apply(typed, &mut wish)?;
    security::apply(typed, &mut wish)?;
    mounts::apply_storage(typed, &mut wish)?;
    health::apply(typed, &mut wish)?;
    general::check_life(&wish)?;
    networks::apply(typed, &mut wish)?;
    Ok(wish)
}

/// The values of a list flag, or nothing.
fn list(typed: &Typed, name: &str) -> Option<Vec<String>> {
    let values = typed.all(name);
    (!values.is_empty()).then(|| values.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests;

//! Every flag of `dockerd --help` 28.5: its name, kind, help text, its key in daemon.json, and whether it is in effect.

use crate::check;
use flags::Flag;

/// All flags.
pub(crate) const TABLES: &[&[Flag]] = &[FLAGS];

/// The flags as help shows them; the grammar knows `--help` by itself.
pub(crate) const SHOWN_TABLES: &[&[Flag]] = &[FLAGS, &[Flag::switch("help", "Print usage")]];

const FLAGS: &[Flag] = &[
    Flag::named("add-runtime", "runtime", "Register an additional OCI compatible runtime").default("[]").check(check::runtime),
    Flag::switch("allow-direct-routing", "Allow remote access to published ports on container IP addresses"),
    Flag::list("allow-nondistributable-artifacts", "Allow push of nondistributable artifacts to registry")
        .deprecated("Pushing nondistributable artifacts is now enabled by default. "),
    Flag::text("api-cors-header", "Set CORS headers in the Engine API")
        .deprecated("accessing Docker API through a browser is insecure; use a reverse proxy if you need CORS headers"),
    Flag::list("authorization-plugin", "Authorization plugins to load"),
    Flag::text("bip", "IPv4 address for the default bridge"),
    Flag::text("bip6", "IPv6 address for the default bridge"),
    Flag::text("bridge", "Attach containers to a network bridge").short('b'),
    Flag::list("cdi-spec-dir", "CDI specification directories to use"),
    Flag::text("cgroup-parent", "Set parent cgroup for all containers"),
    Flag::text("config-file", "Daemon configuration file").default("/etc/docker/daemon.json"),
    Flag::text("containerd", "containerd grpc address"),
    Flag::text("containerd-namespace", "Containerd namespace to use").default("moby"),
    Flag::text("containerd-plugins-namespace", "Containerd namespace to use for plugins").default("plugins.moby"),
    Flag::int(
        "cpu-rt-period",
        "Limit the CPU real-time period in microseconds for the parent cgroup for all containers (not supported with cgroups v2)",
    ),
    Flag::int(
        "cpu-rt-runtime",
        "Limit the CPU real-time runtime in microseconds for the parent cgroup for all containers (not supported with cgroups v2)",
    ),
    Flag::switch("cri-containerd", "start containerd with cri"),
    Flag::text("data-root", "Root directory of persistent Docker state"),
    Flag::switch("debug", "Enable debug mode").short('D'),
    Flag::named("default-address-pool", "pool-options", "Default address pools for node specific local networks")
        .check(check::address_pool),
    Flag::text("default-cgroupns-mode", "Default mode for containers cgroup namespace (\"host\" | \"private\")"),
    Flag::named("default-gateway", "ip", "Default gateway IPv4 address for the default bridge network").check(check::ip),
    Flag::named("default-gateway-v6", "ip", "Default gateway IPv6 address for the default bridge network").check(check::ip),
    Flag::text("default-ipc-mode", "Default mode for containers ipc (\"shareable\" | \"private\")").default("private"),
    Flag::named("default-network-opt", "mapmap", "Default network options").default("map[]").check(check::map_of_maps),
    Flag::text("default-runtime", "Default OCI runtime for containers").default("runc"),
    Flag::named("default-shm-size", "bytes", "Default shm size for containers").default("64MiB").check(check::bytes),
    Flag::named("default-ulimit", "ulimit", "Default ulimits for containers").default("[]").check(check::ulimit),
    Flag::named("dns", "ipSlice", "DNS server to use").default("[]").check(check::ips),
    Flag::list("dns-opt", "DNS options to use"),
    Flag::list("dns-search", "DNS search domains to use").check(check::dns_search),
    Flag::list("exec-opt", "Runtime execution options"),
    Flag::text("exec-root", "Root directory for execution state files"),
    Flag::switch("experimental", "Enable experimental features"),
    Flag::named("feature", "map", "Enable feature in the daemon").default("map[]").check(check::feature),
    Flag::text("fixed-cidr", "IPv4 subnet for the default bridge network"),
    Flag::text("fixed-cidr-v6", "IPv6 subnet for the default bridge network"),
    Flag::text("group", "Group for the unix socket").short('G').default("docker"),
    Flag::list("host", "Daemon socket(s) to connect to").short('H').check(check::host),
    Flag::list(
        "host-gateway-ip",
        "IP addresses that the special 'host-gateway' string in --add-host resolves to. Defaults to the IP addresses of the default bridge",
    )
    .check(check::gateway),
    Flag::text("http-proxy", "HTTP proxy URL to use for outgoing traffic"),
    Flag::text("https-proxy", "HTTPS proxy URL to use for outgoing traffic"),
    Flag::switch("icc", "Enable inter-container communication for the default bridge network").default("true"),
    Flag::switch("init", "Run an init in the container to forward signals and reap processes"),
    Flag::text("init-path", "Path to the docker-init binary"),
    Flag::list("insecure-registry", "Enable insecure registry communication"),
    Flag::named("ip", "ip", "Host IP for port publishing from the default bridge network").default("0.0.0.0").check(check::ip),
    Flag::switch("ip-forward", "Enable IP forwarding in system configuration").default("true"),
    Flag::switch("ip-forward-no-drop", "Do not set the filter-FORWARD policy to DROP when enabling IP forwarding"),
    Flag::switch("ip-masq", "Enable IP masquerading for the default bridge network").default("true"),
    Flag::switch("ip6tables", "Enable addition of ip6tables rules").default("true"),
    Flag::switch("iptables", "Enable addition of iptables rules").default("true"),
    Flag::switch("ipv6", "Enable IPv6 networking for the default bridge network"),
    Flag::list("label", "Set key=value labels to the daemon").check(check::label),
    Flag::switch("live-restore", "Enable live restore of docker when containers are still running"),
    Flag::text("log-driver", "Default driver for container logs").default("json-file"),
    Flag::text("log-format", "Set the logging format (\"text\"|\"json\")").default("text"),
    Flag::text("log-level", "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\"fatal\")").short('l').default("info"),
    Flag::named("log-opt", "map", "Default log driver options for containers").default("map[]"),
    Flag::int("max-concurrent-downloads", "Set the max concurrent downloads").default("3"),
    Flag::int("max-concurrent-uploads", "Set the max concurrent uploads").default("5"),
    Flag::int("max-download-attempts", "Set the max download attempts for each pull").default("5"),
    Flag::text("metrics-addr", "Set default address and port to serve the metrics api on"),
    Flag::int("mtu", "Set the MTU for the default \"bridge\" network").default("1500"),
    Flag::int("network-control-plane-mtu", "Network Control plane MTU").default("1500"),
    Flag::int("network-diagnostic-port", "TCP port number of the network diagnostic server").hidden(),
    Flag::switch("no-new-privileges", "Set no-new-privileges by default for new containers"),
    Flag::text("no-proxy", "Comma-separated list of hosts or IP addresses for which the proxy is skipped"),
    Flag::list("node-generic-resource", "Advertise user-defined resource").check(check::generic_resource),
    Flag::text("pidfile", "Path to use for daemon PID file").short('p'),
    Flag::switch("raw-logs", "Full timestamps without ANSI coloring"),
    Flag::list("registry-mirror", "Preferred Docker registry mirror").check(check::mirror),
    Flag::switch("restart", "--restart on the daemon has been deprecated in favor of --restart policies on docker run")
        .short('r')
        .default("true")
        .deprecated("Please use a restart policy on docker run"),
    Flag::switch("rootless", "Enable rootless mode; typically used with RootlessKit"),
    Flag::text("seccomp-profile", "Path to seccomp profile. Set to \"unconfined\" to disable the default seccomp profile")
        .default("builtin"),
    Flag::switch("selinux-enabled", "Enable selinux support"),
    Flag::int("shutdown-timeout", "Set the default shutdown timeout").default("15"),
    Flag::text("storage-driver", "Storage driver to use").short('s'),
    Flag::list("storage-opt", "Storage driver options"),
    Flag::text("swarm-default-advertise-addr", "Set default address or interface for swarm advertised address"),
    Flag::switch("tls", "Use TLS; implied by --tlsverify"),
    Flag::text("tlscacert", "Trust certs signed only by this CA"),
    Flag::text("tlscert", "Path to TLS certificate file"),
    Flag::text("tlskey", "Path to TLS key file"),
    Flag::switch("tlsverify", "Use TLS and verify the remote"),
    Flag::switch("userland-proxy", "Use userland proxy for loopback traffic").default("true"),
    Flag::text("userland-proxy-path", "Path to the userland proxy binary"),
    Flag::text("userns-remap", "User/Group setting for user namespaces"),
    Flag::switch("validate", "Validate daemon configuration and exit"),
    Flag::switch("version", "Print version information and quit").short('v'),
];

/// The shape of an option's value in daemon.json.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `true`, `false`.
    Switch,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A list of texts.
    Texts,
    /// Texts by name.
    Map,
    /// Checked where it is used.
    Other,
}

/// Options whose key in daemon.json is not the flag's name: the flag, the key.
const KEYS: &[(&str, &str)] = &[
    ("add-runtime", "runtimes"),
    ("allow-nondistributable-artifacts", "allow-nondistributable-artifacts"),
    ("authorization-plugin", "authorization-plugins"),
    ("cdi-spec-dir", "cdi-spec-dirs"),
    ("default-address-pool", "default-address-pools"),
    ("default-network-opt", "default-network-opts"),
    ("default-ulimit", "default-ulimits"),
    ("dns-opt", "dns-opts"),
    ("exec-opt", "exec-opts"),
    ("feature", "features"),
    ("host", "hosts"),
    ("host-gateway-ip", "host-gateway-ips"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log-opts"),
    ("node-generic-resource", "node-generic-resources"),
    ("registry-mirror", "registry-mirrors"),
    ("storage-opt", "storage-opts"),
];

/// Flags that daemon.json cannot set.
const FLAG_ONLY: &[&str] = &["config-file", "validate", "version", "restart"];

/// Keys of daemon.json that are no flag and are passed over.
pub(crate) const PASSED_OVER: &[&str] =
    &["builder", "deprecated-key-path", "allow-nondistributable-artifacts"];

/// The key of a flag in daemon.json.
pub(crate) fn key_of(flag: &str) -> &str {
    KEYS.iter().find(|(name, _)| *name == flag).map_or(flag, |(_, key)| key)
}

/// The flag that a key of daemon.json stands for.
pub(crate) fn flag_of(key: &str) -> Option<&'static Flag> {
    FLAGS.iter().find(|flag| key_of(flag.name) == key && !FLAG_ONLY.contains(&flag.name))
}

/// The shape of a flag's value in daemon.json.
pub(crate) fn shape_of(flag: &Flag) -> Shape {
    match (flag.kind, flag.name) {
        (flags::Kind::Switch, _) => Shape::Switch,
        (flags::Kind::Int, _) => Shape::Number,
        (_, "log-opt") => Shape::Map,
        (
            _,
            "add-runtime" | "default-ulimit" | "default-address-pool" | "default-network-opt" | "feature",
        ) => Shape::Other,
        (flags::Kind::Other("list" | "ipSlice", _), _) => Shape::Texts,
        _ => Shape::Text,
    }
}

/// What an option does today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// What it says.
    InEffect,
    /// Nothing yet; said in the log.
    Later,
    /// It asks for a protection that is not there yet: the daemon does not start.
    Refused,
}

/// Options that ask for something later issues bring. Those that ask for protection are judged by `settings`.
const LATER: &[&str] = &[
    "add-runtime",
    "allow-direct-routing",
    "bip6",
    "cdi-spec-dir",
    "containerd",
    "containerd-namespace",
    "containerd-plugins-namespace",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "cri-containerd",
    "default-gateway-v6",
    "default-network-opt",
    "exec-opt",
    "feature",
    "fixed-cidr-v6",
    "http-proxy",
    "https-proxy",
    "init",
    "init-path",
    "ip-forward-no-drop",
    "ip6tables",
    "ipv6",
    "max-concurrent-uploads",
    "max-download-attempts",
    "metrics-addr",
    "network-control-plane-mtu",
    "network-diagnostic-port",
    "no-proxy",
    "node-generic-resource",
    "raw-logs",
    "storage-driver",
    "storage-opt",
    "swarm-default-advertise-addr",
    "userland-proxy",
    "userland-proxy-path",
];

/// Options that ask for protection or for another kind of process.
const PROTECTIVE: &[&str] = &[
    "authorization-plugin",
    "icc",
    "no-new-privileges",
    "rootless",
    "seccomp-profile",
    "selinux-enabled",
    "tls",
    "tlscacert",
    "tlscert",
    "tlskey",
    "tlsverify",
    "userns-remap",
];

/// What an option does today when it is given.
pub(crate) fn standing_of(flag: &str) -> Standing {
    if LATER.contains(&flag) {
        Standing::Later
    } else if PROTECTIVE.contains(&flag) {
        Standing::Refused
    } else {
        Standing::InEffect
    }
}

/// The names of all flags.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FLAGS.iter().map(|flag| flag.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_flags_that_exist() {
        for name in LATER.iter().chain(PROTECTIVE).chain(FLAG_ONLY).chain(KEYS.iter().map(|(flag, _)| flag)) {
            assert!(names().any(|have| have == *name), "{name}");
        }
    }

    #[test]
    fn keys_find_their_flags() {
        assert_eq!(flag_of("labels").unwrap().name, "label");
        assert_eq!(flag_of("dns").unwrap().name, "dns");
        assert!(flag_of("label").is_none() && flag_of("validate").is_none() && flag_of("Debug").is_none());
    }
}

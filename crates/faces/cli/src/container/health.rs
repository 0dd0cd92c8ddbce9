//! How its health is probed.

use super::Wish;
use engine_api::container::HealthConfig;
use flags::{Flag, Typed};

pub(super) const FLAGS: &[Flag] = &[
    Flag::text("health-cmd", "Command to run to check health"),
    Flag::duration("health-interval", "Time between running the check (ms|s|m|h) (default 0s)"),
    Flag::int("health-retries", "Consecutive failures needed to report unhealthy"),
    Flag::duration(
        "health-start-interval",
        "Time between running the check during the start period (ms|s|m|h) (default 0s)",
    )
    .since("1.44"),
    Flag::duration(
        "health-start-period",
        "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)",
    )
    .since("1.29"),
    Flag::duration("health-timeout", "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"),
    Flag::switch("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
];

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let command = typed.text("health-cmd");
    let times = ["interval", "timeout", "start-period", "start-interval"];
    let time = |name: &str| typed.nanoseconds(&format!("health-{name}"));
    let retries = typed.int("health-retries");
    let is_set = !command.is_empty() || retries != 0 || times.iter().any(|name| time(name) != 0);
    if typed.is_on("no-healthcheck") {
        if is_set {
            return Err("--no-healthcheck conflicts with --health-* options".to_owned());
        }
        let test = Some(vec!["NONE".to_owned()]);
        wish.config.healthcheck = Some(HealthConfig { test, ..HealthConfig::default() });
        return Ok(());
    }
    if !is_set {
        return Ok(());
    }
    for (name, value) in [("interval", time("interval")), ("timeout", time("timeout")), ("retries", retries)]
        .into_iter()
        .chain([("start-period", time("start-period")), ("start-interval", time("start-interval"))])
    {
        if value < 0 {
            return Err(format!("--health-{name} cannot be negative"));
        }
    }
    let test = (!command.is_empty()).then(|| vec!["CMD-SHELL".to_owned(), command.to_owned()]);
    wish.config.healthcheck = Some(HealthConfig {
        test,
        interval: time("interval"),
        timeout: time("timeout"),
        start_period: time("start-period"),
        start_interval: time("start-interval"),
        retries,
    });
    Ok(())
}

//! Where its output is kept.

use super::Wish;
use crate::keyvalue;
use engine_api::container::LogConfig;
use flags::{Flag, Typed};

pub(super) const FLAGS: &[Flag] = &[
    Flag::text("log-driver", "Logging driver for the container"),
    Flag::list("log-opt", "Log driver options"),
];

pub(super) fn apply(typed: &Typed, wish: &mut Wish) -> Result<(), String> {
    let driver = typed.text("log-driver");
    let options = typed.all("log-opt");
    if driver == "none" && !options.is_empty() {
        return Err(format!("invalid logging opts for driver {driver}"));
    }
    wish.host.log_config = LogConfig { kind: driver.to_owned(), config: Some(keyvalue::to_map(options)) };
    Ok(())
}

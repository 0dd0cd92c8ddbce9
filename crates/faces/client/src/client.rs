//! A daemon's client: what it is called with, what the daemon says of itself, and the idle connection.

use crate::address::Address;
use crate::body::Idle;
use crate::error::Error;
use crate::request::Request;
use crate::stream::Stream;
use engine_api::version::{self, ApiVersion};
use std::io::BufReader;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

const PING_DEADLINE: Duration = Duration::from_secs(10);

/// How to reach a daemon.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub address: Address,
    /// The API version to speak; negotiated if none.
    pub version: Option<String>,
    /// Sent as `User-Agent`.
    pub user_agent: String,
    /// Sent with every call.
    pub headers: Vec<(String, String)>,
}

impl Options {
    /// The daemon at `address`, its version negotiated.
    pub fn new(address: Address) -> Options {
        Options { address, version: None, user_agent: "Gantry-Client".to_owned(), headers: Vec::new() }
    }
}

/// What a daemon says of itself before any call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// The newest API version it speaks; empty for a very old one.
    pub api_version: String,
    /// The operating system of its containers.
    pub os: String,
    /// Whether experimental features are on.
    pub experimental: bool,
    /// `inactive`, `active/worker`, …
    pub swarm: String,
}

/// A daemon's client.
#[derive(Debug)]
pub struct Client {
    pub(crate) options: Options,
    ping: OnceLock<Ping>,
    pub(crate) idle: Idle,
}

impl Client {
    /// A client of the daemon that `options` name; connects with the first call.
    pub fn new(options: Options) -> Client {
        Client { options, ping: OnceLock::new(), idle: Arc::new(Mutex::new(None)) }
    }

    /// Where the daemon listens.
    pub fn address(&self) -> &Address {
        &self.options.address
    }

    /// Starts a `GET`.
    pub fn get(&self, path: &str) -> Request<'_> {
        Request::new(self, "GET", path)
    }

    /// Starts a `POST`.
    pub fn post(&self, path: &str) -> Request<'_> {
        Request::new(self, "POST", path)
    }

    /// Starts a `PUT`.
    pub fn put(&self, path: &str) -> Request<'_> {
        Request::new(self, "PUT", path)
    }

    /// Starts a `DELETE`.
    pub fn delete(&self, path: &str) -> Request<'_> {
        Request::new(self, "DELETE", path)
    }

    /// Starts a `HEAD`.
    pub fn head(&self, path: &str) -> Request<'_> {
        Request::new(self, "HEAD", path)
    }

    /// Asks the daemon what it is; once.
    ///
    /// # Errors
    /// No daemon answers.
    pub fn ping(&self) -> Result<&Ping, Error> {
        if let Some(ping) = self.ping.get() {
            return Ok(ping);
        }
        // A daemon in trouble answers 500 and still says what it is.
        let (head, _) = self.head("/_ping").unversioned(PING_DEADLINE).exchange()?;
        let text = |name| head.header(name).unwrap_or("").to_owned();
        let ping = Ping {
            api_version: text("Api-Version"),
            os: text("Ostype"),
            experimental: text("Docker-Experimental") == "true",
            swarm: text("Swarm"),
        };
        Ok(self.ping.get_or_init(|| ping))
    }

    /// The API version that calls are made in: the one of the options, or the newest that both sides speak.
    pub fn version(&self) -> String {
        if let Some(fixed) = &self.options.version {
            return fixed.clone();
        }
        let Ok(ping) = self.ping() else { return version::MAX.to_string() };
        match ping.api_version.parse::<ApiVersion>() {
            Ok(theirs) if theirs < version::MAX => theirs.to_string(),
            Ok(_) => version::MAX.to_string(),
            Err(_) => version::MIN.to_string(),
        }
    }

    /// Whether calls are made in an API version before `1.minor`.
    pub fn is_before(&self, minor: u16) -> bool {
        self.version().parse::<ApiVersion>().is_ok_and(|ours| ours.before(minor))
    }

    /// Drops the idle connection: the daemon behind it may be gone.
    pub fn forget_connection(&self) {
        self.take_idle();
    }

    pub(crate) fn take_idle(&self) -> Option<BufReader<Stream>> {
        self.idle.lock().ok().and_then(|mut slot| slot.take())
    }
}

#[cfg(test)]
mod tests;

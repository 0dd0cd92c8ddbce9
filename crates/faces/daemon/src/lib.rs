//! The daemon's command line: flags, daemon.json, sockets, start and stop of engine and API.

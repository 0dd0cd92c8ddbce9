//! The one parent of one container, and the client that talks to it; no async runtime, knows no engine.

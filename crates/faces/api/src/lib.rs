//! HTTP routes of the Engine API: decode, call one engine method, encode; no policy.

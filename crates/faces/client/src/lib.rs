//! The Engine API from the other side: a small blocking client over unix sockets and TCP; no policy.

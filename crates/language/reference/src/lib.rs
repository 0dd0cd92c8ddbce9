//! Image names, tags and digests, and their normal form; knows no registry.
//!
//! ```text
//! reference  = name [ ":" tag ] [ "@" digest ]
//! name       = [ domain "/" ] component *( "/" component )
//! domain     = host [ ":" port ]                host is a DNS name, an IPv4 address or "[" IPv6 "]"
//! component  = 1*alnum *( separator 1*alnum )   lower case; separator is ".", "_", "__" or 1*"-"
//! tag        = word 0*127( word | "." | "-" )
//! digest     = algorithm ":" hex
//! ```
//!
//! What people type is the *familiar* form (`busybox`, `team/app:2`, `localhost:5000/x`); what is
//! stored and compared is the *canonical* one (`docker.io/library/busybox:latest`).

mod digest;
mod grammar;
mod name;

pub use digest::{Digest, DigestError};
pub use name::{AnyReference, ParseError, Reference, is_valid_tag};

/// The registry meant by a name without a domain.
pub const DEFAULT_DOMAIN: &str = "docker.io";

/// The tag meant by a name without tag and digest.
pub const DEFAULT_TAG: &str = "latest";

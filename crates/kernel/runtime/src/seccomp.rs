//! System call filters: profiles, their resolution, and their compiled form.

/// A compiled filter, ready to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {}

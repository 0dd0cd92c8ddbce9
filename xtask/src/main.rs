//! The project's own commands: `cargo xtask <word>`.

fn main() {}

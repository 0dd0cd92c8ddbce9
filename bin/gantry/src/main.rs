//! Picks the role from `argv[0]` or the first word and hands over; no logic.

fn main() {}

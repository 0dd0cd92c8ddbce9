//! Sizes, durations, CPU shares, ports and restart policies as Docker writes them; knows no container and does no I/O.

//! Every system call we wrap, and all `unsafe` code; knows no container.

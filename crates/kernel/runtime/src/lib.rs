//! An OCI bundle's life: create, start, exec, kill; namespaces, root file system, capabilities, seccomp; knows no engine.

//! Namespaces, leak check and fault driver for tests; knows only `sys` and drives the engine as a built binary.

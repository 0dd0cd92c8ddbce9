//! The bytes of a json-file log record, written by the shim and read by the logs store; does no I/O.

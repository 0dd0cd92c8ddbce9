//! The Go template language of `--format`, over JSON values; knows no command and no API.

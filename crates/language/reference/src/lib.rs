//! Image names, tags and digests, and their normal form; knows no registry.

//! Reading record files: tail, since, until, follow across rotation; knows no container.

//! Safe paths inside a root, and mounts by the new mount API; knows no container.

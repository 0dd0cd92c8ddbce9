//! Image content by digest, layers, snapshots, tags and their transfer (archives, registries); knows no container.

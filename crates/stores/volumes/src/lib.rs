//! Named data with drivers; knows no container.

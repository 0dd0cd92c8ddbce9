//! OCI image and runtime documents as types that keep unknown fields; knows no store and no kernel.

pub mod image;
pub mod runtime;

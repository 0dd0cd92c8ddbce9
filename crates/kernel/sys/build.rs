//! Compiles the programs in `programs/`, each on its own: they run in containers that hold nothing else.
#![expect(clippy::disallowed_methods, reason = "a build script runs the compiler")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=programs/hello.rs");
    println!("cargo:rerun-if-changed=build.rs");
    let [rustc, target, out] =
        ["RUSTC", "TARGET", "OUT_DIR"].map(|name| env::var(name).expect("cargo sets it"));
    let program = Path::new(&out).join("hello");
    let status = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=hello", "--crate-type=bin", "--target", &target])
        .args(["-Cpanic=abort", "-Copt-level=s", "-Cstrip=symbols", "-Crelocation-model=static"])
        .args(["-Ctarget-feature=+crt-static", "-Cforce-unwind-tables=no", "-Clink-arg=-nostartfiles"])
        .args([
            "-Clink-arg=-nostdlib",
            "-Clink-arg=-static",
            "-Clink-arg=-Wl,--build-id=none,-z,norelro,--no-eh-frame-hdr",
        ])
        .arg("programs/hello.rs")
        .arg("-o")
        .arg(&program)
        // The flags of the workspace are for its own crates.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .expect("the compiler that compiled this starts");
    assert!(status.success(), "programs/hello.rs does not compile");
}

//! DEV: what a developer tries first.

use testing::row;

row!(hello_world_greets, "DEV-007", |row| {
    let ran = row.sh("docker run hello-world").ok();
    assert!(ran.stdout.contains("Hello from "), "{ran}");
});

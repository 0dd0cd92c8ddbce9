//! Answers of a Docker 28.5 daemon, read and written again: every member, every `null`, `[]` and `{}`, and their order.

#![allow(clippy::unwrap_used, reason = "a test")]

use engine_api::{container, exec, image, json, network, system, volume};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads `text` as a `T` and writes it again; both as indented text, so that a difference is easy to see.
#[track_caller]
fn comes_back<T: Serialize + DeserializeOwned>(text: &str) {
    let expected: serde_json::Value = serde_json::from_str(text).unwrap();
    let read: T = json::decode(text.as_bytes()).unwrap();
    let written = serde_json::to_string_pretty(&read).unwrap();
    let expected = serde_json::to_string_pretty(&expected).unwrap();
    for (number, (written, expected)) in written.lines().zip(expected.lines()).enumerate() {
        assert_eq!(written, expected, "line {}", number + 1);
    }
    assert_eq!(written.lines().count(), expected.lines().count());
}

#[test]
fn containers_come_back_as_they_were() {
    comes_back::<container::ContainerInspectResponse>(include_str!("recorded/inspect.json"));
    comes_back::<Vec<container::ContainerSummary>>(include_str!("recorded/ps.json"));
    comes_back::<container::ContainerTopResponse>(include_str!("recorded/top.json"));
    comes_back::<exec::ExecInspectResponse>(include_str!("recorded/exec.json"));
}

#[test]
fn images_come_back_as_they_were() {
    comes_back::<image::ImageInspect>(include_str!("recorded/image.json"));
    comes_back::<Vec<image::ImageSummary>>(include_str!("recorded/images.json"));
    comes_back::<Vec<image::HistoryItem>>(include_str!("recorded/history.json"));
}

#[test]
fn networks_and_volumes_come_back_as_they_were() {
    comes_back::<Vec<network::Network>>(include_str!("recorded/nets.json"));
    comes_back::<volume::VolumeListResponse>(include_str!("recorded/vols.json"));
}

#[test]
fn the_daemon_comes_back_as_it_was() {
    comes_back::<system::SystemVersion>(include_str!("recorded/version.json"));
    comes_back::<system::SystemInfo>(include_str!("recorded/info.json"));
}

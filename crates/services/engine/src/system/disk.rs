//! How much a folder holds.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes of all files below `folder`, each file once however many names it has. What cannot be read counts nothing.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let mut seen = HashSet::new();
    let mut waiting = vec![folder.to_owned()];
    let mut sum = 0;
    while let Some(folder) = waiting.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
            if metadata.is_dir() {
                waiting.push(entry.path());
            } else if seen.insert((metadata.dev(), metadata.ino())) {
                sum += metadata.len();
            }
        }
    }
    sum
}

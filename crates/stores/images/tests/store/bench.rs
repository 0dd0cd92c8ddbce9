//! A store in a folder of its own, and ways to look at what is in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use db::Db;
use images::{Event, Image, ImageStore, ImportError, ImportOptions, LoadError, Loaded};
use reference::Reference;
use tempfile::TempDir;

/// A store that goes with the test.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) store: ImageStore,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::below(&std::env::temp_dir())
    }

    pub(crate) fn below(place: &Path) -> Bench {
        let folder = tempfile::tempdir_in(place).unwrap();
        let store = open(folder.path());
        Bench { folder, store }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// Closes the store and opens it again, as a daemon that was killed does.
    pub(crate) fn reopened(self) -> Bench {
        let Bench { folder, store } = self;
        drop(store);
        let store = open(folder.path());
        Bench { folder, store }
    }

    pub(crate) fn import(&self, archive: Vec<u8>) -> Result<Arc<Image>, ImportError> {
        self.store.import(Cursor::new(archive), ImportOptions::default())
    }

    pub(crate) fn import_as(&self, archive: Vec<u8>, name: &str) -> Arc<Image> {
        let name = Some(Reference::parse(name).unwrap());
        self.store.import(Cursor::new(archive), ImportOptions { name, ..ImportOptions::default() }).unwrap()
    }

    pub(crate) fn load(&self, archive: Vec<u8>) -> Result<Vec<Loaded>, LoadError> {
        self.store.load(Cursor::new(archive), None, &|_: Event| {})
    }

    /// The folder of an image's topmost layer.
    pub(crate) fn top(&self, image: &Image) -> PathBuf {
        self.store.layer_folders(image)[0].join("diff")
    }

    /// What is in the store besides what an empty one has: layers, configs, half-done work.
    pub(crate) fn content(&self) -> Vec<String> {
        let mut list = Vec::new();
        for folder in ["overlay2", "blobs/sha256", "tmp"] {
            let entries = fs::read_dir(self.root().join(folder)).unwrap();
            list.extend(entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().display())));
        }
        list.retain(|name| name != "overlay2/init");
        list.sort();
        list
    }
}

fn open(folder: &Path) -> ImageStore {
    let root = folder.join("root");
    fs::create_dir_all(&root).unwrap();
    ImageStore::open(&root, Db::open(&root).unwrap()).unwrap()
}

/// All files below a folder: kind and mode, owner, size or target, content.
pub(crate) fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut list = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let facts = fs::symlink_metadata(&path).unwrap();
            let content = match facts.file_type() {
                kind if kind.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
                kind if kind.is_file() => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
                kind => {
                    if kind.is_dir() {
                        waiting.push(path.clone());
                    }
                    String::new()
                }
            };
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            list.insert(
                name,
                format!("{:o} {}:{} {} {content}", facts.mode(), facts.uid(), facts.gid(), facts.nlink()),
            );
        }
    }
    list
}

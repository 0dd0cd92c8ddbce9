//! An engine on a data root of its own, with one image, and short words for its verbs.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{CreateOptions, Engine, EngineConfig, RemoveOptions, Size};
use engine_api::container::{
    ContainerConfig, ContainerCreateRequest, ContainerInspectResponse, HostConfig, WaitCondition,
};
use engine_api::version::MAX;
use images::{ImageStore, ImportOptions};
use reference::Reference;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// One engine and its runtime.
pub(crate) struct Bench {
    pub(crate) runtime: Runtime,
    pub(crate) engine: Engine,
    pub(crate) folder: TempDir,
}

/// The settings of an engine below `folder`.
pub(crate) fn config(folder: &Path) -> EngineConfig {
    let mut config = EngineConfig {
        data_root: folder.join("data"),
        exec_root: folder.join("exec"),
        ..EngineConfig::default()
    };
    // Several engines run in one test, each with a bridge of its own, told apart by its folder.
    let number =
        folder.as_os_str().as_encoded_bytes().iter().fold(7u8, |sum, byte| sum.wrapping_mul(31) ^ byte);
    config.network.bridge = format!("gt{number}");
    config.network.bip = Some(format!("10.{number}.0.1/24"));
    config
}

/// Puts `t/busybox` into the store below `folder`.
pub(crate) fn import_busybox(folder: &Path) {
    let root = config(folder).data_root;
    std::fs::create_dir_all(&root).unwrap();
    let db = db::Db::open(&root).unwrap();
    let store = ImageStore::open(&root, db).unwrap();
    let options = ImportOptions {
        name: Some(Reference::parse("t/busybox").unwrap()),
        changes: vec!["CMD [\"sh\"]".to_owned()],
        ..ImportOptions::default()
    };
    store.import(testing::images::busybox_rootfs(), options).unwrap();
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What to run, on no network.
pub(crate) fn request(command: &[&str]) -> ContainerCreateRequest {
    ContainerCreateRequest {
        config: ContainerConfig {
            image: "t/busybox".to_owned(),
            cmd: Some(command.iter().map(|&word| word.to_owned()).collect::<Vec<_>>().into()),
            ..ContainerConfig::default()
        },
        host_config: Some(HostConfig { network_mode: "none".to_owned(), ..HostConfig::default() }),
        networking_config: None,
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        import_busybox(folder.path());
        let runtime = runtime();
        let engine = runtime.block_on(Engine::open(config(folder.path()))).unwrap();
        Self { runtime, engine, folder }
    }

    /// Another engine, on a folder that is there.
    pub(crate) fn with(runtime: Runtime, engine: Engine, folder: TempDir, _beside: &Bench) -> Self {
        Self { runtime, engine, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn wait_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await.expect("it ends in time") })
    }

    pub(crate) fn create_with(
        &self,
        name: &str,
        request: ContainerCreateRequest,
    ) -> Result<String, engine::Error> {
        let options = CreateOptions { name: name.to_owned(), platform: String::new(), version: MAX };
        self.wait_on(self.engine.container_create(options, request)).map(|answer| answer.id)
    }

    pub(crate) fn create(&self, command: &[&str]) -> String {
        self.create_with("", request(command)).unwrap()
    }

    pub(crate) fn start(&self, id: &str) {
        self.wait_on(self.engine.container_start(id)).unwrap();
    }

    /// Creates and starts.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let id = self.create(command);
        self.start(&id);
        id
    }

    pub(crate) fn wait(&self, id: &str) -> i64 {
        self.wait_on(async {
            let waiter = self.engine.container_wait(id, WaitCondition::NotRunning).await.unwrap();
            waiter.wait().await.status_code
        })
    }

    pub(crate) fn inspect(&self, id: &str) -> ContainerInspectResponse {
        self.wait_on(self.engine.container_inspect(id, Size::Omitted)).unwrap()
    }

    pub(crate) fn remove(&self, id: &str, force: bool) -> Result<(), engine::Error> {
        let options = RemoveOptions { force, volumes: true, link: false };
        self.wait_on(self.engine.container_remove(id, options))
    }

    /// What the container said, both streams, without frames.
    pub(crate) fn output(&self, id: &str) -> String {
        let options = engine::LogsOptions { stdout: true, stderr: true, ..engine::LogsOptions::default() };
        self.wait_on(async {
            let mut stream = self.engine.container_logs(id, options).await.unwrap();
            let mut bytes = Vec::new();
            while let Some(block) = stream.next().await {
                bytes.extend(block.unwrap());
            }
            if stream.multiplexed { unframe(&bytes) } else { String::from_utf8_lossy(&bytes).into_owned() }
        })
    }

    /// Runs to the end and gives code and output.
    pub(crate) fn run_to_end(&self, request: ContainerCreateRequest) -> (i64, String) {
        let id = self.create_with("", request).unwrap();
        self.start(&id);
        let code = self.wait(&id);
        let output = self.output(&id);
        self.remove(&id, false).unwrap();
        (code, output)
    }

    /// Removes what is left, and checks that nothing else is.
    pub(crate) fn finish(self) {
        let containers = self.wait_on(self.engine.container_list(engine::ListOptions {
            all: true,
            limit: 0,
            size: Size::Omitted,
            filters: Default::default(),
        }));
        for container in containers.unwrap() {
            self.remove(&container.id, true).unwrap();
        }
        let left = |path: PathBuf| -> Vec<String> {
            let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
        };
        testing::wait::eventually("folders to vanish", || {
            left(self.folder().join("exec/containers")).is_empty()
                && left(self.folder().join("data/containers")).is_empty()
        });
    }
}

/// Takes the 8-byte heads out of a stream.
pub(crate) fn unframe(mut bytes: &[u8]) -> String {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        all.extend_from_slice(&rest[..length.min(rest.len())]);
        bytes = &rest[length.min(rest.len())..];
    }
    String::from_utf8_lossy(&all).into_owned()
}

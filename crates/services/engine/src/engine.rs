//! The handle that faces hold, and what stands behind it.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use db::{Batch, Db};
use images::ImageStore;
use volumes::VolumeStore;

use crate::config::EngineConfig;
use crate::container::execs::Execs;
use crate::container::filter::Filters;
use crate::container::launch::io_error;
use crate::error::Error;
use crate::events::Events;
use crate::network::Networks;
use crate::reconcile;
use crate::registry::Registry;
use crate::system::host::Host;
use crate::system::identity;
use crate::volume::Pins;

/// The engine of one data root. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

/// What every verb may need: handles, no state of its own.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) db: Db,
    pub(crate) images: ImageStore,
    pub(crate) volumes: VolumeStore,
    pub(crate) networks: Networks,
    pub(crate) events: Events,
    pub(crate) containers: Registry,
    pub(crate) execs: Execs,
    pub(crate) filters: Filters,
    /// Where supervisors come from.
    pub(crate) spawner: shim::Spawner,
    pub(crate) volume_pins: Pins,
    pub(crate) host: Host,
    /// The data root's identity, shown by `info`.
    pub(crate) id: String,
    /// To the thread that deletes what nobody waits for.
    cleaner: mpsc::Sender<CleanUp>,
}

type CleanUp = Box<dyn FnOnce() + Send>;

impl Engine {
    /// Opens the stores under the roots, brings intent and reality together, and is then ready for calls.
    /// Must run inside a tokio runtime.
    ///
    /// # Errors
    /// When a store cannot be opened (another daemon has it, for example) or the host lacks something vital.
    pub async fn open(config: EngineConfig) -> Result<Engine, Error> {
        let shared = blocking(move || Shared::open(config)).await?;
        let shared = Arc::new(shared);
        reconcile::run(&shared).await?;
        Ok(Engine { shared })
    }

    /// What the daemon was told.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.shared.config
    }

    /// Says good-bye; containers run on.
    ///
    /// Nothing needs to be written: what is not recorded yet is in the supervisors' own records.
    pub async fn shutdown(&self) {}
}

impl Shared {
    fn open(config: EngineConfig) -> Result<Self, Error> {
        make_folder(&config.data_root, 0o711)?;
        make_folder(&config.data_root.join("containers"), 0o710)?;
        make_folder(&config.exec_root.join("containers"), 0o700)?;
        let failed = |what: &'static str| move |error: &dyn std::error::Error| Error::from_cause(what, error);
        let db = Db::open(&config.data_root).map_err(|error| Error::system(crate::error::chain(&error)))?;
        let images = ImageStore::open(&config.data_root, db.clone())
            .map_err(|error| failed("cannot open the image store")(&error))?;
        let volumes = VolumeStore::open(&config.data_root, db.clone())
            .map_err(|error| failed("cannot open the volume store")(&error))?;
        let events = Events::new();
        let networks = Networks::open(db.clone(), &config, events.clone())?;
        let id = identity::ensure(&db)?;
        Ok(Self {
            db,
            images,
            volumes,
            networks,
            events,
            containers: Registry::default(),
            execs: Execs::default(),
            filters: Filters::new(&config.data_root),
            spawner: start_spawner(&config.shim_program),
            volume_pins: Pins::default(),
            host: Host::observe(),
            id,
            cleaner: start_cleaner()?,
            config,
        })
    }

    /// `<root>/containers/<id>`: the log, the name files.
    pub(crate) fn container_folder(&self, id: &str) -> PathBuf {
        self.config.data_root.join("containers").join(id)
    }

    /// `<exec>/containers/<id>`: the supervisor's socket and records.
    pub(crate) fn exec_folder(&self, id: &str) -> PathBuf {
        self.config.exec_root.join("containers").join(id)
    }

    /// Where folders wait to be emptied; on the data root's file system.
    pub(crate) fn trash(&self) -> PathBuf {
        self.config.data_root.join("trash")
    }

    /// Makes a change durable without holding an async thread.
    pub(crate) async fn commit(&self, batch: Batch) -> Result<(), Error> {
        let db = self.db.clone();
        blocking(move || {
            db.commit(batch).map_err(|error| Error::from_cause("cannot record the change", &error))
        })
        .await
    }

    /// Does something that nobody waits for, one after the other.
    pub(crate) fn clean_up(&self, work: impl FnOnce() + Send + 'static) {
        if let Err(mpsc::SendError(work)) = self.cleaner.send(Box::new(work)) {
            work();
        }
    }
}

/// Runs blocking work outside the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => {
            tracing::error!(%error, "a blocking job did not end");
            Err(Error::system("an internal job ended without an answer; the daemon's log tells more"))
        }
    }
}

fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| io_error("create", path, &error))
}

/// Has the spawner's process come up before the first container asks for it.
fn start_spawner(program: &Path) -> shim::Spawner {
    let spawner = shim::Spawner::of(program.to_owned());
    if let Err(error) = spawner.warm_up() {
        tracing::warn!(%error, "supervisors cannot be started yet");
    }
    spawner
}

fn start_cleaner() -> Result<mpsc::Sender<CleanUp>, Error> {
    let (sender, work) = mpsc::channel::<CleanUp>();
    let thread = std::thread::Builder::new().name("cleaner".to_owned()).stack_size(256 << 10);
    thread
        .spawn(move || work.iter().for_each(|work| work()))
        .map_err(|error| Error::from_cause("cannot start a thread", &error))?;
    Ok(sender)
}

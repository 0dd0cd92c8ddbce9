//! The store as a whole: opening, publishing, recording, and keeping no more than is wanted.
//!
//! One mutex guards the layer table and with it every change; a change holds it while its transaction
//! commits, so that what is published, recorded and on disk never disagree. Readers take the published
//! catalog and never wait.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use db::{Batch, Db};
use oci_spec::image::{ImageConfig, Platform};
use reference::{Digest, Reference};
use serde::{Deserialize, Serialize};

use crate::blob::Blobs;
use crate::catalog::{Catalog, ResolveError, stored_form};
use crate::error::StoreError;
use crate::image::Image;
use crate::layers::{LayerRecord, LayerTable, Unheld};
use crate::snapshot;
use crate::trash::Trash;

const IMAGES: &str = "images";
const TAGS: &str = "tags";
const LAYERS: &str = "layers";

/// The image store of one data root. Cheap to clone; calls block unless they are `async`.
#[derive(Clone)]
pub struct ImageStore {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    places: Places,
    blobs: Blobs,
    layers: Mutex<LayerTable>,
    published: RwLock<Arc<Catalog>>,
    /// Layers that pulls are fetching right now.
    turns: Mutex<HashMap<Digest, Weak<Turn>>>,
}

/// Held by the pull that fetches a layer; others wait for it.
pub(crate) type Turn = tokio::sync::Mutex<()>;

/// Where things lie in the data root.
pub(crate) struct Places {
    layers: PathBuf,
    temporary: PathBuf,
    trash: Trash,
}

/// What the intent store keeps of an image beside its config.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct ImageRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tagged_at: Option<String>,
}

/// What the intent store keeps of a name.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NameRecord {
    image: Digest,
}

/// An image that is complete on disk and shall be recorded.
#[derive(Debug)]
pub(crate) struct NewImage {
    /// The config, byte for byte.
    pub(crate) bytes: Vec<u8>,
    /// The same, read.
    pub(crate) config: ImageConfig,
    /// What shall mean it from now on.
    pub(crate) names: Vec<Reference>,
    /// What it was made from here.
    pub(crate) parent: Option<Digest>,
}

/// Keeps layers from being removed until it is dropped.
pub(crate) struct Hold {
    store: ImageStore,
    layers: Vec<Digest>,
}

impl ImageStore {
    /// Opens the store below `root`. Nothing is swept before [`ImageStore::sweep`], which knows the containers.
    pub fn open(root: &Path, db: Db) -> Result<ImageStore, StoreError> {
        let places = Places::open(root)?;
        let blobs = Blobs::open(root)?;
        let mut layers = LayerTable::default();
        for (key, record) in db.scan_json::<LayerRecord>(LAYERS)? {
            match Digest::parse(&key) {
                Ok(diff_id) if places.layer(diff_id.hex()).join("diff").is_dir() => {
                    layers.add_recorded(diff_id, record.size);
                }
                _ => tracing::warn!(layer = key, "a recorded layer is not on disk"),
            }
        }
        let mut catalog = Catalog::default();
        for (key, record) in db.scan_json::<ImageRecord>(IMAGES)? {
            match read_image(&key, record, &blobs, &mut layers) {
                Ok(image) => catalog.insert(image),
                Err(error) => {
                    tracing::warn!(image = key, %error, "an image cannot be used; pull or load it again")
                }
            }
        }
        for (key, record) in db.scan_json::<NameRecord>(TAGS)? {
            match Reference::parse(&key) {
                Ok(name) if catalog.image(&record.image).is_some() => {
                    catalog.set_name(&name, &record.image, None)
                }
                _ => tracing::warn!(name = key, "a name means an image that is not there"),
            }
        }
        let published = RwLock::new(Arc::new(catalog));
        Ok(ImageStore {
            inner: Arc::new(Inner {
                db,
                places,
                blobs,
                layers: Mutex::new(layers),
                published,
                turns: Mutex::default(),
            }),
        })
    }

    /// Removes what nobody wants: content without a record, layers that no image and none of `containers` uses,
    /// snapshots of other containers. `containers` are pairs of container ID and image ID. Call it once, before serving.
    pub fn sweep<'a>(
        &self,
        containers: impl IntoIterator<Item = (&'a str, &'a Digest)>,
    ) -> Result<(), StoreError> {
        let places = self.places();
        let catalog = self.catalog();
        let mut layers = self.layers();
        for (container, image) in containers {
            let noted = snapshot::read_lower(&places.layer(container));
            let wanted = noted.or_else(|| Some(catalog.image(image)?.config().diff_ids().to_vec()));
            if !wanted.is_some_and(|wanted| layers.hold_for_container(container, &wanted)) {
                tracing::warn!(container, "the layers of a container are not there");
            }
        }
        let unheld = layers.take_unheld();
        self.drop_layers(unheld)?;
        places.sweep(|name| {
            layers.of_container(name).is_some()
                || Digest::parse(&format!("sha256:{name}")).is_ok_and(|diff_id| layers.contains(&diff_id))
        })?;
        self.inner
            .blobs
            .sweep(|hex| Digest::parse(&format!("sha256:{hex}")).is_ok_and(|id| catalog.image(&id).is_some()))
    }

    /// All images, by ID.
    pub fn list(&self) -> Vec<Arc<Image>> {
        self.catalog().images().cloned().collect()
    }

    /// The image with this ID.
    pub fn get(&self, id: &Digest) -> Option<Arc<Image>> {
        self.catalog().image(id).cloned()
    }

    /// The image that exactly this name means.
    pub fn find(&self, name: &Reference) -> Option<Arc<Image>> {
        let catalog = self.catalog();
        catalog.image(catalog.named(name)?).cloned()
    }

    /// Finds what a command's argument means: a name, an ID, or the beginning of one.
    ///
    /// The built-in image is made when it is first asked for, and again after it was removed.
    pub fn resolve(&self, text: &str) -> Result<Arc<Image>, ResolveError> {
        let found = self.catalog().resolve(text).cloned();
        match (&found, Reference::parse(text)) {
            (Err(ResolveError::NotFound(_)), Ok(name)) if ImageStore::is_hello(&name) => {
                let made = self.ensure_hello(&name.or_latest());
                made.inspect_err(|error| tracing::warn!(%error, "the built-in image cannot be made"))
                    .or(found)
            }
            _ => found,
        }
    }

    /// The same, but only an image that runs on `platform`.
    pub fn resolve_for(&self, text: &str, platform: Option<&Platform>) -> Result<Arc<Image>, ResolveError> {
        let image = self.resolve(text)?;
        let Some(wanted) = platform else { return Ok(image) };
        let found = image.config().platform();
        match wanted.rank(&found).is_some() || found.variant.is_empty() && is_same_machine(wanted, &found) {
            true => Ok(image),
            false => {
                let canonical = Reference::parse(text).ok().filter(|name| name.to_string() == text);
                let name = canonical.map_or_else(|| text.to_owned(), |name| name.familiar());
                Err(ResolveError::Platform {
                    name,
                    found: found.to_string(),
                    wanted: wanted.normal().to_string(),
                })
            }
        }
    }

    /// The folders with an image's unpacked layers, top first.
    pub fn layer_folders(&self, image: &Image) -> Vec<PathBuf> {
        image.config().diff_ids().iter().rev().map(|layer| self.places().layer(layer.hex())).collect()
    }

    /// The image's config, byte for byte.
    pub fn config_bytes(&self, id: &Digest) -> Result<Vec<u8>, StoreError> {
        self.inner.blobs.read(id)
    }

    /// Makes `name` mean `image` as well.
    pub fn tag(&self, image: &Digest, name: &Reference) -> Result<(), StoreError> {
        let _writing = self.layers();
        let now = SystemTime::now();
        let batch = self.name_batch(image, std::slice::from_ref(name), now);
        self.inner.db.commit(batch)?;
        self.publish(|catalog| catalog.set_name(name, image, Some(now)));
        Ok(())
    }

    pub(crate) fn places(&self) -> &Places {
        &self.inner.places
    }

    pub(crate) fn db(&self) -> &Db {
        &self.inner.db
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.inner.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The layer table, and with it the right to change the store.
    pub(crate) fn layers(&self) -> MutexGuard<'_, LayerTable> {
        self.inner.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what readers see. Only for whoever holds the layer table.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut Catalog)) {
        let mut next = Catalog::clone(&self.catalog());
        change(&mut next);
        *self.inner.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// The lock to fetch a layer under, shared by all who want it at the moment.
    pub(crate) fn turn(&self, diff_id: &Digest) -> Arc<Turn> {
        let mut turns = self.inner.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = turns.get(diff_id).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::new(Turn::default());
        turns.insert(diff_id.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Holds a layer that is there.
    pub(crate) fn hold(&self, diff_id: &Digest) -> Option<Hold> {
        self.layers().hold(diff_id)?;
        Some(Hold { store: self.clone(), layers: vec![diff_id.clone()] })
    }

    /// Puts an unpacked layer (`aside` contains `diff`) in its place and holds it. If it is there already, `aside` goes.
    pub(crate) fn place_layer(&self, diff_id: &Digest, aside: &Path, size: u64) -> Result<Hold, StoreError> {
        let mut layers = self.layers();
        match layers.hold(diff_id) {
            Some(_) => self.places().trash.discard(aside)?,
            None => {
                let place = self.places().layer(diff_id.hex());
                // A crash between rename and record left it: nobody can be using it.
                self.places().trash.discard(&place)?;
                std::fs::rename(aside, &place).map_err(StoreError::io("create", &place))?;
                layers.add_new(diff_id.clone(), size);
            }
        }
        Ok(Hold { store: self.clone(), layers: vec![diff_id.clone()] })
    }

    /// Makes images whose layers are all held durable and visible, in one transaction.
    ///
    /// The answer tells which names meant another image before.
    pub(crate) fn record(
        &self,
        images: Vec<NewImage>,
        holds: Vec<Hold>,
    ) -> Result<Vec<(Reference, Digest)>, StoreError> {
        let mut ids = Vec::with_capacity(images.len());
        for image in &images {
            ids.push(self.inner.blobs.write(&image.bytes)?);
        }
        self.places().sync()?;

        let mut layers = self.layers();
        let catalog = self.catalog();
        let now = SystemTime::now();
        let mut batch = Batch::new();
        let mut moved = Vec::new();
        let mut kept = Vec::new();
        let mut made = Vec::new();
        for (id, image) in ids.iter().zip(&images) {
            let diff_ids = image.config.diff_ids();
            if catalog.image(id).is_none() && !made.iter().any(|other: &Image| other.id() == id) {
                for (diff_id, size) in layers.unrecorded(diff_ids) {
                    batch = batch.put_json(LAYERS, diff_id.as_str(), &LayerRecord { size });
                }
                let record = ImageRecord { parent: image.parent.clone(), tagged_at: None };
                batch = batch.put_json(IMAGES, id.as_str(), &record);
                kept.extend_from_slice(diff_ids);
                made.push(Image {
                    id: id.clone(),
                    config: Arc::new(image.config.clone()),
                    names: Vec::new(),
                    layer_sizes: diff_ids.iter().map(|diff_id| layers.size(diff_id).unwrap_or(0)).collect(),
                    parent: image.parent.clone(),
                    tagged_at: None,
                });
            }
            for name in &image.names {
                if let Some(previous) = catalog.named(name).filter(|previous| *previous != id) {
                    moved.push((name.clone(), previous.clone()));
                }
            }
            let parent = image.parent.clone().or_else(|| catalog.image(id)?.parent().cloned());
            batch = batch.and(name_batch(id, parent, &image.names, now));
        }
        self.inner.db.commit(batch)?;
        for diff_id in &kept {
            layers.hold(diff_id);
        }
        layers.mark_recorded(&kept);
        self.publish(|catalog| {
            for image in made {
                catalog.insert(image);
            }
            for (id, image) in ids.iter().zip(&images) {
                for name in &image.names {
                    catalog.set_name(name, id, Some(now));
                }
            }
        });
        drop(layers);
        drop(holds);
        Ok(moved)
    }

    /// What a transaction must hold for `image` and `names` to disappear; the layers are the caller's concern.
    pub(crate) fn removal_batch(image: Option<&Digest>, names: &[Reference], layers: &[Unheld]) -> Batch {
        let mut batch = Batch::new();
        for name in names {
            batch = batch.delete(TAGS, &stored_form(name).to_string());
        }
        if let Some(id) = image {
            batch = batch.delete(IMAGES, id.as_str());
        }
        layers
            .iter()
            .filter(|layer| layer.is_recorded)
            .fold(batch, |batch, layer| batch.delete(LAYERS, layer.diff_id.as_str()))
    }

    /// Removes layers that nobody holds: the record first, then the files.
    pub(crate) fn drop_layers(&self, unheld: Vec<Unheld>) -> Result<(), StoreError> {
        self.inner.db.commit(ImageStore::removal_batch(None, &[], &unheld))?;
        self.discard_layers(&unheld)
    }

    /// Removes the files of layers that have no record any more.
    pub(crate) fn discard_layers(&self, unheld: &[Unheld]) -> Result<(), StoreError> {
        unheld.iter().try_for_each(|layer| self.places().discard_layer(layer.diff_id.hex()))
    }

    pub(crate) fn discard_config(&self, id: &Digest) {
        self.inner.blobs.remove(id);
    }

    fn name_batch(&self, id: &Digest, names: &[Reference], now: SystemTime) -> Batch {
        let parent = self.catalog().image(id).and_then(|image| image.parent().cloned());
        name_batch(id, parent, names, now)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut layers = self.store.layers();
        let unheld = layers.release(&self.layers);
        if unheld.is_empty() {
            return;
        }
        if let Err(error) = self.store.drop_layers(unheld) {
            tracing::warn!(%error, "an unused layer stays until the next start");
        }
    }
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(&self.layers).finish()
    }
}

impl Places {
    fn open(root: &Path) -> Result<Places, StoreError> {
        let layers = root.join("overlay2");
        let temporary = root.join("tmp");
        for folder in [&layers, &temporary] {
            std::fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
            private(folder)?;
        }
        let trash = Trash::open(&root.join("trash"))?;
        private(&root.join("trash"))?;
        let left = std::fs::read_dir(&temporary).map_err(StoreError::io("read", &temporary))?;
        for entry in left.flatten() {
            trash.discard(&entry.path())?;
        }
        let places = Places { layers, temporary, trash };
        snapshot::ensure_init(&places.init())?;
        Ok(places)
    }

    /// The folder of a layer or of a container's own layer.
    pub(crate) fn layer(&self, name: &str) -> PathBuf {
        self.layers.join(name)
    }

    /// The lowest folder of every container.
    pub(crate) fn init(&self) -> PathBuf {
        self.layers.join("init/diff")
    }

    /// A path in the folder of what is not yet content; nothing is there.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.temporary.join(unique_name())
    }

    pub(crate) fn discard_layer(&self, name: &str) -> Result<(), StoreError> {
        self.trash.discard(&self.layer(name))
    }

    pub(crate) fn discard(&self, path: &Path) -> Result<(), StoreError> {
        self.trash.discard(path)
    }

    /// Makes everything written so far to the data root's file system durable. syncfs(2).
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let folder = std::fs::File::open(&self.layers).map_err(StoreError::io("open", &self.layers))?;
        rustix::fs::syncfs(folder).map_err(StoreError::io("sync", &self.layers))
    }

    fn sweep(&self, is_wanted: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let entries = std::fs::read_dir(&self.layers).map_err(StoreError::io("read", &self.layers))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| name == "init" || is_wanted(name)) {
                self.trash.discard(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// A name that nothing has: 128 random bits.
pub(crate) fn unique_name() -> String {
    let mut bytes = [0; 16];
    // The kernel's generator does not fail once the machine is up; a counter would do as well.
    let _ = getrandom::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn private(folder: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o710))
        .map_err(StoreError::io("chmod", folder))
}

fn is_same_machine(one: &Platform, other: &Platform) -> bool {
    let (one, other) = (one.normal(), other.normal());
    one.os == other.os && one.architecture == other.architecture
}

fn name_batch(id: &Digest, parent: Option<Digest>, names: &[Reference], now: SystemTime) -> Batch {
    if names.is_empty() {
        return Batch::new();
    }
    let record = ImageRecord { parent, tagged_at: Some(units::time::rfc3339_nano(now)) };
    names.iter().fold(Batch::new().put_json(IMAGES, id.as_str(), &record), |batch, name| {
        batch.put_json(TAGS, &stored_form(name).to_string(), &NameRecord { image: id.clone() })
    })
}

fn read_image(
    key: &str,
    record: ImageRecord,
    blobs: &Blobs,
    layers: &mut LayerTable,
) -> Result<Image, StoreError> {
    let damaged = |reason: String| StoreError::Damaged { id: key.to_owned(), reason };
    let id = Digest::parse(key).map_err(|error| damaged(error.to_string()))?;
    let config: ImageConfig =
        serde_json::from_slice(&blobs.read(&id)?).map_err(|error| damaged(error.to_string()))?;
    if let Some(missing) = config.diff_ids().iter().find(|diff_id| !layers.contains(diff_id)) {
        return Err(damaged(format!("layer {missing} is missing")));
    }
    let layer_sizes = config.diff_ids().iter().map(|diff_id| layers.hold(diff_id).unwrap_or(0)).collect();
    Ok(Image {
        id,
        config: Arc::new(config),
        names: Vec::new(),
        layer_sizes,
        parent: record.parent,
        tagged_at: record.tagged_at.as_deref().and_then(units::time::parse_rfc3339),
    })
}

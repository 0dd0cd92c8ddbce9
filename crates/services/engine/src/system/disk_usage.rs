//! `GET /system/df`: what objects take on the disk.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine_api::filters::Filters;
use engine_api::system::DiskUsage;
use engine_api::volume::VolumeUsage;
use reference::Digest;

use super::disk;
use crate::container::inspect::Size;
use crate::engine::{Shared, blocking};
use crate::{Engine, Error, ImageListOptions, ListOptions};

/// Which objects to measure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUsageOptions {
    /// Containers: what each wrote.
    pub containers: bool,
    /// Images: their layers, each counted once.
    pub images: bool,
    /// Volumes: all their files.
    pub volumes: bool,
    /// The builder's cache, which is empty.
    pub build_cache: bool,
}

impl Engine {
    /// Measures objects. Reads the whole tree of every container and volume asked for.
    ///
    /// # Errors
    /// A store or a folder cannot be read.
    pub async fn disk_usage(&self, options: DiskUsageOptions) -> Result<DiskUsage, Error> {
        let mut usage = DiskUsage::default();
        if options.images {
            let list = ImageListOptions { shared_size: true, ..ImageListOptions::default() };
            usage.images = Some(self.image_list(list).await?);
            usage.layers_size = layers_size(&self.shared);
        }
        if options.containers {
            let list = ListOptions { all: true, limit: 0, size: Size::Measured, filters: Filters::default() };
            usage.containers = Some(self.container_list(list).await?);
        }
        if options.volumes {
            let mut volumes = self.volume_list(Filters::default()).await?.volumes;
            let folders: Vec<PathBuf> =
                volumes.iter().map(|volume| volume.mountpoint.clone().into()).collect();
            let sizes = blocking(move || {
                Ok(folders.iter().map(|folder| disk::folder_bytes(folder)).collect::<Vec<_>>())
            })
            .await?;
            for (volume, bytes) in volumes.iter_mut().zip(sizes) {
                let size = i64::try_from(bytes).unwrap_or(i64::MAX);
                let users = self.shared.volume_users(&volume.name, None).len();
                let ref_count = i64::try_from(users).unwrap_or(i64::MAX);
                volume.usage_data = Some(VolumeUsage { ref_count, size });
            }
            usage.volumes = Some(volumes);
        }
        usage.build_cache = options.build_cache.then(Vec::new);
        Ok(usage)
    }
}

/// The bytes of all images' layers; images may have layers in common.
fn layers_size(shared: &Shared) -> i64 {
    let images = shared.images.list();
    let layers: BTreeMap<&Digest, u64> = images
        .iter()
        .flat_map(|image| image.config().diff_ids().iter().zip(image.layer_sizes().iter().copied()))
        .collect();
    i64::try_from(layers.values().sum::<u64>()).unwrap_or(i64::MAX)
}

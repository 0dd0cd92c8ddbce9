//! The image `gantry/hello`: built in, made when it is first asked for, so that a fresh machine without a
//! network can run something.

use std::io::Cursor;
use std::sync::Arc;

use oci_spec::image::{Defaults, History, ImageConfig, Platform, RootFs};
use reference::Reference;

use crate::error::StoreError;
use crate::image::Image;
use crate::layer::{LayerError, unpack_aside};
use crate::store::ImageStore;

/// The name that means the built-in image.
pub const HELLO: &str = "docker.io/gantry/hello:latest";

/// When the image was made, as its config says: a fixed time, so that its ID tells what is in it.
const MADE: &str = "2026-01-01T00:00:00Z";

impl ImageStore {
    /// True if `name` means the built-in image.
    pub(crate) fn is_hello(name: &Reference) -> bool {
        name.digest().is_none() && name.clone().or_latest().to_string() == HELLO
    }

    /// Gives a name to the built-in image, making it if it is not there.
    pub fn ensure_hello(&self, name: &Reference) -> Result<Arc<Image>, StoreError> {
        if let Some(image) = self.find(name) {
            return Ok(image);
        }
        let layer =
            unpack_aside(self, Cursor::new(archive(sys::programs::HELLO))).map_err(|error| match error {
                LayerError::Store(error) => error,
                other => StoreError::Damaged { id: HELLO.to_owned(), reason: other.to_string() },
            })?;
        let platform = Platform::host();
        let config = ImageConfig {
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            comment: "built into Gantry".to_owned(),
            config: Some(Defaults { cmd: Some(vec!["/hello".to_owned()]), ..Defaults::default() }),
            created: Some(MADE.to_owned()),
            history: Some(vec![History {
                created: Some(MADE.to_owned()),
                created_by: "COPY hello /hello".to_owned(),
                comment: "built into Gantry".to_owned(),
                ..History::default()
            }]),
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: vec![layer.diff_id.clone()],
                ..RootFs::default()
            },
            ..ImageConfig::default()
        };
        let hold = layer.place()?;
        self.record_one(config, vec![name.clone()], vec![hold])
    }
}

/// A tar archive that holds one program, `hello`.
fn archive(program: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, "hello");
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", program.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(program);
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

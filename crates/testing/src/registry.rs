//! Debian's `docker-registry` on loopback, filled by the distribution protocol without any engine.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::http::{self, Address, Answer, Request};
use crate::images::{Image, digest};
use crate::program::{self, Running};
use crate::wait::{self, PATIENCE};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A running registry; ends when dropped.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    process: Running,
}

impl Registry {
    /// Starts a registry on `127.0.0.1:port` that keeps its data and configuration in `folder`.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn start(folder: &Path, port: u16) -> Self {
        Self::configured(folder, port, "")
    }

    /// Like [`Registry::start`], with basic authentication: user `me`, password `secret`.
    #[track_caller]
    pub fn with_password(folder: &Path, port: u16) -> Self {
        let file = folder.join("htpasswd");
        std::fs::write(&file, "me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n")
            .expect("the folder exists");
        let auth = format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display());
        Self::configured(folder, port, &auth)
    }

    #[track_caller]
    fn configured(folder: &Path, port: u16, more: &str) -> Self {
        let config = folder.join(format!("registry-{port}.yml"));
        let data = folder.join(format!("registry-{port}"));
        let text = format!(
            "version: 0.1\nlog:\n  level: debug\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
            data.display()
        );
        std::fs::write(&config, text).expect("the folder exists");
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&config).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let registry = Self { port, process: program::start(command, "docker-registry") };
        let ping = Request::new("GET", "/v2/");
        let ready = wait::until(PATIENCE, || http::send(&registry.address(), &ping).is_ok());
        assert!(ready, "the registry stays silent\n{}", registry.log());
        registry
    }

    /// `localhost:port`, as image names begin.
    pub fn name(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn address(&self) -> Address {
        Address::Tcp(format!("127.0.0.1:{}", self.port))
    }

    /// What the registry logged: every request with its path.
    pub fn log(&self) -> String {
        self.process.stderr_so_far() + &self.process.stdout_so_far()
    }

    /// Sends one request to the registry.
    ///
    /// # Panics
    /// When there is no answer.
    #[track_caller]
    pub fn ask(&self, request: &Request) -> Answer {
        http::send(&self.address(), request)
            .unwrap_or_else(|error| panic!("registry: {error}\n{}", self.log()))
    }

    /// Stores `image` under `repository` and `tag`, with compressed layers as a push does; the manifest's digest.
    #[track_caller]
    pub fn push(&self, image: &Image, repository: &str, tag: &str) -> String {
        let document = image.document();
        let layers: Vec<Vec<u8>> = image.layers.iter().map(|layer| gzip(layer)).collect();
        for blob in layers.iter().chain([&document]) {
            self.push_blob(repository, blob);
        }
        let layers: Vec<Value> = layers
            .iter()
            .map(|layer| {
                json!({ "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": layer.len(), "digest": digest(layer) })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": layers,
            "config": { "mediaType": "application/vnd.docker.container.image.v1+json",
                        "size": document.len(), "digest": digest(&document) },
        });
        self.push_manifest(repository, tag, MANIFEST, manifest.to_string().into_bytes())
    }

    /// Stores a manifest as it stands; its digest.
    #[track_caller]
    pub fn push_manifest(&self, repository: &str, tag: &str, kind: &str, bytes: Vec<u8>) -> String {
        let name = digest(&bytes);
        let put = Request::new("PUT", &format!("/v2/{repository}/manifests/{tag}"));
        self.ask(&put.header(&format!("Content-Type: {kind}")).body(bytes)).expect(201);
        name
    }

    #[track_caller]
    fn push_blob(&self, repository: &str, blob: &[u8]) {
        let start = self.ask(&Request::new("POST", &format!("/v2/{repository}/blobs/uploads/"))).expect(202);
        let location = start.header("location").expect("an upload has a place").to_owned();
        let path = location.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.unwrap_or(&location);
        let joint = if path.contains('?') { '&' } else { '?' };
        let put = Request::new("PUT", &format!("{path}{joint}digest={}", digest(blob)));
        self.ask(&put.header("Content-Type: application/octet-stream").body(blob)).expect(201);
    }
}

/// Compresses as `docker push` does.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

//! The stand-in images: small, made here byte by byte, so that no test needs another engine or a network.
//!
//! Every one stands on Debian's `busybox-static`. `t/…` is the family name; `busybox` alone is the same image
//! under the name that documents use.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::tar::Archive;

/// An image as data: layers from the bottom to the top, and the configuration.
#[derive(Clone, Debug)]
pub struct Image {
    /// Names with tags, the first one is the main name.
    pub names: Vec<String>,
    /// Uncompressed layer archives, lowest first.
    pub layers: Vec<Vec<u8>>,
    /// The `config` part: `Cmd`, `Env`, `ExposedPorts`…
    pub config: Value,
}

/// `sha256:` and 64 hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(bytes))
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Image {
    fn new(name: &str, layers: Vec<Vec<u8>>, config: Value) -> Self {
        Self { names: vec![format!("{name}:latest")], layers, config }
    }

    /// The same image under one more name with tag.
    #[must_use]
    pub fn also(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// The same image under another name with tag instead.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names = vec![name.to_owned()];
        self
    }

    /// With one more layer on top.
    #[must_use]
    pub fn layer(mut self, archive: Archive) -> Self {
        self.layers.push(archive.finish());
        self
    }

    /// With this field of the configuration set.
    #[must_use]
    pub fn set(mut self, key: &str, value: Value) -> Self {
        self.config[key] = value;
        self
    }

    /// The main name.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// The configuration document, whose digest is the image's ID.
    pub fn document(&self) -> Vec<u8> {
        let mut config =
            json!({ "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"] });
        if let (Some(all), Some(own)) = (config.as_object_mut(), self.config.as_object()) {
            all.extend(own.clone());
        }
        let diff_ids: Vec<String> = self.layers.iter().map(|layer| digest(layer)).collect();
        let history: Vec<Value> = self
            .layers
            .iter()
            .map(|_| json!({ "created": "2025-01-02T03:04:05Z", "created_by": "stand-in layer" }))
            .collect();
        json!({
            "architecture": "amd64", "os": "linux", "created": "2025-01-02T03:04:05Z",
            "config": config, "rootfs": { "type": "layers", "diff_ids": diff_ids }, "history": history,
        })
        .to_string()
        .into_bytes()
    }

    /// The image's ID.
    pub fn id(&self) -> String {
        digest(&self.document())
    }

    /// The archive that `docker load` reads.
    pub fn archive(&self) -> Vec<u8> {
        let document = self.document();
        let config = format!("{}.json", hex(&document));
        let mut archive = Archive::new().file(&config, 0o644, document);
        let mut layers = Vec::new();
        for layer in &self.layers {
            let name = format!("{}/layer.tar", hex(layer));
            if !layers.contains(&name) {
                archive = archive.file(&name, 0o644, layer.clone());
            }
            layers.push(name);
        }
        let manifest = json!([{ "Config": config, "RepoTags": self.names, "Layers": layers }]);
        archive.file("manifest.json", 0o644, manifest.to_string()).finish()
    }
}

/// Where Debian puts the static busybox.
fn busybox_binary() -> &'static Path {
    ["/bin/busybox", "/usr/bin/busybox"]
        .iter()
        .map(Path::new)
        .find(|path| path.exists())
        .expect("busybox-static is installed: cargo xtask setup")
}

/// The root file system of `t/busybox` as an archive, as `docker import` takes it.
pub fn busybox_rootfs() -> &'static [u8] {
    static LAYER: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let applets = crate::program::shell(&format!("{} --list", busybox_binary().display())).ok();
        let binary = std::fs::read(busybox_binary()).expect("busybox is readable");
        let mut archive = Archive::new().folder("bin/", 0o755).file("bin/busybox", 0o755, binary);
        for applet in applets.lines().into_iter().filter(|applet| *applet != "busybox") {
            archive = archive.symlink(&format!("bin/{applet}"), "busybox");
        }
        for folder in ["etc/", "home/", "root/", "srv/", "usr/", "usr/bin/", "usr/sbin/", "var/", "var/log/"]
        {
            archive = archive.folder(folder, 0o755);
        }
        archive
            .folder("tmp/", 0o1777)
            .file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/srv:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
            .file("etc/group", 0o644, "root:x:0:\nwww-data:x:33:\nmongo:x:999:\nnogroup:x:65534:\n")
            .finish()
    });
    &LAYER
}

/// `t/busybox`, also `busybox`: a shell and every applet.
pub fn busybox() -> Image {
    Image::new("t/busybox", vec![busybox_rootfs().to_vec()], json!({ "Cmd": ["sh"] })).also("busybox:latest")
}

fn on_busybox(name: &str, config: Value) -> Image {
    Image::new(name, vec![busybox_rootfs().to_vec()], config)
}

/// `t/web:v1` or `:v2`: a web server on port 80 whose page is its version and host name, with its access
/// log linked to standard output.
pub fn web(version: &str) -> Image {
    let page = format!(
        "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\necho \"web {version} on $(hostname)\"\n"
    );
    on_busybox(
        "t/web",
        json!({
            "Cmd": ["httpd", "-f", "-vv", "-p", "80", "-h", "/www"], "ExposedPorts": { "80/tcp": {} },
        }),
    )
    .layer(
        Archive::new()
            .folder("www/", 0o755)
            .folder("www/cgi-bin/", 0o755)
            .file("www/index.html", 0o644, format!("web {version}\n"))
            .file("www/cgi-bin/host", 0o755, page)
            .folder("var/log/httpd/", 0o755)
            .symlink("var/log/httpd/access.log", "/dev/stdout"),
    )
    .named(&format!("t/web:{version}"))
}

/// `t/echo`: answers `echo` to every HTTP request on port 80, and sends lines back on TCP and UDP port 7.
pub fn echo() -> Image {
    let serve =
        "nc -lk -p 7 -e cat & while :; do nc -lu -p 7 -w 1 -e cat; done & exec httpd -f -p 80 -h /www";
    on_busybox(
        "t/echo",
        json!({
            "Cmd": ["sh", "-c", serve], "ExposedPorts": { "80/tcp": {}, "7/tcp": {}, "7/udp": {} },
        }),
    )
    .layer(Archive::new().folder("www/", 0o755).file("www/index.html", 0o644, "echo\n"))
}

/// `t/hog N`: takes and touches N MiB of memory, then says so and waits.
pub fn hog() -> Image {
    let script = "#!/bin/sh\n# A variable of N MiB: the shell holds it in its own heap.\n\
                  block=$(head -c \"${1:-1}m\" /dev/zero | tr '\\0' x)\necho \"took ${#block} bytes\"\nexec sleep 1000\n";
    on_busybox("t/hog", json!({ "Entrypoint": ["/bin/hog"] }))
        .layer(Archive::new().file("bin/hog", 0o755, script))
}

/// `t/ping3`: an entry point with default arguments, that a command replaces.
pub fn ping3() -> Image {
    on_busybox("t/ping3", json!({ "Entrypoint": ["echo", "ping", "-c", "3"], "Cmd": ["localhost"] }))
        .also("ping3:latest")
}

/// `t/db`: runs as user 999, with two volumes that hold a file from the image.
pub fn db() -> Image {
    on_busybox(
        "t/db",
        json!({
            "User": "999", "Cmd": ["sleep", "1000"], "ExposedPorts": { "27017/tcp": {} },
            "Volumes": { "/data/db": {}, "/data/configdb": {} },
        }),
    )
    .layer(
        Archive::new()
            .folder("data/", 0o755)
            .folder("data/db/", 0o777)
            .file("data/db/seed", 0o644, "from the image\n")
            .folder("data/configdb/", 0o777),
    )
}

/// `t/layers`: three layers that each change `/version`, the last of which also deletes a file of the first.
pub fn layers() -> Image {
    let one =
        Archive::new().file("version", 0o644, "one\n").file("first-only", 0o644, "1\n").folder("dir/", 0o755);
    let one = one.file("dir/old", 0o644, "old\n");
    let two = Archive::new().file("version", 0o644, "two\n").file("second-only", 0o644, "2\n");
    let three = Archive::new().file("version", 0o644, "three\n").file(".wh.first-only", 0o644, "");
    let three =
        three.folder("dir/", 0o755).file("dir/.wh..wh..opq", 0o644, "").file("dir/new", 0o644, "new\n");
    on_busybox("t/layers", json!({ "Cmd": ["cat", "/version"] })).layer(one).layer(two).layer(three)
}

/// `t/logs`: an application that writes its log to a file which the image links to standard output.
pub fn logs() -> Image {
    let script = "#!/bin/sh\necho 'access line' >>/var/log/app/access.log\necho 'error line' >>/var/log/app/error.log\n";
    on_busybox("t/logs", json!({ "Cmd": ["/bin/app"] })).layer(
        Archive::new()
            .folder("var/log/app/", 0o755)
            .symlink("var/log/app/access.log", "/dev/stdout")
            .symlink("var/log/app/error.log", "/dev/stderr")
            .file("bin/app", 0o755, script),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_the_same_bytes_each_time() {
        assert_eq!(web("v1").archive(), web("v1").archive());
        assert_ne!(web("v1").id(), web("v2").id());
    }
}

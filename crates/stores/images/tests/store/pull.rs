//! Pulling from Debian's registry, and from one that answers from a script.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ::images::{Credentials, Event, Image, LayerStep, PullError, PullRequest, RegistryConfig};
use oci_spec::image::Platform;
use reference::Reference;
use serde_json::{Value, json};
use testing::images::{self, digest};
use testing::registry::{Registry, gzip};

use crate::bench::Bench;
use crate::server::{Reply, Request, Server};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

struct Pulled {
    outcome: Result<Vec<Arc<Image>>, PullError>,
    events: Vec<Event>,
}

impl Pulled {
    fn error(self) -> String {
        self.outcome.err().map(|error| error.to_string()).unwrap_or_default()
    }

    fn image(self) -> Arc<Image> {
        self.outcome.unwrap().remove(0)
    }

    /// The words of all steps of layers, in order.
    fn steps(&self) -> Vec<String> {
        let step = |event: &Event| match event {
            Event::Layer { step, .. } => Some(step.status()),
            _ => None,
        };
        self.events.iter().filter_map(step).collect()
    }
}

fn request(name: &str) -> PullRequest {
    PullRequest {
        reference: Reference::parse(name).unwrap(),
        platform: None,
        credentials: Credentials::Anonymous,
    }
}

fn pull_as(bench: &Bench, request: PullRequest) -> Pulled {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let progress = Arc::new(move |event| log.lock().unwrap().push(event));
    let outcome = runtime.block_on(bench.store.pull(request, &RegistryConfig::default(), progress));
    let events = events.lock().unwrap().clone();
    Pulled { outcome, events }
}

fn pull(bench: &Bench, name: &str) -> Pulled {
    pull_as(bench, request(name))
}

#[test]
fn a_pushed_image_arrives_whole() {
    testing::on_host(&[], |host| {
        let registry = Registry::start(host.folder(), 5000);
        let found = registry.push(&images::layers(), "t/layers", "1");
        let bench = Bench::new();
        let pulled = pull(&bench, "localhost:5000/t/layers:1");
        assert_eq!(
            pulled.events.first(),
            Some(&Event::PullingFrom { version: "1".to_owned(), repository: "t/layers".to_owned() })
        );
        let steps = pulled.steps();
        for step in [
            "Pulling fs layer",
            "Downloading",
            "Verifying Checksum",
            "Download complete",
            "Extracting",
            "Pull complete",
        ] {
            assert!(
                steps.iter().filter(|seen| *seen == step).count() >= images::layers().layers.len(),
                "{step}: {steps:?}"
            );
        }
        let last = &pulled.events[pulled.events.len() - 2..];
        let named = "localhost:5000/t/layers:1".to_owned();
        assert_eq!(
            last,
            [
                Event::Digest(found.parse().unwrap()),
                Event::Pulled { reference: named.clone(), is_newer: true }
            ]
        );
        let image = pulled.image();
        assert_eq!(image.id().as_str(), images::layers().id());
        assert_eq!(image.repo_tags(), std::slice::from_ref(&named));
        assert_eq!(image.repo_digests(), [format!("localhost:5000/t/layers@{found}")]);

        let again = pull(&bench, &named);
        assert!(again.events.contains(&Event::Pulled { reference: named, is_newer: false }));
        assert_eq!(again.steps(), Vec::<String>::new());
        // Another image on the same layer fetches only its own.
        registry.push(&images::echo(), "t/echo", "latest");
        let other = pull(&bench, "localhost:5000/t/echo:latest");
        assert_eq!(other.steps()[0], "Already exists");
        // By digest the tag means nothing.
        let by_digest = pull(&bench, &format!("localhost:5000/t/layers:nope@{found}")).image();
        assert_eq!(by_digest.id(), image.id());
        assert!(bench.store.resolve("localhost:5000/t/layers:nope").is_err());
        // No tag means all tags.
        registry.push(&images::web("1"), "t/layers", "2");
        assert_eq!(pull(&bench, "localhost:5000/t/layers").outcome.unwrap().len(), 2);

        for (name, expected) in [
            (
                "localhost:5000/t/layers:nope",
                "manifest for localhost:5000/t/layers:nope not found: manifest unknown: manifest unknown",
            ),
            (
                "localhost:5000/nope:1",
                "manifest for localhost:5000/nope:1 not found: manifest unknown: manifest unknown",
            ),
            (
                "localhost:1/x:1",
                "Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            ),
            ("scratch:latest", "'scratch' is a reserved name"),
        ] {
            assert_eq!(pull(&bench, name).error(), expected);
        }
    });
}

#[test]
fn pulls_at_the_same_time_share_their_layers() {
    testing::on_host(&[], |host| {
        let registry = Registry::start(host.folder(), 5000);
        registry.push(&images::layers(), "t/layers", "1");
        let bench = Bench::new();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    assert_eq!(
                        pull(&bench, "localhost:5000/t/layers:1").image().id().as_str(),
                        images::layers().id()
                    );
                });
            }
        });
        for layer in &images::layers().layers {
            let blob = digest(&gzip(layer));
            let asked = registry
                .log()
                .lines()
                .filter(|line| line.contains(&blob) && line.contains("response completed"))
                .count();
            // Once pushed, once pulled.
            assert!(asked <= 3, "layer {blob} was asked for {asked} times");
        }
        assert_eq!(bench.content().len(), images::layers().layers.len() + 1);
    });
}

/// One image behind a script; `change` may answer a request in its own way.
struct Scripted {
    config: Vec<u8>,
    layers: Vec<Vec<u8>>,
    manifest: Vec<u8>,
}

impl Scripted {
    fn new(image: &images::Image) -> Scripted {
        let config = image.document();
        let layers: Vec<Vec<u8>> = image.layers.iter().map(|layer| gzip(layer)).collect();
        let part = |kind: &str, bytes: &[u8]| json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
        let parts: Vec<Value> = layers
            .iter()
            .map(|layer| part("application/vnd.docker.image.rootfs.diff.tar.gzip", layer))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "layers": parts,
            "config": part("application/vnd.docker.container.image.v1+json", &config),
        });
        Scripted { config, layers, manifest: manifest.to_string().into_bytes() }
    }

    fn answer(&self, request: &Request) -> Reply {
        let path = request.path();
        let not_found = json!({ "errors": [{ "code": "MANIFEST_UNKNOWN", "message": "manifest unknown" }] });
        if path == "/v2/" {
            return Reply::new(200, "{}");
        }
        if path.contains("/manifests/") {
            return match path.ends_with("/1") || path.ends_with(&digest(&self.manifest)) {
                true => Reply::new(200, self.manifest.clone())
                    .header("Content-Type", MANIFEST)
                    .header("Docker-Content-Digest", &digest(&self.manifest)),
                false => Reply::json(404, &not_found),
            };
        }
        let blobs = self.layers.iter().chain([&self.config]);
        let found = blobs.into_iter().find(|blob| path.ends_with(&digest(blob)));
        found.map_or_else(|| Reply::json(404, &not_found), |blob| Reply::new(200, blob.clone()))
    }

    fn is_layer(&self, request: &Request) -> bool {
        self.layers.iter().any(|layer| request.path().ends_with(&digest(layer)))
    }
}

#[test]
fn a_broken_transfer_goes_on_where_it_broke() {
    for can_resume in [true, false] {
        let bench = Bench::new();
        let script = Scripted::new(&images::busybox());
        let tries = AtomicUsize::new(0);
        let server = Server::start(move |request| {
            if !script.is_layer(request) {
                return script.answer(request);
            }
            let layer = &script.layers[0];
            let start = request
                .header("range")
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            let reply = match start {
                Some(start) if can_resume => Reply::new(206, &layer[start..]),
                _ => Reply::new(200, layer.clone()),
            };
            match tries.fetch_add(1, Ordering::SeqCst) {
                0 => reply.cut(200_000),
                1 => reply.cut(300_000),
                _ => reply,
            }
        });
        let pulled = pull(&bench, &format!("{}/t/x:1", server.name()));
        assert!(pulled.steps().contains(&LayerStep::Retrying { seconds: 1 }.status()));
        assert_eq!(pulled.image().id().as_str(), images::busybox().id());
        let ranges: Vec<String> =
            server.seen().iter().filter_map(|request| request.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges.len(), 2, "{ranges:?}");
        assert_ne!(ranges[0], "bytes=0-");
    }
}

#[test]
fn nothing_is_believed_unseen() {
    let image = images::busybox();
    let layer = gzip(&image.layers[0]);
    let mut wrong = layer.clone();
    let middle = wrong.len() / 2;
    wrong[middle] ^= 1;
    let other = gzip(&testing::tar::Archive::new().file("x", 0o644, "x").finish());
    for (name, expected) in [
        ("layer", format!("filesystem layer verification failed for digest {}", digest(&layer))),
        ("long", format!("filesystem layer verification failed for digest {}", digest(&layer))),
        (
            "config",
            "error pulling image configuration: image config verification failed for digest".to_owned(),
        ),
        ("manifest", "manifest verification failed for digest".to_owned()),
        ("other", "layers from manifest don't match image configuration".to_owned()),
    ] {
        let bench = Bench::new();
        let mut script = Scripted::new(&image);
        if name == "other" {
            let text = String::from_utf8(script.manifest.clone()).unwrap();
            let text = text.replace(&digest(&layer), &digest(&other));
            script.manifest = text
                .replace(&format!("\"size\":{}", layer.len()), &format!("\"size\":{}", other.len()))
                .into_bytes();
            script.layers = vec![other.clone()];
        }
        let (wrong, layer) = (wrong.clone(), layer.clone());
        let server = Server::start(move |request| match name {
            "layer" if script.is_layer(request) => Reply::new(200, wrong.clone()),
            "long" if script.is_layer(request) => Reply::new(200, [layer.clone(), vec![0; 10]].concat()),
            "config" if request.path().ends_with(&digest(&script.config)) => Reply::new(200, "{}"),
            "manifest" if request.line.starts_with("GET") && request.path().contains("/manifests/") => {
                Reply::new(200, [script.manifest.clone(), b" ".to_vec()].concat())
                    .header("Content-Type", MANIFEST)
            }
            _ => script.answer(request),
        });
        let error = pull(&bench, &format!("{}/t/x:1", server.name())).error();
        assert!(error.starts_with(&expected), "{name}: {error}");
        assert_eq!((bench.content(), bench.store.list().len()), (Vec::new(), 0), "{name}");
    }
}

#[test]
fn the_platform_chooses_the_manifest() {
    let bench = Bench::new();
    let (mine, theirs) = (Scripted::new(&images::busybox()), Scripted::new(&images::echo()));
    let entry = |script: &Scripted, architecture: &str| {
        json!({ "mediaType": MANIFEST, "digest": digest(&script.manifest), "size": script.manifest.len(),
                "platform": { "os": "linux", "architecture": architecture } })
    };
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry(&theirs, "s390x"), entry(&mine, "amd64")] });
    let index = index.to_string().into_bytes();
    let found = digest(&index);
    let server = Server::start(move |request| {
        if request.path().ends_with("/manifests/many") || request.path().ends_with(&digest(&index)) {
            return Reply::new(200, index.clone())
                .header("Content-Type", INDEX)
                .header("Docker-Content-Digest", &digest(&index));
        }
        [&mine, &theirs]
            .into_iter()
            .find_map(|script| {
                let known = script.answer(request);
                request
                    .path()
                    .contains(&digest(&script.manifest))
                    .then_some(known)
                    .or_else(|| {
                        request.path().contains(&digest(&script.config)).then(|| script.answer(request))
                    })
                    .or_else(|| script.is_layer(request).then(|| script.answer(request)))
            })
            .unwrap_or_else(|| Reply::new(200, "{}"))
    });
    let name = format!("{}/t/x:many", server.name());
    let image = pull(&bench, &name).image();
    assert_eq!(image.id().as_str(), images::busybox().id());
    assert_eq!(image.repo_digests(), [format!("{}/t/x@{found}", server.name())]);
    let wanted =
        |platform: &str| PullRequest { platform: Some(Platform::parse(platform).unwrap()), ..request(&name) };
    assert_eq!(
        pull_as(&bench, wanted("linux/riscv64")).error(),
        "no matching manifest for linux/riscv64 in the manifest list entries"
    );
    // What the index calls s390x says amd64 itself: pulled, with a warning.
    let pulled = pull_as(&bench, wanted("linux/s390x"));
    let warning = pulled.events.iter().find(|event| matches!(event, Event::Warning(_)));
    let expected = format!(
        "image with reference {name} was found but its platform (linux/amd64) does not match the specified platform (linux/s390x)"
    );
    assert_eq!(warning, Some(&Event::Warning(expected)));
}

#[test]
fn a_token_is_fetched_for_the_repository_and_shown_to_nobody_else() {
    let bench = Bench::new();
    let script = Arc::new(Scripted::new(&images::busybox()));
    let blobs = Arc::clone(&script);
    // Where blobs are redirected to: must see no proof.
    let elsewhere = Server::start(move |request| blobs.answer(request));
    let (token, blob) = (
        Server::start(|request| match request.header("authorization") {
            Some("Basic bWU6c2VjcmV0") => Reply::json(200, &json!({ "token": "good" })),
            None => Reply::json(200, &json!({ "access_token": "anonymous" })),
            Some(_) => Reply::json(
                401,
                &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "incorrect username or password" }] }),
            ),
        }),
        elsewhere.name(),
    );
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"the service\"", token.name());
    let server = Server::start(move |request| match request.header("authorization") {
        Some("Bearer good") if script.is_layer(request) => {
            Reply::new(307, "").header("Location", &format!("http://{blob}{}", request.path()))
        }
        Some("Bearer good") => script.answer(request),
        Some(_) => Reply::json(401, &json!({ "errors": [{ "code": "UNAUTHORIZED" }] }))
            .header("WWW-Authenticate", &format!("{realm},error=\"insufficient_scope\"")),
        None => Reply::json(401, &json!({ "errors": [{ "code": "UNAUTHORIZED" }] }))
            .header("WWW-Authenticate", &realm),
    });
    let name = format!("{}/t/x:1", server.name());
    let with = |user: &str, password: &str| PullRequest {
        credentials: Credentials::Password { user: user.to_owned(), password: password.to_owned() },
        ..request(&name)
    };
    assert_eq!(
        pull(&bench, &name).error(),
        format!(
            "pull access denied for {}/t/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            server.name()
        )
    );
    assert_eq!(
        pull_as(&bench, with("me", "wrong")).error(),
        format!(
            "Head \"http://{}/v2/t/x/manifests/1\": unauthorized: incorrect username or password",
            server.name()
        )
    );
    assert_eq!(pull_as(&bench, with("me", "secret")).image().id().as_str(), images::busybox().id());
    let asked = token.seen().last().unwrap().path().to_owned();
    assert_eq!(asked, "/token?account=me&scope=repository%3At%2Fx%3Apull&service=the%20service");
    assert!(!elsewhere.seen().is_empty());
    assert!(elsewhere.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_password_is_shown_where_it_is_asked_for() {
    let bench = Bench::new();
    let script = Scripted::new(&images::busybox());
    let server = Server::start(move |request| match request.header("authorization") {
        Some("Basic bWU6c2VjcmV0") => script.answer(request),
        _ => Reply::json(
            401,
            &json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] }),
        )
        .header("WWW-Authenticate", "Basic realm=\"test\""),
    });
    let name = format!("{}/t/x:1", server.name());
    assert_eq!(
        pull(&bench, &name).error(),
        format!("Head \"http://{}/v2/t/x/manifests/1\": no basic auth credentials", server.name())
    );
    let with = |password: &str| PullRequest {
        credentials: Credentials::Password { user: "me".to_owned(), password: password.to_owned() },
        ..request(&name)
    };
    assert_eq!(pull_as(&bench, with("wrong")).error(), "unauthorized: authentication required");
    assert!(pull_as(&bench, with("secret")).outcome.is_ok());
}

#[test]
fn what_is_no_image_is_refused() {
    let bench = Bench::new();
    let reply = Arc::new(Mutex::new(Reply::new(200, "")));
    let answers = Arc::clone(&reply);
    let server = Server::start(move |request| match request.path().contains("/manifests/") {
        true => answers.lock().unwrap().clone(),
        false => Reply::new(200, "{}"),
    });
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (kind, body, expected) in [
        (
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            json!({ "schemaVersion": 1 }),
            "Docker Image Format v1 and",
        ),
        (
            "application/vnd.cncf.helm.config.v1+json",
            json!({}),
            "unsupported media type application/vnd.cncf.helm.config.v1+json",
        ),
        (
            MANIFEST,
            json!({ "schemaVersion": 2, "layers": [], "config": { "mediaType": "application/vnd.docker.plugin.v1+json", "digest": digest, "size": 1 } }),
            "Encountered remote \"application/vnd.docker.plugin.v1+json\"(plugin) when fetching",
        ),
        (
            MANIFEST,
            json!({ "schemaVersion": 2, "manifests": [], "config": {} }),
            "unsupported manifest format",
        ),
    ] {
        *reply.lock().unwrap() = Reply::new(200, body.to_string()).header("Content-Type", kind);
        let error = pull(&bench, &format!("{}/t/x:1", server.name())).error();
        assert!(error.starts_with(expected), "{error} instead of {expected}");
    }
    *reply.lock().unwrap() = Reply::new(500, "down");
    assert_eq!(
        pull(&bench, &format!("{}/t/x:1", server.name())).error(),
        "received unexpected HTTP status: 500 Internal Server Error"
    );
    assert_eq!(bench.content(), Vec::<String>::new());
}

#[test]
fn a_pull_that_is_dropped_leaves_nothing() {
    let bench = Bench::new();
    let script = Scripted::new(&images::layers());
    let last = digest(script.layers.last().unwrap());
    let server = Server::start(move |request| {
        if request.path().ends_with(&last) {
            // Never answers: the pull waits for it.
            std::thread::park();
        }
        script.answer(request)
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (sender, complete) = std::sync::mpsc::channel();
    let progress = Arc::new(move |event| {
        if matches!(event, Event::Layer { step: LayerStep::Complete, .. }) {
            let _ = sender.send(());
        }
    });
    let store = bench.store.clone();
    let request = request(&format!("{}/t/x:1", server.name()));
    let task = runtime
        .spawn(async move { store.pull(request, &RegistryConfig::default(), progress).await.map(drop) });
    complete.recv_timeout(testing::wait::PATIENCE).unwrap();
    task.abort();
    assert!(
        testing::wait::until(testing::wait::PATIENCE, || bench.content().is_empty()),
        "{:?}",
        bench.content()
    );
}

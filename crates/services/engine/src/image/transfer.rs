//! `pull`, `load`, `import`, and asking a registry about credentials.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::auth::AuthConfig;
use engine_api::progress::ProgressLine;
use images::{Credentials, Event, Mirror, Progress, PullRequest, RegistryConfig, load_report};
use oci_spec::image::Platform;
use reference::{Digest, ParseError, Reference};

use super::change::imported_name;
use super::feed::Feed;
use super::{ImportOptions, LoadOptions, ProgressStream, PullOptions};
use crate::Engine;
use crate::engine::{Shared, blocking};
use crate::error::{Error, Kind, chain};

impl Engine {
    /// `POST /images/create?fromImage=`. Returns with the first line, so that an early failure is a plain error.
    ///
    /// # Errors
    /// What failed before there was anything to tell.
    pub async fn image_pull(&self, options: PullOptions) -> Result<ProgressStream, Error> {
        let request = PullRequest {
            reference: pulled_reference(&options.image, &options.tag)?,
            platform: platform(&options.platform)?,
            credentials: credentials(options.auth),
        };
        let feed = Feed::default();
        let sink = feed.clone();
        let shared = self.shared.clone();
        let task = tokio::spawn(async move {
            let outcome = pull(&shared, request, &sink).await;
            sink.finish(outcome);
        });
        // From here on a caller that goes away ends the pull.
        let stream = feed.clone().into_stream(Some(task.abort_handle()));
        feed.begun().await?;
        Ok(stream)
    }

    /// `POST /images/create?fromSrc=-`: gives the id of the new image. `archive` is read on a blocking thread.
    ///
    /// # Errors
    /// `InvalidParameter` for wrong names, changes or archives.
    pub async fn image_import(
        &self,
        options: ImportOptions,
        archive: Box<dyn Read + Send>,
    ) -> Result<String, Error> {
        let name = match options.repo.as_str() {
            "" => None,
            repo => Some(imported_name(repo, &options.tag)?),
        };
        let message = match options.message.as_str() {
            "" => format!("Imported from {}", options.source),
            message => message.to_owned(),
        };
        let wanted = images::ImportOptions {
            name: name.clone(),
            message,
            changes: options.changes,
            platform: platform(&options.platform)?,
            engine_version: self.shared.config.build.version.clone(),
        };
        let shared = self.shared.clone();
        blocking(move || {
            let image = shared.images.import(archive, wanted)?;
            if let Some(name) = name {
                shared.announce_image("tag", image.id(), &name.familiar());
            }
            shared.announce_image("import", image.id(), image.id().as_str());
            Ok(image.id().to_string())
        })
        .await
    }

    /// `POST /images/load`. As with Docker every failure is a line of the stream. `archive` is read on a blocking thread.
    ///
    /// # Errors
    /// A platform that cannot be read.
    pub async fn image_load(
        &self,
        options: LoadOptions,
        archive: Box<dyn Read + Send>,
    ) -> Result<ProgressStream, Error> {
        let platform: Option<Platform> = match options.platform.as_str() {
            "" => None,
            text => Some(
                serde_json::from_str(text)
                    .map_err(|error| Error::invalid(format!("failed to parse platform: {error}")))?,
            ),
        };
        let feed = Feed::default();
        let sink = feed.clone();
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || {
            let silent = |_| {};
            let progress: &dyn Progress = if options.quiet { &silent } else { &sink };
            let outcome = shared.images.load(archive, platform.as_ref(), progress).map_err(Error::from);
            sink.finish(outcome.map(|loaded| {
                for image in &loaded {
                    shared.announce_image("load", &image.image, image.image.as_str());
                }
                load_report(&loaded)
                    .into_iter()
                    .for_each(|text| sink.send(ProgressLine::stream(text + "\n")));
            }));
        });
        Ok(feed.into_stream(None))
    }

    /// `POST /auth`: asks a registry about credentials; gives an identity token (or nothing) when they are good.
    ///
    /// # Errors
    /// `Unauthorized` when they are not; `System` when the registry cannot be asked.
    pub async fn registry_login(&self, auth: AuthConfig) -> Result<String, Error> {
        let address = auth.serveraddress.trim_start_matches("https://").trim_start_matches("http://");
        let domain = match address.split('/').next().unwrap_or_default() {
            "" | "index.docker.io" => reference::DEFAULT_DOMAIN.to_owned(),
            domain => domain.to_owned(),
        };
        let config = registries(&self.shared)?;
        match images::login(&domain, &credentials(auth), &config).await {
            Ok(()) => Ok(String::new()),
            Err(error) => {
                let kind = if error.is_refusal() { Kind::Unauthorized } else { Kind::System };
                Err(Error::new(kind, chain(&error)))
            }
        }
    }
}

async fn pull(shared: &Arc<Shared>, request: PullRequest, feed: &Feed) -> Result<(), Error> {
    let reference = request.reference.clone();
    let config = registries(shared)?;
    match shared.images.pull(request, &config, Arc::new(feed.clone())).await {
        Ok(images) => {
            for image in images {
                let (name, shown) = (reference.familiar(), reference.familiar_name());
                shared.announce_image_as("pull", &name, image.id(), &shown);
            }
            Ok(())
        }
        Err(error) if error.is_offline() && is_greeting(&reference) => {
            greet_offline(shared, reference.or_latest(), feed).await.map_err(|_| Error::from(error))
        }
        Err(error) => Err(error.into()),
    }
}

/// `hello-world` in Docker Hub: what people run first.
fn is_greeting(reference: &Reference) -> bool {
    reference.clone().or_latest().to_string() == "docker.io/library/hello-world:latest"
}

/// Without a network the built-in image greets in its place.
async fn greet_offline(shared: &Arc<Shared>, name: Reference, feed: &Feed) -> Result<(), Error> {
    let (store, given) = (shared.images.clone(), name.clone());
    let image = blocking(move || store.ensure_hello(&given).map_err(Error::from)).await?;
    let tag = name.tag().unwrap_or_default().to_owned();
    feed.send(ProgressLine::message(tag, "Not reachable: using the image that is built into Gantry"));
    feed.report(Event::Pulled { reference: name.familiar(), is_newer: true });
    shared.announce_image_as("pull", &name.familiar(), image.id(), &name.familiar_name());
    Ok(())
}

/// `fromImage` and `tag`: the tag may be a digest; nothing at all means every tag.
fn pulled_reference(image: &str, tag: &str) -> Result<Reference, Error> {
    let invalid = |error: ParseError| Error::invalid(error.to_string());
    // Clients that want all tags may leave the colon.
    let name = Reference::parse(image.strip_suffix(':').unwrap_or(image)).map_err(invalid)?;
    match (tag, Digest::parse(tag)) {
        ("", _) => Ok(name),
        (_, Ok(digest)) => Ok(name.without_version().with_digest(digest)),
        (tag, Err(_)) => name.with_tag(tag).map_err(invalid),
    }
}

fn platform(text: &str) -> Result<Option<Platform>, Error> {
    match text {
        "" => Ok(None),
        text => Platform::parse(text).map(Some).map_err(|error| Error::invalid(error.to_string())),
    }
}

fn credentials(auth: AuthConfig) -> Credentials {
    match () {
        () if !auth.identitytoken.is_empty() => Credentials::Identity(auth.identitytoken),
        () if !auth.registrytoken.is_empty() => Credentials::Bearer(auth.registrytoken),
        () if !auth.username.is_empty() => {
            Credentials::Password { user: auth.username, password: auth.password }
        }
        () => Credentials::Anonymous,
    }
}

fn registries(shared: &Shared) -> Result<RegistryConfig, Error> {
    let wish = &shared.config.registry;
    let mirrors = wish.mirrors.iter().map(|mirror| Mirror::parse(mirror)).collect::<Result<_, _>>();
    let defaults = RegistryConfig::default();
    Ok(RegistryConfig {
        insecure: wish.insecure.clone(),
        mirrors: mirrors.map_err(|error| Error::system(error.to_string()))?,
        certificates: PathBuf::from("/etc/docker/certs.d"),
        concurrent_downloads: match wish.max_concurrent_downloads {
            0 => defaults.concurrent_downloads,
            count => count,
        },
        ..defaults
    })
}

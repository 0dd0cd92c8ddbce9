//! `pull`, `load`, `import`, and asking a registry about credentials.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use engine_api::auth::AuthConfig;
use engine_api::progress::{ProgressDetail, ProgressLine};
use images::{Credentials, Event, LayerStep, Mirror, PullRequest, RegistryConfig, load_report};
use oci_spec::image::Platform;
use reference::{Digest, Reference};
use tokio::sync::mpsc;

use super::change::new_name;
use super::{ImportOptions, LoadOptions, ProgressStream, PullOptions};
use crate::Engine;
use crate::engine::{Shared, blocking};
use crate::error::{Error, Kind, chain};

/// Lines that may wait for a slow reader; a step that would be one too many is left out, its successor tells more.
const WAITING: usize = 256;

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
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let shared = self.shared.clone();
        let task = tokio::spawn(async move { pull(&shared, request, sender).await });
        // The first line decides between an error answer and a stream.
        let Some(first) = receiver.recv().await else {
            return match task.await {
                Ok(Err(error)) => Err(error),
                _ => Ok(ProgressStream { lines: receiver }),
            };
        };
        let (lines, rest) = mpsc::channel(WAITING);
        tokio::spawn(relay(first, receiver, task, lines));
        Ok(ProgressStream { lines: rest })
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
            repo => Some(new_name(repo, &options.tag)?),
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
            let shown = name.map_or_else(|| image.id().to_string(), |name| name.familiar());
            shared.announce_image("import", image.id(), &shown);
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
        let (sender, lines) = mpsc::channel(WAITING);
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || {
            let progress = |event: Event| {
                if !options.quiet {
                    let _ = line(event).map(|line| sender.try_send(line));
                }
            };
            let last = match shared.images.load(archive, platform.as_ref(), &progress) {
                Ok(loaded) => {
                    for image in &loaded {
                        shared.announce_image("load", &image.image, image.image.as_str());
                    }
                    load_report(&loaded).into_iter().map(|text| ProgressLine::stream(text + "\n")).collect()
                }
                Err(error) => vec![ProgressLine::error(Error::from(error).message)],
            };
            for line in last {
                let _ = sender.blocking_send(line);
            }
        });
        Ok(ProgressStream { lines })
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

async fn pull(
    shared: &Arc<Shared>,
    request: PullRequest,
    lines: mpsc::Sender<ProgressLine>,
) -> Result<(), Error> {
    let name = request.reference.familiar();
    let progress = Arc::new(move |event: Event| {
        let _ = line(event).map(|line| lines.try_send(line));
    });
    let config = registries(shared)?;
    let images = shared.images.pull(request, &config, progress).await?;
    for image in images {
        shared.announce_image("pull", image.id(), &name);
    }
    Ok(())
}

/// Hands lines on and ends with the error, if that is how it ended. A reader that went away ends the pull.
async fn relay(
    first: ProgressLine,
    mut from: mpsc::Receiver<ProgressLine>,
    task: tokio::task::JoinHandle<Result<(), Error>>,
    to: mpsc::Sender<ProgressLine>,
) {
    let mut next = Some(first);
    while let Some(line) = next {
        if to.send(line).await.is_err() {
            task.abort();
            return;
        }
        next = from.recv().await;
    }
    let last = match task.await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.message,
        Err(error) => {
            tracing::error!(%error, "a pull did not end");
            "the pull was interrupted".to_owned()
        }
    };
    let _ = to.send(ProgressLine::error(last)).await;
}

/// An event as Docker's clients expect it; `None` for what they are not told.
fn line(event: Event) -> Option<ProgressLine> {
    Some(match event {
        Event::PullingFrom { version, repository } => {
            ProgressLine::message(version, format!("Pulling from {repository}"))
        }
        Event::Layer { id, step } => layer_line(id, step),
        Event::Digest(digest) => ProgressLine::message("", format!("Digest: {digest}")),
        Event::Pulled { reference, is_newer: true } => {
            ProgressLine::message("", format!("Status: Downloaded newer image for {reference}"))
        }
        Event::Pulled { reference, is_newer: false } => {
            ProgressLine::message("", format!("Status: Image is up to date for {reference}"))
        }
        Event::Warning(text) => ProgressLine::message("", format!("WARNING: {text}")),
    })
}

fn layer_line(id: String, step: LayerStep) -> ProgressLine {
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let (current, total) = step.bytes().unwrap_or_default();
    let detail =
        ProgressDetail { current: signed(current), total: signed(total), ..ProgressDetail::default() };
    ProgressLine::layer(id, step.status(), detail)
}

/// `fromImage` and `tag`: the tag may be a digest; nothing at all means every tag.
fn pulled_reference(image: &str, tag: &str) -> Result<Reference, Error> {
    let invalid = |error: &dyn std::error::Error| Error::invalid(error.to_string());
    let name = Reference::parse(image).map_err(|error| invalid(&error))?;
    match tag {
        "" => Ok(name),
        tag if tag.contains(':') => {
            let digest = Digest::parse(tag).map_err(|error| invalid(&error))?;
            Ok(name.without_version().with_digest(digest))
        }
        tag => name.without_version().with_tag(tag).map_err(|error| invalid(&error)),
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

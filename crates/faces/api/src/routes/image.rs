//! `/images…`.

use crate::answer::{Answer, JSON, respond};
use crate::body::{Body, blocking_reader};
use crate::call::{Call, Client};
use crate::error::ApiError;
use crate::gate;
use engine::{ImageListOptions, ImageRemoveOptions, ImportOptions, LoadOptions, ProgressStream, PullOptions};
use engine_api::auth::AuthConfig;
use engine_api::progress::ProgressLine;
use http::StatusCode;
use http::header::HeaderName;

/// The header with the registry's credentials.
const AUTH: HeaderName = HeaderName::from_static("x-registry-auth");

/// `GET /images/json` (ImageList).
pub(super) async fn list(call: Call) -> Result<Answer, ApiError> {
    let mut filters = call.filters()?;
    let pattern = call.query.text("filter");
    if call.version.before(41) && !pattern.is_empty() {
        filters.add("reference", pattern);
    }
    let options = ImageListOptions {
        all: call.query.flag("all"),
        shared_size: !call.version.before(42) && call.query.flag("shared-size"),
        filters,
    };
    Answer::ok(&gate::image_list(call.version, call.engine.image_list(options).await?)?)
}

/// `GET /images/{name}/json` (ImageInspect).
pub(super) async fn inspect(call: Call) -> Result<Answer, ApiError> {
    let image = call.engine.image_inspect(&call.name).await?;
    Answer::ok(&gate::image_inspect(call.version, image)?)
}

/// `GET /images/{name}/history` (ImageHistory).
pub(super) async fn history(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.image_history(&call.name).await?)
}

/// `POST /images/{name}/tag` (ImageTag).
pub(super) async fn tag(call: Call) -> Result<Answer, ApiError> {
    let repo = call.query.text("repo");
    call.engine.image_tag(&call.name, repo, call.query.text("tag")).await?;
    // Docker's answer to no name at all.
    let status = if repo.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Answer::empty(status))
}

/// `DELETE /images/{name}` (ImageDelete).
pub(super) async fn remove(call: Call) -> Result<Answer, ApiError> {
    if call.name.trim().is_empty() {
        return Err(ApiError::bad_request("image name cannot be blank"));
    }
    let options =
        ImageRemoveOptions { force: call.query.flag("force"), no_prune: call.query.flag("noprune") };
    Answer::ok(&call.engine.image_remove(&call.name, options).await?)
}

/// `POST /images/create` (ImageCreate): a pull when `fromImage` is given, an import otherwise.
pub(super) async fn create(call: Call) -> Result<Answer, ApiError> {
    if call.query.text("fromImage").is_empty() { import(call).await } else { pull(call).await }
}

fn platform(call: &Call) -> String {
    if call.version.before(32) { String::new() } else { call.query.text("platform").to_owned() }
}

async fn pull(call: Call) -> Result<Answer, ApiError> {
    // A broken header means no credentials: clients send all kinds of things when they have none.
    let auth = call.headers.get(AUTH).and_then(|value| AuthConfig::from_header(value.to_str().ok()?));
    let options = PullOptions {
        image: call.query.text("fromImage").to_owned(),
        tag: call.query.text("tag").to_owned(),
        platform: platform(&call),
        auth: auth.unwrap_or_default(),
    };
    let lines = call.engine.image_pull(options).await?;
    Ok(send_lines(call.client, lines))
}

async fn import(call: Call) -> Result<Answer, ApiError> {
    let source = call.query.text("fromSrc");
    if source != "-" {
        // Docker would fetch the archive from there; an empty place it reports like this.
        if source.is_empty() {
            let message = "Get \"http:\": http: no Host in request URL";
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message));
        }
        let message =
            "importing from a URL is not available in this version of Gantry: fetch it and send it with -";
        return Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, message));
    }
    let options = ImportOptions {
        source: source.to_owned(),
        repo: call.query.text("repo").to_owned(),
        tag: call.query.text("tag").to_owned(),
        message: call.query.text("message").to_owned(),
        changes: call.query.all("changes"),
        platform: platform(&call),
    };
    let archive = Box::new(blocking_reader(call.body).await);
    let id = call.engine.image_import(options, archive).await?;
    let line = ProgressLine::message("", id).to_line();
    Ok(Answer::Plain(respond(StatusCode::OK, JSON, Body::full(line))))
}

/// `POST /images/load` (ImageLoad).
pub(super) async fn load(call: Call) -> Result<Answer, ApiError> {
    let platforms = if call.version.before(48) { Vec::new() } else { call.query.all("platform") };
    if platforms.len() > 1 {
        return Err(ApiError::bad_request("multiple platform parameters not supported"));
    }
    let options = LoadOptions {
        quiet: call.query.flag_or("quiet", true),
        platform: platforms.into_iter().next().unwrap_or_default(),
    };
    let archive = Box::new(blocking_reader(call.body).await);
    let lines = call.engine.image_load(options, archive).await?;
    Ok(send_lines(call.client, lines))
}

/// Sends progress as it comes; a client that goes away stops the work.
fn send_lines(client: Client, mut lines: ProgressStream) -> Answer {
    let (answer, sink) = Answer::stream(JSON);
    tokio::spawn(async move {
        while let Some(line) = tokio::select! {
            line = lines.next() => line,
            () = client.gone() => None,
            () = sink.closed() => None,
        } {
            if sink.send(line.to_line()).await.is_err() {
                return;
            }
        }
    });
    answer
}

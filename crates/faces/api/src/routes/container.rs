//! `/containers/…`, apart from the calls that take the socket.

use crate::answer::{Answer, JSON, MULTIPLEXED_STREAM, RAW_STREAM, json_bytes};
use crate::body;
use crate::call::Call;
use crate::error::ApiError;
use crate::gate;
use engine::{CreateOptions, ListOptions, LogsOptions, RemoveOptions, Size, StopOptions};
use engine_api::container::{ContainerConfig, ContainerCreateRequest, WaitCondition};
use http::StatusCode;
use http::header::HeaderValue;

/// `GET /containers/json` (ContainerList).
pub(super) async fn list(call: Call) -> Result<Answer, ApiError> {
    let options = ListOptions {
        filters: call.filters()?,
        all: call.query.flag("all"),
        size: size(&call),
        limit: call.query.number("limit")?.unwrap_or(0),
    };
    let mut containers = call.engine.container_list(options).await?;
    gate::container_list(call.version, &mut containers);
    Answer::ok(&containers)
}

fn size(call: &Call) -> Size {
    if call.query.flag("size") { Size::Measured } else { Size::Omitted }
}

/// `POST /containers/create` (ContainerCreate).
pub(super) async fn create(mut call: Call) -> Result<Answer, ApiError> {
    body::check_type(&call.headers, &call.body)?;
    let text = body::read_all(&mut call.body).await?;
    let request: ContainerCreateRequest = body::decode(&text)?;
    if request.config == ContainerConfig::default() && !body::names_any(&text, ContainerConfig::MEMBERS) {
        return Err(ApiError::bad_request("config cannot be empty in order to create a container"));
    }
    drop(text);
    let platform = if call.version.before(41) { "" } else { call.query.text("platform") };
    let options = CreateOptions {
        name: call.query.text("name").to_owned(),
        platform: platform.to_owned(),
        version: call.version,
    };
    Answer::created(&call.engine.container_create(options, request).await?)
}

/// `GET /containers/{id}/json` (ContainerInspect).
pub(super) async fn inspect(call: Call) -> Result<Answer, ApiError> {
    let mut container = call.engine.container_inspect(&call.name, size(&call)).await?;
    gate::container_inspect(call.version, &mut container);
    Answer::ok(&container)
}

/// `GET /containers/{id}/top` (ContainerTop).
pub(super) async fn top(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.container_top(&call.name, call.query.text("ps_args")).await?)
}

/// `GET /containers/{id}/logs` (ContainerLogs).
pub(super) async fn logs(call: Call) -> Result<Answer, ApiError> {
    let query = &call.query;
    let options = LogsOptions {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        follow: query.flag("follow"),
        timestamps: query.flag("timestamps"),
        details: query.flag("details"),
        since: query.text("since").to_owned(),
        until: query.text("until").to_owned(),
        tail: query.text("tail").to_owned(),
    };
    if !options.stdout && !options.stderr {
        return Err(ApiError::bad_request("Bad parameters: you must choose at least one stream"));
    }
    let mut log = call.engine.container_logs(&call.name, options).await?;
    let multiplexed = log.multiplexed;
    let framed = multiplexed && !call.version.before(42);
    let content_type = if framed { MULTIPLEXED_STREAM } else { RAW_STREAM };
    let (answer, sink) = Answer::stream(HeaderValue::from_static(content_type));
    tokio::spawn(async move {
        loop {
            let block = tokio::select! {
                block = log.next() => block,
                () = call.client.gone() => None,
                () = sink.closed() => None,
            };
            let block = match block {
                None => return,
                Some(Ok(block)) => block,
                Some(Err(error)) => failure(multiplexed, &error.message),
            };
            if sink.send(block).await.is_err() {
                return;
            }
        }
    });
    Ok(answer)
}

/// A failure in the middle of a log: a frame of the daemon's own stream (3), or plain text on a terminal.
fn failure(multiplexed: bool, message: &str) -> Vec<u8> {
    let text = format!("Error grabbing logs: {message}\n");
    if multiplexed { super::stream::frame(3, text.as_bytes()) } else { text.into_bytes() }
}

/// `POST /containers/{id}/start` (ContainerStart): 204 when started, 304 when it runs already.
pub(super) async fn start(call: Call) -> Result<Answer, ApiError> {
    // An empty document is welcome; what old clients put in longer ones moved to `create`.
    if call.announced_length().is_none_or(|length| length > 7) {
        return Err(ApiError::bad_request(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    call.engine.container_start(&call.name).await?;
    Ok(Answer::no_content())
}

fn stop_options(call: &Call) -> Result<StopOptions, ApiError> {
    let signal = (!call.version.before(42)).then(|| call.query.text("signal").to_owned());
    Ok(StopOptions { signal: signal.filter(|signal| !signal.is_empty()), timeout: call.query.number("t")? })
}

/// `POST /containers/{id}/stop` (ContainerStop): 204, or 304 when it does not run.
pub(super) async fn stop(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_stop(&call.name, stop_options(&call)?).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/{id}/restart` (ContainerRestart).
pub(super) async fn restart(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_restart(&call.name, stop_options(&call)?).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/{id}/kill` (ContainerKill).
pub(super) async fn kill(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_kill(&call.name, call.query.text("signal")).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/{id}/pause` (ContainerPause).
pub(super) async fn pause(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_pause(&call.name).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/{id}/unpause` (ContainerUnpause).
pub(super) async fn unpause(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_unpause(&call.name).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/{id}/wait` (ContainerWait): the head is sent at once, the document when the wait is over.
pub(super) async fn wait(call: Call) -> Result<Answer, ApiError> {
    let condition = if call.version.before(30) { "" } else { call.query.text("condition") };
    let condition = WaitCondition::parse(condition)
        .ok_or_else(|| ApiError::bad_request(format!("invalid condition: {condition:?}")))?;
    let waiter = call.engine.container_wait(&call.name, condition).await?;
    if call.version.before(30) {
        return Answer::ok(&waiter.wait().await);
    }
    let (answer, sink) = Answer::stream(JSON);
    tokio::spawn(async move {
        let result = tokio::select! {
            result = waiter.wait() => result,
            () = call.client.gone() => return,
            () = sink.closed() => return,
        };
        if let Ok(document) = json_bytes(&result) {
            let _ = sink.send(document).await;
        }
    });
    Ok(answer)
}

/// `POST /containers/{id}/resize` (ContainerResize).
pub(super) async fn resize(call: Call) -> Result<Answer, ApiError> {
    let height = call.query.terminal_size("h", "height")?;
    let width = call.query.terminal_size("w", "width")?;
    call.engine.container_resize(&call.name, height, width).await?;
    Ok(Answer::empty(StatusCode::OK))
}

/// `POST /containers/{id}/rename` (ContainerRename).
pub(super) async fn rename(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_rename(&call.name, call.query.text("name")).await?;
    Ok(Answer::no_content())
}

/// `DELETE /containers/{id}` (ContainerDelete).
pub(super) async fn remove(call: Call) -> Result<Answer, ApiError> {
    let options = RemoveOptions {
        force: call.query.flag("force"),
        volumes: call.query.flag("v"),
        link: call.query.flag("link"),
    };
    call.engine.container_remove(&call.name, options).await?;
    Ok(Answer::no_content())
}

/// `POST /containers/prune` (ContainerPrune).
pub(super) async fn prune(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.container_prune(call.filters()?).await?)
}

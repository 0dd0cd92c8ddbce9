//! `/_ping`, `/version`, `/info`, `/events`, `/system/df`.

use crate::answer::{Answer, JSON, TEXT, json_bytes, respond};
use crate::body::Body;
use crate::call::Call;
use crate::error::ApiError;
use crate::gate;
use engine::{DiskUsageOptions, EventsOptions};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, PRAGMA};
use http::{Response, StatusCode};

/// `GET /_ping` (SystemPing).
pub(super) async fn ping(_call: Call) -> Result<Answer, ApiError> {
    Ok(Answer::Plain(ping_response(Body::full("OK"))))
}

/// `HEAD /_ping` (SystemPingHead).
pub(super) async fn ping_head(_call: Call) -> Result<Answer, ApiError> {
    let mut response = ping_response(Body::empty());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    Ok(Answer::Plain(response))
}

fn ping_response(body: Body) -> Response<Body> {
    let mut response = respond(StatusCode::OK, TEXT, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(HeaderName::from_static("builder-version"), HeaderValue::from_static("2"));
    headers.insert(HeaderName::from_static("swarm"), HeaderValue::from_static("inactive"));
    response
}

/// `GET /version` (SystemVersion).
pub(super) async fn version(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.version())
}

/// `GET /info` (SystemInfo).
pub(super) async fn info(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&gate::info(call.version, call.engine.info().await?)?)
}

/// `GET /events` (SystemEvents): one document a line, each sent at once.
pub(super) async fn events(call: Call) -> Result<Answer, ApiError> {
    let options = EventsOptions {
        since: call.query.text("since").to_owned(),
        until: call.query.text("until").to_owned(),
        filters: call.filters()?,
    };
    let mut events = call.engine.events(options)?;
    let (answer, sink) = Answer::stream(JSON);
    tokio::spawn(async move {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = call.client.gone() => None,
                () = sink.closed() => None,
            };
            let Some(event) = event else { return };
            if call.version.before(46) && event.kind == "image" && event.action == "create" {
                continue;
            }
            let Ok(line) = json_bytes(&event) else { continue };
            if sink.send(line).await.is_err() {
                return;
            }
        }
    });
    Ok(answer)
}

/// `GET /system/df` (SystemDataUsage).
pub(super) async fn disk_usage(call: Call) -> Result<Answer, ApiError> {
    let kinds = if call.version.before(42) { Vec::new() } else { call.query.all("type") };
    let known = ["container", "image", "volume", "build-cache"];
    if let Some(other) = kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        return Err(ApiError::bad_request(format!("unknown object type: {other}")));
    }
    let wants = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
    let options = DiskUsageOptions {
        containers: wants("container"),
        images: wants("image"),
        volumes: wants("volume"),
        build_cache: wants("build-cache"),
    };
    Answer::ok(&gate::disk_usage(call.version, &call.engine.disk_usage(options).await?)?)
}

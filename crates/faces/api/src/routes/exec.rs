//! `/containers/{id}/exec` and `/exec/…`, apart from the start.

use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use crate::gate;
use engine_api::exec::ExecCreateRequest;
use http::StatusCode;

/// `POST /containers/{id}/exec` (ContainerExec).
pub(super) async fn create(mut call: Call) -> Result<Answer, ApiError> {
    let mut request: ExecCreateRequest = call.document().await?;
    if request.cmd.as_ref().is_none_or(Vec::is_empty) {
        return Err(ApiError::bad_request("No exec command specified"));
    }
    gate::exec_create(call.version, &mut request);
    Answer::created(&call.engine.exec_create(&call.name, request).await?)
}

/// `GET /exec/{id}/json` (ExecInspect).
pub(super) async fn inspect(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.exec_inspect(&call.name).await?)
}

/// `POST /exec/{id}/resize` (ExecResize).
pub(super) async fn resize(call: Call) -> Result<Answer, ApiError> {
    let height = call.query.terminal_size("h", "height")?;
    let width = call.query.terminal_size("w", "width")?;
    call.engine.exec_resize(&call.name, height, width).await?;
    Ok(Answer::empty(StatusCode::OK))
}

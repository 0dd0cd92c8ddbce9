//! `/volumes…`.

use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use engine_api::filters::Filters;
use engine_api::volume::VolumeCreateRequest;

/// `GET /volumes` (VolumeList).
pub(super) async fn list(call: Call) -> Result<Answer, ApiError> {
    let filters = Filters::parse(call.query.text("filters"))
        .map_err(|error| ApiError::bad_request(format!("error reading volume filters: {error}")))?;
    Answer::ok(&call.engine.volume_list(filters).await?)
}

/// `POST /volumes/create` (VolumeCreate).
pub(super) async fn create(mut call: Call) -> Result<Answer, ApiError> {
    let request: VolumeCreateRequest = call.document().await?;
    Answer::created(&call.engine.volume_create(request).await?)
}

/// `GET /volumes/{name}` (VolumeInspect).
pub(super) async fn inspect(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.volume_inspect(&call.name).await?)
}

/// `DELETE /volumes/{name}` (VolumeDelete).
pub(super) async fn remove(call: Call) -> Result<Answer, ApiError> {
    call.engine.volume_remove(&call.name, call.query.flag("force")).await?;
    Ok(Answer::no_content())
}

/// `POST /volumes/prune` (VolumePrune). Before 1.42 named volumes were pruned too.
pub(super) async fn prune(call: Call) -> Result<Answer, ApiError> {
    let mut filters = call.filters()?;
    if call.version.before(42) {
        filters.add("all", "true");
    }
    Answer::ok(&call.engine.volume_prune(filters).await?)
}

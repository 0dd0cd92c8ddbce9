//! `/networks…`.

use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use engine_api::network::NetworkCreateRequest;

/// `GET /networks` (NetworkList).
pub(super) async fn list(call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&call.engine.network_list(call.filters()?).await?)
}

/// `GET /networks/{id}` (NetworkInspect).
pub(super) async fn inspect(call: Call) -> Result<Answer, ApiError> {
    check_verbose(call.query.text("verbose"))?;
    Answer::ok(&call.engine.network_inspect(&call.name, call.query.text("scope")).await?)
}

/// Refuses what is no yes or no; more than the usual is known of cluster networks only.
fn check_verbose(text: &str) -> Result<(), ApiError> {
    let known = ["", "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    if known.contains(&text) {
        return Ok(());
    }
    let message =
        format!("invalid value for verbose: {text}: strconv.ParseBool: parsing {text:?}: invalid syntax");
    Err(ApiError::bad_request(message))
}

/// `POST /networks/create` (NetworkCreate).
pub(super) async fn create(mut call: Call) -> Result<Answer, ApiError> {
    let mut request: NetworkCreateRequest = call.document().await?;
    if call.version.before(48) {
        request.enable_ipv4 = None;
    }
    Answer::created(&call.engine.network_create(request).await?)
}

/// `DELETE /networks/{id}` (NetworkDelete).
pub(super) async fn remove(call: Call) -> Result<Answer, ApiError> {
    call.engine.network_remove(&call.name).await?;
    Ok(Answer::no_content())
}

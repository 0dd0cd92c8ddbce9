//! Errors on the wire: the one place where an engine's [`Kind`] becomes an HTTP status.

use engine::{Error, Kind};
use engine_api::error::ErrorResponse;
use engine_api::filters::FilterError;
use http::StatusCode;

/// Why a call is answered with an error.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorResponse,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError { status, body: ErrorResponse { message: message.into(), hint: None } }
    }

    /// 400.
    pub(crate) fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404 for a path or method that no route has.
    pub(crate) fn page_not_found() -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, "page not found")
    }
}

/// The HTTP status of a kind. No wildcard: a new kind does not compile until it is mapped.
fn status(kind: Kind) -> StatusCode {
    match kind {
        Kind::InvalidParameter => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::NotModified => StatusCode::NOT_MODIFIED,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        Kind::System => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        let status = status(error.kind);
        ApiError { status, body: ErrorResponse { message: error.message, hint: error.hint } }
    }
}

impl From<FilterError> for ApiError {
    fn from(error: FilterError) -> ApiError {
        ApiError::bad_request(error.to_string())
    }
}

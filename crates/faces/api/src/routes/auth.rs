//! `/auth`.

use crate::answer::Answer;
use crate::body;
use crate::call::Call;
use crate::error::ApiError;
use engine_api::auth::{AuthConfig, AuthResponse};
use http::StatusCode;

/// `POST /auth` (SystemAuth): asks the registry whether credentials are good.
pub(super) async fn check(mut call: Call) -> Result<Answer, ApiError> {
    let text = body::read_all(&mut call.body).await?;
    // Docker reads this body with less care than others, and calls its own failure what is the client's.
    let auth: AuthConfig = engine_api::json::decode(&text)
        .map_err(|cause| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, cause.to_string()))?;
    let identity_token = call.engine.registry_login(auth).await?;
    Answer::ok(&AuthResponse { identity_token, status: "Login Succeeded".to_owned() })
}

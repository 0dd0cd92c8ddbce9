//! `/auth`.

use crate::answer::Answer;
use crate::body;
use crate::call::Call;
use crate::error::ApiError;
use engine_api::auth::{AuthConfig, AuthResponse};

/// `POST /auth` (SystemAuth): asks the registry whether credentials are good.
pub(super) async fn check(mut call: Call) -> Result<Answer, ApiError> {
    let text = body::read_all(&mut call.body).await?;
    let auth: AuthConfig = body::decode(&text)?;
    let identity_token = call.engine.registry_login(auth).await?;
    Answer::ok(&AuthResponse { identity_token, status: "Login Succeeded".to_owned() })
}

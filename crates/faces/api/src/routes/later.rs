//! Parts of the Engine API that are known but not served yet: they answer 501, so that a client can tell them from a
//! mistyped path. A row moves to the table proper when its work is done.

use super::Route;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use http::{Method, StatusCode};

/// The rows.
pub(super) const ROUTES: &[Route] = table! {
    GET "/system/df" => not_yet;
    POST "/commit" => not_yet;
    POST "/build" => not_yet;
    POST "/build/" {} => not_yet;
    POST "/session" => not_yet;
    POST "/grpc" => not_yet;
    GET "/distribution/" {} "/json" => not_yet;
    HEAD "/containers/" {} "/archive" => not_yet;
    GET "/containers/" {} "/archive" => not_yet;
    PUT "/containers/" {} "/archive" => not_yet;
    GET "/containers/" {} "/export" => not_yet;
    GET "/containers/" {} "/changes" => not_yet;
    GET "/containers/" {} "/stats" => not_yet;
    GET "/containers/" {} "/attach/ws" => not_yet;
    POST "/containers/" {} "/update" => not_yet;
    GET "/images/search" => not_yet;
    GET "/images/get" => not_yet;
    GET "/images/" {} "/get" => not_yet;
    POST "/images/" {} "/push" => not_yet;
    POST "/images/prune" => not_yet;
    POST "/networks/" {} "/connect" => not_yet;
    POST "/networks/" {} "/disconnect" => not_yet;
    POST "/networks/prune" => not_yet;
    PUT "/volumes/" {} => not_yet;
    GET "/plugins" => not_yet;
    GET "/plugins/" {} => not_yet;
    POST "/plugins/" {} => not_yet;
    DELETE "/plugins/" {} => not_yet;
    GET "/swarm" => no_manager;
    GET "/swarm/unlockkey" => no_manager;
    POST "/swarm/update" => no_manager;
    POST "/swarm/" {} => not_yet;
    GET "/services" => no_manager;
    GET "/services/" {} => no_manager;
    POST "/services/" {} => no_manager;
    DELETE "/services/" {} => no_manager;
    GET "/nodes" => no_manager;
    GET "/nodes/" {} => no_manager;
    POST "/nodes/" {} => no_manager;
    DELETE "/nodes/" {} => no_manager;
    GET "/tasks" => no_manager;
    GET "/tasks/" {} => no_manager;
    GET "/secrets" => no_manager;
    GET "/secrets/" {} => no_manager;
    POST "/secrets/" {} => no_manager;
    DELETE "/secrets/" {} => no_manager;
    GET "/configs" => no_manager;
    GET "/configs/" {} => no_manager;
    POST "/configs/" {} => no_manager;
    DELETE "/configs/" {} => no_manager;
};

async fn not_yet(_call: Call) -> Result<Answer, ApiError> {
    let message = "this call of the Engine API is not implemented in this version of Gantry";
    Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, message))
}

/// What Docker says on a host that is in no cluster.
async fn no_manager(_call: Call) -> Result<Answer, ApiError> {
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node \
         to swarm and try again.",
    ))
}

//! Parts of the Engine API that are known but not served yet: they answer 501, so that a client can tell them from a
//! mistyped path. A row moves to the table proper when its work is done.

use super::Route;
use crate::answer::Answer;
use crate::call::Call;
use crate::error::ApiError;
use engine::Size;
use engine_api::network::NetworkConnectRequest;
use http::{Method, StatusCode};

/// The rows.
pub(super) const ROUTES: &[Route] = table! {
    POST "/commit" => not_yet;
    POST "/build" => not_yet;
    POST "/build/" {} => not_yet;
    POST "/session" => not_yet;
    POST "/grpc" => not_yet;
    GET "/distribution/" {} "/json" => not_yet;
    HEAD "/containers/" {} "/archive" => of_container;
    GET "/containers/" {} "/archive" => of_container;
    PUT "/containers/" {} "/archive" => of_container;
    GET "/containers/" {} "/export" => of_container;
    GET "/containers/" {} "/changes" => of_container;
    GET "/containers/" {} "/stats" => of_container;
    GET "/containers/" {} "/attach/ws" => of_container;
    POST "/containers/" {} "/update" => of_container;
    GET "/images/search" => not_yet;
    GET "/images/get" => not_yet;
    GET "/images/" {} "/get" => not_yet;
    POST "/images/" {} "/push" => not_yet;
    POST "/images/prune" => prune_images;
    POST "/networks/" {} "/connect" => of_network;
    POST "/networks/" {} "/disconnect" => of_network;
    POST "/networks/prune" => prune_networks;
    PUT "/volumes/" {} => not_yet;
    GET "/plugins" => no_plugins;
    GET "/plugins/" {} "/json" => no_such_plugin;
    POST "/plugins/" {} "/enable" => no_such_plugin;
    POST "/plugins/" {} "/disable" => no_such_plugin;
    POST "/plugins/" {} => not_yet;
    DELETE "/plugins/" {} => no_such_plugin;
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

/// None can be installed, so there are none.
async fn no_plugins(_call: Call) -> Result<Answer, ApiError> {
    Answer::ok(&[(); 0])
}

/// `docker inspect` asks this of every name that nothing else has.
async fn no_such_plugin(call: Call) -> Result<Answer, ApiError> {
    Err(ApiError::new(StatusCode::NOT_FOUND, format!("plugin {:?} not found", call.name)))
}

/// An unknown container is more worth saying.
async fn of_container(call: Call) -> Result<Answer, ApiError> {
    call.engine.container_inspect(&call.name, Size::Omitted).await?;
    not_yet(call).await
}

/// An unreadable body or an unknown network is more worth saying.
async fn of_network(mut call: Call) -> Result<Answer, ApiError> {
    let request: NetworkConnectRequest = call.document().await?;
    call.engine.network_inspect(&call.name, "").await?;
    if request.container.is_empty() {
        return Err(ApiError::bad_request("invalid name or ID supplied: \"\""));
    }
    not_yet(call).await
}

/// Wrong filters are more worth saying.
async fn prune_images(call: Call) -> Result<Answer, ApiError> {
    call.filters()?.validate(&["dangling", "label", "label!", "until"])?;
    not_yet(call).await
}

/// Wrong filters are more worth saying.
async fn prune_networks(call: Call) -> Result<Answer, ApiError> {
    call.filters()?.validate(&["label", "label!", "until"])?;
    not_yet(call).await
}

/// What Docker says on a host that is in no cluster.
async fn no_manager(_call: Call) -> Result<Answer, ApiError> {
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node \
         to swarm and try again.",
    ))
}

//! From a request to its handler: path, version, route; and what is put around every answer.

use crate::answer::{Answer, TEXT, error_response, identity, respond};
use crate::body::Body;
use crate::call::{Call, Client};
use crate::error::ApiError;
use crate::path::{self, Parsed};
use crate::query::Query;
use crate::routes::{self, Handler};
use engine::Engine;
use engine_api::version::ApiVersion;
use http::header::{HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::{Bytes, Incoming};
use std::sync::atomic::{AtomicU64, Ordering};

/// A request that has a handler.
struct Admitted {
    handler: Handler,
    name: String,
    version: ApiVersion,
    query: Query,
}

/// An answer without a handler.
enum Refusal {
    /// As it is: nothing of ours is at this path.
    Bare(Box<Response<Body>>),
    /// With the headers that say who answers.
    Identified(Box<Response<Body>>),
}

impl Refusal {
    fn bare(response: Response<Body>) -> Refusal {
        Refusal::Bare(Box::new(response))
    }

    fn identified(response: Response<Body>) -> Refusal {
        Refusal::Identified(Box::new(response))
    }
}

/// Answers a request.
pub(crate) async fn answer(engine: Engine, request: Request<Incoming>, client: Client) -> Answer {
    let experimental = engine.config().experimental;
    let (head, body) = request.into_parts();
    tracing::debug!(method = %head.method, path = head.uri.path(), "request");
    let admitted = match admit(&head.method, &head.uri) {
        Ok(admitted) => admitted,
        Err(Refusal::Bare(response)) => return Answer::Plain(*response),
        Err(Refusal::Identified(response)) => return Answer::Plain(identified(*response, experimental)),
    };
    let Admitted { handler, name, version, query } = admitted;
    let call = Call { engine, version, name, query, headers: head.headers, body, client };
    // A task of its own: a client that goes away does not stop the work half-way, and a panic stays here.
    let response = match tokio::spawn(handler(call)).await {
        Ok(Ok(Answer::Plain(response))) => response,
        Ok(Ok(Answer::Takeover(takeover))) => return Answer::Takeover(takeover),
        Ok(Err(error)) => {
            if error.status.is_server_error() {
                let (method, message) = (&head.method, &error.body.message);
                tracing::error!("Handler for {method} {} returned error: {message}", head.uri.path());
            }
            error_response(&error)
        }
        Err(cause) => bug(&cause),
    };
    Answer::Plain(identified(response, experimental))
}

fn admit(method: &Method, uri: &Uri) -> Result<Admitted, Refusal> {
    let path = match path::parse(uri.path()) {
        Ok(Parsed::Route(path)) => path,
        Ok(Parsed::Redirect(clean)) => return Err(Refusal::bare(redirect(&clean, uri.query()))),
        Err(error) => return Err(Refusal::bare(error_response(&error))),
    };
    if *method == Method::OPTIONS {
        return Err(Refusal::identified(Response::new(Body::empty())));
    }
    let Some((handler, name)) = routes::find(method, &path.rest) else {
        return Err(Refusal::bare(error_response(&ApiError::page_not_found())));
    };
    let version = path.api_version().map_err(|unsupported| {
        let error = ApiError::from(&unsupported);
        Refusal::identified(if unsupported.plain { plain(&error) } else { error_response(&error) })
    })?;
    let query = Query::parse(uri.query().unwrap_or_default())
        .map_err(|error| Refusal::identified(error_response(&error)))?;
    Ok(Admitted { handler, name: name.to_owned(), version, query })
}

fn identified(mut response: Response<Body>, experimental: bool) -> Response<Body> {
    for (name, value) in identity(experimental) {
        response.headers_mut().insert(name, value);
    }
    response
}

fn redirect(clean: &str, query: Option<&str>) -> Response<Body> {
    let escaped = percent_encoding::utf8_percent_encode(clean, percent_encoding::CONTROLS);
    let target = query.map_or_else(|| escaped.to_string(), |query| format!("{escaped}?{query}"));
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(target) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(LOCATION, target);
    }
    response
}

fn plain(error: &ApiError) -> Response<Body> {
    let text = format!("{}\n", error.body.message);
    let mut response = respond(error.status, TEXT, Body::full(Bytes::from(text)));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer to a request that ran into a bug: an id that the log explains.
fn bug(cause: &tokio::task::JoinError) -> Response<Body> {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    let id = format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    tracing::error!(%id, %cause, "a request ran into a bug");
    let message = format!("internal error {id}: the daemon's log explains it");
    error_response(&ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(method: Method, uri: &str) -> (Response<Body>, bool) {
        match admit(&method, &uri.parse().unwrap()) {
            Ok(_) => panic!("{uri} was admitted"),
            Err(Refusal::Bare(response)) => (*response, false),
            Err(Refusal::Identified(response)) => (*response, true),
        }
    }

    #[test]
    fn unknown_paths_and_methods_are_not_found() {
        for (method, uri) in
            [(Method::GET, "/nope"), (Method::DELETE, "/version"), (Method::PUT, "/v1.51/info")]
        {
            let (response, identified) = refusal(method, uri);
            assert_eq!((response.status(), identified), (StatusCode::NOT_FOUND, false));
        }
    }

    #[test]
    fn versions_outside_the_range_are_refused_where_a_route_is() {
        let (response, identified) = refusal(Method::GET, "/v1.10/_ping");
        assert_eq!((response.status(), identified), (StatusCode::BAD_REQUEST, true));
        assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
        let (response, _) = refusal(Method::GET, "/v1.99/_ping");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(refusal(Method::GET, "/v1.99/nope").0.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn odd_paths_are_sent_to_their_normal_form() {
        let (response, _) = refusal(Method::GET, "//version?a=b");
        assert_eq!(response.status(), StatusCode::MOVED_PERMANENTLY);
        assert_eq!(response.headers()["location"], "/version?a=b");
    }

    #[tokio::test]
    async fn a_bug_answers_with_an_id() {
        let work = tokio::spawn(async { panic!("planted") });
        let response = bug(&work.await.unwrap_err());
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn what_has_a_route_is_admitted() {
        let uri = "/v1.44/containers/a%2Fb/json?size=1".parse().unwrap();
        let admitted = admit(&Method::GET, &uri).ok().unwrap();
        assert_eq!((admitted.name.as_str(), admitted.version), ("a/b", ApiVersion::v1(44)));
        assert!(admitted.query.flag("size"));
        assert_eq!(refusal(Method::GET, "/version?a=%zz").0.status(), StatusCode::BAD_REQUEST);
    }
}

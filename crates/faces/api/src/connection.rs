//! One connection: requests in, answers out, until it ends or leaves HTTP.

use crate::answer::{Answer, error_response, identity, respond};
use crate::body::Body;
use crate::call::{Call, Client};
use crate::error::ApiError;
use crate::hijack::{Hijacker, MuteStream};
use crate::listen::Socket;
use crate::path::{self, Parsed};
use crate::query::Query;
use crate::routes;
use engine::Engine;
use http::header::{CONNECTION, HeaderValue, LOCATION};
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// How long a client may take for a head, and how long a kept connection may idle. Docker's figure.
const HEAD_DEADLINE: Duration = Duration::from_secs(300);
/// The largest head that is read.
const LARGEST_HEAD: usize = 1 << 20;

/// Serves a connection to its end. When `closing` turns true, the answer in progress is finished first.
pub(crate) async fn serve(engine: Engine, socket: Socket, mut closing: watch::Receiver<bool>) {
    let socket = Arc::new(socket);
    let hijacker = Hijacker::default();
    let stream = TokioIo::new(MuteStream::new(socket.clone(), &hijacker));
    let context = Context { engine, hijacker: hijacker.clone(), client: Client(socket.clone()) };
    let service = service_fn(move |request| {
        let context = context.clone();
        Box::pin(async move { Ok::<_, Infallible>(context.respond(request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(LARGEST_HEAD)
        .half_close(true)
        .title_case_headers(true)
        .serve_connection(stream, service);
    let ended = tokio::select! {
        ended = std::future::poll_fn(|task| connection.poll_without_shutdown(task)) => Some(ended),
        () = asked_to_close(&mut closing) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            std::future::poll_fn(|task| connection.poll_without_shutdown(task)).await
        }
    };
    let Some(takeover) = hijacker.take() else {
        if let Err(cause) = ended {
            tracing::debug!(%cause, "connection ended early");
        }
        return;
    };
    let early = connection.into_parts().read_buf;
    if socket.write_all(&takeover.head).await.is_err() {
        return;
    }
    match socket.duplicate() {
        Ok(descriptor) => {
            // The runtime must not watch the socket any more when somebody else reads it.
            drop(socket);
            (takeover.serve)(descriptor, early.to_vec()).await;
        }
        Err(cause) => tracing::error!(%cause, "cannot hand over a client's socket"),
    }
}

async fn asked_to_close(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// What the requests of one connection share.
#[derive(Clone)]
struct Context {
    engine: Engine,
    hijacker: Hijacker,
    client: Client,
}

impl Context {
    async fn respond(self, request: Request<Incoming>) -> Response<Body> {
        let (head, body) = request.into_parts();
        tracing::debug!(method = %head.method, path = head.uri.path(), "request");
        let path = match path::parse(head.uri.path()) {
            Ok(Parsed::Route(path)) => path,
            Ok(Parsed::Redirect(clean)) => return redirect(&clean, head.uri.query()),
            Err(error) => return error_response(&error),
        };
        if head.method == Method::OPTIONS {
            return self.identified(Response::new(Body::empty()));
        }
        let Some((handler, name)) = routes::find(&head.method, &path.rest) else {
            return error_response(&ApiError::page_not_found());
        };
        let version = match path.api_version() {
            Ok(version) => version,
            Err(unsupported) => {
                let error = ApiError::from(&unsupported);
                let response = if unsupported.plain { plain(&error) } else { error_response(&error) };
                return self.identified(response);
            }
        };
        let query = match Query::parse(head.uri.query().unwrap_or_default()) {
            Ok(query) => query,
            Err(error) => return self.identified(error_response(&error)),
        };
        let call = Call {
            engine: self.engine.clone(),
            version,
            name: name.to_owned(),
            query,
            headers: head.headers,
            body,
            client: self.client.clone(),
        };
        // A task of its own: a client that goes away does not stop the work half-way, and a panic stays here.
        let answer = match tokio::spawn(handler(call)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                if error.status.is_server_error() {
                    let (method, message) = (&head.method, &error.body.message);
                    tracing::error!("Handler for {method} {} returned error: {message}", head.uri.path());
                }
                Answer::Plain(error_response(&error))
            }
            Err(cause) => Answer::Plain(bug(&cause)),
        };
        match answer {
            Answer::Plain(response) => self.identified(response),
            Answer::Takeover(takeover) => {
                self.hijacker.wish(takeover);
                // Never written; it only ends HTTP on this connection.
                let mut response = Response::new(Body::empty());
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                response
            }
        }
    }

    fn identified(&self, mut response: Response<Body>) -> Response<Body> {
        for (name, value) in identity(self.engine.config().experimental) {
            response.headers_mut().insert(name, value);
        }
        response
    }
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
    let mut response = respond(error.status, crate::answer::TEXT, Body::full(Bytes::from(text)));
    response.headers_mut().insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
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

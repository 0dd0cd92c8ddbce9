//! One connection: requests in, answers out, until it ends or leaves HTTP. Knows no route.

use crate::answer::Answer;
use crate::body::Body;
use crate::call::Client;
use crate::hijack::{Hijacker, MuteStream};
use crate::listen::Socket;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a client may take for a head, and how long a kept connection may idle. Docker's figure.
const HEAD_DEADLINE: Duration = Duration::from_secs(300);
/// The largest head that is read.
const LARGEST_HEAD: usize = 1 << 20;

/// Serves a connection to its end; `respond` answers its requests. When `closing` turns true, the answer in progress
/// is finished first.
pub(crate) async fn serve<Respond, Work>(socket: Socket, mut closing: watch::Receiver<bool>, respond: Respond)
where
    Respond: Fn(Request<Incoming>, Client) -> Work + Unpin + Send + 'static,
    Work: Future<Output = Answer> + Send + 'static,
{
    let socket = Arc::new(socket);
    let hijacker = Hijacker::default();
    let stream = TokioIo::new(MuteStream::new(socket.clone(), &hijacker));
    let (client, wishes) = (Client::new(socket.clone(), closing.clone()), hijacker.clone());
    let service = service_fn(move |request| {
        let (work, wishes) = (respond(request, client.clone()), wishes.clone());
        Box::pin(async move { Ok::<_, Infallible>(settle(work.await, &wishes)) })
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
    let parts = connection.into_parts();
    let mut early = parts.read_buf.to_vec();
    early.extend_from_slice(&parts.io.into_inner().into_ahead());
    drop(parts.service);
    if socket.write_all(&takeover.head).await.is_err() {
        return;
    }
    match socket.duplicate() {
        Ok(descriptor) => {
            // The runtime must not watch the socket any more when somebody else reads it.
            drop(socket);
            (takeover.serve)(descriptor, early).await;
        }
        Err(cause) => tracing::error!(%cause, "cannot hand over a client's socket"),
    }
}

async fn asked_to_close(closing: &mut watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// The response that HTTP gets to see.
fn settle(answer: Answer, wishes: &Hijacker) -> Response<Body> {
    match answer {
        Answer::Plain(response) => response.map(|body| body.marking(wishes.next_head())),
        Answer::Takeover(takeover) => {
            wishes.wish(takeover);
            // Never written; it only ends HTTP on this connection.
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
    }
}

#[cfg(test)]
mod tests;

//! The calls that take the socket: attach, and the start of an exec.

use crate::answer::{Answer, MULTIPLEXED_STREAM, RAW_STREAM, identity};
use crate::call::Call;
use crate::error::ApiError;
use crate::hijack::Takeover;
use engine::AttachOptions;
use engine_api::exec::ExecStartRequest;
use http::StatusCode;
use std::os::fd::OwnedFd;

/// `POST /containers/{id}/attach` (ContainerAttach).
pub(super) async fn attach(mut call: Call) -> Result<Answer, ApiError> {
    let query = &call.query;
    let options = AttachOptions {
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        stream: query.flag("stream"),
        logs: query.flag("logs"),
        detach_keys: query.text("detachKeys").to_owned(),
    };
    call.drain().await?;
    let ticket = call.engine.container_attach(&call.name, options).await?;
    let head = head(&call, ticket.multiplexed, &[]);
    let name = call.name;
    Ok(Answer::Takeover(Takeover {
        head,
        serve: Box::new(|socket, early| {
            Box::pin(async move {
                if let Err(error) = ticket.connect(socket, early).await {
                    tracing::error!(container = name, %error, "attach failed");
                }
            })
        }),
    }))
}

/// `POST /exec/{id}/start` (ExecStart): with `Detach` a plain call, otherwise the socket becomes the streams.
pub(super) async fn exec_start(mut call: Call) -> Result<Answer, ApiError> {
    let mut request: ExecStartRequest = call.document().await?;
    if call.version.before(42) || !request.tty {
        request.console_size = None;
    }
    let detach = request.detach;
    let ticket = call.engine.exec_start(&call.name, request).await?;
    if detach {
        ticket.detach().await?;
        return Ok(Answer::empty(StatusCode::OK));
    }
    let multiplexed = ticket.multiplexed;
    let head = head(&call, multiplexed, &identity(call.engine.config().experimental));
    Ok(Answer::Takeover(Takeover {
        head,
        serve: Box::new(move |socket, early| {
            Box::pin(async move {
                if let Err((error, socket)) = ticket.connect(socket, early).await {
                    tracing::error!(exec = call.name, %error, "exec failed");
                    // The head is out: the reason goes where the output would have gone.
                    let text = format!("{error}\r\n");
                    let bytes = if multiplexed { frame(1, text.as_bytes()) } else { text.into_bytes() };
                    say(&socket, &bytes);
                }
            })
        }),
    }))
}

/// The head of the answer in the form that the client asked for.
fn head(call: &Call, multiplexed: bool, headers: &[(http::HeaderName, http::HeaderValue)]) -> Vec<u8> {
    let mut head = if call.wants_upgrade() {
        let framed = multiplexed && !call.version.before(42);
        let content_type = if framed { MULTIPLEXED_STREAM } else { RAW_STREAM };
        format!(
            "HTTP/1.1 101 UPGRADED\r\nContent-Type: {content_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        )
    } else {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {RAW_STREAM}\r\n")
    };
    for (name, value) in headers {
        let value = value.to_str().unwrap_or_default();
        head.push_str(&format!("{}: {value}\r\n", title_case(name.as_str())));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// `api-version` → `Api-Version`: how HTTP writes names on this server's other answers.
fn title_case(name: &str) -> String {
    let capitalize = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capitalize).collect::<Vec<_>>().join("-")
}

/// One frame of a multiplexed stream: its number, three zeros, the length, the bytes.
pub(super) fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&length);
    frame.extend_from_slice(bytes);
    frame
}

/// Writes a last word and closes. A full socket loses it: nobody reads there.
fn say(socket: &OwnedFd, bytes: &[u8]) {
    let _ = rustix::io::write(socket, bytes);
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_capitalized() {
        assert_eq!(title_case("api-version"), "Api-Version");
    }

    #[test]
    fn frames_carry_stream_and_length() {
        assert_eq!(frame(2, b"hi"), [2, 0, 0, 0, 0, 0, 0, 2, b'h', b'i']);
    }
}

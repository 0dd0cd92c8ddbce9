//! `POST /containers/{id}/exec`, `POST /exec/{id}/start`, `POST /exec/{id}/resize`, `GET /exec/{id}/json`.

use std::os::fd::OwnedFd;

use engine_api::exec::{ExecCreateRequest, ExecCreateResponse, ExecInspectResponse, ExecStartRequest};

use crate::{Engine, Error};

/// A valid exec start that waits for its socket.
pub struct ExecTicket {
    /// Whether the stream carries frames (8-byte heads), or is raw because the exec has a terminal.
    pub multiplexed: bool,
}

impl ExecTicket {
    /// Starts the process with the client's socket as its streams, after the answer's head was written; `early`
    /// are bytes that the client sent behind its request. On failure the socket comes back, so that the face
    /// can write the reason into the stream as Docker does.
    ///
    /// # Errors
    /// Why the process did not start, and the socket.
    pub async fn connect(self, socket: OwnedFd, _early: Vec<u8>) -> Result<(), (Error, OwnedFd)> {
        Err((Error::not_implemented("exec"), socket))
    }

    /// Starts the process without streams (`Detach`), and returns when it runs.
    ///
    /// # Errors
    /// Why the process did not start.
    pub async fn detach(self) -> Result<(), Error> {
        Err(Error::not_implemented("exec"))
    }
}

impl Engine {
    /// Notes a process to run in a running container.
    ///
    /// # Errors
    /// `Conflict` when the container does not run or is paused.
    pub async fn exec_create(
        &self,
        _container: &str,
        _request: ExecCreateRequest,
    ) -> Result<ExecCreateResponse, Error> {
        Err(Error::not_implemented("exec"))
    }

    /// Validates a start; see [`ExecTicket`].
    ///
    /// # Errors
    /// `NotFound` without such an exec; `Conflict` when it runs or ran already, or its container is down or paused.
    pub async fn exec_start(&self, _id: &str, _request: ExecStartRequest) -> Result<ExecTicket, Error> {
        Err(Error::not_implemented("exec"))
    }

    /// What is known of an exec.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn exec_inspect(&self, _id: &str) -> Result<ExecInspectResponse, Error> {
        Err(Error::not_implemented("exec"))
    }

    /// Gives an exec's terminal another size.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when it was never started.
    pub async fn exec_resize(&self, _id: &str, _height: u32, _width: u32) -> Result<(), Error> {
        Err(Error::not_implemented("exec"))
    }
}

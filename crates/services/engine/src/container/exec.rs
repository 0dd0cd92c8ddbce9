//! `POST /containers/{id}/exec`, `POST /exec/{id}/start`, `POST /exec/{id}/resize`, `GET /exec/{id}/json`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use engine_api::StringMap;
use engine_api::exec::{
    ExecCreateRequest, ExecCreateResponse, ExecInspectResponse, ExecStartRequest, ProcessConfig,
};
use oci_spec::runtime::{ConsoleSize, Process};
use shim::protocol::Answer;
use shim::{ExecOptions, Framing, RefusalKind, Request, UserWish};

use super::execs::{BeginError, Exec, ExecState};
use super::supervisor::{CallError, Supervisor};
use super::view::View;
use super::{capabilities, detach_keys, environment, resize, spec};
use crate::engine::{Shared, blocking};
use crate::error::{Error, Kind};
use crate::{Engine, names};

/// How long an inspect waits for a supervisor; past it, it tells what is known.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(1);

/// A valid exec start that waits for its socket.
pub struct ExecTicket {
    /// Whether the stream carries frames (8-byte heads), or is raw because the exec has a terminal.
    pub multiplexed: bool,
    shared: Arc<Shared>,
    view: Arc<View>,
    supervisor: Supervisor,
    exec: Arc<Exec>,
    console_size: Option<[u32; 2]>,
}

impl ExecTicket {
    /// Starts the process with the client's socket as its streams, after the answer's head was written; `early`
    /// are bytes that the client sent behind its request. On failure the socket comes back, so that the face
    /// can write the reason into the stream as Docker does.
    ///
    /// # Errors
    /// Why the process did not start, and the socket.
    pub async fn connect(self, socket: OwnedFd, early: Vec<u8>) -> Result<(), (Error, OwnedFd)> {
        let request = &self.exec.request;
        let client = shim::AttachOptions {
            client: self.exec.id.clone(),
            stdin: request.attach_stdin,
            stdout: request.attach_stdout,
            stderr: request.attach_stderr,
            framing: if self.multiplexed { Framing::Multiplexed } else { Framing::Raw },
            detach_keys: self.exec.detach_keys.clone(),
            early_input: early,
        };
        let copy = match socket.as_fd().try_clone_to_owned() {
            Ok(copy) => copy,
            Err(error) => return Err((Error::from_cause("cannot hand the connection over", &error), socket)),
        };
        self.run(Some(client), vec![copy]).await.map_err(|error| (error, socket))
    }

    /// Starts the process without streams (`Detach`), and returns when it runs.
    ///
    /// # Errors
    /// Why the process did not start.
    pub async fn detach(self) -> Result<(), Error> {
        self.run(None, vec![]).await
    }

    async fn run(&self, client: Option<shim::AttachOptions>, sockets: Vec<OwnedFd>) -> Result<(), Error> {
        let exec = &self.exec;
        self.announce("exec_start");
        let options = ExecOptions {
            exec: exec.id.clone(),
            process: plan_process(&self.shared, &self.view, exec, self.console_size),
            user: Some(UserWish {
                name: exec.request.user.clone(),
                groups: self.view.intent.host_config.group_add.clone().unwrap_or_default(),
            }),
            client,
        };
        match self.supervisor.call(Request::Exec(Box::new(options)), sockets).await {
            Ok(Answer::Started(started)) => {
                self.shared.execs.started(&exec.id, started.pid);
                Ok(())
            }
            Ok(_) => Err(self.failed(126, Error::system("the supervisor answered out of turn"))),
            Err(error) => {
                let (code, error) = self.explain(error);
                Err(self.failed(code, error))
            }
        }
    }

    fn failed(&self, code: i32, error: Error) -> Error {
        self.shared.execs.finish(&self.exec.id, code);
        error
    }

    fn explain(&self, error: CallError) -> (i32, Error) {
        let CallError::Refused(refusal) = error else {
            return (126, Error::system(error.to_string()));
        };
        if refusal.kind == RefusalKind::NotRunning {
            return (126, Error::conflict(format!("container {} is not running", self.view.id())));
        }
        let code = refusal.exit_code.unwrap_or(128);
        let message = match refusal.step.as_deref() {
            Some("user") => refusal.message,
            _ => format!(
                "OCI runtime exec failed: exec failed: unable to start container process: {}",
                refusal.message
            ),
        };
        let kind = if matches!(code, 126 | 127) { Kind::InvalidParameter } else { Kind::System };
        (code, Error::new(kind, message))
    }

    fn announce(&self, verb: &str) {
        announce(&self.shared, &self.view, &self.exec, verb);
    }
}

impl Engine {
    /// Notes a process to run in a running container.
    ///
    /// # Errors
    /// `Conflict` when the container does not run or is paused.
    pub async fn exec_create(
        &self,
        container: &str,
        mut request: ExecCreateRequest,
    ) -> Result<ExecCreateResponse, Error> {
        if request.cmd.as_ref().is_none_or(Vec::is_empty) {
            return Err(Error::invalid("No exec command specified"));
        }
        let view = self.shared.containers.find(container)?.view();
        check_active(&view, container)?;
        let keys = detach_keys::parse(&request.detach_keys).ok_or_else(|| {
            Error::system(format!("Invalid escape keys ({}) provided", request.detach_keys))
        })?;
        if !request.user.is_empty() {
            check_user(&view, &request.user).await?;
        }
        let config = &view.intent.config;
        for (own, default) in
            [(&mut request.user, &config.user), (&mut request.working_dir, &config.working_dir)]
        {
            if own.is_empty() {
                own.clone_from(default);
            }
        }
        let id = names::random_id().map_err(|error| Error::from_cause("no randomness", &error))?;
        let exec = Exec {
            id: id.clone(),
            container: view.id().to_owned(),
            request,
            detach_keys: keys,
            state: ExecState::Created,
        };
        self.shared.execs.insert(exec.clone());
        announce(&self.shared, &view, &exec, "exec_create");
        Ok(ExecCreateResponse { id })
    }

    /// Validates a start; see [`ExecTicket`].
    ///
    /// # Errors
    /// `NotFound` without such an exec; `Conflict` when it runs or ran already, or its container is down or paused.
    pub async fn exec_start(&self, id: &str, request: ExecStartRequest) -> Result<ExecTicket, Error> {
        let (exec, view) = self.find_exec(id)?;
        check_active(&view, view.id())?;
        let supervisor = view.supervisor.clone().ok_or_else(|| not_running(&view))?;
        self.shared.execs.begin(id).map_err(|error| match error {
            BeginError::Missing => missing(id),
            BeginError::HasRun => Error::conflict(format!("exec command {id} has already run")),
            BeginError::IsRunning => Error::conflict(format!("exec command {id} is already running")),
        })?;
        let console_size = request.console_size.filter(|_| request.tty).or(exec.request.console_size);
        let multiplexed = !exec.request.tty;
        Ok(ExecTicket { multiplexed, shared: self.shared.clone(), view, supervisor, exec, console_size })
    }

    /// What is known of an exec.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn exec_inspect(&self, id: &str) -> Result<ExecInspectResponse, Error> {
        let (mut exec, view) = self.find_exec(id)?;
        if matches!(exec.state, ExecState::Starting | ExecState::Running { .. }) {
            self.catch_up(id, &view).await;
            (exec, _) = self.find_exec(id)?;
        }
        let request = &exec.request;
        let (running, exit_code, pid) = match exec.state {
            ExecState::Created => (false, None, 0),
            ExecState::Starting => (true, None, 0),
            ExecState::Running { pid } => (true, None, pid),
            ExecState::Ended { pid, code } => (false, Some(i64::from(code)), pid),
        };
        let mut words = request.cmd.clone().unwrap_or_default().into_iter();
        Ok(ExecInspectResponse {
            id: exec.id.clone(),
            running,
            exit_code,
            process_config: ProcessConfig {
                tty: request.tty,
                entrypoint: words.next().unwrap_or_default(),
                arguments: words.collect(),
                privileged: Some(request.privileged),
                user: request.user.clone(),
            },
            open_stdin: request.attach_stdin,
            open_stderr: request.attach_stderr,
            open_stdout: request.attach_stdout,
            can_remove: false,
            container_id: exec.container.clone(),
            detach_keys: base64::engine::general_purpose::STANDARD.encode(&exec.detach_keys),
            pid: i64::from(pid),
        })
    }

    /// Gives an exec's terminal another size.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when it was never started.
    pub async fn exec_resize(&self, id: &str, height: u32, width: u32) -> Result<(), Error> {
        let (exec, view) = self.find_exec(id)?;
        check_active(&view, view.id())?;
        match exec.state {
            ExecState::Created => return Err(Error::invalid("exec process is not started")),
            ExecState::Ended { .. } => {
                return Err(Error::not_found(format!("NotFound: process does not exist {id}: not found")));
            }
            ExecState::Starting | ExecState::Running { .. } => {}
        }
        let supervisor = view.supervisor.as_ref().ok_or_else(|| not_running(&view))?;
        let (rows, columns) = (resize::clamp(height), resize::clamp(width));
        let request = Request::Resize { exec: Some(id.to_owned()), rows, columns };
        match supervisor.call(request, vec![]).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Invalid => Ok(()),
            Err(CallError::Refused(_)) => {
                Err(Error::not_found(format!("NotFound: process does not exist {id}: not found")))
            }
            Err(error) => Err(Error::system(error.to_string())),
        }
    }

    /// Asks the supervisor for the ends that it has told and that are still on their way to us: a client asks for
    /// the exit code as soon as its stream has ended.
    async fn catch_up(&self, id: &str, view: &View) {
        let Some(supervisor) = &view.supervisor else { return };
        let asked = tokio::time::timeout(CATCH_UP_LIMIT, supervisor.call(Request::State, vec![])).await;
        let Ok(Ok(Answer::State(state))) = asked else { return };
        let told = state.execs.iter().find(|told| told.exec == id);
        if let Some(code) = told.and_then(|told| told.exit_code) {
            self.shared.execs.finish(id, code);
        }
    }

    fn find_exec(&self, id: &str) -> Result<(Arc<Exec>, Arc<View>), Error> {
        let exec = self.shared.execs.get(id).ok_or_else(|| missing(id))?;
        let view = self.shared.containers.get(&exec.container).ok_or_else(|| missing(id))?.view();
        Ok((exec, view))
    }
}

fn missing(id: &str) -> Error {
    Error::not_found(format!("No such exec instance: {id}"))
}

fn not_running(view: &View) -> Error {
    Error::conflict(format!("container {} is not running", view.id()))
}

/// An exec needs a container that runs and is not frozen. `shown` is how the client named it.
fn check_active(view: &View, shown: &str) -> Result<(), Error> {
    if !view.life.is_running() {
        return Err(not_running(view));
    }
    if view.life.is_paused() {
        return Err(Error::conflict(format!(
            "Container {shown} is paused, unpause the container before exec"
        )));
    }
    if view.life.is_restarting() {
        let id = view.id();
        return Err(Error::conflict(format!(
            "Container {id} is restarting, wait until the container is running"
        )));
    }
    Ok(())
}

/// Docker looks a user up when the exec is noted, not only when it begins.
async fn check_user(view: &View, user: &str) -> Result<(), Error> {
    let (Some(pid), user) = (view.pid(), user.to_owned()) else { return Ok(()) };
    blocking(move || {
        let root = format!("/proc/{pid}/root");
        // A container that is just ending has no root any more; the start will tell.
        let Ok(root) = mount::path::open_host_folder(Path::new(&root)) else { return Ok(()) };
        let found = runtime::user::resolve(root.as_fd(), &user, &[]);
        found.map(|_| ()).map_err(|error| Error::invalid(error.to_string()))
    })
    .await
}

fn plan_process(shared: &Shared, view: &View, exec: &Exec, size: Option<[u32; 2]>) -> Process {
    let (intent, request) = (&view.intent, &exec.request);
    let base = environment::plan(
        &intent.config.hostname,
        request.tty,
        intent.config.env.as_deref().unwrap_or_default(),
    );
    let names = if request.privileged {
        capabilities::resolve(&[], &[], true, shared.host.capability_names())
    } else {
        spec::plan_capabilities(intent, &shared.host)
    };
    let cwd = if request.working_dir.is_empty() { "/" } else { &request.working_dir };
    let size = size.filter(|[height, width]| *height > 0 && *width > 0);
    Process {
        terminal: request.tty,
        console_size: size.map(|[height, width]| ConsoleSize { height: height.into(), width: width.into() }),
        args: request.cmd.clone().unwrap_or_default(),
        env: environment::override_with(base, request.env.as_deref().unwrap_or_default()),
        cwd: cwd.to_owned(),
        capabilities: Some(spec::equal_capabilities(names)),
        rlimits: spec::plan_rlimits(intent, &shared.config.containers),
        no_new_privileges: spec::forbids_new_privileges(intent),
        oom_score_adj: i32::try_from(intent.host_config.oom_score_adj).ok(),
        ..Process::default()
    }
}

fn announce(shared: &Shared, view: &View, exec: &Exec, verb: &str) {
    let words = exec.request.cmd.clone().unwrap_or_default().join(" ");
    let attributes = StringMap::from([("execID".to_owned(), exec.id.clone())]);
    shared.announce_container(&view.intent, &format!("{verb}: {words}"), attributes);
}

//! What a daemon may ask, one function a request.

use std::os::fd::OwnedFd;

use super::{Exec, Life, Supervisor, checked};
use crate::launch;
use crate::protocol::{Answer, AttachOptions, ExecOptions, Refusal, RefusalKind, Request, VERSION};
use crate::role::failed;

const SIGKILL: i32 = 9;

impl Supervisor {
    /// Does what is asked on the connection of that index.
    pub(super) fn call(
        &mut self,
        control: usize,
        request: Request,
        descriptors: Vec<OwnedFd>,
    ) -> Result<Answer, Refusal> {
        let socket = descriptors.into_iter().next();
        match request {
            Request::Version => {
                Ok(Answer::Version { protocol: VERSION, build: env!("CARGO_PKG_VERSION").to_owned() })
            }
            Request::State => Ok(Answer::State(Box::new(self.state()))),
            Request::Watch => {
                if let Some(control) = self.controls.get_mut(control) {
                    control.watch();
                }
                Ok(Answer::State(Box::new(self.state())))
            }
            Request::Signal { signal, exec, all } => self.signal(signal, exec.as_deref(), all),
            Request::Resize { exec, rows, columns } => self.resize(exec.as_deref(), rows, columns),
            Request::Pause => self.pause(),
            Request::Resume => self.resume(),
            Request::Attach(options) => self.call_attach(options, socket),
            Request::Exec(options) => self.exec(*options, socket),
            Request::Processes => self.processes(),
        }
    }

    fn ensure_running(&self) -> Result<(), Refusal> {
        match self.life {
            Life::Running => Ok(()),
            Life::Ending(_) | Life::Over { .. } => {
                Err(Refusal::new(RefusalKind::NotRunning, "the container is not running"))
            }
        }
    }

    fn find_exec(&self, id: &str) -> Result<&Exec, Refusal> {
        let exec = self.execs.iter().find(|exec| exec.id == id && exec.exit_code.is_none());
        exec.ok_or_else(|| match self.ended.iter().any(|exec| exec.exec == id) {
            true => Refusal::new(RefusalKind::NotRunning, format!("exec {id} is not running")),
            false => Refusal::new(RefusalKind::NotFound, format!("no exec {id}")),
        })
    }

    fn signal(&mut self, signal: i32, exec: Option<&str>, all: bool) -> Result<Answer, Refusal> {
        if !(1..=64).contains(&signal) {
            return Err(Refusal::new(RefusalKind::Invalid, format!("{signal} is no signal")));
        }
        self.ensure_running()?;
        // Neither process has been reaped, so their ids cannot be others' yet.
        match (exec, &self.container.group) {
            (Some(id), _) => {
                sys::process::signal_pid(self.find_exec(id)?.process.started.pid, signal).map_err(failed)?;
            }
            (None, Some(group)) if all => {
                for pid in group.pids().map_err(|error| refuse(&error))? {
                    let _ = sys::process::signal_pid(pid, signal);
                }
            }
            (None, _) => {
                sys::process::signal_pid(self.container.started.pid, signal).map_err(failed)?;
            }
        }
        // A frozen process dies when it is thawed, not before.
        if signal == SIGKILL && self.is_paused {
            self.resume()?;
        }
        Ok(Answer::Done)
    }

    fn resize(&self, exec: Option<&str>, rows: u16, columns: u16) -> Result<Answer, Refusal> {
        let streams = match exec {
            Some(id) => &self.find_exec(id)?.process.streams,
            None => {
                self.ensure_running()?;
                &self.container.streams
            }
        };
        let terminal =
            streams.terminal().ok_or_else(|| Refusal::new(RefusalKind::Invalid, "there is no terminal"))?;
        sys::pty::set_size(terminal, rows, columns).map_err(failed)?;
        Ok(Answer::Done)
    }

    fn pause(&mut self) -> Result<Answer, Refusal> {
        self.ensure_running()?;
        let group = self.container.group.as_ref();
        let group = group.ok_or_else(|| Refusal::new(RefusalKind::Invalid, "there is no control group"))?;
        group.freeze().map_err(|error| refuse(&error))?;
        self.is_paused = true;
        Ok(Answer::Done)
    }

    fn resume(&mut self) -> Result<Answer, Refusal> {
        self.ensure_running()?;
        if let Some(group) = &self.container.group {
            group.thaw().map_err(|error| refuse(&error))?;
        }
        self.is_paused = false;
        Ok(Answer::Done)
    }

    fn call_attach(&mut self, options: AttachOptions, socket: Option<OwnedFd>) -> Result<Answer, Refusal> {
        self.ensure_running()?;
        let socket = socket.ok_or_else(|| Refusal::new(RefusalKind::Invalid, "no socket came along"))?;
        self.attach(options, socket)?;
        Ok(Answer::Done)
    }

    fn exec(&mut self, mut options: ExecOptions, socket: Option<OwnedFd>) -> Result<Answer, Refusal> {
        self.ensure_running()?;
        if self.is_paused {
            return Err(Refusal::new(RefusalKind::NotRunning, "the container is paused"));
        }
        let is_known = self.execs.iter().any(|exec| exec.id == options.exec)
            || self.ended.iter().any(|exec| exec.exec == options.exec);
        if is_known {
            let message = format!("exec {} has been started before", options.exec);
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
        let socket = socket.map(checked).transpose()?;
        let mut process = launch::exec(&self.container, &options)?;
        let started = process.started;
        if let (Some(client), Some(socket)) = (options.client.take(), socket) {
            process.streams.attach(socket, client);
        }
        self.execs.push(Exec { id: options.exec, process, exit_code: None, is_reported: false });
        Ok(Answer::Started(started))
    }

    fn processes(&self) -> Result<Answer, Refusal> {
        self.ensure_running()?;
        let pids = match &self.container.group {
            Some(group) => group.pids().map_err(|error| refuse(&error))?,
            None => vec![self.container.started.pid],
        };
        Ok(Answer::Processes(pids))
    }
}

fn refuse(error: &cgroup::CgroupError) -> Refusal {
    Refusal::new(RefusalKind::Failed, launch::chain(error))
}

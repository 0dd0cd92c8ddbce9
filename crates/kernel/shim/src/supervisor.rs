//! The loop: one container, its execs, its clients and its daemon's connections, on one thread.
//!
//! ```text
//!   Running ──pidfd──▶ Ending (outputs held open by others are waited for, 2 s at most)
//!           ──▶ Over: exit.json, Exited, clients told the end; cgroup and mount let go; connections closed
//!           ──▶ the process ends when the last client has fetched what was waiting for it
//! ```

mod calls;

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use cgroup::OomWatch;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use serde::Serialize;
use sys::background;

use crate::client::SOCKET;
use crate::control::Control;
use crate::launch::{Container, ExecProcess};
use crate::log;
use crate::protocol::{
    Answer, AttachOptions, Event, ExecState, Refusal, RefusalKind, Started, State, Status,
};
use crate::record::{ExitRecord, replace};
use crate::role::{failed, reply};
use crate::streams::{BUFFER, Part, Tools, is_stream_socket};

/// How long memory that is only needed while something flows is kept after the last of it.
const IDLE: Duration = Duration::from_secs(1);

/// How many daemons' connections there may be; a further one replaces the oldest that does not watch.
const MOST_CONTROLS: usize = 64;

/// How many ended execs are remembered for a daemon that was away.
const MOST_ENDED: usize = 64;

/// How long after the kernel's word that memory has run out its kills are counted, the first time at once.
const OOM_DELAY: Duration = Duration::from_millis(100);

/// How long a daemon may take to fetch the last events.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Everything a shim has.
#[derive(Debug)]
pub(crate) struct Supervisor {
    id: String,
    exec_dir: PathBuf,
    container: Container,
    is_paused: bool,
    life: Life,
    oom_kills: u64,
    oom_watch: Option<OomWatch>,
    /// When to count the kills again: version 1 tells of them before they happen.
    oom_due: Option<Instant>,
    execs: Vec<Exec>,
    ended: VecDeque<ExecState>,
    controls: Vec<Control>,
    buffer: Vec<u8>,
    /// When the buffer was used last, if it has not been let go.
    busy: Option<Instant>,
}

#[derive(Debug)]
enum Life {
    Running,
    /// The process has been reaped; outputs are still held open by others.
    Ending(ExitRecord),
    /// Everything was reported and let go; only clients and last words are left, until then.
    Over {
        record: ExitRecord,
        until: Instant,
    },
}

#[derive(Debug)]
struct Exec {
    id: String,
    process: ExecProcess,
    /// Known once it has been reaped; reported once its outputs have ended.
    exit_code: Option<i32>,
    is_reported: bool,
}

/// What a descriptor in the poll set stands for.
#[derive(Debug, Clone, Copy)]
enum Token {
    Process,
    Stream(Part),
    ExecProcess(usize),
    ExecStream(usize, Part),
    Listener,
    Memory,
    Control(usize),
}

/// `state.json`: what a daemon needs to find the container if the shim itself is gone.
#[derive(Serialize)]
struct StateFile<'a> {
    id: &'a str,
    #[serde(flatten)]
    started: Started,
    shim: u32,
}

impl Supervisor {
    pub(crate) fn new(id: String, exec_dir: PathBuf, container: Container) -> Self {
        Self {
            id,
            exec_dir,
            container,
            is_paused: false,
            life: Life::Running,
            oom_kills: 0,
            oom_watch: None,
            oom_due: None,
            execs: Vec::new(),
            ended: VecDeque::new(),
            controls: Vec::new(),
            buffer: Vec::new(),
            busy: Some(Instant::now()),
        }
    }

    /// Answers the launch. That connection watches from its start, so that no event is missed.
    pub(crate) fn greet(&mut self, mut control: Control) {
        control.watch();
        control.say(&reply(0, Ok(Answer::Started(self.container.started))));
        self.controls.push(control);
        let file = StateFile { id: &self.id, started: self.container.started, shim: std::process::id() };
        if let Ok(bytes) = serde_json::to_vec(&file) {
            let _ = replace(&self.exec_dir.join("state.json"), &bytes);
        }
        if let Some(bytes) = self.container.spec.take().and_then(|spec| serde_json::to_vec(&spec).ok()) {
            let _ = replace(&self.exec_dir.join("config.json"), &bytes);
        }
        self.oom_watch = self.container.group.as_ref().and_then(|group| group.oom_watch().ok());
    }

    /// Connects a client to the container.
    pub(crate) fn attach(&mut self, options: AttachOptions, socket: OwnedFd) -> Result<(), Refusal> {
        let socket = checked(socket)?;
        self.container.streams.attach(socket, options);
        Ok(())
    }

    /// Goes on until nothing is left to do.
    pub(crate) fn run(&mut self) {
        while !self.is_finished() {
            let ready = self.wait();
            let now = Instant::now();
            for (token, flags) in ready {
                self.serve(token, flags, now);
            }
            self.container.log.turn();
            self.after_serving(now);
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.life, Life::Over { .. })
            && self.controls.is_empty()
            && self.container.streams.is_deserted()
            && self.execs.is_empty()
    }

    /// Waits until something can be done; answers what.
    fn wait(&mut self) -> Vec<(Token, PollFlags)> {
        if self.busy.is_some_and(|last| last.elapsed() >= IDLE) {
            self.rest();
        }
        let mut fds = Vec::new();
        let mut tokens = Vec::new();
        self.interests(&mut |fd, flags, token| {
            fds.push(PollFd::from_borrowed_fd(fd, flags));
            tokens.push(token);
        });
        let timeout = self.timeout();
        let timeout = timeout.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Vec::new(),
            Err(_) => {
                catch_breath();
                return Vec::new();
            }
        }
        let answers = fds.iter().map(PollFd::revents).zip(tokens);
        answers.filter(|(flags, _)| !flags.is_empty()).map(|(flags, token)| (token, flags)).collect()
    }

    fn interests<'a>(&'a self, add: &mut dyn FnMut(BorrowedFd<'a>, PollFlags, Token)) {
        if matches!(self.life, Life::Running) {
            add(self.container.pidfd.as_fd(), PollFlags::IN, Token::Process);
            if let Some(watch) = &self.oom_watch {
                add(watch.as_fd(), PollFlags::IN, Token::Memory);
            }
        }
        if !matches!(self.life, Life::Over { .. }) {
            add(self.container.listener.as_fd(), PollFlags::IN, Token::Listener);
        }
        self.container.streams.interests(|fd, flags, part| add(fd, flags, Token::Stream(part)));
        for (index, exec) in self.execs.iter().enumerate() {
            if exec.exit_code.is_none() {
                add(exec.process.pidfd.as_fd(), PollFlags::IN, Token::ExecProcess(index));
            }
            exec.process.streams.interests(|fd, flags, part| add(fd, flags, Token::ExecStream(index, part)));
        }
        for (index, control) in self.controls.iter().enumerate() {
            let (fd, flags) = control.interest();
            add(fd, flags, Token::Control(index));
        }
    }

    /// How long to wait at most; `None` is for ever.
    fn timeout(&self) -> Option<Duration> {
        if self.container.log.is_busy() {
            return Some(Duration::ZERO);
        }
        let streams = std::iter::once(&self.container.streams)
            .chain(self.execs.iter().map(|exec| &exec.process.streams));
        let over = match self.life {
            Life::Over { until, .. } if !self.controls.is_empty() => Some(until),
            _ => None,
        };
        let ends = streams.filter_map(|streams| streams.deadline());
        let end = ends.chain(self.busy.map(|last| last + IDLE)).chain(over).chain(self.oom_due).min()?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    /// Lets go of memory that is only needed while something flows.
    fn rest(&mut self) {
        self.busy = None;
        self.buffer = Vec::new();
        self.container.log.rest();
        background::return_free_memory();
        background::return_unused_stack();
    }

    /// Makes sure that there is a buffer.
    fn wake(&mut self, now: Instant) {
        self.busy = Some(now);
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER];
        }
    }

    fn serve(&mut self, token: Token, flags: PollFlags, now: Instant) {
        self.wake(now);
        match token {
            Token::Process => self.reap(now),
            Token::Stream(part) => {
                let log = Some(&mut self.container.log);
                let mut tools = Tools { buffer: &mut self.buffer, log };
                self.container.streams.ready(part, flags, &mut tools);
            }
            Token::ExecProcess(index) => self.reap_exec(index, now),
            Token::ExecStream(index, part) => {
                if let Some(exec) = self.execs.get_mut(index) {
                    let mut tools = Tools { buffer: &mut self.buffer, log: None };
                    exec.process.streams.ready(part, flags, &mut tools);
                }
            }
            Token::Listener => self.accept(),
            Token::Memory => {
                self.notice_oom();
                self.oom_due = Some(now + OOM_DELAY);
                if let Some(watch) = &mut self.oom_watch {
                    watch.hear();
                }
            }
            Token::Control(index) => self.serve_control(index, flags),
        }
    }

    fn accept(&mut self) {
        let socket = match accept_with(&self.container.listener, SocketFlags::CLOEXEC) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
            Err(_) => return catch_breath(),
        };
        if self.controls.len() >= MOST_CONTROLS {
            let oldest = self.controls.iter().position(|control| !control.watches()).unwrap_or(0);
            self.controls.remove(oldest);
        }
        self.controls.push(Control::new(socket));
    }

    fn serve_control(&mut self, index: usize, flags: PollFlags) {
        let Some(control) = self.controls.get_mut(index) else { return };
        if flags.intersects(PollFlags::OUT) {
            control.flush();
        }
        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            control.receive(&mut self.buffer);
        }
        while let Some(call) = self.controls.get_mut(index).and_then(Control::next_call) {
            let outcome = match call.request {
                Some(request) => self.call(index, request, call.descriptors),
                None => Err(Refusal::new(
                    RefusalKind::Unsupported,
                    "this supervisor is of an older version and does not know the request",
                )),
            };
            if let Some(control) = self.controls.get_mut(index) {
                control.say(&reply(call.id, outcome));
            }
        }
    }

    /// What time and the last events have brought about.
    fn after_serving(&mut self, now: Instant) {
        if self.oom_due.is_some_and(|due| due <= now) {
            self.oom_due = None;
            self.notice_oom();
        }
        for client in self.container.streams.take_detached() {
            self.tell(&Event::Detached { client, exec: None });
        }
        self.container.streams.expire(now);
        for index in 0..self.execs.len() {
            self.after_exec(index, now);
        }
        self.execs.retain(|exec| !(exec.is_reported && exec.process.streams.is_deserted()));
        if matches!(self.life, Life::Ending(_)) && self.container.streams.is_over(now) {
            self.conclude(now);
        }
        if let Life::Over { until, .. } = self.life {
            self.controls.retain(|control| !control.is_flushed() && until > now);
        }
        self.controls.retain(|control| !control.is_broken());
    }

    fn tell(&mut self, event: &Event) {
        for control in &mut self.controls {
            control.tell(event);
        }
    }

    /// The container's process has ended.
    fn reap(&mut self, now: Instant) {
        let Some((exit_code, signal)) = reap(self.container.pidfd.as_fd()) else { return };
        let finished_at = log::now();
        self.end_execs(now);
        let record = ExitRecord {
            id: self.id.clone(),
            pid: self.container.started.pid,
            exit_code,
            signal,
            oom_killed: false,
            started_at: self.container.started.started_at,
            finished_at,
        };
        self.life = Life::Ending(record);
        let mut tools = Tools { buffer: &mut self.buffer, log: Some(&mut self.container.log) };
        if self.container.streams.drain(now, &mut tools) {
            self.conclude(now);
        }
    }

    /// Ends what may be left of a container whose first process has ended, where that is not the kernel's work.
    fn end_execs(&mut self, now: Instant) {
        if self.container.has_own_pids {
            return;
        }
        if let Some(group) = &self.container.group {
            let _ = group.kill_all();
        }
        for index in 0..self.execs.len() {
            let Some(exec) = self.execs.get(index) else { continue };
            let moment = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
            let _ = poll(&mut [PollFd::new(&exec.process.pidfd, PollFlags::IN)], Some(&moment));
            self.reap_exec(index, now);
            self.after_exec(index, now);
        }
    }

    /// Records and reports the end, then lets go of everything, in this order.
    fn conclude(&mut self, now: Instant) {
        let Life::Ending(record) = std::mem::replace(&mut self.life, Life::Running) else { return };
        self.container.log.finish();
        self.notice_oom();
        self.oom_watch = None;
        self.oom_due = None;
        let record = ExitRecord { oom_killed: self.oom_kills > 0, ..record };
        // Without a record the daemon learns of the end by the event or by the silence; nothing better is left to do.
        let _ = record.store(&self.exec_dir);
        for endpoint in &self.container.endpoints {
            let _ = network::retire(endpoint);
        }
        self.tell(&Event::Exited(record.clone()));
        self.container.streams.finish();
        let _ = std::fs::remove_file(self.exec_dir.join(SOCKET));
        if let Some(group) = self.container.group.take() {
            let _ = group.remove();
        }
        self.container.rootfs_mount = None;
        self.life = Life::Over { record, until: now + LAST_WORDS };
    }

    /// Tells if the kernel has killed a process for lack of memory since the last look.
    fn notice_oom(&mut self) {
        let kills = self.container.group.as_ref().and_then(|group| group.oom_kills()).unwrap_or(0);
        if kills > self.oom_kills {
            self.oom_kills = kills;
            self.tell(&Event::OutOfMemory);
        }
    }

    fn reap_exec(&mut self, index: usize, now: Instant) {
        let Some(exec) = self.execs.get_mut(index) else { return };
        let Some((exit_code, _)) = reap(exec.process.pidfd.as_fd()) else { return };
        exec.exit_code = Some(exit_code);
        let mut tools = Tools { buffer: &mut self.buffer, log: None };
        exec.process.streams.drain(now, &mut tools);
        self.notice_oom();
    }

    /// Reports an exec whose outputs have ended; only then do its clients learn of the end.
    fn after_exec(&mut self, index: usize, now: Instant) {
        let Some(exec) = self.execs.get_mut(index) else { return };
        let detached = exec.process.streams.take_detached();
        exec.process.streams.expire(now);
        let mut ended = None;
        if let Some(exit_code) = exec.exit_code
            && !exec.is_reported
            && exec.process.streams.is_over(now)
        {
            exec.is_reported = true;
            ended = Some(ExecState {
                exec: exec.id.clone(),
                started: exec.process.started,
                exit_code: Some(exit_code),
            });
        }
        let id = exec.id.clone();
        for client in detached {
            self.tell(&Event::Detached { client, exec: Some(id.clone()) });
        }
        if let Some(state) = ended {
            self.tell(&Event::ExecExited { exec: id, exit_code: state.exit_code.unwrap_or(0) });
            if self.ended.len() >= MOST_ENDED {
                self.ended.pop_front();
            }
            self.ended.push_back(state);
            if let Some(exec) = self.execs.get_mut(index) {
                exec.process.streams.finish();
            }
        }
    }

    /// The truth now.
    fn state(&self) -> State {
        let running = self.execs.iter().filter(|exec| !exec.is_reported).map(|exec| ExecState {
            exec: exec.id.clone(),
            started: exec.process.started,
            exit_code: None,
        });
        let status = match &self.life {
            Life::Over { record, .. } => Status::Exited(record.clone()),
            _ if self.is_paused => Status::Paused,
            _ => Status::Running,
        };
        State {
            id: self.id.clone(),
            started: self.container.started,
            status,
            execs: self.ended.iter().cloned().chain(running).collect(),
            clients: self.container.streams.clients(),
        }
    }
}

/// The host is short of memory or descriptors: what failed is tried again, but not as fast as possible.
fn catch_breath() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Takes note of a child's end: its exit code, and the signal that ended it.
fn reap(pidfd: BorrowedFd<'_>) -> Option<(i32, Option<i32>)> {
    let status = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED | WaitIdOptions::NOHANG).ok()??;
    match status.terminating_signal() {
        Some(signal) => Some((128 + signal, Some(signal))),
        None => Some((status.exit_status().unwrap_or(255), None)),
    }
}

/// A client's socket, if it is one.
fn checked(socket: OwnedFd) -> Result<OwnedFd, Refusal> {
    if is_stream_socket(&socket) {
        return Ok(socket);
    }
    let refusal = failed(rustix::io::Errno::NOTSOCK);
    Err(Refusal { kind: RefusalKind::Invalid, ..refusal })
}

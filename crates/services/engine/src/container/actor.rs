//! The actor of one container: the only writer of its life.
//!
//! ```text
//!  kills ──┐                      ┌─▶ release, record        before anybody knows
//!  jobs ───┤                      │
//!  notices ┼─▶ event ─▶ life::next┼─▶ publish the view
//!  requests┤                      │
//!  clocks ─┘                      └─▶ launch, signal, remove, announce   jobs report back as events
//! ```
//!
//! Doors are looked at in this order: a stop never queues behind a slow start. Blocking work runs in blocking
//! threads; the actor goes on listening, except while it commits.

use std::future::pending;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use cgroup::Layout;
use db::Batch;
use engine_api::StringMap;
use shim::protocol::{Answer, Status};
use shim::{ExitRecord, Request as ShimRequest};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::abandoned;
use super::handle::{Handle, Kill, MAILBOX, Reply, Request, Restarting};
use super::intent::{CONTAINERS, Intent, LIVES, LifeRecord};
use super::launch::{self, LaunchFailure, Launched};
use super::life::{self, Announcement, Cause, Event, Exit, Life, Phase, Refusal, Rules, Step};
use super::removal;
use super::supervisor::{CallError, Connection, Notice, Supervisor};
use super::view::View;
use crate::engine::Shared;
use crate::error::Error;
use crate::events::Subject;
use crate::fault;
use crate::network::Reservation;

/// How long a record of an end may wait for a removal that makes it superfluous. The supervisor's own record
/// covers the time until then.
const RECORD_PAUSE: Duration = Duration::from_millis(30);

/// Between two looks at a supervisor that does not answer.
const PROBE_PAUSE: Duration = Duration::from_secs(2);

/// What a job of this actor reports.
enum Report {
    Launched(Result<Box<Launched>, LaunchFailure>),
    Frozen(Result<(), CallError>),
    Thawed(Result<(), CallError>),
    Signalled(Result<(), CallError>),
    /// A supervisor that had missed a deadline answers again.
    Found {
        pid: u32,
        paused: bool,
    },
    Removed(Result<(), Error>),
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    intent: Arc<Intent>,
    rules: Rules,
    life: Life,
    network: Arc<Reservation>,
    last_exit: Option<Exit>,
    supervisor: Option<Supervisor>,
    view: watch::Sender<Arc<View>>,

    requests: mpsc::Receiver<Request>,
    kills: mpsc::Receiver<Kill>,
    notices: mpsc::Receiver<Notice>,
    notice_door: mpsc::Sender<Notice>,
    reports: mpsc::Receiver<Report>,
    report_door: mpsc::Sender<Report>,

    /// Those who wait for the launch, the freeze, the thaw, the removal.
    starters: Vec<Reply<()>>,
    pausers: Vec<Reply<()>>,
    resumers: Vec<Reply<()>>,
    removers: Vec<Reply<()>>,
    /// Clients that attached before the start.
    clients: Vec<(shim::AttachOptions, OwnedFd)>,
    abort: Arc<AtomicBool>,
    with_volumes: bool,
    /// Records of the network that go with the next commit.
    unsaved: Batch,
    record_due: Option<Instant>,
    restart_due: Option<Instant>,
    /// Whether the supervisor told of the end already.
    has_exit: bool,
}

/// A container as reconciliation found it.
pub(crate) struct Found {
    pub(crate) life: Life,
    pub(crate) connection: Option<Connection>,
    /// How it ended while nobody looked.
    pub(crate) ended: Option<ExitRecord>,
    pub(crate) network: Reservation,
}

impl Found {
    /// Whether it will show as ended once its actor runs.
    pub(crate) fn has_ended(&self) -> bool {
        let told = self.connection.as_ref().is_some_and(|known| matches!(known.status, Status::Exited(_)));
        told || self.ended.is_some()
    }

    pub(crate) fn new_container() -> Self {
        Self { life: Life::created(), connection: None, ended: None, network: Reservation::default() }
    }
}

/// Brings up the actor of a container and makes it findable. Must be called inside the runtime.
pub(crate) fn spawn(shared: &Arc<Shared>, intent: Intent, found: Found) -> Arc<Handle> {
    let (request_door, requests) = mpsc::channel(MAILBOX);
    let (kill_door, kills) = mpsc::channel(MAILBOX);
    let (notice_door, notices) = mpsc::channel(MAILBOX);
    let (report_door, reports) = mpsc::channel(MAILBOX);
    let intent = Arc::new(intent);
    let mut life = found.life;
    let mut supervisor = None;
    let mut ended = found.ended;
    if let Some(connection) = found.connection {
        ended = ended.or_else(|| end_of(&connection.status));
        match connection.serve(notice_door.clone()) {
            Ok(line) => supervisor = Some(line),
            Err(error) => {
                let lost = Event::Lost { reason: error.to_string(), at: SystemTime::now() };
                if let Ok((next, _)) = life::next(&life, &intent.rules(), lost) {
                    life = next;
                }
            }
        }
    }
    let network = Arc::new(found.network);
    let view = View {
        intent: intent.clone(),
        life: life.clone(),
        network: network.clone(),
        last_exit: None,
        supervisor: supervisor.clone(),
    };
    let (view, watched) = watch::channel(Arc::new(view));
    let actor = Actor {
        shared: shared.clone(),
        rules: intent.rules(),
        intent,
        life,
        network,
        last_exit: None,
        supervisor,
        view,
        requests,
        kills,
        notices,
        notice_door,
        reports,
        report_door,
        starters: Vec::new(),
        pausers: Vec::new(),
        resumers: Vec::new(),
        removers: Vec::new(),
        clients: Vec::new(),
        abort: Arc::default(),
        with_volumes: false,
        unsaved: Batch::new(),
        record_due: None,
        restart_due: None,
        has_exit: false,
    };
    let handle = Arc::new(Handle::new(watched, request_door, kill_door));
    // Before the actor runs: one that ended while we were away may remove itself at once.
    shared.containers.insert(actor.intent.id.clone(), handle.clone());
    tokio::spawn(actor.run(ended));
    handle
}

impl Actor {
    async fn run(mut self, ended: Option<ExitRecord>) {
        if let Some(record) = ended {
            self.on_exit(&record).await;
        }
        while self.life.phase != Phase::Removed {
            tokio::select! {
                biased;
                Some(kill) = self.kills.recv() => self.on_kill(kill).await,
                Some(report) = self.reports.recv() => self.on_report(report).await,
                Some(notice) = self.notices.recv() => self.on_notice(notice).await,
                () = elapsed(self.restart_due) => self.on_restart_due().await,
                request = self.requests.recv() => match request {
                    Some(request) => self.on_request(request).await,
                    None => break,
                },
                () = elapsed(self.record_due) => self.record().await,
            }
        }
    }

    async fn on_request(&mut self, request: Request) {
        match request {
            Request::Start(reply) => match self.apply(Event::Start).await {
                Ok(()) | Err(Refusal::Busy) if self.is_starting() => self.starters.push(reply),
                outcome => answer(reply, outcome.map_err(|refusal| self.explain(refusal))),
            },
            Request::Restart(reply) => {
                let outcome = self.apply(Event::Restart).await;
                let outcome = outcome.map(|()| match self.life.process() {
                    Some(_) => Restarting::MustStop,
                    None => Restarting::Begun,
                });
                answer(reply, outcome.map_err(|refusal| self.explain(refusal)));
            }
            Request::Pause(reply) => match self.apply(Event::Pause).await {
                Ok(()) => self.pausers.push(reply),
                Err(refusal) => answer(reply, Err(self.explain(refusal))),
            },
            Request::Unpause(reply) => match self.apply(Event::Unpause).await {
                Ok(()) => self.resumers.push(reply),
                Err(refusal) => answer(reply, Err(self.explain(refusal))),
            },
            Request::Remove { force, volumes, reply } => self.on_remove(force, volumes, reply).await,
            Request::Rename { name, reply } => self.on_rename(name, reply).await,
            Request::Attach { options, socket, reply } => self.on_attach(*options, socket, reply),
        }
    }

    async fn on_kill(&mut self, kill: Kill) {
        let outcome = self.apply(Event::Signal { signal: kill.signal, stop: kill.stop }).await;
        answer(kill.reply, outcome.map_err(|refusal| self.explain(refusal)));
    }

    async fn on_remove(&mut self, force: bool, volumes: bool, reply: Reply<()>) {
        self.with_volumes |= volumes;
        match self.apply(Event::Remove { force }).await {
            Ok(()) => self.removers.push(reply),
            Err(refusal) => answer(reply, Err(self.explain(refusal))),
        }
    }

    fn on_attach(&mut self, options: shim::AttachOptions, socket: OwnedFd, reply: Reply<()>) {
        match (&self.supervisor, self.life.process()) {
            (Some(supervisor), Some(_)) => {
                let sent = supervisor.send(ShimRequest::Attach(options), vec![socket]);
                tokio::spawn(async move {
                    let outcome = match sent {
                        Ok(pending) => pending.wait().await,
                        Err(error) => Err(error),
                    };
                    answer(reply, outcome.map(|_| ()).map_err(|error| Error::system(error.to_string())));
                });
            }
            _ => {
                self.clients.push((options, socket));
                answer(reply, Ok(()));
            }
        }
    }

    async fn on_rename(&mut self, name: String, reply: Reply<()>) {
        let mut intent = Intent::clone(&self.intent);
        let old = std::mem::replace(&mut intent.name, name);
        let batch = Batch::new().put_json(CONTAINERS, &intent.id, &intent);
        let recorded = self.shared.commit(batch).await;
        if let Err(error) = recorded.and_then(|()| Ok(fault::point("rename.recorded")?)) {
            answer(reply, Err(error));
            return;
        }
        self.intent = Arc::new(intent);
        super::create::write_readable_copy(&self.shared, &self.intent);
        self.publish();
        let attributes = StringMap::from([("oldName".to_owned(), format!("/{old}"))]);
        self.announce_with("rename", attributes);
        answer(reply, Ok(()));
    }

    async fn on_restart_due(&mut self) {
        self.restart_due = None;
        let _ = self.apply(Event::BackoffOver).await;
    }

    async fn on_report(&mut self, report: Report) {
        match report {
            Report::Launched(Ok(launched)) => self.on_launched(*launched).await,
            Report::Launched(Err(failure)) => self.on_launch_failed(failure).await,
            Report::Frozen(outcome) => {
                let frozen = self.settle(outcome, Event::Frozen, "pause").await;
                self.pausers.drain(..).for_each(|reply| answer(reply, frozen.clone()));
            }
            Report::Thawed(outcome) => {
                let thawed = self.settle(outcome, Event::Thawed, "unpause").await;
                self.resumers.drain(..).for_each(|reply| answer(reply, thawed.clone()));
            }
            Report::Signalled(Err(CallError::Deadline)) => self.lose("a signal").await,
            Report::Signalled(_) => {}
            Report::Found { pid, paused } => {
                let _ = self.apply(Event::Found { pid, paused }).await;
            }
            Report::Removed(Ok(())) => {
                self.shared.containers.remove(&self.intent.id);
                let _ = self.apply(Event::RemoveDone).await;
                self.removers.drain(..).for_each(|reply| answer(reply, Ok(())));
            }
            Report::Removed(Err(error)) => {
                let _ = self.apply(Event::RemoveFailed { reason: error.message.clone() }).await;
                self.removers.drain(..).for_each(|reply| answer(reply, Err(error.clone())));
            }
        }
    }

    async fn on_launched(&mut self, launched: Launched) {
        let started = launched.connection.started;
        match launched.connection.serve(self.notice_door.clone()) {
            Ok(supervisor) => self.supervisor = Some(supervisor),
            Err(error) => {
                tracing::error!(container = self.intent.short_id(), %error, "cannot listen to the supervisor")
            }
        }
        self.network = Arc::new(launched.network);
        self.has_exit = false;
        let at = launch::from_nanoseconds(started.started_at);
        let _ = self.apply(Event::Launched { pid: started.pid, at }).await;
        let published = fault::point("start.published");
        for reply in self.starters.drain(..) {
            answer(reply, published.as_ref().copied().map_err(|error| Error::system(error.to_string())));
        }
    }

    async fn on_launch_failed(&mut self, failure: LaunchFailure) {
        let event = Event::LaunchFailed {
            code: failure.exit_code,
            reason: failure.error.message.clone(),
            at: SystemTime::now(),
        };
        let _ = self.apply(event).await;
        self.clients.clear();
        self.starters.drain(..).for_each(|reply| answer(reply, Err(failure.error.clone())));
    }

    async fn on_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Event(shim::Event::Exited(record)) => self.on_exit(&record).await,
            Notice::Event(shim::Event::ExecExited { exec, exit_code }) => self.on_exec_exit(&exec, exit_code),
            Notice::Event(shim::Event::Detached { exec, .. }) => match exec {
                Some(exec) => {
                    let attributes = StringMap::from([("execID".to_owned(), exec)]);
                    self.announce_with("exec_detach", attributes);
                }
                None => self.announce_with("detach", StringMap::new()),
            },
            Notice::Event(shim::Event::OutOfMemory) => {
                self.life.past.oom_killed = true;
                self.publish();
                self.announce_with("oom", StringMap::new());
            }
            Notice::Closed => self.on_closed().await,
        }
    }

    fn on_exec_exit(&mut self, exec: &str, exit_code: i32) {
        self.shared.execs.finish(exec, exit_code);
        let attributes = StringMap::from([
            ("execID".to_owned(), exec.to_owned()),
            ("exitCode".to_owned(), exit_code.to_string()),
        ]);
        self.announce_with("exec_die", attributes);
    }

    async fn on_exit(&mut self, record: &ExitRecord) {
        if self.has_exit {
            return;
        }
        self.has_exit = true;
        note(fault::point("exit.seen"));
        // The supervisor may have told of the shortage when it happened.
        let told = self.life.past.oom_killed;
        if record.oom_killed && !told {
            self.announce_with("oom", StringMap::new());
        }
        let exit = Exit {
            code: record.exit_code,
            oom_killed: record.oom_killed || told,
            at: launch::from_nanoseconds(record.finished_at),
        };
        self.shared.execs.container_ended(&self.intent.id);
        self.supervisor = None;
        self.last_exit = Some(exit.clone());
        let _ = self.apply(Event::Exited(exit)).await;
    }

    /// The supervisor hung up: after the exit all is well, before it the exit record tells, or nobody does.
    async fn on_closed(&mut self) {
        if self.has_exit || self.life.process().is_none() {
            return;
        }
        self.end_abandoned().await;
        let folder = self.shared.exec_folder(&self.intent.id);
        let record = ExitRecord::load(&folder).ok().flatten();
        let record = record.unwrap_or_else(|| launch::unknown_end(&self.intent.id, self.life.process()));
        self.on_exit(&record).await;
    }

    /// Ends what the supervisor no longer holds, before anybody may start it again.
    async fn end_abandoned(&self) {
        let id = self.intent.id.clone();
        let path = super::cgroup_path(&self.intent, &self.shared.config.containers);
        let job = move || match Layout::detect() {
            Ok(layout) => abandoned::end(&layout, &path, &id),
            Err(error) => {
                tracing::warn!(container = id, %error, "cannot look for what is left of a container")
            }
        };
        let _ = tokio::task::spawn_blocking(job).await;
    }

    /// Takes note of a freeze or thaw, or of why it did not happen.
    async fn settle(
        &mut self,
        outcome: Result<(), CallError>,
        event: Event,
        verb: &str,
    ) -> Result<(), Error> {
        match outcome {
            Ok(()) => {
                let _ = self.apply(event).await;
                Ok(())
            }
            Err(error) => {
                if matches!(error, CallError::Deadline) {
                    self.lose(verb).await;
                }
                Err(Error::system(format!("cannot {verb} container {}: {error}", self.intent.id)))
            }
        }
    }

    async fn lose(&mut self, what: &str) {
        let reason = format!("the supervisor did not answer to {what}");
        tracing::warn!(container = self.intent.short_id(), reason);
        let _ = self.apply(Event::Lost { reason, at: SystemTime::now() }).await;
        self.look_again();
    }

    /// Asks a supervisor that missed a deadline again and again, until it answers or is gone.
    fn look_again(&self) {
        let Some(supervisor) = self.supervisor.clone() else { return };
        let door = self.report_door.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROBE_PAUSE).await;
                match supervisor.call(ShimRequest::State, vec![]).await {
                    Ok(Answer::State(state)) => {
                        let paused = matches!(state.status, Status::Paused);
                        let _ = door.send(Report::Found { pid: state.started.pid, paused }).await;
                        return;
                    }
                    Err(CallError::Deadline | CallError::Busy) => {}
                    Ok(_) | Err(CallError::Gone | CallError::Refused(_)) => return,
                }
            }
        });
    }

    /// Performs what `event` leads to: first what must be true before anybody knows, then the view, then the rest.
    async fn apply(&mut self, event: Event) -> Result<(), Refusal> {
        let (life, steps) = life::next(&self.life, &self.rules, event)?;
        let was_running = self.life.process().is_some();
        self.life = life;
        let (before, after): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| matches!(step, Step::Release | Step::Record));
        for step in before {
            match step {
                Step::Release => self.release().await,
                _ => self.record().await,
            }
        }
        if was_running && self.life.process().is_none() {
            self.network = Arc::default();
        }
        self.publish();
        for step in after {
            self.perform(step);
        }
        Ok(())
    }

    fn perform(&mut self, step: Step) {
        match step {
            Step::Launch(cause) => self.launch(cause),
            Step::AbortLaunch => self.abort.store(true, Ordering::Relaxed),
            Step::Send(signal) => {
                let request = ShimRequest::Signal { signal, exec: None, all: false };
                self.call(request, Report::Signalled);
            }
            Step::Freeze => self.call(ShimRequest::Pause, Report::Frozen),
            Step::Thaw => self.call(ShimRequest::Resume, Report::Thawed),
            Step::RecordSoon => self.record_due = Some(Instant::now() + RECORD_PAUSE),
            Step::ArmBackoff(pause) => self.restart_due = Some(Instant::now() + pause),
            Step::DisarmBackoff => self.restart_due = None,
            Step::Remove => self.remove(),
            Step::Announce(announcement) => self.announce(&announcement),
            Step::Release | Step::Record => {}
        }
    }

    fn launch(&mut self, cause: Cause) {
        self.record_due = None;
        self.abort = Arc::default();
        let job = launch::Job {
            shared: self.shared.clone(),
            intent: self.intent.clone(),
            past: self.life.past.clone(),
            cause,
            unsaved: std::mem::take(&mut self.unsaved),
            clients: std::mem::take(&mut self.clients),
            abort: self.abort.clone(),
        };
        let door = self.report_door.clone();
        tokio::task::spawn_blocking(move || {
            let _ = door.blocking_send(Report::Launched(job.run().map(Box::new)));
        });
    }

    fn remove(&mut self) {
        self.record_due = None;
        let job = removal::Job {
            shared: self.shared.clone(),
            intent: self.intent.clone(),
            unsaved: std::mem::take(&mut self.unsaved),
            with_volumes: self.with_volumes || self.rules.auto_remove,
        };
        let door = self.report_door.clone();
        tokio::task::spawn_blocking(move || {
            let _ = door.blocking_send(Report::Removed(job.run()));
        });
    }

    /// Sends a request to the supervisor, in order; its outcome comes back as a report.
    fn call(&mut self, request: ShimRequest, report: fn(Result<(), CallError>) -> Report) {
        let Some(supervisor) = &self.supervisor else {
            let _ = self.report_door.try_send(report(Err(CallError::Gone)));
            return;
        };
        let sent = supervisor.send(request, vec![]);
        let door = self.report_door.clone();
        tokio::spawn(async move {
            let outcome = match sent {
                Ok(pending) => pending.wait().await.map(|_| ()),
                Err(error) => Err(error),
            };
            let _ = door.send(report(outcome)).await;
        });
    }

    async fn release(&mut self) {
        let networks = self.shared.networks.clone();
        let id = self.intent.id.clone();
        let released = tokio::task::spawn_blocking(move || networks.release(&id)).await;
        if let Ok(batch) = released {
            self.unsaved = std::mem::take(&mut self.unsaved).and(batch);
        }
        for volume in self.intent.volumes() {
            let attributes = StringMap::from([
                ("driver".to_owned(), volume.driver.clone()),
                ("container".to_owned(), self.intent.id.clone()),
            ]);
            self.shared.events.publish(Subject::Volume, "unmount", volume.name.as_str(), attributes);
        }
        note(fault::point("exit.released"));
    }

    async fn record(&mut self) {
        self.record_due = None;
        let record = LifeRecord::new(&self.life.phase, &self.life.past, &self.network);
        let batch = std::mem::take(&mut self.unsaved).put_json(LIVES, &self.intent.id, &record);
        if let Err(error) = self.shared.commit(batch).await {
            tracing::error!(container = self.intent.short_id(), %error, "cannot record the container's life");
            return;
        }
        note(fault::point("exit.recorded"));
    }

    fn publish(&mut self) {
        let view = View {
            intent: self.intent.clone(),
            life: self.life.clone(),
            network: self.network.clone(),
            last_exit: self.last_exit.clone(),
            supervisor: self.supervisor.clone(),
        };
        self.view.send_replace(Arc::new(view));
    }

    fn announce(&mut self, announcement: &Announcement) {
        let (action, attributes) = match announcement {
            Announcement::Start => ("start", StringMap::new()),
            Announcement::Die { code, seconds } => {
                let code = ("exitCode".to_owned(), code.to_string());
                ("die", StringMap::from([code, ("execDuration".to_owned(), seconds.to_string())]))
            }
            Announcement::Kill(signal) => {
                ("kill", StringMap::from([("signal".to_owned(), signal.to_string())]))
            }
            Announcement::Pause => ("pause", StringMap::new()),
            Announcement::Unpause => ("unpause", StringMap::new()),
            Announcement::Destroy => ("destroy", StringMap::new()),
        };
        self.announce_with(action, attributes);
    }

    fn announce_with(&self, action: &str, attributes: StringMap) {
        self.shared.announce_container(&self.intent, action, attributes);
    }

    fn is_starting(&self) -> bool {
        matches!(self.life.phase, Phase::Starting { .. })
    }

    /// A refusal in Docker's words.
    fn explain(&self, refusal: Refusal) -> Error {
        let id = &self.intent.id;
        match refusal {
            Refusal::AlreadyRunning => Error::new(crate::Kind::NotModified, "container is already running"),
            Refusal::IsPaused => Error::conflict("cannot start a paused container, try unpause instead"),
            Refusal::NotRunning => Error::conflict(format!("container {id} is not running")),
            Refusal::AlreadyPaused => Error::conflict(format!("Container {id} is already paused")),
            Refusal::NotPaused => Error::system(format!("Container {id} is not paused")),
            Refusal::IsRestarting => {
                Error::conflict(format!("Container {id} is restarting, wait until the container is running"))
            }
            Refusal::MustStopFirst if self.life.is_paused() => {
                Error::conflict("container is paused and must be unpaused first")
            }
            Refusal::MustStopFirst => Error::conflict(format!(
                "container is {}: stop the container before removing or force remove",
                self.life.status()
            )),
            Refusal::RemovalInProgress => {
                Error::conflict(format!("removal of container {id} is already in progress"))
            }
            Refusal::MarkedForRemoval => {
                Error::conflict("container is marked for removal and cannot be started")
            }
            Refusal::Busy | Refusal::Stale => {
                Error::new(crate::Kind::Unavailable, format!("container {id} is busy"))
                    .with_hint("try again in a moment")
            }
        }
    }
}

impl Shared {
    /// Tells the world about a container, with the attributes that all its events carry.
    pub(crate) fn announce_container(&self, intent: &Intent, action: &str, mut attributes: StringMap) {
        attributes.extend(intent.config.labels.clone().unwrap_or_default());
        if !intent.config.image.is_empty() {
            attributes.insert("image".to_owned(), intent.config.image.clone());
        }
        attributes.insert("name".to_owned(), intent.name.clone());
        self.events.publish(Subject::Container, action, intent.id.as_str(), attributes);
    }
}

/// A fault where nobody can be told: it is only there to be killed at, or delayed.
fn note(point: Result<(), fault::Injected>) {
    if let Err(error) = point {
        tracing::warn!(%error, "passed over");
    }
}

fn answer<T>(reply: Reply<T>, outcome: Result<T, Error>) {
    // Whoever asked may have left.
    let _ = reply.send(outcome);
}

async fn elapsed(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

fn end_of(status: &Status) -> Option<ExitRecord> {
    match status {
        Status::Exited(record) => Some(record.clone()),
        Status::Running | Status::Paused => None,
    }
}

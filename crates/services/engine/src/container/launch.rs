//! Bringing a container's process up: everything that touches the disk, the network and the supervisor. Blocking.
//!
//! ```text
//!  supervisor's process asked for ───────────┐ (it comes up while we prepare)
//!  spec, layer ──────────▶ Groundwork ──────▶│ (control group, root file system)
//!  address and ports reserved                │
//!  "shall run" and lease: one transaction ───│─┐ start.recorded, start.leased
//!  name files, published ports               │ │ start.networked
//!  all the rest ─────────────▶ Launch ──────▶│ │ (the disk syncs while it is launched)
//!  listening ◀───────────────────────────────┘ │
//!  recorded ◀──────────────────────────────────┘ start.spawned
//! ```
//!
//! What fails is told; ports and addresses are given back by the actor, whose life says `Release` then.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use db::{Batch, Commit};
use engine_api::StringMap;
use mount::Overlay;
use oci_spec::runtime::Spec;
use reference::Digest;
use rustix::io::Errno;
use shim::protocol::NetworkWish;
use shim::{ExitRecord, Groundwork, Launch, Request, Rootfs, ShimClient, ShimError, StdinWish, UserWish};

use super::host_devices::HostDevices;
use super::intent::{Intent, LIVES, LifeRecord, MountSource, Wanted};
use super::life::{Cause, Past, Process};
use super::logging;
use super::spec::{self, Facts, Peers};
use super::supervisor::{Connection, DEADLINE};
use crate::engine::Shared;
use crate::error::{Error, Kind, chain};
use crate::events::Subject;
use crate::fault;
use crate::network::{Reservation, Wish};

/// How long a supervisor may take from its launch to the container's first instruction.
const LAUNCH_DEADLINE: Duration = Duration::from_secs(60);

/// One launch.
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) intent: Arc<Intent>,
    pub(super) past: Past,
    pub(super) cause: Cause,
    /// Records that go with the first commit.
    pub(super) unsaved: Batch,
    /// Clients that wait for the first byte.
    pub(super) clients: Vec<(shim::AttachOptions, OwnedFd)>,
    /// Somebody wants it dead before it lives.
    pub(super) abort: Arc<AtomicBool>,
}

/// A container that runs; it may have ended meanwhile.
pub(super) struct Launched {
    pub(super) connection: Connection,
    pub(super) network: Reservation,
}

/// Why a container did not start, and the code that Docker shows for it.
pub(super) struct LaunchFailure {
    pub(super) error: Error,
    pub(super) exit_code: i32,
}

impl<E: Into<Error>> From<E> for LaunchFailure {
    fn from(error: E) -> Self {
        Self { error: error.into(), exit_code: 128 }
    }
}

impl Job {
    pub(super) fn run(mut self) -> Result<Launched, LaunchFailure> {
        let exec_folder = self.shared.exec_folder(&self.intent.id);
        let outcome = self.launch(&exec_folder);
        if outcome.is_err() {
            let _ = fs::remove_dir_all(&exec_folder);
        }
        outcome
    }

    fn launch(&mut self, exec_folder: &Path) -> Result<Launched, LaunchFailure> {
        // First, because the new process needs its own time to come up.
        let mut idle = self.shared.spawner.start().map_err(supervisor_failed)?;
        let peers = self.find_peers()?;
        make_exec_folder(exec_folder)?;
        // It works on that from here on, side by side with us.
        idle.prepare(&self.groundwork(exec_folder, peers)?, LAUNCH_DEADLINE).map_err(supervisor_failed)?;
        let (network, leases) = self.reserve()?;
        // Without it in the log nothing is done; the answer waits for the disk, the work does not.
        let recording = self.record(leases, &network)?;
        self.check_abort()?;
        self.write_name_files(&network)?;
        self.shared.networks.publish(&self.intent.id).map_err(|error| error.within(NETWORKING))?;
        fault::point("start.networked")?;
        self.ensure_bind_sources()?;
        let launch = self.describe(exec_folder, peers, &network)?;
        self.check_abort()?;
        let sockets: Vec<_> = self.clients.iter().map(|(_, socket)| socket.as_fd()).collect();
        let (client, started) =
            idle.launch(&launch, &sockets, LAUNCH_DEADLINE).map_err(|error| explain_refusal(&error))?;
        drop(sockets);
        self.clients.clear();
        let recorded = recording.finish().map_err(|error| cannot_record(&error));
        let client = spare_or_kill(client, recorded)?;
        let client = spare_or_kill(client, fault::point("start.spawned").map_err(Error::from))?;
        self.announce_mounts();
        Ok(Launched { connection: Connection::of_launch(client, started), network })
    }

    fn check_abort(&self) -> Result<(), Error> {
        if self.abort.load(Ordering::Relaxed) {
            return Err(Error::conflict(format!(
                "container {} was stopped while it started",
                self.intent.id
            )));
        }
        Ok(())
    }

    /// The processes whose namespaces the container joins.
    fn find_peers(&self) -> Result<Peers, Error> {
        let host_config = &self.intent.host_config;
        let find = |mode: &str, missing: &str, down: &str| -> Result<Option<u32>, Error> {
            let Some(name) = mode.strip_prefix("container:") else { return Ok(None) };
            let handle =
                self.shared.containers.find(name).map_err(|error| Error::from(error).within(missing))?;
            let view = handle.view();
            if view.life.is_restarting() {
                let id = view.id();
                return Err(Error::conflict(format!(
                    "Container {id} is restarting, wait until the container is running"
                )));
            }
            let text = || format!("{down}: container {} is {}", view.name(), view.life.status());
            view.pid().map(Some).ok_or_else(|| Error::conflict(text()))
        };
        Ok(Peers {
            network: find(
                &host_config.network_mode,
                "joining network namespace of container",
                "cannot join network namespace of a non running container",
            )?,
            ipc: find(
                &host_config.ipc_mode,
                "failed to join IPC namespace",
                "failed to join IPC namespace: cannot join IPC of a non running container",
            )?,
            pid: find(
                &host_config.pid_mode,
                "failed to join PID namespace",
                "failed to join PID namespace: cannot join PID namespace of a non running container",
            )?,
        })
    }

    fn reserve(&self) -> Result<(Reservation, Batch), Error> {
        let intent = &self.intent;
        let host_config = &intent.host_config;
        if host_config.network_mode.starts_with("container:") {
            return Ok((Reservation::default(), Batch::new()));
        }
        let list = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let wish = Wish {
            container_id: intent.id.clone(),
            container_name: intent.name.clone(),
            mode: if intent.config.network_disabled {
                "none".to_owned()
            } else {
                host_config.network_mode.clone()
            },
            endpoints: intent.endpoints.clone(),
            hostname: intent.config.hostname.clone(),
            domainname: intent.config.domainname.clone(),
            exposed: intent.config.exposed_ports.clone().unwrap_or_default(),
            bindings: host_config.port_bindings.clone().unwrap_or_default(),
            publish_all: host_config.publish_all_ports,
            dns: list(&host_config.dns),
            dns_search: list(&host_config.dns_search),
            dns_options: list(&host_config.dns_options),
            extra_hosts: list(&host_config.extra_hosts),
        };
        self.shared.networks.reserve(&wish).map_err(|error| error.within(NETWORKING))
    }

    /// Records that it shall run, and with which leases. A kill of the daemon cannot undo it when this returns; the disk
    /// has it when the commit is finished.
    fn record(&mut self, leases: Batch, network: &Reservation) -> Result<Commit, Error> {
        let mut past = self.past.clone();
        past.stopped_by_client &= self.cause == Cause::Policy;
        let record = LifeRecord { wanted: Wanted::Running, past, network: Some(network.clone()) };
        let batch = std::mem::take(&mut self.unsaved).and(leases).put_json(LIVES, &self.intent.id, &record);
        let commit = self.shared.db.commit_aside(batch).map_err(|error| cannot_record(&error))?;
        fault::point("start.recorded")?;
        fault::point("start.leased")?;
        Ok(commit)
    }

    fn write_name_files(&self, network: &Reservation) -> Result<(), Error> {
        if self.intent.host_config.network_mode.starts_with("container:") {
            return Ok(());
        }
        let folder = self.shared.container_folder(&self.intent.id);
        let files = [
            ("hosts", &network.hosts),
            ("hostname", &network.hostname),
            ("resolv.conf", &network.resolv_conf),
        ];
        for (name, text) in files {
            let path = folder.join(name);
            let written = fs::write(&path, text)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
            written.map_err(|error| io_error("write", &path, &error))?;
        }
        Ok(())
    }

    fn ensure_bind_sources(&self) -> Result<(), Error> {
        for mount in &self.intent.mounts {
            let MountSource::Bind(bind) = &mount.what else { continue };
            let path = Path::new(&bind.source);
            if path.exists() {
                continue;
            }
            if !bind.create_source {
                return Err(Error::invalid(format!(
                    "invalid mount config for type \"bind\": bind source path does not exist: {}",
                    bind.source
                )));
            }
            let made = fs::create_dir_all(path);
            made.map_err(|error| {
                Error::system(format!("error while creating mount source path '{}': {error}", bind.source))
            })?;
        }
        Ok(())
    }

    /// What the supervisor can do something about before addresses and ports are known.
    fn groundwork(&self, exec_folder: &Path, peers: Peers) -> Result<Groundwork, LaunchFailure> {
        let intent = &self.intent;
        let image = Digest::parse(&intent.image_id)
            .map_err(|error| Error::from_cause("the container's image cannot be read", &error))?;
        let snapshot = self.shared.images.prepare(&intent.id, &image);
        let snapshot =
            snapshot.map_err(|error| Error::from_cause("cannot prepare the container's layer", &error))?;
        let mut spec = self.plan_spec(exec_folder, peers)?;
        // Only told: the supervisor mounts the layers without a place on the host.
        if let Some(root) = &mut spec.root {
            root.path = snapshot.upper.with_file_name("merged").display().to_string();
        }
        Ok(Groundwork {
            id: intent.id.clone(),
            spec,
            rootfs: Rootfs::Overlay(Overlay {
                lower: snapshot.lower,
                upper: Some(snapshot.upper),
                work: Some(snapshot.work),
                volatile: intent.host_config.auto_remove,
            }),
            filter: self.find_filter()?,
        })
    }

    /// The rest, in the supervisor's words.
    fn describe(&self, exec_folder: &Path, peers: Peers, network: &Reservation) -> Result<Launch, Error> {
        let intent = &self.intent;
        let folder = self.shared.container_folder(&intent.id);
        let log = logging::policy(intent, &folder).map_err(|error| {
            Error::system(format!(
                "failed to create task for container: failed to initialize logging driver: {error}"
            ))
        })?;
        Ok(Launch {
            user: Some(UserWish {
                name: intent.config.user.clone(),
                groups: intent.host_config.group_add.clone().unwrap_or_default(),
            }),
            network: match (&network.plan, intent.host_config.network_mode.as_str()) {
                (Some(plan), _) => NetworkWish::Endpoints(vec![plan.clone()]),
                (None, "host") => NetworkWish::Untouched,
                (None, _) if peers.network.is_some() => NetworkWish::Untouched,
                (None, _) => NetworkWish::Loopback,
            },
            log,
            stdin: match (intent.config.open_stdin, intent.config.stdin_once) {
                (false, _) => StdinWish::Closed,
                (true, false) => StdinWish::Open,
                (true, true) => StdinWish::Once,
            },
            exec_dir: exec_folder.to_owned(),
            clients: self.clients.iter().map(|(options, _)| options.clone()).collect(),
        })
    }

    fn plan_spec(&self, exec_folder: &Path, peers: Peers) -> Result<Spec, Error> {
        let intent = &self.intent;
        let shared_memory = self.shared_memory(exec_folder)?;
        let name_files = match intent.host_config.network_mode.strip_prefix("container:") {
            Some(name) => {
                let owner = self.shared.containers.find(name)?.view();
                self.shared.container_folder(owner.id())
            }
            None => self.shared.container_folder(&intent.id),
        };
        let facts = Facts {
            host: &self.shared.host,
            defaults: &self.shared.config.containers,
            name_files: &name_files,
            shared_memory: shared_memory.as_deref(),
            peers,
            devices: &HostDevices,
        };
        // Whatever is wrong with a container that was accepted is the host's matter now, says Docker.
        spec::plan(intent, &facts).map_err(|error| Error::system(chain(&error)))
    }

    fn find_filter(&self) -> Result<Option<PathBuf>, Error> {
        let wanted = spec::wanted_filter(&self.intent).map_err(|error| Error::system(chain(&error)))?;
        let capabilities = spec::plan_capabilities(&self.intent, &self.shared.host);
        self.shared.filters.file(&wanted, &capabilities)
    }

    /// The folder that is `/dev/shm` for containers that share theirs: on the exec root's tmpfs, so that the
    /// host sees no mount of a container.
    fn shared_memory(&self, exec_folder: &Path) -> Result<Option<PathBuf>, Error> {
        let own = match self.intent.host_config.ipc_mode.as_str() {
            "host" => return Ok(Some(PathBuf::from("/dev/shm"))),
            "shareable" => exec_folder.join("shm"),
            mode => {
                let Some(name) = mode.strip_prefix("container:") else { return Ok(None) };
                let owner = self.shared.containers.find(name)?.view();
                return Ok(Some(self.shared.exec_folder(owner.id()).join("shm")));
            }
        };
        let made =
            fs::create_dir(&own).and_then(|()| fs::set_permissions(&own, fs::Permissions::from_mode(0o1777)));
        made.map_err(|error| io_error("create", &own, &error))?;
        Ok(Some(own))
    }

    fn announce_mounts(&self) {
        for mount in &self.intent.mounts {
            let MountSource::Volume(volume) = &mount.what else { continue };
            let attributes = StringMap::from(
                [
                    ("driver", volume.driver.as_str()),
                    ("container", &self.intent.id),
                    ("destination", &mount.destination),
                    ("read/write", if mount.writable { "true" } else { "false" }),
                    ("propagation", &volume.propagation),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
            self.shared.events.publish(Subject::Volume, "mount", volume.name.as_str(), attributes);
        }
    }
}

const NETWORKING: &str = "failed to set up container networking";

/// A moment as supervisors write it.
pub(crate) fn from_nanoseconds(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// The record of a run whose supervisor vanished without one.
pub(crate) fn unknown_end(id: &str, process: Option<&Process>) -> ExitRecord {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    ExitRecord {
        id: id.to_owned(),
        pid: process.map_or(0, |process| process.pid),
        exit_code: 255,
        signal: None,
        oom_killed: false,
        started_at: 0,
        finished_at: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
    }
}

fn make_exec_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("clear", folder, &error));
        }
        _ => {}
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| io_error("create", folder, &error))
}

/// Ends a container that has begun when something else that belongs to its start failed.
fn spare_or_kill(mut client: ShimClient, outcome: Result<(), Error>) -> Result<ShimClient, Error> {
    match outcome {
        Ok(()) => Ok(client),
        Err(error) => {
            let _ = client.call(Request::Signal { signal: 9, exec: None, all: true }, &[], DEADLINE);
            Err(error)
        }
    }
}

fn cannot_record(error: &dyn std::error::Error) -> Error {
    Error::from_cause("cannot record the start", error)
}

fn supervisor_failed(error: ShimError) -> LaunchFailure {
    Error::from_cause("failed to create task for container", &error).into()
}

/// A supervisor's refusal in Docker's frame, with Docker's status.
fn explain_refusal(error: &ShimError) -> LaunchFailure {
    const MISMATCH: &str = "Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type";
    const FRAME: &str = "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process";
    let ShimError::Refused(refusal) = error else {
        return LaunchFailure {
            error: Error::from_cause("failed to create task for container", error),
            exit_code: 128,
        };
    };
    let exit_code = refusal.exit_code.unwrap_or(128);
    let step = refusal.step.as_deref().unwrap_or_default();
    let is_no_folder = refusal.errno == Some(Errno::NOTDIR.raw_os_error());
    let message = match step {
        "user" => refusal.message.clone(),
        "network" => format!("{NETWORKING}: {}", refusal.message),
        _ if step.starts_with("chdir to cwd") && is_no_folder => {
            let folder = &refusal.message.split('"').nth(1).unwrap_or_default();
            format!("Cannot mkdir: {folder} is not a directory")
        }
        _ if step.starts_with("error mounting") && is_no_folder => {
            return LaunchFailure {
                error: Error::invalid(format!(
                    "{FRAME}: error during container init: {}: {MISMATCH}",
                    refusal.message
                )),
                exit_code: 127,
            };
        }
        _ if step.starts_with("error mounting") => {
            format!("{FRAME}: error during container init: {}", refusal.message)
        }
        _ => format!("{FRAME}: {}", refusal.message),
    };
    let kind = if matches!(exit_code, 126 | 127) { Kind::InvalidParameter } else { Kind::System };
    LaunchFailure { error: Error::new(kind, message), exit_code }
}

pub(crate) fn io_error(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::system(format!("cannot {action} {}: {error}", path.display()))
}

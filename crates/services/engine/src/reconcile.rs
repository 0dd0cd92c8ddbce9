//! Intent and reality brought together when the engine opens.
//!
//! ```text
//!  record ─┬─ supervisor answers ──────────────▶ runs (or has just ended): listen to it
//!          │  nobody answers: processes without a supervisor are killed, their group removed; then
//!          ├─ exit record there ───────────────▶ ended while we were away: code, policy, AutoRemove as usual
//!          ├─ meant to run, nothing there ─────▶ ended with code 255 (the host was restarted, say)
//!          └─ not meant to run ────────────────▶ as recorded
//!  folder without record ──────────────────────▶ its supervisor killed, its group and folders removed
//! ```
//!
//! A process is believed only through its supervisor, which holds it by a descriptor; never by its number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use cgroup::Layout;
use reference::Digest;
use shim::protocol::Status;
use shim::{ExitRecord, Request as ShimRequest, ShimClient};

use crate::container::handle::{Handle, Request};
use crate::container::intent::{CONTAINERS, Intent, LIVES, LifeRecord, Wanted};
use crate::container::life::{Life, Past, Phase, Process, Then};
use crate::container::{
    Connection, Found, abandoned, cgroup_path, cgroup_path_in, launch, restart_policy, spawn, sweep,
};
use crate::engine::{Shared, blocking};
use crate::error::Error;
use crate::fault;
use crate::network::Reservation;

/// Brings everything together; containers that shall come up do so after this returns.
pub(crate) async fn run(shared: &Arc<Shared>) -> Result<(), Error> {
    let reader = shared.clone();
    let found = blocking(move || observe(&reader)).await?;
    let mut handles = Vec::with_capacity(found.len());
    for (intent, what) in found {
        let has_ended = what.has_ended();
        handles.push((spawn(shared, intent, what), has_ended));
    }
    // Nobody shall see a container run that has ended while we were away.
    for (handle, _) in handles.iter().filter(|(_, has_ended)| *has_ended) {
        let _ = handle.watch().wait_for(|view| view.life.past.ends > 0).await;
    }
    let handles = handles.into_iter().map(|(handle, _)| handle).collect();
    fault::point("reconcile.done")?;
    tokio::spawn(follow_up(handles));
    Ok(())
}

/// Reads intent and reality, sweeps what has no owner. Blocking.
fn observe(shared: &Shared) -> Result<Vec<(Intent, Found)>, Error> {
    let unreadable = |error: db::DbError| Error::from_cause("cannot read the containers", &error);
    let intents: Vec<(String, Intent)> = shared.db.scan_json(CONTAINERS).map_err(unreadable)?;
    let lives: BTreeMap<String, LifeRecord> =
        shared.db.scan_json(LIVES).map_err(unreadable)?.into_iter().collect();
    fault::point("reconcile.read")?;
    let ids: BTreeSet<&str> = intents.iter().map(|(id, _)| id.as_str()).collect();
    let layout = Layout::detect().ok();
    sweep_orphans(shared, layout.as_ref(), &ids);
    let images: Vec<(&str, Digest)> = intents
        .iter()
        .filter_map(|(id, intent)| Some((id.as_str(), Digest::parse(&intent.image_id).ok()?)))
        .collect();
    let swept = shared.images.sweep(images.iter().map(|(id, image)| (*id, image)));
    swept.map_err(|error| Error::from_cause("cannot sweep the image store", &error))?;

    let mut all = Vec::with_capacity(intents.len());
    let mut running = BTreeSet::new();
    for (id, intent) in intents {
        if shared.containers.reserve(&intent.name, &id).is_err() {
            tracing::error!(container = id, name = intent.name, "two containers have the same name");
        }
        let found = find(shared, layout.as_ref(), &intent, lives.get(&id));
        if found.connection.is_some() && !found.has_ended() {
            running.insert(id);
        }
        all.push((intent, found));
    }
    shared.networks.reconcile(&running)?;
    Ok(all)
}

/// What has become of one container.
fn find(shared: &Shared, layout: Option<&Layout>, intent: &Intent, record: Option<&LifeRecord>) -> Found {
    let exec_folder = shared.exec_folder(&intent.id);
    let past = record.map(|record| record.past.clone()).unwrap_or_default();
    let network = record.and_then(|record| record.network.clone()).unwrap_or_default();
    let wanted = record.map_or(Wanted::Created, |record| record.wanted);
    if let Ok(connection) = Connection::open(&exec_folder) {
        return reattached(connection, past, network);
    }
    if let Some(layout) = layout {
        abandoned::end(layout, &cgroup_path(intent, &shared.config.containers), &intent.id);
    }
    if wanted != Wanted::Running {
        let phase = if wanted == Wanted::Created { Phase::Created } else { Phase::Exited };
        return Found {
            life: Life { phase, past },
            connection: None,
            ended: None,
            network: Reservation::default(),
        };
    }
    let known = ExitRecord::load(&exec_folder).ok().flatten();
    let ended = known.unwrap_or_else(|| launch::unknown_end(&intent.id, None));
    let life = alive(past, ended.pid, ended.started_at);
    Found { life, connection: None, ended: Some(ended), network }
}

fn reattached(connection: Connection, past: Past, network: Reservation) -> Found {
    let started = connection.started;
    let mut life = alive(past, started.pid, started.started_at);
    if let (Phase::Running(process), Status::Paused) = (&life.phase, &connection.status) {
        life.phase = Phase::Paused(process.clone());
    }
    Found { life, connection: Some(connection), ended: None, network }
}

/// A run that was under way when the last daemon ended.
fn alive(mut past: Past, pid: u32, started_at: u64) -> Life {
    let then = if past.stopped_by_client { Then::Stay } else { Then::Policy };
    past.started_at = match started_at {
        0 => past.started_at.or_else(|| Some(SystemTime::now())),
        nanoseconds => Some(launch::from_nanoseconds(nanoseconds)),
    };
    past.exit_code = 0;
    Life { phase: Phase::Running(Process { pid, then }), past }
}

/// Removes what a container left that has no record: a create or a removal that did not come to its end.
fn sweep_orphans(shared: &Shared, layout: Option<&Layout>, ids: &BTreeSet<&str>) {
    let folders = [shared.config.exec_root.join("containers"), shared.config.data_root.join("containers")];
    let mut orphans = BTreeSet::new();
    for folder in &folders {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !ids.contains(name.as_str()) {
                orphans.insert(name);
            }
        }
    }
    for id in orphans {
        end_orphan(&shared.exec_folder(&id));
        if let Some(layout) = layout {
            abandoned::end(layout, &cgroup_path_in("", &shared.config.containers, &id), &id);
        }
        sweep(shared, &id);
        tracing::info!(container = id, "removed what was left of a container without a record");
    }
}

fn end_orphan(exec_folder: &Path) {
    if let Ok(mut client) = ShimClient::connect(exec_folder) {
        let signal = ShimRequest::Signal { signal: 9, exec: None, all: true };
        let _ = client.call(signal, &[], std::time::Duration::from_secs(5));
    }
}

/// Brings up what shall run with the daemon, and finishes removals that a crash interrupted.
async fn follow_up(handles: Vec<Arc<Handle>>) {
    for handle in handles {
        let view = handle.view();
        let rules = view.intent.rules();
        let past = &view.life.past;
        let is_down = matches!(view.life.phase, Phase::Created | Phase::Exited);
        if !is_down {
            continue;
        }
        if rules.auto_remove {
            let _ = handle.ask(|reply| Request::Remove { force: true, volumes: true, reply }).await;
            continue;
        }
        let was_started = matches!(view.life.phase, Phase::Exited);
        let wanted = restart_policy::wants_start_with_daemon(
            rules.restart,
            past.exit_code,
            past.restart_count,
            past.stopped_by_client,
        );
        if was_started
            && wanted
            && let Err(error) = handle.ask(Request::Start).await
        {
            tracing::warn!(container = view.id(), %error, "cannot start a container with the daemon");
        }
    }
}

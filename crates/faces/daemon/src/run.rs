//! The daemon's life: hold the roots, listen, open the engine, serve, and leave the containers running.

use crate::settings::Settings;
use crate::{Name, file, guard, listeners, log, notify, options, settings};
use api::{Server, ServerOptions};
use engine::Engine;
use flags::{Grammar, Positionals};
use std::error::Error;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Threads that serve calls.
const WORKERS: usize = 2;
/// Threads for work that blocks: unpacking, mounting, the store.
const BLOCKING: usize = 32;
/// Two megabytes would only be address space, but a thread's first pages are touched anyway.
const STACK: usize = 1 << 20;

/// Runs until a signal asks to stop.
pub(crate) fn run(settings: Settings) -> Result<(), String> {
    log::begin(settings.log_level, settings.log_format);
    if !rustix::process::geteuid().is_root() {
        return Err(format!("{} needs to be started with root privileges", settings.name.command()));
    }
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    sys::background::share_heap(2);
    tracing::info!("Starting up");
    for option in &settings.later {
        tracing::warn!(option = %format_args!("--{option}"), "this option is not yet in effect");
    }
    guard::check_owner(&settings.engine.data_root, settings.name).map_err(|cause| chain(&cause))?;
    let _data_root = guard::hold(&settings.engine.data_root, "data-root").map_err(|cause| chain(&cause))?;
    let _exec_root = guard::hold(&settings.engine.exec_root, "exec-root").map_err(|cause| chain(&cause))?;
    let _pidfile = guard::write_pidfile(&settings.pidfile).map_err(|cause| chain(&cause))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(Duration::from_secs(5))
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|cause| chain(&cause))?;
    let result = runtime.block_on(serve(&settings));
    // Work that still blocks does not hold up the end: everything durable is in the store.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn serve(settings: &Settings) -> Result<(), String> {
    let mut signals = Signals::new().map_err(|cause| chain(&cause))?;
    // Bound before the engine is ready: clients that come early wait instead of failing.
    let listeners = listeners::open(settings).await.map_err(|cause| chain(&cause))?;
    let addresses: Vec<String> = listeners.iter().map(api::listen::Listener::address).collect();
    let engine = Engine::open(settings.engine.clone())
        .await
        .map_err(|cause| format!("failed to start daemon: {cause}"))?;
    sys::background::return_free_memory();
    tracing::info!(version = settings.engine.build.version, "Daemon has completed initialization");
    for address in &addresses {
        tracing::info!("API listen on {address}");
    }
    notify::tell("READY=1");
    let options = ServerOptions { farewell: settings.farewell, ..ServerOptions::default() };
    let server = Server::new(engine.clone(), listeners, options);
    server.run(signals.until_stop(settings)).await;
    notify::tell("STOPPING=1");
    engine.shutdown().await;
    tracing::info!("Daemon shutdown complete; containers run on");
    Ok(())
}

/// The signals that the daemon listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
    report: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
            report: signal(SignalKind::user_defined1())?,
        })
    }

    async fn until_stop(&mut self, settings: &Settings) {
        loop {
            let name = tokio::select! {
                _ = self.terminate.recv() => "terminated",
                _ = self.interrupt.recv() => "interrupt",
                _ = self.reload.recv() => {
                    reload(settings);
                    continue;
                }
                // Docker writes its stacks to a file on this signal; for us it must at least not be the end.
                _ = self.report.recv() => continue,
            };
            tracing::info!("Processing signal '{name}'");
            return;
        }
    }
}

/// Reads daemon.json again. The level of the log follows; the rest holds until the next start.
fn reload(settings: &Settings) {
    tracing::info!(file = settings.values.typed.text("config-file"), "Got signal to reload configuration");
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words = match settings.name {
        Name::Gantry => words.get(1..).unwrap_or_default().to_vec(),
        Name::Dockerd => words,
    };
    let typed = Grammar::new(options::TABLES, Positionals::Interspersed).parse(words);
    let values = typed.map_err(|cause| cause.to_string()).and_then(file::merge);
    match values {
        Ok(values) => {
            log::set_level(settings::log_level(&values));
            tracing::info!("Reloaded configuration");
        }
        Err(cause) => tracing::error!(%cause, "Error reloading configuration"),
    }
}

/// An error and its causes, joined by `: `.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

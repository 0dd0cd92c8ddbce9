//! The same call for several objects at once, the answers in the order of the names.

use crate::failure::Failure;
use crate::output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

/// How many calls run at once.
const AT_ONCE: usize = 50;

/// Calls `act` for each name and prints the names for which it went well.
///
/// # Errors
/// All failures, joined.
pub(crate) fn for_each(
    names: &[String],
    act: impl Fn(&str) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    for_each_but(names, act, |_| None)
}

/// As [`for_each`], with failures that `forgive` turns into a line on stderr.
pub(crate) fn for_each_but(
    names: &[String],
    act: impl Fn(&str) -> Result<(), Failure> + Sync,
    forgive: impl Fn(&Failure) -> Option<String>,
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    let mut finish = |name: &str, result: Result<(), Failure>| match result {
        Ok(()) => output::line(name),
        Err(failure) => match forgive(&failure) {
            Some(line) => output::error_line(&line),
            None => failures.push(failure),
        },
    };
    if let [name] = names {
        finish(name, act(name));
        return Failure::join(failures);
    }
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let done = Mutex::new(done);
    std::thread::scope(|scope| {
        for _ in 0..names.len().min(AT_ONCE) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = act(name);
                    let sender = done.lock().map(|done| done.clone());
                    // The receiver lives until all names are done.
                    drop(sender.map(|sender| sender.send((name.as_str(), result))));
                }
            });
        }
        let mut early: Vec<(&str, Result<(), Failure>)> = Vec::new();
        for name in names {
            let result = loop {
                if let Some(at) = early.iter().position(|(done, _)| done == name) {
                    break early.swap_remove(at).1;
                }
                match results.recv() {
                    Ok(result) => early.push(result),
                    Err(_) => break Err(Failure::new("a call was lost")),
                }
            };
            finish(name, result);
        }
    });
    Failure::join(failures)
}

//! Further processes of containers: what was asked for, and what became of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine_api::exec::ExecCreateRequest;

/// Ended execs that can still be inspected.
const REMEMBERED: usize = 512;

/// One exec.
#[derive(Debug, Clone)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) container: String,
    /// As asked for, with user and working directory filled in.
    pub(crate) request: ExecCreateRequest,
    pub(crate) detach_keys: Vec<u8>,
    pub(crate) state: ExecState,
}

/// Where an exec is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecState {
    /// Noted.
    Created,
    /// Being started.
    Starting,
    /// Running.
    Running {
        /// In the daemon's pid namespace.
        pid: u32,
    },
    /// Over.
    Ended {
        /// Its last process id, 0 if it never ran.
        pid: u32,
        /// 0–255.
        code: i32,
    },
}

/// Why an exec cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BeginError {
    Missing,
    HasRun,
    IsRunning,
}

/// All execs by id.
#[derive(Default)]
pub(crate) struct Execs {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    execs: BTreeMap<String, Arc<Exec>>,
    /// Ended ones, oldest first.
    ended: VecDeque<String>,
}

impl Execs {
    pub(crate) fn insert(&self, exec: Exec) {
        self.lock().execs.insert(exec.id.clone(), Arc::new(exec));
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Exec>> {
        self.lock().execs.get(id).cloned()
    }

    /// Execs of a container that are not over, as its `ExecIDs` shows them.
    pub(crate) fn of_container(&self, container: &str) -> Vec<String> {
        let table = self.lock();
        let live = table.execs.values().filter(|exec| exec.container == container);
        live.filter(|exec| !matches!(exec.state, ExecState::Ended { .. }))
            .map(|exec| exec.id.clone())
            .collect()
    }

    /// Takes the right to start an exec; only one caller gets it.
    pub(crate) fn begin(&self, id: &str) -> Result<(), BeginError> {
        let mut table = self.lock();
        let exec = table.execs.get_mut(id).ok_or(BeginError::Missing)?;
        match exec.state {
            ExecState::Created => Arc::make_mut(exec).state = ExecState::Starting,
            ExecState::Ended { .. } => return Err(BeginError::HasRun),
            ExecState::Starting | ExecState::Running { .. } => return Err(BeginError::IsRunning),
        }
        Ok(())
    }

    /// It runs; unless its end was told first.
    pub(crate) fn started(&self, id: &str, pid: u32) {
        if let Some(exec) = self.lock().execs.get_mut(id) {
            let exec = Arc::make_mut(exec);
            match &mut exec.state {
                ExecState::Ended { pid: known, .. } => *known = pid,
                state => *state = ExecState::Running { pid },
            }
        }
    }

    /// It is over.
    pub(crate) fn finish(&self, id: &str, code: i32) {
        let mut table = self.lock();
        let Some(exec) = table.execs.get_mut(id) else { return };
        let pid = match exec.state {
            ExecState::Running { pid } => pid,
            ExecState::Ended { .. } => return,
            ExecState::Created | ExecState::Starting => 0,
        };
        Arc::make_mut(exec).state = ExecState::Ended { pid, code };
        table.ended.push_back(id.to_owned());
        if table.ended.len() > REMEMBERED
            && let Some(oldest) = table.ended.pop_front()
        {
            table.execs.remove(&oldest);
        }
    }

    /// The container is down, and with it all its processes.
    pub(crate) fn container_ended(&self, container: &str) {
        let table = self.lock();
        let live = table.execs.values().filter(|exec| exec.container == container);
        let live = live.filter(|exec| matches!(exec.state, ExecState::Running { .. } | ExecState::Starting));
        let live: Vec<String> = live.map(|exec| exec.id.clone()).collect();
        drop(table);
        for id in live {
            self.finish(&id, 137);
        }
    }

    /// The container is gone.
    pub(crate) fn forget_container(&self, container: &str) {
        let mut table = self.lock();
        table.execs.retain(|_, exec| exec.container != container);
        let Table { execs, ended } = &mut *table;
        ended.retain(|id| execs.contains_key(id));
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(id: &str) -> Exec {
        Exec {
            id: id.to_owned(),
            container: "c".to_owned(),
            request: ExecCreateRequest::default(),
            detach_keys: vec![],
            state: ExecState::Created,
        }
    }

    #[test]
    fn an_exec_begins_once() {
        let execs = Execs::default();
        execs.insert(exec("e"));
        assert_eq!(execs.begin("e"), Ok(()));
        assert_eq!(execs.begin("e"), Err(BeginError::IsRunning));
        execs.started("e", 7);
        execs.finish("e", 3);
        assert_eq!(execs.begin("e"), Err(BeginError::HasRun));
        assert_eq!(execs.get("e").unwrap().state, ExecState::Ended { pid: 7, code: 3 });
        assert!(execs.of_container("c").is_empty());
    }

    #[test]
    fn an_end_that_overtakes_the_start_stays_an_end() {
        let execs = Execs::default();
        execs.insert(exec("e"));
        execs.begin("e").unwrap();
        execs.finish("e", 0);
        execs.started("e", 9);
        assert_eq!(execs.get("e").unwrap().state, ExecState::Ended { pid: 9, code: 0 });
    }

    #[test]
    fn ended_execs_are_forgotten_in_the_end() {
        let execs = Execs::default();
        for number in 0..REMEMBERED + 10 {
            let id = format!("e{number}");
            execs.insert(exec(&id));
            execs.finish(&id, 0);
        }
        assert!(execs.get("e9").is_none() && execs.get("e10").is_some());
        execs.forget_container("c");
        assert!(execs.get("e10").is_none());
    }
}

//! One stuck supervisor must not hold up the rest.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::bench::{Bench, create};

/// The parent of a process.
fn parent(pid: u64) -> Pid {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let number = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned();
    Pid::from_raw(number.parse().unwrap()).unwrap()
}

#[test]
fn a_stopped_supervisor_delays_nobody_else() {
    testing::on_host(&[], |host| {
        let bench = Bench::prepare(host);
        let daemon = bench.start().start();
        for name in ["stuck", "fine"] {
            create(&daemon, name, "sleep 1000", &json!({}));
            daemon.post(&format!("/containers/{name}/start"), &Value::Null).expect(204);
        }
        let pid = daemon.get("/containers/stuck/json").json()["State"]["Pid"].as_u64().unwrap();
        let supervisor = parent(pid);
        kill_process(supervisor, Signal::STOP).unwrap();
        std::thread::scope(|scope| {
            // This one may wait for the stuck supervisor; nobody else may wait for it.
            scope.spawn(|| daemon.post("/containers/stuck/kill?signal=USR1", &Value::Null));
            let asked = Instant::now();
            for path in ["/containers/json?all=1", "/containers/stuck/json", "/containers/fine/json", "/info"]
            {
                daemon.get(path).expect(200);
            }
            create(&daemon, "new", "true", &json!({}));
            daemon.post("/containers/new/start", &Value::Null).expect(204);
            daemon.post("/containers/fine/restart?t=0", &Value::Null).expect(204);
            assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
            kill_process(supervisor, Signal::CONT).unwrap();
        });
        bench.leaves_nothing(&daemon, "after the stuck supervisor");
    });
}

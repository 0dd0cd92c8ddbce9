//! Calls against a systemd that is only played: over a socket pair, and over a real bus where one is installed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use zbus::ObjectPath;
use zbus::wire::{OwnedVariant, Variant};

use super::bus::{Bus, BusError};
use super::manager::Manager;
use super::message::{HEAD, Header, Kind, Message, decode, encode, rest_length};
use super::*;
use crate::layout::Hierarchy;

type Properties = Vec<(String, OwnedVariant)>;

/// How the played systemd behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// As one hopes.
    Kind,
    /// A failed unit of the name is there until it is reset.
    Cluttered,
    /// Jobs fail.
    Failing,
}

/// systemd's side: answers calls until the other side goes, and tells what was called.
struct Played {
    mood: Mood,
    calls: Vec<String>,
    properties: Properties,
    is_cluttered: bool,
    serial: u32,
}

impl Played {
    fn new(mood: Mood) -> Self {
        let is_cluttered = mood == Mood::Cluttered;
        Self { mood, calls: Vec::new(), properties: Vec::new(), is_cluttered, serial: 100 }
    }

    /// The answers to a call, in the order to send them.
    fn answer(&mut self, call: &Message) -> Vec<Vec<u8>> {
        self.calls.push(call.header.member.clone());
        let job = ObjectPath::try_from("/org/freedesktop/systemd1/job/7").unwrap();
        match call.header.member.as_str() {
            "Get" => vec![self.reply(call, &OwnedVariant::try_from(Variant::from("v252.4-1")).unwrap())],
            "StartTransientUnit" if self.is_cluttered => vec![self.refuse(call, "UnitExists")],
            "StartTransientUnit" => {
                type Aux = Vec<(String, Properties)>;
                let (unit, mode, properties, _): (String, String, Properties, Aux) = call.body().unwrap();
                self.calls.push(format!("{unit} {mode}"));
                self.properties = properties;
                // The job may be over before the call is answered.
                vec![self.job_removed(3), self.job_removed(7), self.reply(call, &job)]
            }
            "StopUnit" => vec![self.reply(call, &job), self.job_removed(8), self.job_removed(7)],
            "SetUnitProperties" => {
                let (_, is_runtime, properties): (String, bool, Properties) = call.body().unwrap();
                assert!(is_runtime);
                self.properties = properties;
                vec![self.reply(call, &())]
            }
            "ResetFailedUnit" if self.is_cluttered => {
                self.is_cluttered = false;
                vec![self.reply(call, &())]
            }
            "ResetFailedUnit" => vec![self.refuse(call, "NoSuchUnit")],
            _ => vec![self.reply(call, &())],
        }
    }

    fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn reply<B: serde::Serialize + zbus::wire::DynamicType>(&mut self, call: &Message, body: &B) -> Vec<u8> {
        let header = Header { reply_to: Some(call.serial), destination: sender(call), ..Header::default() };
        encode(Kind::Return, self.serial(), &header, body).unwrap()
    }

    fn refuse(&mut self, call: &Message, name: &str) -> Vec<u8> {
        let header = Header {
            reply_to: Some(call.serial),
            error: format!("org.freedesktop.systemd1.{name}"),
            destination: sender(call),
            ..Header::default()
        };
        encode(Kind::Error, self.serial(), &header, &"it is so").unwrap()
    }

    fn job_removed(&mut self, job: u32) -> Vec<u8> {
        let header = Header {
            path: "/org/freedesktop/systemd1".to_owned(),
            interface: "org.freedesktop.systemd1.Manager".to_owned(),
            member: "JobRemoved".to_owned(),
            ..Header::default()
        };
        let path = format!("/org/freedesktop/systemd1/job/{job}");
        let result = if self.mood == Mood::Failing { "failed" } else { "done" };
        let body = (job, ObjectPath::try_from(path).unwrap(), "a.scope", result);
        encode(Kind::Signal, self.serial(), &header, &body).unwrap()
    }
}

fn sender(call: &Message) -> String {
    call.header.sender.clone()
}

/// Plays systemd on the other end of a socket.
fn play(mood: Mood) -> (UnixStream, JoinHandle<Played>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let thread = std::thread::spawn(move || {
        let mut socket = theirs;
        let mut greeting = BufReader::new(socket.try_clone().unwrap());
        let mut line = String::new();
        greeting.read_line(&mut line).unwrap();
        assert!(line.starts_with("\0AUTH EXTERNAL "), "{line:?}");
        socket.write_all(b"OK 0123456789abcdef0123456789abcdef\r\n").unwrap();
        line.clear();
        greeting.read_line(&mut line).unwrap();
        assert_eq!(line, "BEGIN\r\n");
        let mut played = Played::new(mood);
        loop {
            let mut head = [0; HEAD];
            if greeting.read_exact(&mut head).is_err() {
                return played;
            }
            let mut bytes = head.to_vec();
            bytes.resize(HEAD + rest_length(head).unwrap(), 0);
            greeting.read_exact(&mut bytes[HEAD..]).unwrap();
            for answer in played.answer(&decode(bytes).unwrap()) {
                socket.write_all(&answer).unwrap();
            }
        }
    });
    (ours, thread)
}

fn unit() -> UnitPlan {
    let new = Property::new("Later", PropertyValue::Bool(true));
    let properties = vec![
        Property::new("Slice", PropertyValue::Text("machine.slice".to_owned())),
        Property::new("DeviceAllow", PropertyValue::Pairs(vec![("/dev/char/1:3".into(), "rwm".into())])),
        Property { since: 9999, ..new },
    ];
    UnitPlan { name: "runc-a.scope".to_owned(), properties }
}

fn names(played: &Played) -> Vec<String> {
    played.properties.iter().map(|(name, value)| format!("{name}:{}", value.value_signature())).collect()
}

#[test]
fn a_unit_is_started_with_its_process_and_stopped() {
    let (socket, thread) = play(Mood::Kind);
    let mut manager = Manager::on(Bus::greet(socket, false).unwrap()).unwrap();
    manager.start(&unit(), Some(42)).unwrap();
    manager.stop("runc-a.scope").unwrap();
    drop(manager);
    let played = thread.join().unwrap();
    let expected = [
        "Get",
        "Subscribe",
        "StartTransientUnit",
        "runc-a.scope replace",
        "Subscribe",
        "StopUnit",
        "ResetFailedUnit",
    ];
    assert_eq!(played.calls, expected);
    // A property newer than this systemd is left out.
    assert_eq!(names(&played), ["Slice:s", "DeviceAllow:a(ss)", "PIDs:au"]);
}

#[test]
fn a_failed_unit_in_the_way_is_cleared_once() {
    let (socket, thread) = play(Mood::Cluttered);
    let mut manager = Manager::on(Bus::greet(socket, false).unwrap()).unwrap();
    manager.start(&unit(), None).unwrap();
    drop(manager);
    let calls = thread.join().unwrap().calls;
    let expected = ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit", "runc-a.scope replace"];
    assert_eq!(calls[2..], expected);
}

#[test]
fn a_job_that_fails_is_an_error() {
    let (socket, thread) = play(Mood::Failing);
    let mut manager = Manager::on(Bus::greet(socket, false).unwrap()).unwrap();
    let error = manager.start(&unit(), None).unwrap_err();
    assert!(matches!(&error, BusError::Job(result) if result == "failed"), "{error}");
    drop(manager);
    assert_eq!(thread.join().unwrap().calls.last().unwrap(), "ResetFailedUnit");
}

#[test]
fn limits_are_changed_while_the_unit_runs() {
    let (socket, thread) = play(Mood::Kind);
    let mut manager = Manager::on(Bus::greet(socket, false).unwrap()).unwrap();
    let resources = serde_json::from_str(r#"{"pids": {"limit": 5}, "cpu": {"cpus": "0"}}"#).unwrap();
    let properties = properties::of_resources(Version::V2, &resources).unwrap();
    manager.set("runc-a.scope", &properties).unwrap();
    drop(manager);
    let found = names(&thread.join().unwrap());
    assert!(
        found.contains(&"TasksMax:t".to_owned()) && found.contains(&"AllowedCPUs:ay".to_owned()),
        "{found:?}"
    );
}

#[test]
fn a_peer_that_goes_away_is_an_error() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(theirs);
    assert!(matches!(Bus::greet(ours, false), Err(BusError::Connection(_))));
}

/// A private bus, ended with the test.
struct PrivateBus {
    daemon: Child,
    folder: std::path::PathBuf,
}

impl PrivateBus {
    /// `None` where the daemon is not installed.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("gantry-bus-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join("socket");
        let configuration = format!(
            "<busconfig><type>custom</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>\
             <policy context='default'><allow user='*'/><allow own='*'/><allow send_destination='*' eavesdrop='true'/>\
             <allow receive_sender='*'/></policy></busconfig>",
            socket.display()
        );
        std::fs::write(folder.join("bus.conf"), configuration).unwrap();
        let daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", folder.join("bus.conf").display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let Ok(mut daemon) = daemon else {
            std::fs::remove_dir_all(&folder).unwrap();
            return None;
        };
        let mut line = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("unix:path="), "{line:?}");
        Some(Self { daemon, folder })
    }

    fn connect(&self) -> Bus {
        Bus::greet(UnixStream::connect(self.folder.join("socket")).unwrap(), true).unwrap()
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn the_same_over_a_real_bus() {
    let Some(bus) = PrivateBus::start() else {
        eprintln!("SKIPPED: needs dbus-daemon");
        return;
    };
    let mut systemd = bus.connect();
    systemd.own("org.freedesktop.systemd1").unwrap();
    let thread = std::thread::spawn(move || {
        let mut played = Played::new(Mood::Kind);
        // Version, two subscriptions, start, stop, reset.
        for _ in 0..6 {
            let call = systemd.next_call().unwrap();
            for answer in played.answer(&call) {
                systemd.send(&answer).unwrap();
            }
        }
        played
    });
    let mut manager = Manager::on(bus.connect()).unwrap();
    manager.start(&unit(), Some(42)).unwrap();
    manager.stop("runc-a.scope").unwrap();
    assert_eq!(names(&thread.join().unwrap()), ["Slice:s", "DeviceAllow:a(ss)", "PIDs:au"]);
    // Without its owner the name is unknown, which the bus itself says.
    let error = Manager::on(bus.connect()).unwrap_err();
    assert!(matches!(&error, BusError::Refused { name, .. } if name.ends_with("ServiceUnknown")), "{error}");
}

fn host(version: Version) -> Layout {
    let tree = |controllers: &[&str], place: &str| Hierarchy {
        controllers: controllers.iter().map(|&name| name.to_owned()).collect(),
        mountpoint: PathBuf::from(place),
        root: PathBuf::from("/"),
    };
    let hierarchies = match version {
        Version::V1 => vec![tree(&["memory"], "/cg/memory"), tree(&["name=systemd"], "/cg/systemd")],
        Version::V2 => vec![tree(&[], "/cg")],
    };
    Layout { version, hierarchies, unified: None }
}

fn planned(version: Version, path: &str) -> Result<Plan, CgroupError> {
    let annotations = BTreeMap::from([("org.systemd.property.TimeoutStopSec".to_owned(), "3".to_owned())]);
    let resources = serde_json::from_str(r#"{"memory": {"limit": 4096}}"#).unwrap();
    let request = Request { cgroups_path: path, id: "box", annotations: &annotations, resources: &resources };
    Plan::for_unit(&host(version), &request)
}

#[test]
fn a_plan_names_the_unit_and_its_folders() {
    let plan = planned(Version::V1, "machine-a.slice:libpod:web").unwrap();
    let folders: Vec<_> = plan.groups.iter().map(|group| group.folder.to_str().unwrap()).collect();
    let expected = "machine.slice/machine-a.slice/libpod-web.scope";
    assert_eq!(folders, [format!("/cg/memory/{expected}"), format!("/cg/systemd/{expected}")]);
    let unit = plan.unit.as_ref().unwrap();
    assert_eq!(unit.name, "libpod-web.scope");
    let find =
        |name: &str| unit.properties.iter().find(|property| property.name == name).map(|found| &found.value);
    assert_eq!(find("Slice"), Some(&PropertyValue::Text("machine-a.slice".to_owned())));
    assert_eq!(find("Delegate"), Some(&PropertyValue::Bool(true)));
    assert_eq!(find("MemoryLimit"), Some(&PropertyValue::U64(4096)));
    assert_eq!(find("TimeoutStopUSec"), Some(&PropertyValue::U64(3_000_000)));
    assert_eq!(plan.group().unit(), Some("libpod-web.scope"));

    let plan = planned(Version::V2, "").unwrap();
    assert_eq!(plan.groups[0].folder, Path::new("/cg/system.slice/runc-box.scope"));
    let plan = planned(Version::V2, "-.slice::pod.slice").unwrap();
    assert_eq!(plan.groups[0].folder, Path::new("/cg/pod.slice"));
    assert_eq!(plan.unit.unwrap().properties[1].name, "Wants");
}

#[test]
fn paths_of_another_form_are_refused() {
    let refused = |path: &str| planned(Version::V2, path).unwrap_err().to_string();
    assert!(refused("/a/b").starts_with("expected cgroupsPath to be of format \"slice:prefix:name\""));
    for slice in ["a--b.slice:p:n", "-a.slice:p:n", ".slice:p:n", "a/b.slice:p:n", "a:p:n"] {
        assert!(refused(slice).starts_with("invalid slice name: "), "{slice}");
    }
    assert!(refused("a.slice:p:../../x").starts_with("invalid unit name"));
}

#[test]
fn slices_nest_by_their_names() {
    assert_eq!(expand_slice("test-a-b.slice").unwrap(), Path::new("test.slice/test-a.slice/test-a-b.slice"));
    assert_eq!(expand_slice("-.slice").unwrap(), Path::new(""));
}

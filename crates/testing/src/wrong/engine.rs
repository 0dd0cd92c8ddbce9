//! An engine prepared for wrong calls: the things that the list takes for granted are there, and are put
//! back after every call.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Call, Reply};
use crate::client::Client;
use crate::http::{self, Address, Answer, Request};
use crate::images;
use crate::mask::mask;

/// How long an answer may take: a hijacked stream without an end counts as answered by its head.
const LIMIT: Duration = Duration::from_secs(8);

/// An engine with the list's containers, volumes and network.
#[derive(Debug)]
pub struct Engine {
    address: Address,
    client: Client,
    places: Vec<(String, &'static str)>,
    exec: String,
    first_letter: String,
    wanted: BTreeMap<String, String>,
}

impl Engine {
    /// Loads the images and makes what the list takes for granted.
    ///
    /// # Panics
    /// When the engine refuses any of it.
    pub fn prepare(address: Address, client: Client) -> Self {
        let mut engine = Self {
            address,
            client,
            places: Vec::new(),
            exec: String::new(),
            first_letter: String::new(),
            wanted: BTreeMap::new(),
        };
        let info = engine.ask(&Request::new("GET", "/v1.51/info")).expect(200).json();
        let root = info["DockerRootDir"].as_str().unwrap_or_default().to_owned();
        engine.places = vec![(root, "<root>"), (engine.client.home().display().to_string(), "<home>")];
        let bridge = engine.ask(&Request::new("GET", "/v1.51/networks/bridge")).expect(200).json();
        let subnet = bridge["IPAM"]["Config"][0]["Subnet"].as_str().unwrap_or_default();
        let prefix = subnet.rsplit_once('.').map(|(prefix, _)| format!("{prefix}.")).unwrap_or_default();
        engine.places.push((prefix, "<bridge>."));
        for image in [images::busybox(), images::db()] {
            let load =
                Request::new("POST", "/v1.51/images/load?quiet=1").header("Content-Type: application/x-tar");
            engine.ask(&load.body(image.archive())).expect(200);
        }
        engine.clear();
        engine.make();
        engine
    }

    /// Makes the call and tells the masked answer; afterwards everything stands as before.
    pub fn make_call(&mut self, call: &Call) -> Reply {
        let reply = match call.request(|text| self.fill_in(text)) {
            Some(request) => {
                let answer = self.ask(&request);
                let message =
                    if answer.status < 400 { String::new() } else { answer.message().trim_end().to_owned() };
                Reply::Api { status: answer.status, message: self.masked(&message) }
            }
            None => {
                let ran = self.client.sh(&self.fill_in(call.line()));
                Reply::Command {
                    code: ran.code,
                    stdout: self.masked(&ran.stdout),
                    stderr: self.masked(&ran.stderr),
                }
            }
        };
        self.restore();
        reply
    }

    fn fill_in(&self, text: &str) -> String {
        text.replace("{exec}", &self.exec).replace("{c}", &self.first_letter)
    }

    fn masked(&self, text: &str) -> String {
        let mut text = mask(text, &self.places);
        if !self.exec.is_empty() {
            text = text.replace(&self.exec, "<id>");
        }
        if let Some((before, rest)) = text.split_once("on endpoint ")
            && let Some((_, after)) = rest.split_once(' ')
        {
            text = format!("{before}on endpoint <name> {after}");
        }
        if self.first_letter.len() == 1 {
            text = text.replace(&format!("provided prefix: {}", self.first_letter), "provided prefix: {c}");
        }
        text
    }

    fn ask(&self, request: &Request) -> Answer {
        http::send_within(&self.address, request, LIMIT)
            .unwrap_or_else(|error| panic!("{} {}: {error}", request.method, request.path))
    }

    fn create(&self, name: &str, body: &Value) {
        let path = format!("/v1.51/containers/create?name={name}");
        self.ask(&Request::new("POST", &path).json(body)).expect(201);
    }

    fn post(&self, path: &str) -> Answer {
        self.ask(&Request::new("POST", &format!("/v1.51{path}")))
    }

    fn make(&mut self) {
        let sleep = json!({ "Image": "t/busybox", "Cmd": ["sleep", "100000"] });
        for volume in ["vol1", "used"] {
            self.ask(&Request::new("POST", "/v1.51/volumes/create").json(&json!({ "Name": volume })))
                .expect(201);
        }
        let network = json!({ "Name": "net1", "IPAM": { "Config": [{ "Subnet": "172.29.77.0/24" }] } });
        self.ask(&Request::new("POST", "/v1.51/networks/create").json(&network)).expect(201);

        let mut running = sleep.clone();
        running["HostConfig"] = json!({ "Binds": ["used:/used"] });
        self.create("running", &running);
        self.create("paused", &sleep);
        self.create("stopped", &json!({ "Image": "t/busybox", "Cmd": ["true"] }));
        self.create("created", &sleep);
        self.create("userdb", &json!({ "Image": "t/db" }));
        let mut inside = sleep.clone();
        inside["HostConfig"] = json!({ "NetworkMode": "net1" });
        self.create("inside", &inside);

        for name in ["running", "paused", "stopped", "inside"] {
            self.post(&format!("/containers/{name}/start")).expect(204);
        }
        self.post("/containers/stopped/wait").expect(200);
        self.post("/containers/paused/pause").expect(204);

        let exec = Request::new("POST", "/v1.51/containers/running/exec").json(&json!({ "Cmd": ["true"] }));
        self.exec = self.ask(&exec).expect(201).json()["Id"].as_str().unwrap_or_default().to_owned();
        let start = Request::new("POST", &format!("/v1.51/exec/{}/start", self.exec));
        self.ask(&start.json(&json!({ "Detach": true }))).expect(200);
        crate::wait::eventually("the exec has ended", || {
            let state = self.ask(&Request::new("GET", &format!("/v1.51/exec/{}/json", self.exec)));
            state.json()["Running"] == false
        });

        // By the pigeonhole principle 17 ids have two that begin alike.
        for number in 0..17 {
            self.create(&format!("spare{number}"), &sleep);
        }
        let mut letters = BTreeMap::new();
        self.wanted = self.containers();
        for id in self.ids() {
            *letters.entry(id[..1].to_owned()).or_insert(0) += 1;
        }
        let shared = letters.into_iter().find(|(_, count)| *count > 1).map(|(letter, _)| letter);
        self.first_letter = shared.expect("two of seventeen ids begin alike");
    }

    fn all(&self) -> Vec<Value> {
        let answer = self.ask(&Request::new("GET", "/v1.51/containers/json?all=1")).expect(200).json();
        answer.as_array().cloned().unwrap_or_default()
    }

    fn ids(&self) -> Vec<String> {
        self.all().iter().filter_map(|entry| entry["Id"].as_str().map(str::to_owned)).collect()
    }

    /// Names and states of all containers.
    fn containers(&self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.all().iter().map(|entry| (text(&entry["Names"][0]), text(&entry["State"]))).collect()
    }

    /// Removes what the call left, and makes everything again if it changed something of ours.
    fn restore(&mut self) {
        for name in self.containers().keys().filter(|name| !self.wanted.contains_key(*name)) {
            self.ask(&Request::new("DELETE", &format!("/v1.51/containers{name}?force=1&v=1")));
        }
        self.clear_networks(&["net1"]);
        self.clear_volumes(&["vol1", "used"]);
        if self.containers() != self.wanted {
            self.clear();
            self.make();
        }
    }

    fn clear(&self) {
        for id in self.ids() {
            self.ask(&Request::new("DELETE", &format!("/v1.51/containers/{id}?force=1&v=1")));
        }
        self.clear_networks(&[]);
        self.clear_volumes(&[]);
    }

    fn clear_networks(&self, keep: &[&str]) {
        let networks =
            self.ask(&Request::new("GET", "/v1.51/networks?filters=%7B%22type%22:%5B%22custom%22%5D%7D"));
        for network in networks.json().as_array().into_iter().flatten() {
            let (id, name) =
                (network["Id"].as_str().unwrap_or_default(), network["Name"].as_str().unwrap_or_default());
            if !keep.contains(&name) {
                self.ask(&Request::new("DELETE", &format!("/v1.51/networks/{id}")));
            }
        }
    }

    fn clear_volumes(&self, keep: &[&str]) {
        let volumes = self.ask(&Request::new("GET", "/v1.51/volumes")).json();
        for volume in volumes["Volumes"].as_array().into_iter().flatten() {
            let name = volume["Name"].as_str().unwrap_or_default();
            // Anonymous volumes of the containers above have ids for names.
            if !keep.contains(&name) && name.len() != 64 {
                self.ask(&Request::new("DELETE", &format!("/v1.51/volumes/{name}?force=1")));
            }
        }
    }

    /// Removes everything that [`Engine::prepare`] made, except the images.
    pub fn tear_down(self) {
        self.clear();
    }
}

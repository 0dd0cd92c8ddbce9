//! Answers held against the published documents of four API versions.

use serde_json::{Value, json};
use testing::contract::{Contract, VERSIONS};
use testing::daemon::{Daemon, Start};
use testing::http::{Answer, Request};
use testing::images;

/// Asks at one version and notes every complaint about the answer.
struct Examiner<'d> {
    daemon: &'d Daemon,
    version: &'static str,
    contract: Contract,
    complaints: Vec<String>,
}

impl Examiner<'_> {
    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, body: &Value, status: u16) -> Answer {
        let request = Request::new(method, &format!("/v{}{path}", self.version));
        let answer = self.daemon.ask(if body.is_null() { request } else { request.json(body) });
        assert_eq!(answer.status, status, "{answer}");
        let found = self.contract.complaints(method, path, &answer);
        self.complaints.extend(found.into_iter().map(|complaint| format!("{}: {complaint}", self.version)));
        answer
    }

    #[track_caller]
    fn get(&mut self, path: &str) -> Value {
        let answer = self.ask("GET", path, &Value::Null, 200);
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    #[track_caller]
    fn post(&mut self, path: &str, body: &Value, status: u16) -> Answer {
        self.ask("POST", path, body, status)
    }

    /// One call of every kind that this version has.
    fn examine(&mut self) {
        for path in ["/version", "/info", "/system/df"] {
            self.get(path);
        }
        self.objects();
        self.container();
        self.exec();
        self.images();
        self.refusals();
    }

    fn objects(&mut self) {
        self.post("/volumes/create", &json!({ "Name": "vol1", "Labels": { "a": "b" } }), 201);
        self.get("/volumes");
        self.get("/volumes/vol1");
        let network = json!({ "Name": "net1", "IPAM": { "Config": [{ "Subnet": "10.77.0.0/24" }] } });
        self.post("/networks/create", &network, 201);
        self.get("/networks");
        self.get("/networks/net1");
        self.get("/networks/bridge");
        self.get("/networks/host");
        self.get("/networks/none");
    }

    fn container(&mut self) {
        let body = json!({
            "Image": "busybox", "Cmd": ["sleep", "1000"], "Env": ["A=1"], "Labels": { "l": "1" },
            "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/anonymous": {} },
            "HostConfig": {
                "Binds": ["vol1:/data"], "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] },
                "Memory": 67_108_864, "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 2 },
            },
        });
        self.post("/containers/create?name=first", &body, 201);
        self.get("/containers/first/json");
        self.post("/containers/first/start", &Value::Null, 204);
        self.post("/containers/first/start", &Value::Null, 304);
        self.get("/containers/first/json?size=1");
        self.get("/containers/json?all=1&size=1");
        self.get("/containers/first/top");
        self.post("/containers/first/pause", &Value::Null, 204);
        self.get("/containers/first/json");
        self.post("/containers/first/unpause", &Value::Null, 204);
        self.post("/containers/first/rename?name=renamed", &Value::Null, 204);
        self.post("/containers/renamed/restart?t=0", &Value::Null, 204);
        self.post("/containers/renamed/kill", &Value::Null, 204);
        self.post("/containers/renamed/wait", &Value::Null, 200);
        self.post("/containers/renamed/stop", &Value::Null, 304);
        self.get("/containers/renamed/json");
    }

    fn exec(&mut self) {
        self.post(
            "/containers/create?name=second",
            &json!({ "Image": "busybox", "Cmd": ["sleep", "1000"] }),
            201,
        );
        self.post("/containers/second/start", &Value::Null, 204);
        let exec =
            self.post("/containers/second/exec", &json!({ "Cmd": ["true"], "AttachStdout": true }), 201);
        let id = exec.json()["Id"].as_str().unwrap().to_owned();
        self.get(&format!("/exec/{id}/json"));
        self.post(&format!("/exec/{id}/start"), &json!({ "Detach": true }), 200);
        self.get(&format!("/exec/{id}/json"));
        self.ask("DELETE", "/containers/second?force=1&v=1", &Value::Null, 204);
    }

    fn images(&mut self) {
        self.get("/images/json");
        self.get("/images/busybox/json");
        self.get("/images/busybox/history");
        self.post("/images/busybox/tag?repo=other&tag=1", &Value::Null, 201);
        self.ask("DELETE", "/images/other:1", &Value::Null, 200);
    }

    fn refusals(&mut self) {
        self.ask("DELETE", "/networks/bridge", &Value::Null, 403);
        self.ask("GET", "/containers/nope/json", &Value::Null, 404);
        self.ask("GET", "/images/nope/json", &Value::Null, 404);
        self.post("/containers/create", &json!({ "Image": "nope" }), 404);
        self.post("/containers/create?name=renamed", &json!({ "Image": "busybox" }), 409);
        self.ask("DELETE", "/volumes/vol1", &Value::Null, 409);
    }
}

#[test]
fn answers_keep_to_the_documents_of_four_versions() {
    testing::on_host(&[], |host| {
        let daemon = Start::plain(host.folder()).start();
        let mut complaints = Vec::new();
        for version in VERSIONS {
            daemon.load(&images::busybox());
            let contract = Contract::load(version);
            let mut examiner = Examiner { daemon: &daemon, version, contract, complaints: Vec::new() };
            examiner.examine();
            complaints.extend(examiner.complaints);
            daemon.clear();
        }
        assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    });
}

//! The incumbent's function service, in its own JSON: what it calls a function is an assembly here,
//! its method an entry point, its threshold a number of equal receipts.

use girrona_api::methods::assembly::{AssemblyShowResult, RunInfo, RunState};
use girrona_assembly::{
    Cid, Permissions,
    manifest::{Entry, Manifest},
    message::{Execution, Payload, payload::Limits},
};
use girrona_http::{Answer, AssemblyError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    handle::{Handle, request_of, root_of},
    shared::now_ms,
};

/// How long a request takes at most unless it says otherwise, in seconds.
const TIMEOUT_S: u64 = 20;
/// The incumbent's default share of nodes that have to agree.
const THRESHOLD: f64 = 0.6;
/// How long an installation is awaited.
const INSTALL: std::time::Duration = std::time::Duration::from_secs(20);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Execute {
    function_id: String,
    method: String,
    parameters: Vec<Pair>,
    /// One of our groups; they were given when the function was announced.
    topic: String,
    config: Config,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    env_vars: Vec<Pair>,
    stdin: Option<String>,
    permissions: Vec<String>,
    number_of_nodes: Option<i64>,
    timeout: Option<u64>,
    consensus_algorithm: String,
    threshold: Option<f64>,
    runtime: Runtime,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Runtime {
    entry: String,
    run_time: Option<u64>,
    limited_fuel: Option<u64>,
    limited_memory: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Install {
    cid: String,
    uri: String,
}

fn refuse<T>(text: impl Into<String>) -> Answer<T> {
    Err(AssemblyError::Refused(text.into()))
}

fn read<T: for<'a> Deserialize<'a>>(body: Value) -> Answer<T> {
    serde_json::from_value(body).map_err(|error| AssemblyError::Refused(error.to_string()))
}

/// The entry point that the incumbent's method means: by name, or by its file.
fn entry_of<'a>(manifest: &'a Manifest, method: &str) -> Option<&'a Entry> {
    let by_name =
        manifest.entry(method).or_else(|| manifest.entry(method.trim_end_matches(".wasm")));
    by_name.or_else(|| manifest.entries.iter().find(|entry| entry.file == method))
}

/// The entry point that a method means, as far as the announcement tells; its holders know more.
fn announced_entry(shown: &AssemblyShowResult, method: String) -> String {
    let announced = shown.announcements.iter().filter_map(|said| {
        serde_json::from_value::<Vec<String>>(said.announcement["entries"].clone()).ok()
    });
    let names: Vec<String> = announced.flatten().collect();
    let is_known = |name: &str| names.iter().any(|known| known == name);
    let stem = method.trim_end_matches(".wasm");
    match names.as_slice() {
        _ if is_known(&method) => method,
        _ if is_known(stem) => stem.to_owned(),
        [only] if method.ends_with(".wasm") => only.clone(),
        _ => method,
    }
}

impl Handle {
    fn manifest(&self, root: &Cid) -> Option<Manifest> {
        use girrona_assembly::manifest::{FILE, FILE_MAX};
        let bytes = self.0.content.read_file(root, FILE, FILE_MAX as u64).ok()?;
        Manifest::read(&bytes).ok()
    }

    pub(super) async fn incumbent_execute(&self, body: Value, token: &str) -> Answer<Value> {
        self.check_token(token)?;
        let asked: Execute = read(body)?;
        let root = root_of(&asked.function_id)?;
        let shown = self.shown(root).await?;
        let groups = |info: &girrona_api::methods::assembly::AnnouncementInfo| {
            info.announcement["groups"].as_array().cloned().unwrap_or_default()
        };
        let is_for = |info| groups(info).iter().any(|group| *group == asked.topic);
        if !asked.topic.is_empty() && !shown.announcements.iter().any(is_for) {
            return refuse(format!(
                "the function is not announced for the topic `{}`",
                asked.topic
            ));
        }
        let holders = shown.holders.len();
        if holders == 0 {
            return refuse("no node that this one knows holds the function");
        }
        let (this, manifest) = (self.clone(), root);
        let manifest = tokio::task::spawn_blocking(move || this.manifest(&manifest)).await;
        let method = match asked.method.as_str() {
            "" => asked.config.runtime.entry.clone(),
            method => method.to_owned(),
        };
        let entry = match manifest.ok().flatten() {
            Some(manifest) => match entry_of(&manifest, &method) {
                Some(entry) => entry.name.clone(),
                None => return refuse(format!("the function has no method `{method}`")),
            },
            // Not held here: what was announced has the names of its methods, but not their files.
            None => announced_entry(&shown, method),
        };
        let execution = execution_of(&asked, root, entry, holders)?;
        let timeout = execution.deadline_ms.saturating_sub(now_ms());
        let signed = self.0.sign(Payload::Execute(execution));
        let request = self.run_signed(signed.bytes).await?;
        let answer = self.wait(request, timeout.saturating_add(500)).await?;
        Ok(response(&answer.run))
    }

    pub(super) async fn incumbent_install(&self, body: Value, token: &str) -> Answer<Value> {
        self.check_token(token)?;
        let asked: Install = read(body)?;
        if asked.cid.is_empty() {
            let text = format!("`{}`: functions are named by their content, give a cid", asked.uri);
            return refuse(text);
        }
        let root = root_of(&asked.cid)?;
        self.pinned(root).await?;
        let until = tokio::time::Instant::now() + INSTALL;
        loop {
            if self.0.content.holds(&root) {
                return Ok(json!({ "code": "200", "cid": asked.cid, "message": "installed" }));
            }
            if tokio::time::Instant::now() > until {
                return Ok(json!({ "code": "202", "cid": asked.cid, "message": "being fetched" }));
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    pub(super) async fn incumbent_result(&self, body: Value) -> Answer<Value> {
        let id = body["id"].as_str().or_else(|| body["request_id"].as_str()).unwrap_or_default();
        let answer = self.wait(request_of(id)?, 0).await?;
        Ok(response(&answer.run))
    }
}

fn execution_of(asked: &Execute, root: Cid, entry: String, holders: usize) -> Answer<Execution> {
    let config = &asked.config;
    let n = match config.number_of_nodes {
        None | Some(1) => Some(1),
        Some(-1) => None,
        Some(number) => match u16::try_from(number) {
            Ok(number) if number > 0 && usize::from(number) <= holders => Some(number),
            _ => return refuse(format!("{number} nodes are wanted, {holders} hold the function")),
        },
    };
    let nodes = n.unwrap_or_else(|| u16::try_from(holders).unwrap_or(u16::MAX).min(256));
    let k = match config.consensus_algorithm.as_str() {
        // All replicas do the same; more than half have to say so.
        "raft" => nodes / 2 + 1,
        // f + 1 of 3f + 1.
        "pbft" if nodes < 4 => return refuse("pbft takes at least 4 nodes"),
        "pbft" => (nodes - 1) / 3 + 1,
        "" | "none" => {
            let share = config.threshold.unwrap_or(THRESHOLD);
            if !(0.0..=1.0).contains(&share) {
                return refuse("the threshold is not between 0 and 1");
            }
            // Between 0 and 65,535, so nothing is cut off.
            ((f64::from(nodes) * share).ceil() as u16).clamp(1, nodes)
        }
        other => return refuse(format!("consensus `{other}` is not known")),
    };
    let mut env: Vec<(String, String)> =
        config.env_vars.iter().map(|pair| (pair.name.clone(), pair.value.clone())).collect();
    env.sort();
    let mut network = Vec::new();
    for text in &config.permissions {
        match text.parse() {
            Ok(origin) => network.push(origin),
            Err(error) => return refuse(format!("{error}")),
        }
    }
    network.sort();
    network.dedup();
    let timeout_ms = config.timeout.unwrap_or(TIMEOUT_S).clamp(1, 3_600).saturating_mul(1_000);
    let standard = Limits::default();
    let runtime = &config.runtime;
    let limits = Limits {
        fuel: runtime.limited_fuel.filter(|fuel| *fuel > 0).unwrap_or(standard.fuel),
        // Counted in pages there.
        memory: runtime
            .limited_memory
            .filter(|pages| *pages > 0)
            .map_or(standard.memory, |pages| pages.saturating_mul(65_536)),
        time_ms: runtime.run_time.filter(|time| *time > 0).unwrap_or(standard.time_ms),
        ..standard
    };
    Ok(Execution {
        salt: rand::random(),
        root,
        entry,
        // A parameter without a name is a word by itself; with one, its name goes before it.
        args: asked.parameters.iter().map(argument).collect(),
        stdin: config.stdin.clone().unwrap_or_default().into_bytes(),
        env,
        n,
        k,
        executors: Vec::new(),
        limits,
        permissions: Permissions { network },
        deadline_ms: now_ms().saturating_add(timeout_ms),
        reply: Vec::new(),
    })
}

fn argument(pair: &Pair) -> String {
    match (pair.name.as_str(), pair.value.as_str()) {
        ("", value) => value.to_owned(),
        (name, "") => name.to_owned(),
        (_, value) => value.to_owned(),
    }
}

/// The incumbent's answer: outputs by how many nodes gave them, in percent.
fn response(run: &RunInfo) -> Value {
    let (code, message) = match run.state {
        RunState::Agreed => ("200", run.reason.clone()),
        RunState::Waiting => ("202", run.reason.clone()),
        // What the incumbent answers with 200.
        RunState::Split => ("409", run.reason.clone()),
        RunState::Failed => ("408", run.reason.clone()),
        RunState::Cancelled => ("410", run.reason.clone()),
    };
    let text = |hex_text: &str| {
        String::from_utf8_lossy(&hex::decode(hex_text).unwrap_or_default()).into_owned()
    };
    let peers: Vec<String> = run
        .receipts
        .iter()
        .filter(|receipt| receipt.agrees)
        .map(|receipt| casper_types::AsymmetricType::to_hex(&receipt.executor))
        .collect();
    let results: Vec<Value> = run
        .result
        .iter()
        .map(|result| {
            let share = 100.0 * peers.len() as f64 / run.receipts.len().max(1) as f64;
            json!({
                "result": {
                    "stdout": text(&result.stdout), "stderr": text(&result.stderr),
                    "exit_code": result.exit_code,
                },
                "peers": peers,
                "frequency": share,
                "metadata": { "fuel": result.fuel, "output": result.output },
            })
        })
        .collect();
    json!({
        "code": code,
        "request_id": run.request,
        "message": message,
        "results": results,
        "cluster": { "peers": peers },
        "certificate": run.certificate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use girrona_assembly::content::Codec;

    fn execution(config: Value, holders: usize) -> Answer<Execution> {
        let asked: Execute = read(json!({
            "function_id": "x", "method": "main.wasm",
            "parameters": [{"name": "", "value": "a"}, {"name": "--flag", "value": "b"}],
            "config": config,
        }))?;
        execution_of(&asked, Cid::of(Codec::Raw, b"x"), "main".to_owned(), holders)
    }

    #[test]
    fn what_the_incumbent_asks_for_is_a_request() {
        let asked = execution(
            json!({
                "env_vars": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                "stdin": "in", "number_of_nodes": 3, "timeout": 5, "threshold": 0.5,
                "runtime": {"limited_fuel": 7, "run_time": 9},
            }),
            4,
        )
        .unwrap();
        asked.check(now_ms()).unwrap();
        assert_eq!((asked.n, asked.k), (Some(3), 2));
        assert_eq!(asked.args, ["a", "b"]);
        assert_eq!(asked.env[0], ("A".to_owned(), "1".to_owned()));
        assert_eq!((asked.limits.fuel, asked.limits.time_ms), (7, 9));
        let all = execution(json!({"number_of_nodes": -1, "consensus_algorithm": "pbft"}), 7);
        assert_eq!(all.map(|all| (all.n, all.k)), Ok((None, 3)));
        for bad in [
            json!({"number_of_nodes": 9}),
            json!({"number_of_nodes": 3, "consensus_algorithm": "pbft"}),
            json!({"threshold": 7.0}),
            json!({"permissions": ["file:///etc"]}),
            json!({"consensus_algorithm": "luck"}),
        ] {
            assert!(execution(bad.clone(), 4).is_err(), "{bad}");
        }
    }
}

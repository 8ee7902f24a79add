//! Programs that misbehave, announced and asked for like any other: the result says which limit
//! they met, it is the same on every node, and the nodes live.

use std::{
    net::TcpListener,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use girrona_testkit::Net;
use serde_json::{Value, json};

use crate::{
    assembly::answers,
    author::{assembly, done, key_path, show},
    watch::{unharmed, until, watched},
};

/// The port of a service on the nodes' own machine, which guests must not reach.
static PORT: OnceLock<u16> = OnceLock::new();

/// A service at home, and how many came.
fn service() -> Result<Arc<AtomicUsize>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    PORT.set(listener.local_addr()?.port()).ok().context("one test uses it")?;
    let came = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&came);
    std::thread::spawn(move || {
        for _ in listener.incoming() {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(came)
}

fn origin() -> String {
    format!("http://localhost:{}", PORT.get().copied().unwrap_or_default())
}

/// The guest of the sandbox's own tests, as an assembly.
async fn trial(net: &Net, folder: &Path, file: &str, runtime: &str) -> Result<String> {
    let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assemblies/wasm").join(file);
    let folder = folder.join(file);
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(wasm, folder.join("trial.wasm"))?;
    let manifest = json!({
        "name": file, "version": "1.0.0", "runtime": runtime,
        "entries": [{ "name": "main", "file": "trial.wasm" }],
        "permissions": { "network": [origin()] },
    });
    std::fs::write(folder.join("manifest.json"), manifest.to_string())?;
    let (path, ana) = (folder.display().to_string(), key_path(net, "ana")?);
    let url = net.node(0).rpc().url().to_owned();
    let said = done(&["publish", &path, "--key", &ana, "--node", &url]).await?;
    let root = said["root"].as_str().context("a root")?.to_owned();
    let all = net.nodes().len();
    until("all hold it", async || {
        Ok(show(net.node(0), &root).await.is_ok_and(|shown| shown.holders.len() == all))
    })
    .await?;
    Ok(root)
}

/// Asks for an execution by both nodes; says what came of it.
async fn run(net: &Net, root: &str, options: &[&str], args: &[&str]) -> Result<Value> {
    let (bo, url) = (key_path(net, "bo")?, net.node(0).rpc().url().to_owned());
    let mut words = vec!["run", root, "--key", &bo, "-k", "2", "--node", &url];
    words.extend(options);
    // `--json` goes before what is the program's.
    words.push("--json");
    words.push("--");
    words.extend(args);
    let mut command = tokio::process::Command::new(girrona_testkit::program::girrona()?);
    let output = command.arg("assembly").args(&words).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{words:?}: {said}"))
}

/// Instances by the thousand, which a component asks for in a few bytes.
fn fork_bomb(count: usize) -> Result<Vec<u8>> {
    let many = "(core instance (instantiate $m))".repeat(count);
    Ok(wat::parse_str(format!("(component (core module $m (memory 1)) {many})"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_misbehaves_ends_in_what_is_named_for_it_on_every_node() -> Result<()> {
    let came = service()?;
    let net = Net::builder()
        .validators(1)
        .observers(1)
        .block_time("500ms")
        .config(|_, config| {
            config.assembly.permissions.network = origin().parse().into_iter().collect();
        })
        .start()
        .await?;
    let folder = tempfile::tempdir()?;
    let programs = [("trial.wasm", "wasi-module"), ("trial.component.wasm", "wasi-component")];
    let fuel = ["--fuel", "100000000"];
    let memory = ["--memory", "64"];
    let cases: [(&[&str], &[&str], &[&str]); 8] = [
        (&["spin"], &fuel, &["trap: out of fuel"]),
        (&["hoard"], &memory, &["trap: a limit of memory, tables or instances"]),
        (&["flood"], &[], &["trap: a limit of output"]),
        (&["fill", "100000"], &[], &["trap: a limit of files"]),
        // Its own stack, which lies in its memory, or the machine's.
        (
            &["deep", "100000000"],
            &[],
            &["trap: memory access out of bounds", "trap: stack overflow"],
        ),
        (&["sleep", "1000000000"], &[], &["exit 0"]),
        (&["escape"], &[], &["exit 0"]),
        (&["panic"], &[], &["trap: unreachable", "exit 101", "exit 1"]),
    ];
    watched(&net, async {
        for (file, runtime) in programs {
            let root = trial(&net, folder.path(), file, runtime).await?;
            for (args, options, ends) in cases {
                let said = run(&net, &root, options, args).await?;
                let receipts = said["receipts"].as_array().context("receipts")?;
                ensure!(receipts.len() == 2, "{file} {args:?}: {said}");
                for receipt in receipts {
                    let end = receipt["end"].as_str().context("an end")?;
                    ensure!(ends.contains(&end), "{file} {args:?}: {end}");
                }
                println!("{file} {args:?}: {} {}", said["state"], receipts[0]["end"]);
                let is_stack = receipts[0]["end"] == "trap: stack overflow";
                ensure!(said["state"] == "agreed" || is_stack, "{file} {args:?}: {said}");
                if args == ["escape"] {
                    assert_eq!(said["result"]["stdout"], hex::encode("that was all\n"), "{file}");
                }
                if args == ["flood"] {
                    let stdout = said["result"]["stdout"].as_str().context("output")?.len() / 2;
                    ensure!(stdout <= 1 << 20, "{file} wrote {stdout} bytes");
                }
                for node in net.nodes() {
                    answers(node).await?;
                }
            }
            // Fuel for ever: time ends it, and that is no result.
            let endless = ["--fuel", "900000000000", "--timeout", "500ms"];
            let said = run(&net, &root, &endless, &["spin"]).await?;
            ensure!(said["state"] != "agreed", "{file}: {said}");
            for receipt in said["receipts"].as_array().context("receipts")? {
                assert_eq!(receipt["end"], "stopped: its time was over", "{said}");
            }
            // A name that the publisher, the nodes and the requester allow, and that leads home.
            let allowed = ["--allow-net", &origin()];
            for name in ["localhost", "127.0.0.1", "[::1]"] {
                let address = format!("{name}:{}", PORT.get().context("a port")?);
                let said = run(&net, &root, &allowed, &["connect", &address]).await?;
                let stdout = hex::decode(said["result"]["stdout"].as_str().context("output")?)?;
                let stdout = String::from_utf8_lossy(&stdout).into_owned();
                println!("{file} connects to {name}: {stdout}");
                ensure!(stdout.starts_with("Err("), "{file} reached {name}: {said}");
            }
        }
        Ok(())
    })
    .await?;
    assert_eq!(came.load(Ordering::Relaxed), 0, "a guest came home");

    // What forks without end is not even announced.
    for count in [65, 5_000] {
        let file = folder.path().join(format!("fork-{count}.wasm"));
        std::fs::write(&file, fork_bomb(count)?)?;
        let (file, ana) = (file.display().to_string(), key_path(&net, "ana")?);
        let url = net.node(0).rpc().url().to_owned();
        let (is_done, said) = assembly(&["publish", &file, "--key", &ana, "--node", &url]).await?;
        ensure!(!is_done, "{said}");
        println!("{count} instances: {said}");
    }
    unharmed(&net).await?;
    net.end().await
}

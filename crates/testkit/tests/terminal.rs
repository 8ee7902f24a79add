//! `girrona demo` as a person in a terminal sees it: in colour, with its network left running until
//! Ctrl-C.

#![cfg(unix)]

use std::{
    fs::{File, OpenOptions},
    io::Read,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use girrona_testkit::{Turn, program};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};

/// A program in a terminal.
struct Terminal {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Terminal {
    fn run(mut command: Command) -> Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let path = ptsname(&ours, Vec::new())?;
        let path = path.to_str()?;
        let theirs = || OpenOptions::new().read(true).write(true).open(path);
        command.stdin(Stdio::from(theirs()?));
        command.stdout(Stdio::from(theirs()?));
        command.stderr(Stdio::from(theirs()?));
        let child = command.spawn()?;
        // The command holds the terminal open too.
        drop(command);
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        thread::spawn(move || {
            let mut ours = File::from(ours);
            let mut bytes = [0; 4_096];
            // Ends with an error when nobody has the other side any more.
            while let Ok(count @ 1..) = ours.read(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                screen.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
            }
        });
        Ok(Self { child, shown })
    }

    fn text(&self) -> String {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn wait_for(&mut self, words: &str, within: Duration) -> Result<()> {
        let began = Instant::now();
        while !self.text().contains(words) {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} before it said {words:?}:\n{}", self.text());
            }
            ensure!(began.elapsed() < within, "it never said {words:?}:\n{}", self.text());
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands between two marks.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    let rest = text.split_once(from)?.1;
    rest.split_once(to).map(|(found, _)| found)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_terminal_the_network_goes_on_until_ctrl_c() -> Result<()> {
    let _turn = Turn::take().await?;
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(program::girrona()?);
    command.args(["demo", "--ports", "free", "--data"]).arg(folder.path().join("demo"));
    // Whoever runs the tests may want none.
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color");
    let mut terminal = Terminal::run(command)?;

    terminal.wait_for("claims above were read from every node", Duration::from_secs(120))?;
    terminal.wait_for("Ctrl-C", Duration::from_secs(10))?;
    let text = terminal.text();
    assert!(text.contains("\u{1b}[32mtrue"), "what is true is green");
    assert!(!text.contains("FALSE"), "{text}");

    // The network that it left running answers where it says.
    let url = between(&text, "http://", "/rpc").context("an endpoint is named")?;
    let ask = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "info_get_status" });
    let status: serde_json::Value = reqwest::Client::new()
        .post(format!("http://{url}/rpc"))
        .json(&ask)
        .send()
        .await?
        .json()
        .await?;
    assert!(status["result"]["last_added_block_info"]["height"].as_u64().is_some(), "{status}");

    let pid = Pid::from_child(&terminal.child);
    kill_process(pid, Signal::INT)?;
    let asked = Instant::now();
    let status = loop {
        if let Some(status) = terminal.child.try_wait()? {
            break status;
        }
        ensure!(asked.elapsed() < Duration::from_secs(30), "Ctrl-C did not end it");
        thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}\n{}", terminal.text());
    let gone = reqwest::Client::new().post(format!("http://{url}/rpc")).json(&ask).send().await;
    assert!(gone.is_err(), "no node outlives it");
    Ok(())
}

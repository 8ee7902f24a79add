//! `girrona sim gossip` as a person or a program meets it.

use std::{
    process::{Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use girrona_testkit::program;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn command(arguments: &str) -> Command {
    let mut command = Command::new(program::girrona().unwrap());
    command.args(["sim", "gossip"]).args(arguments.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &str) -> Output {
    command(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_same_line_gives_the_same_rows_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("plot.svg");
    let line = format!(
        "--nodes 10..1000 --degree 4,8 --latency const:50ms,geo --loss 5 --json --svg {}",
        picture.display()
    );
    let rows = || {
        let output = run(&line);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in answer["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("played_in").unwrap();
        }
        answer
    };
    let answer = rows();
    assert_eq!(answer["rows"].as_array().unwrap().len(), 12);
    assert_eq!(answer, rows());
    let picture = std::fs::read_to_string(picture).unwrap();
    assert_eq!(picture.matches("<circle").count(), 12);
}

#[test]
fn a_check_fails_where_the_model_is_no_bound_and_passes_where_it_is() {
    let output = run("--nodes 1000 --latency const:1ms --check");
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    assert!(said.contains("above the model: 1000 nodes, D 8, const:1ms"), "{said}");
    let output = run("--nodes 1000 --latency const:50ms --check");
    assert!(output.status.success());
    assert!(text(&output.stdout).contains("every p99 lies under the model"));
    let output = run("--nodes 1000 --loss 10 --silent 40 --mesh-only --check");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("not delivered: 1000 nodes"));
}

#[test]
fn slips_are_refused_before_anything_is_played() {
    for (line, reason) in [
        ("--nodes 0", "a network has from 2 to 4000000 nodes"),
        ("--nodes 5000000", "a network has from 2 to 4000000 nodes"),
        ("--degree 0", "at least 2 neighbours"),
        ("--degree 40", "degree 40 needs more than 32 connections"),
        ("--connections 1000", "a node has from 2 to 40 on average"),
        ("--latency fast", "is not const:TIME"),
        ("--loss 100", "100 is not a share"),
        ("--malicious 40 --churn 20", "fewer than half"),
        ("--uplink 0", "the uplink must be more than zero"),
        ("--svg /nowhere/plot.svg", "write /nowhere/plot.svg"),
    ] {
        let output = run(line);
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(reason), "{line}: {said}");
    }
}

#[test]
fn an_interrupt_ends_it_with_the_rows_that_are_done() {
    let child = command("--nodes 100,4000000 --messages 1000").spawn().unwrap();
    sleep(Duration::from_secs(2));
    let begin = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(output.status.code(), Some(130));
    assert!(text(&output.stderr).contains("stopped; the rows above are complete"));
    let said = text(&output.stdout);
    assert!(said.contains("p99/model") && !said.contains("4000000"), "{said}");
    assert!(!said.contains("everything was delivered"), "{said}");
}

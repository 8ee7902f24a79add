//! Running commands one after the other, each with its name and its time.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context, Result, bail};

/// How tests ended, added up over test programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; other lines
    /// change nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some(rest) = line.trim_start().strip_prefix("test result:") else { return };
        let words: Vec<&str> = rest.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let &[count, what] = pair else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

/// A list of steps under way. Every step runs even when an earlier one failed, so that one run
/// shows everything that is wrong.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    tally: Tally,
    failed: Vec<String>,
}

impl Steps {
    /// Nothing done yet.
    pub(crate) fn begin() -> Self {
        Self { started: Instant::now(), tally: Tally::default(), failed: Vec::new() }
    }

    /// Runs one step and prints how long it took.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce(&mut Tally) -> Result<()>) {
        eprintln!("==> {name}");
        let started = Instant::now();
        let result = work(&mut self.tally);
        let seconds = started.elapsed().as_secs_f64();
        match result {
            Ok(()) => eprintln!("==> {name}: ok, {seconds:.1} s\n"),
            Err(error) => {
                eprintln!("==> {name}: FAILED, {seconds:.1} s: {error:#}\n");
                self.failed.push(name.to_owned());
            }
        }
    }

    /// Prints the summary line, the last thing of the run.
    ///
    /// # Errors
    /// When a step failed, or when no test ran at all although tests were asked for.
    pub(crate) fn end(self) -> Result<()> {
        let seconds = self.started.elapsed().as_secs_f64();
        let Tally { passed, failed, ignored } = self.tally;
        if !self.failed.is_empty() {
            eprintln!("failed steps: {}", self.failed.join(", "));
        }
        let word = if self.failed.is_empty() { "ok" } else { "FAILED" };
        println!(
            "test result: {word}. {passed} passed; {failed} failed; {ignored} ignored; \
             finished in {seconds:.1}s"
        );
        // The process must not end between this line and its being seen.
        std::io::stdout().flush()?;
        if self.failed.is_empty() { Ok(()) } else { bail!("{} failed", self.failed.join(", ")) }
    }
}

/// A command in a folder, its arguments separated by blanks.
pub(crate) fn command(folder: &Path, line: &str) -> Command {
    let mut words = line.split_whitespace();
    // The cargo that started us is the one of the pinned tool chain.
    let program = match words.next() {
        Some("cargo") | None => std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()),
        Some(other) => other.to_owned(),
    };
    let mut command = Command::new(program);
    command.args(words).current_dir(folder);
    command
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot start or says that it failed.
pub(crate) fn succeed(mut command: Command) -> Result<()> {
    let text = describe(&command);
    let status = command.status().with_context(|| format!("start `{text}`"))?;
    if status.success() { Ok(()) } else { bail!("`{text}` ended with {status}") }
}

/// Runs a command that tests, passes its output on and counts the results in it.
///
/// # Errors
/// When it cannot start or says that it failed.
pub(crate) fn count_tests(mut command: Command, tally: &mut Tally) -> Result<()> {
    let text = describe(&command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("start `{text}`"))?;
    let output = child.stdout.take().context("the output was piped")?;
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        writeln!(out, "{line}")?;
        tally.add_line(&line);
    }
    let status = child.wait()?;
    if status.success() { Ok(()) } else { bail!("`{text}` ended with {status}") }
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_test_programs_are_added_up() {
        let mut tally = Tally::default();
        tally.add_line("running 3 tests");
        tally.add_line("test a ... ok");
        tally.add_line(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        tally.add_line(
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out",
        );
        assert_eq!(tally, Tally { passed: 7, failed: 2, ignored: 1 });
    }

    #[test]
    fn a_failed_step_fails_the_run_and_later_steps_still_run() {
        let mut steps = Steps::begin();
        let mut ran = false;
        steps.step("one", |_| bail!("no"));
        steps.step("two", |_| {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert_eq!(steps.end().unwrap_err().to_string(), "one failed");
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = succeed(command(Path::new("."), "false --really")).unwrap_err();
        assert!(error.to_string().starts_with("`false --really` ended with"), "{error}");
    }
}

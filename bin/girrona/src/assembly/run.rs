//! Requests for execution and what comes of them.

use std::{fs, io::Read as _, path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use casper_types::{AsymmetricType, SecretKey};
use girrona_api::methods::assembly::{
    AssemblyCancel, AssemblyResult, AssemblyResultParams, AssemblyRun, AssemblyRunParams,
    AssemblyShow, EnvelopeParams, RootParams, RunInfo, RunState,
};
use girrona_assembly::{
    Origin, Permissions, RequestId,
    message::{Cancellation, Execution, Payload, payload::Limits},
    run::select::default_k,
};

use super::{
    Node,
    args::{CancelArgs, LogsArgs, RunArgs},
    now_ms,
};
use crate::{
    ask::explained,
    show::{self, BAD, BOLD, DIM, GOOD, Spinner, say, styled},
    wallet::secret_key,
};

/// How long one question to the node waits.
const WAIT_MS: u64 = 20_000;

/// `girrona assembly run`
pub(super) async fn run(arguments: RunArgs) -> Result<ExitCode> {
    let key = secret_key(&arguments.key)?;
    let node = Node::ask(&arguments.at.node).await?;
    let run = execute(&node, &key, &arguments).await?;
    tell(&run, arguments.certificate.as_deref(), arguments.at.json, arguments.detach)
}

/// Sends a request and waits for what comes of it, unless it should not wait.
///
/// # Errors
/// When the request makes no sense or the node does not take it.
pub(crate) async fn execute(node: &Node, key: &SecretKey, arguments: &RunArgs) -> Result<RunInfo> {
    let root = node.root(&arguments.root).await?;
    let params = RootParams { root: root.to_string() };
    // A node that knows nothing of it may still carry the request.
    let holders = match node.client.call::<AssemblyShow>(&params).await {
        Ok(shown) => shown.holders.len(),
        Err(_) => 0,
    };
    let n = arguments.n;
    let executors = n.map_or(holders, usize::from);
    if executors == 0 && arguments.k.is_none() {
        bail!("nobody who holds {root} is known; say with -k how many equal receipts are a result");
    }
    let usual = default_k(u16::try_from(executors).unwrap_or(u16::MAX));
    let mut env = Vec::new();
    for pair in &arguments.env {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("`{pair}` is not NAME=VALUE"))?;
        env.push((name.to_owned(), value.to_owned()));
    }
    env.sort();
    let mut network: Vec<Origin> = Vec::new();
    for text in &arguments.network {
        network.push(text.parse()?);
    }
    network.sort();
    let standard = Limits::default();
    let execution = Execution {
        salt: salt()?,
        root,
        entry: arguments.entry.clone(),
        args: arguments.args.clone(),
        stdin: stdin(arguments.stdin.as_deref())?,
        env,
        n,
        k: arguments.k.unwrap_or(usual),
        executors: Vec::new(),
        limits: Limits {
            fuel: arguments.fuel.unwrap_or(standard.fuel),
            memory: arguments.memory.map_or(standard.memory, |mib| mib.saturating_mul(1 << 20)),
            time_ms: arguments.timeout.millis().max(1),
            ..standard
        },
        permissions: Permissions { network },
        deadline_ms: now_ms().saturating_add(arguments.timeout.millis()),
        reply: node.said.addresses.clone(),
    };
    let envelope = node.sign(key, Payload::Execute(execution), u64::MAX)?;
    let spinner = Spinner::start(format!("executed by {executors} nodes"));
    let wait_ms = if arguments.detach { 0 } else { WAIT_MS };
    let params = AssemblyRunParams { envelope, wait_ms };
    let mut run = node.client.call::<AssemblyRun>(&params).await.map_err(explained)?.run;
    while !arguments.detach && is_open(&run) {
        run = result(node, &run.request, WAIT_MS).await?;
    }
    drop(spinner);
    Ok(run)
}

/// Whether more is to come.
fn is_open(run: &RunInfo) -> bool {
    let output = run.result.as_ref().is_none_or(|result| result.is_here);
    let is_late = now_ms() > run.deadline.millis().saturating_add(3_000);
    !is_late && (run.state == RunState::Waiting || !output)
}

fn salt() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("find randomness")?;
    Ok(bytes)
}

fn stdin(path: Option<&Path>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path {
        None => {}
        Some(path) if path == Path::new("-") => {
            std::io::stdin().read_to_end(&mut bytes).context("read standard input")?;
        }
        Some(path) => {
            bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        }
    }
    Ok(bytes)
}

async fn result(node: &Node, request: &str, wait_ms: u64) -> Result<RunInfo> {
    let params = AssemblyResultParams { request: request.to_owned(), wait_ms };
    Ok(node.client.call::<AssemblyResult>(&params).await.map_err(explained)?.run)
}

/// `girrona assembly logs`
pub(super) async fn logs(arguments: LogsArgs) -> Result<ExitCode> {
    let node = Node::ask(&arguments.at.node).await?;
    let run = result(&node, &arguments.request, 0).await?;
    tell(&run, arguments.certificate.as_deref(), arguments.at.json, false)
}

/// Shows what came of a request: the program's output as it is, the rest beside it.
fn tell(run: &RunInfo, file: Option<&Path>, is_json: bool, detach: bool) -> Result<ExitCode> {
    if let (Some(path), Some(certificate)) = (file, &run.certificate) {
        let bytes = hex::decode(certificate).context("the node's certificate is not in hex")?;
        fs::write(path, bytes).with_context(|| format!("write {}", path.display()))?;
    }
    if is_json {
        show::json(run)?;
    } else {
        words(run);
    }
    Ok(match (&run.result, run.state) {
        (Some(result), RunState::Agreed) => {
            // Only the lowest byte of a program's code reaches a shell.
            u8::try_from(result.exit_code & 0xff).unwrap_or(255).into()
        }
        (_, RunState::Waiting) if detach => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn words(run: &RunInfo) {
    use std::io::Write as _;
    if let Some(result) = &run.result {
        let decode = |text: &str| hex::decode(text).unwrap_or_default();
        // A closed pipe is somebody who has seen enough.
        let _ = std::io::stdout().write_all(&decode(&result.stdout));
        let _ = std::io::stderr().write_all(&decode(&result.stderr));
        if let Some(output) = &result.output {
            show::note(&format!("it left files: girrona assembly export {output} FILE"));
        }
    }
    let (colour, word) = match run.state {
        RunState::Agreed => (GOOD, "agreed"),
        RunState::Waiting => (DIM, "waiting"),
        RunState::Split => (BAD, "split"),
        RunState::Failed => (BAD, "failed"),
        RunState::Cancelled => (BAD, "cancelled"),
    };
    anstream::eprintln!("{} {} {}", styled(colour, word), run.reason, styled(DIM, &run.request));
    for receipt in &run.receipts {
        let mark = if receipt.agrees { "=" } else { "-" };
        anstream::eprintln!(
            "  {mark} {} {} {}",
            receipt.executor.to_hex(),
            receipt.end,
            styled(DIM, format!("{} fuel, {} ms", receipt.fuel, receipt.wall_ms)),
        );
    }
    for decline in &run.declines {
        anstream::eprintln!("  x {} {}", decline.executor.to_hex(), decline.reason);
    }
    for proof in &run.evidence {
        let lied = styled(BAD, "lied");
        anstream::eprintln!("  ! {} {lied}", proof.offender.to_hex());
    }
}

/// `girrona assembly cancel`
pub(super) async fn cancel(arguments: CancelArgs) -> Result<ExitCode> {
    let key = secret_key(&arguments.key)?;
    let node = Node::ask(&arguments.at.node).await?;
    let bytes = hex::decode(&arguments.request).ok().and_then(|bytes| bytes.try_into().ok());
    let request = bytes.map(RequestId);
    let request = request.with_context(|| format!("`{}` is no request's id", arguments.request))?;
    let payload = Payload::Cancel(Cancellation { request });
    let lifetime = Duration::from_secs(600).as_millis();
    let envelope = node.sign(&key, payload, u64::try_from(lifetime).unwrap_or(u64::MAX))?;
    let params = EnvelopeParams { envelope };
    let answer = node.client.call::<AssemblyCancel>(&params).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&answer)?;
    } else {
        say!("{} {}", styled(BOLD, "taken back"), answer.request);
    }
    Ok(ExitCode::SUCCESS)
}

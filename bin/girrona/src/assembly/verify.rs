//! `girrona assembly verify`: no node is asked; the chainspec says which network it is, signatures
//! say the rest.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, bail};
use casper_types::{AsymmetricType, PublicKey};
use girrona_assembly::{
    message::Payload,
    run::{Certificate, End, Evidence, certificate::Proven},
};
use girrona_types::{Chainspec, config};
use serde_json::json;

use super::args::VerifyArgs;
use crate::show::{self, BAD, BOLD, GOOD, say, styled};

/// `girrona assembly verify`
pub(super) fn verify(arguments: &VerifyArgs) -> Result<ExitCode> {
    let path = &arguments.chainspec;
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let law: Chainspec = config::parse(&text)
        .map_err(|problems| anyhow::anyhow!("{} cannot be used:\n{problems}", path.display()))?;
    let network = law.network_id();
    let path = &arguments.proof;
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    // A file may hold hex, as an answer of a node has it.
    let bytes =
        match std::str::from_utf8(&bytes).ok().and_then(|text| hex::decode(text.trim()).ok()) {
            Some(decoded) if !decoded.is_empty() => decoded,
            _ => bytes,
        };
    if let Ok(certificate) = Certificate::from_bytes(&bytes) {
        let proven = certificate.verify(&network).context("the certificate proves nothing")?;
        told(&certificate, &proven, arguments.json)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Ok(evidence) = Evidence::from_bytes(&bytes) {
        let offender = evidence.verify(&network).context("the evidence proves nothing")?;
        if arguments.json {
            show::json(&json!({ "proves": "lie", "offender": offender }))?;
        } else {
            say!("{} {}", styled(BAD, "signed something wrong:"), offender.to_hex());
        }
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{} holds neither a certificate nor evidence", path.display())
}

fn told(certificate: &Certificate, proven: &Proven, is_json: bool) -> Result<()> {
    let Payload::Execute(execution) = &certificate.request.body.payload else {
        bail!("the certificate is about no request");
    };
    let executors: Vec<String> = proven.executors.iter().map(PublicKey::to_hex).collect();
    if is_json {
        return show::json(&json!({
            "proves": "result",
            "request": proven.request,
            "requester": certificate.request.body.author,
            "root": execution.root,
            "entry": execution.entry,
            "k": execution.k,
            "outcome": proven.outcome,
            "stdout_hash": hex::encode(proven.outcome.stdout),
            "executors": executors,
            "fuel": proven.fuel,
        }));
    }
    let end = match proven.outcome.end {
        End::Exit(code) => format!("exit {code}"),
        End::Trap(trap) => format!("trap: {trap}"),
        End::Stopped(stopped) => format!("stopped: {stopped}"),
    };
    say!("{} {end}", styled(GOOD, "proven"));
    say!("{} {}", styled(BOLD, "request "), proven.request);
    say!("{} {} {}", styled(BOLD, "assembly"), execution.root, execution.entry);
    say!("{} {}", styled(BOLD, "stdout  "), hex::encode(proven.outcome.stdout));
    say!("{} {} of at least {}", styled(BOLD, "receipts"), executors.len(), execution.k);
    for executor in executors {
        say!("         {executor}");
    }
    Ok(())
}

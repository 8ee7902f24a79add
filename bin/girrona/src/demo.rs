//! `girrona demo`: a network, four Deploys, an assembly, and every claim about them read from the nodes.

mod assembly;
mod chain;
mod liar;
mod story;

use std::process::ExitCode;

use anyhow::Result;
use girrona_devnet::{Layout, Spec};
use serde_json::json;

use crate::{
    cli::DemoArgs,
    devnet,
    show::{self, BAD, BOLD, DIM, GOOD, say, styled},
    stop::StopSignals,
};

/// Tells the story; leaves the network running in a terminal unless told otherwise.
pub(crate) async fn run(arguments: DemoArgs) -> Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    Layout::clean(&arguments.data)?;
    let spec = Spec { ports: arguments.ports.into(), ..Spec::default() };
    let layout = Layout::create(&arguments.data, &spec)?;
    assembly::set_the_stage(&layout)?;
    if !arguments.json {
        say!("{}", styled(BOLD, "The life of a Deploy on Girrona"));
        say!(
            "{}",
            styled(DIM, format!("network, keys and logs are in {}", layout.path().display()))
        );
    }
    let mut network = tokio::select! {
        started = devnet::start(layout) => started?,
        () = signals.asked() => return Ok(ExitCode::FAILURE),
    };
    let stage = story::Stage::of(&network)?;
    let told = tokio::select! {
        told = story::tell(stage, arguments.json) => told,
        error = network.first_to_end() => Err(error.into()),
        () = signals.asked() => {
            devnet::stop(network).await;
            return Ok(ExitCode::FAILURE);
        }
    };
    let claims = match told {
        Ok(claims) => claims,
        Err(error) => {
            devnet::stop(network).await;
            return Err(error);
        }
    };
    let false_claims = claims.iter().filter(|claim| !claim.holds).count();
    summary(claims.len(), false_claims, arguments.json)?;
    if !arguments.exit && show::is_terminal() {
        let shown = devnet::Shown::new(&network)?;
        if arguments.json {
            show::json_line(&shown)?;
        } else {
            shown.print();
            show::note("\nThe network keeps running; Ctrl-C stops it.");
        }
        tokio::select! {
            error = network.first_to_end() => {
                devnet::stop(network).await;
                return Err(error.into());
            }
            () = signals.asked() => {}
        }
    }
    devnet::stop(network).await;
    Ok(if false_claims == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The last line of the story.
fn summary(claims: usize, false_claims: usize, as_json: bool) -> Result<()> {
    if as_json {
        return show::json_line(&json!({ "claims": claims, "false": false_claims }));
    }
    if false_claims == 0 {
        say!(
            "\n{}",
            styled(
                GOOD,
                format!("All {claims} claims above were read from every node and are true.")
            )
        );
    } else {
        say!("\n{}", styled(BAD, format!("{false_claims} of {claims} claims above are not true.")));
    }
    Ok(())
}

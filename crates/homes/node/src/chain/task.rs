//! The one thread on which the brain works, and the only place where it meets the world.
//!
//! Local work first, then timers, then the mailbox. Outputs are carried out in their order; a
//! failed durable write ends the thread with its reason.

use std::{sync::Arc, time::Instant};

use casper_types::Timestamp;
use girrona_chain::{Chain, Disk, Fatal, Input, Output};
use tracing::{error, info};

use super::{
    mailbox::{Letter, Mailbox},
    metrics::Metrics,
    timers::Timers,
};
use crate::gossip::Outside;

/// Works until the mailbox stops.
///
/// # Errors
/// When the brain has to stop.
pub fn work<D: Disk>(
    mut chain: Chain<D>,
    mailbox: &Mailbox,
    outside: &Arc<Outside>,
    metrics: &Metrics,
) -> Result<(), Fatal> {
    let mut timers = Timers::default();
    let mut input = Some(Input::Start);
    loop {
        if let Some(input) = input.take() {
            let began = Instant::now();
            let outputs = match chain.handle(input, Timestamp::now()) {
                Ok(outputs) => outputs,
                Err(fatal) => {
                    error!(height = %chain.height(), %fatal, "the chain stops");
                    return Err(fatal);
                }
            };
            metrics.handled(began.elapsed());
            carry_out(outputs, &mut timers, outside);
            metrics.show(&chain, mailbox);
            outside.set_behind(chain.is_behind());
        }
        input = if chain.has_work() {
            Some(Input::Continue)
        } else if let Some(timer) = timers.due() {
            Some(Input::Timer(timer))
        } else {
            match mailbox.take(timers.next()) {
                Letter::Input(input) => Some(input),
                Letter::Nothing => None,
                Letter::Stop => {
                    info!(height = %chain.height(), "the chain rests");
                    return Ok(());
                }
            }
        };
    }
}

fn carry_out(outputs: Vec<Output>, timers: &mut Timers, outside: &Arc<Outside>) {
    for output in outputs {
        match output {
            Output::SetTimer(timer, after) => timers.set(timer, after),
            Output::CancelTimer(timer) => timers.cancel(timer),
            Output::CancelConsensusTimers => timers.cancel_consensus(),
            Output::Gossip(gossip) => outside.gossip(gossip),
            Output::Validators(direct) => outside.to_validators(&direct),
            Output::Request { id, peer, request } => outside.ask(id, peer, &request),
            Output::Check { peer, deploys } => outside.check_pulled(peer, deploys),
            Output::Announce(id, event) => outside.announce(id, event),
            Output::Reached(phase, at, hashes) => outside.phases.reached(phase, at, hashes),
            Output::Verdict { ticket, verdict } => outside.verdict(ticket, verdict),
            Output::Judged { ticket, verdict } => outside.judged(ticket, verdict),
            Output::Blame { peer, reason } => outside.blame(peer, reason),
            Output::Tip(height) => outside.tip(height),
            Output::Electorate(validators) => outside.elected(validators),
        }
    }
}

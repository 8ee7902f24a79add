//! The door in front of the engine: who may say what.

use casper_types::PublicKey;

use crate::{
    check::MessageError,
    context::Electorate,
    message::{Message, Signed},
};

/// Refuses what the engine should not see.
pub(super) fn admit(electorate: &Electorate, message: &Message) -> Result<(), MessageError> {
    let validators = electorate.leaders().validators();
    let known = |signer: &PublicKey| match validators.weight(signer) {
        Some(_) => Ok(()),
        None => Err(MessageError::UnknownSigner(Box::new(signer.clone()))),
    };
    match message {
        Message::Propose(Signed { body, .. }) => {
            known(&body.signer)?;
            let leader = electorate.leader(body.round);
            if *leader != body.signer {
                return Err(MessageError::NotLeader {
                    signer: Box::new(body.signer.clone()),
                    round: body.round,
                    leader: Box::new(leader.clone()),
                });
            }
            Ok(())
        }
        Message::Vote(vote) => known(&vote.body.signer),
        Message::Polka(polka) => polka.signatures.iter().try_for_each(|(signer, _)| known(signer)),
        Message::RoundChange(change) => {
            change.votes.iter().try_for_each(|vote| known(&vote.signer))
        }
    }
}

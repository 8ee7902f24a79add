//! What the service shows of itself at the door.

use casper_types::Timestamp;
use girrona_api::methods::assembly::{
    AnnouncementInfo, AssemblyInfo, AssemblyListResult, AssemblyNodeResult, AssemblyShowResult,
    AssemblyState, DeclineInfo, EvidenceInfo, HolderInfo, Interests, OutputInfo, ProgressInfo,
    ReceiptInfo, RoomInfo, RunInfo, RunState, SplitInfo,
};
use girrona_assembly::{
    Cid,
    message::{Envelope, Payload, Receipt},
    run::{Certificate, End, Evidence, Trap},
};
use girrona_types::NetworkId;
use serde_json::{Value, json};

use super::{
    caching::{Phase, noted, reason},
    keep::{self, Standing},
    service::Service,
};

/// The word for where a request stands.
pub(super) const fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Waiting => "waiting",
        Standing::Agreed => "agreed",
        Standing::Split => "split",
        Standing::Failed => "failed",
        Standing::Cancelled => "cancelled",
    }
}

/// How an execution ended, in words.
pub(super) fn end_words(end: &End) -> String {
    match end {
        End::Exit(code) => format!("exit {code}"),
        End::Trap(trap) => format!("trap: {trap}"),
        End::Stopped(stopped) => format!("stopped: {stopped}"),
    }
}

/// The exit code by the incumbent's table.
pub(super) const fn exit_code(end: &End) -> i32 {
    match end {
        End::Exit(code) => *code,
        End::Trap(trap) => match trap {
            Trap::Fuel => 1,
            Trap::Stack => 2,
            Trap::Memory => 3,
            Trap::Table => 5,
            Trap::IndirectCall => 6,
            Trap::Overflow => 8,
            Trap::Division => 9,
            Trap::Conversion => 10,
            Trap::Unreachable => 11,
            Trap::Growth | Trap::Output | Trap::Files | Trap::Link | Trap::Other => 255,
        },
        End::Stopped(_) => 15,
    }
}

impl Service {
    pub(super) fn show_node(&self) -> AssemblyNodeResult {
        let usage = self.shared.content.usage();
        let running = self.executing.values().filter(|one| one.is_running()).count();
        AssemblyNodeResult {
            api_version: self.shared.law.protocol.version,
            network: self.shared.network.to_string(),
            account: self.shared.account.clone(),
            addresses: self.shared.addresses(),
            room: RoomInfo {
                quota: usage.quota,
                held: usage.held,
                reserved: usage.reserved,
                free: usage.free,
            },
            interests: Interests {
                tags: self.policy.tags.clone(),
                refuse_tags: self.policy.refuse_tags.clone(),
                groups: self.policy.groups.clone(),
            },
            nodes_heard: u32::try_from(self.census.nodes()).unwrap_or(u32::MAX),
            running: u32::try_from(running).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn show_list(&self) -> AssemblyListResult {
        let announced = self.board.all().map(|post| post.announcement.content.root);
        let held = self.shared.content.roots().into_iter().filter(|known| {
            // Files that executions left are no assemblies.
            known.is_pinned
                || self
                    .here
                    .get(&known.root)
                    .is_some_and(|here| !matches!(here.phase, Phase::Absent))
        });
        let mut roots: Vec<Cid> = announced.chain(held.map(|known| known.root)).collect();
        roots.sort_unstable();
        roots.dedup();
        AssemblyListResult {
            api_version: self.shared.law.protocol.version,
            assemblies: roots.iter().map(|root| self.show_short(root)).collect(),
        }
    }

    fn show_short(&self, root: &Cid) -> AssemblyInfo {
        let known = self.shared.content.root(root);
        let here = self.here.get(root);
        let post = self.board.posts(root).next();
        let (name, version, replication) = match (post, &known) {
            (Some(post), _) => {
                let said = &post.announcement;
                (said.name.clone(), said.version.clone(), said.replication)
            }
            (None, Some(known)) => noted(&known.note),
            (None, None) => Default::default(),
        };
        let decided = here.and_then(|here| here.decision.as_ref()).map(reason);
        let fault = here.and_then(|here| here.fault.clone());
        let (state, why) = match here.map(|here| &here.phase) {
            None | Some(Phase::Absent) => (AssemblyState::Refused, decided.or(fault)),
            Some(Phase::Due { .. }) => (AssemblyState::Fetching, fault.or(decided)),
            Some(Phase::Fetching { .. }) => (AssemblyState::Fetching, decided),
            Some(Phase::Compiling) => (AssemblyState::Compiling, decided),
            Some(Phase::Ready(_)) => (AssemblyState::Ready, decided),
            Some(Phase::Unfit(why)) => (AssemblyState::Broken, Some(why.clone())),
        };
        AssemblyInfo {
            root: root.to_string(),
            name,
            version,
            size: known
                .as_ref()
                .map(|known| known.size)
                .or_else(|| post.map(|post| post.announcement.content.size))
                .unwrap_or_default(),
            state,
            reason: why.unwrap_or_default(),
            is_pinned: known.is_some_and(|known| known.is_pinned),
            copies: self.census.copies(root, replication).held,
            replication,
        }
    }

    pub(super) fn show(&self, root: &Cid) -> Option<AssemblyShowResult> {
        let here = self.here.get(root);
        let mut posts = self.board.posts(root).peekable();
        if here.is_none() && posts.peek().is_none() && self.shared.content.root(root).is_none() {
            return None;
        }
        let progress = match here.map(|here| &here.phase) {
            Some(Phase::Fetching { progress, .. }) => {
                let now = progress.borrow();
                ProgressInfo {
                    blocks: now.blocks as u64,
                    found: now.found as u64,
                    bytes: now.bytes,
                }
            }
            _ => {
                let known = self.shared.content.root(root).filter(|known| known.is_whole);
                let blocks = known.as_ref().map_or(0, |known| known.blocks as u64);
                let bytes = known.map_or(0, |known| known.weight);
                ProgressInfo { blocks, found: blocks, bytes }
            }
        };
        let decision = here.and_then(|here| here.decision.as_ref());
        Some(AssemblyShowResult {
            api_version: self.shared.law.protocol.version,
            assembly: self.show_short(root),
            announcements: posts
                .map(|post| AnnouncementInfo {
                    author: post.author.clone(),
                    message: post.message.to_string(),
                    expires: Timestamp::from(post.expires_ms),
                    announcement: json!(post.announcement),
                })
                .collect(),
            decision: decision.map_or(Value::Null, |decision| json!(decision)),
            progress,
            holders: self
                .census
                .holders(root)
                .map(|account| HolderInfo {
                    account: account.clone(),
                    addresses: self.places.get(account).cloned().unwrap_or_default(),
                    is_self: *account == self.shared.account,
                })
                .collect(),
        })
    }
}

fn receipt_of(envelope: &Envelope) -> Option<&Receipt> {
    match &envelope.body.payload {
        Payload::Receipt(receipt) => Some(receipt),
        _ => None,
    }
}

fn show_receipt(envelope: &Envelope, certificate: Option<&Certificate>) -> Option<ReceiptInfo> {
    let receipt = receipt_of(envelope)?;
    let author = &envelope.body.author;
    let agrees = certificate
        .is_some_and(|agreed| agreed.receipts.iter().any(|other| other.body.author == *author));
    Some(ReceiptInfo {
        executor: author.clone(),
        end: end_words(&receipt.outcome.end),
        stdout_hash: hex::encode(receipt.outcome.stdout),
        output: receipt.outcome.output.map(|root| root.to_string()),
        fuel: receipt.fuel,
        wall_ms: receipt.wall_ms,
        memory: receipt.memory,
        agrees,
    })
}

/// A request and what came of it; `None` if what is kept is no request.
pub(super) fn show_run(result: &keep::Result, network: &NetworkId) -> Option<RunInfo> {
    let body = &result.request.body;
    let Payload::Execute(execution) = &body.payload else { return None };
    let request = result.request.request()?;
    let certificate =
        result.certificate.as_deref().and_then(|bytes| Certificate::from_bytes(bytes).ok());
    let receipts: Vec<ReceiptInfo> = result
        .receipts
        .iter()
        .filter_map(|envelope| show_receipt(envelope, certificate.as_ref()))
        .collect();
    let agreed = certificate.as_ref().and_then(|agreed| receipt_of(agreed.receipts.first()?));
    let fuel = certificate.as_ref().map_or(0, |agreed| {
        let fuels = agreed.receipts.iter().filter_map(receipt_of).map(|receipt| receipt.fuel);
        fuels.min().unwrap_or_default()
    });
    let shown = agreed.map(|receipt| OutputInfo {
        exit_code: exit_code(&receipt.outcome.end),
        end: end_words(&receipt.outcome.end),
        stdout: hex::encode(result.stdout.as_deref().unwrap_or_default()),
        stderr: hex::encode(&result.stderr),
        is_here: result.stdout.is_some(),
        output: receipt.outcome.output.map(|root| root.to_string()),
        fuel,
    });
    let evidence = result.evidence.iter().filter_map(|bytes| {
        let offender = Evidence::from_bytes(bytes).ok()?.verify(network).ok()?;
        Some(EvidenceInfo { offender, proof: hex::encode(bytes) })
    });
    let here = result.own.as_ref().map_or(Value::Null, |own| {
        json!({
            "receipt": show_receipt(&own.receipt, None),
            "stdout": hex::encode(&own.stdout),
            "stderr": hex::encode(&own.stderr),
            "detail": own.detail,
        })
    });
    Some(RunInfo {
        request: request.to_string(),
        state: match result.standing {
            Standing::Waiting => RunState::Waiting,
            Standing::Agreed => RunState::Agreed,
            Standing::Split => RunState::Split,
            Standing::Failed => RunState::Failed,
            Standing::Cancelled => RunState::Cancelled,
        },
        reason: result.reason.clone(),
        author: body.author.clone(),
        root: execution.root.to_string(),
        entry: execution.entry.clone(),
        k: execution.k,
        deadline: Timestamp::from(execution.deadline_ms),
        split: if result.standing == Standing::Split {
            groups(&result.receipts)
        } else {
            Vec::new()
        },
        receipts,
        declines: result
            .declines
            .iter()
            .map(|(key, reason)| DeclineInfo { executor: key.0.clone(), reason: reason.clone() })
            .collect(),
        result: shown,
        certificate: result.certificate.as_deref().map(hex::encode),
        evidence: evidence.collect(),
        here,
    })
}

/// Who says what, the most first.
fn groups(receipts: &[Envelope]) -> Vec<SplitInfo> {
    let mut groups: Vec<(girrona_assembly::run::Outcome, SplitInfo)> = Vec::new();
    for envelope in receipts {
        let Some(receipt) = receipt_of(envelope).filter(|receipt| receipt.outcome.is_result())
        else {
            continue;
        };
        let author = envelope.body.author.clone();
        match groups.iter_mut().find(|(outcome, _)| *outcome == receipt.outcome) {
            Some((_, group)) => group.executors.push(author),
            None => groups.push((
                receipt.outcome,
                SplitInfo {
                    end: end_words(&receipt.outcome.end),
                    stdout_hash: hex::encode(receipt.outcome.stdout),
                    executors: vec![author],
                },
            )),
        }
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.executors.len()));
    groups.into_iter().map(|(_, group)| group).collect()
}

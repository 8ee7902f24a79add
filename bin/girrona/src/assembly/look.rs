//! What a node knows of assemblies, and what its owner may tell it.

use std::process::ExitCode;

use anyhow::Result;
use casper_types::AsymmetricType;
use girrona_api::methods::{
    NoParams,
    assembly::{
        AssemblyCheck, AssemblyCheckParams, AssemblyInfo, AssemblyInterests,
        AssemblyInterestsParams, AssemblyList, AssemblyPin, AssemblyPinParams, AssemblyShow,
        AssemblyState, Interests, RootParams,
    },
};

use super::{
    Node,
    args::{CheckArgs, LookArgs, PinArgs, ShowArgs, TagsArgs},
    token,
};
use crate::{
    ask::explained,
    show::{self, BAD, BOLD, DIM, GOOD, say, styled},
};

fn state_word(state: AssemblyState) -> &'static str {
    match state {
        AssemblyState::Refused => "not cached",
        AssemblyState::Fetching => "fetching",
        AssemblyState::Compiling => "compiling",
        AssemblyState::Ready => "ready",
        AssemblyState::Broken => "broken",
    }
}

/// `girrona assembly ls`
pub(super) async fn list(arguments: LookArgs) -> Result<ExitCode> {
    let node = Node::ask(&arguments.at.node).await?;
    let all = node.client.call::<AssemblyList>(&NoParams {}).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&all.assemblies)?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.assemblies.is_empty() {
        show::note("nothing is announced here; `girrona assembly publish` announces something");
        return Ok(ExitCode::SUCCESS);
    }
    let heading = ["name", "version", "bytes", "copies", "here", "root"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for one in &all.assemblies {
        let pinned = if one.is_pinned { ", pinned" } else { "" };
        rows.push(vec![
            one.name.clone(),
            one.version.clone(),
            one.size.to_string(),
            format!("{}/{}", one.copies, one.replication),
            format!("{}{pinned}", state_word(one.state)),
            one.root.clone(),
        ]);
    }
    for (index, line) in show::table(&rows).into_iter().enumerate() {
        say!("{}", if index == 0 { styled(BOLD, line) } else { line });
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly show`
pub(super) async fn show(arguments: ShowArgs) -> Result<ExitCode> {
    let node = Node::ask(&arguments.at.node).await?;
    let root = node.root(&arguments.root).await?.to_string();
    let shown = node.client.call::<AssemblyShow>(&RootParams { root }).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&shown)?;
        return Ok(ExitCode::SUCCESS);
    }
    let one: &AssemblyInfo = &shown.assembly;
    say!("{} {}", styled(BOLD, &one.name), one.version);
    say!("{} {}", styled(BOLD, "root  "), one.root);
    let colour = if one.state == AssemblyState::Ready { GOOD } else { BAD };
    say!("{} {}: {}", styled(BOLD, "here  "), styled(colour, state_word(one.state)), one.reason);
    if let Some(factors) = shown.decision.get("factors") {
        say!("{} {factors}", styled(BOLD, "scores"));
    }
    let progress = shown.progress;
    if progress.found > 0 {
        say!(
            "{} {} of {} blocks, {} bytes",
            styled(BOLD, "blocks"),
            progress.blocks,
            progress.found,
            progress.bytes
        );
    }
    say!("{} {} of {} wished for", styled(BOLD, "copies"), one.copies, one.replication);
    for holder in &shown.holders {
        let own = if holder.is_self { " (this node)" } else { "" };
        say!("       {}{own}", holder.account.to_hex());
    }
    for said in &shown.announcements {
        say!("{} {}", styled(BOLD, "by    "), said.author.to_hex());
        say!("       {}", styled(DIM, format!("announcement lives until {}", said.expires)));
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly pin`
pub(super) async fn pin(arguments: PinArgs) -> Result<ExitCode> {
    let token = token(arguments.token.as_deref())?;
    let node = Node::ask(&arguments.at.node).await?;
    let root = node.root(&arguments.root).await?.to_string();
    let params = AssemblyPinParams { root, is_pinned: !arguments.remove, token };
    let answer = node.client.call::<AssemblyPin>(&params).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&answer)?;
    } else {
        let done = if arguments.remove { "let go" } else { "pinned" };
        say!("{} {}", styled(GOOD, done), answer.root);
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly tags`
pub(super) async fn tags(arguments: TagsArgs) -> Result<ExitCode> {
    let token = token(arguments.token.as_deref())?;
    let node = Node::ask(&arguments.at.node).await?;
    let TagsArgs { tags, refuse, groups, .. } = arguments;
    let interests = Interests { tags, refuse_tags: refuse, groups };
    let params = AssemblyInterestsParams { interests, token };
    let answer = node.client.call::<AssemblyInterests>(&params).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&answer.interests)?;
    } else {
        let list =
            |words: &[String]| if words.is_empty() { "-".to_owned() } else { words.join(" ") };
        say!("{} {}", styled(BOLD, "wants  "), list(&answer.interests.tags));
        say!("{} {}", styled(BOLD, "refuses"), list(&answer.interests.refuse_tags));
        say!("{} {}", styled(BOLD, "groups "), list(&answer.interests.groups));
    }
    Ok(ExitCode::SUCCESS)
}

/// `girrona assembly check`
pub(super) async fn check(arguments: CheckArgs) -> Result<ExitCode> {
    let token = token(arguments.token.as_deref())?;
    let node = Node::ask(&arguments.at.node).await?;
    let root = node.root(&arguments.root).await?.to_string();
    let params = AssemblyCheckParams { root, token };
    let answer = node.client.call::<AssemblyCheck>(&params).await.map_err(explained)?;
    if arguments.at.json {
        show::json(&answer)?;
    } else if answer.bad.is_empty() {
        say!("{} {} blocks", styled(GOOD, "nothing is damaged in"), answer.blocks);
    } else {
        say!("{} of {} blocks, fetched again:", styled(BAD, "damaged"), answer.blocks);
        answer.bad.iter().for_each(|cid| say!("  {cid}"));
    }
    Ok(if answer.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

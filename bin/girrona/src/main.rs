//! `girrona`: one program that is every part of the network.
//!
//! Knows: what a person types and what a person or program wants to read. Does not know the rules
//! of the chain; it asks a node through the contract of the door, or runs a home.

#![forbid(unsafe_code)]

mod account;
mod ask;
mod assembly;
mod cli;
mod contract;
mod demo;
mod deploy;
mod devnet;
mod journey;
mod key;
mod money;
mod node;
mod session_args;
mod show;
mod sim;
mod status;
mod stop;
mod transfer;
mod wallet;

use std::{future::Future, process::ExitCode};

use anyhow::{Context, Result};
use clap::Parser;

use cli::{
    AccountCommand, Cli, Command, ContractCommand, DeployCommand, KeyCommand, NodeCommand, SimArgs,
    SimCommand,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            show::error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Carries out one command.
fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Devnet(arguments) => in_runtime(devnet::run(arguments)),
        Command::Demo(arguments) => in_runtime(demo::run(arguments)),
        Command::Node(NodeCommand::Run(arguments)) => in_runtime(node::run(arguments)),
        Command::Node(NodeCommand::Init(arguments)) => node::init(&arguments),
        Command::Node(NodeCommand::Check(arguments)) => node::check(&arguments),
        Command::Key(KeyCommand::Generate(arguments)) => key::generate(&arguments),
        Command::Key(KeyCommand::Show(arguments)) => key::show(&arguments),
        Command::Transfer(arguments) => in_runtime(transfer::run(*arguments)),
        Command::Deploy(command) => match command {
            DeployCommand::Put(arguments) => in_runtime(deploy::put(*arguments)),
            DeployCommand::Get(arguments) => in_runtime(deploy::get(arguments)),
            DeployCommand::Watch(arguments) => in_runtime(deploy::watch(arguments)),
        },
        Command::Account(AccountCommand::Show(arguments)) => in_runtime(account::show(arguments)),
        Command::Contract(ContractCommand::New(arguments)) => contract::new(&arguments),
        Command::Assembly(command) => in_runtime(assembly::run(command)),
        Command::Status(arguments) => in_runtime(status::run(arguments)),
        Command::Sim(SimArgs { what: Some(SimCommand::Gossip(arguments)), .. }) => {
            in_runtime(sim::gossip(*arguments))
        }
        Command::Sim(arguments) => sim::run(&arguments),
    }
}

/// Runs a command that waits for the network.
fn in_runtime(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    // What a command holds is large; the heap has room.
    let result = runtime.block_on(Box::pin(command));
    // A thread that waits for input would hold the process up.
    runtime.shutdown_background();
    result
}

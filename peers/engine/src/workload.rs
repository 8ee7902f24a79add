//! The accounts and deploys that both engines get.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{
    plan::{Act, Look, Plan, Value, What},
    programs::{self, TURN_INSTRUCTIONS},
};

/// Accounts at genesis. The first one proposes and installs, and sends nothing else.
const ACCOUNTS: usize = 1_000;
/// Blocks before the timed ones: the first installs, the others warm an engine up. After a dozen both
/// have the memory that they are going to use, and their caches are as full as they get.
const UNTIMED: usize = 12;
/// Bytes of the custom section that makes a module one that nobody has seen: with them the purse's
/// 13 kB are 14.
const UNSEEN: usize = 1_000;
/// Turns of the loop in one deploy that computes.
const TURNS: u64 = 400_000;

/// What is measured.
pub(crate) struct Workload {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// What one of it is called.
    pub(crate) unit: &'static str,
    /// How many of those a deploy has.
    pub(crate) units: u64,
    /// Deploys in a block.
    pub(crate) deploys: usize,
    /// Timed blocks.
    pub(crate) blocks: usize,
    /// What both engines get.
    pub(crate) plan: Plan,
}

/// One of the workloads: name, unit, units of a deploy, deploys in a block, blocks.
type Shape = (&'static str, &'static str, u64, usize, usize);

const SHAPES: [Shape; 6] = [
    ("native", "transfer", 1, 4_000, 10),
    ("native, blocks of Casper's size", "transfer", 1, 650, 40),
    ("compute", "Wasm instruction", TURNS * TURN_INSTRUCTIONS, 5, 4),
    ("call", "call of a counter", 1, 650, 40),
    ("token", "token transfer", 1, 650, 10),
    ("unseen", "session of 14 kB, never seen before", 1, 650, 10),
];

/// The names of all workloads.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.0)
}

impl Workload {
    /// The workload of that name; always the same one. `contracts` is where the Wasm is; `small`
    /// makes a tenth of it, to try it out.
    pub(crate) fn new(name: &str, contracts: &Path, small: bool) -> Result<Self> {
        let shape = SHAPES.iter().find(|shape| shape.0 == name).context("no such workload")?;
        let &(name, unit, units, deploys, blocks) = shape;
        let deploys = if small { deploys.div_ceil(10) } else { deploys };
        let file = |name: &str| {
            let path = contracts.join(name).with_extension("wasm");
            std::fs::read(&path).with_context(|| format!("read {}", path.display()))
        };
        let modules = match name {
            "compute" => vec![programs::compute()],
            "call" => vec![programs::counter()],
            "token" => vec![file("token")?],
            "unseen" => vec![file("purse")?],
            _ => Vec::new(),
        };
        let mut dice = Dice(7);
        let mut id = 0;
        let mut act = |from, what| {
            id += 1;
            Act { from, id, what }
        };
        let mut all = Vec::new();
        if let Some(install) = install(name) {
            all.push(vec![act(0, install)]);
        }
        if name == "token" {
            // Everybody has tokens before anybody sends some.
            let give = |to| call("token", "transfer", tokens(to, 1_000_000));
            all.push((1..ACCOUNTS).map(|to| act(0, give(to))).collect());
        }
        let untimed = UNTIMED.max(all.len());
        while all.len() < untimed + blocks {
            let block = (0..deploys).map(|number| {
                if name.starts_with("native") {
                    let from = dice.roll(ACCOUNTS);
                    // Anybody but oneself.
                    let to = (from + 1 + dice.roll(ACCOUNTS - 1)) % ACCOUNTS;
                    return act(from, What::Transfer { to });
                }
                // One after the other, so that all senders of a block are different.
                let from = 1 + (all.len() * deploys + number) % (ACCOUNTS - 1);
                let to = 1 + (from + dice.roll(ACCOUNTS - 2)) % (ACCOUNTS - 1);
                act(from, work(name, to))
            });
            all.push(block.collect());
        }
        let plan = Plan {
            seeds: (0..ACCOUNTS).map(seed).collect(),
            modules: modules.iter().map(|module| hex(module)).collect(),
            blocks: all,
            untimed,
            looks: looks(name),
        };
        Ok(Self { name, unit, units, deploys, blocks, plan })
    }
}

/// What has to be done once.
fn install(name: &str) -> Option<What> {
    let args = match name {
        "token" => vec![
            ("name".to_owned(), Value::Text("Token".to_owned())),
            ("symbol".to_owned(), Value::Text("TOK".to_owned())),
            ("decimals".to_owned(), Value::U8(9)),
            ("supply".to_owned(), Value::U256(1_000_000_000_000)),
        ],
        "compute" | "call" => Vec::new(),
        _ => return None,
    };
    Some(What::Module { module: 0, unseen: None, args })
}

/// What a sender does.
fn work(name: &str, to: usize) -> What {
    match name {
        "compute" => call("compute", "run", vec![("turns".to_owned(), Value::U64(TURNS))]),
        "call" => call("counter", "count", Vec::new()),
        "token" => call("token", "transfer", tokens(to, 1)),
        _ => What::Module {
            module: 0,
            unseen: Some(UNSEEN),
            args: vec![
                ("target".to_owned(), Value::Hash(to)),
                ("amount".to_owned(), Value::U512(1_000)),
            ],
        },
    }
}

fn call(name: &str, entry: &str, args: Vec<(String, Value)>) -> What {
    What::Call { name: name.to_owned(), entry: entry.to_owned(), args }
}

fn tokens(to: usize, amount: u64) -> Vec<(String, Value)> {
    vec![("recipient".to_owned(), Value::Account(to)), ("amount".to_owned(), Value::U256(amount))]
}

/// What both must agree about. Installing costs less on Girrona (docs/decisions/008-stored-code.md),
/// so the first account's balance is compared only where nothing is installed.
fn looks(name: &str) -> Vec<Look> {
    let installs = install(name).is_some();
    let mut looks: Vec<Look> = (usize::from(installs)..ACCOUNTS).map(Look::Balance).collect();
    match name {
        "compute" => looks.push(Look::Contract("compute".to_owned(), "value".to_owned())),
        "call" => looks.push(Look::Contract("counter".to_owned(), "value".to_owned())),
        "token" => looks.extend((0..ACCOUNTS).map(Look::Token)),
        _ => {}
    }
    looks
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % sides as u64) as usize
    }
}

fn seed(number: usize) -> [u8; 32] {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

//! What people send: transfers and code, good, bad, late, early, dependent, twice.

use std::sync::Arc;

use casper_types::{
    Deploy, DeployHash, Digest, ExecutableDeployItem, Key, RuntimeArgs, StoredValue, TimeDiff,
    Timestamp, U512, runtime_args,
};
use girrona_chain::MemoryDisk;
use girrona_state::Reader;
use girrona_types::{Draft, chainspec::MOTES_PER_GIRRO};

use crate::{
    people::{self, Person},
    plan::{Millis, Plan},
    rng::Rng,
    stakes::Stakes,
};

const HELLO: &[u8] = include_bytes!("../../../contracts/wasm/hello.wasm");
const COUNTER: &[u8] = include_bytes!("../../../contracts/wasm/counter.wasm");
const PURSE: &[u8] = include_bytes!("../../../contracts/wasm/purse.wasm");
const REVERT: &[u8] = include_bytes!("../../../contracts/wasm/revert.wasm");
const SPIN: &[u8] = include_bytes!("../../../contracts/wasm/spin.wasm");

/// A deploy and the nodes that it is sent to.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) deploy: Arc<Deploy>,
    pub(crate) to: Vec<usize>,
}

/// Everybody who sends something.
#[derive(Debug)]
pub(crate) struct Load {
    rng: Rng,
    chain_name: String,
    nodes: usize,
    ttl_max: Millis,
    sent: Vec<Arc<Deploy>>,
    stakes: Option<Stakes>,
}

impl Load {
    pub(crate) fn new(plan: &Plan, rng: Rng) -> Self {
        let chain_name = plan.law.network.name.clone();
        Self {
            rng,
            chain_name,
            nodes: plan.count(),
            ttl_max: plan.ttl_max,
            sent: Vec::new(),
            stakes: plan.stakes.then(|| Stakes::new(plan)),
        }
    }

    /// The next deploy, by somebody whose clock shows `now` and who sees the state of a node.
    pub(crate) fn next(&mut self, now: Timestamp, state: &MemoryDisk) -> Letter {
        let again = self.rng.chance(10);
        let earlier = if again { self.rng.pick(&self.sent).cloned() } else { None };
        let deploy = earlier.unwrap_or_else(|| {
            let deploy = Arc::new(self.make(now, state));
            self.sent.push(Arc::clone(&deploy));
            deploy
        });
        let copies = match self.rng.range(0, 10) {
            0 => self.nodes,
            1..=3 => 2,
            _ => 1,
        };
        let first = self.rng.index(self.nodes);
        let to = (0..copies).map(|copy| (first + copy) % self.nodes).collect();
        Letter { deploy, to }
    }

    fn make(&mut self, now: Timestamp, state: &MemoryDisk) -> Deploy {
        if let Some(stakes) = &self.stakes
            && self.rng.chance(15)
            && let Some((from, session)) = stakes.wish(&mut self.rng, state)
        {
            return self.draft(now, standard(3 * MOTES_PER_GIRRO), session, from);
        }
        let from = self.rng.pick(people::rich()).expect("somebody is rich");
        let (some, more) = (self.girro(3, 6), self.girro(6, 20));
        let word = format!("word {}", self.rng.range(0, 5));
        match self.rng.range(0, 100) {
            0..=44 => self.transfer(now, from, more),
            45..=52 => self.nearly_all(now, state),
            53..=58 => {
                let all = balance(state, from).unwrap_or_default();
                self.transfer(now, from, all + U512::from(MOTES_PER_GIRRO))
            }
            59..=60 => self.to(now, from, from, some),
            61..=64 => {
                // Refused: no account, too little in it, or none of the network's business.
                let from = if self.rng.chance(50) { people::pauper() } else { self.somebody_new() };
                self.transfer(now, from, some)
            }
            65..=66 => {
                let deploy = self.transfer(now, from, some);
                let other = self.transfer(now, from, more);
                deploy.with_approvals(other.approvals().clone())
            }
            67..=74 => self.code(now, from, HELLO, runtime_args! { "message" => word }),
            75..=81 => {
                let args = runtime_args! { "player" => word, "points" => 7_u64 };
                self.code(now, from, COUNTER, args)
            }
            82..=87 => {
                let target = self.receiver().public.to_account_hash();
                let args = runtime_args! { "target" => target, "amount" => some };
                self.code(now, from, PURSE, args)
            }
            88..=91 => self.code(now, from, REVERT, runtime_args! { "code" => 5_u32 }),
            92..=94 => {
                let gas = self.rng.range(1, 30_000_000);
                self.draft(now, standard(gas), module(SPIN, RuntimeArgs::new()), from)
            }
            // Without the argument that it wants.
            95..=96 => self.code(now, from, HELLO, RuntimeArgs::new()),
            // With too little gas to get far.
            _ => {
                let args = runtime_args! { "message" => word };
                let gas = self.rng.range(1, 100_000_000);
                self.draft(now, standard(gas), module(HELLO, args), from)
            }
        }
    }

    fn girro(&mut self, from: u64, to: u64) -> U512 {
        U512::from(self.rng.range(from, to) * MOTES_PER_GIRRO + self.rng.range(0, 1_000))
    }

    fn somebody_new(&mut self) -> &'static Person {
        self.rng.pick(people::new()).expect("there are new people")
    }

    /// Anybody but the pauper, who stays one.
    fn receiver(&mut self) -> &'static Person {
        let people = [people::rich(), people::poor(), people::new()];
        let group = self.rng.pick(&people).copied().unwrap_or_default();
        self.rng.pick(group).expect("there are people")
    }

    fn transfer(&mut self, now: Timestamp, from: &Person, motes: U512) -> Deploy {
        let to = self.receiver();
        self.to(now, from, to, motes)
    }

    fn to(&mut self, now: Timestamp, from: &Person, to: &Person, motes: U512) -> Deploy {
        let session = transfer_session(to, motes, Some(self.rng.range(0, 9)));
        self.draft(now, standard(100_000_000), session, from)
    }

    /// Somebody with an account sends nearly all of it, or a mote too much.
    fn nearly_all(&mut self, now: Timestamp, state: &MemoryDisk) -> Deploy {
        let owners: Vec<(&Person, U512)> = people::poor()
            .iter()
            .chain(people::new())
            .chain(people::rich())
            .filter_map(|person| Some((person, balance(state, person)?)))
            .collect();
        let (person, motes) =
            self.rng.pick(&owners).copied().unwrap_or_else(|| (&people::rich()[0], U512::zero()));
        let cost = U512::from(100_000_000);
        let kept = match self.rng.range(0, 4) {
            0 => cost,
            1 => cost - U512::one(),
            2 => U512::from(2_600_000_000_u64),
            _ => U512::from(self.rng.range(0, 3_000_000_000)),
        };
        self.transfer(now, person, motes.saturating_sub(kept))
    }

    fn code(&mut self, now: Timestamp, from: &Person, wasm: &[u8], args: RuntimeArgs) -> Deploy {
        let motes = self.rng.range(3, 9) * MOTES_PER_GIRRO;
        self.draft(now, standard(motes), module(wasm, args), from)
    }

    /// Puts time, dependencies and a signature to it.
    fn draft(
        &mut self,
        now: Timestamp,
        payment: ExecutableDeployItem,
        session: ExecutableDeployItem,
        from: &Person,
    ) -> Deploy {
        let mut timestamp = now.millis();
        let mut ttl = self.rng.range(3_000, self.ttl_max);
        match self.rng.range(0, 20) {
            0..=2 => ttl = self.rng.range(1, 2_500),
            3 => timestamp += self.rng.range(0, 2_500),
            4 => timestamp -= self.rng.range(0, 15_000),
            _ => {}
        }
        let mut dependencies = Vec::new();
        if self.rng.chance(7)
            && let Some(other) = self.sent.last()
        {
            dependencies.push(*other.hash());
        } else if self.rng.chance(3) {
            dependencies.push(DeployHash::new(Digest::from(self.rng.bytes())));
        }
        sign(
            Draft {
                timestamp: Timestamp::from(timestamp),
                ttl: TimeDiff::from_millis(ttl),
                gas_price: 1,
                dependencies,
                chain_name: self.chain_name.clone(),
                payment,
                session,
            },
            from,
        )
    }
}

/// Signs for the person's own account.
pub(crate) fn sign(draft: Draft, person: &Person) -> Deploy {
    draft
        .sign_for(person.public.clone(), &[&person.secret])
        .expect("payment and session have byte forms")
}

pub(crate) fn standard(motes: u64) -> ExecutableDeployItem {
    ExecutableDeployItem::new_standard_payment(U512::from(motes))
}

pub(crate) fn module(wasm: &[u8], args: RuntimeArgs) -> ExecutableDeployItem {
    ExecutableDeployItem::new_module_bytes(wasm.to_vec().into(), args)
}

pub(crate) fn transfer_session(to: &Person, motes: U512, id: Option<u64>) -> ExecutableDeployItem {
    let target = to.public.clone();
    let args = runtime_args! { "amount" => motes, "target" => target, "id" => id };
    ExecutableDeployItem::Transfer { args }
}

/// What is in a person's main purse.
fn balance(state: &MemoryDisk, person: &Person) -> Option<U512> {
    let account = state.read(&Key::Account(person.public.to_account_hash())).ok()??;
    let purse = account.as_account()?.main_purse();
    match state.read(&Key::Balance(purse.addr())).ok()??.as_ref() {
        StoredValue::CLValue(motes) => motes.clone().into_t().ok(),
        _ => None,
    }
}

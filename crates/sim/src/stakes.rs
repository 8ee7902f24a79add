//! What people ask of the auction: candidates bid, validators add and leave, others delegate.
//!
//! Nobody stakes for the liar or for whoever is dead, so that they never get a third of the votes
//! by other people's choice; whoever was evicted while its node was down asks to come back.

use casper_types::{
    ExecutableDeployItem, Key, RuntimeArgs, StoredValue, U512, contracts::ContractHash,
    runtime_args, system::auction::Bid,
};
use girrona_chain::MemoryDisk;
use girrona_exec::system::SYSTEM;
use girrona_state::Reader;
use girrona_types::chainspec::MOTES_PER_GIRRO;

use crate::{
    people::{self, Person},
    plan::{Plan, Role},
    rng::Rng,
    scheme,
};

/// Who may stake.
#[derive(Debug)]
pub(crate) struct Stakes {
    /// Nodes with a key whose owners are honest and whose nodes come back.
    owners: Vec<usize>,
    /// All the others with a key.
    idle: Vec<usize>,
}

/// An account and what it asks for.
type Wish = (&'static Person, ExecutableDeployItem);

impl Stakes {
    pub(crate) fn new(plan: &Plan) -> Self {
        let with_key = |index: &usize| plan.roles[*index] != Role::Observer;
        let keys = (0..plan.count()).filter(with_key);
        let (idle, owners) = keys.partition(|index| plan.idle.contains(index));
        Self { owners, idle }
    }

    /// Somebody's wish, if there is one.
    pub(crate) fn wish(&self, rng: &mut Rng, state: &MemoryDisk) -> Option<Wish> {
        let node = *rng.pick(&self.owners)?;
        let owner = scheme::owner(node);
        let bid = bid(state, node);
        let staked = bid.as_ref().map(|bid| *bid.staked_amount()).unwrap_or_default();
        if bid.as_ref().is_some_and(Bid::inactive) && !staked.is_zero() && rng.chance(80) {
            let args = runtime_args! { "validator_public_key" => owner.public.clone() };
            return Some((owner, call("activate_bid", args)));
        }
        let person = rng.pick(people::rich())?;
        match rng.range(0, 10) {
            0..=3 => {
                let motes = girro(rng, 1, 60);
                let rate = rng.range(0, 103) as u8;
                let key = owner.public.clone();
                let args = runtime_args! {
                    "public_key" => key, "delegation_rate" => rate, "amount" => motes,
                };
                Some((owner, call("add_bid", args)))
            }
            4 => {
                let motes = if self.can_leave(state, staked) && rng.chance(50) {
                    staked
                } else {
                    girro(rng, 0, 3)
                };
                let args =
                    runtime_args! { "public_key" => owner.public.clone(), "amount" => motes };
                Some((owner, call("withdraw_bid", args)))
            }
            5 | 6 => {
                let args = delegation(person, owner, girro(rng, 1, 30));
                Some((person, call("delegate", args)))
            }
            7 | 8 => {
                let args = delegation(person, owner, girro(rng, 1, 10));
                Some((person, call("undelegate", args)))
            }
            _ => {
                let other = scheme::owner(*rng.pick(&self.owners)?);
                let mut args = delegation(person, owner, girro(rng, 1, 10));
                args.insert("new_validator", other.public.clone()).ok()?;
                Some((person, call("redelegate", args)))
            }
        }
    }

    /// Whether those who do not vote honestly or at all stay far below a third without this stake.
    fn can_leave(&self, state: &MemoryDisk, staked: U512) -> bool {
        let active = |nodes: &[usize]| {
            let bids = nodes.iter().filter_map(|node| bid(state, *node));
            let stakes = bids.filter(|bid| !bid.inactive()).map(|bid| *bid.staked_amount());
            stakes.fold((U512::zero(), 0), |(sum, count), stake| (sum + stake, count + 1))
        };
        let ((good, count), (bad, _)) = (active(&self.owners), active(&self.idle));
        count > 3 && good.saturating_sub(staked) > bad * 4
    }
}

fn bid(state: &MemoryDisk, node: usize) -> Option<Bid> {
    let key = Key::Bid(scheme::validator(node).to_account_hash());
    match state.read(&key).ok()??.as_ref() {
        StoredValue::Bid(bid) => Some(bid.as_ref().clone()),
        _ => None,
    }
}

fn girro(rng: &mut Rng, from: u64, to: u64) -> U512 {
    U512::from(rng.range(from, to) * MOTES_PER_GIRRO + rng.range(0, 1_000))
}

fn delegation(delegator: &Person, validator: &Person, motes: U512) -> RuntimeArgs {
    runtime_args! {
        "delegator" => delegator.public.clone(),
        "validator" => validator.public.clone(),
        "amount" => motes,
    }
}

/// Half of the calls name the auction by its hash, half by its name; it makes no difference.
fn call(method: &str, args: RuntimeArgs) -> ExecutableDeployItem {
    let entry_point = method.to_owned();
    if method.len().is_multiple_of(2) {
        ExecutableDeployItem::new_stored_contract_by_name("auction".to_owned(), entry_point, args)
    } else {
        let hash = ContractHash::new(SYSTEM.auction.contract);
        ExecutableDeployItem::StoredContractByHash { hash, entry_point, args }
    }
}

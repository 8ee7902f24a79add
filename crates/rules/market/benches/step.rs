//! How long the step at a block's end takes beside 100,000 open orders and 100,000 leases: it costs
//! what is due, here 2,500 leases whose heartbeat did not come and 50 orders whose window ends.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{ANA, BO, Market, NETWORK, RICH, access, spki_hash, tls};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use girrona_market::{BidOffer, Block, Call, Key, MemoryStore, OrderTerms, Resources, step};
use girrona_types::{
    Height,
    market::{AccountId, Auction, DeploymentId, Hash32, MarketLaw, Motes},
};

const LEASES: usize = 100_000;
const ORDERS: usize = 100_000;
/// Leases that are confirmed in one block.
const COHORT: usize = 2_500;
/// The height that is measured. Cohorts are confirmed from height 3 on and are missed after 40.
const LAST: u64 = 3 + 2 * 20 + 10;
/// Heights over which the windows of the open orders end.
const WINDOWS: u64 = 2_000;

fn tiny() -> OrderTerms {
    OrderTerms {
        max_price: Motes(1_000),
        auction: Auction::Open,
        resources: Resources { cpu_milli: 1, memory_mib: 1, ..Resources::default() },
        ..OrderTerms::default()
    }
}

/// A call whose refusal would make the benchmark meaningless; nothing else is looked at.
fn call(market: &mut Market, who: AccountId, call: Call) -> Option<[u8; 32]> {
    market.events.clear();
    market.try_call(who, call).unwrap().made
}

fn populated() -> (MemoryStore, u64, MarketLaw) {
    let mut market = Market { strict: false, ..Market::default() };
    market.deposit(ANA, RICH);
    market.join(BO);
    let mut profile = common::profile(BO);
    profile.capacity = Resources {
        cpu_milli: u32::MAX,
        memory_mib: u32::MAX,
        storage_mib: u32::MAX,
        gpus: u32::MAX,
        bandwidth_mbps: u32::MAX,
    };
    call(&mut market, BO, Call::UpdateProvider { profile });
    let server_key = spki_hash(&tls(BO).0);
    let law = market.law.clone();
    market.law.max_step_ops = u32::MAX;
    for n in 0..ORDERS {
        market.law.bid_window = LAST - 1 + (n as u64 % WINDOWS);
        call(&mut market, ANA, Call::CreateOrder { terms: tiny() });
    }
    market.law.bid_window = law.bid_window;
    let (mut ordered, mut bid): (Vec<DeploymentId>, Vec<DeploymentId>) = Default::default();
    for cohort in 0..LEASES / COHORT + 2 {
        for deployment in std::mem::take(&mut bid) {
            let lease = market.lease_of(deployment);
            let gateway = "https://bo.example:8443".to_owned();
            let manifest_hash = Hash32::default();
            call(&mut market, BO, Call::SignalReady { lease, gateway, server_key });
            call(&mut market, BO, Call::AckManifest { lease, manifest_hash });
            let access = access();
            call(&mut market, BO, Call::ConfirmDeployment { lease, manifest_hash, access });
        }
        for deployment in std::mem::take(&mut ordered) {
            let order = market.order_of(deployment);
            let offer = BidOffer::Price(Motes(10));
            call(&mut market, BO, Call::CreateBid { order, offer });
            bid.push(deployment);
        }
        if cohort < LEASES / COHORT {
            for _ in 0..COHORT {
                let terms = OrderTerms { bid_window: 1, ..tiny() };
                let made = call(&mut market, ANA, Call::CreateOrder { terms }).unwrap();
                ordered.push(DeploymentId(made));
            }
        }
        market.step();
    }
    // One cohort's heartbeats are missed at the end of this height, others' before and after it.
    while market.height < LAST {
        market.step();
    }
    let due = market.store.records.keys().filter(|key| matches!(key, Key::Lease(_))).count();
    assert_eq!(due, LEASES);
    (market.store, market.height, law)
}

fn one_step(c: &mut Criterion) {
    let (store, height, law) = populated();
    let mut group = c.benchmark_group("market");
    group.sample_size(10);
    group.bench_function("step, 100,000 orders and 100,000 leases", |b| {
        b.iter_batched_ref(
            || store.clone(),
            |store| {
                let block = Block {
                    network: NETWORK,
                    height: Height(height),
                    time_ms: height * 1_000,
                    seed: Hash32([1; 32]),
                    law: &law,
                };
                step(store, &block).unwrap().events.len()
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, one_step);
criterion_main!(benches);

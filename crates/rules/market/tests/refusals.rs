//! Each refusal by name, with what brings it about, and that a code means one thing for ever.

mod common;

use std::collections::BTreeMap;

use common::{
    ANA, BO, CY, DI, Deed, EVE, Market, NETWORK, RICH, access, big, cert, profile, small,
    spki_hash, terms, tls,
};
use girrona_market::{
    BidOffer, Call, CertProof, ExecutionFacts, FundSource, Key, OrderTerms, Receipt, Refusal,
    Resources, UpdateRequest, proof_message, score,
};
use girrona_types::{
    Height,
    market::{
        AccountId, Auction, Decline, DeploymentId, Filter, Hash32, LeaseId, MarketEvent, Motes,
        OrderId, ProviderStatus,
    },
};

const NO_ORDER: OrderId = OrderId([0; 32]);
const NO_LEASE: LeaseId = LeaseId([0; 32]);
const ROOT: Hash32 = Hash32([0; 32]);

/// Expects a refusal by its code, and that its words are for people.
#[track_caller]
fn refuses(market: &mut Market, who: AccountId, deed: impl Into<Deed>, code: u16) {
    let refusal = market.refused(who, deed);
    assert_eq!(refusal.code(), code, "{refusal}");
    assert!(refusal.to_string().len() > 10, "{refusal}");
}

fn price(price: u128) -> BidOffer {
    BidOffer::Price(Motes(price))
}

#[test]
fn money_that_is_not_there_does_not_move() {
    let mut market = Market::ready();
    refuses(&mut market, ANA, Call::Deposit { amount: Motes(0) }, 1);
    refuses(&mut market, ANA, Call::Deposit { amount: Motes(u128::MAX) }, 3);
    refuses(&mut market, ANA, Call::Withdraw { amount: Motes(0) }, 1);
    refuses(&mut market, EVE, Call::Withdraw { amount: Motes(1) }, 2);
    refuses(&mut market, EVE, Call::CreateOrder { terms: terms() }, 2);
    let refusal = market.refused(EVE, Call::CreateOrder { terms: terms() });
    assert_eq!(refusal, Refusal::EscrowShort { has: Motes(0), needs: Motes(60_000) });
    refuses(&mut market, BO, Call::WithdrawEarnings, 28);
}

#[test]
fn orders_keep_to_the_law() {
    let mut market = Market::ready();
    let long = |n: usize| "x".repeat(n);
    let bad: [(OrderTerms, u16); 16] = [
        (OrderTerms { max_price: Motes(0), ..terms() }, 3),
        (OrderTerms { max_price: Motes(u128::MAX), ..terms() }, 3),
        (OrderTerms { duration: Some(0), ..terms() }, 3),
        (OrderTerms { duration: Some(u64::MAX), ..terms() }, 3),
        (OrderTerms { bid_window: 3, ..terms() }, 3),
        (OrderTerms { weights: [10_000, 1, 0, 0, 0, 0, 0], ..terms() }, 6),
        (OrderTerms { weights: [999, 9_001, 0, 0, 0, 0, 0], ..terms() }, 6),
        (OrderTerms { epsilon: 501, ..terms() }, 3),
        (OrderTerms { resources: Resources::default(), ..terms() }, 5),
        (OrderTerms { runtime: String::new(), ..terms() }, 5),
        (OrderTerms { services: vec![long(65)], ..terms() }, 4),
        (OrderTerms { services: vec!["a".into(), "a".into()], ..terms() }, 7),
        (OrderTerms { signed_by: vec![BO, CY, DI, EVE, ANA], ..terms() }, 4),
        (OrderTerms { tier_max: 0, ..terms() }, 3),
        (OrderTerms { retention_blocks: u64::MAX, ..terms() }, 3),
        (OrderTerms { meter_budget: Motes(u128::MAX), ..terms() }, 3),
    ];
    for (terms, code) in bad {
        refuses(&mut market, ANA, Call::CreateOrder { terms }, code);
    }
    let attributes = (0..33).map(|n| (n.to_string(), String::new())).collect();
    refuses(&mut market, ANA, Call::CreateOrder { terms: OrderTerms { attributes, ..terms() } }, 4);
}

#[test]
fn providers_are_who_they_say() {
    let mut market = Market::ready();
    let profile_of = |account| profile(account);
    let stake = Motes(0);
    refuses(&mut market, BO, Call::RegisterProvider { profile: profile_of(BO), stake }, 21);
    refuses(&mut market, EVE, Call::UpdateProvider { profile: profile_of(EVE) }, 20);
    // Eve's own key is not registered; Bo's is not hers.
    refuses(&mut market, EVE, Call::RegisterProvider { profile: profile_of(EVE), stake }, 44);
    refuses(&mut market, EVE, Call::RegisterProvider { profile: profile_of(BO), stake }, 44);
    let mut bad = profile_of(BO);
    bad.gateway = "provider.example".to_owned();
    refuses(&mut market, BO, Call::UpdateProvider { profile: bad }, 86);
    let mut bad = profile_of(BO);
    bad.runtimes.clear();
    refuses(&mut market, BO, Call::UpdateProvider { profile: bad }, 5);
    let status = ProviderStatus::Active;
    refuses(&mut market, BO, Call::SetProviderStatus { status }, 22);
    let status = ProviderStatus::Jailed;
    refuses(&mut market, BO, Call::SetProviderStatus { status }, 22);
    refuses(&mut market, BO, Call::Unstake { amount: Motes(9_001) }, 24);
    market.ok(BO, Call::Unstake { amount: Motes(9_000) });
    refuses(&mut market, BO, Call::Unstake { amount: Motes(1) }, 25);
    refuses(&mut market, EVE, Call::AgreeToOperate { provider: BO }, 26);
    // With a lease it may neither leave nor shrink under it.
    market.leased(terms(), &[(BO, 500)]);
    let status = ProviderStatus::Deactivated;
    refuses(&mut market, BO, Call::SetProviderStatus { status }, 22);
    let mut less = profile_of(BO);
    less.capacity = Resources { cpu_milli: 1, ..big() };
    let refusal = market.refused(BO, Call::UpdateProvider { profile: less });
    assert_eq!(refusal, Refusal::CapacityInUse { field: "cpu_milli" });
}

#[test]
fn nobody_registers_a_key_that_he_does_not_have() {
    let mut market = Market::default();
    let good = cert(BO, true);
    // Cy shows Bo's proof.
    refuses(&mut market, CY, Call::RegisterCert { proof: good.clone() }, 41);
    // Cy's signature, Bo's key.
    let forged = CertProof { spki: tls(BO).0, ..cert(CY, true) };
    refuses(&mut market, CY, Call::RegisterCert { proof: forged }, 41);
    let other = CertProof { spki: vec![0x30, 0x59], ..good.clone() };
    refuses(&mut market, BO, Call::RegisterCert { proof: other }, 40);
    let old = CertProof { not_after_ms: 1_000, ..good.clone() };
    refuses(&mut market, BO, Call::RegisterCert { proof: old }, 44);
    // A server's key is no client's.
    let client = CertProof { server: false, ..good.clone() };
    refuses(&mut market, BO, Call::RegisterCert { proof: client }, 41);
    // What a provider's gate signs (docs/spec/gate.md), byte by byte.
    let message = proof_message(&NETWORK, &BO, true, &Hash32([5; 32]));
    let expected = [&b"girrona/cert/v1"[..], &[9; 32], &[11; 32], &[1], &[5; 32]].concat();
    assert_eq!(message, expected);

    market.ok(BO, Call::RegisterCert { proof: good.clone() });
    // Another certificate around the same key, while it is good.
    market.ok(BO, Call::RegisterCert { proof: CertProof { cert_sha256: ROOT, ..good.clone() } });
    let spki = spki_hash(&good.spki);
    refuses(&mut market, CY, Call::RevokeCert { spki }, 43);
    market.ok(BO, Call::RevokeCert { spki });
    refuses(&mut market, BO, Call::RevokeCert { spki }, 44);
    refuses(&mut market, BO, Call::RegisterCert { proof: good }, 42);
}

#[test]
fn bids_come_in_their_window_only() {
    let mut market = Market::ready();
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    let bid = |price| Call::CreateBid { order, offer: BidOffer::Price(Motes(price)) };
    refuses(&mut market, BO, Call::CreateBid { order: NO_ORDER, offer: price(1) }, 60);
    refuses(&mut market, BO, bid(500), 64);
    market.until(3);
    refuses(&mut market, EVE, bid(500), 20);
    refuses(&mut market, BO, bid(0), 3);
    refuses(&mut market, BO, bid(1_001), 67);
    refuses(&mut market, BO, Call::CreateBid { order, offer: BidOffer::Commit(ROOT) }, 69);
    refuses(&mut market, BO, Market::reveal(order, 500), 63);
    market.ok(CY, Call::DeclineBid { order, reason: Decline::Policy });
    refuses(&mut market, CY, Call::DeclineBid { order, reason: Decline::Policy }, 73);
    refuses(&mut market, CY, Call::CreateBid { order, offer: price(500) }, 73);
    refuses(&mut market, EVE, Call::CancelOrder { deployment }, 62);
    refuses(&mut market, ANA, Call::CancelOrder { deployment: DeploymentId([0; 32]) }, 61);
    // closes_at is 3: that height takes bids, the next one does not.
    market.ok(BO, bid(500));
    market.block();
    refuses(&mut market, DI, bid(500), 63);
    refuses(&mut market, ANA, Call::CancelOrder { deployment }, 63);
}

#[test]
fn sealed_bids_are_shown_as_they_were_made_and_when() {
    let mut market = Market::ready();
    let deployment = market.orders(OrderTerms { auction: Auction::Sealed, ..terms() });
    let order = market.order_of(deployment);
    market.block();
    let refusal = market.refused(BO, Call::CreateBid { order, offer: price(500) });
    assert_eq!(refusal, Refusal::NeedsCommitment { closes_at: Height(3) });
    market.commit(BO, order, 500);
    let high = score::commitment(&order, &CY, Motes(2_000), &[5; 32]);
    market.ok(CY, Call::CreateBid { order, offer: BidOffer::Commit(high) });
    refuses(&mut market, BO, Market::reveal(order, 500), 70);
    market.until(4);
    let late = market.refused(DI, Call::CreateBid { order, offer: BidOffer::Commit(ROOT) });
    assert_eq!(late, Refusal::BiddingClosed { closed_at: Height(3), now: Height(4) });
    refuses(&mut market, BO, Market::reveal(order, 499), 72);
    let salt = [6; 32];
    refuses(&mut market, BO, Call::RevealBid { order, price: Motes(500), salt }, 72);
    refuses(&mut market, CY, Market::reveal(order, 2_000), 74);
    refuses(&mut market, DI, Market::reveal(order, 500), 71);
    market.ok(BO, Market::reveal(order, 500));
    refuses(&mut market, BO, Market::reveal(order, 500), 71);
}

#[test]
fn an_order_takes_no_more_bids_than_the_law_says() {
    let mut market = Market::default();
    market.law.max_bids = 2;
    market.cast();
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    market.block();
    market.bid(BO, order, 500);
    market.bid(CY, order, 500);
    market.bid(BO, order, 400);
    refuses(&mut market, DI, Call::CreateBid { order, offer: price(100) }, 66);
}

#[test]
fn each_filter_has_its_reason() {
    type Change = fn(&mut Market, &mut OrderTerms);
    let cases: [(Filter, Change); 14] = [
        (Filter::ProviderInactive, |market, _| {
            market.ok(BO, Call::SetProviderStatus { status: ProviderStatus::Deactivated });
        }),
        (Filter::Maintenance, |market, _| {
            market.ok(BO, Call::SetProviderStatus { status: ProviderStatus::Maintenance });
        }),
        (Filter::Jailed, |market, _| {
            let mut bo = market.provider(BO);
            bo.status = ProviderStatus::Jailed;
            market.store.records.insert(Key::Provider(BO), borsh::to_vec(&bo).unwrap());
        }),
        (Filter::NoCert, |market, _| {
            market.ok(BO, Call::RevokeCert { spki: spki_hash(&tls(BO).0) });
        }),
        (Filter::PriceAboveMax, |_, terms| terms.max_price = Motes(499)),
        (Filter::SameOperator, |market, _| {
            let mut mine = profile(BO);
            mine.operator = Some(ANA);
            market.ok(BO, Call::UpdateProvider { profile: mine });
            market.ok(ANA, Call::AgreeToOperate { provider: BO });
        }),
        (Filter::Excluded, |_, terms| terms.excluded = vec![BO]),
        (Filter::NotDesired, |_, terms| terms.desired = vec![CY]),
        (Filter::AttrMismatch, |_, terms| {
            terms.attributes = BTreeMap::from([("ssd".to_owned(), "no".to_owned())]);
        }),
        (Filter::UnsignedAttr, |_, terms| {
            terms.attributes = BTreeMap::from([("ssd".to_owned(), "yes".to_owned())]);
            terms.signed_by = vec![EVE];
        }),
        (Filter::RegionExcluded, |_, terms| terms.regions_excluded = vec!["eu-west".to_owned()]),
        (Filter::Tier, |_, terms| terms.tier_max = 6),
        (Filter::StakeLow, |_, terms| terms.min_stake = Motes(10_001)),
        (Filter::RuntimeUnsupported, |_, terms| terms.runtime = "kvm".to_owned()),
    ];
    for (reason, change) in cases {
        let mut market = Market::ready();
        let mut ordered = terms();
        change(&mut market, &mut ordered);
        let deployment = market.orders(ordered);
        let order = market.order_of(deployment);
        market.block();
        let refusal = market.refused(BO, Call::CreateBid { order, offer: price(500) });
        assert_eq!(refusal, Refusal::Unsuitable { reason }, "{reason:?}");
    }
    let mut market = Market::ready();
    let more = Resources { gpus: 3, ..big() };
    for (ordered, reason) in [
        (OrderTerms { resources: more, ..terms() }, Filter::Capacity),
        (OrderTerms { reclaim_window: 1, ..terms() }, Filter::ReclaimWindow),
    ] {
        let deployment = market.orders(ordered);
        let order = market.order_of(deployment);
        market.block();
        let refusal = market.refused(BO, Call::CreateBid { order, offer: price(500) });
        assert_eq!(refusal, Refusal::Unsuitable { reason });
    }
    // An auditor's word makes the attribute count.
    let attributes = BTreeMap::from([("ssd".to_owned(), "yes".to_owned())]);
    let signed = OrderTerms { attributes: attributes.clone(), signed_by: vec![EVE], ..terms() };
    market.ok(EVE, Call::Attest { provider: BO, attributes });
    market.leased(signed, &[(BO, 500)]);
}

#[test]
fn who_cannot_bond_a_lease_does_not_win_it() {
    let mut market = Market::ready();
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    market.block();
    market.bid(BO, order, 100);
    market.bid(CY, order, 900);
    // The bid's bond is there, the lease's is not.
    let all = market.unlocked(BO);
    market.ok(BO, Call::Withdraw { amount: Motes(all) });
    market.until(4);
    let why: girrona_market::Explanation = market.store.read(&Key::Explanation(order)).unwrap();
    assert_eq!(why.rejected, [(BO, Filter::Bond)]);
    assert_eq!(market.lease(market.lease_of(deployment)).provider, CY);
    assert_eq!(market.unlocked(BO), 1_000);
}

#[test]
fn only_the_right_account_moves_a_lease_and_only_in_its_state() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 500), (CY, 600)]);
    let gateway = "https://bo.example:8443".to_owned();
    let server_key = spki_hash(&tls(BO).0);
    let ready = Call::SignalReady { lease, gateway: gateway.clone(), server_key };
    let ack = Call::AckManifest { lease, manifest_hash: common::MANIFEST };
    let confirm =
        Call::ConfirmDeployment { lease, manifest_hash: common::MANIFEST, access: access() };
    refuses(&mut market, CY, ready.clone(), 81);
    refuses(&mut market, BO, Call::RejectLease { lease: NO_LEASE }, 80);
    refuses(&mut market, BO, ack.clone(), 82);
    refuses(&mut market, BO, confirm.clone(), 82);
    let foreign = spki_hash(&tls(CY).0);
    refuses(&mut market, BO, Call::SignalReady { lease, gateway, server_key: foreign }, 44);
    let source = FundSource::Escrow;
    market.ok(BO, ready.clone());
    refuses(&mut market, BO, ready, 82);
    let wrong = Call::AckManifest { lease, manifest_hash: ROOT };
    refuses(&mut market, BO, wrong, 83);
    market.ok(BO, ack);
    for (who, call, code) in [
        (EVE, confirm.clone(), 81),
        (BO, Call::ConfirmDeployment { lease, manifest_hash: ROOT, access: access() }, 83),
        (
            BO,
            Call::ConfirmDeployment { lease, manifest_hash: common::MANIFEST, access: vec![] },
            84,
        ),
        (BO, Call::ProviderClose { lease }, 82),
        (BO, Call::AckClosed { lease, log_root: ROOT }, 82),
        (BO, Call::ResumeLease { lease }, 82),
        (BO, Call::StartReclaim { lease, reason: Decline::Other }, 82),
        (BO, Call::PauseLease { lease, blocks: 1 }, 82),
        (ANA, Call::ExtendDuration { lease, blocks: 1 }, 82),
        (ANA, Call::Probe { lease, alive: true }, 82),
        (EVE, Call::CloseLease { lease }, 62),
        (EVE, Call::TopUp { lease, amount: Motes(1), source }, 2),
        (ANA, Call::TopUp { lease, amount: Motes(0), source }, 1),
        (ANA, Call::TopUp { lease, amount: Motes(u128::MAX), source: FundSource::MainPurse }, 3),
    ] {
        refuses(&mut market, who, call, code);
    }
    market.ok(BO, confirm.clone());
    for (who, call, code) in [
        (BO, confirm, 82),
        (BO, Call::RejectLease { lease }, 82),
        (ANA, Call::ExtendDuration { lease, blocks: 1 }, 91),
        (EVE, Call::Probe { lease, alive: false }, 95),
        (BO, Call::Probe { lease, alive: true }, 95),
        (BO, Call::PauseLease { lease, blocks: 601 }, 93),
        (BO, Call::UnpauseLease { lease }, 82),
        (BO, Call::AcceptUpdate { lease, price: Motes(1) }, 89),
        (BO, Call::RejectUpdate { lease, reason: Decline::Other }, 89),
    ] {
        refuses(&mut market, who, call, code);
    }
    market.ok(ANA, Call::Probe { lease, alive: false });
    refuses(&mut market, ANA, Call::Probe { lease, alive: false }, 95);
    market.ok(BO, Call::StartReclaim { lease, reason: Decline::Other });
    refuses(&mut market, BO, Call::StartReclaim { lease, reason: Decline::Other }, 92);
    market.ok(BO, Call::PauseLease { lease, blocks: 5 });
    let beat = market.receipt(lease, [0; 6]);
    refuses(&mut market, BO, beat, 82);
}

#[test]
fn access_has_to_be_reachable_unless_the_law_says_otherwise() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 500)]);
    market.ready_up(lease);
    market.ack(lease);
    let with = |ip: Option<&str>, url: &str| {
        let mut all = access();
        all[0].ips = ip.map(|ip| ip.parse().unwrap()).into_iter().collect();
        all[0].urls = vec![url.to_owned()];
        Call::ConfirmDeployment { lease, manifest_hash: common::MANIFEST, access: all }
    };
    let good = "https://web.example.org";
    for (ip, url, code) in [
        (Some("10.0.0.1"), good, 85),
        (Some("127.0.0.1"), good, 85),
        (Some("100.64.0.1"), good, 85),
        (Some("::1"), good, 85),
        (Some("fd00::1"), good, 85),
        (Some("::ffff:192.168.0.1"), good, 85),
        (None, "http://127.0.0.1:8080/", 85),
        (None, "http://[::1]:8080/", 85),
        (None, "http://user@192.168.1.1/", 85),
        (None, "http://localhost:8080", 85),
        (None, "http://LOCALHOST./", 85),
        (None, "web.example.org", 86),
        (None, "http://", 86),
        (None, "http://a b/", 86),
    ] {
        refuses(&mut market, BO, with(ip, url), code);
    }
    market.law.private_addresses = true;
    market.ok(BO, with(Some("127.0.0.1"), "http://127.0.0.1:8080/"));
}

#[test]
fn updates_are_agreed_on_by_both() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 500)]);
    let nothing =
        UpdateRequest { manifest_hash: None, resources: None, services: None, max_price: None };
    let update = |request| Call::UpdateLease { lease, request };
    refuses(&mut market, BO, update(nothing.clone()), 62);
    refuses(&mut market, ANA, update(nothing.clone()), 90);
    let same = UpdateRequest { manifest_hash: Some(common::MANIFEST), ..nothing.clone() };
    refuses(&mut market, ANA, update(same), 90);
    let none = UpdateRequest { resources: Some(Resources::default()), ..nothing.clone() };
    refuses(&mut market, ANA, update(none), 5);
    let free = UpdateRequest { max_price: Some(Motes(0)), ..nothing.clone() };
    refuses(&mut market, ANA, update(free), 3);
    let huge = Resources { cpu_milli: 9_000, ..small() };
    let request = UpdateRequest {
        manifest_hash: Some(ROOT),
        resources: Some(huge),
        max_price: Some(Motes(900)),
        ..nothing.clone()
    };
    market.ok(ANA, update(request));
    let again = UpdateRequest { max_price: Some(Motes(950)), ..nothing };
    refuses(&mut market, ANA, update(again), 88);
    refuses(&mut market, BO, Call::AcceptUpdate { lease, price: Motes(901) }, 74);
    refuses(&mut market, BO, Call::AcceptUpdate { lease, price: Motes(900) }, 27);
    let mut more = profile(BO);
    more.capacity.cpu_milli = 9_000;
    market.ok(BO, Call::UpdateProvider { profile: more });
    let done = |revision, manifest_hash, access| Call::LeaseUpdated {
        lease,
        revision,
        manifest_hash,
        access,
    };
    refuses(&mut market, BO, done(2, ROOT, access()), 89);
    market.ok(BO, Call::AcceptUpdate { lease, price: Motes(900) });
    refuses(&mut market, BO, Call::AcceptUpdate { lease, price: Motes(900) }, 89);
    refuses(&mut market, BO, done(3, ROOT, access()), 87);
    refuses(&mut market, BO, done(2, common::MANIFEST, access()), 83);
    refuses(&mut market, BO, done(2, ROOT, vec![]), 84);
    refuses(&mut market, CY, done(2, ROOT, access()), 81);
    market.ok(BO, done(2, ROOT, access()));
}

#[test]
fn receipts_are_believed_within_what_is_possible_and_paid_after_the_dispute_window() {
    let mut market = Market::ready();
    let metered = OrderTerms {
        meter_prices: [1, 0, 100, 0, 0, 0],
        meter_cap: Motes(5_000),
        meter_budget: Motes(20_000),
        ..terms()
    };
    let lease = market.running(metered, &[(BO, 100)]);
    market.blocks(2);
    let send = |market: &mut Market, seq, counters| {
        let receipt = Receipt { lease, seq, counters, log_root: ROOT };
        market.try_call(BO, Call::UsageReceipts { receipts: vec![receipt] })
    };
    let code = |found: Result<_, Refusal>| found.err().map(|refusal| refusal.code());
    assert_eq!(code(send(&mut market, 2, [0; 6])), Some(110));
    // One CPU, two seconds, five per cent.
    assert_eq!(code(send(&mut market, 1, [2_101, 0, 0, 0, 0, 0])), Some(112));
    assert_eq!(code(send(&mut market, 1, [0, 2_151, 0, 0, 0, 0])), Some(112));
    assert_eq!(code(send(&mut market, 1, [0, 0, 26, 0, 0, 0])), Some(112));
    assert_eq!(code(send(&mut market, 1, [2_100, 2_150, 25, 25, 210_000, 21_000])), None);
    assert_eq!(code(send(&mut market, 1, [0; 6])), Some(110));
    assert_eq!(code(send(&mut market, 2, [2_099, 2_150, 25, 25, 210_000, 21_000])), Some(111));
    market.blocks(60);
    assert_eq!(market.heights("USAGE_PAID", lease), [46]);
    assert_eq!(market.lease(lease).purse.meter, Motes(20_000 - 4_600));
    let last = [2_100, 2_150, 25, 25, 210_000, 21_000];
    assert_eq!(code(send(&mut market, 2, [2_101, 2_150, 80, 25, 210_000, 21_000])), Some(113));
    assert_eq!(code(send(&mut market, 2, last)), None);
    let call = Call::UsageReceipts { receipts: Vec::new() };
    refuses(&mut market, BO, call, 5);
    let one = Receipt { lease, seq: 9, counters: last, log_root: ROOT };
    refuses(&mut market, BO, Call::UsageReceipts { receipts: vec![one.clone(); 65] }, 4);
    refuses(&mut market, CY, Call::UsageReceipts { receipts: vec![one] }, 81);
}

#[test]
fn one_bad_receipt_does_not_spoil_the_batch() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 100)]);
    market.block();
    let good = Receipt { lease, seq: 1, counters: [0; 6], log_root: ROOT };
    let bad = Receipt { lease: NO_LEASE, ..good };
    market.ok(BO, Call::UsageReceipts { receipts: vec![bad.clone(), good.clone(), good] });
    assert_eq!(market.names(), ["USAGE_REFUSED", "USAGE_RECORDED", "USAGE_REFUSED"]);
    let codes: Vec<_> = market
        .last
        .iter()
        .filter_map(|event| match event {
            MarketEvent::UsageRefused { code, .. } => Some(*code),
            _ => None,
        })
        .collect();
    assert_eq!(codes, [80, 110]);
    refuses(&mut market, BO, Call::UsageReceipts { receipts: vec![bad] }, 80);
}

#[test]
fn a_dispute_freezes_the_difference_and_nobody_gains_by_stubbornness() {
    let metered = || OrderTerms {
        meter_prices: [1, 0, 0, 0, 0, 0],
        meter_cap: Motes(5_000),
        meter_budget: Motes(20_000),
        ..terms()
    };
    for (who, to_provider, to_tenant, burnt) in
        [(Some(ANA), 600, 0, 0), (Some(BO), 0, 600, 0), (None, 0, 0, 600)]
    {
        let mut market = Market::ready();
        let lease = market.running(metered(), &[(BO, 100)]);
        market.blocks(2);
        let call = market.receipt(lease, [1_000, 0, 0, 0, 0, 0]);
        market.ok(BO, call);
        let dispute = |counters| Call::DisputeReceipt { lease, seq: 1, counters };
        refuses(&mut market, BO, dispute([400, 0, 0, 0, 0, 0]), 62);
        refuses(&mut market, ANA, dispute([1_000, 0, 0, 0, 0, 0]), 118);
        let none = Call::DisputeReceipt { lease, seq: 7, counters: [0; 6] };
        refuses(&mut market, ANA, none, 115);
        refuses(&mut market, ANA, Call::ConcedeDispute { lease, seq: 1 }, 117);
        market.ok(ANA, dispute([400, 0, 0, 0, 0, 0]));
        refuses(&mut market, ANA, dispute([0; 6]), 116);
        refuses(&mut market, ANA, Call::AcceptReceipt { lease, seq: 1 }, 116);
        refuses(&mut market, EVE, Call::ConcedeDispute { lease, seq: 1 }, 81);
        match who {
            Some(who) => drop(market.ok(who, Call::ConcedeDispute { lease, seq: 1 })),
            None => market.run(lease, 41),
        }
        let ended = market.events.iter().find_map(|(_, event)| match event {
            MarketEvent::DisputeEnded { to_provider, to_tenant, burnt, .. } => {
                Some((to_provider.0, to_tenant.0, burnt.0))
            }
            _ => None,
        });
        assert_eq!(ended, Some((to_provider, to_tenant, burnt)));
        assert_eq!(market.burnt, burnt);
        assert_eq!(market.provider(BO).standing.disputes_lost, u32::from(who == Some(BO)));
        assert_eq!(market.lease(lease).purse.pending, Motes::ZERO);
    }
}

#[test]
fn executions_are_paid_once_to_the_bonded_and_a_liar_loses_everything() {
    let mut market = Market::ready();
    market.law.executor_bond = 1_000;
    let assembly = Hash32([8; 32]);
    let bill = |n: u8| ExecutionFacts {
        request: Hash32([n; 32]),
        assembly,
        payer: ANA,
        limit: Motes(1_000),
        expires: Height(50),
        fuel: 2_500_000,
        executors: vec![BO, CY, DI, BO],
        liars: Vec::new(),
    };
    let pay = |bill| Deed::Bills(vec![bill]);
    refuses(&mut market, EVE, pay(bill(1)), 131);
    let (per_execution, per_mfuel) = (Motes(10), Motes(5));
    let priced = Call::PriceAssembly { assembly, per_execution, per_mfuel, cap: Motes(60) };
    market.ok(EVE, priced.clone());
    refuses(&mut market, BO, priced, 132);
    refuses(&mut market, EVE, pay(bill(1)), 136);
    refuses(&mut market, BO, Call::UnbondExecutor, 137);
    market.ok(BO, Call::BondExecutor { amount: Motes(1_000) });
    market.ok(CY, Call::BondExecutor { amount: Motes(5_000) });
    market.ok(DI, Call::BondExecutor { amount: Motes(999) });
    // 10 and three million units begun, for each of two.
    market.ok(EVE, pay(bill(1)));
    assert_eq!(market.unlocked(ANA), RICH - 50);
    assert_eq!(market.earned(BO), 24, "a fee of 5 % is rounded down");
    refuses(&mut market, EVE, pay(bill(1)), 133);
    market.ok(DI, Call::BondExecutor { amount: Motes(1) });
    refuses(&mut market, EVE, pay(bill(2)), 135);
    refuses(&mut market, EVE, pay(ExecutionFacts { limit: Motes(24), ..bill(2) }), 135);
    refuses(&mut market, EVE, pay(ExecutionFacts { payer: EVE, liars: vec![DI], ..bill(2) }), 2);
    refuses(&mut market, EVE, pay(ExecutionFacts { expires: Height(0), ..bill(2) }), 134);
    refuses(&mut market, EVE, pay(ExecutionFacts { expires: Height(u64::MAX), ..bill(2) }), 3);
    market.ok(CY, Call::UnbondExecutor);
    market.ok(EVE, pay(ExecutionFacts { liars: vec![CY], ..bill(2) }));
    assert_eq!(market.burnt, 5_000);
    let refusal = market.refused(EVE, Deed::Bills(Vec::new()));
    assert_eq!(refusal.code(), 5);
    // That it was paid is forgotten when it could not be paid any more.
    market.until(51);
    assert!(!market.store.records.contains_key(&Key::Paid(Hash32([1; 32]))));
    refuses(&mut market, EVE, pay(bill(1)), 134);
}

#[test]
fn five_slashes_jail_and_time_frees() {
    let mut market = Market::ready();
    for n in 0..5 {
        let lease = market.leased(OrderTerms { failover: false, ..terms() }, &[(BO, 500)]);
        market.ok(BO, Call::RejectLease { lease });
        assert_eq!(market.provider(BO).standing.bad, n + 1);
        let deployment = market.lease(lease).deployment;
        market.ok(ANA, Call::CancelOrder { deployment });
    }
    let bo = market.provider(BO);
    assert_eq!(bo.status, ProviderStatus::Jailed);
    let status = ProviderStatus::Active;
    refuses(&mut market, BO, Call::SetProviderStatus { status }, 23);
    market.until(bo.jailed_until.unwrap().0 + 1);
    assert_eq!(market.provider(BO).status, ProviderStatus::Active);
}

#[test]
fn a_code_means_one_thing() {
    let texts = include_str!("../src/refusal.rs");
    let mut seen = std::collections::BTreeSet::new();
    let mut count = 0;
    for line in texts.lines().filter(|line| line.trim_start().starts_with("Self::")) {
        let Some((_, code)) = line.split_once("=> ") else { continue };
        let code: u16 = code.trim_end_matches(',').parse().unwrap();
        assert!(seen.insert(code), "{code} is given twice");
        count += 1;
    }
    // A new refusal gets a new number and a line here; an old one keeps its own.
    assert_eq!(count, 69);
    let variants = texts.matches("#[error(").count();
    assert_eq!(count, variants);
    // Whoever integrates finds each in the specification.
    let spec = include_str!("../../../../docs/spec/market.md");
    for code in seen {
        assert!(spec.contains(&format!("| {code} |")), "docs/spec/market.md lacks code {code}");
    }
}

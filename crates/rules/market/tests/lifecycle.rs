//! The life of a lease: each transition of `docs/spec/market.md`, and who gets which mote.

mod common;

use common::{ANA, BO, CY, DI, EVE, Market, RICH, access, big, profile, small, terms};
use girrona_market::{Call, FundSource, LeaseState, OrderState, OrderTerms, Place, UpdateRequest};
use girrona_types::{
    Height,
    market::{
        Auction, CloseReason, Decline, Filter, Hash32, LeaseFailure, MarketEvent, Motes, OrderEnd,
    },
};

// O1-O8: orders and bids.

#[test]
fn an_order_locks_what_a_lease_at_its_highest_price_costs() {
    let mut market = Market::ready();
    let deployment = market.orders(terms());
    // 50 blocks and the reservation fee of 10.
    assert_eq!(market.locked(ANA), 60_000);
    assert_eq!(market.unlocked(ANA), RICH - 60_000);
    let order = market.order(market.order_of(deployment));
    assert_eq!(
        (order.opened, order.closes_at, order.matches_at),
        (Height(1), Height(3), Height(3))
    );
    assert_eq!(market.names(), ["PROVIDER_LOOKUP"]);
    let sealed = OrderTerms { auction: Auction::Sealed, bid_window: 1, ..terms() };
    let order = {
        let deployment = market.orders(sealed);
        market.order(market.order_of(deployment))
    };
    assert_eq!((order.closes_at, order.matches_at), (Height(2), Height(3)));
}

#[test]
fn with_a_duration_the_hold_covers_it() {
    let mut market = Market::ready();
    market.orders(OrderTerms { duration: Some(500), ..terms() });
    assert_eq!(market.locked(ANA), 510_000);
}

#[test]
fn all_four_windows_match_when_they_should() {
    for (auction, window, matches_after) in [
        (Auction::Open, 1, 1),
        (Auction::Open, 2, 2),
        (Auction::Sealed, 1, 2),
        (Auction::Sealed, 2, 3),
    ] {
        let mut market = Market::ready();
        let deployment = market.orders(OrderTerms { auction, bid_window: window, ..terms() });
        let order = market.order_of(deployment);
        let opened = market.height;
        market.block();
        for block in 1..=window {
            // Bids are taken in every block of the window.
            let bidder = [BO, CY][usize::try_from(block - 1).unwrap()];
            match auction {
                Auction::Open => market.bid(bidder, order, 600),
                Auction::Sealed => market.commit(bidder, order, 600),
            }
            if block < window {
                market.block();
            }
        }
        if auction == Auction::Sealed {
            market.block();
            market.ok(BO, Market::reveal(order, 600));
        }
        assert_eq!(market.height, opened + matches_after, "{auction:?} {window}");
        assert!(matches!(market.place(deployment), Place::Order(_)));
        market.block();
        let lease = market.lease(market.lease_of(deployment));
        assert_eq!(lease.created, Height(opened + matches_after));
    }
}

#[test]
fn losers_get_their_bonds_back_and_runners_up_stay_bonded_until_the_confirmation() {
    let mut market = Market::ready();
    for n in 14..17 {
        market.join(girrona_types::market::AccountId([n; 32]));
    }
    let others: Vec<_> = (14..17).map(|n| girrona_types::market::AccountId([n; 32])).collect();
    let bids = [(BO, 300), (CY, 400), (DI, 500), (others[0], 600), (others[1], 700)];
    let lease = market.leased(terms(), &bids);
    let found = market.lease(lease);
    assert_eq!(found.provider, BO);
    assert_eq!(found.price, Motes(300));
    assert_eq!(found.bond, Motes(6_000));
    let names: Vec<_> = found.runner_ups.iter().map(|other| other.provider).collect();
    assert_eq!(names, [CY, DI, others[0]]);
    assert_eq!(market.unlocked(CY), RICH - 10_000 - 4_000);
    assert_eq!(market.unlocked(others[1]), RICH - 10_000);
    market.ready_up(lease);
    market.ack(lease);
    market.confirm(lease);
    assert_eq!(market.unlocked(CY), RICH - 10_000);
    assert_eq!(market.unlocked(DI), RICH - 10_000);
}

#[test]
fn the_newest_bid_of_a_provider_counts_and_one_bid_of_an_operator() {
    let mut market = Market::ready();
    // Cy belongs to Bo once Bo agrees.
    let mut profile = profile(CY);
    profile.operator = Some(BO);
    market.ok(CY, Call::UpdateProvider { profile });
    assert_eq!(market.provider(CY).operator, CY);
    market.ok(BO, Call::AgreeToOperate { provider: CY });
    assert_eq!(market.provider(CY).operator, BO);
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    market.block();
    market.bid(BO, order, 900);
    market.bid(BO, order, 500);
    market.bid(CY, order, 300);
    market.bid(DI, order, 800);
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 5_000);
    market.until(4);
    let lease = market.lease(market.lease_of(deployment));
    assert_eq!((lease.provider, lease.price), (CY, Motes(300)));
    assert_eq!(lease.watchers, [DI]);
    assert_eq!(market.unlocked(BO), RICH - 10_000);
    let why: girrona_market::Explanation =
        market.store.read(&girrona_market::Key::Explanation(order)).unwrap();
    assert_eq!(why.rejected, [(BO, Filter::SameOperator)]);
    assert_eq!(why.rows.len(), 2);
    assert_eq!(why.seed, {
        market.height = 3;
        market.seed()
    });
}

#[test]
fn a_sealed_bid_that_is_not_shown_loses_a_tenth_of_its_bond() {
    let mut market = Market::ready();
    let deployment = market.orders(OrderTerms { auction: Auction::Sealed, ..terms() });
    let order = market.order_of(deployment);
    market.block();
    market.commit(BO, order, 700);
    market.commit(CY, order, 100);
    // The bond is that of the highest price, so that it tells nothing.
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 10_000);
    assert!(
        !market
            .last
            .iter()
            .any(|event| matches!(event, MarketEvent::CreateBid { price: Some(_), .. }))
    );
    market.until(4);
    market.ok(BO, Market::reveal(order, 700));
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 7_000);
    market.block();
    assert_eq!(market.lease(market.lease_of(deployment)).provider, BO);
    assert_eq!(market.unlocked(CY), RICH - 10_000 - 1_000);
    assert_eq!(market.burnt, 1_000);
}

#[test]
fn without_bids_there_are_three_windows_and_then_everything_goes_back() {
    let mut market = Market::ready();
    let deployment = market.orders(terms());
    let first = market.order_of(deployment);
    market.block();
    market.ok(BO, Call::DeclineBid { order: first, reason: Decline::Price });
    market.until(4);
    let second = market.order_of(deployment);
    assert_eq!(market.order(first).state, OrderState::Reopened(second));
    // Two blocks after the first attempt, four after the second.
    assert_eq!(market.order(second).state, OrderState::Waiting { opens_at: Height(5) });
    market.until(6);
    assert_eq!(market.order(second).state, OrderState::Lookup);
    market.until(8);
    let third = market.order_of(deployment);
    assert_eq!(market.order(third).state, OrderState::Waiting { opens_at: Height(11) });
    assert_eq!(market.locked(ANA), 60_000);
    market.until(14);
    assert_eq!(market.order(third).state, OrderState::Ended(OrderEnd::NoBids));
    assert_eq!(market.place(deployment), Place::Ended);
    assert_eq!((market.unlocked(ANA), market.locked(ANA)), (RICH, 0));
    let told = market.events.iter().find_map(|(_, event)| match event {
        MarketEvent::NoBids { declined, .. } => Some(declined.clone()),
        _ => None,
    });
    assert_eq!(told.unwrap().get(&Decline::Price), Some(&1));
    assert_eq!(market.names(), ["NO_BIDS", "ORDER_FAILED"]);
}

#[test]
fn an_order_can_be_taken_back_before_it_is_matched() {
    let mut market = Market::ready();
    let deployment = market.orders(terms());
    let order = market.order_of(deployment);
    market.block();
    market.bid(BO, order, 500);
    market.ok(ANA, Call::CancelOrder { deployment });
    assert_eq!(market.names(), ["ORDER_CLOSED"]);
    assert_eq!(market.unlocked(ANA), RICH);
    assert_eq!(market.unlocked(BO), RICH - 10_000);
    market.blocks(5);
    assert_eq!(market.place(deployment), Place::Ended);
}

#[test]
fn a_match_does_not_take_more_than_a_provider_has() {
    let mut market = Market::ready();
    let all = OrderTerms { resources: big(), ..terms() };
    let first = market.orders(all.clone());
    let second = market.orders(all);
    market.block();
    for deployment in [first, second] {
        let order = market.order_of(deployment);
        market.bid(BO, order, 500);
    }
    market.until(4);
    let lease = market.lease(market.lease_of(first));
    assert_eq!(lease.provider, BO);
    assert!(matches!(market.place(second), Place::Order(_)));
    let rejected = market.last.iter().find_map(|event| match event {
        MarketEvent::NoBids { rejected, .. } => Some(rejected.clone()),
        _ => None,
    });
    assert_eq!(rejected.unwrap().get(&Filter::Capacity), Some(&1));
}

// L1-L6: from CREATE_LEASE to DEPLOYMENT_CONFIRMED.

#[test]
fn a_lease_goes_from_its_creation_to_its_confirmation_and_is_billed_from_there() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 600)]);
    assert_eq!(market.state(lease), LeaseState::Reserving { by: Height(13) });
    assert_eq!(market.names(), ["ORDER_MATCHED", "CREATE_LEASE"]);
    market.ready_up(lease);
    assert_eq!(market.state(lease), LeaseState::Ready { by: Height(64) });
    market.block();
    market.ack(lease);
    assert_eq!(market.state(lease), LeaseState::Starting { by: Height(125) });
    market.blocks(5);
    market.confirm(lease);
    assert_eq!(market.names(), ["DEPLOYMENT_CONFIRMED"]);
    let confirmed = market.height;
    // The hold was for 60 blocks at 1,000: at 600 it lasts 100.
    assert_eq!(market.lease(lease).exhausts_at(), Height(confirmed + 100));
    market.blocks(10);
    market.beat(lease);
    assert_eq!(market.lease(lease).paid, Motes(6_000));
    assert_eq!(market.earned(BO), 5_700);
    market.ok(BO, Call::WithdrawEarnings);
    assert_eq!(market.earned(BO), 0);
}

#[test]
fn with_a_duration_the_surplus_goes_back_at_the_confirmation_and_it_ends_by_itself() {
    let mut market = Market::ready();
    let lease = market.running(OrderTerms { duration: Some(30), ..terms() }, &[(BO, 600)]);
    assert_eq!(market.unlocked(ANA), RICH - 18_000);
    let confirmed = market.height;
    market.run(lease, 30);
    assert_eq!(market.names(), Vec::<String>::new());
    market.block();
    assert!(matches!(
        market.state(lease),
        LeaseState::Closing { reason: CloseReason::Expired, heard: None, .. }
    ));
    assert_eq!(market.heights("CLOSE_LEASE", lease), [confirmed + 30]);
    market.ok(BO, Call::AckClosed { lease, log_root: Hash32([1; 32]) });
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::Expired));
    assert_eq!(market.lease(lease).paid, Motes(18_000));
    assert_eq!(market.unlocked(BO), RICH - 10_000);
    assert_eq!(market.provider(BO).standing.good, 1);
}

#[test]
fn a_silent_winner_pays_the_tenant_and_the_runner_up_takes_over_at_its_price() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 300), (CY, 500)]);
    market.until(13);
    assert!(matches!(market.state(lease), LeaseState::Reserving { .. }));
    market.block();
    assert_eq!(market.state(lease), LeaseState::Failed(LeaseFailure::NoReserve));
    assert_eq!(market.names(), ["PROVIDER_SLASHED", "LEASE_FAILED", "CREATE_LEASE"]);
    // A quarter of 20 blocks at 300.
    assert_eq!(market.unlocked(ANA), RICH - 60_000 + 1_500);
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 1_500);
    let next = market.lease_of(market.lease(lease).deployment);
    let found = market.lease(next);
    assert_eq!((found.provider, found.price, found.promoted), (CY, Motes(500), 1));
    market.ready_up(next);
    market.ack(next);
    market.confirm(next);
    assert_eq!(market.provider(BO).reserved, girrona_market::Resources::default());
}

#[test]
fn when_all_are_silent_the_deployment_looks_again_without_them() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 300), (CY, 500)]);
    let deployment = market.lease(lease).deployment;
    market.until(13 + 12);
    let order = market.order(market.order_of(deployment));
    assert_eq!(order.attempt, 2);
    assert_eq!(market.locked(ANA), 60_000);
    let refusal = market.refused(
        BO,
        Call::CreateBid { order: order.id, offer: girrona_market::BidOffer::Price(Motes(1)) },
    );
    assert_eq!(refusal, girrona_market::Refusal::Unsuitable { reason: Filter::Excluded });
    market.bid(DI, order.id, 700);
    market.until(order.matches_at.0 + 1);
    assert_eq!(market.lease(market.lease_of(deployment)).provider, DI);
}

#[test]
fn a_lease_that_is_given_back_goes_to_the_runner_up_at_once() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 300), (CY, 500)]);
    market.ok(BO, Call::RejectLease { lease });
    assert_eq!(market.state(lease), LeaseState::Failed(LeaseFailure::Rejected));
    assert_eq!(market.lease(market.lease_of(market.lease(lease).deployment)).provider, CY);
}

#[test]
fn a_tenant_that_sends_no_manifest_pays_the_reservation_only() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 600)]);
    market.ready_up(lease);
    market.until(market.height + 60);
    assert!(matches!(market.state(lease), LeaseState::Ready { .. }));
    market.block();
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::ManifestTimeout));
    assert_eq!(market.unlocked(ANA), RICH - 6_000);
    assert_eq!(market.earned(BO), 5_700);
    assert_eq!(market.unlocked(BO), RICH - 10_000);
    let standing = market.provider(BO).standing;
    assert_eq!((standing.good, standing.bad, standing.slashes), (0, 0, 0));
}

#[test]
fn a_server_that_does_not_start_costs_half_the_bond_and_the_tenant_nothing() {
    let mut market = Market::ready();
    let lease = market.leased(terms(), &[(BO, 600), (CY, 700)]);
    market.ready_up(lease);
    market.ack(lease);
    market.until(market.height + 121);
    assert_eq!(market.state(lease), LeaseState::Failed(LeaseFailure::NoConfirm));
    assert_eq!(market.lease(lease).paid, Motes::ZERO);
    // 12,000 of bond: 6,000 lost, half to the tenant, half burnt.
    assert_eq!(market.unlocked(ANA), RICH - 60_000 + 3_000);
    assert_eq!(market.burnt, 3_000);
    assert_eq!(market.lease(market.lease_of(market.lease(lease).deployment)).provider, CY);
}

// L7, L16: money.

#[test]
fn money_ends_at_its_exact_height_without_any_deploy() {
    let mut market = Market::ready();
    let lease = market.running(OrderTerms { retention_blocks: 100, ..terms() }, &[(BO, 600)]);
    let start = market.height;
    let end = market.lease(lease).exhausts_at().0;
    // 106 blocks of 600: 60,000 and what was held to keep data at 1,000.
    assert_eq!(end, start + 106);
    market.run(lease, end - start);
    assert!(market.state(lease).runs());
    market.block();
    assert_eq!(
        market.state(lease),
        LeaseState::Suspended { since: Height(end), until: Height(end + 100), resume_by: None }
    );
    assert_eq!(market.heights("LEASE_SUSPENDED", lease), [end]);
    // 20 % of 106 blocks, 100 blocks, 20 blocks.
    assert_eq!(market.heights("ESCROW_LOW", lease), [end - 100, end - 21, end - 20]);
    market.beat(lease);
    let found = market.lease(lease);
    assert_eq!(found.paid, Motes(600 * 106));
    assert!(found.purse.base < Motes(600));
    // Nobody pays more: data is kept for 100 blocks, then it is over.
    market.until(end + 101);
    assert_eq!(market.heights("CLOSE_LEASE", lease), [end + 100]);
    market.ok(BO, Call::AckClosed { lease, log_root: Hash32([1; 32]) });
    let found = market.lease(lease);
    assert_eq!(found.state, LeaseState::Closed(CloseReason::InsufficientFunds));
    // A tenth of the price while it was kept.
    assert_eq!(found.paid, Motes(600 * 106 + 60 * 100));
    assert_eq!(market.unlocked(ANA), RICH - found.paid.0);
}

#[test]
fn a_top_up_by_anybody_resumes_a_suspended_lease_when_the_provider_says_so() {
    let mut market = Market::ready();
    market.deposit(EVE, 1_000_000);
    let lease = market.running(OrderTerms { retention_blocks: 100, ..terms() }, &[(BO, 600)]);
    let blocks = market.lease(lease).exhausts_at().0 - market.height + 1;
    market.run(lease, blocks);
    let since = market.height - 1;
    market.blocks(9);
    market.top_up(EVE, lease, 600);
    let refusal = market.refused(BO, Call::ResumeLease { lease });
    assert!(matches!(refusal, girrona_market::Refusal::ResumeShort { .. }), "{refusal}");
    let (amount, source) = (Motes(600 * 60), FundSource::MainPurse);
    market.ok(EVE, Call::TopUp { lease, amount, source });
    assert!(matches!(market.state(lease), LeaseState::Suspended { resume_by: Some(_), .. }));
    let before = market.lease(lease).paid.0;
    market.ok(BO, Call::ResumeLease { lease });
    assert_eq!(market.state(lease), LeaseState::Confirmed);
    let owed = since - market.heights("USAGE_RECORDED", lease).last().unwrap();
    let kept = market.height - since;
    assert_eq!(market.lease(lease).paid.0 - before, u128::from(owed * 600 + kept * 60));
    assert_eq!(market.lease(lease).settled_at, Height(market.height));
}

#[test]
fn a_lease_may_pay_itself_from_the_escrow() {
    let mut market = Market::ready();
    let lease = market.running(OrderTerms { auto_top_up: true, ..terms() }, &[(BO, 600)]);
    let end = market.lease(lease).exhausts_at().0;
    market.run(lease, end + 1 - market.height);
    assert_eq!(market.state(lease), LeaseState::Confirmed);
    assert_eq!(market.heights("ESCROW_TOPPED_UP", lease), [end]);
    assert_eq!(market.lease(lease).exhausts_at(), Height(end + 50));
}

#[test]
fn without_retention_an_exhausted_lease_closes() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    let end = market.lease(lease).exhausts_at().0;
    market.run(lease, end + 1 - market.height);
    market.ok(BO, Call::AckClosed { lease, log_root: Hash32([1; 32]) });
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::InsufficientFunds));
    assert_eq!(market.lease(lease).paid, Motes(60_000));
}

#[test]
fn a_duration_is_extended_at_the_leases_price() {
    let mut market = Market::ready();
    let lease = market.running(OrderTerms { duration: Some(30), ..terms() }, &[(BO, 600)]);
    let ends_at = market.lease(lease).ends_at.unwrap().0;
    market.ok(ANA, Call::ExtendDuration { lease, blocks: 20 });
    assert_eq!(market.lease(lease).ends_at, Some(Height(ends_at + 20)));
    market.run(lease, 51);
    assert_eq!(market.heights("CLOSE_LEASE", lease), [ends_at + 20]);
    market.ok(BO, Call::AckClosed { lease, log_root: Hash32([1; 32]) });
    assert_eq!(market.lease(lease).paid, Motes(600 * 50));
}

// L8-L11: updates.

fn more() -> girrona_market::Resources {
    girrona_market::Resources { cpu_milli: 3_000, ..small() }
}

fn bigger(max_price: u128) -> UpdateRequest {
    UpdateRequest {
        manifest_hash: Some(Hash32([43; 32])),
        resources: Some(more()),
        services: None,
        max_price: Some(Motes(max_price)),
    }
}

fn updated(lease: girrona_types::market::LeaseId) -> Call {
    let manifest_hash = Hash32([43; 32]);
    Call::LeaseUpdated { lease, revision: 2, manifest_hash, access: access() }
}

#[test]
fn a_new_image_needs_no_answer_and_costs_the_same() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    let request = UpdateRequest {
        manifest_hash: Some(Hash32([43; 32])),
        resources: None,
        services: None,
        max_price: None,
    };
    let before = market.unlocked(ANA);
    market.ok(ANA, Call::UpdateLease { lease, request });
    assert_eq!(market.unlocked(ANA), before);
    market.block();
    market.ok(BO, updated(lease));
    assert_eq!(market.names(), ["LEASE_UPDATED"]);
    let found = market.lease(lease);
    assert_eq!((found.revision, found.price, found.state), (2, Motes(600), LeaseState::Confirmed));
}

#[test]
fn replicas_change_the_price_at_the_block_that_runs_them() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    let start = market.height;
    market.blocks(5);
    let before = market.unlocked(ANA);
    market.ok(ANA, Call::UpdateLease { lease, request: bigger(1_800) });
    // 50 blocks at the difference.
    assert_eq!(market.unlocked(ANA), before - 60_000);
    market.block();
    market.ok(BO, Call::AcceptUpdate { lease, price: Motes(1_500) });
    assert_eq!(market.provider(BO).reserved, more());
    market.blocks(4);
    market.ok(BO, updated(lease));
    assert_eq!(market.height, start + 10);
    assert_eq!(market.lease(lease).paid, Motes(6_000));
    assert_eq!(market.unlocked(ANA), before - 45_000);
    market.blocks(10);
    market.beat(lease);
    assert_eq!(market.lease(lease).paid, Motes(6_000 + 15_000));
    assert_eq!(market.lease(lease).resources, more());
}

#[test]
fn an_update_that_is_refused_or_not_answered_or_not_done_leaves_the_old_revision() {
    for case in 0..3 {
        let mut market = Market::ready();
        let lease = market.running(terms(), &[(BO, 600)]);
        let before = market.unlocked(ANA);
        market.ok(ANA, Call::UpdateLease { lease, request: bigger(1_000) });
        assert!(market.unlocked(ANA) < before);
        match case {
            0 => {
                market.ok(BO, Call::RejectUpdate { lease, reason: Decline::Capacity });
            }
            1 => {
                market.run(lease, 21);
                assert_eq!(market.names(), ["UPDATE_EXPIRED"]);
            }
            _ => {
                market.top_up(ANA, lease, 600_000);
                market.ok(BO, Call::AcceptUpdate { lease, price: Motes(1_000) });
                market.run(lease, 121);
                assert_eq!(market.heights("UPDATE_EXPIRED", lease).len(), 1);
            }
        }
        let found = market.lease(lease);
        assert_eq!(
            (found.revision, found.price, found.state),
            (1, Motes(600), LeaseState::Confirmed)
        );
        assert_eq!(market.provider(BO).reserved, small(), "case {case}");
        assert_eq!(found.purse.update, Motes::ZERO);
    }
}

// L12-L17: ends.

#[test]
fn a_tenant_closes_a_running_lease_and_gets_the_rest_to_the_mote() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    market.blocks(7);
    market.ok(ANA, Call::CloseLease { lease });
    assert_eq!(market.names(), ["CLOSE_LEASE"]);
    market.blocks(3);
    market.ok(BO, Call::AckClosed { lease, log_root: Hash32([1; 32]) });
    assert_eq!(market.names(), ["LEASE_CLOSED"]);
    assert_eq!(market.unlocked(ANA), RICH - 7 * 600);
    assert_eq!(market.earned(BO), 7 * 600 - 7 * 30);
    assert_eq!(market.unlocked(BO), RICH - 10_000);
}

#[test]
fn without_a_final_word_only_what_was_shown_is_paid() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    market.blocks(5);
    market.beat(lease);
    market.blocks(10);
    market.ok(ANA, Call::CloseLease { lease });
    market.blocks(31);
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::Tenant));
    assert_eq!(market.unlocked(ANA), RICH - 5 * 600);
    // 5 % of 12,000.
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 600);
}

#[test]
fn close_lease_is_taken_in_every_state_that_is_not_the_end() {
    type Reach = fn(&mut Market) -> girrona_types::market::LeaseId;
    let stages: [(&str, Reach); 9] = [
        ("reserving", |market| market.leased(terms(), &[(BO, 600), (CY, 700)])),
        ("ready", |market| {
            let lease = market.leased(terms(), &[(BO, 600), (CY, 700)]);
            market.ready_up(lease);
            lease
        }),
        ("starting", |market| {
            let lease = market.leased(terms(), &[(BO, 600), (CY, 700)]);
            market.ready_up(lease);
            market.ack(lease);
            lease
        }),
        ("confirmed", |market| market.running(terms(), &[(BO, 600), (CY, 700)])),
        ("paused", |market| {
            let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
            market.ok(BO, Call::PauseLease { lease, blocks: 50 });
            lease
        }),
        ("updating", |market| {
            let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
            market.ok(ANA, Call::UpdateLease { lease, request: bigger(900) });
            market.ok(BO, Call::AcceptUpdate { lease, price: Motes(900) });
            lease
        }),
        ("degraded", |market| {
            let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
            market.blocks(41);
            assert!(matches!(market.state(lease), LeaseState::Degraded { .. }));
            lease
        }),
        ("suspended", |market| {
            let lease = market
                .running(OrderTerms { retention_blocks: 100, ..terms() }, &[(BO, 600), (CY, 700)]);
            let end = market.lease(lease).exhausts_at().0;
            market.run(lease, end + 1 - market.height);
            assert!(matches!(market.state(lease), LeaseState::Suspended { .. }));
            lease
        }),
        ("closing", |market| {
            let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
            market.ok(ANA, Call::CloseLease { lease });
            lease
        }),
    ];
    for (stage, reach) in stages {
        let mut market = Market::ready();
        let lease = reach(&mut market);
        market.ok(ANA, Call::CloseLease { lease });
        market.blocks(31);
        assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::Tenant), "{stage}");
        assert_eq!(market.lease(lease).purse, girrona_market::Purse::default(), "{stage}");
        assert_eq!(market.provider(BO).reserved, girrona_market::Resources::default(), "{stage}");
        assert_eq!(market.unlocked(CY), RICH - 10_000, "{stage}");
        let refusal = market.refused(ANA, Call::CloseLease { lease });
        assert_eq!(refusal.code(), 82, "{stage}");
    }
}

#[test]
fn a_provider_that_asked_for_notice_pays_when_it_gives_none() {
    let mut market = Market::ready();
    let mut wide = profile(BO);
    wide.reclaim_window = 50;
    market.ok(BO, Call::UpdateProvider { profile: wide });
    let noticed = OrderTerms { reclaim_window: 50, failover: false, ..terms() };
    let first = market.running(noticed.clone(), &[(BO, 600)]);
    let second = market.running(noticed, &[(BO, 600)]);
    let bonds = market.unlocked(BO);
    market.ok(BO, Call::ProviderClose { lease: first });
    // 25 % of 12,000.
    assert_eq!(market.unlocked(BO), bonds + 12_000 - 3_000);
    market.ok(BO, Call::StartReclaim { lease: second, reason: Decline::Capacity });
    market.run(second, 50);
    market.ok(BO, Call::ProviderClose { lease: second });
    assert_eq!(market.unlocked(BO), bonds + 12_000 - 3_000 + 12_000);
    assert_eq!(market.state(second), LeaseState::Closed(CloseReason::Provider));
    assert_eq!(market.lease(second).paid, Motes(50 * 600));
}

#[test]
fn a_provider_that_is_not_heard_of_is_replaced_and_not_paid_for_its_silence() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
    let deployment = market.lease(lease).deployment;
    let start = market.height;
    market.blocks(20);
    market.beat(lease);
    market.until(start + 61);
    assert_eq!(market.heights("LEASE_DEGRADED", lease), [start + 60]);
    market.until(start + 81);
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::ProviderLost));
    assert_eq!(market.heights("LEASE_CLOSED", lease), [start + 80]);
    assert_eq!(market.lease(lease).paid, Motes(20 * 600));
    // The whole bond: half to the tenant, half burnt.
    assert_eq!(market.unlocked(BO), RICH - 10_000 - 12_000);
    assert_eq!(market.burnt, 6_000);
    let order = market.order(market.order_of(deployment));
    assert_eq!(order.attempt, 2);
    market.bid(CY, order.id, 700);
    market.until(order.matches_at.0 + 1);
    assert_eq!(market.lease(market.lease_of(deployment)).provider, CY);
}

#[test]
fn a_late_heartbeat_recovers_and_is_paid() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    market.blocks(50);
    assert!(matches!(market.state(lease), LeaseState::Degraded { by_probes: false, .. }));
    market.beat(lease);
    assert_eq!(market.state(lease), LeaseState::Confirmed);
    assert_eq!(market.lease(lease).paid, Motes(50 * 600));
    assert_eq!(market.provider(BO).standing.up_fail, 1);
}

#[test]
fn a_tenant_and_a_runner_up_together_can_show_that_a_server_is_gone() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
    market.blocks(5);
    market.ok(ANA, Call::Probe { lease, alive: false });
    assert_eq!(market.state(lease), LeaseState::Confirmed);
    market.ok(CY, Call::Probe { lease, alive: false });
    assert!(matches!(market.state(lease), LeaseState::Degraded { by_probes: true, .. }));
    // Heartbeats do not help against what others see.
    market.blocks(5);
    market.beat(lease);
    assert!(matches!(market.state(lease), LeaseState::Degraded { by_probes: true, .. }));
    market.blocks(56);
    assert_eq!(market.state(lease), LeaseState::Closed(CloseReason::ProviderLost));
    // Nothing proves it, so the bond is not touched.
    assert_eq!(market.unlocked(BO), RICH - 10_000);
    assert_eq!(market.lease(lease).paid, Motes::ZERO);
}

#[test]
fn a_server_that_answers_again_recovers_and_nobody_gains_by_the_time_between() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600), (CY, 700)]);
    market.blocks(5);
    market.beat(lease);
    market.ok(ANA, Call::Probe { lease, alive: false });
    market.ok(CY, Call::Probe { lease, alive: false });
    market.blocks(10);
    let (base, burnt) = (market.lease(lease).purse.base, market.burnt);
    market.ok(ANA, Call::Probe { lease, alive: true });
    assert_eq!(market.state(lease), LeaseState::Confirmed);
    assert_eq!(market.lease(lease).purse.base, Motes(base.0 - 10 * 600));
    assert_eq!(market.burnt, burnt + 10 * 600);
    market.blocks(3);
    market.beat(lease);
    assert_eq!(market.lease(lease).paid, Motes(8 * 600));
}

#[test]
fn a_pause_is_not_paid_and_ends_by_itself() {
    let mut market = Market::ready();
    let lease = market.running(terms(), &[(BO, 600)]);
    let end = market.lease(lease).exhausts_at().0;
    market.blocks(5);
    market.ok(BO, Call::PauseLease { lease, blocks: 100 });
    market.blocks(100);
    assert_eq!(market.lease(lease).paused, Some(Height(market.height)));
    market.block();
    assert_eq!(market.lease(lease).paused, None);
    assert_eq!(market.lease(lease).exhausts_at(), Height(end + 100));
    market.blocks(10);
    market.beat(lease);
    assert_eq!(market.lease(lease).paid, Motes(600 * 16));
    assert_eq!(market.provider(BO).standing.up_fail, 0);
}

//! Receipts: what a provider metered, which is also how it shows that it is there. A receipt is
//! believed within what the hardware can do and what the tenant capped, and paid when the tenant has
//! had time to dispute it. What stays disputed is burnt: neither side gains by lying.

use girrona_types::{
    Height,
    market::{AccountId, COUNTERS, Counters, LeaseId, MarketEvent, Motes},
};

use super::wrong_state;
use crate::{
    call::Receipt,
    money::{less, ratio, sum},
    records::{Lease, LeaseState, Pending},
    refusal::Refusal,
    session::{Done, Halt, Session, after},
    store::Store,
};

/// Receipts that wait to be paid, at most.
const PENDING_MAX: usize = 8;
/// What the hardware can do, and a little: clocks differ.
const TOLERANCE_BP: u128 = 10_500;

/// Each counter's growth times its price.
fn cost(prices: &[u64; 6], grew: &Counters) -> Motes {
    let parts = prices.iter().zip(grew);
    Motes(parts.fold(0_u128, |sum, (price, grew)| {
        sum.saturating_add(u128::from(*price).saturating_mul(u128::from(*grew)))
    }))
}

impl<S: Store> Session<'_, S> {
    /// All receipts of one provider; each is judged by itself. When none is good, the first one's
    /// refusal is the call's.
    pub(crate) fn usage_receipts(&mut self, caller: AccountId, all: Vec<Receipt>) -> Done<(), S> {
        if all.is_empty() {
            return Err(Refusal::Empty { field: "receipts" }.into());
        }
        let most = u64::from(self.law.max_batch);
        if all.len() as u64 > most {
            let found = all.len() as u64;
            return Err(Refusal::TooLong { field: "receipts", found, most }.into());
        }
        let (mut good, mut beats, mut first) = (false, 0_u64, None);
        for receipt in all {
            let (lease, seq) = (receipt.lease, receipt.seq);
            match self.receipt(caller, receipt) {
                Ok(counts) => {
                    good = true;
                    beats = beats.saturating_add(u64::from(counts));
                }
                Err(Halt::Refused(refusal)) => {
                    self.tell(MarketEvent::UsageRefused { lease, seq, code: refusal.code() });
                    first = first.or(Some(refusal));
                }
                Err(halt) => return Err(halt),
            }
        }
        if let (false, Some(refusal)) = (good, first) {
            return Err(refusal.into());
        }
        if beats > 0 {
            self.remember(caller, |provider| {
                provider.standing.up_ok = provider.standing.up_ok.saturating_add(beats);
            })?;
        }
        Ok(())
    }

    /// One receipt; whether it counts as a heartbeat. Nothing is written before all is checked.
    fn receipt(&mut self, caller: AccountId, receipt: Receipt) -> Done<bool, S> {
        let mut lease = self.provider_lease(caller, receipt.lease)?;
        let takes = lease.state.runs()
            || matches!(
                lease.state,
                LeaseState::Suspended { .. } | LeaseState::Closing { heard: None, .. }
            );
        if !takes {
            return Err(wrong_state(&lease).into());
        }
        if lease.paused.is_some() {
            return Err(Refusal::WrongState { state: "paused" }.into());
        }
        let wanted = lease.usage.seq.saturating_add(1);
        if receipt.seq != wanted {
            return Err(Refusal::ReceiptNumber { wanted, given: receipt.seq }.into());
        }
        let grew = self.grew(&lease, &receipt.counters)?;
        let terms = self.deployment(lease.deployment)?.terms;
        let due = cost(&terms.meter_prices, &grew);
        if due > terms.meter_cap {
            return Err(Refusal::AboveCap { cost: due, cap: terms.meter_cap }.into());
        }
        let amount = due.min(lease.purse.meter);
        if !amount.is_zero() && lease.usage.pending.len() >= PENDING_MAX {
            return Err(Refusal::TooManyPending { most: PENDING_MAX as u64 }.into());
        }
        // One heartbeat in each interval counts, however many receipts come.
        let slot = |height: Height| height.0.checked_div(self.law.heartbeat_interval);
        let counts = lease.state.runs() && slot(lease.last_beat) != slot(self.height);
        lease.purse.meter = less(lease.purse.meter, amount)?;
        lease.purse.pending = sum(lease.purse.pending, amount)?;
        lease.usage.seq = receipt.seq;
        lease.usage.counters = receipt.counters;
        lease.usage.time_ms = self.time_ms;
        lease.usage.log_root = receipt.log_root;
        let payable_at = after(self.height, self.law.dispute_blocks);
        if !amount.is_zero() {
            lease.usage.pending.push(Pending {
                seq: receipt.seq,
                amount,
                grew,
                frozen: Motes::ZERO,
                due: payable_at,
                disputed: false,
            });
        }
        self.heard(&mut lease)?;
        let (lease_id, seq) = (lease.id, receipt.seq);
        self.put_lease(lease)?;
        self.tell(MarketEvent::UsageRecorded { lease: lease_id, seq, amount, payable_at });
        Ok(counts)
    }

    /// By how much counters grew, if the hardware can do that in the time since the last receipt.
    fn grew(&self, lease: &Lease, counters: &Counters) -> Result<Counters, Refusal> {
        let millis = u128::from(self.time_ms.saturating_sub(lease.usage.time_ms));
        let has = &lease.resources;
        let at = |amount: u32, per: u128, of: u128| {
            let plenty = u128::from(amount).saturating_mul(millis).saturating_mul(TOLERANCE_BP);
            ratio(plenty, per, of.saturating_mul(10_000))
        };
        let network = at(has.bandwidth_mbps, 125, 1_048_576);
        let most = [
            at(has.cpu_milli, 1, 1_000),
            at(has.memory_mib, 1, 1_000),
            network,
            network,
            at(has.cpu_milli, self.law.requests_per_cpu_second.into(), 1_000_000),
            at(has.cpu_milli, self.law.mfuel_per_cpu_second.into(), 1_000_000),
        ];
        let mut grew = Counters::default();
        let last = lease.usage.counters.iter().zip(counters).zip(most).zip(COUNTERS);
        for ((((before, now), most), counter), grew) in last.zip(&mut grew) {
            let growth = now.checked_sub(*before).ok_or(Refusal::CounterBackwards { counter })?;
            if u128::from(growth) > most {
                let most = u64::try_from(most).unwrap_or(u64::MAX);
                return Err(Refusal::AboveCapacity { counter, grew: growth, most });
            }
            *grew = growth;
        }
        Ok(grew)
    }

    fn take_pending(lease: &mut Lease, seq: u64) -> Result<Pending, Refusal> {
        let found = lease.usage.pending.iter().position(|one| one.seq == seq);
        found.map(|at| lease.usage.pending.remove(at)).ok_or(Refusal::NoSuchReceipt)
    }

    fn pay_pending(&mut self, lease: &mut Lease, seq: u64, amount: Motes) -> Done<(), S> {
        lease.purse.pending = less(lease.purse.pending, amount)?;
        self.pay_lease(lease, amount)?;
        self.tell(MarketEvent::UsagePaid { lease: lease.id, seq, amount });
        Ok(())
    }

    pub(crate) fn accept_receipt(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        seq: u64,
    ) -> Done<(), S> {
        let mut lease = self.tenant_lease(caller, id)?;
        let one = Self::take_pending(&mut lease, seq)?;
        if one.disputed {
            return Err(Refusal::AlreadyDisputed.into());
        }
        self.pay_pending(&mut lease, seq, one.amount)?;
        self.put_lease(lease)
    }

    /// The tenant says how much the counters really grew; the difference is frozen.
    pub(crate) fn dispute_receipt(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        seq: u64,
        counters: &Counters,
    ) -> Done<(), S> {
        let mut lease = self.tenant_lease(caller, id)?;
        let prices = self.deployment(lease.deployment)?.terms.meter_prices;
        let found = lease.usage.pending.iter_mut().find(|one| one.seq == seq);
        let one = found.ok_or(Refusal::NoSuchReceipt)?;
        if one.disputed {
            return Err(Refusal::AlreadyDisputed.into());
        }
        let mut over = Counters::default();
        for ((over, said), found) in over.iter_mut().zip(&one.grew).zip(counters) {
            *over = said.saturating_sub(*found);
        }
        let frozen = cost(&prices, &over).min(one.amount);
        if frozen.is_zero() {
            return Err(Refusal::NothingDisputed.into());
        }
        one.frozen = frozen;
        one.disputed = true;
        one.due = after(self.height, self.law.dispute_blocks);
        let settle_by = one.due;
        self.put_lease(lease)?;
        self.tell(MarketEvent::UsageDisputed { lease: id, seq, frozen, settle_by });
        Ok(())
    }

    /// One side gives way: the frozen motes are the other's.
    pub(crate) fn concede_dispute(
        &mut self,
        caller: AccountId,
        id: LeaseId,
        seq: u64,
    ) -> Done<(), S> {
        let mut lease = self.lease(id)?;
        if caller != lease.tenant && caller != lease.provider {
            return Err(Refusal::NotLeaseProvider.into());
        }
        let one = Self::take_pending(&mut lease, seq)?;
        if !one.disputed {
            return Err(Refusal::NotDisputed.into());
        }
        if caller == lease.tenant {
            self.end_dispute(&mut lease, &one, one.frozen, Motes::ZERO)?;
        } else {
            self.end_dispute(&mut lease, &one, Motes::ZERO, one.frozen)?;
            self.remember(lease.provider, |known| {
                known.standing.disputes_lost = known.standing.disputes_lost.saturating_add(1);
            })?;
            self.blame(lease.provider)?;
        }
        self.put_lease(lease)
    }

    /// Pays the undisputed part and hands the frozen part out; what nobody gets is burnt.
    fn end_dispute(
        &mut self,
        lease: &mut Lease,
        one: &Pending,
        to_provider: Motes,
        to_tenant: Motes,
    ) -> Done<(), S> {
        let burnt = less(less(one.frozen, to_provider)?, to_tenant)?;
        lease.purse.pending = less(lease.purse.pending, one.frozen)?;
        self.pay_lease(lease, to_provider)?;
        self.refund(lease, to_tenant)?;
        self.burn(burnt);
        let (lease_id, seq) = (lease.id, one.seq);
        self.tell(MarketEvent::DisputeEnded {
            lease: lease_id,
            seq,
            to_provider,
            to_tenant,
            burnt,
        });
        self.pay_pending(lease, seq, less(one.amount, one.frozen)?)
    }

    /// Receipts whose time has come: paid, or, if they stayed disputed, paid in part.
    pub(super) fn receipt_due(&mut self, lease: &mut Lease, at: Height) -> Done<(), S> {
        let all = std::mem::take(&mut lease.usage.pending);
        let (due, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.due <= at);
        lease.usage.pending = rest;
        for one in due {
            if one.disputed {
                self.end_dispute(lease, &one, Motes::ZERO, Motes::ZERO)?;
            } else {
                self.pay_pending(lease, one.seq, one.amount)?;
            }
        }
        Ok(())
    }
}

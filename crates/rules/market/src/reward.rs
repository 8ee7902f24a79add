//! Rewards: what the fees of a period come to is shared by the fees that each provider's leases
//! paid, times what its tier counts for. A share never reaches the fees that earned it, so paying
//! oneself costs money.
//!
//! Nobody is listed: a period knows the sum of weights, a provider its own, and a share is worked
//! out when the provider is next paid or asks.

use girrona_types::{
    Height,
    market::{AccountId, MarketEvent, Motes},
};

use crate::{
    money::{less, ratio, share, sum},
    records::{Earnings, Period},
    refusal::Refusal,
    score,
    session::{Done, Session},
    store::{Key, Store},
};

impl<S: Store> Session<'_, S> {
    fn period_at(&self, height: Height) -> u64 {
        height.0.checked_div(self.law.reward_blocks).unwrap_or_default()
    }

    /// What a fee of this provider counts for.
    pub(crate) fn multiplier(&mut self, provider: AccountId) -> Done<u64, S> {
        let standing =
            self.find_provider(provider)?.map(|found| found.standing).unwrap_or_default();
        let tier = usize::from(score::tier(&standing, self.law)).saturating_sub(1);
        Ok(self.law.tier_multiplier_bp.get(tier).copied().unwrap_or_default())
    }

    /// A provider's earnings, with the reward of a period that has ended.
    pub(crate) fn earnings(&mut self, provider: AccountId) -> Done<Earnings, S> {
        let mut earnings: Earnings = self.get(&Key::Earnings(provider))?.unwrap_or_default();
        let now = self.period_at(self.height);
        if earnings.period == now {
            return Ok(earnings);
        }
        let number = std::mem::replace(&mut earnings.period, now);
        let fees = std::mem::take(&mut earnings.fees);
        let weight = std::mem::take(&mut earnings.weight);
        let key = Key::Period(number);
        if weight == 0 {
            return Ok(earnings);
        }
        let Some(mut period) = self.get::<Period>(&key)? else { return Ok(earnings) };
        let part = Motes(ratio(period.pool.0, weight, period.weight));
        let amount = part.min(share(fees, self.law.reward_cap_bp)?).min(period.left);
        if !amount.is_zero() {
            period.left = less(period.left, amount)?;
            self.put(key, &period)?;
            earnings.earned = sum(earnings.earned, amount)?;
            self.tell(MarketEvent::RewardPaid { provider, period: number, amount });
        }
        Ok(earnings)
    }

    pub(crate) fn claim_reward(&mut self, provider: AccountId, period: u64) -> Done<(), S> {
        let waiting: Earnings = self.get(&Key::Earnings(provider))?.unwrap_or_default();
        let over = period < self.period_at(self.height);
        if waiting.period != period || !over || waiting.weight == 0 {
            return Err(Refusal::NoReward { period }.into());
        }
        let earnings = self.earnings(provider)?;
        self.put(Key::Earnings(provider), &earnings)
    }

    /// At the end of a period's last block: the pool becomes its own, and what is left of a period
    /// long ago goes back.
    pub(crate) fn end_period(&mut self) -> Done<(), S> {
        let number = self.period_at(self.height);
        if self.period_at(self.height.next()) == number {
            return Ok(());
        }
        let mut pool: Motes = self.get(&Key::Pool)?.unwrap_or_default();
        let key = Key::Period(number);
        if let Some(mut period) = self.get::<Period>(&key)? {
            period.pool = pool;
            period.left = pool;
            self.put(key, &period)?;
            self.tell(MarketEvent::RewardsOpened { period: number, pool });
            pool = Motes::ZERO;
            self.put(Key::Pool, &pool)?;
        }
        if let Some(old) = number.checked_sub(self.law.reward_claim_periods)
            && let Some(period) = self.get::<Period>(&Key::Period(old))?
        {
            self.remove(Key::Period(old));
            self.put(Key::Pool, &sum(pool, period.left)?)?;
        }
        Ok(())
    }
}

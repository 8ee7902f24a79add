//! Providers: who they are, what they have, what they stake, and what is remembered of them.

use std::collections::BTreeMap;

use girrona_types::{
    Height,
    market::{AccountId, LeaseId, MarketEvent, Motes, ProviderStatus},
};

use crate::{
    call::ProviderProfile,
    check,
    money::{less, share, sum},
    queue::Entry,
    records::{Attestation, Provider, Resources, Standing},
    refusal::Refusal,
    session::{Done, Halt, Session, after},
    store::{Key, Store},
};

const fn status_name(status: ProviderStatus) -> &'static str {
    match status {
        ProviderStatus::Registered => "registered",
        ProviderStatus::Active => "active",
        ProviderStatus::Maintenance => "under maintenance",
        ProviderStatus::Jailed => "jailed",
        ProviderStatus::Deactivated => "deactivated",
    }
}

impl Provider {
    fn due(&self) -> Option<Height> {
        [self.jailed_until, self.leaves_at].into_iter().flatten().min()
    }
}

impl<S: Store> Session<'_, S> {
    pub(crate) fn find_provider(&mut self, account: AccountId) -> Done<Option<Provider>, S> {
        self.get(&Key::Provider(account))
    }

    pub(crate) fn provider(&mut self, account: AccountId) -> Done<Provider, S> {
        Ok(self.find_provider(account)?.ok_or(Refusal::NoProvider)?)
    }

    pub(crate) fn put_provider(&mut self, mut provider: Provider) -> Done<(), S> {
        let entry = Entry::Provider(provider.account);
        provider.queued = self.wait(provider.queued, provider.due(), entry)?;
        self.put(Key::Provider(provider.account), &provider)
    }

    pub(crate) fn register_provider(
        &mut self,
        account: AccountId,
        profile: ProviderProfile,
        stake: Motes,
    ) -> Done<(), S> {
        if self.find_provider(account)?.is_some() {
            return Err(Refusal::AlreadyProvider.into());
        }
        check::profile(&profile, self.law)?;
        self.check_server_key(account, &profile)?;
        self.take(account, stake)?;
        let enough = stake >= Motes(u128::from(self.law.min_stake));
        let status = if enough { ProviderStatus::Active } else { ProviderStatus::Registered };
        let provider = Provider {
            account,
            operator: account,
            named_operator: profile.operator.filter(|operator| *operator != account),
            gateway: profile.gateway,
            region: profile.region,
            attributes: profile.attributes,
            runtimes: profile.runtimes,
            server_key: profile.server_key,
            reclaim_window: profile.reclaim_window,
            capacity: profile.capacity,
            reserved: Resources::default(),
            status,
            jailed_until: None,
            stake,
            leaving: Motes::ZERO,
            leaves_at: None,
            standing: Standing::default(),
            queued: None,
        };
        self.put_provider(provider)?;
        self.tell(MarketEvent::ProviderRegistered { provider: account, status });
        Ok(())
    }

    fn check_server_key(&mut self, account: AccountId, profile: &ProviderProfile) -> Done<(), S> {
        match profile.server_key {
            Some(spki) if !self.serves(account, spki)? => Err(Refusal::KeyNotValid.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn update_provider(
        &mut self,
        account: AccountId,
        profile: ProviderProfile,
    ) -> Done<(), S> {
        let mut provider = self.provider(account)?;
        check::profile(&profile, self.law)?;
        self.check_server_key(account, &profile)?;
        if profile.capacity.minus(&provider.reserved).is_none() {
            let has = profile.capacity.parts();
            let uses = provider.reserved.parts();
            let over = has.iter().zip(uses).find(|(has, uses)| has.1 < uses.1);
            let field = over.map_or("capacity", |(has, _)| has.0);
            return Err(Refusal::CapacityInUse { field }.into());
        }
        // Another operator counts when it agrees; oneself at once.
        match profile.operator.unwrap_or(account) {
            operator if operator == provider.operator => provider.named_operator = None,
            operator if operator == account => {
                provider.operator = account;
                provider.named_operator = None;
            }
            operator => provider.named_operator = Some(operator),
        }
        provider.gateway = profile.gateway;
        provider.region = profile.region;
        provider.attributes = profile.attributes;
        provider.runtimes = profile.runtimes;
        provider.server_key = profile.server_key;
        provider.reclaim_window = profile.reclaim_window;
        provider.capacity = profile.capacity;
        self.put_provider(provider)?;
        self.tell(MarketEvent::ProviderUpdated { provider: account });
        Ok(())
    }

    pub(crate) fn set_provider_status(
        &mut self,
        account: AccountId,
        status: ProviderStatus,
    ) -> Done<(), S> {
        let mut provider = self.provider(account)?;
        if let (ProviderStatus::Jailed, Some(until)) = (provider.status, provider.jailed_until) {
            return Err(Refusal::Jailed { until }.into());
        }
        let refused = Refusal::ProviderStatus { status: status_name(provider.status) };
        match status {
            ProviderStatus::Active => {
                let needs = Motes(u128::from(self.law.min_stake));
                if provider.stake < needs {
                    return Err(Refusal::StakeNeeded { left: provider.stake, needs }.into());
                }
            }
            ProviderStatus::Maintenance if provider.status == ProviderStatus::Active => {}
            ProviderStatus::Deactivated if provider.reserved == Resources::default() => {}
            _ => return Err(refused.into()),
        }
        if provider.status == status {
            return Err(refused.into());
        }
        provider.status = status;
        self.put_provider(provider)?;
        self.tell(MarketEvent::ProviderStatusChanged { provider: account, status });
        Ok(())
    }

    pub(crate) fn add_stake(&mut self, account: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        let mut provider = self.provider(account)?;
        self.take(account, amount)?;
        provider.stake = sum(provider.stake, amount)?;
        let stake = provider.stake;
        self.put_provider(provider)?;
        self.tell(MarketEvent::StakeChanged { provider: account, stake });
        Ok(())
    }

    pub(crate) fn unstake(&mut self, account: AccountId, amount: Motes) -> Done<(), S> {
        if amount.is_zero() {
            return Err(Refusal::NothingToMove.into());
        }
        let mut provider = self.provider(account)?;
        if let Some(until) = provider.leaves_at {
            return Err(Refusal::AlreadyLeaving { until }.into());
        }
        let left = provider.stake.0.checked_sub(amount.0).map(Motes).unwrap_or_default();
        let free =
            matches!(provider.status, ProviderStatus::Deactivated | ProviderStatus::Registered)
                && provider.reserved == Resources::default();
        let needs = if free { Motes::ZERO } else { Motes(u128::from(self.law.min_stake)) };
        if left < needs || amount > provider.stake {
            return Err(Refusal::StakeNeeded { left, needs }.into());
        }
        provider.stake = left;
        provider.leaving = amount;
        provider.leaves_at = Some(after(self.height, self.law.unstake_blocks));
        self.put_provider(provider)?;
        self.tell(MarketEvent::StakeChanged { provider: account, stake: left });
        Ok(())
    }

    pub(crate) fn agree_to_operate(
        &mut self,
        operator: AccountId,
        account: AccountId,
    ) -> Done<(), S> {
        let mut provider = self.provider(account)?;
        if provider.named_operator != Some(operator) {
            return Err(Refusal::NotNamedOperator.into());
        }
        provider.named_operator = None;
        provider.operator = operator;
        self.put_provider(provider)?;
        self.tell(MarketEvent::ProviderUpdated { provider: account });
        Ok(())
    }

    pub(crate) fn attest(
        &mut self,
        auditor: AccountId,
        provider: AccountId,
        attributes: BTreeMap<String, String>,
    ) -> Done<(), S> {
        self.provider(provider)?;
        check::attributes(&attributes)?;
        let key = Key::Attestation(provider, auditor);
        if attributes.is_empty() {
            self.remove(key);
        } else {
            self.put(key, &Attestation { attributes })?;
        }
        self.tell(MarketEvent::ProviderAttested { provider, auditor });
        Ok(())
    }

    /// Its jail or its stake's way out has ended.
    pub(crate) fn provider_due(&mut self, account: AccountId, queued: Height) -> Done<(), S> {
        let Some(mut provider) = self.find_provider(account)? else { return Ok(()) };
        if provider.queued != Some(queued) {
            return Ok(());
        }
        provider.queued = None;
        if provider.jailed_until.is_some_and(|until| until <= self.height) {
            provider.jailed_until = None;
            let enough = provider.stake >= Motes(u128::from(self.law.min_stake));
            let status = if enough { ProviderStatus::Active } else { ProviderStatus::Registered };
            provider.status = status;
            self.tell(MarketEvent::ProviderStatusChanged { provider: account, status });
        }
        if provider.leaves_at.is_some_and(|at| at <= self.height) {
            provider.leaves_at = None;
            let motes = std::mem::take(&mut provider.leaving);
            self.give(account, motes)?;
        }
        self.put_provider(provider)
    }

    /// Changes what is remembered of a provider, and what it has reserved.
    pub(crate) fn remember(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut Provider),
    ) -> Done<(), S> {
        let known = self.find_provider(account)?;
        let mut provider = known.ok_or(Halt::Broken("a lease without a provider"))?;
        change(&mut provider);
        self.put_provider(provider)
    }

    /// Takes a slash or a lost dispute down; too many of them jail.
    pub(crate) fn blame(&mut self, account: AccountId) -> Done<(), S> {
        let (height, law) = (self.height, self.law);
        let mut jailed = false;
        self.remember(account, |provider| {
            let standing = &mut provider.standing;
            standing.slashes = recent_slashes(standing, height, law.slash_memory_blocks);
            standing.slashes = standing.slashes.saturating_add(1);
            standing.slashed_at = height;
            if standing.slashes >= law.jail_after && provider.status != ProviderStatus::Jailed {
                jailed = true;
                provider.status = ProviderStatus::Jailed;
                provider.jailed_until = Some(after(height, law.jail_blocks));
            }
        })?;
        if jailed {
            let status = ProviderStatus::Jailed;
            self.tell(MarketEvent::ProviderStatusChanged { provider: account, status });
        }
        Ok(())
    }

    /// Takes a share of a bond away; the tenant gets `to_tenant_bp` of it, the rest is burnt. Gives
    /// what is left of the bond and what was taken.
    pub(crate) fn slash(
        &mut self,
        lease: LeaseId,
        provider: AccountId,
        tenant: AccountId,
        bond: Motes,
        bp: u64,
        to_tenant_bp: u64,
    ) -> Done<(Motes, Motes), S> {
        let amount = share(bond, bp)?;
        if amount.is_zero() {
            return Ok((bond, amount));
        }
        let gift = share(amount, to_tenant_bp)?;
        let burnt = less(amount, gift)?;
        self.give(tenant, gift)?;
        self.burn(burnt);
        self.blame(provider)?;
        self.tell(MarketEvent::ProviderSlashed { provider, lease, amount, burnt });
        Ok((less(bond, amount)?, amount))
    }
}

/// Slashes that still count.
pub(crate) fn recent_slashes(standing: &Standing, height: Height, memory: u64) -> u32 {
    let age = height.0.saturating_sub(standing.slashed_at.0);
    if age > memory { 0 } else { standing.slashes }
}

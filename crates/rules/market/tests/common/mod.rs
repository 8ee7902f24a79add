//! A small market in memory: who is who, and one line for each thing that somebody does.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;

use casper_types::{PublicKey, SecretKey, crypto};
use girrona_market::{
    BidOffer, Block, Call, CertProof, ExecutionFacts, FundSource, Halt, Holdings, Key, Lease,
    LeaseState, MemoryStore, Movement, Order, OrderTerms, Outcome, Place, ProviderProfile, Receipt,
    Refusal, Resources, Who, apply, pay_executions, proof_message, score, step,
};
use girrona_types::{
    Height, NetworkId,
    market::{
        Access, AccountId, Auction, DeploymentId, Hash32, LeaseId, MarketEvent, MarketLaw, Motes,
        OrderId, Port, Protocol,
    },
};

pub(crate) const NETWORK: NetworkId = NetworkId([9; 32]);
pub(crate) const BLOCK_MS: u64 = 1_000;
pub(crate) const RICH: u128 = 1_000_000_000_000_000;

/// The tenant and some providers.
pub(crate) const ANA: AccountId = AccountId([1; 32]);
pub(crate) const BO: AccountId = AccountId([11; 32]);
pub(crate) const CY: AccountId = AccountId([12; 32]);
pub(crate) const DI: AccountId = AccountId([13; 32]);
pub(crate) const EVE: AccountId = AccountId([99; 32]);

pub(crate) const MANIFEST: Hash32 = Hash32([42; 32]);

/// What is done to the market: by an account, or by the chain.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Call(Call),
    Bills(Vec<ExecutionFacts>),
}

impl From<Call> for Deed {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

pub(crate) struct Market {
    pub(crate) store: MemoryStore,
    pub(crate) law: MarketLaw,
    pub(crate) height: u64,
    /// What the market's purse holds, by the movements that were carried out.
    pub(crate) purse: u128,
    pub(crate) burnt: u128,
    pub(crate) calls: u64,
    /// Whether each refusal is compared with the store before it.
    pub(crate) strict: bool,
    /// All that happened, with the height.
    pub(crate) events: Vec<(u64, MarketEvent)>,
    /// Events of the last call or step.
    pub(crate) last: Vec<MarketEvent>,
}

/// The TLS key of an account.
pub(crate) fn tls(account: AccountId) -> (Vec<u8>, SecretKey) {
    let secret = SecretKey::ed25519_from_bytes(account.0).unwrap();
    let public = PublicKey::from(&secret);
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    spki.extend_from_slice(&Into::<Vec<u8>>::into(&public));
    (spki, secret)
}

pub(crate) fn spki_hash(spki: &[u8]) -> Hash32 {
    use sha2::Digest as _;
    Hash32(sha2::Sha256::digest(spki).into())
}

pub(crate) fn cert(account: AccountId, server: bool) -> CertProof {
    let (spki, secret) = tls(account);
    let public = PublicKey::from(&secret);
    let message = proof_message(&NETWORK, &account, server, &spki_hash(&spki));
    let signature = crypto::sign(message, &secret, &public);
    CertProof {
        spki,
        cert_sha256: Hash32([7; 32]),
        not_after_ms: u64::MAX,
        server,
        signature: Into::<Vec<u8>>::into(&signature),
    }
}

pub(crate) fn big() -> Resources {
    Resources {
        cpu_milli: 8_000,
        memory_mib: 16_384,
        storage_mib: 100_000,
        gpus: 2,
        bandwidth_mbps: 1_000,
    }
}

pub(crate) fn small() -> Resources {
    Resources {
        cpu_milli: 1_000,
        memory_mib: 1_024,
        storage_mib: 1_000,
        gpus: 0,
        bandwidth_mbps: 100,
    }
}

pub(crate) fn profile(account: AccountId) -> ProviderProfile {
    ProviderProfile {
        operator: None,
        gateway: "https://provider.example:8443".to_owned(),
        region: "eu-west".to_owned(),
        attributes: BTreeMap::from([("ssd".to_owned(), "yes".to_owned())]),
        runtimes: vec!["wasm".to_owned(), "container".to_owned()],
        server_key: Some(spki_hash(&tls(account).0)),
        reclaim_window: 0,
        capacity: big(),
    }
}

/// An open order of two blocks for a small server with one public service.
pub(crate) fn terms() -> OrderTerms {
    OrderTerms {
        manifest_hash: MANIFEST,
        max_price: Motes(1_000),
        bid_window: 2,
        auction: Auction::Open,
        resources: small(),
        services: vec!["web".to_owned()],
        ..OrderTerms::default()
    }
}

pub(crate) fn access() -> Vec<Access> {
    vec![Access {
        service: "web".to_owned(),
        replicas: 1,
        ips: vec!["93.184.216.34".parse().unwrap()],
        ports: vec![Port { container: 80, external: 30_080, protocol: Protocol::Tcp }],
        urls: vec!["https://web.example.org/".to_owned()],
    }]
}

impl Default for Market {
    fn default() -> Self {
        Self::new(MarketLaw { min_stake: 1_000, stake_cap: 1_000_000, ..MarketLaw::default() })
    }
}

impl Market {
    pub(crate) fn new(law: MarketLaw) -> Self {
        Self {
            store: MemoryStore::default(),
            law,
            height: 1,
            purse: 0,
            burnt: 0,
            calls: 0,
            strict: true,
            events: Vec::new(),
            last: Vec::new(),
        }
    }

    /// A market with money for Ana and with Bo, Cy and Di as providers.
    pub(crate) fn ready() -> Self {
        let mut market = Self::default();
        market.cast();
        market
    }

    pub(crate) fn cast(&mut self) {
        self.deposit(ANA, RICH);
        for provider in [BO, CY, DI] {
            self.join(provider);
        }
    }

    pub(crate) fn join(&mut self, provider: AccountId) {
        self.deposit(provider, RICH);
        self.ok(provider, Call::RegisterCert { proof: cert(provider, true) });
        let profile = profile(provider);
        self.ok(provider, Call::RegisterProvider { profile, stake: Motes(10_000) });
    }

    fn keep(&mut self, outcome: &Outcome) {
        for movement in &outcome.movements {
            match movement {
                Movement::In(_, motes) => self.purse += motes.0,
                Movement::Out(_, motes) => self.purse -= motes.0,
                Movement::Burn(motes) => {
                    self.purse -= motes.0;
                    self.burnt += motes.0;
                }
            }
        }
        self.last.clone_from(&outcome.events);
        self.events.extend(outcome.events.iter().map(|event| (self.height, event.clone())));
    }

    pub(crate) fn try_call(
        &mut self,
        caller: AccountId,
        deed: impl Into<Deed>,
    ) -> Result<Outcome, Refusal> {
        let deed = deed.into();
        self.calls += 1;
        let mut deploy = [0; 32];
        deploy[..8].copy_from_slice(&self.calls.to_le_bytes());
        let who = Who {
            network: NETWORK,
            caller,
            deploy,
            index: 0,
            height: Height(self.height),
            time_ms: self.height * BLOCK_MS,
            law: &self.law,
        };
        let before = self.strict.then(|| self.store.clone());
        let done = match deed.clone() {
            Deed::Call(call) => apply(&mut self.store, &who, call),
            Deed::Bills(bills) => pay_executions(&mut self.store, &who, bills),
        };
        match done {
            Ok(outcome) => {
                self.keep(&outcome);
                Ok(outcome)
            }
            Err(Halt::Refused(refusal)) => {
                let same = before.is_none_or(|before| before == self.store);
                assert!(same, "a refusal changed something: {refusal}");
                Err(refusal)
            }
            Err(halt) => panic!("{deed:?}: {halt:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, caller: AccountId, deed: impl Into<Deed>) -> Outcome {
        let deed = deed.into();
        let shown = format!("{deed:?}");
        match self.try_call(caller, deed) {
            Ok(outcome) => {
                self.check();
                outcome
            }
            Err(refusal) => panic!("{shown}: {refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn refused(&mut self, caller: AccountId, deed: impl Into<Deed>) -> Refusal {
        let deed = deed.into();
        let shown = format!("{deed:?}");
        match self.try_call(caller, deed) {
            Err(refusal) => refusal,
            Ok(outcome) => panic!("{shown} was done: {:?}", outcome.events),
        }
    }

    pub(crate) fn deposit(&mut self, account: AccountId, amount: u128) {
        self.ok(account, Call::Deposit { amount: Motes(amount) });
    }

    pub(crate) fn seed(&self) -> Hash32 {
        let mut seed = [3; 32];
        seed[..8].copy_from_slice(&self.height.to_le_bytes());
        Hash32(seed)
    }

    /// Ends the block.
    #[track_caller]
    pub(crate) fn block(&mut self) {
        self.step();
        self.check();
    }

    #[track_caller]
    pub(crate) fn step(&mut self) {
        let block = Block {
            network: NETWORK,
            height: Height(self.height),
            time_ms: self.height * BLOCK_MS,
            seed: self.seed(),
            law: &self.law,
        };
        match step(&mut self.store, &block) {
            Ok(outcome) => self.keep(&outcome),
            Err(halt) => panic!("step {}: {halt:?}", self.height),
        }
        self.height += 1;
    }

    #[track_caller]
    pub(crate) fn blocks(&mut self, count: u64) {
        for _ in 0..count {
            self.block();
        }
    }

    /// Ends blocks until the height is one whose operations come next.
    #[track_caller]
    pub(crate) fn until(&mut self, height: u64) {
        while self.height < height {
            self.step();
        }
        self.check();
    }

    /// Every mote is somewhere.
    #[track_caller]
    pub(crate) fn check(&self) {
        let holdings: Holdings = self.store.holdings();
        assert_eq!(holdings.total(), self.purse, "motes were lost or made: {holdings:?}");
        assert_eq!(holdings.holds, holdings.locked, "locked motes without an order");
    }

    pub(crate) fn unlocked(&self, account: AccountId) -> u128 {
        let escrow: girrona_market::Escrow =
            self.store.read(&Key::Escrow(account)).unwrap_or_default();
        escrow.unlocked.0
    }

    pub(crate) fn locked(&self, account: AccountId) -> u128 {
        let escrow: girrona_market::Escrow =
            self.store.read(&Key::Escrow(account)).unwrap_or_default();
        escrow.locked.0
    }

    pub(crate) fn earned(&self, account: AccountId) -> u128 {
        let earnings: girrona_market::Earnings =
            self.store.read(&Key::Earnings(account)).unwrap_or_default();
        earnings.earned.0
    }

    pub(crate) fn provider(&self, account: AccountId) -> girrona_market::Provider {
        self.store.read(&Key::Provider(account)).unwrap()
    }

    pub(crate) fn lease(&self, id: LeaseId) -> Lease {
        self.store.read(&Key::Lease(id)).unwrap()
    }

    pub(crate) fn order(&self, id: OrderId) -> Order {
        self.store.read(&Key::Order(id)).unwrap()
    }

    pub(crate) fn place(&self, id: DeploymentId) -> Place {
        let found: girrona_market::Deployment = self.store.read(&Key::Deployment(id)).unwrap();
        found.place
    }

    #[track_caller]
    pub(crate) fn order_of(&self, id: DeploymentId) -> OrderId {
        match self.place(id) {
            Place::Order(order) => order,
            other => panic!("no order, but {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn lease_of(&self, id: DeploymentId) -> LeaseId {
        match self.place(id) {
            Place::Lease(lease) => lease,
            other => panic!("no lease, but {other:?}"),
        }
    }

    pub(crate) fn orders(&mut self, terms: OrderTerms) -> DeploymentId {
        DeploymentId(self.ok(ANA, Call::CreateOrder { terms }).made.unwrap())
    }

    pub(crate) fn bid(&mut self, provider: AccountId, order: OrderId, price: u128) {
        self.ok(provider, Call::CreateBid { order, offer: BidOffer::Price(Motes(price)) });
    }

    pub(crate) fn commit(&mut self, provider: AccountId, order: OrderId, price: u128) {
        let commit = score::commitment(&order, &provider, Motes(price), &[5; 32]);
        self.ok(provider, Call::CreateBid { order, offer: BidOffer::Commit(commit) });
    }

    pub(crate) fn reveal(order: OrderId, price: u128) -> Call {
        Call::RevealBid { order, price: Motes(price), salt: [5; 32] }
    }

    /// An order of Ana's that Bo, Cy and Di bid for, matched: in CREATE_LEASE.
    pub(crate) fn leased(&mut self, terms: OrderTerms, bids: &[(AccountId, u128)]) -> LeaseId {
        let deployment = self.orders(terms);
        let order = self.order_of(deployment);
        self.block();
        for (provider, price) in bids {
            self.bid(*provider, order, *price);
        }
        self.until(self.order(order).matches_at.0 + 1);
        self.lease_of(deployment)
    }

    pub(crate) fn ready_up(&mut self, lease: LeaseId) {
        let provider = self.lease(lease).provider;
        let gateway = "https://provider.example:8443".to_owned();
        let server_key = spki_hash(&tls(provider).0);
        self.ok(provider, Call::SignalReady { lease, gateway, server_key });
    }

    pub(crate) fn ack(&mut self, lease: LeaseId) {
        let found = self.lease(lease);
        let manifest_hash = found.manifest_hash;
        self.ok(found.provider, Call::AckManifest { lease, manifest_hash });
    }

    pub(crate) fn confirm(&mut self, lease: LeaseId) {
        let found = self.lease(lease);
        let manifest_hash = found.manifest_hash;
        let access = access();
        self.ok(found.provider, Call::ConfirmDeployment { lease, manifest_hash, access });
    }

    /// A lease that runs, of Bo's unless the others' bids are better.
    pub(crate) fn running(&mut self, terms: OrderTerms, bids: &[(AccountId, u128)]) -> LeaseId {
        let lease = self.leased(terms, bids);
        self.ready_up(lease);
        self.ack(lease);
        self.confirm(lease);
        lease
    }

    pub(crate) fn receipt(&self, lease: LeaseId, counters: [u64; 6]) -> Call {
        let seq = self.lease(lease).usage.seq + 1;
        let receipt = Receipt { lease, seq, counters, log_root: Hash32([0; 32]) };
        Call::UsageReceipts { receipts: vec![receipt] }
    }

    /// A heartbeat.
    pub(crate) fn beat(&mut self, lease: LeaseId) {
        let found = self.lease(lease);
        let call = self.receipt(lease, found.usage.counters);
        self.ok(found.provider, call);
    }

    /// Ends blocks with a heartbeat in each interval.
    pub(crate) fn run(&mut self, lease: LeaseId, blocks: u64) {
        for n in 0..blocks {
            if n.is_multiple_of(10) && self.lease(lease).state.runs() {
                self.beat(lease);
            }
            self.step();
        }
        self.check();
    }

    pub(crate) fn top_up(&mut self, by: AccountId, lease: LeaseId, amount: u128) {
        let source = FundSource::Escrow;
        self.ok(by, Call::TopUp { lease, amount: Motes(amount), source });
    }

    pub(crate) fn state(&self, lease: LeaseId) -> LeaseState {
        self.lease(lease).state
    }

    /// The names of the last call's or step's events.
    pub(crate) fn names(&self) -> Vec<String> {
        self.last.iter().map(MarketEvent::name).collect()
    }

    /// Heights at which something happened to a lease.
    pub(crate) fn heights(&self, name: &str, lease: LeaseId) -> Vec<u64> {
        let about = |event: &MarketEvent| event.name() == name && event.lease() == Some(lease);
        self.events.iter().filter(|(_, event)| about(event)).map(|(height, _)| *height).collect()
    }
}

//! People and deploys for tests.

use std::{collections::BTreeMap, sync::Arc};

use casper_types::{
    Deploy, ExecutableDeployItem, PublicKey, RuntimeArgs, SecretKey, TimeDiff, Timestamp, U512,
    bytesrepr::ToBytes, runtime_args,
};
use girrona_consensus::CasperKeys;
use girrona_exec::Uncached;
use girrona_types::{
    Chainspec, Draft, Event,
    chainspec::{GenesisAccount, GenesisValidator, MOTES_PER_GIRRO},
};

use crate::{
    Chain, Incoming, Input, MemoryDisk, Output, Parts, Refusal, Source, Timer,
    accept::{Accepted, check},
    disk::{Disk, StoredBlock},
};

/// Somebody with a key.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) secret: SecretKey,
    pub(crate) public: PublicKey,
}

impl Person {
    pub(crate) fn new(number: u8) -> Self {
        let secret = SecretKey::ed25519_from_bytes([number; 32]).unwrap();
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }
}

/// A law under which these people hold these motes and these validators this stake in GIRRO.
pub(crate) fn law(balances: &[(&Person, u64)], validators: &[(&Person, u64)]) -> Chainspec {
    let mut accounts: BTreeMap<PublicKey, GenesisAccount> = BTreeMap::new();
    for (person, motes) in balances {
        let public_key = person.public.clone();
        let balance = U512::from(*motes);
        accounts
            .insert(public_key.clone(), GenesisAccount { public_key, balance, validator: None });
    }
    for (person, girro) in validators {
        let bonded_amount = U512::from(*girro) * U512::from(MOTES_PER_GIRRO);
        accounts
            .entry(person.public.clone())
            .or_insert_with(|| GenesisAccount {
                public_key: person.public.clone(),
                balance: U512::from(10) * U512::from(MOTES_PER_GIRRO),
                validator: None,
            })
            .validator = Some(GenesisValidator { bonded_amount, delegation_rate: 0 });
    }
    Chainspec { accounts: accounts.into_values().collect(), ..Chainspec::default() }
}

/// A native transfer of GIRRO.
pub(crate) fn transfer(
    from: &Person,
    to: &Person,
    girro: u64,
    timestamp: Timestamp,
    ttl_seconds: u32,
) -> Deploy {
    transfer_after(from, to, girro, timestamp, ttl_seconds, Vec::new())
}

/// A native transfer of GIRRO that waits for other deploys.
pub(crate) fn transfer_after(
    from: &Person,
    to: &Person,
    girro: u64,
    timestamp: Timestamp,
    ttl_seconds: u32,
    dependencies: Vec<casper_types::DeployHash>,
) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(100_000_000));
    let session = ExecutableDeployItem::Transfer {
        args: runtime_args! {
            "amount" => U512::from(girro) * U512::from(MOTES_PER_GIRRO),
            "target" => to.public.clone(),
            "id" => Some(7_u64),
        },
    };
    let ttl = TimeDiff::from_seconds(ttl_seconds);
    let chain_name = Chainspec::default().network.name;
    Draft { timestamp, ttl, gas_price: 1, dependencies, chain_name, payment, session }
        .sign(&from.secret)
        .unwrap()
}

/// Wasm that does nothing but what its text says.
#[allow(dead_code, reason = "not every test module runs code")]
pub(crate) fn module(from: &Person, bytes: Vec<u8>, motes: u64, timestamp: Timestamp) -> Deploy {
    let payment = ExecutableDeployItem::new_standard_payment(U512::from(motes));
    let session = ExecutableDeployItem::new_module_bytes(bytes.into(), RuntimeArgs::new());
    let ttl = TimeDiff::from_seconds(60);
    let chain_name = Chainspec::default().network.name;
    Draft { timestamp, ttl, gas_price: 1, dependencies: Vec::new(), chain_name, payment, session }
        .sign(&from.secret)
        .unwrap()
}

/// A network of one validator under virtual time.
pub(crate) struct Alone {
    pub(crate) chain: Chain<MemoryDisk>,
    pub(crate) law: Arc<Chainspec>,
    pub(crate) now: Timestamp,
    pub(crate) verdicts: Vec<Result<Accepted, Refusal>>,
    pub(crate) events: Vec<Event>,
    timers: BTreeMap<Timer, Timestamp>,
}

impl Alone {
    /// The validator's person is number 200.
    pub(crate) fn new(law: Chainspec) -> Self {
        Self::with_disk(law, MemoryDisk::new(), Timestamp::from(1_800_000_000_000))
    }

    /// Opens on a disk, as after a restart.
    pub(crate) fn with_disk(law: Chainspec, disk: MemoryDisk, now: Timestamp) -> Self {
        let law = Arc::new(law);
        let scheme = CasperKeys::signer(Person::new(200).secret).unwrap();
        let parts = Parts {
            law: Arc::clone(&law),
            scheme: Arc::new(scheme),
            code: Box::new(Uncached),
            disk,
        };
        let chain = Chain::open(parts).unwrap();
        let mut alone = Self {
            chain,
            law,
            now,
            verdicts: Vec::new(),
            events: Vec::new(),
            timers: BTreeMap::new(),
        };
        alone.give(Input::Start);
        alone
    }

    /// Gives an input and carries out what comes of it.
    pub(crate) fn give(&mut self, input: Input) {
        let mut input = Some(input);
        while let Some(next) = input.take() {
            for output in self.chain.handle(next, self.now).unwrap() {
                match output {
                    Output::SetTimer(timer, after) => {
                        let at = self.now.millis() + u64::try_from(after.as_millis()).unwrap();
                        self.timers.insert(timer, Timestamp::from(at));
                    }
                    Output::CancelTimer(timer) => {
                        self.timers.remove(&timer);
                    }
                    Output::CancelConsensusTimers => {
                        self.timers.retain(|timer, _| !matches!(timer, Timer::Consensus(_)));
                    }
                    Output::Verdict { verdict, .. } => self.verdicts.push(verdict),
                    Output::Announce(_, event) => self.events.push(event),
                    _ => {}
                }
            }
            input = self.chain.has_work().then_some(Input::Continue);
        }
    }

    /// A client sends a deploy; what it is told.
    pub(crate) fn put(&mut self, deploy: &Deploy) -> Result<Accepted, String> {
        check(deploy, &self.law, self.now).map_err(|refusal| refusal.to_string())?;
        let size = deploy.serialized_length();
        let deploy = Arc::new(deploy.clone());
        self.give(Input::Deploys(vec![Incoming {
            deploy,
            size,
            source: Source::Client,
            ticket: 0,
        }]));
        self.verdicts.pop().unwrap().map_err(|refusal| refusal.to_string())
    }

    /// Takes a deploy into the buffer without asking the state, as if its account had been rich
    /// when it came.
    pub(crate) fn smuggle(&mut self, deploy: &Deploy) {
        let deploy = Arc::new(deploy.clone());
        self.chain.disk.accept(std::slice::from_ref(&deploy), self.now).unwrap();
        let size = deploy.serialized_length();
        assert!(self.chain.buffer.insert(deploy, size));
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, millis: u64) {
        let end = Timestamp::from(self.now.millis() + millis);
        while let Some((timer, at)) =
            self.timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at))
            && at <= end
        {
            self.now = self.now.max(at);
            self.timers.remove(&timer);
            self.give(Input::Timer(timer));
        }
        self.now = end;
    }

    /// Lets a block be made.
    pub(crate) fn block(&mut self) -> Arc<StoredBlock> {
        let height = self.chain.height();
        for _ in 0..100 {
            if self.chain.height() > height {
                break;
            }
            self.pass(100);
        }
        assert_eq!(self.chain.height(), height.next(), "no block came");
        self.chain.disk().tip().unwrap().unwrap()
    }

    /// How often an event was announced.
    pub(crate) fn count(&self, event: &Event) -> usize {
        self.events.iter().filter(|other| *other == event).count()
    }
}

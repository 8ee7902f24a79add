//! From the tree of a file to manifests and orders. Problems are collected, not stopped at, so that
//! one run lists all of them.

mod extension;
mod profiles;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
};

use casper_types::{AsymmetricType, PublicKey, account::AccountHash};

use crate::{
    Deployment, Group,
    check::{COUNT_MAX, SERVICES_MAX, is_label, is_value, is_word},
    manifest::{Endpoint, Manifest, Reach, Service},
    order::{self, Account, Order},
    problem::{Problems, excerpt},
    quantity,
    reader::{At, join},
    yaml::{self, Key},
};

/// Placements of a file.
const GROUPS_MAX: usize = 20;

/// The highest price, in motes per block: more than all there is.
pub(crate) const PRICE_MAX: u128 = 1 << 63;

/// Which language a file says it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Akash SDL 2.0.
    Sdl20,
    /// Akash SDL 2.1.
    Sdl21,
    /// Spheron ICL 1.0.
    Icl,
}

impl Dialect {
    pub(crate) const fn is_icl(self) -> bool {
        matches!(self, Self::Icl)
    }
}

/// Reads a file.
pub(crate) fn read(text: &str, block_time: NonZeroU64) -> Result<Deployment, Problems> {
    let tree = yaml::parse(text)?;
    let mut problems = Problems::default();
    let deployment = whole(&At::root(&tree), block_time, &mut problems);
    problems.unless(deployment)
}

fn whole(root: &At<'_>, block_time: NonZeroU64, problems: &mut Problems) -> Option<Deployment> {
    let mut top = root.map(problems)?;
    let dialect = top.require("version", "`version: \"2.0\"`", problems)?.word(
        &[("2.0", Dialect::Sdl20), ("2.1", Dialect::Sdl21), ("1.0", Dialect::Icl)],
        problems,
    )?;
    let extension = top.get("girrona").map(|at| extension::read(&at, block_time, problems));
    let extension = extension.unwrap_or_default();

    let mut services = BTreeMap::new();
    if let Some(at) = top.require("services", "what is to run", problems) {
        for (key, at) in named(&at, SERVICES_MAX, is_label, "a service", problems) {
            if let Some(draft) = service::read(&at, dialect, problems) {
                services.insert(key.text.clone(), (key, draft));
            }
        }
    }
    let endpoints = top.get("endpoints").map(|at| endpoints(&at, problems)).unwrap_or_default();
    let context = profiles::Context { dialect, block_time, rates: &extension.rates };
    let profiles = top
        .require("profiles", "what it needs and where", problems)
        .and_then(|at| profiles::read(&at, &context, problems))
        .unwrap_or_default();
    let notice = top.get("reclamation").and_then(|at| reclamation(&at, block_time, problems));
    if let Some(at) = top.get("include")
        && !at.list(SERVICES_MAX, problems).is_empty()
    {
        at.refuse(problems, "other files are not included; put everything into this one");
    }
    let deployed = top.require("deployment", "which service runs where", problems);
    top.finish(problems);
    let deployed = deployed?;

    service::check_references(&services, &endpoints, problems);
    let mut groups: BTreeMap<String, Draft> = BTreeMap::new();
    let mut running = BTreeSet::new();
    for (key, at) in deployed.names(problems) {
        let Some((_, service)) = services.get(&key.text) else {
            problems.say(key.place, &at.path, missing("service", services.keys()));
            continue;
        };
        running.insert(key.text.clone());
        for (place, at) in at.names(problems) {
            if !profiles.placements.contains_key(&place.text) {
                let message = missing("placement", profiles.placements.keys());
                problems.say(place.place, &at.path, message);
                continue;
            }
            let unit = unit(&at, &key.text, &place, service, &profiles, problems);
            let Some((service, price)) = unit else { continue };
            let group = groups.entry(place.text.clone()).or_insert_with(|| Draft::new(place));
            group.price = group.price.saturating_add(price);
            group.services.insert(key.text.clone(), service);
        }
    }
    for (name, (key, _)) in &services {
        if !running.contains(name) {
            let message = "this service runs nowhere; name it under `deployment` or leave it out";
            problems.say(key.place, &join("services", name), message);
        }
    }
    if groups.len() > GROUPS_MAX {
        deployed.refuse(problems, format!("{} placements; {GROUPS_MAX} are allowed", groups.len()));
    }
    if groups.values().any(|group| group.price > PRICE_MAX) {
        deployed.refuse(problems, "all copies together cost more money than there can be");
    }
    // What follows would often be a consequence of what was said already.
    if !problems.is_empty() {
        return None;
    }
    if groups.is_empty() {
        deployed.refuse(
            problems,
            "nothing runs anywhere; write `SERVICE: {PLACEMENT: {profile: NAME, count: 1}}`",
        );
    }
    check_groups(&groups, &endpoints, problems);

    let mut done = BTreeMap::new();
    for (name, draft) in groups {
        let Some(Some(placement)) = profiles.placements.get(&name) else { continue };
        let used = |endpoint: &String| {
            let reach = Reach::Endpoint(endpoint.clone());
            let mut exposed = draft.services.values().flat_map(|service| &service.expose);
            exposed.any(|expose| expose.to.contains(&reach))
        };
        let mine = endpoints.keys().filter(|endpoint| used(endpoint));
        let manifest = Manifest {
            salt: [0; 32],
            endpoints: mine.map(|endpoint| (endpoint.clone(), Endpoint::Ip)).collect(),
            services: draft.services,
        };
        let mut placement = placement.placement.clone();
        extension.narrow(&mut placement);
        profiles.narrow(&mut placement);
        let duration = extension.duration.or(profiles.duration);
        let order = Order {
            manifest_hash: manifest.hash(),
            units: order::units(&manifest),
            assemblies: order::assemblies(&manifest),
            containers: order::containers(&manifest),
            tee: order::tee(&manifest),
            price_max: draft.price,
            duration_blocks: duration.map(|ms| quantity::blocks(ms, block_time)),
            placement,
            auction: extension.auction.clone(),
            failover: extension.failover,
            retention_blocks: extension.retention_blocks,
            notice_blocks: notice,
        };
        done.insert(name, Group { order, manifest });
    }
    Some(Deployment { name: profiles.name, groups: done })
}

/// A placement that is being filled.
struct Draft {
    key: Key,
    services: BTreeMap<String, Service>,
    price: u128,
}

impl Draft {
    const fn new(key: Key) -> Self {
        Self { key, services: BTreeMap::new(), price: 0 }
    }
}

/// One service at one placement, and what it costs at most.
fn unit(
    at: &At<'_>,
    name: &str,
    place: &Key,
    draft: &service::Draft,
    profiles: &profiles::Profiles,
    problems: &mut Problems,
) -> Option<(Service, u128)> {
    let mut map = at.map(problems)?;
    let profile = map.require("profile", "`profile: NAME`, one of `profiles.compute`", problems);
    let count = map.require("count", "`count: 1`", problems);
    map.finish(problems);
    let count = count?.whole(&(1..=COUNT_MAX), problems)?;
    let profile_at = profile?;
    let profile = profile_at.text(problems)?;
    let Some(resources) = profiles.compute.get(profile) else {
        profile_at.refuse(problems, missing("compute profile", profiles.compute.keys()));
        return None;
    };
    let prices = &profiles.placements.get(&place.text)?.as_ref()?.prices;
    // ICL users write the service's name, SDL users the profile's; most files use one for both.
    let price = prices.get(profile).or_else(|| prices.get(name));
    let Some(price) = price else {
        let path = format!("profiles.placement.{}.pricing", place.text);
        let message = format!("no price for this profile; write one at {path}.{profile}");
        profile_at.refuse(problems, message);
        return None;
    };
    // What is there and wrong was spoken of where it is written.
    let (resources, price) = (resources.as_ref()?, (*price)?);
    draft.check_volumes(resources, &profile_at, problems);
    let count = u32::try_from(count).ok()?;
    let service = draft.with(resources.clone(), count);
    if service.image.is_assembly() && resources.gpu.is_some() {
        profile_at.refuse(problems, "an assembly does not use a GPU; choose a profile without one");
    }
    Some((service, price.checked_mul(u128::from(count))?))
}

/// What holds for a placement as a whole.
fn check_groups(
    groups: &BTreeMap<String, Draft>,
    endpoints: &BTreeMap<String, Key>,
    problems: &mut Problems,
) {
    let mut used = BTreeSet::new();
    for (name, group) in groups {
        let path = format!("profiles.placement.{name}");
        let place = group.key.place;
        let (mut is_reached, mut ports) = (false, BTreeSet::new());
        for (service, one) in &group.services {
            let others = one.expose.iter().flat_map(|expose| &expose.to);
            let needed = others.filter_map(|reach| match reach {
                Reach::Service(other) => Some(other),
                _ => None,
            });
            for other in needed.chain(&one.dependencies) {
                if !group.services.contains_key(other) {
                    let message = format!(
                        "`{service}` runs here without `{other}`, which it names; deploy both here"
                    );
                    problems.say(place, &path, message);
                }
            }
            for expose in &one.expose {
                for reach in &expose.to {
                    is_reached |= !matches!(reach, Reach::Service(_));
                    let Reach::Endpoint(endpoint) = reach else { continue };
                    used.insert(endpoint.clone());
                    if !ports.insert((endpoint.clone(), expose.external, expose.protocol)) {
                        let message = format!(
                            "port {} of endpoint `{endpoint}` is taken twice; give one another `as`",
                            expose.external
                        );
                        problems.say(place, &path, message);
                    }
                }
            }
        }
        if !is_reached {
            let message =
                "nobody can reach what runs here; give one service `to: [{global: true}]`";
            problems.say(place, &path, message);
        }
    }
    for (name, key) in endpoints {
        if !used.contains(name) {
            let message = format!(
                "nothing uses this endpoint; write `to: [{{ip: {name}, global: true}}]` or leave it out"
            );
            problems.say(key.place, &join("endpoints", name), message);
        }
    }
}

fn endpoints(at: &At<'_>, problems: &mut Problems) -> BTreeMap<String, Key> {
    let mut found = BTreeMap::new();
    for (key, at) in named(at, SERVICES_MAX, is_label, "an endpoint", problems) {
        let Some(mut map) = at.map(problems) else { continue };
        if let Some(kind) = map.require("kind", "`kind: ip`", problems) {
            kind.word(&[("ip", ())], problems);
        }
        map.finish(problems);
        found.insert(key.text.clone(), key);
    }
    found
}

fn reclamation(at: &At<'_>, block_time: NonZeroU64, problems: &mut Problems) -> Option<u64> {
    let mut map = at.map(problems)?;
    let window = map.require("min_window", "`min_window: 24h`", problems);
    map.finish(problems);
    let window = window?;
    let ms = window.parsed(quantity::duration, problems)?;
    if !(3_600_000..=720 * 3_600_000).contains(&ms) {
        window.refuse(problems, "the notice is not between 1h and 720h (30d)");
        return None;
    }
    Some(quantity::blocks(ms, block_time))
}

/// A mapping from names, each checked.
pub(crate) fn named<'a>(
    at: &At<'a>,
    max: usize,
    is_good: impl Fn(&str) -> bool,
    what: &str,
    problems: &mut Problems,
) -> Vec<(Key, At<'a>)> {
    let mut found = at.names(problems);
    if found.len() > max {
        at.refuse(problems, format!("{} entries; {max} are allowed", found.len()));
        found.truncate(max);
    }
    found.retain(|(key, at)| {
        let good = is_good(&key.text);
        if !good {
            let message = format!("`{}` is no name of {what}; use up to 63 small letters, digits and `-`, a letter first", excerpt(&key.text));
            problems.say(key.place, &at.path, message);
        }
        good
    });
    found
}

/// Attributes: words with words.
pub(crate) fn attributes(
    entries: Vec<(Key, At<'_>)>,
    problems: &mut Problems,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if let Some((key, at)) = entries.get(crate::check::ATTRIBUTES_MAX) {
        problems.say(key.place, &at.path, "more than 32 attributes");
    }
    for (key, at) in entries.into_iter().take(crate::check::ATTRIBUTES_MAX) {
        if !is_word(&key.text) {
            problems.say(key.place, &at.path, ATTRIBUTE);
            continue;
        }
        let Some(value) = at.text(problems) else { continue };
        if is_value(value) {
            found.insert(key.text, value.to_owned());
        } else {
            at.refuse(problems, ATTRIBUTE);
        }
    }
    found
}

pub(crate) const ATTRIBUTE: &str = "an attribute is a word of letters, digits and `_-./:+*` with a text on one line, up to 128 bytes each";

/// An account of this network.
pub(crate) fn account(text: &str) -> Result<Account, String> {
    let by_hash = AccountHash::from_formatted_str(text).ok();
    let by_key = || PublicKey::from_hex(text).ok().map(|key| key.to_account_hash());
    by_hash.or_else(by_key).map(|hash| Account(hash.value())).ok_or_else(|| {
        format!(
            "`{}` is no account of this network; write `account-hash-…` or a public key in hex",
            excerpt(text)
        )
    })
}

/// A list of accounts, or one.
pub(crate) fn accounts(at: &At<'_>, problems: &mut Problems) -> BTreeSet<Account> {
    let items = at.one_or_list(64, problems);
    items.iter().filter_map(|at| at.parsed(account, problems)).collect()
}

/// That something is named which is not there.
fn missing<'a>(what: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<_> = known.map(|name| excerpt(name)).collect();
    if known.is_empty() {
        format!("there is no {what} of this name, nor any other")
    } else {
        format!("there is no {what} of this name; there are {}", known.join(", "))
    }
}

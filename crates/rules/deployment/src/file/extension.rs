//! Our own key, `girrona`: what neither dialect can say.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
};

use super::{accounts, profiles};
use crate::{
    check::is_word,
    order::{Account, Auction, Mode, Placement},
    problem::Problems,
    quantity::{self, Decimal},
    reader::At,
};

/// What all weights add up to.
const WEIGHTS_SUM: u64 = 10_000;
/// The least weight of the price.
const PRICE_MIN: u64 = 1_000;

/// What was written under `girrona`.
#[derive(Debug, Default)]
pub(crate) struct Extension {
    pub(crate) auction: Auction,
    pub(crate) failover: bool,
    pub(crate) duration: Option<u64>,
    pub(crate) retention_blocks: u64,
    /// What one of a foreign denomination is worth, in motes.
    pub(crate) rates: BTreeMap<String, Decimal>,
    region: Option<String>,
    regions_excluded: BTreeSet<String>,
    tiers: BTreeSet<u8>,
    mode: Option<Mode>,
    providers: BTreeSet<Account>,
    providers_excluded: BTreeSet<Account>,
}

impl Extension {
    /// Adds what was written here to what a placement says.
    pub(crate) fn narrow(&self, placement: &mut Placement) {
        placement.region_preferred.clone_from(&self.region);
        placement.regions_excluded.extend(self.regions_excluded.iter().cloned());
        placement.providers.extend(&self.providers);
        placement.providers_excluded.extend(&self.providers_excluded);
        placement.tiers.extend(&self.tiers);
        placement.mode = self.mode.or(placement.mode);
    }
}

pub(crate) fn read(at: &At<'_>, block_time: NonZeroU64, problems: &mut Problems) -> Extension {
    let mut found = Extension::default();
    let Some(mut map) = at.map(problems) else { return found };
    if let Some(at) = map.get("window") {
        let window = at.whole(&(1..=2), problems);
        found.auction.window = window.and_then(|window| u8::try_from(window).ok());
    }
    if let Some(at) = map.get("auction") {
        found.auction.sealed = at.word(&[("open", false), ("sealed", true)], problems);
    }
    if let Some(at) = map.get("weights") {
        found.auction.weights = weights(&at, problems);
    }
    if let Some(at) = map.get("epsilon") {
        let epsilon = at.whole(&(0..=500), problems);
        found.auction.epsilon = epsilon.and_then(|epsilon| u16::try_from(epsilon).ok());
    }
    if let Some(at) = map.get("failover") {
        found.failover = at.flag(problems).unwrap_or_default();
    }
    if let Some(at) = map.get("duration") {
        found.duration = at.parsed(quantity::duration, problems);
    }
    if let Some(at) = map.get("retention") {
        let ms = at.parsed(quantity::duration, problems).unwrap_or_default();
        found.retention_blocks = quantity::blocks(ms, block_time);
    }
    if let Some(at) = map.get("rates") {
        for (key, at) in at.names(problems) {
            let rate = at.parsed(quantity::amount, problems);
            if profiles::own(&key.text).is_some() {
                let message = "motes and GIRRO need no rate; leave it out";
                problems.say(key.place, &at.path, message);
            } else if let Some(rate) = rate {
                found.rates.insert(key.text, rate);
            }
        }
    }
    if let Some(at) = map.get("region") {
        found.region = region(&at, problems);
    }
    if let Some(at) = map.get("region_exclude") {
        found.regions_excluded = regions(&at, problems);
    }
    for key in ["tier", "tiers"] {
        if let Some(at) = map.get(key) {
            found.tiers.extend(profiles::tiers(&at, problems));
        }
    }
    found.mode = map.get("mode").and_then(|at| profiles::mode(&at, problems));
    if let Some(at) = map.get("providers") {
        found.providers = accounts(&at, problems);
    }
    if let Some(at) = map.get("providers_exclude") {
        found.providers_excluded = accounts(&at, problems);
    }
    map.finish(problems);
    found
}

fn weights(at: &At<'_>, problems: &mut Problems) -> Option<[u16; 7]> {
    let mut map = at.map(problems)?;
    let names = ["price", "uptime", "reputation", "locality", "tier", "stake", "capacity"];
    let mut weights = [0_u16; 7];
    let (mut sum, mut price) = (0_u64, 0);
    for (name, weight) in names.into_iter().zip(&mut weights) {
        let Some(at) = map.get(name) else { continue };
        let points = at.whole(&(0..=WEIGHTS_SUM), problems)?;
        *weight = u16::try_from(points).ok()?;
        sum = sum.saturating_add(points);
        if name == "price" {
            price = points;
        }
    }
    map.finish(problems);
    if sum != WEIGHTS_SUM {
        at.refuse(problems, format!("the weights add up to {sum}; they have to be {WEIGHTS_SUM}"));
        return None;
    }
    if price < PRICE_MIN {
        at.refuse(problems, format!("the price weighs {price}; it has to be {PRICE_MIN} at least"));
        return None;
    }
    Some(weights)
}

/// The name of a region.
pub(crate) fn region(at: &At<'_>, problems: &mut Problems) -> Option<String> {
    let text = at.text(problems)?.trim();
    if !is_word(text) {
        at.refuse(problems, "a region is a word such as `eu-west`");
        return None;
    }
    Some(text.to_owned())
}

/// Regions, in a list or with `;` between them.
pub(crate) fn regions(at: &At<'_>, problems: &mut Problems) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for at in at.one_or_list(64, problems) {
        for name in at.text(problems).unwrap_or("-").split(';').map(str::trim) {
            if is_word(name) {
                found.insert(name.to_owned());
            } else {
                at.refuse(problems, "regions are words such as `eu-west`, with `;` between them");
            }
        }
    }
    found
}

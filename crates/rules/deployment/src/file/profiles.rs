//! `profiles`: what a copy needs (`compute`), where it may run and for how much (`placement`).

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU64,
};

use super::{Dialect, PRICE_MAX, accounts, attributes, extension, named};
use crate::{
    check::{
        CPU_MAX, CPU_MIN, GPU_MAX, MEMORY_MAX, MEMORY_MIN, STORAGE_MAX, STORAGE_MIN, VOLUMES_MAX,
        is_label, is_word,
    },
    manifest::{Gpu, GpuInterface, GpuModel, Resources, StorageClass, Volume},
    order::{Mode, Placement},
    problem::{Problems, excerpt},
    quantity::{self, Decimal, Per},
    reader::{At, Map},
};

/// Profiles and placements of a file.
const PROFILES_MAX: usize = 64;

/// What the rest of the file says.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) block_time: NonZeroU64,
    pub(crate) rates: &'a BTreeMap<String, Decimal>,
}

/// What was written under `profiles`.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    pub(crate) name: Option<String>,
    pub(crate) duration: Option<u64>,
    mode: Option<Mode>,
    tiers: BTreeSet<u8>,
    /// By name; absent what is wrong.
    pub(crate) compute: BTreeMap<String, Option<Resources>>,
    pub(crate) placements: BTreeMap<String, Option<Place>>,
}

/// One placement.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) placement: Placement,
    /// Motes per block for one copy, by profile.
    pub(crate) prices: BTreeMap<String, Option<u128>>,
}

impl Profiles {
    /// Adds what holds for every placement.
    pub(crate) fn narrow(&self, placement: &mut Placement) {
        placement.tiers.extend(&self.tiers);
        placement.mode = placement.mode.or(self.mode);
    }
}

pub(crate) fn read(
    at: &At<'_>,
    context: &Context<'_>,
    problems: &mut Problems,
) -> Option<Profiles> {
    let mut map = at.map(problems)?;
    let mut found = Profiles::default();
    if context.dialect.is_icl() {
        if let Some(at) = map.get("name") {
            let name = at.text(problems).map(excerpt);
            found.name = name;
        }
        found.duration = map.get("duration").and_then(|at| at.parsed(quantity::duration, problems));
        found.mode = map.get("mode").and_then(|at| mode(&at, problems));
        for key in ["tier", "tiers"] {
            if let Some(at) = map.get(key) {
                found.tiers.extend(tiers(&at, problems));
            }
        }
    } else {
        let instead = "this is a key of ICL 1.0; here it belongs under the top-level key `girrona`";
        for key in ["duration", "mode", "tier", "tiers"] {
            map.foreign(key, instead, problems);
        }
        map.foreign("name", "this is a key of ICL 1.0; leave it out", problems);
    }
    let compute = map.require("compute", "`compute: {NAME: {resources: …}}`", problems);
    let placement = map.require("placement", "`placement: {NAME: {pricing: …}}`", problems);
    map.finish(problems);
    if let Some(at) = compute {
        for (key, at) in named(&at, PROFILES_MAX, is_word, "a profile", problems) {
            found.compute.insert(key.text, profile(&at, context, problems));
        }
    }
    if let Some(at) = placement {
        for (key, at) in named(&at, PROFILES_MAX, is_word, "a placement", problems) {
            found.placements.insert(key.text, place(&at, context, found.mode, problems));
        }
    }
    Some(found)
}

/// `provider` or `fizz`.
pub(crate) fn mode(at: &At<'_>, problems: &mut Problems) -> Option<Mode> {
    at.word(&[("provider", Mode::Provider), ("fizz", Mode::Fizz)], problems)
}

/// Trust tiers by Spheron's names.
pub(crate) fn tiers(at: &At<'_>, problems: &mut Problems) -> BTreeSet<u8> {
    let words: [(&str, (u8, u8)); 9] = [
        ("secured", (1, 3)),
        ("secured-1", (1, 1)),
        ("secured-2", (2, 2)),
        ("secured-3", (3, 3)),
        ("community", (4, 7)),
        ("community-1", (4, 4)),
        ("community-2", (5, 5)),
        ("community-3", (6, 6)),
        ("community-4", (7, 7)),
    ];
    let items = at.one_or_list(16, problems);
    let ranges = items.iter().filter_map(|at| at.word(&words, problems));
    ranges.flat_map(|(first, last)| first..=last).collect()
}

fn profile(at: &At<'_>, context: &Context<'_>, problems: &mut Problems) -> Option<Resources> {
    let mut map = at.map(problems)?;
    let resources =
        map.require("resources", "`resources: {cpu: …, memory: …, storage: …}`", problems);
    map.finish(problems);
    let mut map = resources?.map(problems)?;
    let cpu = map.require("cpu", "`cpu: {units: 0.5}`", problems);
    let memory = map.require("memory", "`memory: {size: 512Mi}`", problems);
    let storage = map.require("storage", "`storage: {size: 1Gi}`", problems);
    let gpu = map.get("gpu");
    map.finish(problems);

    let cpu = cpu.and_then(|at| cpu_of(&at, problems));
    let memory = memory.and_then(|at| memory_of(&at, problems));
    let storage = storage.map(|at| storage_of(&at, problems));
    let gpu = gpu.map(|at| gpu_of(&at, context.dialect, problems));
    let ((cpu_milli, cpu_attributes), (memory, memory_attributes)) = (cpu?, memory?);
    let (storage, gpu) = (storage?, gpu.unwrap_or_default());
    Some(Resources { cpu_milli, cpu_attributes, memory, memory_attributes, storage, gpu })
}

fn cpu_of(at: &At<'_>, problems: &mut Problems) -> Option<(u64, BTreeMap<String, String>)> {
    let mut map = at.map(problems)?;
    let units = map.require("units", "`units: 0.5` or `units: 500m`", problems);
    let attributes = map.get("attributes").map(|at| cpu_attributes(&at, problems));
    map.finish(problems);
    let units = units?;
    let milli = units.parsed(quantity::cpu, problems)?;
    if !(CPU_MIN..=CPU_MAX).contains(&milli) {
        units.refuse(problems, "one copy has between 10m and 384 processors");
        return None;
    }
    Some((milli, attributes.unwrap_or_default()))
}

/// Attributes; `arch` may be a word or, in ICL, a mapping to a model.
fn cpu_attributes(at: &At<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let (arch, plain): (Vec<_>, Vec<_>) = at.names(problems).into_iter().partition(|(key, at)| {
        key.text == "arch" && matches!(at.node.value, crate::yaml::Value::Map(_))
    });
    let mut found = attributes(plain, problems);
    for (_, at) in arch {
        for (key, at) in at.names(problems) {
            if !is_word(&key.text) {
                problems.say(key.place, &at.path, super::ATTRIBUTE);
                continue;
            }
            if found.insert("arch".to_owned(), key.text.clone()).is_some() {
                at.refuse(problems, "one architecture only");
            }
            if at.node.is_null() {
                continue;
            }
            let Some(mut map) = at.map(problems) else { continue };
            let model = map.require("model", "`model: NAME`", problems);
            map.finish(problems);
            let model = model.and_then(|at| at.text(problems).map(str::to_owned));
            if let Some(model) = model {
                found.insert("model".to_owned(), model);
            }
        }
    }
    found
}

fn memory_of(at: &At<'_>, problems: &mut Problems) -> Option<(u64, BTreeMap<String, String>)> {
    let mut map = at.map(problems)?;
    let size = map.require("size", "`size: 512Mi`", problems);
    let found = map.get("attributes").map(|at| attributes(at.names(problems), problems));
    map.finish(problems);
    let size = bytes(&size?, MEMORY_MIN, MEMORY_MAX, "between 1Mi and 2Ti of memory", problems)?;
    Some((size, found.unwrap_or_default()))
}

fn bytes(at: &At<'_>, least: u64, most: u64, range: &str, problems: &mut Problems) -> Option<u64> {
    let size = at.parsed(quantity::bytes, problems)?;
    if !(least..=most).contains(&size) {
        at.refuse(problems, format!("one copy has {range}"));
        return None;
    }
    Some(size)
}

fn storage_of(at: &At<'_>, problems: &mut Problems) -> BTreeMap<String, Volume> {
    let mut found = BTreeMap::new();
    for at in at.one_or_list(VOLUMES_MAX, problems) {
        let Some(mut map) = at.map(problems) else { continue };
        let name = map.get("name").and_then(|at| Some((at.text(problems)?.to_owned(), at)));
        let size = map.require("size", "`size: 1Gi`", problems);
        let volume = map.get("attributes").and_then(|at| volume_attributes(&at, problems));
        map.finish(problems);
        let range = "between 5Mi and 32Ti in a volume";
        let size = size.and_then(|at| bytes(&at, STORAGE_MIN, STORAGE_MAX, range, problems));
        let (text, name_at) = name.unwrap_or_else(|| ("default".to_owned(), at.clone()));
        if !is_label(&text) {
            name_at.refuse(
                problems,
                "a volume's name has small letters, digits and `-`, a letter first",
            );
            continue;
        }
        let (persistent, class) = volume.unwrap_or((false, StorageClass::Default));
        let volume = Volume { size: size.unwrap_or(STORAGE_MIN), persistent, class };
        if found.insert(text, volume).is_some() {
            name_at.refuse(problems, "two volumes have this name; give each its own `name`");
        }
    }
    if found.is_empty() {
        at.refuse(problems, "no volume; write `size: 1Gi` for the copy's own files");
    }
    found
}

fn volume_attributes(at: &At<'_>, problems: &mut Problems) -> Option<(bool, StorageClass)> {
    let mut map = at.map(problems)?;
    let persistent = map.get("persistent").and_then(|at| at.flag(problems)).unwrap_or_default();
    let class = map.get("class").and_then(|class| {
        let words = [
            ("default", StorageClass::Default),
            ("beta1", StorageClass::Beta1),
            ("beta2", StorageClass::Beta2),
            ("beta3", StorageClass::Beta3),
            ("ram", StorageClass::Ram),
        ];
        Some((class.word(&words, problems)?, class))
    });
    map.finish(problems);
    let Some((class, class_at)) = class else { return Some((persistent, StorageClass::Default)) };
    if persistent && class == StorageClass::Ram {
        class_at.refuse(problems, "memory does not outlive a restart; write `persistent: false`");
        return None;
    }
    Some((persistent, class))
}

fn gpu_of(at: &At<'_>, dialect: Dialect, problems: &mut Problems) -> Option<Gpu> {
    let mut map = at.map(problems)?;
    let units = map.require("units", "`units: 1`", problems);
    let attributes = map.get("attributes");
    let memory_min = if dialect.is_icl() {
        map.get("req_vram").and_then(|at| at.parsed(vram, problems))
    } else {
        map.foreign("req_vram", "this is a key of ICL 1.0; name models with their `ram`", problems);
        None
    };
    map.finish(problems);
    let units_at = units?;
    let units = units_at.whole(&(0..=GPU_MAX), problems)?;
    let mut models = BTreeSet::new();
    if let Some(at) = &attributes {
        models = vendors(at, problems);
    }
    if units == 0 {
        if !models.is_empty() {
            units_at.refuse(
                problems,
                "models are named but no units; write how many, or leave `gpu` out",
            );
        }
        return None;
    }
    if models.is_empty() {
        units_at.refuse(problems, "no vendor is named; write `attributes: {vendor: {nvidia: }}`");
        return None;
    }
    Some(Gpu { units: u32::try_from(units).ok()?, models, memory_min })
}

/// `>=80` or `80`, in GiB, or with a unit.
fn vram(text: &str) -> Result<u64, String> {
    let number = text.strip_prefix(">=").unwrap_or(text).trim();
    let is_bare = number.bytes().all(|byte| byte.is_ascii_digit());
    let size = if is_bare { format!("{number}Gi") } else { number.to_owned() };
    quantity::bytes(&size)
        .map_err(|_| format!("`{}` is no size; write `\">=80\"` for 80 GiB or more", excerpt(text)))
}

fn vendors(at: &At<'_>, problems: &mut Problems) -> BTreeSet<GpuModel> {
    let mut found = BTreeSet::new();
    let Some(mut map) = at.map(problems) else { return found };
    let vendor = map.require("vendor", "`vendor: {nvidia: }`", problems);
    map.finish(problems);
    let Some(vendor) = vendor else { return found };
    for (key, at) in named(&vendor, 8, is_label, "a vendor", problems) {
        let any = GpuModel { vendor: key.text, model: None, ram: None, interface: None };
        if at.node.is_null() {
            found.insert(any);
            continue;
        }
        for at in at.list(32, problems) {
            if let Some(model) = model(&at, &any, problems) {
                found.insert(model);
            }
        }
    }
    found
}

fn model(at: &At<'_>, any: &GpuModel, problems: &mut Problems) -> Option<GpuModel> {
    let mut map = at.map(problems)?;
    let mut found = any.clone();
    if let Some(at) = map.get("model") {
        let text = at.text(problems)?;
        if !is_word(text) {
            at.refuse(problems, "a model is a word such as `a100`; leave it out for any");
        }
        found.model = (text != "*").then(|| text.to_owned());
    }
    found.ram = map.get("ram").and_then(|at| at.parsed(quantity::bytes, problems));
    found.interface = map.get("interface").and_then(|at| {
        at.word(&[("pcie", GpuInterface::Pcie), ("sxm", GpuInterface::Sxm)], problems)
    });
    map.finish(problems);
    Some(found)
}

fn place(
    at: &At<'_>,
    context: &Context<'_>,
    mode: Option<Mode>,
    problems: &mut Problems,
) -> Option<Place> {
    let mut map = at.map(problems)?;
    let mut placement = Placement::default();
    if let Some(at) = map.get("attributes") {
        place_attributes(&at, context.dialect, mode, &mut placement, problems);
    }
    if let Some(at) = map.get("signedBy") {
        signed_by(&at, &mut placement, problems);
    }
    let pricing =
        map.require("pricing", "`pricing: {PROFILE: {denom: motes, amount: 50}}`", problems);
    map.finish(problems);
    let mut prices = BTreeMap::new();
    for (key, at) in pricing?.names(problems) {
        prices.insert(key.text, price(&at, context, problems));
    }
    Some(Place { placement, prices })
}

fn signed_by(at: &At<'_>, placement: &mut Placement, problems: &mut Problems) {
    let Some(mut map) = at.map(problems) else { return };
    if let Some(at) = map.get("allOf") {
        placement.signed_by_all = accounts(&at, problems);
    }
    if let Some(at) = map.get("anyOf") {
        placement.signed_by_any = accounts(&at, problems);
    }
    map.finish(problems);
}

/// Attributes with a meaning of their own, and the others. In SDL, `region` is one of the others
/// by name; it means the same.
fn place_attributes(
    at: &At<'_>,
    dialect: Dialect,
    mode: Option<Mode>,
    placement: &mut Placement,
    problems: &mut Problems,
) {
    let mut plain = Vec::new();
    for (key, at) in at.names(problems) {
        match key.text.as_str() {
            "region" => placement.regions = extension::regions(&at, problems),
            _ if !dialect.is_icl() => plain.push((key, at)),
            // Both are in use.
            "region_exclude" | "exclude_region" => {
                placement.regions_excluded.extend(extension::regions(&at, problems));
            }
            "desired_provider" => placement.providers.extend(accounts(&at, problems)),
            "provider_exclude" => placement.providers_excluded.extend(accounts(&at, problems)),
            "desired_fizz" | "fizz_exclude" if mode != Some(Mode::Fizz) => {
                at.refuse(problems, "this is for `mode: fizz`; change the mode or leave it out");
            }
            "desired_fizz" => placement.providers.extend(accounts(&at, problems)),
            "fizz_exclude" => placement.providers_excluded.extend(accounts(&at, problems)),
            "bandwidth" => placement.bandwidth = at.parsed(quantity::bandwidth, problems),
            _ => plain.push((key, at)),
        }
    }
    placement.attributes = attributes(plain, problems);
}

/// What one of our own denominations is worth, in motes.
pub(crate) fn own(denomination: &str) -> Option<Decimal> {
    if denomination.eq_ignore_ascii_case("motes") || denomination.eq_ignore_ascii_case("mote") {
        Decimal::read("1")
    } else if denomination.eq_ignore_ascii_case("girro") {
        Decimal::read("1000000000")
    } else {
        None
    }
}

fn price(at: &At<'_>, context: &Context<'_>, problems: &mut Problems) -> Option<u128> {
    let mut map = at.map(problems)?;
    let (denomination, per) = denomination(&mut map, context.dialect, problems);
    let amount = map.require("amount", "`amount: 50`", problems);
    map.finish(problems);
    let (denomination, amount) = (denomination?, amount?);
    let text = denomination.text(problems)?;
    let Some(rate) = own(text).or_else(|| context.rates.get(text).copied()) else {
        let text = excerpt(text);
        let message = format!(
            "`{text}` is not money of this network; write `motes` or `GIRRO`, or say under \
             `girrona: {{rates: {{{text}: …}}}}` how many motes one is worth to you"
        );
        denomination.refuse(problems, message);
        return None;
    };
    let decimal = amount.parsed(quantity::amount, problems)?;
    let motes = quantity::motes_per_block(decimal, rate, per, context.block_time);
    let motes = motes.filter(|motes| *motes <= PRICE_MAX);
    if motes.is_none() {
        amount.refuse(problems, "this is more money than there can be");
    }
    motes
}

/// SDL says `denom` and means a price per block, ICL `token` and per hour.
fn denomination<'a>(
    map: &mut Map<'a>,
    dialect: Dialect,
    problems: &mut Problems,
) -> (Option<At<'a>>, Per) {
    if dialect.is_icl() {
        map.foreign("denom", "ICL 1.0 says `token`, and `amount` is per hour", problems);
        (map.require("token", "`token: GIRRO`", problems), Per::Hour)
    } else {
        map.foreign("token", "SDL says `denom`, and `amount` is per block", problems);
        (map.require("denom", "`denom: motes`", problems), Per::Block)
    }
}

//! Whether what somebody sent keeps to the law's bounds. Nothing of unlimited size gets past here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use girrona_types::market::{Access, MarketLaw, Motes};

use crate::{
    call::{OrderTerms, ProviderProfile},
    records::Resources,
    refusal::Refusal,
};

/// Names: regions, attributes, runtimes, services.
const NAME_MAX: usize = 64;
/// URLs and values of attributes.
const TEXT_MAX: usize = 256;
/// Entries of a list.
const LIST_MAX: usize = 32;
/// Addresses, ports or URLs of one service.
const ACCESS_MAX: usize = 16;
/// Auditors: each costs a read.
const AUDITORS_MAX: usize = 4;

/// A text that is neither empty nor long.
pub(crate) fn text(field: &'static str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(Refusal::Empty { field });
    }
    length(field, text.len(), most)
}

fn length(field: &'static str, found: usize, most: usize) -> Result<(), Refusal> {
    let (found, most) = (found as u64, most as u64);
    if found > most { Err(Refusal::TooLong { field, found, most }) } else { Ok(()) }
}

pub(crate) fn range(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), Refusal> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(Refusal::OutOfRange { field, found, least, most })
    }
}

/// A list of different things.
fn list<T: Ord>(field: &'static str, items: &[T], most: usize) -> Result<(), Refusal> {
    length(field, items.len(), most)?;
    let different: BTreeSet<_> = items.iter().collect();
    if different.len() == items.len() { Ok(()) } else { Err(Refusal::Twice { field }) }
}

fn names(field: &'static str, items: &[String]) -> Result<(), Refusal> {
    list(field, items, LIST_MAX)?;
    items.iter().try_for_each(|item| text(field, item, NAME_MAX))
}

pub(crate) fn attributes(items: &BTreeMap<String, String>) -> Result<(), Refusal> {
    length("attributes", items.len(), LIST_MAX)?;
    items.iter().try_for_each(|(name, value)| {
        text("attributes", name, NAME_MAX)?;
        length("attributes", value.len(), TEXT_MAX)
    })
}

pub(crate) fn gateway(url: &str) -> Result<(), Refusal> {
    text("gateway", url, TEXT_MAX)?;
    host(url).map(|_| ())
}

pub(crate) fn services(items: &[String]) -> Result<(), Refusal> {
    names("services", items)
}

pub(crate) fn profile(profile: &ProviderProfile, law: &MarketLaw) -> Result<(), Refusal> {
    gateway(&profile.gateway)?;
    text("region", &profile.region, NAME_MAX)?;
    attributes(&profile.attributes)?;
    if profile.runtimes.is_empty() {
        return Err(Refusal::Empty { field: "runtimes" });
    }
    names("runtimes", &profile.runtimes)?;
    range("reclaim_window", profile.reclaim_window, 0, law.max_duration_blocks)
}

/// Motes that are said to come from outside. No network has more, and no sum of them overflows.
pub(crate) fn motes(field: &'static str, motes: Motes) -> Result<(), Refusal> {
    if motes.0 >> 96 == 0 {
        return Ok(());
    }
    Err(Refusal::OutOfRange { field, found: u64::MAX, least: 1, most: u64::MAX })
}

/// A price per block.
pub(crate) fn price(field: &'static str, price: Motes, law: &MarketLaw) -> Result<(), Refusal> {
    let found = u64::try_from(price.0).unwrap_or(u64::MAX);
    range(field, found, 1, law.max_price)
}

/// What an order needs: something, at least.
pub(crate) fn resources(resources: &Resources) -> Result<(), Refusal> {
    if resources.cpu_milli == 0 || resources.memory_mib == 0 {
        return Err(Refusal::Empty { field: "resources" });
    }
    Ok(())
}

pub(crate) fn terms(terms: &OrderTerms, law: &MarketLaw) -> Result<(), Refusal> {
    price("max_price", terms.max_price, law)?;
    if let Some(blocks) = terms.duration {
        range("duration", blocks, 1, law.max_duration_blocks)?;
    }
    range("bid_window", terms.bid_window, 0, 2)?;
    let [price, ..] = terms.weights;
    let sum = terms.weights.iter().fold(0_u64, |sum, w| sum.saturating_add(u64::from(*w)));
    if sum != 10_000 || price < 1_000 {
        return Err(Refusal::BadWeights { sum, price: price.into() });
    }
    range("epsilon", terms.epsilon.into(), 0, 500)?;
    resources(&terms.resources)?;
    text("runtime", &terms.runtime, NAME_MAX)?;
    services(&terms.services)?;
    attributes(&terms.attributes)?;
    list("signed_by", &terms.signed_by, AUDITORS_MAX)?;
    names("regions", &terms.regions)?;
    names("regions_excluded", &terms.regions_excluded)?;
    list("desired", &terms.desired, LIST_MAX)?;
    list("excluded", &terms.excluded, LIST_MAX)?;
    range("tier_max", terms.tier_max.into(), 1, 7)?;
    range("retention_blocks", terms.retention_blocks, 0, law.max_duration_blocks)?;
    range("reclaim_window", terms.reclaim_window, 0, law.max_duration_blocks)?;
    for price in terms.meter_prices {
        range("meter_prices", price, 0, law.max_price)?;
    }
    let most = Motes(u128::from(u64::MAX));
    for (field, motes) in [
        ("meter_cap", terms.meter_cap),
        ("meter_budget", terms.meter_budget),
        ("min_stake", terms.min_stake),
    ] {
        if motes > most {
            return Err(Refusal::OutOfRange { field, found: u64::MAX, least: 0, most: u64::MAX });
        }
    }
    Ok(())
}

/// Whether each service can be reached, and, unless the law allows others, from everywhere.
pub(crate) fn access(
    access: &[Access],
    services: &[String],
    law: &MarketLaw,
) -> Result<(), Refusal> {
    length("access", access.len(), LIST_MAX)?;
    for record in access {
        text("access", &record.service, NAME_MAX)?;
        length("ips", record.ips.len(), ACCESS_MAX)?;
        length("ports", record.ports.len(), ACCESS_MAX)?;
        length("urls", record.urls.len(), ACCESS_MAX)?;
        for ip in &record.ips {
            public(*ip, law)?;
        }
        for url in &record.urls {
            text("urls", url, TEXT_MAX)?;
            let host = host(url)?;
            match host.parse::<IpAddr>() {
                Ok(ip) => public(ip, law)?,
                Err(_) if law.private_addresses || !is_local_name(host) => {}
                Err(_) => return Err(Refusal::PrivateAddress { address: host.to_owned() }),
            }
        }
    }
    for service in services {
        let reachable = access.iter().any(|record| {
            record.service == *service
                && (!record.urls.is_empty() || !record.ips.is_empty() && !record.ports.is_empty())
        });
        if !reachable {
            return Err(Refusal::AccessMissing { service: service.clone() });
        }
    }
    Ok(())
}

fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local")
}

/// The host of a URL, without brackets.
fn host(url: &str) -> Result<&str, Refusal> {
    let bad = || Refusal::BadUrl { url: url.chars().take(TEXT_MAX).collect() };
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    if scheme.is_empty() || !scheme.chars().all(fits) || url.chars().any(char::is_whitespace) {
        return Err(bad());
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(host, _)| host),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() { Err(bad()) } else { Ok(host) }
}

fn public(ip: IpAddr, law: &MarketLaw) -> Result<(), Refusal> {
    let hidden = match ip {
        IpAddr::V4(ip) => is_private_v4(ip),
        IpAddr::V6(ip) => is_private_v6(ip),
    };
    if hidden && !law.private_addresses {
        return Err(Refusal::PrivateAddress { address: ip.to_string() });
    }
    Ok(())
}

fn is_private_v4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || a >= 240
}

fn is_private_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_private_v4(v4);
    }
    let [first, ..] = ip.segments();
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || (first & 0xfe00) == 0xfc00
        || (first & 0xffc0) == 0xfe80
}

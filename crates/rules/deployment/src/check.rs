//! What holds for every manifest, whether it was read from a file or came over a wire: bounds, names
//! that mean something, forms.

use std::collections::BTreeSet;

use crate::manifest::{
    Expose, Manifest, NextCase, Protocol, Reach, Resources, Service, StorageClass,
};

pub(crate) const SERVICES_MAX: usize = 20;
pub(crate) const COUNT_MAX: u64 = 50;
pub(crate) const CPU_MIN: u64 = 10;
pub(crate) const CPU_MAX: u64 = 384_000;
pub(crate) const MEMORY_MIN: u64 = 1 << 20;
pub(crate) const MEMORY_MAX: u64 = 2 << 40;
pub(crate) const STORAGE_MIN: u64 = 5 << 20;
pub(crate) const STORAGE_MAX: u64 = 32 << 40;
pub(crate) const GPU_MAX: u64 = 24;
pub(crate) const WORDS_MAX: usize = 256;
pub(crate) const WORD_MAX: usize = 32 * 1024;
pub(crate) const EXPOSE_MAX: usize = 64;
pub(crate) const RANGE_MAX: u16 = 1_024;
pub(crate) const HOSTS_MAX: usize = 32;
pub(crate) const VOLUMES_MAX: usize = 8;
pub(crate) const ATTRIBUTES_MAX: usize = 32;
pub(crate) const BODY_MAX: u64 = 104_857_600;
pub(crate) const TIMEOUT_MAX: u64 = 60_000;
pub(crate) const BUFFER_MAX: u64 = 1 << 20;
pub(crate) const TRIES_MAX: u64 = 100;
pub(crate) const STATUSES: [u16; 7] = [500, 502, 503, 504, 403, 404, 429];

/// Names of services, endpoints and volumes: labels of the domain name system.
pub(crate) fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.ends_with(edge)
        && text.chars().all(|c| edge(c) || c == '-')
}

/// Names of profiles and placements, keys and values of attributes.
pub(crate) fn is_word(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-./:+*".contains(c);
    !text.is_empty() && text.len() <= 128 && text.chars().all(inside)
}

/// Values of attributes.
pub(crate) fn is_value(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.trim() == text && !text.contains(char::is_control)
}

/// Names of environment variables.
pub(crate) fn is_variable(text: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.len() <= 256
        && text.starts_with(first)
        && text.chars().all(|c| first(c) || c.is_ascii_digit() || c == '.' || c == '-')
}

/// Host names; `*.` before one means the names below it.
pub(crate) fn is_host(text: &str) -> bool {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.len() <= 63
            && label.starts_with(edge)
            && label.ends_with(edge)
            && label.chars().all(|c| edge(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Absolute paths without `.` and `..`; not the root.
pub(crate) fn is_mount(text: &str) -> bool {
    let step = |step: &str| {
        !matches!(step, "" | "." | "..") && step.len() <= 255 && !step.contains(char::is_control)
    };
    text.len() <= 1_024 && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(step))
}

/// Whether a port is one that web requests come to: its requests share an entrance by host name.
pub(crate) const fn is_web(external: u16, protocol: Protocol) -> bool {
    external == 80 && matches!(protocol, Protocol::Tcp)
}

/// Whether an exposed port's own numbers are good.
pub(crate) fn width_is_good(expose: &Expose) -> bool {
    let Some(end) = expose.port_end else { return true };
    let width = end.checked_sub(expose.port);
    width.is_some_and(|width| width < RANGE_MAX && expose.external.checked_add(width).is_some())
}

/// What is wrong with a manifest.
pub(crate) fn manifest(manifest: &Manifest) -> Result<(), String> {
    let names = manifest.services.keys().chain(manifest.endpoints.keys());
    if let Some(name) = names.into_iter().find(|name| !is_label(name)) {
        return Err(format!("`{}` is no name", crate::problem::excerpt(name)));
    }
    if manifest.services.is_empty() || manifest.services.len() > SERVICES_MAX {
        return Err(format!("it has {} services", manifest.services.len()));
    }
    let mut used = BTreeSet::new();
    for (name, one) in &manifest.services {
        service(manifest, name, one).map_err(|reason| format!("service {name}: {reason}"))?;
        for expose in &one.expose {
            for reach in &expose.to {
                if let Reach::Endpoint(endpoint) = reach
                    && !used.insert((endpoint, expose.external, expose.protocol))
                {
                    return Err(format!("{endpoint} has port {} twice", expose.external));
                }
            }
        }
    }
    let endpoint_is_used = |name: &String| used.iter().any(|(endpoint, ..)| *endpoint == name);
    match manifest.endpoints.keys().find(|name| !endpoint_is_used(name)) {
        Some(name) => Err(format!("endpoint {name} is not used")),
        None => Ok(()),
    }
}

fn service(manifest: &Manifest, name: &str, service: &Service) -> Result<(), String> {
    let words = service.command.len().max(service.args.len()).max(service.env.len());
    let texts = service.command.iter().chain(&service.args).chain(service.env.values());
    if words > WORDS_MAX || texts.into_iter().any(|text| !is_text(&text.0)) {
        return Err("an argument or variable is too long, or there are too many".to_owned());
    }
    if !service.env.keys().all(|key| is_variable(key)) {
        return Err("a variable has no usable name".to_owned());
    }
    if let crate::Image::Container(reference) = &service.image
        && !matches!(reference.parse(), Ok(crate::Image::Container(_)))
    {
        return Err("the image is none".to_owned());
    }
    if service.image.is_assembly()
        && (service.command.len() > 1
            || service.credentials.is_some()
            || service.resources.gpu.is_some())
    {
        return Err("an assembly has one entry point, no credentials and no GPU".to_owned());
    }
    if service.count == 0 || u64::from(service.count) > COUNT_MAX {
        return Err(format!("{} copies", service.count));
    }
    let others = |other: &String| other != name && manifest.services.contains_key(other);
    if !service.dependencies.iter().all(others) {
        return Err("it depends on what is not there".to_owned());
    }
    if service.expose.len() > EXPOSE_MAX {
        return Err("too many ports".to_owned());
    }
    for one in &service.expose {
        expose(manifest, one)?;
    }
    let volumes = &service.resources.storage;
    let mounts = &service.mounts;
    let paths: BTreeSet<_> = mounts.values().map(|mount| &mount.path).collect();
    if !mounts.keys().all(|volume| volumes.contains_key(volume))
        || !mounts.values().all(|mount| is_mount(&mount.path))
        || paths.len() != mounts.len()
        || volumes.iter().any(|(name, volume)| volume.persistent && !mounts.contains_key(name))
    {
        return Err("its volumes and mounts do not fit together".to_owned());
    }
    resources(&service.resources)
}

/// Text that can be an argument: not endless, no zero byte.
pub(crate) fn is_text(text: &str) -> bool {
    text.len() <= WORD_MAX && !text.contains('\0')
}

fn expose(manifest: &Manifest, expose: &Expose) -> Result<(), String> {
    let reaches = |reach: &Reach| match reach {
        Reach::World => true,
        Reach::Endpoint(name) => manifest.endpoints.contains_key(name),
        Reach::Service(name) => manifest.services.contains_key(name),
    };
    let web = is_web(expose.external, expose.protocol) && expose.to.contains(&Reach::World);
    if expose.port == 0
        || expose.external == 0
        || !width_is_good(expose)
        || !expose.to.iter().all(reaches)
        || expose.http.is_some() != web
        || expose.hosts.len() > HOSTS_MAX
        || (!web && !expose.hosts.is_empty())
        || !expose.hosts.iter().all(|host| is_host(host))
    {
        return Err(format!("port {} is not exposed as a file can say it", expose.port));
    }
    let Some(http) = &expose.http else { return Ok(()) };
    let case = |case: &NextCase| match case {
        NextCase::Status(status) => STATUSES.contains(status),
        NextCase::Off => http.next_cases.len() == 1,
        NextCase::Error | NextCase::Timeout => true,
    };
    let timeouts = [http.read_timeout_ms, http.send_timeout_ms, http.next_timeout_ms];
    if http.body_max > BODY_MAX
        || http.next_tries > TRIES_MAX
        || http.proxy_buffer.is_some_and(|bytes| bytes > BUFFER_MAX)
        || timeouts.iter().any(|ms| *ms > TIMEOUT_MAX)
        || !http.next_cases.iter().all(case)
    {
        return Err(format!("the options of port {} are out of range", expose.port));
    }
    Ok(())
}

fn resources(resources: &Resources) -> Result<(), String> {
    let attributes = [&resources.cpu_attributes, &resources.memory_attributes];
    let attribute = |(key, value): (&String, &String)| is_word(key) && is_value(value);
    let volumes = &resources.storage;
    let gpu = resources.gpu.as_ref();
    let model_is_good = |model: &crate::manifest::GpuModel| {
        is_word(&model.vendor) && model.model.as_ref().is_none_or(|model| is_word(model))
    };
    if !(CPU_MIN..=CPU_MAX).contains(&resources.cpu_milli)
        || !(MEMORY_MIN..=MEMORY_MAX).contains(&resources.memory)
        || attributes.iter().any(|map| map.len() > ATTRIBUTES_MAX)
        || !attributes.into_iter().flatten().all(attribute)
        || volumes.is_empty()
        || volumes.len() > VOLUMES_MAX
        || !volumes.keys().all(|name| is_label(name))
        || !volumes.values().all(|volume| {
            (STORAGE_MIN..=STORAGE_MAX).contains(&volume.size)
                && !(volume.persistent && volume.class == StorageClass::Ram)
        })
        || gpu.is_some_and(|gpu| {
            gpu.units == 0
                || u64::from(gpu.units) > GPU_MAX
                || gpu.models.is_empty()
                || gpu.models.len() > ATTRIBUTES_MAX
                || !gpu.models.iter().all(model_is_good)
        })
    {
        return Err("its resources are out of range".to_owned());
    }
    Ok(())
}

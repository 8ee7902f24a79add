//! `services`: what runs, how it is started, who reaches it.

use std::collections::{BTreeMap, BTreeSet};

use super::Dialect;
use crate::{
    check::{
        BODY_MAX, BUFFER_MAX, EXPOSE_MAX, HOSTS_MAX, RANGE_MAX, SERVICES_MAX, STATUSES,
        TIMEOUT_MAX, TRIES_MAX, VOLUMES_MAX, WORDS_MAX, is_host, is_label, is_mount, is_text,
        is_variable, is_web, width_is_good,
    },
    image::Image,
    manifest::{
        Credentials, Expose, HttpOptions, Mount, NextCase, Permission, Protocol, PullPolicy, Reach,
        Resources, Secret, Service, Tee,
    },
    problem::{Place, Problems, excerpt},
    quantity,
    reader::{At, Map, join},
    yaml::Key,
};

/// A service before it is known what it needs and how often it runs.
#[derive(Debug)]
pub(crate) struct Draft {
    service: Service,
    path: String,
    mounts_at: BTreeMap<String, (Place, String)>,
    /// Names of others, with where they are named.
    named: Vec<(Named, Place, String)>,
}

/// What another thing is named as.
#[derive(Debug)]
enum Named {
    Service(String),
    Dependency(String),
    Endpoint(String),
}

impl Draft {
    /// The service with what was missing.
    pub(crate) fn with(&self, resources: Resources, count: u32) -> Service {
        Service { resources, count, ..self.service.clone() }
    }

    /// Whether every mount has a volume, and every volume that is kept a mount.
    pub(crate) fn check_volumes(
        &self,
        resources: &Resources,
        profile: &At<'_>,
        problems: &mut Problems,
    ) {
        for (name, (place, path)) in &self.mounts_at {
            if !resources.storage.contains_key(name) {
                let known: Vec<_> = resources.storage.keys().map(String::as_str).collect();
                let message =
                    format!("the profile has no volume of this name; it has {}", known.join(", "));
                problems.say(*place, path, message);
            }
        }
        for (name, volume) in &resources.storage {
            if volume.persistent && !self.service.mounts.contains_key(name) {
                let path = &self.path;
                let message = format!(
                    "volume `{name}` is persistent and mounted nowhere; write \
                     `{path}.params.storage.{name}.mount: /data`"
                );
                profile.refuse(problems, message);
            }
        }
    }
}

/// Whether what services name is there.
pub(crate) fn check_references(
    services: &BTreeMap<String, (Key, Draft)>,
    endpoints: &BTreeMap<String, Key>,
    problems: &mut Problems,
) {
    for (own, (_, draft)) in services {
        for (named, place, path) in &draft.named {
            let message = match named {
                Named::Service(name) | Named::Dependency(name) if !services.contains_key(name) => {
                    format!("there is no service `{}`", excerpt(name))
                }
                Named::Dependency(name) if name == own => {
                    "a service cannot wait for itself".to_owned()
                }
                Named::Endpoint(name) if !endpoints.contains_key(name) => {
                    format!(
                        "there is no endpoint `{0}`; write `endpoints: {{{0}: {{kind: ip}}}}`",
                        excerpt(name)
                    )
                }
                _ => continue,
            };
            problems.say(*place, path, message);
        }
    }
    // Who waits for nobody is ready; who then waits for nobody else is, too.
    let mut waiting: BTreeMap<_, BTreeSet<_>> = services
        .iter()
        .map(|(name, (_, draft))| {
            let known =
                draft.service.dependencies.iter().filter(|other| services.contains_key(*other));
            (name, known.filter(|other| *other != name).collect())
        })
        .collect();
    while let Some(ready) = waiting.iter().find(|(_, on)| on.is_empty()).map(|(name, _)| *name) {
        waiting.remove(ready);
        for on in waiting.values_mut() {
            on.remove(ready);
        }
    }
    if let Some((name, (key, _))) = services.iter().find(|(name, _)| waiting.contains_key(name)) {
        let message = "services wait for each other in a circle; remove one of the dependencies";
        problems.say(key.place, &join(&join("services", name), "dependencies"), message);
    }
}

pub(crate) fn read(at: &At<'_>, dialect: Dialect, problems: &mut Problems) -> Option<Draft> {
    let mut map = at.map(problems)?;
    let image_at = map.require("image", "`image: nginx:1.27` or `image: ipfs://ROOT`", problems);
    let image = image_at.as_ref().and_then(|at| at.parsed(str::parse::<Image>, problems));
    let is_assembly = image.as_ref().is_some_and(Image::is_assembly);
    let mut draft = Draft {
        service: Service {
            image: image.unwrap_or_else(|| Image::Container("none".to_owned())),
            pull: PullPolicy::default(),
            command: Vec::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            credentials: None,
            dependencies: BTreeSet::new(),
            expose: BTreeSet::new(),
            mounts: BTreeMap::new(),
            permissions: BTreeSet::new(),
            tee: None,
            resources: Resources {
                cpu_milli: 0,
                cpu_attributes: BTreeMap::new(),
                memory: 0,
                memory_attributes: BTreeMap::new(),
                storage: BTreeMap::new(),
                gpu: None,
            },
            count: 0,
        },
        path: at.path.clone(),
        mounts_at: BTreeMap::new(),
        named: Vec::new(),
    };
    if dialect.is_icl() {
        if let Some(at) = map.get("pull_policy") {
            let words = [
                ("Always", PullPolicy::Always),
                ("IfNotPresent", PullPolicy::IfNotPresent),
                ("Never", PullPolicy::Never),
            ];
            draft.service.pull = at.word(&words, problems).unwrap_or_default();
        }
    } else {
        map.foreign("pull_policy", "this is a key of ICL 1.0; leave it out", problems);
    }
    if let Some(at) = map.get("command") {
        draft.service.command = words(&at, problems);
        if is_assembly && draft.service.command.len() > 1 {
            at.refuse(
                problems,
                "of an assembly, this is one entry point; use `args` for arguments",
            );
        }
    }
    if let Some(at) = map.get("args") {
        draft.service.args = words(&at, problems);
    }
    if let Some(at) = map.get("env") {
        draft.service.env = env(&at, problems);
    }
    if let Some(at) = map.get("credentials") {
        if is_assembly {
            at.refuse(problems, "assemblies come from the network and need none; leave it out");
        }
        draft.service.credentials = credentials(&at, problems);
    }
    if let Some(at) = map.get("dependencies") {
        dependencies(&at, &mut draft, problems);
    }
    if let Some(at) = map.get("params") {
        params(&at, dialect, &mut draft, problems);
    }
    if let Some(at) = map.get("expose") {
        for at in at.list(EXPOSE_MAX, problems) {
            expose(&at, dialect, &mut draft, problems);
        }
    }
    map.finish(problems);
    Some(draft)
}

fn words(at: &At<'_>, problems: &mut Problems) -> Vec<Secret> {
    let items = at.one_or_list(WORDS_MAX, problems);
    items.iter().filter_map(|at| secret(at, problems)).collect()
}

fn secret(at: &At<'_>, problems: &mut Problems) -> Option<Secret> {
    let text = at.text(problems)?;
    if !is_text(text) {
        at.refuse(problems, "longer than 32 KiB, or with a zero byte in it");
        return None;
    }
    Some(Secret(text.to_owned()))
}

fn env(at: &At<'_>, problems: &mut Problems) -> BTreeMap<String, Secret> {
    let mut found = BTreeMap::new();
    for at in at.list(WORDS_MAX, problems) {
        // A message must not show what may be a password.
        let Some(Secret(text)) = secret(&at, problems) else { continue };
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| is_variable(name)) else {
            at.refuse(
                problems,
                "a variable is written `NAME=value`, its name in letters, digits and `_`",
            );
            continue;
        };
        if found.insert(name.to_owned(), Secret(value.to_owned())).is_some() {
            at.refuse(problems, format!("`{}` is set twice; keep one of them", excerpt(name)));
        }
    }
    found
}

fn credentials(at: &At<'_>, problems: &mut Problems) -> Option<Credentials> {
    let mut map = at.map(problems)?;
    // Akash says host, Spheron registry.
    let (host, registry) = (map.get("host"), map.get("registry"));
    if let (Some(_), Some(at)) = (&host, &registry) {
        at.refuse(problems, "`host` says the same; keep one of them");
    }
    let mut take = |key: &'static str, hint, problems: &mut Problems| {
        let at = map.require(key, hint, problems)?;
        secret(&at, problems)
    };
    let username = take("username", "`username: NAME`", problems);
    let password = take("password", "`password: TOKEN`", problems);
    let email = map.get("email").and_then(|at| secret(&at, problems));
    map.finish(problems);
    let Some(host) = host.or(registry) else {
        at.refuse(problems, "`host` is missing; write the registry, such as `host: ghcr.io`");
        return None;
    };
    Some(Credentials {
        host: secret(&host, problems)?,
        username: username?,
        password: password?,
        email,
    })
}

fn dependencies(at: &At<'_>, draft: &mut Draft, problems: &mut Problems) {
    for at in at.list(SERVICES_MAX, problems) {
        let at = match &at.node.value {
            crate::yaml::Value::Map(_) => {
                let Some(mut map) = at.map(problems) else { continue };
                let name = map.require("service", "`service: NAME`", problems);
                map.finish(problems);
                match name {
                    Some(at) => at,
                    None => continue,
                }
            }
            _ => at,
        };
        let Some(name) = at.text(problems) else { continue };
        draft.named.push((Named::Dependency(name.to_owned()), at.node.place, at.path));
        draft.service.dependencies.insert(name.to_owned());
    }
}

fn params(at: &At<'_>, dialect: Dialect, draft: &mut Draft, problems: &mut Problems) {
    let Some(mut map) = at.map(problems) else { return };
    if let Some(at) = map.get("storage") {
        for (key, at) in super::named(&at, VOLUMES_MAX, is_label, "a volume", problems) {
            mount(&key, &at, draft, problems);
        }
    }
    if let Some(at) = map.get("permissions")
        && let Some(mut map) = at.map(problems)
    {
        let words = [
            ("deployment", Permission::Deployment),
            ("logs", Permission::Logs),
            ("events", Permission::Events),
        ];
        if let Some(at) = map.require("read", "`read: [logs]`", problems) {
            let items = at.list(8, problems);
            draft.service.permissions =
                items.iter().filter_map(|at| at.word(&words, problems)).collect();
        }
        map.finish(problems);
    }
    if dialect == Dialect::Sdl21 {
        if let Some(at) = map.get("tee") {
            draft.service.tee = at.word(&[("cpu", Tee::Cpu), ("cpu-gpu", Tee::CpuGpu)], problems);
        }
    } else {
        map.foreign("tee", "this needs `version: \"2.1\"`", problems);
    }
    map.finish(problems);
}

fn mount(key: &Key, at: &At<'_>, draft: &mut Draft, problems: &mut Problems) {
    draft.mounts_at.insert(key.text.clone(), (key.place, at.path.clone()));
    let Some(mut map) = at.map(problems) else { return };
    let path = map.require("mount", "`mount: /data`", problems);
    let read_only = map.get("readOnly").and_then(|at| at.flag(problems)).unwrap_or_default();
    map.finish(problems);
    let Some(at) = path else { return };
    let Some(text) = at.text(problems) else { return };
    if !is_mount(text) {
        at.refuse(
            problems,
            "a volume is mounted at an absolute path such as `/data`, without `.` and `..`",
        );
        return;
    }
    if draft.service.mounts.values().any(|mount| mount.path == text) {
        at.refuse(problems, "two volumes are mounted here; give each its own path");
    }
    let path = text.to_owned();
    draft.service.mounts.insert(key.text.clone(), Mount { path, read_only });
}

fn port(at: &At<'_>, problems: &mut Problems) -> Option<u16> {
    let port = at.whole(&(1..=65_535), problems)?;
    u16::try_from(port).ok()
}

/// `8000-8010` as first and last.
fn range(at: &At<'_>, problems: &mut Problems) -> Option<(u16, u16)> {
    let text = at.text(problems)?;
    let number = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|port| is_plain && *port != 0)
    };
    let range =
        text.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    let good =
        range.filter(|(first, last)| last.checked_sub(*first).is_some_and(|w| w < RANGE_MAX));
    if good.is_none() {
        let message =
            format!("`{}` is no range of up to 1024 ports, such as `8000-8010`", excerpt(text));
        at.refuse(problems, message);
    }
    good
}

fn expose(at: &At<'_>, dialect: Dialect, draft: &mut Draft, problems: &mut Problems) {
    let Some(mut map) = at.map(problems) else { return };
    let Some((port, external, port_end)) = ports(at, &mut map, dialect, problems) else { return };
    let protocol = map
        .get("proto")
        .and_then(|at| at.word(&[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)], problems));
    let protocol = protocol.unwrap_or(Protocol::Tcp);
    let accept = map.get("accept");
    let http = map.get("http_options");
    let mut to = BTreeSet::new();
    if let Some(at) = map.get("to") {
        for at in at.list(32, problems) {
            if let Some(reach) = reach(&at, draft, problems)
                && !to.insert(reach)
            {
                at.refuse(problems, "this is there twice; keep one of them");
            }
        }
    }
    map.finish(problems);

    let is_web = is_web(external, protocol) && port_end.is_none() && to.contains(&Reach::World);
    let only = "this is for web ports: tcp, reached as port 80 (`as: 80`), `to: [{global: true}]`";
    let mut hosts = BTreeSet::new();
    if let Some(at) = accept {
        if is_web {
            hosts = hosts_of(&at, problems);
        } else {
            at.refuse(problems, only);
        }
    }
    let http = match (is_web, http) {
        (true, Some(at)) => Some(http_options(&at, problems)),
        (true, None) => Some(HttpOptions::default()),
        (false, Some(at)) => {
            at.refuse(problems, only);
            None
        }
        (false, None) => None,
    };
    let new = Expose { port, external, port_end, protocol, hosts, to, http };
    if !width_is_good(&new) {
        at.refuse(problems, "the range as seen from outside goes beyond port 65535");
    }
    let is_same = |old: &Expose| {
        (old.external, old.protocol) == (external, protocol)
            && (old.port, &old.to) == (port, &new.to)
    };
    if draft.service.expose.iter().any(is_same) {
        at.refuse(problems, "this port is there twice; keep one of them");
    }
    draft.service.expose.insert(new);
}

/// The port inside, the one outside, and the last of a range.
fn ports(
    at: &At<'_>,
    map: &mut Map<'_>,
    dialect: Dialect,
    problems: &mut Problems,
) -> Option<(u16, u16, Option<u16>)> {
    let range_as = if dialect.is_icl() {
        let range_at = map.get("port_range");
        let range_as = map.get("port_range_as");
        if let Some(range_at) = range_at {
            for key in ["port", "as"] {
                if let Some(at) = map.get(key) {
                    at.refuse(problems, "a range of ports says it all; leave this out");
                }
            }
            let (first, last) = range(&range_at, problems)?;
            let Some(as_at) = range_as else { return Some((first, first, Some(last))) };
            let (external, external_last) = range(&as_at, problems)?;
            if external_last.checked_sub(external) != last.checked_sub(first) {
                as_at.refuse(problems, "both ranges have to have as many ports");
            }
            return Some((first, external, Some(last)));
        }
        range_as
    } else {
        for key in ["port_range", "port_range_as"] {
            map.foreign(key, "this is a key of ICL 1.0; write one entry for each port", problems);
        }
        None
    };
    if let Some(at) = range_as {
        at.refuse(problems, "`port_range` is missing beside it");
    }
    let inner = map.require("port", "`port: 8080`", problems);
    let outer = map.get("as");
    let inner = inner.and_then(|at| port(&at, problems));
    let outer = outer.map(|at| port(&at, problems));
    if inner.is_none() || outer == Some(None) {
        // What is left is looked at once this is right; it is not unknown.
        let _ = at;
        return None;
    }
    let inner = inner?;
    Some((inner, outer.flatten().unwrap_or(inner), None))
}

fn reach(at: &At<'_>, draft: &mut Draft, problems: &mut Problems) -> Option<Reach> {
    let mut map = at.map(problems)?;
    let global = map.get("global").and_then(|at| at.flag(problems)).unwrap_or_default();
    let (service, endpoint) = (map.get("service"), map.get("ip"));
    map.finish(problems);
    match (global, service, endpoint) {
        (false, Some(at), None) => {
            let name = at.text(problems)?.to_owned();
            draft.named.push((Named::Service(name.clone()), at.node.place, at.path));
            Some(Reach::Service(name))
        }
        (true, None, None) => Some(Reach::World),
        (true, None, Some(at)) => {
            let name = at.text(problems)?.to_owned();
            draft.named.push((Named::Endpoint(name.clone()), at.node.place, at.path));
            Some(Reach::Endpoint(name))
        }
        (false, None, Some(at)) => {
            at.refuse(problems, "a leased address is for everybody; add `global: true`");
            None
        }
        (false, None, None) => {
            at.refuse(problems, "this lets nobody in; write `global: true` or `service: NAME`");
            None
        }
        (_, Some(at), _) => {
            at.refuse(problems, "one entry is for the world or for a service; write two");
            None
        }
    }
}

fn hosts_of(at: &At<'_>, problems: &mut Problems) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for at in at.list(HOSTS_MAX, problems) {
        let Some(host) = at.text(problems) else { continue };
        let host = host.to_ascii_lowercase();
        if is_host(&host) {
            hosts.insert(host);
        } else {
            at.refuse(
                problems,
                format!("`{}` is no host name such as `www.example.org`", excerpt(&host)),
            );
        }
    }
    hosts
}

fn http_options(at: &At<'_>, problems: &mut Problems) -> HttpOptions {
    let mut found = HttpOptions::default();
    let Some(mut map) = at.map(problems) else { return found };
    let mut number = |key, most, to: &mut u64, problems: &mut Problems| {
        if let Some(at) = map.get(key)
            && let Some(number) = at.whole(&(0..=most), problems)
        {
            *to = number;
        }
    };
    number("read_timeout", TIMEOUT_MAX, &mut found.read_timeout_ms, problems);
    number("send_timeout", TIMEOUT_MAX, &mut found.send_timeout_ms, problems);
    number("next_timeout", TIMEOUT_MAX, &mut found.next_timeout_ms, problems);
    number("next_tries", TRIES_MAX, &mut found.next_tries, problems);
    let mut size = |key, most, problems: &mut Problems| {
        let at = map.get(key)?;
        let bytes = at.parsed(quantity::bytes, problems)?;
        if bytes > most {
            at.refuse(problems, format!("at most {most} bytes"));
        }
        Some(bytes)
    };
    found.body_max = size("max_body_size", BODY_MAX, problems).unwrap_or(found.body_max);
    found.proxy_buffer = size("proxy_buffer_size", BUFFER_MAX, problems);
    if let Some(at) = map.get("next_cases") {
        let mut words: Vec<(String, NextCase)> =
            STATUSES.iter().map(|status| (status.to_string(), NextCase::Status(*status))).collect();
        words.push(("error".to_owned(), NextCase::Error));
        words.push(("timeout".to_owned(), NextCase::Timeout));
        words.push(("off".to_owned(), NextCase::Off));
        let words: Vec<_> = words.iter().map(|(word, case)| (word.as_str(), *case)).collect();
        let items = at.list(16, problems);
        found.next_cases = items.iter().filter_map(|at| at.word(&words, problems)).collect();
        if found.next_cases.contains(&NextCase::Off) && found.next_cases.len() > 1 {
            at.refuse(problems, "`off` stands alone");
        }
    }
    map.finish(problems);
    found
}

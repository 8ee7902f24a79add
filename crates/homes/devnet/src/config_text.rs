//! `girrona.toml` and `chainspec.toml` as text with comments, for people who open them.

use std::path::Path;

use girrona_node::{NodeConfig, config::AssemblyConfig};
use girrona_types::{Chainspec, chainspec::GenesisAccount};

/// A node's configuration with a comment for each key.
pub fn node_config(config: &NodeConfig) -> String {
    let NodeConfig {
        chainspec,
        data,
        keys,
        swarm,
        rpc,
        speculative,
        rest,
        events,
        contracts,
        assembly,
    } = config;
    let AssemblyConfig { policy, limits, permissions, .. } = assembly;
    let origins: Vec<String> = permissions.network.iter().map(ToString::to_string).collect();
    format!(
        "\
# What the operator of this node may choose. What all nodes have to agree on is in the chainspec.
# Relative paths start at this file. `girrona node check --config FILE` lists what is wrong.

# The law of the network.
chainspec = {chainspec}
# Everything the node keeps.
data = {data}

[keys]
# The validator's secret key, a PEM file. Empty: the node follows the chain and does not vote.
validator = {validator}
# The account that signs what this node says about assemblies, a PEM file. Empty: the validator's
# key, and without one a key that is made in the data folder.
account = {account}
# The node's identity among nodes; made at the first start if there is none.
swarm = {swarm_key}

[swarm]
# Where other nodes reach this one. Port 0 picks a free one.
listen = {listen}
# Nodes to connect to at the start.
peers = {peers}
# Whether to look for more nodes than those.
discovery = {discovery}
# How many connections others may open, and how many this node opens.
inbound_max = {inbound_max}
outbound_max = {outbound_max}

[rpc]
# Where clients send JSON-RPC, path /rpc.
address = {rpc_address}
# Which web pages may call it: empty for none, \"*\" for all.
cors_origin = {cors_origin}
# Requests a second over all callers; 0 for no limit.
qps_limit = {qps_limit}

[speculative]
# Where deploys are tried out without being sent: speculative_exec alone, path /rpc.
address = {speculative_address}
# Requests a second over all callers on that address; 0 for no limit.
qps_limit = {speculative_qps_limit}
# How many deploys are tried out at the same time, whichever address they came to.
running_max = {running_max}

[rest]
# Where /status, /metrics, /rpc-schema, /validator-changes and /chainspec are.
address = {rest_address}

[events]
# Where the event stream is: /events, /events/main, /events/deploys, /events/sigs.
address = {events_address}
# How many may listen at the same time.
subscribers_max = {subscribers_max}

[contracts]
# Whether contracts that are called often are compiled to machine code. Results are the same; with
# false they are interpreted, slower, with less code between a contract and this machine.
compile = {compile}

[assembly]
# Whether the node caches, serves and executes assemblies.
enabled = {enabled}
# Disk for their content, in MiB.
quota_mib = {quota_mib}
# Thousandths of cores that executions may use; 0 for all of this machine's.
cpu_milli = {cpu_milli}
# Memory for all executions together, in MiB.
memory_mib = {memory_mib}
# Graphics processors for assemblies that need one.
gpus = {gpus}
# What leaves as content each second, in KiB; 0 for no limit.
upload_kib = {upload_kib}

[assembly.policy]
# Subjects that matter, none: all do; subjects that are refused; groups that the node belongs to.
tags = {tags}
refuse_tags = {refuse_tags}
groups = {groups}
# The longest content that it takes, in bytes.
size_max = {size_max}
# What counts how much when it decides: its own tags, room, missing copies, nearness of ids; and
# how much of 1000 it takes to be cached.
weight_relevance = {weight_relevance}
weight_room = {weight_room}
weight_need = {weight_need}
weight_nearness = {weight_nearness}
threshold = {threshold}

[assembly.limits]
# The most that one execution may ask for: instructions, bytes of memory, milliseconds, bytes of
# each output, bytes of files.
fuel = {fuel}
memory = {memory}
time_ms = {time_ms}
output = {output}
files = {files}

[assembly.permissions]
# Web addresses that executions may reach if publisher and requester allow them too, such as
# https://api.example.org/v1/. None: no network.
network = {network}
",
        chainspec = path(chainspec),
        data = path(data),
        validator = path(&keys.validator),
        swarm_key = path(&keys.swarm),
        listen = list(&swarm.listen),
        peers = list(&swarm.peers),
        discovery = swarm.discovery,
        inbound_max = swarm.inbound_max,
        outbound_max = swarm.outbound_max,
        rpc_address = text(&rpc.address),
        cors_origin = text(&rpc.cors_origin),
        qps_limit = rpc.qps_limit,
        speculative_address = text(&speculative.address),
        speculative_qps_limit = speculative.qps_limit,
        running_max = speculative.running_max,
        rest_address = text(&rest.address),
        events_address = text(&events.address),
        subscribers_max = events.subscribers_max,
        compile = contracts.compile,
        account = path(&keys.account),
        enabled = assembly.enabled,
        quota_mib = assembly.quota_mib,
        cpu_milli = assembly.cpu_milli,
        memory_mib = assembly.memory_mib,
        gpus = assembly.gpus,
        upload_kib = assembly.upload_kib,
        tags = list(&policy.tags),
        refuse_tags = list(&policy.refuse_tags),
        groups = list(&policy.groups),
        size_max = policy.size_max,
        weight_relevance = policy.weight_relevance,
        weight_room = policy.weight_room,
        weight_need = policy.weight_need,
        weight_nearness = policy.weight_nearness,
        threshold = policy.threshold,
        fuel = limits.fuel,
        memory = limits.memory,
        time_ms = limits.time_ms,
        output = limits.output,
        files = limits.files,
        network = list(&origins),
    )
}

/// A network's law with a comment for each account that it starts with.
pub fn chainspec(law: &Chainspec, names: &[(String, GenesisAccount)]) -> String {
    let mut text = "\
# The law of this network: every rule on which all its nodes have to agree. Its content, without
# comments and order, is the network's identity; change it and it is another network.

"
    .to_owned();
    let rules = Chainspec { accounts: Vec::new(), ..law.clone() };
    let mut rules = toml::Table::try_from(rules).unwrap_or_default();
    rules.remove("accounts");
    text.push_str(&rules.to_string());
    for (name, account) in names {
        text.push_str(&format!("\n# {name}\n[[accounts]]\n"));
        let fields = toml::Table::try_from(account).unwrap_or_default();
        for (key, value) in &fields {
            text.push_str(&format!("{key} = {value}\n"));
        }
    }
    text
}

/// A text as TOML.
fn text(value: &str) -> String {
    toml::Value::from(value).to_string()
}

/// A path as TOML.
fn path(value: &Path) -> String {
    text(&value.to_string_lossy())
}

/// A list of texts as TOML, one per line if there is more than one.
fn list(values: &[String]) -> String {
    match values {
        [] => "[]".to_owned(),
        [one] => format!("[{}]", text(one)),
        many => {
            let lines: String =
                many.iter().map(|value| format!("    {},\n", text(value))).collect();
            format!("[\n{lines}]")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use casper_types::{PublicKey, SecretKey, U512};
    use girrona_types::{chainspec::GenesisValidator, config};

    #[test]
    fn a_node_configuration_is_read_back_as_it_was_and_explains_every_key() {
        let mut node = NodeConfig::default();
        node.keys.validator = "keys/\"quoted\"/secret_key.pem".into();
        node.swarm.peers =
            vec!["/ip4/127.0.0.1/tcp/1".to_owned(), "/ip4/127.0.0.1/tcp/2".to_owned()];
        node.rpc.cors_origin = "*".to_owned();
        let text = node_config(&node);
        assert_eq!(config::parse::<NodeConfig>(&text).unwrap(), node);
        assert!(text.lines().filter(|line| line.starts_with('#')).count() > 12);
    }

    #[test]
    fn a_law_is_read_back_as_it_was_and_names_its_accounts() {
        let key = PublicKey::from(&SecretKey::ed25519_from_bytes([1; 32]).unwrap());
        let validator =
            GenesisValidator { bonded_amount: U512::from(5_000_000_000_u64), delegation_rate: 7 };
        let account =
            GenesisAccount { public_key: key, balance: U512::from(9), validator: Some(validator) };
        let law = Chainspec { accounts: vec![account.clone()], ..Chainspec::default() };
        let text = chainspec(&law, &[("node-0".to_owned(), account)]);
        assert_eq!(config::parse::<Chainspec>(&text).unwrap(), law);
        assert!(text.contains("# node-0\n[[accounts]]\n"));
    }
}

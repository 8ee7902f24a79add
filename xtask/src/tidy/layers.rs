//! The folder is the layer: who may depend on whom, and what a rule may not pull in.

use super::graph::Graph;

/// Layer of each folder. A crate may depend on its own layer and on lower ones.
const LAYERS: &[(&str, u8)] = &[
    ("crates/types/", WORDS),
    ("crates/rules/", RULES),
    ("crates/edges/", 2),
    ("crates/homes/", 3),
    ("bin/", 4),
];
const WORDS: u8 = 0;
const RULES: u8 = 1;

/// What words and rules may not pull in, even through others: the outside world.
const IMPURE: &[&str] = &[
    "tokio", "libp2p", "hyper", "axum", "reqwest", "mio", "socket2", "fjall", "nomt", "rayon",
    "wasmtime",
];

/// Edges between other people's crates that do not count, because what is named is not used.
const NAMED_EDGES: &[(&str, &str, &str)] = &[(
    "arc-malachitebft-core-consensus",
    "tokio",
    "its manifest names tokio; its code does not use it, and the sans-IO core never enters a runtime",
)];

/// Promises between our crates, read as "X must not know about Y".
const MUST_NOT_KNOW: &[(&str, &str)] = &[
    ("girrona-state", "girrona-vm"),
    ("girrona-vm", "girrona-exec"),
    ("girrona-vm", "girrona-market"),
    ("girrona-exec", "girrona-consensus"),
    ("girrona-consensus", "girrona-exec"),
    ("girrona-consensus", "girrona-market"),
    ("girrona-consensus", "girrona-state"),
    ("girrona-consensus", "girrona-vm"),
    ("girrona-assembly", "girrona-chain"),
    ("girrona-assembly", "girrona-consensus"),
    ("girrona-assembly", "girrona-exec"),
    ("girrona-assembly", "girrona-state"),
    ("girrona-assembly", "girrona-vm"),
    ("girrona-deployment", "girrona-chain"),
    ("girrona-deployment", "girrona-exec"),
    ("girrona-deployment", "girrona-market"),
    ("girrona-deployment", "girrona-state"),
    ("girrona-vm", "girrona-assembly"),
    ("girrona-exec", "girrona-assembly"),
    ("girrona-market", "girrona-assembly"),
    ("girrona-market", "girrona-chain"),
    ("girrona-market", "girrona-consensus"),
    ("girrona-market", "girrona-exec"),
    ("girrona-market", "girrona-state"),
    ("girrona-market", "girrona-vm"),
    ("girrona-assembly", "girrona-market"),
    ("girrona-api", "girrona-chain"),
    ("girrona-http", "girrona-chain"),
    ("girrona-http", "girrona-net"),
    ("girrona-http", "girrona-store"),
    ("girrona-engine", "girrona-chain"),
    ("girrona-engine", "girrona-store"),
    ("girrona-net", "girrona-chain"),
    ("girrona-net", "girrona-store"),
    ("girrona-gate", "girrona-api"),
    ("girrona-gate", "girrona-chain"),
    ("girrona-gate", "girrona-http"),
    ("girrona-gate", "girrona-market"),
    ("girrona-gate", "girrona-net"),
    ("girrona-gate", "girrona-store"),
    ("girrona-workload", "girrona-market"),
    ("girrona-provider", "girrona-node"),
    // What a person types goes through the contract of the door or through a home.
    ("girrona-sim", "girrona-net"),
    ("girrona-sim", "girrona-http"),
];

/// Crates that may see a type of malachite's.
const SEES_MALACHITE: &str = "girrona-consensus";

/// Everything in the graph that breaks a promise.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, folder) in &graph.own {
        let layer = layer_of(folder);
        for (other, way) in graph.reach(name, |_, _| false) {
            let other_layer = graph.own.get(&other).and_then(|folder| layer_of(folder));
            if let (Some(layer), Some(other_layer)) = (layer, other_layer)
                && other_layer > layer
            {
                faults.push(format!("{name} depends upward on {other} ({way})"));
            }
            if MUST_NOT_KNOW.contains(&(name, &other)) {
                faults.push(format!("{name} must not know about {other} ({way})"));
            }
        }
        if layer.is_some_and(|layer| layer <= RULES) {
            for (other, way) in graph.reach(name, is_named) {
                if IMPURE.contains(&other.as_str()) {
                    faults.push(format!("{name} is pure but pulls in {other} ({way})"));
                }
            }
        }
        let direct = graph.edges.get(name).into_iter().flatten();
        for malachite in direct.filter(|dependency| dependency.contains("malachite")) {
            if name != SEES_MALACHITE {
                faults.push(format!("{name} sees {malachite}; only {SEES_MALACHITE} may"));
            }
        }
        if layer.is_none() && !folder.starts_with("crates/") && !folder.starts_with("xtask") {
            faults.push(format!("{name} lies in {folder}, which is no layer"));
        }
    }
    faults
}

/// The layer of a folder; what lies beside the layers has none.
fn layer_of(folder: &str) -> Option<u8> {
    LAYERS.iter().find(|(prefix, _)| folder.starts_with(prefix)).map(|(_, layer)| *layer)
}

/// Whether an edge does not count.
fn is_named(from: &str, to: &str) -> bool {
    NAMED_EDGES.iter().any(|(a, b, _reason)| *a == from && *b == to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A graph from lines such as `girrona-vm in crates/rules/vm/ > wasmi`.
    fn graph(lines: &[&str]) -> Graph {
        let mut graph = Graph::default();
        for line in lines {
            let (left, right) = line.split_once(" > ").unwrap();
            let name = match left.split_once(" in ") {
                Some((name, folder)) => {
                    graph.own.insert(name.to_owned(), folder.to_owned());
                    name
                }
                None => left,
            };
            let edges: BTreeSet<String> = right.split_whitespace().map(str::to_owned).collect();
            graph.edges.entry(name.to_owned()).or_default().extend(edges);
        }
        graph
    }

    #[test]
    fn a_tidy_graph_has_no_faults() {
        let graph = graph(&[
            "girrona-types in crates/types/ > casper-types",
            "girrona-vm in crates/rules/vm/ > girrona-types wasmi",
            "girrona-store in crates/edges/store/ > girrona-vm tokio fjall",
            "girrona in bin/girrona/ > girrona-store tokio",
        ]);
        assert_eq!(check(&graph), Vec::<String>::new());
    }

    #[test]
    fn a_rule_that_pulls_in_a_runtime_through_others_is_found_with_the_way() {
        let graph =
            graph(&["girrona-vm in crates/rules/vm/ > handy", "handy > deeper", "deeper > tokio"]);
        assert_eq!(
            check(&graph),
            ["girrona-vm is pure but pulls in tokio (girrona-vm > handy > deeper > tokio)"]
        );
    }

    #[test]
    fn a_named_edge_is_allowed_and_its_neighbour_is_not() {
        let named = graph(&[
            "girrona-consensus in crates/rules/consensus/ > arc-malachitebft-core-consensus",
            "arc-malachitebft-core-consensus > tokio",
            "tokio > mio socket2",
        ]);
        assert_eq!(check(&named), Vec::<String>::new());
        let other = graph(&[
            "girrona-consensus in crates/rules/consensus/ > arc-malachitebft-wal",
            "arc-malachitebft-wal > tokio",
        ]);
        assert_eq!(check(&other).len(), 1);
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let graph = graph(&[
            "girrona-vm in crates/rules/vm/ > girrona-store",
            "girrona-store in crates/edges/store/ > serde",
        ]);
        assert_eq!(
            check(&graph),
            ["girrona-vm depends upward on girrona-store (girrona-vm > girrona-store)"]
        );
    }

    #[test]
    fn a_broken_promise_between_neighbours_is_found() {
        let graph = graph(&[
            "girrona-consensus in crates/rules/consensus/ > girrona-exec",
            "girrona-exec in crates/rules/exec/ > serde",
        ]);
        assert_eq!(check(&graph).len(), 1);
        assert!(check(&graph)[0].starts_with("girrona-consensus must not know about girrona-exec"));
    }

    #[test]
    fn only_consensus_sees_malachite() {
        let graph = graph(&["girrona-chain in crates/rules/chain/ > arc-malachitebft-core-types"]);
        assert_eq!(
            check(&graph),
            ["girrona-chain sees arc-malachitebft-core-types; only girrona-consensus may"]
        );
    }
}

//! Who depends on whom, as cargo resolves it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Packages and their normal dependencies; those for tests and build scripts do not count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// Our own packages with their folder in the repository.
    pub(crate) own: BTreeMap<String, String>,
    /// Direct dependencies by package name.
    pub(crate) edges: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Reads the output of `cargo metadata`.
    pub(crate) fn read(metadata: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let root = text(&metadata["workspace_root"]);
        let mut graph = Self::default();
        let mut names = BTreeMap::new();
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = text(&package["name"]);
            let manifest = text(&package["manifest_path"]);
            let inside = manifest.strip_prefix(&root).filter(|_| package["source"].is_null());
            if let Some(inside) = inside {
                let folder =
                    inside.trim_start_matches('/').trim_end_matches("Cargo.toml").to_owned();
                graph.own.insert(name.clone(), folder);
            }
            names.insert(text(&package["id"]), name);
        }
        for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
            let Some(from) = names.get(&text(&node["id"])) else { continue };
            let edges = graph.edges.entry(from.clone()).or_default();
            for dependency in node["deps"].as_array().into_iter().flatten() {
                let mut kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
                if kinds.any(|kind| kind["kind"].is_null())
                    && let Some(to) = names.get(&text(&dependency["pkg"]))
                {
                    edges.insert(to.clone());
                }
            }
        }
        graph
    }

    /// Everything a package pulls in, each with the way there, without the edges in `cut`.
    pub(crate) fn reach(
        &self,
        from: &str,
        cut: impl Fn(&str, &str) -> bool,
    ) -> BTreeMap<String, String> {
        let mut ways = BTreeMap::from([(from.to_owned(), from.to_owned())]);
        let mut open = vec![from.to_owned()];
        while let Some(current) = open.pop() {
            for next in self.edges.get(&current).into_iter().flatten() {
                if ways.contains_key(next) || cut(&current, next) {
                    continue;
                }
                let way = format!("{} > {next}", ways[&current]);
                ways.insert(next.clone(), way);
                open.push(next.clone());
            }
        }
        ways.remove(from);
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_normal_dependencies_count() {
        let graph = Graph::read(&json!({
            "workspace_root": "/r",
            "packages": [
                {"id": "a", "name": "ours", "manifest_path": "/r/crates/ours/Cargo.toml", "source": null},
                {"id": "b", "name": "used", "manifest_path": "/c/used/Cargo.toml", "source": "registry"},
                {"id": "c", "name": "tested", "manifest_path": "/c/tested/Cargo.toml", "source": "registry"},
            ],
            "resolve": {"nodes": [{"id": "a", "deps": [
                {"pkg": "b", "dep_kinds": [{"kind": null}]},
                {"pkg": "c", "dep_kinds": [{"kind": "dev"}]},
            ]}]},
        }));
        assert_eq!(graph.own["ours"], "crates/ours/");
        assert_eq!(graph.own.len(), 1);
        let reach = graph.reach("ours", |_, _| false);
        assert_eq!(reach.into_iter().collect::<Vec<_>>(), [("used".into(), "ours > used".into())]);
    }
}

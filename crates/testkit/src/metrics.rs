//! A node's figures, from `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// All figures of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the text format of Prometheus; what is no figure is skipped.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let figures = lines.filter_map(|line| {
            let (name, value) = line.trim().rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(figures.collect())
    }

    /// A figure by name, added up over its labels; `None` if there is none of that name.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let of_name = self.0.iter().filter(|(full, _)| {
            full.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
        });
        let values: Vec<f64> = of_name.map(|(_, value)| *value).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Names of all figures, without labels.
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.keys().map(|full| full.split('{').next().unwrap_or(full)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_added_up_over_their_labels() {
        let metrics = Metrics::parse(
            "# HELP peers How many.\npeers 3\nsent_total{to=\"a\"} 2\nsent_total{to=\"b\"} 5\n\
             sent_total_bytes 100\n# EOF\n",
        );
        assert_eq!(metrics.sum("peers"), Some(3.0));
        assert_eq!(metrics.sum("sent_total"), Some(7.0));
        assert_eq!(metrics.sum("absent"), None);
        let names = BTreeSet::from(["peers", "sent_total", "sent_total_bytes"]);
        assert_eq!(metrics.names(), names);
    }
}

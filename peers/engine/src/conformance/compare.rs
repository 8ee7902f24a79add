//! In what two tellings of a deploy differ, and what the page lists of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::conform::suite::{PROPOSER, Told};

/// Something that is not the same.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    case: String,
    deploy: String,
    what: &'static str,
    theirs: String,
    ours: String,
}

impl Difference {
    /// The row of the page's tables that lists it.
    pub(crate) fn row(&self) -> String {
        let Self { case, deploy, what, theirs, ours } = self;
        let cells = [case, deploy, *what, theirs, ours].map(|cell| cell.replace('|', "/"));
        format!("| {} |", cells.join(" | "))
    }
}

/// All differences of one deploy. Once the costs differ, the balances of the sender and of the
/// proposer differ too, and only those of the other accounts are compared.
pub(crate) fn compare(theirs: &Told, ours: &Told) -> Vec<Difference> {
    assert_eq!((&theirs.case, &theirs.deploy), (&ours.case, &ours.deploy), "the order of deploys");
    let mut all = Vec::new();
    let mut differ = |deploy: &str, what, theirs: &str, our: &str| {
        if theirs != our {
            let (case, deploy) = (ours.case.clone(), deploy.to_owned());
            let (theirs, ours) = (theirs.to_owned(), our.to_owned());
            all.push(Difference { case, deploy, what, theirs, ours });
        }
    };
    let name = &ours.deploy;
    let same_outcome = theirs.error.is_empty() == ours.error.is_empty();
    let what = if same_outcome { "error" } else { "outcome" };
    differ(name, what, class(outcome(theirs)), class(outcome(ours)));
    differ(name, "cost", &theirs.cost, &ours.cost);
    differ(name, "transfers", &theirs.transfers.join(", "), &ours.transfers.join(", "));
    let same_cost = same_outcome && theirs.cost == ours.cost;
    let (mut one, mut other) = (String::new(), String::new());
    for (number, (theirs, our)) in theirs.changes.iter().zip(&ours.changes).enumerate() {
        let pays = number == usize::from(PROPOSER) || number == usize::from(ours.sender);
        if theirs != our && (same_cost || !pays) {
            one += &format!("{number}: {theirs} ");
            other += &format!("{number}: {our} ");
        }
    }
    differ(name, "balances", one.trim_end(), other.trim_end());
    let (theirs, ours) = (lines(theirs), lines(ours));
    for path in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let nothing = "nothing";
        let (one, other) = (theirs.get(path), ours.get(path));
        differ(path, "state", one.unwrap_or(&nothing), other.unwrap_or(&nothing));
    }
    all
}

fn outcome(told: &Told) -> &str {
    if told.error.is_empty() { "success" } else { &told.error }
}

/// Errors whose end is in the words of the program that reads or links modules: it is another one
/// here, and nobody can match on its words.
const WORDS_OF_TOOLS: [&str; 3] = [
    "Wasm preprocessing error: Deserialization error: ",
    "Wasm preprocessing error: Encountered operation forbidden by gas rules",
    "Interpreter error: ",
];

/// An error as far as it is compared: all of it, but for what the tools say.
fn class(error: &str) -> &str {
    let is_trap = error.starts_with("Interpreter error: trap: ");
    let tool = WORDS_OF_TOOLS.iter().find(|words| !is_trap && error.starts_with(**words));
    tool.map_or(error, |words| words.trim_end())
}

/// What is told of the state, by its path.
fn lines(told: &Told) -> BTreeMap<&str, &str> {
    told.state.iter().filter_map(|line| line.split_once(": ")).collect()
}

/// The rows that the page lists for these cases.
pub(crate) fn listed(page: &str, cases: &BTreeSet<&str>) -> BTreeSet<String> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let of_case =
        |row: &&str| row.split(" | ").next().is_some_and(|first| cases.contains(&first[2..]));
    rows.filter(of_case).map(str::to_owned).collect()
}

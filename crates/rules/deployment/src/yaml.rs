//! YAML as a tree that remembers where everything was written.
//!
//! The parser's events become nodes whose scalars stay text: no number is rounded on the way, and
//! whoever reads a value knows what it ought to be. Everything is bounded before it is kept: bytes,
//! depth, and nodes with every alias written out, so that a short file cannot unfold into a long one.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle};

use crate::problem::{Place, Problems, excerpt};

/// The longest file, in bytes.
pub(crate) const FILE_MAX: usize = 128 * 1024;
/// How deep a file may be nested.
pub(crate) const DEPTH_MAX: usize = 24;
/// Nodes of a file, aliases written out.
pub(crate) const NODES_MAX: usize = 20_000;

/// A value and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text as it means after escapes; plain when it was written without quotes.
    Scalar {
        text: String,
        is_plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

impl Node {
    /// Whether nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Nodes in it, itself included.
    fn size(&self) -> usize {
        let inner: usize = match &self.value {
            Value::Scalar { .. } => 0,
            Value::List(items) => items.iter().map(Self::size).sum(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.size()).sum(),
        };
        inner.saturating_add(1)
    }

    /// Levels in it, itself included.
    fn depth(&self) -> usize {
        let inner = match &self.value {
            Value::Scalar { .. } => None,
            Value::List(items) => items.iter().map(Self::depth).max(),
            Value::Map(entries) => entries.iter().map(|(_, node)| node.depth()).max(),
        };
        inner.unwrap_or(0).saturating_add(1)
    }
}

/// A collection that is still open.
struct Open {
    place: Place,
    anchor: usize,
    what: Collection,
}

enum Collection {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key>, merged: Vec<Node> },
}

struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
}

/// Reads one document.
///
/// # Errors
/// The first thing that is no YAML of the kind that is read here.
pub(crate) fn parse(text: &str) -> Result<Node, Problems> {
    let start = Place { line: 1, column: 1 };
    if text.len() > FILE_MAX {
        let message = format!("the file has {} bytes; {FILE_MAX} are allowed", text.len());
        return Err(Problems::one(start, message));
    }
    let mut builder = Builder { open: Vec::new(), anchors: BTreeMap::new(), nodes: 0, root: None };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            Problems::one(place_of(error.marker()), format!("this is no YAML: {}", error.info()))
        })?;
        builder.take(event, place_of(&span.start))?;
    }
    match builder.root {
        Some(root) if !root.is_null() => Ok(root),
        _ => Err(Problems::one(start, "the file is empty; it begins with `version: \"2.0\"`")),
    }
}

fn place_of(marker: &Marker) -> Place {
    Place { line: marker.line().max(1), column: marker.col().saturating_add(1) }
}

impl Builder {
    fn take(&mut self, event: Event<'_>, place: Place) -> Result<(), Problems> {
        if event.tag().is_some() {
            return Err(Problems::one(place, "tags (`!…`) are not used here; leave it out"));
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(Problems::one(place, "a second document begins here; write one in a file"))
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let value = Value::Scalar { text: text.into_owned(), is_plain };
                self.add(Node { place, value }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.enter(place, anchor, Collection::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                let what = Collection::Map { entries: Vec::new(), key: None, merged: Vec::new() };
                self.enter(place, anchor, what)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Ok(()) };
                let value = match open.what {
                    Collection::List(items) => Value::List(items),
                    Collection::Map { entries, merged, .. } => {
                        Value::Map(self.merge(entries, merged)?)
                    }
                };
                self.add(Node { place: open.place, value }, open.anchor)
            }
            Event::Alias(id) => {
                let Some(node) = self.anchors.get(&id) else {
                    let message = "this alias refers to what contains it; write the values out";
                    return Err(Problems::one(place, message));
                };
                // Counted before it is copied.
                self.nodes = self.nodes.saturating_add(node.size());
                self.check_nodes(place)?;
                if self.open.len().saturating_add(node.depth()) > DEPTH_MAX {
                    return Err(too_deep(place));
                }
                let node = self.anchors.get(&id).cloned();
                node.map_or(Ok(()), |node| self.put(node))
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, place: Place, anchor: usize, what: Collection) -> Result<(), Problems> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(place));
        }
        if let Some(Open { what: Collection::Map { key: None, .. }, .. }) = self.open.last() {
            return Err(Problems::one(place, "a key is a word, not a list or a mapping"));
        }
        self.open.push(Open { place, anchor, what });
        Ok(())
    }

    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Problems> {
        self.nodes = self.nodes.saturating_add(1);
        self.check_nodes(node.place)?;
        if anchor != 0 {
            // Copies are kept; they count, too.
            self.nodes = self.nodes.saturating_add(node.size());
            self.check_nodes(node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        self.put(node)
    }

    fn check_nodes(&self, place: Place) -> Result<(), Problems> {
        if self.nodes > NODES_MAX {
            let message =
                format!("with aliases written out there are more than {NODES_MAX} values");
            return Err(Problems::one(place, message));
        }
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, node: Node) -> Result<(), Problems> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.what {
            Collection::List(items) => items.push(node),
            Collection::Map { entries, key, merged } => match key.take() {
                None => {
                    let place = node.place;
                    let Value::Scalar { text, .. } = node.value else {
                        let message = "a key is a word, not a list or a mapping";
                        return Err(Problems::one(place, message));
                    };
                    if entries.iter().any(|(other, _)| other.text == text) {
                        let message =
                            format!("`{}` is there twice; keep one of them", excerpt(&text));
                        return Err(Problems::one(place, message));
                    }
                    *key = Some(Key { place, text });
                }
                Some(found) if found.text == "<<" => merged.push(node),
                Some(found) => entries.push((found, node)),
            },
        }
        Ok(())
    }

    /// Adds what `<<` refers to; keys of the mapping itself count more, and earlier ones more than
    /// later ones.
    fn merge(
        &self,
        mut entries: Vec<(Key, Node)>,
        merged: Vec<Node>,
    ) -> Result<Vec<(Key, Node)>, Problems> {
        let mut sources = Vec::new();
        for node in merged {
            match node.value {
                Value::Map(_) => sources.push(node),
                Value::List(items) => sources.extend(items),
                Value::Scalar { .. } => sources.push(node),
            }
        }
        for source in sources {
            let Value::Map(others) = source.value else {
                let message = "`<<` takes a mapping or a list of mappings, such as `<<: *common`";
                return Err(Problems::one(source.place, message));
            };
            for (key, node) in others {
                if !entries.iter().any(|(own, _)| own.text == key.text) {
                    entries.push((key, node));
                }
            }
        }
        Ok(entries)
    }
}

fn too_deep(place: Place) -> Problems {
    Problems::one(place, format!("nested deeper than {DEPTH_MAX} levels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_billion_laughs_end_early() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..20 {
            let before = vec![format!("*a{}", level - 1); 9].join(", ");
            text += &format!("a{level}: &a{level} [{before}]\n");
        }
        assert!(
            refusal(&text).ends_with("with aliases written out there are more than 20000 values")
        );
        // Anchors inside anchors are copied as often as they are nested.
        let nested: String = (0..20).map(|n| format!("&a{n} [")).collect();
        let text = format!("{nested}{}{}", "x, ".repeat(2_000), "]".repeat(20));
        assert!(refusal(&text).contains("more than 20000 values"), "{}", refusal(&text));
    }

    #[test]
    fn depth_is_bounded_however_it_is_written() {
        let lists = format!("{}{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(refusal(&lists), "1:25: nested deeper than 24 levels");
        assert_eq!(refusal(&"- ".repeat(60_000)), "1:49: nested deeper than 24 levels");
        // Brackets are read ahead; the parser has a bound of its own.
        assert_eq!(
            refusal(&"[".repeat(60_000)),
            "1:256: this is no YAML: recursion limit exceeded"
        );
        let half = format!("a: &a {}{}\n", "[".repeat(15), "]".repeat(15));
        let text = format!("{half}b: {}*a{}\n", "[".repeat(15), "]".repeat(15));
        assert_eq!(refusal(&text), "2:19: nested deeper than 24 levels");
    }

    #[test]
    fn what_is_no_single_tree_is_refused_where_it_is() {
        assert_eq!(
            refusal("a: &a [*a]\n"),
            "1:8: this alias refers to what contains it; write the values out"
        );
        assert_eq!(refusal("a: 1\nb: 2\na: 3\n"), "3:1: `a` is there twice; keep one of them");
        assert_eq!(
            refusal("a: 1\n---\nb: 1\n"),
            "2:1: a second document begins here; write one in a file"
        );
        assert_eq!(
            refusal("a: !!binary aGk=\n"),
            "1:13: tags (`!…`) are not used here; leave it out"
        );
        assert_eq!(refusal("[a]: 1\n"), "1:1: a key is a word, not a list or a mapping");
        assert_eq!(
            refusal("a: 1\n<<: 2\n"),
            "2:5: `<<` takes a mapping or a list of mappings, such as `<<: *common`"
        );
        assert!(refusal("").starts_with("1:1: the file is empty"));
        assert!(refusal(&"#".repeat(FILE_MAX + 1)).starts_with("1:1: the file has 131073 bytes"));
    }

    #[test]
    fn merged_keys_give_way_to_own_ones() {
        let root = parse("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n").unwrap();
        let Value::Map(entries) = root.value else { panic!() };
        let Value::Map(y) = &entries[1].1.value else { panic!() };
        let of = |key: &str| match &y.iter().find(|(own, _)| own.text == key).unwrap().1.value {
            Value::Scalar { text, .. } => text.clone(),
            _ => panic!(),
        };
        assert_eq!((of("a"), of("b")), ("1".to_owned(), "3".to_owned()));
    }
}

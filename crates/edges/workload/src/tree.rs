//! Files that an execution can read: names in order, contents in memory or in a file of the node.

use std::{collections::BTreeMap, fmt, fs, io, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use girrona_assembly::content::names::{NameError, check_name};
use thiserror::Error;

/// Folders inside each other, as in content.
const DEPTH_MAX: usize = 64;

/// A tree of files that nobody changes any more. Cheap to clone.
#[derive(Clone, Default)]
pub struct Tree {
    nodes: Arc<Vec<Node>>,
}

/// What something in a tree is.
#[derive(Clone)]
pub(crate) enum Node {
    /// Names and where they are in the tree.
    Folder(BTreeMap<String, usize>),
    /// Contents.
    File(Contents),
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub(crate) enum Contents {
    Memory(Bytes),
    Disk(Arc<fs::File>, u64),
}

/// Why a file has no place in a tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TreeError {
    /// A part of its path is no name.
    #[error("{path}: {source}")]
    Name {
        /// The whole path.
        path: String,
        /// What is wrong.
        #[source]
        source: NameError,
    },
    /// It would be inside a file, or it is there already.
    #[error("{0} is there already, or it is inside of a file")]
    Taken(String),
    /// Too many folders inside each other.
    #[error("{0} has more than {DEPTH_MAX} folders around it")]
    Deep(String),
}

impl Tree {
    /// A tree of files in memory.
    ///
    /// # Errors
    /// [`TreeError`] names the path at fault.
    pub fn from_files<P: AsRef<str>>(
        files: impl IntoIterator<Item = (P, Bytes)>,
    ) -> Result<Self, TreeError> {
        let mut tree = Self::default();
        for (path, bytes) in files {
            tree.add(path.as_ref(), bytes)?;
        }
        Ok(tree)
    }

    /// Adds a file in memory at `path`, which is relative and has `/` between names.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn add(&mut self, path: &str, bytes: Bytes) -> Result<(), TreeError> {
        self.insert(path, Contents::Memory(bytes))
    }

    /// Adds `len` bytes of an open file. What they are must not change while executions read them.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn add_file(&mut self, path: &str, file: fs::File, len: u64) -> Result<(), TreeError> {
        self.insert(path, Contents::Disk(Arc::new(file), len))
    }

    fn insert(&mut self, path: &str, contents: Contents) -> Result<(), TreeError> {
        let names: Vec<&str> = path.split('/').collect();
        for name in &names {
            let named = |source| TreeError::Name { path: path.to_owned(), source };
            check_name(name).map_err(named)?;
        }
        if names.len() > DEPTH_MAX {
            return Err(TreeError::Deep(path.to_owned()));
        }
        let nodes = Arc::make_mut(&mut self.nodes);
        if nodes.is_empty() {
            nodes.push(Node::Folder(BTreeMap::new()));
        }
        let mut at = 0;
        for (index, name) in names.iter().enumerate() {
            let next = nodes.len();
            let is_last = index + 1 == names.len();
            let Node::Folder(entries) = &mut nodes[at] else {
                return Err(TreeError::Taken(path.to_owned()));
            };
            at = match entries.get(*name) {
                Some(_) if is_last => return Err(TreeError::Taken(path.to_owned())),
                Some(there) => *there,
                None => {
                    entries.insert((*name).to_owned(), next);
                    nodes.push(if is_last {
                        Node::File(contents.clone())
                    } else {
                        Node::Folder(BTreeMap::new())
                    });
                    next
                }
            };
        }
        Ok(())
    }

    /// Something in it; 0 is its root.
    pub(crate) fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("nodes", &self.nodes.len()).finish()
    }
}

impl Contents {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            Self::Disk(_, len) => *len,
        }
    }

    /// Fills `buffer` from `offset` on; fewer bytes only where it ends.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len().saturating_sub(offset);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..count];
        match self {
            Self::Memory(bytes) if count > 0 => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                buffer.copy_from_slice(&bytes[start..start + count]);
            }
            Self::Memory(_) => {}
            Self::Disk(file, _) => file.read_exact_at(buffer, offset)?,
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_have_no_place() {
        for bad in ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a\\b", "a/"] {
            let tree = Tree::from_files([(bad, Bytes::new())]);
            assert!(matches!(tree, Err(TreeError::Name { .. })), "{bad:?}");
        }
        let twice = Tree::from_files([("a", Bytes::new()), ("a", Bytes::new())]);
        assert_eq!(twice.err(), Some(TreeError::Taken("a".to_owned())));
        let inside = Tree::from_files([("a", Bytes::new()), ("a/b", Bytes::new())]);
        assert_eq!(inside.err(), Some(TreeError::Taken("a/b".to_owned())));
        let deep = vec!["d"; DEPTH_MAX + 1].join("/");
        assert!(matches!(Tree::from_files([(deep, Bytes::new())]), Err(TreeError::Deep(_))));
    }

    #[test]
    fn a_file_is_read_from_memory_and_from_disk_alike() {
        let path = std::env::temp_dir().join(format!("girrona-tree-{}", std::process::id()));
        fs::write(&path, b"0123456789").unwrap();
        let disk = Contents::Disk(Arc::new(fs::File::open(&path).unwrap()), 10);
        fs::remove_file(&path).unwrap();
        let memory = Contents::Memory(Bytes::from_static(b"0123456789"));
        for (offset, len) in [(0, 4), (8, 4), (10, 4), (u64::MAX, 4), (0, 20)] {
            let read = |contents: &Contents| {
                let mut buffer = vec![0; len];
                let count = contents.read(offset, &mut buffer).unwrap();
                buffer.truncate(count);
                buffer
            };
            assert_eq!(read(&disk), read(&memory), "{offset}");
        }
    }
}

//! The guest's files: `/app`, which is the assembly and can be read, and `/out`, which is empty at
//! first and what an execution leaves behind.
//!
//! All of it is in memory and nothing of it is the host's: there is no path that leads out, no
//! symbolic link, no owner, no time but the job's. Names are listed in the order of their bytes.

mod handle;
mod names;

use std::{collections::BTreeMap, ops::Bound};

use bytes::Bytes;
use girrona_assembly::{
    content::names::{NAME_MAX, check_name},
    run::Trap,
};

pub(crate) use self::handle::Handle;
use crate::{
    law::FILES_MAX,
    limiter::Halt,
    tree::{Node, Tree},
};

/// Where the two trees are mounted.
pub(crate) const MOUNTS: [(Place, &str); 2] = [(Place::App(0), "/app"), (Place::Out(0), "/out")];
/// The longest path, in bytes.
pub(crate) const PATH_MAX: usize = 4_096;
/// Folders inside each other, as in content.
const DEPTH_MAX: usize = 63;

/// A file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the assembly.
    App(usize),
    /// Below `/out`, by its number.
    Out(u64),
}

/// Why something cannot be done with files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    NoEntry,
    NotFolder,
    IsFolder,
    Exists,
    NotEmpty,
    ReadOnly,
    /// It would lead out of the folder it began in.
    Outside,
    Invalid,
    LongName,
    BadName,
    /// Nothing the guest can go on after.
    Halt(Halt),
}

impl From<Halt> for Fault {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}

/// What there is to know of a file or folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stat {
    pub(crate) is_folder: bool,
    pub(crate) size: u64,
    /// Its number.
    pub(crate) id: u64,
}

/// How to open something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Open {
    pub(crate) create: bool,
    /// Only if it is not there yet.
    pub(crate) exclusive: bool,
    /// Only a folder.
    pub(crate) folder: bool,
    pub(crate) truncate: bool,
    pub(crate) write: bool,
}

#[derive(Debug)]
enum Kind {
    File(Vec<u8>),
    Folder(BTreeMap<String, u64>),
}

#[derive(Debug)]
struct Inode {
    kind: Kind,
    /// Handles to it.
    opens: u32,
    /// Whether it still has a name.
    is_linked: bool,
    depth: usize,
}

/// Both trees.
#[derive(Debug)]
pub(crate) struct Files {
    app: Tree,
    out: BTreeMap<u64, Inode>,
    next: u64,
    used: u64,
    max: u64,
    /// All times there are, in milliseconds since 1970.
    pub(crate) time_ms: u64,
}

impl Files {
    pub(crate) fn new(app: Tree, max: u64, time_ms: u64) -> Self {
        let root =
            Inode { kind: Kind::Folder(BTreeMap::new()), opens: 0, is_linked: true, depth: 0 };
        Self { app, out: BTreeMap::from([(0, root)]), next: 1, used: 0, max, time_ms }
    }

    fn inode(&self, id: u64) -> Result<&Inode, Fault> {
        self.out.get(&id).ok_or(Fault::NoEntry)
    }

    fn inode_mut(&mut self, id: u64) -> Result<&mut Inode, Fault> {
        self.out.get_mut(&id).ok_or(Fault::NoEntry)
    }

    /// What is under `name` in a folder.
    fn child(&self, folder: Place, name: &str) -> Result<Place, Fault> {
        match folder {
            Place::App(index) => match self.app.node(index) {
                Some(Node::Folder(names)) => {
                    names.get(name).map(|at| Place::App(*at)).ok_or(Fault::NoEntry)
                }
                Some(Node::File(_)) => Err(Fault::NotFolder),
                // An empty tree has no root.
                None => Err(Fault::NoEntry),
            },
            Place::Out(id) => match &self.inode(id)?.kind {
                Kind::Folder(names) => {
                    names.get(name).map(|id| Place::Out(*id)).ok_or(Fault::NoEntry)
                }
                Kind::File(_) => Err(Fault::NotFolder),
            },
        }
    }

    fn is_folder(&self, place: Place) -> Result<bool, Fault> {
        self.stat(place).map(|stat| stat.is_folder)
    }

    /// Walks along `parts`; never above `folder`.
    fn walk(&self, folder: Place, parts: &[&str]) -> Result<Place, Fault> {
        let mut way = vec![folder];
        for part in parts {
            let at = *way.last().ok_or(Fault::Outside)?;
            match *part {
                "" | "." if self.is_folder(at)? => {}
                ".." if self.is_folder(at)? => {
                    way.pop();
                    if way.is_empty() {
                        return Err(Fault::Outside);
                    }
                }
                "" | "." | ".." => return Err(Fault::NotFolder),
                name => way.push(self.child(at, name)?),
            }
        }
        way.last().copied().ok_or(Fault::Outside)
    }

    /// What a path leads to, from a folder on.
    pub(crate) fn find(&self, folder: Place, path: &str) -> Result<Place, Fault> {
        self.walk(folder, &parts(path)?)
    }

    /// The folder that a path's last name is in, that name, and whether it has to be a folder.
    fn parent<'a>(&self, folder: Place, path: &'a str) -> Result<(Place, &'a str, bool), Fault> {
        let mut parts = parts(path)?;
        let is_folder = parts.last() == Some(&"");
        while parts.last() == Some(&"") {
            parts.pop();
        }
        match parts.pop() {
            None => Err(Fault::NoEntry),
            Some("." | "..") => Err(Fault::Invalid),
            Some(name) => {
                let parent = self.walk(folder, &parts)?;
                if self.is_folder(parent)? {
                    Ok((parent, name, is_folder))
                } else {
                    Err(Fault::NotFolder)
                }
            }
        }
    }

    pub(crate) fn stat(&self, place: Place) -> Result<Stat, Fault> {
        Ok(match place {
            Place::App(index) => {
                let id = u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(2);
                match self.app.node(index) {
                    Some(Node::File(contents)) => {
                        Stat { is_folder: false, size: contents.len(), id }
                    }
                    Some(Node::Folder(_)) => Stat { is_folder: true, size: 0, id },
                    None if index == 0 => Stat { is_folder: true, size: 0, id },
                    None => return Err(Fault::NoEntry),
                }
            }
            Place::Out(number) => {
                let id = number.saturating_mul(2).saturating_add(1);
                match &self.inode(number)?.kind {
                    Kind::File(bytes) => Stat {
                        is_folder: false,
                        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
                        id,
                    },
                    Kind::Folder(_) => Stat { is_folder: true, size: 0, id },
                }
            }
        })
    }

    /// Names in a folder, in order.
    pub(crate) fn list(&self, place: Place) -> Result<Vec<(String, Place)>, Fault> {
        match place {
            Place::App(index) => match self.app.node(index) {
                Some(Node::Folder(names)) => {
                    Ok(names.iter().map(|(name, at)| (name.clone(), Place::App(*at))).collect())
                }
                Some(Node::File(_)) => Err(Fault::NotFolder),
                None => Ok(Vec::new()),
            },
            Place::Out(id) => match &self.inode(id)?.kind {
                Kind::Folder(names) => {
                    Ok(names.iter().map(|(name, id)| (name.clone(), Place::Out(*id))).collect())
                }
                Kind::File(_) => Err(Fault::NotFolder),
            },
        }
    }

    /// The first name in a folder after `last`.
    pub(crate) fn next_name(
        &self,
        place: Place,
        last: Option<&str>,
    ) -> Result<Option<(String, Place)>, Fault> {
        let range = (last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        match place {
            Place::App(index) => match self.app.node(index) {
                Some(Node::Folder(names)) => {
                    let next = names.range::<str, _>(range).next();
                    Ok(next.map(|(name, at)| (name.clone(), Place::App(*at))))
                }
                Some(Node::File(_)) => Err(Fault::NotFolder),
                None => Ok(None),
            },
            Place::Out(id) => match &self.inode(id)?.kind {
                Kind::Folder(names) => {
                    let next = names.range::<str, _>(range).next();
                    Ok(next.map(|(name, id)| (name.clone(), Place::Out(*id))))
                }
                Kind::File(_) => Err(Fault::NotFolder),
            },
        }
    }

    /// Reads from `offset` on; how many bytes, none at the end.
    pub(crate) fn read(
        &self,
        place: Place,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, Fault> {
        match place {
            Place::App(index) => match self.app.node(index) {
                Some(Node::File(contents)) => {
                    contents.read(offset, buffer).map_err(|_| Fault::Halt(Halt::Node))
                }
                _ => Err(Fault::IsFolder),
            },
            Place::Out(id) => match &self.inode(id)?.kind {
                Kind::File(bytes) => {
                    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                    let rest = bytes.get(offset..).unwrap_or(&[]);
                    let count = rest.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    Ok(count)
                }
                Kind::Folder(_) => Err(Fault::IsFolder),
            },
        }
    }

    /// Gives a file `size` bytes, zeros where there were none.
    pub(crate) fn set_size(&mut self, place: Place, size: u64) -> Result<(), Fault> {
        let Place::Out(id) = place else { return Err(Fault::ReadOnly) };
        let (used, max) = (self.used, self.max);
        let Kind::File(bytes) = &mut self.inode_mut(id)?.kind else { return Err(Fault::IsFolder) };
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let others = used.saturating_sub(len);
        if size > max.saturating_sub(others) {
            return Err(Halt::Trap(Trap::Files).into());
        }
        let target = usize::try_from(size).map_err(|_| Halt::Trap(Trap::Files))?;
        if target > bytes.capacity() {
            // Twice the room, for who goes on writing; never more than the quota has.
            let room = usize::try_from(max.saturating_sub(others)).unwrap_or(usize::MAX);
            let wanted = target.max(bytes.capacity().saturating_mul(2).min(room));
            let more = wanted.saturating_sub(bytes.len());
            bytes.try_reserve_exact(more).map_err(|_| Halt::Node)?;
        }
        bytes.resize(target, 0);
        self.used = others.saturating_add(size);
        Ok(())
    }

    /// Writes all of it at `offset`.
    pub(crate) fn write(&mut self, place: Place, offset: u64, data: &[u8]) -> Result<(), Fault> {
        let size = self.stat(place)?.size;
        let count = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(count).ok_or(Halt::Trap(Trap::Files))?;
        if end > size && count > 0 {
            self.set_size(place, end)?;
        }
        let Place::Out(id) = place else { return Err(Fault::ReadOnly) };
        let Kind::File(bytes) = &mut self.inode_mut(id)?.kind else { return Err(Fault::IsFolder) };
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(there) = bytes.get_mut(start..).and_then(|rest| rest.get_mut(..data.len())) {
            there.copy_from_slice(data);
        }
        Ok(())
    }

    /// Adds something new under `name`.
    fn add(&mut self, parent: Place, name: &str, kind: Kind) -> Result<Place, Fault> {
        let Place::Out(folder) = parent else { return Err(Fault::ReadOnly) };
        if name.len() > NAME_MAX {
            return Err(Fault::LongName);
        }
        // What is left behind becomes content, so its names have to be possible there.
        check_name(name).map_err(|_| Fault::BadName)?;
        let depth = self.inode(folder)?.depth + 1;
        if self.out.len() > FILES_MAX || depth > DEPTH_MAX {
            return Err(Halt::Trap(Trap::Files).into());
        }
        let id = self.next;
        let parent = self.inode_mut(folder)?;
        // A folder that was removed while it was open takes nothing any more.
        if !parent.is_linked {
            return Err(Fault::NoEntry);
        }
        let Kind::Folder(names) = &mut parent.kind else { return Err(Fault::NotFolder) };
        names.insert(name.to_owned(), id);
        self.out.insert(id, Inode { kind, opens: 0, is_linked: true, depth });
        self.next = self.next.saturating_add(1);
        Ok(Place::Out(id))
    }

    fn open(&mut self, folder: Place, path: &str, how: Open) -> Result<Place, Fault> {
        let place = match self.find(folder, path) {
            Ok(_) if how.create && how.exclusive => return Err(Fault::Exists),
            Ok(place) => place,
            Err(Fault::NoEntry) if how.create && !how.folder => {
                let (parent, name, is_folder) = self.parent(folder, path)?;
                match self.child(parent, name) {
                    Err(Fault::NoEntry) if !is_folder => {}
                    Err(Fault::NoEntry) => return Err(Fault::IsFolder),
                    Ok(_) | Err(_) => return Err(Fault::NoEntry),
                }
                self.add(parent, name, Kind::File(Vec::new()))?
            }
            Err(fault) => return Err(fault),
        };
        let is_folder = self.is_folder(place)?;
        if how.folder && !is_folder {
            return Err(Fault::NotFolder);
        }
        if is_folder && (how.write || how.truncate) {
            return Err(Fault::IsFolder);
        }
        if (how.write || how.truncate) && matches!(place, Place::App(_)) {
            return Err(Fault::ReadOnly);
        }
        if how.truncate {
            self.set_size(place, 0)?;
        }
        Ok(place)
    }

    /// Everything below `/out` that is a file, by path. Nothing is left.
    pub(crate) fn take_output(&mut self) -> BTreeMap<String, Bytes> {
        let mut output = BTreeMap::new();
        self.take_folder(0, "", &mut output);
        output
    }

    fn take_folder(&mut self, id: u64, prefix: &str, output: &mut BTreeMap<String, Bytes>) {
        let Some(Inode { kind: Kind::Folder(names), .. }) = self.out.remove(&id) else { return };
        for (name, id) in names {
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            match self.out.get_mut(&id).map(|inode| &mut inode.kind) {
                Some(Kind::File(bytes)) => {
                    output.insert(path, std::mem::take(bytes).into());
                }
                Some(Kind::Folder(_)) => self.take_folder(id, &path, output),
                None => {}
            }
        }
    }
}

/// A path from a folder on, in parts.
fn parts(path: &str) -> Result<Vec<&str>, Fault> {
    if path.is_empty() {
        return Err(Fault::NoEntry);
    }
    if path.starts_with('/') {
        return Err(Fault::Outside);
    }
    if path.contains('\0') {
        return Err(Fault::BadName);
    }
    if path.len() > PATH_MAX {
        return Err(Fault::LongName);
    }
    Ok(path.split('/').collect())
}

#[cfg(test)]
#[path = "files/tests.rs"]
mod tests;

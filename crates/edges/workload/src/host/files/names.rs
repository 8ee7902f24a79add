//! Changes of names: folders that are made, things that are removed and moved.

use std::collections::BTreeMap;

use girrona_assembly::{
    content::names::{NAME_MAX, check_name},
    run::Trap,
};

use super::{DEPTH_MAX, Fault, Files, Inode, Kind, Place};
use crate::limiter::Halt;

impl Files {
    pub(crate) fn create_folder(&mut self, folder: Place, path: &str) -> Result<(), Fault> {
        if self.find(folder, path).is_ok() {
            return Err(Fault::Exists);
        }
        let (parent, name, _) = self.parent(folder, path)?;
        self.add(parent, name, Kind::Folder(BTreeMap::new())).map(|_| ())
    }

    /// Takes the name away from a file, or from a folder with nothing in it.
    pub(crate) fn remove(
        &mut self,
        folder: Place,
        path: &str,
        is_folder: bool,
    ) -> Result<(), Fault> {
        let (parent, name, wants_folder) = self.parent(folder, path)?;
        let place = self.child(parent, name)?;
        let (Place::Out(parent), Place::Out(id)) = (parent, place) else {
            return Err(Fault::ReadOnly);
        };
        match &self.inode(id)?.kind {
            Kind::Folder(_) if !is_folder => return Err(Fault::IsFolder),
            Kind::File(_) if is_folder || wants_folder => return Err(Fault::NotFolder),
            Kind::Folder(names) if !names.is_empty() => return Err(Fault::NotEmpty),
            _ => {}
        }
        self.unlink(parent, name);
        Ok(())
    }

    fn unlink(&mut self, parent: u64, name: &str) {
        let Some(Inode { kind: Kind::Folder(names), .. }) = self.out.get_mut(&parent) else {
            return;
        };
        let Some(id) = names.remove(name) else { return };
        if let Some(inode) = self.out.get_mut(&id) {
            inode.is_linked = false;
        }
        self.sweep(id);
    }

    /// Forgets what has neither a name nor a handle.
    pub(super) fn sweep(&mut self, id: u64) {
        let is_gone = self.out.get(&id).is_some_and(|inode| inode.opens == 0 && !inode.is_linked);
        if is_gone && let Some(Inode { kind: Kind::File(bytes), .. }) = self.out.remove(&id) {
            self.used = self.used.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn rename(&mut self, from: (Place, &str), to: (Place, &str)) -> Result<(), Fault> {
        let (old_parent, old_name, old_slash) = self.parent(from.0, from.1)?;
        let (new_parent, new_name, new_slash) = self.parent(to.0, to.1)?;
        let moved = self.child(old_parent, old_name)?;
        let (Place::Out(old_folder), Place::Out(new_folder), Place::Out(id)) =
            (old_parent, new_parent, moved)
        else {
            return Err(Fault::ReadOnly);
        };
        let is_folder = self.is_folder(moved)?;
        if (old_slash || new_slash) && !is_folder {
            return Err(Fault::NotFolder);
        }
        if new_name.len() > NAME_MAX {
            return Err(Fault::LongName);
        }
        check_name(new_name).map_err(|_| Fault::BadName)?;
        if is_folder && self.is_below(new_folder, id) {
            return Err(Fault::Invalid);
        }
        let depth = self.inode(new_folder)?.depth + 1;
        if depth + self.height(id) > DEPTH_MAX {
            return Err(Halt::Trap(Trap::Files).into());
        }
        match self.child(new_parent, new_name) {
            Ok(same) if same == moved => return Ok(()),
            Ok(there) => {
                match (is_folder, self.is_folder(there)?) {
                    (true, false) => return Err(Fault::NotFolder),
                    (false, true) => return Err(Fault::IsFolder),
                    (true, true) if !self.list(there)?.is_empty() => return Err(Fault::NotEmpty),
                    _ => {}
                }
                self.unlink(new_folder, new_name);
            }
            Err(Fault::NoEntry) => {}
            Err(fault) => return Err(fault),
        }
        if let Kind::Folder(names) = &mut self.inode_mut(old_folder)?.kind {
            names.remove(old_name);
        }
        if let Kind::Folder(names) = &mut self.inode_mut(new_folder)?.kind {
            names.insert(new_name.to_owned(), id);
        }
        self.set_depth(id, depth);
        Ok(())
    }

    fn children(&self, id: u64) -> Vec<u64> {
        match self.out.get(&id).map(|inode| &inode.kind) {
            Some(Kind::Folder(names)) => names.values().copied().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether `place` is `folder` or inside of it. Depth is limited, so this ends.
    fn is_below(&self, place: u64, folder: u64) -> bool {
        place == folder
            || self.children(folder).into_iter().any(|child| self.is_below(place, child))
    }

    /// How many levels there are below.
    fn height(&self, id: u64) -> usize {
        self.children(id).into_iter().map(|child| 1 + self.height(child)).max().unwrap_or(0)
    }

    fn set_depth(&mut self, id: u64, depth: usize) {
        if let Some(inode) = self.out.get_mut(&id) {
            inode.depth = depth;
        }
        for child in self.children(id) {
            self.set_depth(child, depth + 1);
        }
    }
}

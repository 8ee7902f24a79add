//! Open files and folders.

use std::sync::{Arc, Mutex};

use super::{Fault, Files, Open, Place};
use crate::host::lock;

/// Something open. What it leads to stays as long as there is one.
#[derive(Debug)]
pub(crate) struct Handle {
    files: Arc<Mutex<Files>>,
    place: Place,
}

impl Handle {
    /// A folder that is there from the start.
    pub(crate) fn mount(files: &Arc<Mutex<Files>>, place: Place) -> Self {
        Self::new(files, &mut lock(files), place)
    }

    fn new(files: &Arc<Mutex<Files>>, locked: &mut Files, place: Place) -> Self {
        if let Place::Out(id) = place
            && let Some(inode) = locked.out.get_mut(&id)
        {
            inode.opens += 1;
        }
        Self { files: Arc::clone(files), place }
    }

    /// Another one to the same.
    pub(crate) fn again(&self) -> Self {
        Self::mount(&self.files, self.place)
    }

    /// Opens something from this folder on.
    pub(crate) fn open(&self, path: &str, how: Open) -> Result<Self, Fault> {
        let mut files = lock(&self.files);
        let place = files.open(self.place, path, how)?;
        Ok(Self::new(&self.files, &mut files, place))
    }

    /// Where it leads, and all there is to do there.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Files, Place) -> T) -> T {
        work(&mut lock(&self.files), self.place)
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Place::Out(id) = self.place {
            let mut files = lock(&self.files);
            if let Some(inode) = files.out.get_mut(&id) {
                inode.opens = inode.opens.saturating_sub(1);
            }
            files.sweep(id);
        }
    }
}

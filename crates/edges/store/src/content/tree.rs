//! Files of a root, read as files.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use girrona_assembly::content::{
    Cid, Codec,
    node::{Node, read},
    walk::Piece,
};

use super::{ContentError, ContentStore};

/// A file or directory in a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathInfo {
    /// Where, names separated by `/`.
    pub path: String,
    /// Bytes of the file.
    pub size: u64,
}

impl ContentStore {
    fn block(&self, cid: &Cid) -> Result<Vec<u8>, ContentError> {
        self.get(cid)?.ok_or(ContentError::Missing(*cid))
    }

    /// The block of a file or directory by its path.
    fn find(&self, root: &Cid, path: &str) -> Result<Cid, ContentError> {
        let mut here = *root;
        for name in path.split('/') {
            let bytes = self.block(&here)?;
            let missing = || ContentError::NoFile(path.to_owned());
            let Ok(Node::Directory(entries)) = read(here.codec, &bytes, &self.inner.limits) else {
                return Err(missing());
            };
            let entry = entries.into_iter().find(|entry| entry.name == name);
            here = entry.ok_or_else(missing)?.cid;
        }
        Ok(here)
    }

    /// A file's bytes.
    ///
    /// # Errors
    /// [`ContentError::NoFile`], [`ContentError::Long`], or a block is missing.
    pub fn read_file(&self, root: &Cid, path: &str, max: u64) -> Result<Vec<u8>, ContentError> {
        let file = self.find(root, path)?;
        let (mut bytes, mut open) = (Vec::new(), vec![file]);
        while let Some(cid) = open.pop() {
            let block = self.block(&cid)?;
            match read(cid.codec, &block, &self.inner.limits) {
                Ok(Node::File { bytes: own, parts, size }) => {
                    let total = size.max(bytes.len().saturating_add(own.len()) as u64);
                    if total > max {
                        return Err(ContentError::Long { path: path.to_owned(), max });
                    }
                    bytes.extend_from_slice(own);
                    open.extend(parts.iter().rev().map(|part| part.cid));
                }
                _ => return Err(ContentError::NoFile(path.to_owned())),
            }
        }
        Ok(bytes)
    }

    /// A file, opened for reading. One that is a single block is that block; a longer one is put
    /// together beside, once, and stays open however long the root is held.
    ///
    /// # Errors
    /// [`ContentError::NoFile`], or a block is missing, or the disk failed.
    pub fn open_file(&self, root: &Cid, path: &str) -> Result<File, ContentError> {
        let file = self.find(root, path)?;
        if file.codec == Codec::Raw {
            let bytes = self.block(&file)?;
            drop(bytes);
            let path = self.inner.files.path(&file);
            return File::open(&path).map_err(ContentError::disk("open", &path));
        }
        let beside = self.inner.files.beside();
        let failed = |doing| ContentError::disk(doing, &beside);
        let mut out = File::create_new(&beside).map_err(failed("create"))?;
        let (mut open, mut fault) = (vec![file], None);
        while let Some(cid) = open.pop() {
            let block = self.block(&cid)?;
            match read(cid.codec, &block, &self.inner.limits) {
                Ok(Node::File { bytes, parts, .. }) => {
                    out.write_all(bytes).map_err(failed("write"))?;
                    open.extend(parts.iter().rev().map(|part| part.cid));
                }
                _ => {
                    fault = Some(ContentError::NoFile(path.to_owned()));
                    break;
                }
            }
        }
        let opened = File::open(&beside).map_err(failed("open"));
        // Its name goes at once, its bytes when nobody has it open.
        fs::remove_file(&beside).map_err(failed("remove"))?;
        match fault {
            Some(fault) => Err(fault),
            None => opened,
        }
    }

    /// All files of a root.
    ///
    /// # Errors
    /// A block is missing.
    pub fn files(&self, root: &Cid) -> Result<Vec<PathInfo>, ContentError> {
        let mut found = Vec::new();
        self.walk(root, |piece| {
            if let Piece::File { path, size, .. } = piece {
                found.push(PathInfo { path, size });
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Writes all files of a root into a folder, which is made and must not exist. Names were
    /// checked when the blocks were read, so nothing lands outside.
    ///
    /// # Errors
    /// A block is missing, or the disk failed.
    pub fn unpack(&self, root: &Cid, folder: &Path) -> Result<(), ContentError> {
        fs::create_dir(folder).map_err(ContentError::disk("create", folder))?;
        let mut open: Option<(std::path::PathBuf, File)> = None;
        let mut made = BTreeSet::new();
        self.walk(root, |piece| {
            let bytes = match piece {
                Piece::Directory { path } => {
                    let path = folder.join(&path);
                    if made.insert(path.clone()) && path != folder {
                        fs::create_dir(&path).map_err(ContentError::disk("create", &path))?;
                    }
                    open = None;
                    return Ok(());
                }
                Piece::File { path, bytes, .. } => {
                    let name = if path.is_empty() { "file" } else { &path };
                    let path = folder.join(name);
                    let file =
                        File::create_new(&path).map_err(ContentError::disk("create", &path))?;
                    open = Some((path, file));
                    bytes
                }
                Piece::More { bytes } => bytes,
            };
            match &mut open {
                Some((path, file)) => {
                    file.write_all(bytes).map_err(ContentError::disk("write", path))
                }
                None => Ok(()),
            }
        })?;
        Ok(())
    }
}

//! Open files and folders by number, and the functions that take one.

use std::collections::BTreeMap;

use super::{
    Answer, Call,
    errno::{Errno, Refusal},
    unsupported,
};
use crate::{
    host::{
        Fault, Handle, Host,
        files::{MOUNTS, Stat},
    },
    law::FDS_MAX,
};

/// Bytes that one call reads from a file.
const READ_MAX: u32 = 8 << 20;

/// Something open.
#[derive(Debug)]
pub(super) enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    Folder {
        handle: Handle,
        /// Where it is mounted, if it is.
        mount: Option<&'static str>,
    },
    File(OpenFile),
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) handle: Handle,
    pub(super) offset: u64,
    pub(super) append: bool,
    pub(super) write: bool,
}

/// What is open. A new one gets the lowest number that is free.
#[derive(Debug)]
pub(crate) struct Descriptors(BTreeMap<u32, Descriptor>);

impl Descriptors {
    pub(super) fn new(host: &Host) -> Self {
        let mut all = BTreeMap::from([
            (0, Descriptor::Stdin),
            (1, Descriptor::Stdout),
            (2, Descriptor::Stderr),
        ]);
        for (number, (place, path)) in (3..).zip(MOUNTS) {
            let handle = Handle::mount(&host.files, place);
            all.insert(number, Descriptor::Folder { handle, mount: Some(path) });
        }
        Self(all)
    }

    pub(super) fn get(&self, fd: u32) -> Result<&Descriptor, Errno> {
        self.0.get(&fd).ok_or(Errno::BadDescriptor)
    }

    fn get_mut(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        self.0.get_mut(&fd).ok_or(Errno::BadDescriptor)
    }

    pub(super) fn folder(&self, fd: u32) -> Result<&Handle, Errno> {
        match self.get(fd)? {
            Descriptor::Folder { handle, .. } => Ok(handle),
            _ => Err(Errno::NotFolder),
        }
    }

    fn file(&mut self, fd: u32) -> Result<&mut OpenFile, Errno> {
        match self.get_mut(fd)? {
            Descriptor::File(file) => Ok(file),
            Descriptor::Folder { .. } => Err(Errno::IsFolder),
            _ => Err(Errno::NoSeek),
        }
    }

    pub(super) fn check_room(&self) -> Result<(), Errno> {
        if self.0.len() < FDS_MAX { Ok(()) } else { Err(Errno::TooManyOpen) }
    }

    pub(super) fn add(&mut self, descriptor: Descriptor) -> Result<u32, Errno> {
        self.check_room()?;
        // The numbers are in order, so the first that is not where it would be leaves a gap.
        let free = (0_u32..).zip(self.0.keys()).find(|(wanted, there)| wanted != *there);
        let count = u32::try_from(self.0.len()).map_err(|_| Errno::TooManyOpen)?;
        let number = free.map_or(count, |(wanted, _)| wanted);
        self.0.insert(number, descriptor);
        Ok(number)
    }

    /// How many bytes can be read or written now; everything is always ready.
    pub(super) fn readiness(&self, fd: u32, is_write: bool, host: &Host) -> Result<u64, Errno> {
        Ok(match self.get(fd)? {
            Descriptor::Stdin if !is_write => u64::try_from(host.stdin.left()).unwrap_or(u64::MAX),
            Descriptor::File(file) if !is_write => {
                let size = file.handle.with(|files, place| files.stat(place).map_or(0, |s| s.size));
                size.saturating_sub(file.offset)
            }
            _ => 0,
        })
    }
}

/// `filestat` of the interface.
pub(super) fn filestat(stat: Stat, time_ms: u64) -> [u8; 64] {
    let time = time_ms.saturating_mul(1_000_000).to_le_bytes();
    let mut bytes = [0; 64];
    bytes[8..16].copy_from_slice(&stat.id.to_le_bytes());
    bytes[16] = file_type(stat.is_folder);
    bytes[24] = 1;
    bytes[32..40].copy_from_slice(&stat.size.to_le_bytes());
    for at in [40, 48, 56] {
        bytes[at..at + 8].copy_from_slice(&time);
    }
    bytes
}

const fn file_type(is_folder: bool) -> u8 {
    if is_folder { 3 } else { 4 }
}

impl Call<'_> {
    pub(super) fn fd_advise(&mut self, fd: u32, _offset: u64, _len: u64, advice: u32) -> Answer {
        self.fds.file(fd)?;
        if advice > 5 { Err(Errno::Invalid.into()) } else { Ok(()) }
    }

    pub(super) fn fd_allocate(&self, _fd: u32, _offset: u64, _len: u64) -> Answer {
        unsupported()
    }

    pub(super) fn fd_close(&mut self, fd: u32) -> Answer {
        self.fds.0.remove(&fd).map(|_| ()).ok_or_else(|| Errno::BadDescriptor.into())
    }

    pub(super) fn fd_datasync(&self, fd: u32) -> Answer {
        self.fds.get(fd)?;
        Ok(())
    }

    pub(super) fn fd_sync(&self, fd: u32) -> Answer {
        self.fds.get(fd)?;
        Ok(())
    }

    pub(super) fn fd_fdstat_get(&mut self, fd: u32, result: u32) -> Answer {
        // Neither standard input nor the outputs are a terminal, or anything else with a name.
        let (kind, flags) = match self.fds.get(fd)? {
            Descriptor::Stdin | Descriptor::Stdout | Descriptor::Stderr => (0, 0),
            Descriptor::Folder { .. } => (file_type(true), 0),
            Descriptor::File(file) => (file_type(false), u8::from(file.append)),
        };
        let mut bytes = [0; 24];
        bytes[0] = kind;
        bytes[2] = flags;
        // Rights mean nothing any more; libraries want to see them.
        bytes[8..].fill(0xff);
        self.memory.write(result, &bytes)
    }

    pub(super) fn fd_fdstat_set_flags(&mut self, fd: u32, flags: u32) -> Answer {
        if let Descriptor::File(file) = self.fds.get_mut(fd)? {
            file.append = flags & 1 != 0;
        }
        Ok(())
    }

    pub(super) fn fd_fdstat_set_rights(&self, fd: u32, _base: u64, _inheriting: u64) -> Answer {
        self.fds.get(fd)?;
        Ok(())
    }

    pub(super) fn fd_filestat_get(&mut self, fd: u32, result: u32) -> Answer {
        let bytes = match self.fds.get(fd)? {
            Descriptor::Folder { handle, .. } | Descriptor::File(OpenFile { handle, .. }) => {
                let stat =
                    handle.with(|files, place| Ok::<_, Fault>((files.stat(place)?, files.time_ms)));
                let (stat, time) = stat?;
                filestat(stat, time)
            }
            _ => {
                let mut bytes = [0; 64];
                bytes[24] = 1;
                bytes
            }
        };
        self.memory.write(result, &bytes)
    }

    pub(super) fn fd_filestat_set_size(&mut self, fd: u32, size: u64) -> Answer {
        let file = self.fds.file(fd)?;
        if !file.write {
            return Err(Errno::BadDescriptor.into());
        }
        Ok(file.handle.with(|files, place| files.set_size(place, size))?)
    }

    /// Times are the job's, whatever is set.
    pub(super) fn fd_filestat_set_times(
        &self,
        fd: u32,
        _access: u64,
        _modification: u64,
        _flags: u32,
    ) -> Answer {
        self.fds.get(fd)?;
        Ok(())
    }

    pub(super) fn fd_prestat_get(&mut self, fd: u32, result: u32) -> Answer {
        match self.fds.get(fd)? {
            Descriptor::Folder { mount: Some(path), .. } => {
                let len = u32::try_from(path.len()).unwrap_or(0);
                self.memory.write_u32(result, 0)?;
                self.memory.write_u32(super::memory::offset(result, 4)?, len)
            }
            _ => Err(Errno::BadDescriptor.into()),
        }
    }

    pub(super) fn fd_prestat_dir_name(&mut self, fd: u32, path: u32, len: u32) -> Answer {
        match self.fds.get(fd)? {
            Descriptor::Folder { mount: Some(name), .. } => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                let name = name.as_bytes().get(..len).unwrap_or(name.as_bytes());
                self.memory.write(path, name)
            }
            _ => Err(Errno::BadDescriptor.into()),
        }
    }

    pub(super) fn fd_read(&mut self, fd: u32, buffers: u32, count: u32, result: u32) -> Answer {
        let mut total = 0_u32;
        if matches!(self.fds.get(fd)?, Descriptor::Stdin) {
            for (at, len) in self.memory.buffers(buffers, count)? {
                // Checked before anything is taken.
                self.memory.slice(at, len)?;
                let bytes = self.host.stdin.take(usize::try_from(len).unwrap_or(0));
                self.memory.write(at, &bytes)?;
                total = total.saturating_add(u32::try_from(bytes.len()).unwrap_or(0));
            }
        } else {
            let offset = self.fds.file(fd).map_err(not_for_this)?.offset;
            total = self.read_file(fd, buffers, count, offset)?;
            self.fds.file(fd)?.offset = offset.saturating_add(u64::from(total));
        }
        self.memory.write_u32(result, total)
    }

    pub(super) fn fd_pread(
        &mut self,
        fd: u32,
        buffers: u32,
        count: u32,
        offset: u64,
        result: u32,
    ) -> Answer {
        let total = self.read_file(fd, buffers, count, offset)?;
        self.memory.write_u32(result, total)
    }

    fn read_file(
        &mut self,
        fd: u32,
        buffers: u32,
        count: u32,
        mut offset: u64,
    ) -> Result<u32, Refusal> {
        let file = self.fds.file(fd)?;
        let mut total = 0_u32;
        for (at, len) in self.memory.buffers(buffers, count)? {
            // A short read is an answer, and a call that copies for seconds cannot be stopped.
            let len = len.min(READ_MAX.saturating_sub(total));
            let buffer = self.memory.slice_mut(at, len)?;
            let read = file.handle.with(|files, place| files.read(place, offset, buffer))?;
            let read = u32::try_from(read).unwrap_or(0);
            offset = offset.saturating_add(u64::from(read));
            total = total.saturating_add(read);
            if read < len || total >= READ_MAX {
                break;
            }
        }
        Ok(total)
    }

    pub(super) fn fd_write(&mut self, fd: u32, buffers: u32, count: u32, result: u32) -> Answer {
        let sink = match self.fds.get(fd)? {
            Descriptor::Stdout => Some(self.host.stdout.clone()),
            Descriptor::Stderr => Some(self.host.stderr.clone()),
            _ => None,
        };
        let total = if let Some(sink) = sink {
            let mut total = 0_u32;
            for (at, len) in self.memory.buffers(buffers, count)? {
                sink.write(self.memory.slice(at, len)?)?;
                total = total.saturating_add(len);
            }
            total
        } else {
            let file = self.fds.file(fd).map_err(not_for_this)?;
            let offset = if file.append {
                file.handle.with(|files, place| files.stat(place))?.size
            } else {
                file.offset
            };
            let total = self.write_file(fd, buffers, count, offset)?;
            self.fds.file(fd)?.offset = offset.saturating_add(u64::from(total));
            total
        };
        self.memory.write_u32(result, total)
    }

    pub(super) fn fd_pwrite(
        &mut self,
        fd: u32,
        buffers: u32,
        count: u32,
        offset: u64,
        result: u32,
    ) -> Answer {
        let total = self.write_file(fd, buffers, count, offset)?;
        self.memory.write_u32(result, total)
    }

    fn write_file(
        &mut self,
        fd: u32,
        buffers: u32,
        count: u32,
        mut offset: u64,
    ) -> Result<u32, Refusal> {
        let file = self.fds.file(fd)?;
        if !file.write {
            return Err(Errno::BadDescriptor.into());
        }
        let mut total = 0_u32;
        for (at, len) in self.memory.buffers(buffers, count)? {
            let data = self.memory.slice(at, len)?;
            file.handle.with(|files, place| files.write(place, offset, data))?;
            offset = offset.saturating_add(u64::from(len));
            total = total.saturating_add(len);
        }
        Ok(total)
    }

    pub(super) fn fd_seek(&mut self, fd: u32, offset: i64, whence: u32, result: u32) -> Answer {
        let file = self.fds.file(fd)?;
        let size = file.handle.with(|files, place| files.stat(place))?.size;
        let from = match whence {
            0 => 0,
            1 => file.offset,
            2 => size,
            _ => return Err(Errno::Invalid.into()),
        };
        let to = from.checked_add_signed(offset).ok_or(Errno::Invalid)?;
        file.offset = to;
        self.memory.write_u64(result, to)
    }

    pub(super) fn fd_tell(&mut self, fd: u32, result: u32) -> Answer {
        let offset = self.fds.file(fd)?.offset;
        self.memory.write_u64(result, offset)
    }

    pub(super) fn fd_renumber(&mut self, from: u32, to: u32) -> Answer {
        self.fds.get(from)?;
        self.fds.get(to)?;
        if let Some(moved) = self.fds.0.remove(&from) {
            self.fds.0.insert(to, moved);
        }
        Ok(())
    }

    /// Entries from the `cookie`-th on, each with a head of 24 bytes; the last may be cut off.
    pub(super) fn fd_readdir(
        &mut self,
        fd: u32,
        buffer: u32,
        len: u32,
        cookie: u64,
        result: u32,
    ) -> Answer {
        let folder = self.fds.folder(fd)?;
        let entries = folder.with(|files, place| {
            let own = files.stat(place)?;
            let mut entries = vec![(".".to_owned(), own), ("..".to_owned(), own)];
            for (name, place) in files.list(place)? {
                entries.push((name, files.stat(place)?));
            }
            Ok::<_, Fault>(entries)
        })?;
        // Going through a folder is work, however little of it is asked for.
        self.memory.count(entries.len().saturating_mul(64));
        let room = usize::try_from(len).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let from = usize::try_from(cookie).unwrap_or(usize::MAX);
        for (next, (name, stat)) in (1_u64..).zip(entries).skip(from) {
            if bytes.len() >= room {
                break;
            }
            bytes.extend_from_slice(&next.to_le_bytes());
            bytes.extend_from_slice(&stat.id.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(name.len()).unwrap_or(0).to_le_bytes());
            bytes.extend_from_slice(&[file_type(stat.is_folder), 0, 0, 0]);
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes.truncate(room);
        self.memory.write(buffer, &bytes)?;
        self.memory.write_u32(result, u32::try_from(bytes.len()).unwrap_or(0))
    }
}

/// Reading from an output or writing to the input is a wrong descriptor, not a seek.
fn not_for_this(errno: Errno) -> Errno {
    if errno == Errno::NoSeek { Errno::BadDescriptor } else { errno }
}

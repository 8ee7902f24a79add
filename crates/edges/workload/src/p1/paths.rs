//! Functions that take a path.

use super::{
    Answer, Call, Errno,
    descriptors::{Descriptor, OpenFile, filestat},
    unsupported,
};
use crate::host::files::{Fault, Open};

const CREATE: u32 = 1;
const FOLDER: u32 = 2;
const EXCLUSIVE: u32 = 4;
const TRUNCATE: u32 = 8;
const APPEND: u32 = 1;
const RIGHT_READ: u64 = 1 << 1;
const RIGHT_WRITE: u64 = 1 << 6;

#[expect(clippy::too_many_arguments, reason = "the interface has them")]
impl Call<'_> {
    pub(super) fn path_create_directory(&mut self, fd: u32, path: u32, len: u32) -> Answer {
        let path = self.memory.path(path, len)?;
        let folder = self.fds.folder(fd)?;
        Ok(folder.with(|files, place| files.create_folder(place, &path))?)
    }

    pub(super) fn path_filestat_get(
        &mut self,
        fd: u32,
        _flags: u32,
        path: u32,
        len: u32,
        result: u32,
    ) -> Answer {
        let path = self.memory.path(path, len)?;
        let folder = self.fds.folder(fd)?;
        let (stat, time) = folder.with(|files, place| {
            let found = files.find(place, &path)?;
            Ok::<_, Fault>((files.stat(found)?, files.time_ms))
        })?;
        self.memory.write(result, &filestat(stat, time))
    }

    /// Times are the job's, whatever is set.
    pub(super) fn path_filestat_set_times(
        &mut self,
        fd: u32,
        _flags: u32,
        path: u32,
        len: u32,
        _access: u64,
        _modification: u64,
        _times: u32,
    ) -> Answer {
        let path = self.memory.path(path, len)?;
        let folder = self.fds.folder(fd)?;
        folder.with(|files, place| files.find(place, &path))?;
        Ok(())
    }

    pub(super) fn path_link(
        &self,
        _fd: u32,
        _flags: u32,
        _path: u32,
        _len: u32,
        _new_fd: u32,
        _new_path: u32,
        _new_len: u32,
    ) -> Answer {
        unsupported()
    }

    pub(super) fn path_open(
        &mut self,
        fd: u32,
        _lookup: u32,
        path: u32,
        len: u32,
        flags: u32,
        base: u64,
        _inheriting: u64,
        fdflags: u32,
        result: u32,
    ) -> Answer {
        let path = self.memory.path(path, len)?;
        let is_for_writing = base & RIGHT_WRITE != 0;
        let how = Open {
            create: flags & CREATE != 0,
            exclusive: flags & EXCLUSIVE != 0,
            folder: flags & FOLDER != 0,
            truncate: flags & TRUNCATE != 0,
            write: is_for_writing,
        };
        let folder = self.fds.folder(fd)?;
        self.fds.check_room()?;
        let handle = match folder.open(&path, how) {
            // Who asks for all rights does not mean to write to a folder.
            Err(Fault::IsFolder) if !how.create && !how.truncate && base & RIGHT_READ != 0 => {
                folder.open(&path, Open { write: false, ..how })?
            }
            opened => opened?,
        };
        let stat = handle.with(|files, place| files.stat(place))?;
        let opened = if stat.is_folder {
            Descriptor::Folder { handle, mount: None }
        } else {
            Descriptor::File(OpenFile {
                handle,
                offset: 0,
                append: fdflags & APPEND != 0,
                write: is_for_writing,
            })
        };
        let number = self.fds.add(opened)?;
        self.memory.write_u32(result, number)
    }

    /// There are no symbolic links.
    pub(super) fn path_readlink(
        &mut self,
        fd: u32,
        path: u32,
        len: u32,
        _buffer: u32,
        _buffer_len: u32,
        _result: u32,
    ) -> Answer {
        let path = self.memory.path(path, len)?;
        self.fds.folder(fd)?.with(|files, place| files.find(place, &path))?;
        Err(Errno::Invalid.into())
    }

    pub(super) fn path_remove_directory(&mut self, fd: u32, path: u32, len: u32) -> Answer {
        let path = self.memory.path(path, len)?;
        Ok(self.fds.folder(fd)?.with(|files, place| files.remove(place, &path, true))?)
    }

    pub(super) fn path_rename(
        &mut self,
        fd: u32,
        path: u32,
        len: u32,
        new_fd: u32,
        new_path: u32,
        new_len: u32,
    ) -> Answer {
        let path = self.memory.path(path, len)?;
        let new_path = self.memory.path(new_path, new_len)?;
        let target = self.fds.folder(new_fd)?.place();
        let folder = self.fds.folder(fd)?;
        Ok(folder.with(|files, place| files.rename((place, &path), (target, &new_path)))?)
    }

    pub(super) fn path_symlink(
        &self,
        _old_path: u32,
        _old_len: u32,
        _fd: u32,
        _new_path: u32,
        _new_len: u32,
    ) -> Answer {
        unsupported()
    }

    pub(super) fn path_unlink_file(&mut self, fd: u32, path: u32, len: u32) -> Answer {
        let path = self.memory.path(path, len)?;
        Ok(self.fds.folder(fd)?.with(|files, place| files.remove(place, &path, false))?)
    }
}

//! `wasi:filesystem` over the guest's own files.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsError, FsResult,
    bindings::filesystem::{
        preopens,
        types::{
            self, Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType,
            DirectoryEntry, DirectoryEntryStream, ErrorCode, HostDescriptor,
            HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
        },
    },
};

use super::{
    State, cast,
    streams::{CHUNK, FileIn, FileOut},
    times::datetime,
};
use crate::host::{
    Fault, Files, Handle,
    files::{MOUNTS, Open, Place, Stat},
};

/// Something open.
struct Opened {
    handle: Handle,
    write: bool,
}

/// How far a folder was read: a guest may begin with a thousand at a time, so it holds no names.
struct Listing {
    handle: Handle,
    last: Option<String>,
}

fn refusal(fault: Fault) -> FsError {
    match fault {
        Fault::NoEntry => ErrorCode::NoEntry,
        Fault::NotFolder => ErrorCode::NotDirectory,
        Fault::IsFolder => ErrorCode::IsDirectory,
        Fault::Exists => ErrorCode::Exist,
        Fault::NotEmpty => ErrorCode::NotEmpty,
        Fault::ReadOnly => ErrorCode::ReadOnly,
        Fault::Outside => ErrorCode::NotPermitted,
        Fault::Invalid => ErrorCode::Invalid,
        Fault::LongName => ErrorCode::NameTooLong,
        Fault::BadName => ErrorCode::IllegalByteSequence,
        Fault::Halt(halt) => return FsError::trap(halt),
    }
    .into()
}

fn kind(stat: Stat) -> DescriptorType {
    if stat.is_folder { DescriptorType::Directory } else { DescriptorType::RegularFile }
}

fn described(files: &Files, stat: Stat) -> DescriptorStat {
    let time = datetime(files.time_ms.saturating_mul(1_000_000));
    DescriptorStat {
        type_: kind(stat),
        link_count: 1,
        size: stat.size,
        data_access_timestamp: Some(time),
        data_modification_timestamp: Some(time),
        status_change_timestamp: Some(time),
    }
}

impl State {
    fn opened(&self, fd: &Resource<Descriptor>) -> FsResult<&Opened> {
        Ok(self.table.get(&cast::<_, Opened>(fd))?)
    }

    fn with<T>(
        &self,
        fd: &Resource<Descriptor>,
        work: impl FnOnce(&mut Files, Place) -> Result<T, Fault>,
    ) -> FsResult<T> {
        self.opened(fd)?.handle.with(work).map_err(refusal)
    }

    fn writable(&self, fd: &Resource<Descriptor>) -> FsResult<&Handle> {
        let opened = self.opened(fd)?;
        let stat = opened.handle.with(|files, place| files.stat(place)).map_err(refusal)?;
        match (stat.is_folder, opened.write) {
            (true, _) => Err(ErrorCode::IsDirectory.into()),
            (false, true) => Ok(&opened.handle),
            (false, false) => Err(ErrorCode::NotPermitted.into()),
        }
    }

    fn push(&mut self, opened: Opened) -> wasmtime::Result<Resource<Descriptor>> {
        Ok(cast(&self.table.push(opened)?))
    }

    fn hash(stat: Stat) -> MetadataHashValue {
        MetadataHashValue { lower: stat.id, upper: stat.size }
    }
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        MOUNTS
            .into_iter()
            .map(|(place, path)| {
                let write = matches!(place, Place::Out(_));
                let handle = Handle::mount(&self.host.files, place);
                Ok((self.push(Opened { handle, write })?, path.to_owned()))
            })
            .collect()
    }
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        _error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl HostDescriptor for State {
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        _offset: u64,
        _len: u64,
        _advice: Advice,
    ) -> FsResult<()> {
        self.opened(&fd).map(|_| ())
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.opened(&fd).map(|_| ())
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.opened(&fd).map(|_| ())
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        let is_folder = self.with(&fd, |files, place| files.stat(place))?.is_folder;
        let mut flags = DescriptorFlags::READ;
        if self.opened(&fd)?.write {
            let more =
                if is_folder { DescriptorFlags::MUTATE_DIRECTORY } else { DescriptorFlags::WRITE };
            flags |= more;
        }
        Ok(flags)
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.with(&fd, |files, place| files.stat(place)).map(kind)
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: u64) -> FsResult<()> {
        let handle = self.writable(&fd)?;
        handle.with(|files, place| files.set_size(place, size)).map_err(refusal)
    }

    /// Times are the job's, whatever is set.
    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        _access: NewTimestamp,
        _modification: NewTimestamp,
    ) -> FsResult<()> {
        self.opened(&fd).map(|_| ())
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        len: u64,
        offset: u64,
    ) -> FsResult<(Vec<u8>, bool)> {
        let mut buffer = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(CHUNK)];
        let count = self.with(&fd, |files, place| files.read(place, offset, &mut buffer))?;
        buffer.truncate(count);
        Ok((buffer, count == 0 && len > 0))
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        data: Vec<u8>,
        offset: u64,
    ) -> FsResult<u64> {
        let handle = self.writable(&fd)?;
        handle.with(|files, place| files.write(place, offset, &data)).map_err(refusal)?;
        Ok(u64::try_from(data.len()).unwrap_or(u64::MAX))
    }

    async fn read_directory(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        if !self.with(&fd, |files, place| files.stat(place))?.is_folder {
            return Err(ErrorCode::NotDirectory.into());
        }
        let handle = self.opened(&fd)?.handle.again();
        Ok(cast(&self.table.push(Listing { handle, last: None })?))
    }

    async fn create_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.with(&fd, |files, place| files.create_folder(place, &path))
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.with(&fd, |files, place| Ok(described(files, files.stat(place)?)))
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.with(&fd, |files, place| {
            let found = files.find(place, &path)?;
            Ok(described(files, files.stat(found)?))
        })
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
        _access: NewTimestamp,
        _modification: NewTimestamp,
    ) -> FsResult<()> {
        self.with(&fd, |files, place| files.find(place, &path)).map(|_| ())
    }

    async fn link_at(
        &mut self,
        _fd: Resource<Descriptor>,
        _flags: PathFlags,
        _path: String,
        _new: Resource<Descriptor>,
        _new_path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        _path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let parent = self.opened(&fd)?;
        let write = flags.contains(DescriptorFlags::WRITE);
        let how = Open {
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            folder: open.contains(OpenFlags::DIRECTORY),
            truncate: open.contains(OpenFlags::TRUNCATE),
            write,
        };
        let handle = parent.handle.open(&path, how).map_err(refusal)?;
        let write = write || matches!(handle.place(), Place::Out(_)) && how.folder;
        self.push(Opened { handle, write }).map_err(FsError::trap)
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(cast::<_, Opened>(&fd))?;
        Ok(())
    }

    /// There are no symbolic links.
    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.with(&fd, |files, place| files.find(place, &path))?;
        Err(ErrorCode::Invalid.into())
    }

    async fn remove_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.with(&fd, |files, place| files.remove(place, &path, true))
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        new: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        let target = self.opened(&new)?.handle.place();
        self.with(&fd, |files, place| files.rename((place, &path), (target, &new_path)))
    }

    async fn symlink_at(
        &mut self,
        _fd: Resource<Descriptor>,
        _path: String,
        _new_path: String,
    ) -> FsResult<()> {
        Err(ErrorCode::Unsupported.into())
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.with(&fd, |files, place| files.remove(place, &path, false))
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynInputStream>> {
        let is_folder = self.with(&fd, |files, place| files.stat(place))?.is_folder;
        if is_folder {
            return Err(ErrorCode::IsDirectory.into());
        }
        let handle = self.opened(&fd)?.handle.again();
        let stream: DynInputStream = Box::new(FileIn { handle, offset });
        Ok(self.table.push(stream)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: u64,
    ) -> FsResult<Resource<DynOutputStream>> {
        let handle = self.writable(&fd)?.again();
        let stream: DynOutputStream = Box::new(FileOut { handle, offset: Some(offset) });
        Ok(self.table.push(stream)?)
    }

    fn append_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let handle = self.writable(&fd)?.again();
        let stream: DynOutputStream = Box::new(FileOut { handle, offset: None });
        Ok(self.table.push(stream)?)
    }

    async fn is_same_object(
        &mut self,
        a: Resource<Descriptor>,
        b: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        let place = |fd| Ok::<_, wasmtime::Error>(self.opened(fd)?.handle.place());
        Ok(place(&a)? == place(&b)?)
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.with(&fd, |files, place| files.stat(place)).map(Self::hash)
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        _flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let stat = self.with(&fd, |files, place| {
            let found = files.find(place, &path)?;
            files.stat(found)
        })?;
        Ok(Self::hash(stat))
    }
}

impl HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get_mut(&cast::<_, Listing>(&stream))?;
        let last = listing.last.as_deref();
        let next = listing.handle.with(|files, place| {
            let Some((name, found)) = files.next_name(place, last)? else { return Ok(None) };
            Ok(Some(DirectoryEntry { type_: kind(files.stat(found)?), name }))
        });
        let next = next.map_err(refusal)?;
        listing.last =
            next.as_ref().map(|entry| entry.name.clone()).or_else(|| listing.last.take());
        Ok(next)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.table.delete(cast::<_, Listing>(&stream))?;
        Ok(())
    }
}

//! A rehearsal of a store's file: reads come from the file, and writes stay in memory.
//!
//! redb repairs in place, and writes before it has found every fault. So a store is opened on a rehearsal first, with
//! redb's own locks on the file. Only a store that proves whole is then opened for writing. So a damaged file keeps
//! every byte that a person may want to examine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

/// The unit of kept writes, in bytes: redb's own page, because redb mostly writes whole pages.
const PAGE_BYTES: usize = 4096;

/// The file, and the writes that it was spared.
#[derive(Debug)]
pub(super) struct Rehearsal {
    file: FileBackend,
    written: Mutex<Written>,
}

/// The writes over the file.
#[derive(Debug)]
struct Written {
    /// Length of the file with the writes, in bytes.
    len: u64,
    /// The length up to which the file shows through unwritten pages: the least length that it was ever cut to.
    file_len: u64,
    /// Written pages, by number.
    pages: BTreeMap<u64, Box<[u8; PAGE_BYTES]>>,
}

impl Rehearsal {
    /// A rehearsal on `file`, which must be open for writing, because its locks require that.
    ///
    /// # Errors
    /// Those of the query for the file's length.
    pub(super) fn new(file: File) -> Result<Self, DatabaseError> {
        let file = FileBackend::new(file)?;
        let len = file.len()?;
        let written = Mutex::new(Written {
            len,
            file_len: len,
            pages: BTreeMap::new(),
        });
        Ok(Rehearsal { file, written })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        // No code under the lock panics half-way through a change.
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page with the writes.
    fn page(&self, written: &Written, number: u64) -> io::Result<Box<[u8; PAGE_BYTES]>> {
        if let Some(page) = written.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = Box::new([0; PAGE_BYTES]);
        let start = number * PAGE_BYTES as u64;
        let there = written.file_len.saturating_sub(start).min(PAGE_BYTES as u64) as usize;
        if there > 0 {
            self.file.read(start, &mut page[..there])?;
        }
        Ok(page)
    }
}

/// The pages that hold `length` bytes from `offset`: the number of each, and the range of the bytes in it.
fn pages(offset: u64, length: usize) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
    let end = offset + length as u64;
    let unit = PAGE_BYTES as u64;
    (offset / unit..end.div_ceil(unit)).map(move |number| {
        let start = number * unit;
        let first = offset.max(start) - start;
        let last = end.min(start + unit) - start;
        (number, first as usize..last as usize)
    })
}

impl StorageBackend for Rehearsal {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        let end = offset.checked_add(out.len() as u64);
        if end.is_none_or(|end| end > written.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut rest = out;
        for (number, range) in pages(offset, rest.len()) {
            let (part, more) = rest.split_at_mut(range.len());
            part.copy_from_slice(&self.page(&written, number)?[range]);
            rest = more;
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let end = offset
            .checked_add(data.len() as u64)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let mut rest = data;
        for (number, range) in pages(offset, data.len()) {
            let (part, more) = rest.split_at(range.len());
            let mut page = self.page(&written, number)?;
            page[range].copy_from_slice(part);
            written.pages.insert(number, page);
            rest = more;
        }
        written.len = written.len.max(end);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        if len < written.len {
            let unit = PAGE_BYTES as u64;
            // Bytes that are cut off must read as zeros when the file grows again.
            let inside = (len % unit) as usize;
            if inside > 0 {
                let mut page = self.page(&written, len / unit)?;
                page[inside..].fill(0);
                written.pages.insert(len / unit, page);
            }
            written.pages.split_off(&len.div_ceil(unit));
            written.file_len = written.file_len.min(len);
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetLen(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0..20_000_u64, proptest::collection::vec(1..=255_u8, 0..9_000))
                .prop_map(|(offset, data)| Step::Write(offset, data)),
            (0..24_000_u64).prop_map(Step::SetLen),
        ];
        proptest::collection::vec(step, 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_reads_like_a_file_and_leaves_the_file_alone(length in 0..16_000_usize, steps in steps()) {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("file");
            let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8 + 1).collect();
            std::fs::write(&path, &bytes).unwrap();
            let mut options = std::fs::OpenOptions::new();
            let rehearsal = Rehearsal::new(options.read(true).write(true).open(&path).unwrap()).unwrap();
            let mut model = bytes.clone();
            for step in steps {
                match step {
                    Step::Write(offset, data) => {
                        let (start, end) = (offset as usize, offset as usize + data.len());
                        model.resize(model.len().max(end), 0);
                        model[start..end].copy_from_slice(&data);
                        rehearsal.write(offset, &data).unwrap();
                    }
                    Step::SetLen(len) => {
                        model.resize(len as usize, 0);
                        rehearsal.set_len(len).unwrap();
                    }
                }
                prop_assert_eq!(rehearsal.len().unwrap(), model.len() as u64);
                let mut read = vec![0; model.len()];
                rehearsal.read(0, &mut read).unwrap();
                prop_assert!(read == model, "what is read differs");
                prop_assert!(rehearsal.read(model.len() as u64, &mut [0]).is_err());
            }
            prop_assert!(std::fs::read(&path).unwrap() == bytes, "the file was written");
        }
    }
}

//! A BPF array shared with the kernel program: reading and writing it costs no system call.

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Values of a `BPF_F_MMAPABLE` array (since Linux 5.5) as an array of single 64-bit fields.
///
/// `FIELDS` is how many `u64` a value has. Every access is one atomic load or store, the same
/// width the program uses, so no value is ever seen half-written.
#[derive(Debug)]
pub(super) struct Mapped<const FIELDS: usize> {
    base: NonNull<AtomicU64>,
    bytes: usize,
    len: u32,
}

// SAFETY: the memory is shared with the kernel anyway; all access is through atomics.
unsafe impl<const FIELDS: usize> Send for Mapped<FIELDS> {}
// SAFETY: as above.
unsafe impl<const FIELDS: usize> Sync for Mapped<FIELDS> {}

impl<const FIELDS: usize> Mapped<FIELDS> {
    /// Maps `len` values of the array behind `fd`.
    ///
    /// # Errors
    /// mmap(2)'s, EPERM where the map was made without `BPF_F_MMAPABLE`.
    pub(super) fn new(fd: BorrowedFd<'_>, len: u32) -> std::io::Result<Self> {
        let page = rustix::param::page_size();
        let bytes = (len as usize * FIELDS * size_of::<u64>()).next_multiple_of(page);
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let base = unsafe {
            mmap(ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd.as_fd(), 0)
        }?;
        let base = NonNull::new(base.cast()).ok_or_else(|| std::io::Error::other("mmap returned null"))?;
        Ok(Self { base, bytes, len })
    }

    /// Loads a field; later loads see at least what the program wrote before it.
    pub(super) fn load(&self, index: u32, field: usize) -> u64 {
        self.field(index, field).load(Ordering::Acquire)
    }

    /// Stores a field; the program sees it after everything stored before it.
    pub(super) fn store(&self, index: u32, field: usize, value: u64) {
        self.field(index, field).store(value, Ordering::Release);
    }

    fn field(&self, index: u32, field: usize) -> &AtomicU64 {
        assert!(index < self.len && field < FIELDS, "lane {index}.{field} out of bounds");
        // SAFETY: in bounds by the assertion; the mapping lives as long as `self`.
        unsafe { self.base.add(index as usize * FIELDS + field).as_ref() }
    }
}

impl<const FIELDS: usize> Drop for Mapped<FIELDS> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; no reference outlives `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

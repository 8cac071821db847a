//! Memory that is appended to and read in any order. Once it is large, it consists of 2 MiB pages
//! where the kernel has them: with small pages, page faults and TLB misses took a fifth of the time
//! of a build from unsorted input.

use memmap2::MmapMut;

/// Bytes that are appended.
pub(super) enum Memory {
    Heap(Vec<u8>),
    /// An anonymous mapping, of which the first `len` bytes are in use.
    Mapped {
        map: MmapMut,
        len: usize,
    },
}

impl Memory {
    pub(super) const fn new() -> Self {
        Self::Heap(Vec::new())
    }

    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped { map, len } => &map[..*len],
        }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Heap(bytes) => bytes.len(),
            Self::Mapped { len, .. } => *len,
        }
    }

    /// Bytes that can be appended without more memory.
    #[inline(always)]
    pub(super) fn room(&self) -> usize {
        match self {
            Self::Heap(bytes) => bytes.capacity() - bytes.len(),
            Self::Mapped { map, len } => map.len() - len,
        }
    }

    #[inline(always)]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let added = bytes.len();
        match self {
            Self::Mapped { map, len } if map.len() - *len >= added => {
                map[*len..*len + added].copy_from_slice(bytes);
                *len += added;
            }
            _ => self.append_to_heap(bytes),
        }
    }

    #[inline(always)]
    fn append_to_heap(&mut self, added: &[u8]) {
        if let Self::Mapped { .. } = self {
            self.move_to_heap();
        }
        if let Self::Heap(bytes) = self {
            bytes.extend_from_slice(added);
        }
    }

    /// The mapping is full: the allocator takes over.
    #[cold]
    fn move_to_heap(&mut self) {
        *self = Self::Heap(self.bytes().to_vec());
    }

    /// Reserves room for `more` bytes. Pages that are never touched cost only address space, and
    /// commit charge where the system limits that. Where either is short, memory grows as it is
    /// needed.
    pub(super) fn reserve(&mut self, more: usize) {
        let held = self.bytes();
        let Some(Ok(mut map)) = held.len().checked_add(more).map(MmapMut::map_anon) else {
            return;
        };
        #[cfg(target_os = "linux")]
        // Advice: without 2 MiB pages it is slower, not wrong.
        let _ = map.advise(memmap2::Advice::HugePage);
        map[..held.len()].copy_from_slice(held);
        *self = Self::Mapped { len: held.len(), map };
    }

    pub(super) fn clear(&mut self) {
        match self {
            Self::Heap(bytes) => bytes.clear(),
            Self::Mapped { len, .. } => *len = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On the heap, mapped, and beyond what was mapped: what was appended is there.
    #[test]
    fn bytes_stay_as_they_move() {
        let mut memory = Memory::new();
        let mut right = Vec::new();
        for step in 0..4_000usize {
            if step == 1_000 {
                assert!(matches!(memory, Memory::Heap(_)));
                memory.reserve(100_000);
                assert!(memory.room() >= 100_000 && matches!(memory, Memory::Mapped { .. }));
            }
            let piece = vec![step as u8; step % 97];
            memory.append(&piece);
            right.extend_from_slice(&piece);
            assert_eq!(memory.len(), right.len());
        }
        assert!(matches!(memory, Memory::Heap(_)), "more than was reserved");
        assert!(memory.bytes() == right);
        memory.reserve(10);
        assert!(memory.bytes() == right);
        memory.clear();
        assert_eq!((memory.len(), memory.bytes()), (0, &[][..]));
        memory.append(b"anew");
        assert_eq!(memory.bytes(), b"anew");
        memory.reserve(usize::MAX);
        memory.reserve(usize::MAX / 2);
        assert_eq!(memory.bytes(), b"anew", "what can't be had changes nothing");
    }
}

//! marisa-trie (Yata 2011) through a few lines of C++: keys become numbers, which are places in an array
//! of offsets of values.

use std::{
    ffi::{CString, c_char, c_int, c_void},
    fs::File,
    os::unix::ffi::OsStrExt,
    path::Path,
    ptr::{NonNull, null},
    slice,
};

use memmap2::{Advice, Mmap};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

unsafe extern "C" {
    /// Builds and saves a trie; `numbers[i]` becomes the number of key `i`. 0: done.
    fn peers_marisa_build(
        keys: *const u8,
        ends: *const usize,
        count: usize,
        numbers: *mut u32,
        path: *const c_char,
    ) -> c_int;
    fn peers_marisa_open(path: *const c_char) -> *mut c_void;
    fn peers_marisa_close(trie: *mut c_void);
    fn peers_marisa_agent() -> *mut c_void;
    fn peers_marisa_free(agent: *mut c_void);
    /// The number of a key, or a negative one.
    fn peers_marisa_get(trie: *const c_void, agent: *mut c_void, key: *const u8, len: usize)
    -> i64;
    /// Makes the agent new for a walk through all keys.
    fn peers_marisa_restart(agent: *mut c_void);
    fn peers_marisa_next(
        trie: *const c_void,
        agent: *mut c_void,
        key: *mut *const u8,
        len: *mut usize,
    ) -> i64;
}

pub struct Marisa;

const TRIE: &str = "keys.marisa";
const VALUES: &str = "values";

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

impl Contestant for Marisa {
    fn name(&self) -> &'static str {
        "marisa"
    }

    fn options(&self) -> &'static str {
        "Debian's libmarisa, its defaults, trie mapped; offsets of 8 bytes and values in a second mapped \
         file; one agent per thread"
    }

    /// Keys have numbers of 32 bits.
    fn holds(&self, shape: &Shape) -> bool {
        shape.entries < u64::from(u32::MAX)
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let (mut keys, mut ends) = (Vec::new(), Vec::new());
        for (key, _) in input.iter() {
            keys.extend_from_slice(key);
            ends.push(keys.len());
        }
        let mut numbers = vec![0; ends.len()];
        let path = c_path(&dir.join(TRIE))?;
        // SAFETY: `count` ends and numbers, and all keys, are there.
        let failed = unsafe {
            let (keys, ends, count) = (keys.as_ptr(), ends.as_ptr(), ends.len());
            peers_marisa_build(keys, ends, count, numbers.as_mut_ptr(), path.as_ptr())
        };
        if failed != 0 {
            return Err("marisa could not build the trie".into());
        }
        let mut offsets = vec![0; (numbers.len() + 1) * 8];
        let mut in_order: Vec<&[u8]> = vec![&[]; numbers.len()];
        for ((_, value), number) in input.iter().zip(&numbers) {
            in_order[*number as usize] = value;
        }
        let mut values = Vec::with_capacity(input.shape.payload as usize);
        let base = offsets.len();
        for (value, offset) in in_order.iter().zip(offsets.chunks_exact_mut(8)) {
            offset.copy_from_slice(&((base + values.len()) as u64).to_le_bytes());
            values.extend_from_slice(value);
        }
        let end = ((base + values.len()) as u64).to_le_bytes();
        offsets[base - 8..].copy_from_slice(&end);
        crate::mapping::write_huge(&dir.join(VALUES), &[&offsets, &values])
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let path = c_path(&place.file(TRIE))?;
        // SAFETY: the path ends in a zero; the file is ours and stays as it is.
        let trie = NonNull::new(unsafe { peers_marisa_open(path.as_ptr()) });
        let trie = Trie(trie.ok_or("marisa could not open the trie")?);
        let file = File::open(place.file(VALUES))?;
        // SAFETY: the file lies in our own scratch directory; nobody changes it.
        let values = unsafe { Mmap::map(&file)? };
        if access != Access::Normal {
            values.advise(Advice::Random)?;
        }
        Ok(Box::new(Table { trie, values }))
    }
}

struct Trie(NonNull<c_void>);

// SAFETY: lookups read the trie and write to the agent, which each thread has of its own.
unsafe impl Send for Trie {}
// SAFETY: as above.
unsafe impl Sync for Trie {}

impl Drop for Trie {
    fn drop(&mut self) {
        // SAFETY: opened once, closed once.
        unsafe { peers_marisa_close(self.0.as_ptr()) };
    }
}

struct Table {
    trie: Trie,
    values: Mmap,
}

impl Table {
    #[inline]
    fn value(&self, number: i64) -> Option<&[u8]> {
        let number = usize::try_from(number).ok()?;
        let offset = |i: usize| {
            let word = self.values[8 * i..].first_chunk().expect("an offset");
            u64::from_le_bytes(*word) as usize
        };
        Some(&self.values[offset(number)..offset(number + 1)])
    }
}

impl Store for Table {
    type Session<'s> = Reader<'s>;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> Reader<'_> {
        // SAFETY: no argument, nothing to keep.
        let agent = NonNull::new(unsafe { peers_marisa_agent() }).expect("an agent");
        Reader { table: self, agent }
    }
}

struct Reader<'s> {
    table: &'s Table,
    agent: NonNull<c_void>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        // SAFETY: made once, freed once.
        unsafe { peers_marisa_free(self.agent.as_ptr()) };
    }
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (trie, agent) = (self.table.trie.0.as_ptr(), self.agent.as_ptr());
        // SAFETY: trie and agent live; the key is read during the call alone.
        let number = unsafe { peers_marisa_get(trie, agent, probe.key.as_ptr(), probe.key.len()) };
        self.table.value(number).map(f)
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let (trie, agent) = (self.table.trie.0.as_ptr(), self.agent.as_ptr());
        // SAFETY: the agent lives.
        unsafe { peers_marisa_restart(agent) };
        let (mut key, mut len) = (null(), 0);
        loop {
            // SAFETY: trie and agent live, and the two places are written before they are read.
            let number = unsafe { peers_marisa_next(trie, agent, &mut key, &mut len) };
            let Some(value) = self.table.value(number) else { return };
            // SAFETY: the key lies in the agent until its next call.
            f(unsafe { slice::from_raw_parts(key, len) }, value);
        }
    }
}

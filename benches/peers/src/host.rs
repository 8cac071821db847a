//! The machine that the numbers belong to. Nothing that names its owner.

use std::{fs, io, mem};

use serde_json::{Value, json};

use crate::{Result, procfs};

fn cpu_field(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.split(':').next().map(str::trim) == Some(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The CPU's own name, with family and model where the name alone says little.
pub fn cpu() -> String {
    let name = cpu_field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match (cpu_field("cpu family"), cpu_field("model")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

/// The instruction set that graven's lookups run with here: the processor's, or what `GRAVEN_SIMD`
/// asks for. `None` in a build without graven.
pub fn instructions() -> Option<String> {
    #[cfg(feature = "graven")]
    return Some(graven::InstructionSet::in_use().to_string());
    #[cfg(not(feature = "graven"))]
    None
}

pub fn describe() -> Value {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: String = kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    json!({
        "cpu": cpu(),
        "instructions": instructions(),
        "threads": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "l3": fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size")
            .map(|size| size.trim().to_owned())
            .unwrap_or_default(),
        "memory_gb": procfs::total_memory().unwrap_or(0) / 1_000_000_000,
        "kernel": version.trim_end_matches('.'),
    })
}

/// Calls `work` on each processor that this thread may run on; afterwards it may run on all again.
pub fn on_each_processor(mut work: impl FnMut() -> Result<()>) -> Result<()> {
    // SAFETY: a set of bits; all zeros are the empty one.
    let none: libc::cpu_set_t = unsafe { mem::zeroed() };
    let (size, mut all) = (mem::size_of_val(&none), none);
    // SAFETY: `all` is `size` bytes long.
    if unsafe { libc::sched_getaffinity(0, size, &mut all) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    let allow = |processors: &libc::cpu_set_t| {
        // SAFETY: as above.
        match unsafe { libc::sched_setaffinity(0, size, processors) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    for processor in 0..8 * size {
        let mut one = none;
        // SAFETY: sets have a bit for each of the numbers.
        if unsafe { libc::CPU_ISSET(processor, &all) } {
            // SAFETY: as above.
            unsafe { libc::CPU_SET(processor, &mut one) };
            allow(&one)?;
            work()?;
        }
    }
    Ok(allow(&all)?)
}

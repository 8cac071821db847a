//! The machine that the numbers belong to. Nothing that names its owner.

use std::fs;

use serde_json::{Value, json};

use crate::procfs;

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

pub fn describe() -> Value {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: String = kernel.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    json!({
        "cpu": cpu(),
        "threads": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "l3": fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index3/size")
            .map(|size| size.trim().to_owned())
            .unwrap_or_default(),
        "memory_gb": procfs::total_memory().unwrap_or(0) / 1_000_000_000,
        "kernel": version.trim_end_matches('.'),
    })
}

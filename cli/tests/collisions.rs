//! Guards against a program that is silent about keys which someone chose to make lookups slow.

#[path = "../../benches/common/chosen.rs"]
mod chosen;
#[path = "../../tests/common/mod.rs"]
mod common;

use chosen::{of_one_hash, ordinary};
use common::directory;

/// The program says how many keys were set aside; if they are many, also where it was told to be
/// quiet.
#[test]
fn the_program_warns_of_slow_keys() {
    let directory = directory();
    let (input, out) = (directory.path().join("in"), directory.path().join("t"));
    for (equal, others, warns) in [(3, 40_000, false), (40, 2_000, true)] {
        let keys = (0..equal).map(of_one_hash).chain((0..others).map(|i| ordinary(i, 20)));
        let entries = keys.flat_map(|key| {
            let lengths = [key.len() as u32, 1].map(u32::to_le_bytes);
            [lengths.as_flattened(), &key, b"v"].concat()
        });
        std::fs::write(&input, entries.collect::<Vec<_>>()).expect("the input");
        for quiet in [false, true] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_graven"));
            command.args(["build", "-i", "raw", "--no-sync"]).args(quiet.then_some("--quiet"));
            let ran = command.arg(&out).arg(&input).output().expect("the program runs");
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{said}");
            let lines = usize::from(warns) + usize::from(!quiet);
            assert_eq!(said.lines().count(), lines, "{equal} of {others}: {said}");
            let warning = format!("warning: {} of {} keys have", equal - 1, equal + others);
            assert_eq!(said.contains(&warning), warns, "{said}");
            let report = format!("with a hash index of all but {} keys", equal - 1);
            assert_eq!(said.contains(&report), !quiet, "{said}");
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_graven"));
        let stat = command.arg("stat").arg(&out).output().expect("the program runs");
        let line = format!("set aside      {} keys", equal - 1);
        assert!(String::from_utf8_lossy(&stat.stdout).contains(&line), "{stat:?}");
    }
}

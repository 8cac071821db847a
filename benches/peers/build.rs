//! Finds the system libraries. One that is missing drops its contestant with a message; the
//! build goes on without it.

use std::{env, fs, path::PathBuf};

/// pkg-config name, cfg, contestant, Debian package.
const LIBRARIES: [(&str, &str, &str, &str); 4] = [
    ("libcdb", "has_cdb", "tinycdb", "libcdb-dev"),
    ("marisa", "has_marisa", "marisa", "libmarisa-dev"),
    ("libmtbl", "has_mtbl", "mtbl", "libmtbl-dev"),
    ("rocksdb", "has_rocksdb", "rocksdb", "librocksdb-dev"),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let mut missing = Vec::new();
    for (library, cfg, contestant, package) in LIBRARIES {
        if library == "marisa"
            && pkg_config::Config::new().cargo_metadata(false).probe(library).is_ok()
        {
            // Before the library itself, since it calls it.
            wrap_marisa();
        }
        if pkg_config::Config::new().probe(library).is_ok() {
            println!("cargo:rustc-cfg={cfg}");
        } else {
            println!("cargo:warning={contestant} is left out: no {library} (Debian: {package})");
            missing.push(format!("{contestant}={library} not found (Debian: {package})"));
        }
    }
    println!("cargo:rustc-env=PEERS_MISSING={}", missing.join(";"));
    if pkg_config::Config::new().cargo_metadata(false).probe("snappy").is_err() {
        stub_snappy();
    }
}

/// marisa's interface is C++: a few functions of ours stand before it.
fn wrap_marisa() {
    println!("cargo:rerun-if-changed=marisa/marisa.cpp");
    cc::Build::new().cpp(true).file("marisa/marisa.cpp").compile("peers_marisa");
}

/// `sparkey-sys` links snappy whether or not a log is compressed. Ours are not, so that without
/// the library three functions that say "error" keep Sparkey in the race.
fn stub_snappy() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let source = out.join("snappy_stub.c");
    let code = "#include <stddef.h>\n\
        int snappy_compress(const char *a, size_t b, char *c, size_t *d) { return 1; }\n\
        int snappy_uncompress(const char *a, size_t b, char *c, size_t *d) { return 1; }\n\
        size_t snappy_max_compressed_length(size_t n) { return 32 + n + n / 6; }\n";
    fs::write(&source, code).expect("OUT_DIR is writable");
    cc::Build::new().file(&source).warnings(false).cargo_metadata(false).compile("snappy");
    println!("cargo:rustc-link-search=native={}", out.display());
}

//! Compressed inputs: the table is the one of the uncompressed input, and a damaged input is an
//! error that names it.

use crate::tool::{Sandbox, lacks};

fn lines() -> String {
    (0..20_000).map(|i| format!("key {i:08}\tvalue {}\n", i * 7 % 1000)).collect()
}

#[test]
fn gzip_and_zstd_are_read_as_they_come() {
    if lacks(&["gzip", "zstd"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.write("in", lines());
    dir.run(&["build", "--quiet", "t", "in"]).printed("");
    for (pack, name) in [
        ("gzip -c in >p", "one member"),
        ("head -c 77777 in | gzip -c >p; tail -c +77778 in | gzip -c >>p", "two members"),
        ("zstd -q -c in >p", "one frame"),
        ("zstd -q -19 --long=27 -c <in >p", "a frame with a large window"),
        ("head -c 77777 in | zstd -q -c >p; tail -c +77778 in | zstd -q -c >>p", "two frames"),
        (
            "printf '\\120\\052\\115\\030\\003\\000\\000\\000abc' >p; zstd -q -c in >>p; \
             printf '\\137\\052\\115\\030\\000\\000\\000\\000' >>p",
            "frames to skip at both ends",
        ),
    ] {
        dir.shell(pack).printed("");
        for build in ["graven build --quiet u p", "graven build --quiet u <p"] {
            dir.shell(build).printed("");
            assert!(dir.read("t") == dir.read("u"), "{name}: another table");
        }
        dir.shell("cat p | graven build --quiet u").printed("");
        assert!(dir.read("t") == dir.read("u"), "{name} from a pipe: another table");
    }
    // Among others, and as another format.
    dir.shell("head -n 5000 in | gzip >a; tail -n +5001 in | zstd -q -c >b").printed("");
    dir.run(&["build", "--quiet", "u", "a", "b"]).printed("");
    assert!(dir.read("t") == dir.read("u"), "two inputs");
    dir.shell("graven dump -o raw t | zstd -q | graven build --quiet -i raw u").printed("");
    assert!(dir.read("t") == dir.read("u"), "raw");
    // A repeated key is looked for in what was decompressed.
    dir.shell("printf 'a\\t1\\nb\\t2\\na\\t3\\n' | gzip >a").printed("");
    dir.run(&["build", "u", "a"]).failed(3, "a: ", &["\"a\" is repeated", "line 1 and line 3"]);
    // No entries at all.
    dir.shell("gzip </dev/null >a; zstd -q </dev/null >b").printed("");
    dir.run(&["build", "--quiet", "u", "a", "b"]).printed("");
    dir.run(&["scan", "--count", "u"]).printed("0\n");
}

#[test]
fn damaged_streams_are_named() {
    if lacks(&["gzip", "zstd"]) {
        return;
    }
    let dir = Sandbox::new();
    dir.write("in", lines());
    dir.shell("gzip -kf in; zstd -q -k -f in").printed("");
    for (name, what) in [("in.gz", "gzip"), ("in.zst", "zstd")] {
        let packed = dir.read(name);
        // Cuts in the header, in the blocks, in the checksum at the end.
        for cut in [4, 6, 12, packed.len() / 2, packed.len() - 3, packed.len() - 1] {
            dir.write("cut", &packed[..cut]);
            let ran = dir.run(&["build", "t", "cut"]);
            ran.failed(3, "cut: ", &[&format!("its {what} data is cut short"), ", line "]);
        }
        for at in [packed.len() / 2, packed.len() - 2] {
            let mut damaged = packed.clone();
            // The length at the end of gzip is checked like its checksum.
            damaged[at] ^= 0x10;
            dir.write("damaged", &damaged);
            for more in [&[][..], &["--skip-bad"]] {
                let ran = dir.run(&[&["build"], more, &["t", "damaged"]].concat());
                ran.failed(3, "damaged: ", &[&format!("its {what} data is damaged")]);
            }
        }
        // What follows the last frame must be a frame.
        dir.write("tail", [&packed[..], b"tail of text"].concat());
        dir.run(&["build", "t", "tail"]).failed(3, "tail: ", &[&format!("its {what} data is")]);
    }
    assert!(!dir.names().contains(&"t".to_owned()), "a table of half an input");
}

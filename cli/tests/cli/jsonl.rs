//! Lines of JSON: the own form, any objects with a field as the key, and that jq reads what is
//! written and writes what is read.

use crate::tool::{Sandbox, lacks};

#[track_caller]
fn makes(options: &[&str], jsonl: &str, tsv: &str) {
    let dir = Sandbox::new();
    let args = [&["build", "--quiet", "--dup", "keep", "-i", "jsonl", "t"], options].concat();
    dir.pipe(&args, jsonl.as_bytes()).printed("");
    let out = dir.run(&["dump", "t"]).out;
    assert_eq!(String::from_utf8_lossy(&out), tsv, "{options:?} {jsonl:?}");
}

#[test]
fn the_own_form_is_read_however_it_is_written() {
    makes(&[], "", "");
    makes(&[], "{\"k\":\"a\",\"v\":\"1\"}", "a\t1\n");
    makes(
        &[],
        "\u{feff}{\"k\":\"a\",\"v\":\"1\"}\r\n\r\n  \n{ \"v\" : \"2\", \"k\" : \"b\" }\n",
        "a\t1\nb\t2\n",
    );
    makes(&[], "{\"k\":\"\\u00e9\\n\\ud83d\\ude00\",\"v\":\"\"}\n", "é\\n😀\t\n");
    makes(&[], "{\"k_b64\":\"AP8=\",\"v_b64\":\"-_8\"}\n", "\\0\u{fffd}\t\u{fffd}\u{fffd}\n");
    makes(&[], "{\"\\u006b\":\"a\",\"v_b64\":\"\\u0041\\u0041==\"}\n", "a\t\\0\n");
}

#[test]
fn dumps_are_in_the_own_form() {
    let dir = Sandbox::new();
    dir.table("t", "\t\na\"\\\\\té\\n\nb\t\\xff\n\\xff\t\\0\n");
    let lines = "{\"k\":\"\",\"v\":\"\"}\n{\"k\":\"a\\\"\\\\\",\"v\":\"é\\n\"}\n\
                 {\"k\":\"b\",\"v_b64\":\"/w==\"}\n{\"k_b64\":\"/w==\",\"v\":\"\\u0000\"}\n";
    dir.run(&["dump", "-o", "jsonl", "t"]).printed(lines);
    let first = lines.lines().next().unwrap().to_owned() + "\n";
    dir.run(&["scan", "-o", "jsonl", "--limit", "1", "t"]).printed(&first);
    // A terminal gets no control characters.
    dir.table("u", "k\t\\x7f\\x1b\n");
    let shown = dir.on_terminal(&["dump", "-o", "jsonl", "u"]);
    assert_eq!(String::from_utf8(shown.out).unwrap(), "{\"k\":\"k\",\"v\":\"\\x7f\\u001b\"}\n");
}

#[test]
fn a_field_is_the_key_and_the_line_is_kept_byte_for_byte() {
    // A JSON program would rewrite each of these numbers, escapes and spaces.
    let lines = "{\"id\":\"b\",  \"n\":1.0e5,\"u\":\"\\u00e9\\/\",\"n\":2}\r\n\
                 { \"x\":[{\"id\":3}],\"id\":12345678901234567890.50 }\n\
                 {\"id\":true}\n";
    makes(
        &["--key", "id"],
        lines,
        "12345678901234567890.50\t{ \"x\":[{\"id\":3}],\"id\":12345678901234567890.50 }\n\
         b\t{\"id\":\"b\",  \"n\":1.0e5,\"u\":\"\\\\u00e9\\\\/\",\"n\":2}\n\
         true\t{\"id\":true}\n",
    );
    let lines = "{\"id\":\"b\",\"v\":{\"a\": [1.0, null]}}\n{\"v\":null,\"id\":\"c\"}\n\
                 {\"id\":\"a\",\"v\":\"x\\ty\\u00e9\"}\n{\"id\":\"d\",\"v\":1.50}\n";
    makes(
        &["--key", "id", "--value", "v"],
        lines,
        "a\tx\\tyé\nb\t{\"a\": [1.0, null]}\nc\tnull\nd\t1.50\n",
    );
    makes(&["--key", "id", "--value", "id"], "{\"id\":\"a\",\"v\":1}\n", "a\ta\n");
    makes(&["--key", "\u{e9} 1"], "{\"\\u00e9 1\":7}\n", "7\t{\"\\\\u00e9 1\":7}\n");
}

#[test]
fn what_is_no_jsonl_is_placed() {
    let dir = Sandbox::new();
    let build = |options: &[&str], jsonl: &[u8]| {
        dir.write("in", [b"{\"k\":\"a\",\"v\":\"1\"}\n", jsonl].concat());
        dir.run(&[&["build", "-i", "jsonl", "t", "in"], options].concat())
    };
    let own: [(&[u8], &str); 14] = [
        (b"{\"k\":\"b\"}", "no field \"v\""),
        (b"{\"v\":\"b\"}", "no field \"k\" (--key names"),
        (b"{\"k\":\"b\",\"v\":\"1\",\"x\":2}", "field \"x\" is none of k, k_b64, v, v_b64"),
        (b"{\"k\":\"b\",\"k_b64\":\"AA==\",\"v\":\"1\"}", "both \"k\" and \"k_b64\""),
        (b"{\"k\":\"b\",\"k\":\"c\",\"v\":\"1\"}", "field \"k\" twice"),
        (b"{\"k\":1,\"v\":\"1\"}", "field \"k\" is no string"),
        (b"{\"k_b64\":\"???\",\"v\":\"1\"}", "field \"k_b64\" is no Base64"),
        (b"{\"k_b64\":null,\"v\":\"1\"}", "field \"k_b64\" is no string"),
        (b"{\"k\":\"b\",\"v\":\"\xff\"}", "no UTF-8 at byte 15 of the line"),
        (b"{\"k\":\"\\ud800\",\"v\":\"1\"}", "hex escape at byte 8"),
        (b"{\"k\":\"b\",\n\"v\":\"1\"}", "one object on a line, as jq -c writes it"),
        (b"[1]", "expected an object"),
        (b"{\"k\":\"b\",\"v\":\"1\"} {}", "trailing characters at byte 19 of the line"),
        (b"b\t1", "expected value at byte 1 of the line"),
    ];
    for (line, what) in own {
        build(&[], line).failed(3, "in: ", &[what, ", line 2"]);
    }
    let named: [(&[u8], &str); 5] = [
        (b"{\"v\":1}", "no field \"k\""),
        (b"{\"k\":null}", "field \"k\" is no string, number or boolean"),
        (b"{\"k\":[1]}", "field \"k\" is no string, number or boolean"),
        (b"{\"k\":1,\"k\":2}", "field \"k\" twice"),
        (b"{\"k\":1}", "no field \"v\""),
    ];
    for (line, what) in named {
        build(&["--key", "k", "--value", "v"], line).failed(3, "in: ", &[what, ", line 2"]);
    }
    // Something else altogether.
    dir.table("other", "a\t1\n");
    dir.run(&["build", "-i", "jsonl", "t", "other"]).failed(3, "other: is a graven table", &[]);
    let wide: Vec<u8> = "{\"k\":1}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    dir.pipe(&["build", "-i", "jsonl", "t"], &wide).failed(
        3,
        "standard input: the text is UTF-16LE",
        &["iconv"],
    );
    dir.run(&["build", "-i", "jsonl", "t", "/dev/zero"]).failed(
        3,
        "/dev/zero: a long line that is no object",
        &["line 1"],
    );
    dir.run(&["build", "-i", "jsonl", "--value", "v", "t", "in"]).failed(
        2,
        "--value of jsonl goes with --key",
        &[],
    );
    dir.run(&["build", "-i", "jsonl", "--key", "k", "--value", "v", "--value", "w", "t", "in"])
        .failed(2, "--value of jsonl names one field", &[]);
    assert_eq!(dir.names(), ["in", "other"]);
}

/// Lines that are longer than what is read at once.
#[test]
fn long_lines_are_read() {
    let dir = Sandbox::new();
    let long = "x\\n".repeat(1 << 20);
    let line = |key: &str| format!("{{\"k\":\"{key}\",\"v\":\"{long}\"}}\n");
    let lines = [line("a"), "{\"k\":\"b\",\"v\":\"\"}\n".into(), line("c"), line("d")].concat();
    dir.pipe(&["build", "--quiet", "-i", "jsonl", "t"], lines.trim_end().as_bytes()).printed("");
    dir.run(&["dump", "-o", "jsonl", "t"]).printed(&lines);
    dir.run(&["get", "t", "d"]).printed("x\n".repeat(1 << 20));
    let half = &lines.as_bytes()[..lines.len() / 2];
    dir.pipe(&["build", "-i", "jsonl", "u"], half).failed(
        3,
        "standard input: EOF while parsing a string",
        &[", line 3"],
    );
}

#[test]
fn jq_reads_and_writes_it() {
    if lacks(&["jq"]) {
        return;
    }
    let dir = Sandbox::new();
    let bytes = (0..=255u8).map(|byte| format!("k\\x{byte:02x}\tv\\x{byte:02x}\n"));
    let more = ["\tempty key\n", "twice\t2\n", "twice\t1\n", "é😀\tü\n"].map(String::from);
    dir.table("t", bytes.chain(more).collect::<String>());
    for jq in
        ["jq -c .", "jq -ac .", "jq -c '{v,v_b64,k,k_b64} | with_entries(select(.value != null))'"]
    {
        let line =
            format!("graven dump -o jsonl t | {jq} | graven build --quiet --dup keep -i jsonl u");
        dir.shell(&line).printed("");
        assert!(dir.read("t") == dir.read("u"), "{jq}: another table");
    }
    // Base64 as jq writes it.
    let line = "printf '[\"a\",\"bc\"]' | jq -c '.[] | {k_b64: @base64, v: .}' | \
                graven build --quiet -i jsonl u && graven dump u";
    dir.shell(line).printed("a\ta\nbc\tbc\n");
    // Values that are lines go back to where they came from.
    let line = "printf '[{\"id\":2,\"x\":1.5},{\"id\":1}]' | jq -c '.[]' >in && \
                graven build --quiet -i jsonl --key id u in && graven scan --values --sep newline u";
    dir.shell(line).printed("{\"id\":1}\n{\"id\":2,\"x\":1.5}\n");
}

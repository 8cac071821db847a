//! The guide to deploying: a command that does not do what the text around it says misleads at the
//! worst moment. Its commands are run in order, in one directory, as a reader would.

use crate::tool::Sandbox;
use std::path::Path;

/// The blocks of commands of a page.
fn blocks(page: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match (&mut block, line) {
            (None, "```sh") => block = Some(String::new()),
            (Some(_), "```") => blocks.extend(block.take()),
            (Some(block), line) => *block += &format!("{line}\n"),
            _ => {}
        }
    }
    assert!(block.is_none(), "a block without an end");
    blocks
}

#[test]
fn the_guide_to_deploying_runs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploying.md");
    let page = std::fs::read_to_string(path).expect("the guide");
    let blocks = blocks(&page);
    assert!(blocks.len() >= 10, "{} blocks", blocks.len());
    let dir = Sandbox::new();
    let mut printed = Vec::new();
    for block in &blocks {
        // Each line must succeed, not only the last one.
        let ran = dir.shell(&format!("set -e\n{block}"));
        assert_eq!(ran.code, 0, "{block}{}", ran.err);
        printed.push((String::from_utf8(ran.out).unwrap(), ran.err));
    }
    // What the text says comes of the commands.
    let of = |word: &str| {
        let at = blocks.iter().position(|block| block.contains(word)).expect("the block");
        &printed[at]
    };
    assert_eq!(of("graven get served apple quince").0, "49");
    let (out, told) = of("head -n 1");
    assert_eq!(out, "9");
    assert!(told.contains("--max-shrink") && told.contains("nothing published"), "{told}");
    assert_eq!(of("--rollback").0, "4");
    let list = &of("--list").0;
    let states: Vec<&str> = list.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(states.last(), Some(&"current"), "{list}");
    assert!(states.len() >= 3 && states[..states.len() - 1].iter().all(|state| *state == "kept"));
    assert_eq!(of("graven get prices.grv pear").0, "22");
    assert_eq!(of("shared").0, "7");
}

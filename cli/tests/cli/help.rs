//! The texts that the program has about itself: an example that does not run is worse than none,
//! and so is a completion of a command that is hidden, or gone.

use crate::tool::Sandbox;
use std::process::Command;

/// All commands, as `--help` lists them.
fn commands(dir: &Sandbox) -> Vec<String> {
    let help = String::from_utf8(dir.run(&["--help"]).out).unwrap();
    let listed = help.split("Commands:\n").nth(1).expect("a list of commands");
    let rows = listed.lines().take_while(|line| !line.is_empty());
    let names = rows.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_has_examples_that_run() {
    let dir = Sandbox::new();
    let commands = commands(&dir);
    assert!(commands.len() >= 16, "{commands:?}");
    for command in commands.iter().filter(|command| *command != "help") {
        let dir = Sandbox::new();
        dir.write("colours.tsv", "red\t#f00\nblue\t#00f\n\t\ngreen\t#0f0\n");
        for table in ["colours.grv", "other.grv"] {
            dir.run(&["build", "--quiet", table, "colours.tsv"]).printed("");
        }
        dir.run(&["shard", "--quiet", "colours.grv", "colours-set"]).printed("");
        for form in ["--help", "-h"] {
            let help = dir.run(&[command, form]);
            assert_eq!(help.code, 0, "{command}");
            let help = String::from_utf8(help.out).unwrap();
            let examples = help.split("\nExamples:\n").nth(1);
            let examples = examples.unwrap_or_else(|| panic!("{command} {form} has no examples"));
            let lines: Vec<&str> = examples.lines().take_while(|line| !line.is_empty()).collect();
            assert!(!lines.is_empty(), "{command}");
            if form == "-h" {
                continue;
            }
            for line in lines {
                let line = line.strip_prefix("  ").expect("an example is indented");
                assert!(line.contains(&format!("graven {command} ")), "{command}: {line}");
                let ran = dir.shell(line);
                assert_eq!(ran.code, 0, "{line}: {}", ran.err);
            }
        }
    }
}

#[test]
fn completions_complete_what_there_is() {
    let dir = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = dir.run(&["completions", shell]);
        assert_eq!((ran.code, &ran.err[..]), (0, ""));
        let script = String::from_utf8(ran.out).unwrap();
        for command in commands(&dir) {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        assert!(!script.contains("bench-reader"), "{shell}");
        assert!(script.contains("min-entries"), "{shell}");
    }
    dir.run(&["completions", "tcsh"]).failed(2, "", &["tcsh", "bash"]);
    let script = r#"
        source <("$0" completions bash)
        COMP_WORDS=(graven longest) COMP_CWORD=1
        _graven graven longest graven
        echo "${COMPREPLY[@]}"
        COMP_WORDS=(graven mget --miss) COMP_CWORD=2
        _graven graven --miss mget
        echo "${COMPREPLY[@]}"
    "#;
    let bash = Command::new("bash").args(["-c", script, env!("CARGO_BIN_EXE_graven")]).output();
    let Ok(bash) = bash else { return eprintln!("skipped: no bash on this system") };
    assert_eq!(String::from_utf8_lossy(&bash.stdout), "longest-prefix\n--missing\n");
}

#[test]
fn there_is_a_manual_page_for_each_command() {
    let dir = Sandbox::new();
    let whole = String::from_utf8(dir.run(&["man"]).out).unwrap();
    assert!(whole.contains(".TH graven 1"), "{whole}");
    assert!(!whole.contains("bench\\-reader"));
    for command in commands(&dir).iter().filter(|command| *command != "help") {
        let roff = command.replace('-', "\\-");
        assert!(whole.contains(&format!("graven\\-{roff}(1)")), "{command}");
        let ran = dir.run(&["man", command]);
        assert_eq!((ran.code, &ran.err[..]), (0, ""));
        let page = String::from_utf8(ran.out).unwrap();
        assert!(page.contains(&format!(".TH graven-{command} 1")), "{page}");
        for part in [".SH SYNOPSIS", "Examples:", &format!("graven {roff}")] {
            assert!(page.contains(part), "{command}: {part}");
        }
    }
    dir.run(&["man", "put"]).failed(2, "", &["no command put"]);
    dir.run(&["man", "bench-reader"]).failed(2, "", &["no command"]);
}

#[test]
fn short_options_are_the_long_ones() {
    let dir = Sandbox::new();
    dir.write("in", "a\t1\nb\t2\nb\t3\n");
    dir.run(&["build", "-q", "-s", "--dup", "keep", "t", "in"]).printed("");
    dir.run(&["get", "-a", "t", "b"]).printed("23");
    dir.run(&["get", "-q", "t", "x"]).ended(1, "");
    dir.pipe(&["mget", "-v", "-m=-", "t"], b"a\nx\n").ended(1, "1\n-\n");
    dir.pipe(&["mget", "-m", "t"], b"x\n").ended(1, "x\t\\N\n");
    dir.run(&["scan", "-f", "b", "-n1", "t"]).printed("b\t2\n");
    dir.run(&["scan", "-t", "b", "-k", "t"]).printed("a\n");
    dir.run(&["scan", "-p", "b", "-rv", "t"]).printed("3\n2\n");
    dir.run(&["scan", "-c", "t"]).printed("3\n");
    assert_eq!(dir.run(&["verify", "-jq", "t"]).code, 0);
    dir.run(&["publish", "-qd", "d", "t"]).printed("");
    assert_eq!(dir.run(&["publish", "-d", "d", "-l"]).out.split(|&byte| byte == b'\n').count(), 2);
}

//! Guards against a compile error that leads away from its cause: a field of a typed struct that
//! can't be a value is several errors at once, most of which name traits of zerocopy, and whoever
//! reads the first one goes looking there. The compiler runs on small programs as a user writes
//! them, in a package of their own.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The errors of a program, each from its first line on.
fn errors(program: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"program\"\nedition = \"2024\"\n\
         [dependencies]\ngraven = {{ path = {root:?} }}\n[workspace]\n"
    );
    fs::write(directory.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), directory.path().join("Cargo.lock")).unwrap();
    fs::create_dir(directory.path().join("src")).unwrap();
    fs::write(directory.path().join("src/main.rs"), program).unwrap();
    let check = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--color=never", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compile_errors"))
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8(check.stderr).unwrap();
    assert!(!check.status.success(), "{text}");
    let errors: Vec<_> = text.split("\nerror").map(str::to_owned).collect();
    assert!(errors.iter().all(|error| !error.contains("could not find")), "{text}");
    errors
}

#[test]
fn a_field_that_cannot_be_a_value_is_the_first_error() {
    for field in ["bool", "char", "usize", "&'static str", "[bool; 4]", "Vec<u8>"] {
        let program = format!(
            "graven::typed_value! {{\n    struct Mixed {{\n        area: f64,\n        field: {field},\n    \
             }}\n}}\nfn main() {{}}\n"
        );
        let errors = errors(&program);
        let first = &errors[0];
        let cause = field.trim_start_matches('[').trim_end_matches("; 4]");
        assert!(
            first.contains(&format!("`{cause}` can't be the value of a typed table")),
            "{first}"
        );
        assert!(first.contains("src/main.rs:4:16"), "{first}");
        assert!(first.contains("values are integers, `f32`, `f64`, arrays of these"), "{first}");
    }
}

#[test]
fn padding_is_named_with_its_remedy() {
    let program = "graven::typed_value! {\n    struct Padded {\n        sides: u32,\n        \
                   area: f64,\n    }\n}\nfn main() {}\n";
    let errors = errors(program);
    let remedy = "`Padded` has padding between or after its fields: put large fields before small";
    assert!(errors.iter().any(|error| error.contains(remedy)), "{errors:?}");
}

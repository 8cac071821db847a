//! An S3 server: moto's.

use super::web::{Behind, Fate, Web, counts};
use super::{is_empty, is_whole, name_of, set, sets};
use crate::tool::{Ran, Sandbox};
use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A server with one bucket, `bucket`.
struct Moto {
    child: Child,
    address: SocketAddr,
}

impl Moto {
    /// Starts a server, or prints a line that says that there is none.
    fn start() -> Option<Self> {
        let python = env::var("GRAVEN_MOTO").unwrap_or_else(|_| "python3".into());
        let has = Command::new(&python).args(["-c", "import moto.server, flask"]).output();
        if !has.is_ok_and(|ran| ran.status.success()) {
            eprintln!("skipped: {python} has no moto: pip install 'moto[server]'");
            return None;
        }
        // Another process may take the port first; then there is another one.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = free.local_addr().unwrap();
            drop(free);
            let mut moto = Command::new(&python);
            moto.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &address.port().to_string()]);
            moto.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut moto = Self { child: moto.spawn().unwrap(), address };
            let begun = Instant::now();
            while moto.child.try_wait().unwrap().is_none() {
                if moto.make_bucket() {
                    return Some(moto);
                }
                assert!(begun.elapsed() < Duration::from_secs(120), "moto does not answer");
                thread::sleep(Duration::from_millis(100));
            }
        }
        panic!("moto does not start");
    }

    fn make_bucket(&self) -> bool {
        let make = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            let host = self.address;
            write!(
                stream,
                "PUT /bucket HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        make().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program with what it needs to find a server.
fn run(dir: &Sandbox, address: SocketAddr, args: &[&str]) -> Ran {
    let mut command = dir.command(args);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("AWS_ENDPOINT_URL", format!("http://{address}"));
    command.env("AWS_ALLOW_HTTP", "true").env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().expect("no signal"),
        out: output.stdout,
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

const PLACE: &str = "s3://bucket/sets/keys";

#[test]
fn a_set_goes_there_and_comes_back() {
    let Some(moto) = Moto::start() else { return };
    let dir = Sandbox::new();
    let run = |args: &[&str]| run(&dir, moto.address, args);
    let (first, second) = (set("first"), set("second"));
    run(&["pull", PLACE, "near"]).failed(4, PLACE, &["holds no set"]);
    let ran = run(&["push", &first, PLACE]);
    assert!(ran.code == 0 && ran.err.contains("3 of 3 shards sent"), "{}", ran.err);
    run(&["pull", "-q", &format!("{PLACE}/"), "near"]).printed("");
    is_whole(&dir, "near", "first");
    // Shards that are there are copied inside the store.
    let ran = run(&["push", &second, PLACE]);
    assert!(ran.code == 0 && ran.err.contains("1 of 3 shards sent"), "{}", ran.err);
    assert!(ran.err.contains(&name_of("second", 2)), "{}", ran.err);
    let again = run(&["push", &second, PLACE]);
    assert!(again.code == 0 && again.err.ends_with("nothing sent\n"), "{}", again.err);
    run(&["pull", "-q", PLACE, "near"]).printed("");
    is_whole(&dir, "near", "second");
    let old = format!("{PLACE}/versions/{}", name_of("first", 1));
    run(&["pull", "-q", &old, "near"]).printed("");
    is_whole(&dir, "near", "first");
    // One shard of 9 MiB goes in parts, and does not arrive if it is not what the manifest says.
    let table = sets().path("table.grv").display().to_string();
    dir.run(&["shard", "-q", "--shards", "1", &table, "one"]).printed("");
    run(&["push", "-q", "one", PLACE]).printed("");
    run(&["pull", "-q", PLACE, "whole"]).printed("");
    dir.run(&["verify", "whole"]).printed("");
    let part = super::current(&dir.path("one")).join("part-00000.grv");
    let mut bytes = std::fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::remove_file(&part).unwrap();
    std::fs::write(&part, bytes).unwrap();
    let ran = run(&["push", "-q", "one", "s3://bucket/other"]);
    assert!(ran.code == 3 && ran.err.contains("it is not sent"), "{}", ran.err);
    run(&["pull", "s3://bucket/other", "other"]).failed(4, "s3://bucket/other", &["holds no set"]);
    // No bucket, no TLS.
    let ran = run(&["push", &first, "s3://none/x"]);
    assert_eq!(ran.code, 4, "{}", ran.err);
    let url = format!("http://{}", moto.address);
    let mut command = dir.command(&["pull", PLACE, "x"]);
    command.env("AWS_ENDPOINT_URL", url).env_remove("AWS_ALLOW_HTTP");
    command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
    let ran = command.output().unwrap();
    let err = String::from_utf8(ran.stderr).unwrap();
    assert!(ran.status.code() == Some(4) && err.contains("AWS_ALLOW_HTTP=true"), "{err}");
    assert!(!dir.path("x").exists());
}

#[test]
fn busy_servers_and_broken_connections() {
    let Some(moto) = Moto::start() else { return };
    let dir = Sandbox::new();
    // Each object's first two requests fail, whatever they are.
    let web = Web::start(Behind::Server(moto.address), |asked| match asked.before {
        0 => Fate::Status(503),
        1 if asked.method == "GET" && asked.path.ends_with(".grv") => Fate::Cut(2_200_000),
        1 if asked.method == "GET" => Fate::Cut(3),
        _ => Fate::Whole,
    });
    let run = |args: &[&str]| run(&dir, web.address, args);
    let table = sets().path("table.grv").display().to_string();
    dir.run(&["shard", "-q", "--shards", "1", &table, "one"]).printed("");
    let ran = run(&["push", "one", PLACE]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(&["push", &set("first"), PLACE]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ran = run(&["pull", PLACE, "near"]);
    assert!(ran.code == 0 && ran.err.contains("attempt 1 of 5 follows"), "{}", ran.err);
    is_whole(&dir, "near", "first");
    let went_on = web.asked().iter().any(|asked| asked.from.is_some_and(|from| from > 2 << 20));
    assert!(went_on, "{:?}", counts(&web.asked()));
    // A server that stays busy ends the run.
    let web = Web::start(Behind::Server(moto.address), |_| Fate::Status(503));
    let ran = self::run(&dir, web.address, &["push", "--retries", "1", "one", "s3://bucket/x"]);
    assert!(ran.code == 4 && ran.err.contains("503"), "{}", ran.err);
    assert_eq!(web.asked().len(), 2);
    let ran = self::run(&dir, web.address, &["pull", "--retries", "1", PLACE, "x"]);
    assert!(ran.code == 4 && ran.err.contains("failed after 2 attempts"), "{}", ran.err);
    assert!(!dir.path("x").exists());
}

#[test]
fn of_two_pushes_at_once_one_wins_and_the_other_says_so() {
    let Some(moto) = Moto::start() else { return };
    for begun in [false, true] {
        let dir = Sandbox::new();
        let place = format!("{PLACE}-{begun}");
        let mut number = 1;
        if begun {
            let few = dir.path("few");
            std::fs::write(&few, "a\t1\n").unwrap();
            dir.run(&["build", "-q", "few.grv", "few"]).printed("");
            dir.run(&["shard", "-q", "few.grv", "few-set"]).printed("");
            run(&dir, moto.address, &["push", "-q", "few-set", &place]).printed("");
            number = 2;
        }
        // While the manifest of the first set is on its way, the second one is pushed and wins.
        let (address, other, winner) = (moto.address, set("second"), place.clone());
        let raced = AtomicBool::new(false);
        let web = Web::start(Behind::Server(address), move |asked| {
            if asked.is("PUT", "MANIFEST.json") && !raced.swap(true, Ordering::SeqCst) {
                let dir = Sandbox::new();
                let ran = run(&dir, address, &["push", "-q", &other, &winner]);
                assert_eq!(ran.code, 0, "{}", ran.err);
            }
            Fate::Whole
        });
        let ran = run(&dir, web.address, &["push", &set("first"), &place]);
        // Whoever comes later takes the next number, whoever wins.
        let (mine, theirs) = (name_of("first", number), name_of("second", number + 1));
        ran.failed(4, &place, &["another push won", &mine, &theirs]);
        run(&dir, moto.address, &["pull", "-q", &place, "near"]).printed("");
        is_whole(&dir, "near", "second");
        // The set that lost is pushed again, as the next version.
        let ran = run(&dir, moto.address, &["push", &set("first"), &place]);
        assert!(ran.code == 0 && ran.err.contains(&name_of("first", number + 2)), "{}", ran.err);
        run(&dir, moto.address, &["pull", "-q", &place, "near"]).printed("");
        is_whole(&dir, "near", "first");
    }
}

#[test]
fn many_pushes_at_once() {
    let Some(moto) = Moto::start() else { return };
    let dir = Sandbox::new();
    let ran: Vec<Ran> = thread::scope(|scope| {
        let (dir, address) = (&dir, moto.address);
        let push = |name: &'static str| move || run(dir, address, &["push", &set(name), PLACE]);
        let running: Vec<_> = ["first", "second", "first", "second"]
            .map(|name| scope.spawn(push(name)))
            .into_iter()
            .collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    });
    // Each one is current, was that already, or says who won.
    for ran in &ran {
        let said = ["is current", "another push won"].iter().any(|text| ran.err.contains(text));
        assert!(said && [0, 4].contains(&ran.code), "{}", ran.err);
    }
    assert!(ran.iter().any(|ran| ran.code == 0));
    run(&dir, moto.address, &["pull", "-q", PLACE, "near"]).printed("");
    dir.run(&["verify", "near"]).printed("");
}

/// The answer to the write of the pointer is lost: the pointer has moved, and the write that is
/// tried again finds that it is not where it was.
#[test]
fn a_lost_answer_is_no_lost_race() {
    let Some(moto) = Moto::start() else { return };
    let dir = Sandbox::new();
    let web = Web::start(Behind::Server(moto.address), |asked| match asked.before {
        0 if asked.is("PUT", "CURRENT") => Fate::Status(503),
        _ => Fate::Whole,
    });
    let ran = run(&dir, web.address, &["push", &set("first"), PLACE]);
    assert!(ran.code == 0 && ran.err.contains("is current"), "{}", ran.err);
    assert!(counts(&web.asked())["CURRENT"] >= 3);
    run(&dir, moto.address, &["pull", "-q", PLACE, "near"]).printed("");
    is_whole(&dir, "near", "first");
    is_empty(&dir, "nothing");
}

/// A store that has no conditional writes.
#[test]
fn without_conditions_a_push_is_told_to_go_on() {
    let Some(moto) = Moto::start() else { return };
    let dir = Sandbox::new();
    let push = |more: &[&str]| {
        let mut command = dir.command(&[&["push", "first", PLACE], more].concat());
        command.env("AWS_ENDPOINT_URL", format!("http://{}", moto.address));
        command.env("AWS_ALLOW_HTTP", "true").env("AWS_CONDITIONAL_PUT", "disabled");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        let output = command.current_dir(sets().path("")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = push(&[]);
    assert!(code == Some(2) && err.contains("--unconditional"), "{err}");
    run(&dir, moto.address, &["pull", PLACE, "near"]).failed(4, PLACE, &["holds no set"]);
    let (code, err) = push(&["--unconditional"]);
    assert!(code == Some(0) && err.contains("0 of 3 shards sent"), "{err}");
    run(&dir, moto.address, &["pull", "-q", PLACE, "near"]).printed("");
    is_whole(&dir, "near", "first");
}

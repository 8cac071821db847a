//! A web server that fails as it is told: it serves a directory, or hands on what another server
//! answers.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// The first byte that is asked for.
    pub(crate) from: Option<usize>,
    /// How often this method and path were asked before.
    pub(crate) before: usize,
}

impl Asked {
    /// Whether an object of this name is asked for.
    pub(crate) fn is(&self, method: &str, name: &str) -> bool {
        self.method == method && self.path.ends_with(name)
    }
}

/// What becomes of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It goes out as it is.
    Whole,
    /// The connection closes after so many bytes of the body.
    Cut(usize),
    /// After so many bytes nothing more comes.
    Stall(usize),
    /// This byte of the body is another one.
    Wrong(usize),
    /// This status in its place. The request was carried out.
    Status(u16),
    /// As of a server without ranges.
    NoRanges,
    /// Pauses between pieces of 64 KiB.
    Slow(Duration),
}

/// What the server serves.
pub(crate) enum Behind {
    Files(PathBuf),
    Server(SocketAddr),
}

pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    pub(crate) fn start(
        behind: Behind,
        fate: impl Fn(&Asked) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::new((behind, fate, Arc::clone(&asked)));
        // The thread ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let (behind, fate, log) = &*shared;
                    // A client that is gone is no failure of the test.
                    drop(answer(stream, behind, fate, log));
                });
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A request with all its bytes, or an answer.
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a message. An answer to HEAD has no body.
    fn read(stream: &TcpStream, body: bool) -> std::io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut line = String::new();
            reader.read_line(&mut line).map(|_| line.trim_end().to_owned())
        };
        let first = line()?;
        let mut headers = Vec::new();
        loop {
            let line = line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        let mut message = Self { first, headers, body: Vec::new() };
        if message.header("expect").is_some() {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let len = message.header("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
        if body {
            reader.take(len).read_to_end(&mut message.body)?;
        }
        Ok(message)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|header| header.0 == name).map(|header| &header.1[..])
    }

    fn head(&self) -> String {
        let mut head = format!("{}\r\n", self.first);
        let kept = |name: &str| !["connection", "expect", "keep-alive"].contains(&name);
        for (name, value) in self.headers.iter().filter(|(name, _)| kept(name)) {
            head += &format!("{name}: {value}\r\n");
        }
        head + "connection: close\r\n\r\n"
    }
}

fn answer(
    mut stream: TcpStream,
    behind: &Behind,
    fate: &dyn Fn(&Asked) -> Fate,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let request = Message::read(&stream, true)?;
    let mut words = request.first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
    let from = range.and_then(|range| range.split('-').next()?.parse().ok());
    let asked = {
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|old| (&old.method, &old.path) == (&method, &path)).count();
        log.push(Asked { method: method.clone(), path, from, before });
        log.last().unwrap().clone()
    };
    let fate = fate(&asked);
    let from = if matches!(fate, Fate::NoRanges) { None } else { from };
    let mut answer = match behind {
        Behind::Files(root) => file(root, &asked.path, from),
        Behind::Server(address) => {
            let mut server = TcpStream::connect(address)?;
            server.write_all(request.head().as_bytes())?;
            server.write_all(&request.body)?;
            Message::read(&server, method != "HEAD")?
        }
    };
    match fate {
        Fate::Status(status) => {
            answer = Message {
                first: format!("HTTP/1.1 {status} As the test says"),
                headers: vec![("content-length".into(), "0".into())],
                body: Vec::new(),
            };
        }
        Fate::Wrong(at) if answer.body.len() > at => answer.body[at] ^= 1,
        _ => {}
    }
    stream.write_all(answer.head().as_bytes())?;
    let body: &[u8] = if method == "HEAD" { b"" } else { &answer.body };
    match fate {
        Fate::Cut(len) => stream.write_all(&body[..len.min(body.len())])?,
        Fate::Stall(len) => {
            stream.write_all(&body[..len.min(body.len())])?;
            stream.flush()?;
            // Until the client gives up.
            let _ = stream.read(&mut [0]);
        }
        Fate::Slow(pause) => {
            for piece in body.chunks(1 << 16) {
                stream.write_all(piece)?;
                thread::sleep(pause);
            }
        }
        _ => stream.write_all(body)?,
    }
    Ok(())
}

/// The answer with a file, or with a page for a directory, as web servers give it.
fn file(root: &std::path::Path, path: &str, from: Option<usize>) -> Message {
    let path = root.join(path.trim_start_matches('/'));
    let found = match path.is_dir() {
        true => Ok(b"<html>Index</html>".to_vec()),
        false => fs::read(&path),
    };
    let (status, body, range) = match (found, from) {
        (Err(_), _) => ("404 Not Found", Vec::new(), None),
        (Ok(bytes), Some(from)) => {
            let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
            ("206 Partial Content", bytes[from..].to_vec(), Some(range))
        }
        (Ok(bytes), None) => ("200 OK", bytes, None),
    };
    let mut headers = vec![("content-length".to_owned(), body.len().to_string())];
    headers.extend(range.map(|range| ("content-range".into(), range)));
    Message { first: format!("HTTP/1.1 {status}"), headers, body }
}

/// How often each object was asked for.
pub(crate) fn counts(asked: &[Asked]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for asked in asked {
        let name = asked.path.rsplit('/').next().unwrap().to_owned();
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

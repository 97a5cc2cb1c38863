//! A proxy on this machine that wants a password: tunnels (`CONNECT`) and plain requests.
//!
//! It goes the way that the machine goes: by the machine's own proxy, where one is named.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::site::head;

/// A proxy that works until the tests end.
pub(crate) struct Proxy {
    port: u16,
    used: Arc<AtomicUsize>,
}

impl Proxy {
    /// Starts one for those who say this in `Proxy-Authorization`.
    pub(crate) fn start(authorization: String) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let used = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&used);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (authorization, counter) = (authorization.clone(), Arc::clone(&counter));
                // Who hangs up early will say so himself.
                std::thread::spawn(move || pass(stream, &authorization, &counter).ok());
            }
        });
        Self { port, used }
    }

    /// Host and port.
    pub(crate) fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// How many requests it let through.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

fn pass(mut stream: TcpStream, authorization: &str, used: &AtomicUsize) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (first, headers) = head(&mut reader)?;
    if headers.get("proxy-authorization").map(String::as_str) != Some(authorization) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\
            Proxy-Authenticate: Basic realm=\"proxy\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(refusal.as_bytes());
    }
    used.fetch_add(1, Ordering::Relaxed);
    let mut words = first.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let next = machines_own();
    let tunnel = method == "CONNECT";
    let mut out = match (&next, tunnel) {
        (Some(proxy), _) => TcpStream::connect(proxy)?,
        (None, true) => TcpStream::connect(target)?,
        (None, false) => {
            let authority = target.trim_start_matches("http://");
            let authority = authority.split('/').next().unwrap_or_default();
            if authority.contains(':') {
                TcpStream::connect(authority)?
            } else {
                TcpStream::connect((authority, 80))?
            }
        }
    };
    if tunnel && next.is_none() {
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    } else {
        // One request for each connection, so that each is looked at.
        let line = if next.is_some() {
            first.clone()
        } else {
            let path = target.trim_start_matches("http://");
            let path = path.split_once('/').map_or("", |(_, path)| path);
            format!("{method} /{path} HTTP/1.1")
        };
        let kept = headers.iter().filter(|(name, _)| {
            !["proxy-authorization", "proxy-connection", "connection"].contains(&name.as_str())
        });
        let fields: Vec<String> = kept
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let close = if tunnel { "" } else { "connection: close\r\n" };
        out.write_all(format!("{line}\r\n{}{close}\r\n", fields.concat()).as_bytes())?;
    }
    let (mut back, mut from) = (stream.try_clone()?, out.try_clone()?);
    let answers = std::thread::spawn(move || {
        std::io::copy(&mut from, &mut back).ok();
        back.shutdown(Shutdown::Both).ok();
    });
    // What came with the head first.
    let held = reader.buffer().to_vec();
    out.write_all(&held)?;
    let mut rest = reader.into_inner();
    let mut buffer = vec![0; 1 << 14];
    while let Ok(length @ 1..) = rest.read(&mut buffer) {
        out.write_all(&buffer[..length])?;
    }
    out.shutdown(Shutdown::Write).ok();
    answers.join().ok();
    Ok(())
}

/// Host and port of the machine's own proxy, where there is one.
fn machines_own() -> Option<String> {
    let names = ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"];
    let value = names
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|it| !it.is_empty()))?;
    let value = value
        .split_once("://")
        .map_or(value.as_str(), |(_, rest)| rest);
    assert!(
        !value.contains('@'),
        "this test goes by no proxy of the machine's that wants a password"
    );
    Some(value.trim_end_matches('/').to_owned())
}

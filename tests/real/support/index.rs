//! A package index (PEP 503) on this machine, with source distributions that are made on the spot:
//! what fails in a way that no distribution of the public index may be relied on to fail.
//!
//! Containers reach it through the machine's own network, so the engine must be on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

/// An index that answers until the tests end.
pub(crate) struct Index {
    port: u16,
}

impl Index {
    /// An index of these distributions, each of version 1.0: name and files, `setup.py` among them.
    pub(crate) fn serve(distributions: &[(&str, &[(&str, &str)])]) -> Self {
        let archives: BTreeMap<String, Vec<u8>> = distributions
            .iter()
            .map(|(name, files)| ((*name).to_owned(), source_distribution(name, files)))
            .collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let archives = Arc::new(archives);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let archives = Arc::clone(&archives);
                // Who hangs up early will say so himself.
                std::thread::spawn(move || answer(stream, &archives).ok());
            }
        });
        Self { port }
    }

    /// The line of a configuration that names it, beside the public index.
    pub(crate) fn configuration(&self) -> String {
        format!(
            "extra-index-urls = [\"http://127.0.0.1:{}/simple/\"]\n",
            self.port
        )
    }

    /// Lets the program's containers use the machine's own network, where it is.
    pub(crate) fn reach_from(command: &mut Command) {
        for name in ["no_proxy", "NO_PROXY"] {
            let others = std::env::var(name).unwrap_or_default();
            command.env(name, format!("127.0.0.1,{others}").trim_end_matches(','));
        }
        command.env("OMNIBUILD_NETWORK", "host");
    }
}

fn answer(mut stream: TcpStream, archives: &BTreeMap<String, Vec<u8>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // The whole request is read, or closing the connection would cut the answer off.
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let name = path
        .trim_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let archive = name
        .strip_suffix("-1.0.tar.gz")
        .and_then(|name| archives.get(name));
    let (status, kind, body) = if let Some(archive) = archive {
        ("200 OK", "application/gzip", archive.clone())
    } else if archives.contains_key(name) {
        let page = format!("<a href=\"/files/{name}-1.0.tar.gz\">{name}-1.0.tar.gz</a>");
        ("200 OK", "text/html", page.into_bytes())
    } else {
        ("404 Not Found", "text/plain", Vec::new())
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)?;
    stream.flush()
}

pub(crate) fn source_distribution(name: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    let about = format!("Metadata-Version: 1.0\nName: {name}\nVersion: 1.0\n");
    for (path, text) in files.iter().copied().chain([("PKG-INFO", about.as_str())]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}-1.0/{path}");
        archive
            .append_data(&mut header, path, text.as_bytes())
            .expect("memory can be written");
    }
    let encoder = archive.into_inner().expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

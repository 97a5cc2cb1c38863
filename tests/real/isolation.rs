//! What code that a build runs without a network gets at: itself alone.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

use crate::support::engine;
use crate::support::platform;
use crate::support::project::Project;

const PYPROJECT: &str = "\
[project]
name = \"prying\"
version = \"1.0\"

[build-system]
requires = []
build-backend = \"prying\"
backend-path = [\".\"]
";

/// A build backend that tries every way out, says what came of it, and fails.
const PRYING: &str = r"
import os, socket

def attempt(what, work):
    try:
        work()
        print('way out:', what)
    except OSError as error:
        # Its text would be taken for that of a program that wants a network.
        print('no way:', what, error.errno)

def tcp(host):
    socket.create_connection((host, PORT), 2).close()

def udp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.sendto(b'packet', (host, PORT))

def icmp(host):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as it:
        it.sendto(b'\x08\x00\xf7\xff\x00\x00\x00\x00', (host, 0))

def build_wheel(directory, settings=None, metadata=None):
    for host in HOSTS:
        for way in [tcp, udp, icmp]:
            attempt(way.__name__ + ' ' + host, lambda: way(host))
    # A packet to loopback stays there; nobody listens.
    attempt('tcp loopback', lambda: tcp('127.0.0.1'))
    attempt('dns', lambda: socket.getaddrinfo('example.org', 80))
    print('interfaces:', ' '.join(name for _, name in socket.if_nameindex()))
    with open('/proc/self/status') as status:
        print(status.read())
    print('environment:', ' '.join(sorted(os.environ)))
    raise SystemExit('it has tried')
";

#[test]
fn no_packet_leaves_a_build_without_a_network() {
    let platform = platform::first_asked();
    platform::warm(platform);
    let tcp = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
    let port = tcp.local_addr().expect("it has an address").port();
    let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).expect("the port is free");
    // The address that others reach this machine by; asking for the way sends nothing.
    let way = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a port is free");
    way.connect("198.51.100.1:9").expect("there is a way out");
    let own = way
        .local_addr()
        .expect("it has an address")
        .ip()
        .to_string();
    let hosts = format!("['{own}', '172.17.0.1']");
    let text = PRYING
        .replace("PORT", &port.to_string())
        .replace("HOSTS", &hosts);
    // What is sent from here arrives.
    drop(TcpStream::connect((own.as_str(), port)).expect("it listens"));
    way.send_to(b"here", (own.as_str(), port))
        .expect("it can be sent");
    tcp.accept().expect("it has come");
    udp.recv(&mut [0; 8]).expect("it has come");

    let project = Project::of(&[("pyproject.toml", PYPROJECT), ("prying.py", &text)]);
    project.run(&["--sysbase", platform.id]).ended_with(11);
    let log = project.log(platform.id);
    assert!(!log.contains("way out:"), "{log}");
    for line in [
        "no way: tcp",
        "no way: udp",
        "no way: icmp",
        "no way: dns",
        "NoNewPrivs:\t1",
    ] {
        assert!(log.contains(line), "`{line}` is not in\n{log}");
    }
    let interfaces = log.lines().find_map(|line| line.split_once("interfaces: "));
    assert_eq!(interfaces.map(|(_, names)| names.trim()), Some("lo"));
    if engine::is_service() {
        // chown to kill, as capabilities(7) numbers them.
        let bounds = "CapBnd:\t00000000000000fb";
        assert!(log.contains(bounds), "{log}");
    }
    tcp.set_nonblocking(true).expect("it can be set");
    udp.set_nonblocking(true).expect("it can be set");
    assert!(tcp.accept().is_err(), "a connection arrived");
    assert!(udp.recv(&mut [0; 8]).is_err(), "a packet arrived");
}

#[test]
fn a_build_that_wants_too_many_processes_does_not_get_them() {
    const GREEDY: &str = r"
import threading
def build_wheel(directory, settings=None, metadata=None):
    lock = threading.Event()
    for number in range(200):
        threading.Thread(target=lock.wait, daemon=True).start()
    print('it has them all')
";
    let platform = platform::first_asked();
    platform::warm(platform);
    let limits = "\n[tool.omnibuild.build]\nmemory = \"2G\"\nprocesses = 100\n";
    let pyproject = PYPROJECT.replace("prying", "greedy") + limits;
    let project = Project::of(&[("pyproject.toml", &pyproject), ("greedy.py", GREEDY)]);
    project.run(&["--sysbase", platform.id]).ended_with(11);
    let log = project.log(platform.id);
    assert!(log.contains("can't start new thread"), "{log}");
    assert!(!log.contains("it has them all"), "{log}");
}

#[test]
fn a_build_that_wants_more_memory_than_it_may_take_is_told_which_key_says_so() {
    const HEAD: &str = "\
import subprocess, sys
WANT = 'for part in [bytearray(1 << 24) for number in range(64)]: print(len(part))'
def build_wheel(directory, settings=None, metadata=None):
";
    let platform = platform::first_asked();
    platform::warm(platform);
    let limits = "\n[tool.omnibuild.build]\nmemory = \"100M\"\n";
    let pyproject = PYPROJECT.replace("prying", "greedy") + limits;
    // The backend itself is killed, and a compiler of its.
    for want in [
        "exec(WANT)",
        "subprocess.run([sys.executable, '-c', WANT], check=True)",
    ] {
        let backend = format!("{HEAD}    {want}\n    print('it has it all')\n");
        let project = Project::of(&[("pyproject.toml", &pyproject), ("greedy.py", &backend)]);
        let run = project.run(&["--sysbase", platform.id]).ended_with(7);
        run.said(&[
            "the project's own wheel: `",
            "the 100.0 MB of memory that `[build] memory` allows were used up",
            "hint: allow more, `memory` under `[build]`",
        ]);
        let log = project.log(platform.id);
        assert!(!log.contains("it has it all"), "{log}");
    }
}

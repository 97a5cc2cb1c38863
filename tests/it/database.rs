//! The step that takes times out of rpm's database, on files of Berkeley DB made here byte by byte.
//!
//! What rpm makes of them afterwards is shown by the images of el7.

use std::path::Path;
use std::process::Command;

const PAGE: usize = 512;
const HEADER: usize = 26;
const HASH: (u32, u8) = (0x0006_1561, 8);
const BTREE: (u32, u8) = (0x0005_3162, 9);
const HASH_PAGE: u8 = 13;
const BTREE_LEAF: u8 = 5;
const OVERFLOW_PAGE: u8 = 7;

/// What a database holds: transactions with their packages, and what lies where nothing is.
struct Database {
    transactions: Vec<(u32, Vec<u32>)>,
    unused: u8,
}

impl Database {
    /// Settles it, with what began at 1000 at 500 instead; answers `Packages` and `Installtid`.
    fn settled(&self) -> [Vec<u8>; 2] {
        let files = [self.packages(), self.transactions()];
        settle(files.each_ref().map(Some)).map(Option::unwrap)
    }

    /// A hash of headers, each on two pages of its own, behind their number.
    fn packages(&self) -> Vec<u8> {
        let mut items = vec![vec![1, 0, 0, 0, 0], vec![1, 9, 0, 0, 0]];
        let mut overflow = Vec::new();
        for (time, packages) in &self.transactions {
            for package in packages {
                let header = header(time + package, *time);
                let number = 2 + u32::try_from(overflow.len()).unwrap();
                items.push([&[1][..], &package.to_le_bytes()].concat());
                let place = [number, u32::try_from(header.len()).unwrap()];
                let mut item = vec![3, self.unused, self.unused, self.unused];
                item.extend(place.into_iter().flat_map(u32::to_le_bytes));
                items.push(item);
                let (first, rest) = header.split_at(PAGE - HEADER);
                overflow.push(self.overflow(number + 1, first));
                overflow.push(self.overflow(0, rest));
            }
        }
        let pages = [vec![self.page(HASH_PAGE, 1, &items)], overflow].concat();
        file(HASH, &pages)
    }

    /// A btree of the numbers of headers by the time of their transaction.
    fn transactions(&self) -> Vec<u8> {
        let mut pairs: Vec<[Vec<u8>; 2]> = Vec::new();
        for (time, packages) in &self.transactions {
            let numbers = packages.iter().flat_map(|package| [*package, 0]);
            let numbers: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
            let item = |data: &[u8]| {
                let length = u16::try_from(data.len()).unwrap();
                [&length.to_le_bytes()[..], &[1], data].concat()
            };
            pairs.push([item(&time.to_le_bytes()), item(&numbers)]);
        }
        pairs.sort();
        file(BTREE, &[self.page(BTREE_LEAF, 4, &pairs.concat())])
    }

    /// A page of items, from its end on.
    fn page(&self, kind: u8, align: usize, items: &[Vec<u8>]) -> Vec<u8> {
        let mut page = vec![self.unused; PAGE];
        let mut end = PAGE;
        for (number, item) in items.iter().enumerate() {
            end -= item.len().next_multiple_of(align);
            page[end..end + item.len()].copy_from_slice(item);
            put(&mut page, HEADER + 2 * number, end);
        }
        head(page, kind, items.len(), end)
    }

    fn overflow(&self, next: u32, data: &[u8]) -> Vec<u8> {
        let mut page = vec![self.unused; PAGE];
        page[HEADER..HEADER + data.len()].copy_from_slice(data);
        let mut page = head(page, OVERFLOW_PAGE, 1, data.len());
        page[16..20].copy_from_slice(&next.to_le_bytes());
        page
    }
}

fn head(mut page: Vec<u8>, kind: u8, count: usize, place: usize) -> Vec<u8> {
    page[..HEADER].fill(0);
    put(&mut page, 20, count);
    put(&mut page, 22, place);
    page[25] = kind;
    page
}

fn put(page: &mut [u8], at: usize, number: usize) {
    page[at..at + 2].copy_from_slice(&u16::try_from(number).unwrap().to_le_bytes());
}

fn file((magic, kind): (u32, u8), pages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0; PAGE];
    file[12..16].copy_from_slice(&magic.to_le_bytes());
    file[20..24].copy_from_slice(&u32::try_from(PAGE).unwrap().to_le_bytes());
    file[25] = kind;
    [file, pages.concat()].concat()
}

/// A header of rpm's file format: when it was installed, by which transaction, and much else.
fn header(time: u32, transaction: u32) -> Vec<u8> {
    let length = 8 + 500;
    let numbers = [2, length, 1008, 4, 0, 1, 1128, 4, 4, 1, time, transaction];
    let numbers: Vec<u8> = numbers.into_iter().flat_map(u32::to_be_bytes).collect();
    [numbers, vec![b'h'; 500]].concat()
}

/// Runs the step on a folder with `Packages` and `Installtid`.
fn settle(files: [Option<&Vec<u8>>; 2]) -> [Option<Vec<u8>>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["Packages", "Installtid"].map(|name| folder.path().join(name));
    for (path, content) in paths.iter().zip(files) {
        if let Some(content) = content {
            fs_err::write(path, content).unwrap();
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/steps/settle_database.py");
    let status = Command::new("python3")
        .args(["-E", "-s", "-B"])
        .arg(script)
        .arg(&paths[0])
        .args(["1000", "500"])
        .status();
    assert!(status.unwrap().success());
    paths.map(|path| fs_err::read(path).ok())
}

fn count(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes
        .windows(wanted.len())
        .filter(|it| *it == wanted)
        .count()
}

#[test]
fn the_same_packages_make_the_same_database_whenever_they_were_installed() {
    let database = |unused: u8, transactions: &[(u32, &[u32])]| {
        let transactions = transactions.iter().map(|(time, of)| (*time, of.to_vec()));
        Database {
            transactions: transactions.collect(),
            unused,
        }
        .settled()
    };
    let two = database(0xaa, &[(100, &[9]), (1000, &[1]), (1257, &[2])]);
    let one = database(0x55, &[(100, &[9]), (1003, &[1, 2])]);
    assert!(two == one);
    let [packages, transactions] = two;
    for bytes in [&packages, &transactions] {
        assert_eq!((count(bytes, &[0xaa]), count(bytes, &[0x55])), (0, 0));
    }
    assert_eq!(count(&packages, &500_u32.to_be_bytes()), 4);
    assert_eq!(count(&packages, &100_u32.to_be_bytes()), 1);
    let key = |time: u32| [&[4, 0, 1][..], &time.to_le_bytes()].concat();
    assert_eq!(count(&transactions, &key(100)), 1);
    assert_eq!(count(&transactions, &key(500)), 1);
    assert_eq!(
        count(&transactions, &[16, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
        1
    );
}

#[test]
fn what_is_no_database_as_rpm_writes_it_is_left_as_it_is() {
    let database = Database {
        transactions: vec![(1000, vec![1])],
        unused: 0,
    };
    let (packages, transactions) = (database.packages(), database.transactions());
    let mut leaves = transactions.clone();
    leaves.extend_from_within(PAGE..);
    let other = b"something else".to_vec();
    for index in [
        None,
        Some(&Vec::new()),
        Some(&other),
        Some(&packages),
        Some(&leaves),
    ] {
        let [settled, found] = settle([Some(&packages), index]);
        assert!(settled.as_ref() == Some(&packages), "{index:?}");
        assert_eq!(found.as_ref(), index);
    }
    let [settled, found] = settle([Some(&other), Some(&transactions)]);
    assert_eq!((settled, found), (Some(other), Some(transactions)));
}

//! Reads an ELF file by its program headers, which are what counts when it is loaded; section
//! headers may be absent. A hostile file costs no more than [`MOST_BYTES`] and never panics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};

use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader, Sym};
use object::{Endianness, U16, U32, pod};

use super::{ElfFile, ElfKind, Symbol};

/// The first bytes of every ELF file.
pub const MAGIC: [u8; 4] = elf::ELFMAG;

/// The most that is read of one table, in bytes: the largest string tables known have a third.
const MOST_BYTES: u64 = 64 << 20;
/// The most names that are kept of one file.
const MOST_NAMES: usize = 1 << 17;
/// The length of the longest name, path or list of folders that is kept, in bytes.
const LONGEST_TEXT: usize = 1 << 16;

/// The most symbols that are looked at behind one bucket of a hash table.
const LONGEST_CHAIN: u32 = 1 << 16;

/// What is wrong with a file, as the end of a sentence.
type Malformed<T> = Result<T, String>;

/// What a file says of itself; `Ok(None)` when it is no ELF file. `Err` says what is wrong with one
/// that is, be it that it can't be read.
pub fn read<R: Read + Seek>(file: &mut R) -> Result<Option<ElfFile>, String> {
    let size = file
        .seek(SeekFrom::End(0))
        .map_err(|error| error.to_string())?;
    let mut chunks = Chunks { file, size };
    if size < MAGIC.len() as u64 || chunks.bytes(0, MAGIC.len() as u64)? != MAGIC {
        return Ok(None);
    }
    let identification = chunks
        .bytes(0, 16)
        .map_err(|_short| "it ends in its header".to_owned())?;
    let found = match elf::FileClass(identification[4]) {
        elf::ELFCLASS64 => of_class::<FileHeader64<Endianness>, _>(&mut chunks, 64),
        elf::ELFCLASS32 => of_class::<FileHeader32<Endianness>, _>(&mut chunks, 32),
        elf::FileClass(other) => Err(format!("its class is {other}, which is none")),
    };
    found.map(Some)
}

/// Parts of a file, each read when it is wanted and dropped after use.
struct Chunks<'a, R> {
    file: &'a mut R,
    size: u64,
}

impl<R: Read + Seek> Chunks<'_, R> {
    fn bytes(&mut self, offset: u64, size: u64) -> Malformed<Vec<u8>> {
        let end = offset.checked_add(size).filter(|end| *end <= self.size);
        if end.is_none() {
            return Err("it ends early".to_owned());
        }
        if size > MOST_BYTES {
            return Err(format!("it has a table of {size} bytes"));
        }
        let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
        self.file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    }
}

/// A part of the file that is in memory when it runs.
struct Loaded {
    address: u64,
    offset: u64,
    size: u64,
}

/// The addresses of tables, from the dynamic section.
#[derive(Default)]
struct Tables {
    strings: Option<u64>,
    strings_size: u64,
    symbols: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
    version_indexes: Option<u64>,
    needed_versions: Option<u64>,
    needed_versions_count: u64,
}

/// A value of the dynamic section that is an offset into the strings.
#[derive(Default)]
struct Names {
    needed: Vec<u64>,
    soname: Option<u64>,
    rpath: Option<u64>,
    runpath: Option<u64>,
}

fn of_class<Elf, R>(chunks: &mut Chunks<'_, R>, class: u8) -> Malformed<ElfFile>
where
    Elf: FileHeader<Endian = Endianness>,
    R: Read + Seek,
{
    let bytes = chunks.bytes(0, size_of::<Elf>() as u64)?;
    let header = Elf::parse(bytes.as_slice()).map_err(|error| error.to_string())?;
    let endian = header.endian().map_err(|error| error.to_string())?;
    let mut found = ElfFile {
        machine: machine(header.e_machine(endian)),
        class,
        big_endian: endian == Endianness::Big,
        kind: match header.e_type(endian) {
            elf::ET_EXEC => ElfKind::Program,
            elf::ET_DYN => ElfKind::Shared,
            _ => ElfKind::Other,
        },
        ..ElfFile::default()
    };
    if found.kind == ElfKind::Other {
        return Ok(found);
    }
    let count = header.e_phnum(endian);
    let entry = size_of::<Elf::ProgramHeader>();
    if count > 0 && usize::from(header.e_phentsize(endian)) != entry {
        return Err("its program headers have another size than they should".to_owned());
    }
    let bytes = chunks.bytes(
        header.e_phoff(endian).into(),
        u64::from(count) * entry as u64,
    )?;
    let (headers, _) = pod::slice_from_bytes::<Elf::ProgramHeader>(&bytes, count.into())
        .map_err(|()| "its program headers can't be read".to_owned())?;
    let mut loaded = Vec::new();
    let mut dynamic = None;
    for header in headers {
        let (offset, size) = header.file_range(endian);
        match header.p_type(endian) {
            elf::PT_LOAD => loaded.push(Loaded {
                address: header.p_vaddr(endian).into(),
                offset,
                size,
            }),
            elf::PT_DYNAMIC => dynamic = Some((offset, size)),
            elf::PT_INTERP => {
                let bytes = chunks.bytes(offset, size.min(LONGEST_TEXT as u64))?;
                found.interpreter = Some(text_at(&bytes, 0)?);
            }
            _ => {}
        }
    }
    if let Some((offset, size)) = dynamic {
        let bytes = chunks.bytes(offset, size)?;
        let count = bytes.len() / size_of::<Elf::Dyn>();
        let (entries, _) = pod::slice_from_bytes::<Elf::Dyn>(&bytes, count)
            .map_err(|()| "its dynamic section can't be read".to_owned())?;
        let mut linked = Linked {
            chunks,
            loaded: &loaded,
            endian,
            wide: class == 64,
        };
        linked.read::<Elf>(entries, &mut found)?;
    }
    Ok(found)
}

/// A file with a dynamic section.
struct Linked<'a, 'b, R> {
    chunks: &'a mut Chunks<'b, R>,
    loaded: &'a [Loaded],
    endian: Endianness,
    /// Whether it is of 64 bits.
    wide: bool,
}

impl<R: Read + Seek> Linked<'_, '_, R> {
    fn read<Elf>(&mut self, entries: &[Elf::Dyn], found: &mut ElfFile) -> Malformed<()>
    where
        Elf: FileHeader<Endian = Endianness>,
    {
        let (tables, names) = sorted::<Elf>(entries, self.endian);
        found.needs_gnu_hash = tables.gnu_hash.is_some() && tables.hash.is_none();
        let Some(strings) = tables.strings else {
            return if names.needed.is_empty() {
                Ok(())
            } else {
                Err("it has no dynamic strings".to_owned())
            };
        };
        let strings = self.at(strings, tables.strings_size)?;
        let text = |offset: &u64| text_at(&strings, *offset);
        found.needed = names.needed.iter().map(text).collect::<Malformed<_>>()?;
        found.soname = names.soname.as_ref().map(text).transpose()?;
        found.rpath = folders(names.rpath.as_ref().map(text).transpose()?);
        found.runpath = folders(names.runpath.as_ref().map(text).transpose()?);
        let nodes = self.needed_versions(&tables, &strings)?;
        for (library, node) in nodes.values() {
            let versions = found.versions.entry(library.clone()).or_default();
            versions.insert(node.clone());
        }
        found.undefined = self.undefined::<Elf>(&tables, &strings, &nodes)?;
        Ok(())
    }

    /// The bytes at an address, which must all be in the file.
    fn at(&mut self, address: u64, size: u64) -> Malformed<Vec<u8>> {
        let place = self.loaded.iter().find_map(|part| {
            let inside = address.checked_sub(part.address)?;
            let fits = inside.checked_add(size)? <= part.size;
            fits.then(|| part.offset.checked_add(inside)).flatten()
        });
        let offset = place.ok_or("a table of it is in no part that is loaded")?;
        self.chunks.bytes(offset, size)
    }

    fn pod<T: pod::Pod>(&mut self, address: u64) -> Malformed<T> {
        let bytes = self.at(address, size_of::<T>() as u64)?;
        let (value, _) =
            pod::from_bytes::<T>(&bytes).map_err(|()| "a table can't be read".to_owned())?;
        Ok(*value)
    }

    /// Library and version node by their index.
    fn needed_versions(
        &mut self,
        tables: &Tables,
        strings: &[u8],
    ) -> Malformed<BTreeMap<u16, (String, String)>> {
        let mut nodes = BTreeMap::new();
        let Some(mut address) = tables.needed_versions else {
            return Ok(nodes);
        };
        for _ in 0..tables.needed_versions_count {
            let library: elf::Verneed<Endianness> = self.pod(address)?;
            let file = text_at(strings, library.vn_file.get(self.endian).into())?;
            let mut place = step(address, library.vn_aux.get(self.endian))?;
            for _ in 0..library.vn_cnt.get(self.endian) {
                let node: elf::Vernaux<Endianness> = self.pod(place)?;
                let name = text_at(strings, node.vna_name.get(self.endian).into())?;
                let index = node.vna_other(self.endian).index().0;
                if nodes.insert(index, (file.clone(), name)).is_some() || nodes.len() > MOST_NAMES {
                    return Err("its table of versions goes in circles".to_owned());
                }
                let next = node.vna_next.get(self.endian);
                if next == 0 {
                    break;
                }
                place = step(place, next)?;
            }
            let next = library.vn_next.get(self.endian);
            if next == 0 {
                break;
            }
            address = step(address, next)?;
        }
        Ok(nodes)
    }

    fn undefined<Elf>(
        &mut self,
        tables: &Tables,
        strings: &[u8],
        nodes: &BTreeMap<u16, (String, String)>,
    ) -> Malformed<BTreeSet<Symbol>>
    where
        Elf: FileHeader<Endian = Endianness>,
    {
        let mut undefined = BTreeSet::new();
        let Some(address) = tables.symbols else {
            return Ok(undefined);
        };
        let count = self.symbol_count(tables)?;
        let bytes = self.at(address, u64::from(count) * size_of::<Elf::Sym>() as u64)?;
        let count = usize::try_from(count).map_err(|error| error.to_string())?;
        let (symbols, _) = pod::slice_from_bytes::<Elf::Sym>(&bytes, count)
            .map_err(|()| "its symbols can't be read".to_owned())?;
        let indexes = match tables.version_indexes {
            Some(address) => self.at(address, count as u64 * 2)?,
            None => Vec::new(),
        };
        for (number, symbol) in symbols.iter().enumerate() {
            let is_file = symbol.st_type() == elf::STT_FILE || symbol.st_type() == elf::STT_SECTION;
            if symbol.st_name(self.endian) == 0 || is_file || !symbol.is_undefined(self.endian) {
                continue;
            }
            let index = indexes
                .get(number * 2..)
                .and_then(|rest| pod::from_bytes::<U16<Endianness>>(rest).ok())
                .map(|(index, _)| index.get(self.endian) & elf::VERSYM_VERSION);
            let version = index.and_then(|index| nodes.get(&index));
            undefined.insert(Symbol {
                name: text_at(strings, symbol.st_name(self.endian).into())?,
                version: version.map(|(library, node)| (node.clone(), library.clone())),
            });
            if undefined.len() > MOST_NAMES {
                return Err(format!(
                    "it leaves more than {MOST_NAMES} symbols undefined"
                ));
            }
        }
        Ok(undefined)
    }

    /// How many symbols there are. Only the hash tables say it.
    fn symbol_count(&mut self, tables: &Tables) -> Malformed<u32> {
        match (tables.hash, tables.gnu_hash) {
            // Number of buckets, number of chains: one for each symbol.
            (Some(address), _) => self.word(address, 1),
            (None, Some(address)) => self.gnu_symbol_count(address),
            (None, None) => Ok(0),
        }
    }

    /// The last symbol of the last chain is the last of all. Undefined symbols stand before the
    /// hashed ones, but for functions whose address was taken in a program.
    fn gnu_symbol_count(&mut self, table: u64) -> Malformed<u32> {
        let buckets = self.word(table, 0)?;
        let first = self.word(table, 1)?;
        let filter_words = self.word(table, 2)?;
        let word_size = if self.wide { 8 } else { 4 };
        let place = step(table, 16)?
            .checked_add(u64::from(filter_words) * word_size)
            .ok_or("its hash table leaves the file")?;
        let bytes = self.at(place, u64::from(buckets) * 4)?;
        let (words, _) = pod::slice_from_bytes::<U32<Endianness>>(&bytes, bytes.len() / 4)
            .map_err(|()| "its hash table can't be read".to_owned())?;
        let last = words
            .iter()
            .map(|word| word.get(self.endian))
            .max()
            .unwrap_or(0);
        let chains = place
            .checked_add(u64::from(buckets) * 4)
            .ok_or("its hash table leaves the file")?;
        if last < first {
            return Ok(first);
        }
        for symbol in last..last.saturating_add(LONGEST_CHAIN) {
            // The lowest bit marks the end of a chain.
            if self.word(chains, symbol - first)? & 1 == 1 {
                return Ok(symbol.saturating_add(1));
            }
        }
        Err("a chain of its hash table does not end".to_owned())
    }

    fn word(&mut self, table: u64, index: u32) -> Malformed<u32> {
        let place = table
            .checked_add(u64::from(index) * 4)
            .ok_or("a table leaves the file")?;
        let word: U32<Endianness> = self.pod(place)?;
        Ok(word.get(self.endian))
    }
}

/// What the dynamic section says, up to its end mark.
fn sorted<Elf>(entries: &[Elf::Dyn], endian: Endianness) -> (Tables, Names)
where
    Elf: FileHeader<Endian = Endianness>,
{
    let (mut tables, mut names) = (Tables::default(), Names::default());
    for entry in entries {
        let value = entry.val(endian);
        match entry.tag(endian) {
            elf::DT_NULL => break,
            elf::DT_NEEDED if names.needed.len() < MOST_NAMES => names.needed.push(value),
            elf::DT_SONAME => names.soname = Some(value),
            elf::DT_RPATH => names.rpath = Some(value),
            elf::DT_RUNPATH => names.runpath = Some(value),
            elf::DT_STRTAB => tables.strings = Some(value),
            elf::DT_STRSZ => tables.strings_size = value,
            elf::DT_SYMTAB => tables.symbols = Some(value),
            elf::DT_HASH => tables.hash = Some(value),
            elf::DT_GNU_HASH => tables.gnu_hash = Some(value),
            elf::DT_VERSYM => tables.version_indexes = Some(value),
            elf::DT_VERNEED => tables.needed_versions = Some(value),
            elf::DT_VERNEEDNUM => tables.needed_versions_count = value,
            _ => {}
        }
    }
    (tables, names)
}

fn step(address: u64, by: u32) -> Malformed<u64> {
    address
        .checked_add(by.into())
        .ok_or_else(|| "its table of versions leaves the file".to_owned())
}

/// The text at an offset, up to its zero byte.
fn text_at(strings: &[u8], offset: u64) -> Malformed<String> {
    let start = usize::try_from(offset).map_err(|error| error.to_string())?;
    let rest = strings
        .get(start..)
        .ok_or("a name of it is not in the file")?;
    let rest = &rest[..rest.len().min(LONGEST_TEXT)];
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or("a name of it does not end")?;
    Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
}

/// A list of folders with `:` between them.
fn folders(list: Option<String>) -> Vec<String> {
    let list = list.unwrap_or_default();
    let folders = list.split(':').filter(|folder| !folder.is_empty());
    folders.map(str::to_owned).collect()
}

fn machine(machine: elf::Machine) -> String {
    match machine {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        elf::EM_386 => "i386".to_owned(),
        elf::EM_ARM => "arm".to_owned(),
        elf::EM_PPC64 => "ppc64".to_owned(),
        elf::EM_S390 => "s390".to_owned(),
        elf::EM_RISCV => "riscv".to_owned(),
        elf::EM_LOONGARCH => "loongarch".to_owned(),
        elf::EM_MIPS => "mips".to_owned(),
        elf::Machine(number) => format!("machine {number}"),
    }
}

#[cfg(test)]
mod tests;

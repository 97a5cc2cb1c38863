//! The header of an rpm as values: which tags make which part of a package.
//!
//! Reads no file; what the header lacks is nothing.

use std::collections::BTreeMap;

use ::rpm::{IndexData, IndexTag as Tag, PackageMetadata};

use crate::error::Result;
use crate::package::read::{Place, Script};

/// Relations: RPM's word for them, and the tags of names, flags and versions.
pub(super) const RELATIONS: [(&str, Tag, Tag, Tag); 8] = [
    (
        "Provides",
        Tag::RPMTAG_PROVIDENAME,
        Tag::RPMTAG_PROVIDEFLAGS,
        Tag::RPMTAG_PROVIDEVERSION,
    ),
    (
        "Requires",
        Tag::RPMTAG_REQUIRENAME,
        Tag::RPMTAG_REQUIREFLAGS,
        Tag::RPMTAG_REQUIREVERSION,
    ),
    (
        "Conflicts",
        Tag::RPMTAG_CONFLICTNAME,
        Tag::RPMTAG_CONFLICTFLAGS,
        Tag::RPMTAG_CONFLICTVERSION,
    ),
    (
        "Obsoletes",
        Tag::RPMTAG_OBSOLETENAME,
        Tag::RPMTAG_OBSOLETEFLAGS,
        Tag::RPMTAG_OBSOLETEVERSION,
    ),
    (
        "Recommends",
        Tag::RPMTAG_RECOMMENDNAME,
        Tag::RPMTAG_RECOMMENDFLAGS,
        Tag::RPMTAG_RECOMMENDVERSION,
    ),
    (
        "Suggests",
        Tag::RPMTAG_SUGGESTNAME,
        Tag::RPMTAG_SUGGESTFLAGS,
        Tag::RPMTAG_SUGGESTVERSION,
    ),
    (
        "Supplements",
        Tag::RPMTAG_SUPPLEMENTNAME,
        Tag::RPMTAG_SUPPLEMENTFLAGS,
        Tag::RPMTAG_SUPPLEMENTVERSION,
    ),
    (
        "Enhances",
        Tag::RPMTAG_ENHANCENAME,
        Tag::RPMTAG_ENHANCEFLAGS,
        Tag::RPMTAG_ENHANCEVERSION,
    ),
];

/// Scriptlets: the word of a spec file, the tags of the text and of the interpreter.
const SCRIPTS: [(&str, Tag, Tag); 9] = [
    ("%pre", Tag::RPMTAG_PREIN, Tag::RPMTAG_PREINPROG),
    ("%post", Tag::RPMTAG_POSTIN, Tag::RPMTAG_POSTINPROG),
    ("%preun", Tag::RPMTAG_PREUN, Tag::RPMTAG_PREUNPROG),
    ("%postun", Tag::RPMTAG_POSTUN, Tag::RPMTAG_POSTUNPROG),
    (
        "%verify",
        Tag::RPMTAG_VERIFYSCRIPT,
        Tag::RPMTAG_VERIFYSCRIPTPROG,
    ),
    ("%pretrans", Tag::RPMTAG_PRETRANS, Tag::RPMTAG_PRETRANSPROG),
    (
        "%posttrans",
        Tag::RPMTAG_POSTTRANS,
        Tag::RPMTAG_POSTTRANSPROG,
    ),
    (
        "%preuntrans",
        Tag::RPMTAG_PREUNTRANS,
        Tag::RPMTAG_PREUNTRANSPROG,
    ),
    (
        "%postuntrans",
        Tag::RPMTAG_POSTUNTRANS,
        Tag::RPMTAG_POSTUNTRANSPROG,
    ),
];

/// Triggers: the word of a spec file, the tags of texts, interpreters, names, flags, versions and of
/// which text each name belongs to.
const TRIGGERS: [(&str, [Tag; 6]); 3] = [
    (
        "%trigger",
        [
            Tag::RPMTAG_TRIGGERSCRIPTS,
            Tag::RPMTAG_TRIGGERSCRIPTPROG,
            Tag::RPMTAG_TRIGGERNAME,
            Tag::RPMTAG_TRIGGERFLAGS,
            Tag::RPMTAG_TRIGGERVERSION,
            Tag::RPMTAG_TRIGGERINDEX,
        ],
    ),
    (
        "%filetrigger",
        [
            Tag::RPMTAG_FILETRIGGERSCRIPTS,
            Tag::RPMTAG_FILETRIGGERSCRIPTPROG,
            Tag::RPMTAG_FILETRIGGERNAME,
            Tag::RPMTAG_FILETRIGGERFLAGS,
            Tag::RPMTAG_FILETRIGGERVERSION,
            Tag::RPMTAG_FILETRIGGERINDEX,
        ],
    ),
    (
        "%transfiletrigger",
        [
            Tag::RPMTAG_TRANSFILETRIGGERSCRIPTS,
            Tag::RPMTAG_TRANSFILETRIGGERSCRIPTPROG,
            Tag::RPMTAG_TRANSFILETRIGGERNAME,
            Tag::RPMTAG_TRANSFILETRIGGERFLAGS,
            Tag::RPMTAG_TRANSFILETRIGGERVERSION,
            Tag::RPMTAG_TRANSFILETRIGGERINDEX,
        ],
    ),
];

/// The descriptive fields, by the words of a spec file.
pub(super) const FIELDS: [(&str, Tag); 12] = [
    ("Summary", Tag::RPMTAG_SUMMARY),
    ("Description", Tag::RPMTAG_DESCRIPTION),
    ("Vendor", Tag::RPMTAG_VENDOR),
    ("License", Tag::RPMTAG_LICENSE),
    ("Packager", Tag::RPMTAG_PACKAGER),
    ("Group", Tag::RPMTAG_GROUP),
    ("URL", Tag::RPMTAG_URL),
    ("SourceRPM", Tag::RPMTAG_SOURCERPM),
    ("BuildHost", Tag::RPMTAG_BUILDHOST),
    ("BuildTime", Tag::RPMTAG_BUILDTIME),
    ("Distribution", Tag::RPMTAG_DISTRIBUTION),
    ("RPMVersion", Tag::RPMTAG_RPMVERSION),
];

/// Tags that are shown by name when they differ, beside those above.
const OTHERS: [Tag; 32] = [
    Tag::RPMTAG_HEADERIMMUTABLE,
    Tag::RPMTAG_HEADERI18NTABLE,
    Tag::RPMTAG_NAME,
    Tag::RPMTAG_VERSION,
    Tag::RPMTAG_RELEASE,
    Tag::RPMTAG_EPOCH,
    Tag::RPMTAG_SIZE,
    Tag::RPMTAG_LONGSIZE,
    Tag::RPMTAG_OS,
    Tag::RPMTAG_ARCH,
    Tag::RPMTAG_FILESIZES,
    Tag::RPMTAG_LONGFILESIZES,
    Tag::RPMTAG_FILEMODES,
    Tag::RPMTAG_FILERDEVS,
    Tag::RPMTAG_FILEMTIMES,
    Tag::RPMTAG_FILEDIGESTS,
    Tag::RPMTAG_FILELINKTOS,
    Tag::RPMTAG_FILEFLAGS,
    Tag::RPMTAG_FILEUSERNAME,
    Tag::RPMTAG_FILEGROUPNAME,
    Tag::RPMTAG_FILEVERIFYFLAGS,
    Tag::RPMTAG_FILEDEVICES,
    Tag::RPMTAG_FILEINODES,
    Tag::RPMTAG_DIRINDEXES,
    Tag::RPMTAG_BASENAMES,
    Tag::RPMTAG_DIRNAMES,
    Tag::RPMTAG_PAYLOADCOMPRESSOR,
    Tag::RPMTAG_PAYLOADFLAGS,
    Tag::RPMTAG_CHANGELOGTIME,
    Tag::RPMTAG_CHANGELOGNAME,
    Tag::RPMTAG_CHANGELOGTEXT,
    Tag::RPMTAG_PAYLOADSHA256,
];

/// `RPMSENSE_LESS`, `RPMSENSE_GREATER`, `RPMSENSE_EQUAL`.
const OPERATORS: [(&str, u64); 3] = [("<", 2), (">", 4), ("=", 8)];

/// The values of tags, absent ones as nothing.
pub(super) struct Tags<'a> {
    pub(super) metadata: &'a PackageMetadata,
    pub(super) place: &'a Place,
}

impl Tags<'_> {
    fn data(&self, tag: Tag) -> Result<Option<IndexData>> {
        if !self.metadata.header.entry_is_present(tag as u32) {
            return Ok(None);
        }
        let data = self.metadata.header.entry(tag as u32);
        data.map(Some)
            .map_err(|error| self.place.damaged(format_args!("the tag {tag:?}: {error}")))
    }

    pub(super) fn strings(&self, tag: Tag) -> Result<Vec<String>> {
        Ok(match self.data(tag)? {
            Some(IndexData::StringTag(text)) => vec![text],
            Some(IndexData::StringArray(texts) | IndexData::I18NString(texts)) => texts,
            _ => Vec::new(),
        })
    }

    /// A string, or a number as one.
    pub(super) fn string(&self, tag: Tag) -> Result<Option<String>> {
        let text = self.strings(tag)?.into_iter().next();
        let number = || {
            self.numbers(tag)
                .map(|numbers| numbers.first().map(u64::to_string))
        };
        if text.is_some() { Ok(text) } else { number() }
    }

    pub(super) fn numbers(&self, tag: Tag) -> Result<Vec<u64>> {
        Ok(match self.data(tag)? {
            Some(IndexData::Int16(numbers)) => numbers.into_iter().map(u64::from).collect(),
            Some(IndexData::Int32(numbers)) => numbers.into_iter().map(u64::from).collect(),
            Some(IndexData::Int64(numbers)) => numbers,
            _ => Vec::new(),
        })
    }

    pub(super) fn needed(&self, name: &str, tag: Tag) -> Result<String> {
        let value = self.string(tag)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| self.place.damaged(format_args!("it has no {name}")))
    }

    /// As many values as there are files, or none at all.
    pub(super) fn per_file<T>(&self, tag: Tag, values: Vec<T>, count: usize) -> Result<Vec<T>> {
        if values.is_empty() || values.len() == count {
            return Ok(values);
        }
        let found = values.len();
        Err(self.place.damaged(format_args!(
            "the tag {tag:?} has {found} values for {count} files"
        )))
    }
}

/// `name operator version`, as in a spec file; features of rpm itself too.
pub(super) fn dependencies(
    tags: &Tags<'_>,
    names: Tag,
    flags: Tag,
    versions: Tag,
) -> Result<Vec<String>> {
    let flags = tags.numbers(flags)?;
    let versions = tags.strings(versions)?;
    let names = tags.strings(names)?;
    let one = |(index, name): (usize, String)| {
        let flags = flags.get(index).copied().unwrap_or(0);
        let operator: String = OPERATORS
            .into_iter()
            .filter(|(_, bit)| flags & bit != 0)
            .map(|(word, _)| word)
            .collect();
        match versions.get(index) {
            Some(version) if !version.is_empty() && !operator.is_empty() => {
                format!("{name} {operator} {version}")
            }
            _ => name,
        }
    };
    Ok(names.into_iter().enumerate().map(one).collect())
}

pub(super) fn scripts(tags: &Tags<'_>) -> Result<BTreeMap<String, Script>> {
    let mut scripts = BTreeMap::new();
    for (name, text, program) in SCRIPTS {
        let interpreter = tags.strings(program)?.join(" ");
        let text = tags.string(text)?.unwrap_or_default();
        if !(text.is_empty() && interpreter.is_empty()) {
            scripts.insert(name.to_owned(), Script { interpreter, text });
        }
    }
    for (word, [texts, programs, names, flags, versions, indexes]) in TRIGGERS {
        let programs = tags.strings(programs)?;
        let conditions = dependencies(tags, names, flags, versions)?;
        let indexes = tags.numbers(indexes)?;
        for (number, text) in tags.strings(texts)?.into_iter().enumerate() {
            let of_this = conditions
                .iter()
                .zip(&indexes)
                .filter(|(_, index)| **index == number as u64);
            let conditions: Vec<&str> = of_this.map(|(name, _)| name.as_str()).collect();
            let interpreter = programs.get(number).cloned().unwrap_or_default();
            let name = format!("{word} {number} -- {}", conditions.join(", "));
            scripts.insert(name, Script { interpreter, text });
        }
    }
    Ok(scripts)
}

/// The name of a tag of the header, as rpm's sources have it; else its number.
pub(in crate::package::read) fn tag_name(number: u32) -> String {
    let fields = FIELDS.iter().map(|(_, tag)| *tag);
    let relations = RELATIONS
        .iter()
        .flat_map(|(_, one, two, three)| [*one, *two, *three]);
    let scripts = SCRIPTS
        .iter()
        .flat_map(|(_, text, program)| [*text, *program]);
    let triggers = TRIGGERS.iter().flat_map(|(_, tags)| *tags);
    let all = fields
        .chain(relations)
        .chain(scripts)
        .chain(triggers)
        .chain(OTHERS);
    let name = all.into_iter().find(|tag| *tag as u32 == number);
    name.map_or_else(|| format!("tag {number}"), |tag| format!("{tag:?}"))
}

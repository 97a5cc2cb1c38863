//! The faults: what each is and what verification must say of it. How they get into packages is the
//! parent's.

use super::{Fault, Group, META, OMNIBUS, Rpm};

pub(super) const FAULTS: [Fault; 24] = [
    Fault {
        name: "a missing library",
        package: OMNIBUS,
        inject: |it| it.module_without_its_library(),
        said: &[
            "`import mytool._needy`",
            "libabsent.so: cannot open shared object file",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a broken import",
        package: OMNIBUS,
        inject: |it| it.append(&it.site("mytool/__init__.py"), "import nothing_there\n"),
        said: &["`import mytool`", "nothing_there"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "another architecture",
        package: OMNIBUS,
        inject: |it| it.patch_extension(b"\x7fELF\x02", b"\x7fELF\x01"),
        said: &["`import mytool._speedups`", "ELF"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an absent dependency",
        package: OMNIBUS,
        inject: |it| it.depends = Some(""),
        said: &["the bundle has no interpreter"],
        group: Group::Alone,
        rpm: Rpm::Not("the stand-in's package manager needs the same Python"),
    },
    Fault {
        name: "a dependency that does not exist",
        package: OMNIBUS,
        inject: |it| it.depends = Some("no-such-package"),
        said: &["can't install the packages", "no-such-package"],
        group: Group::Alone,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that is left after removal",
        package: OMNIBUS,
        inject: |it| {
            it.script(
                "postinst",
                "mkdir -p /var/lib/mytool-cli && : >/var/lib/mytool-cli/left",
            );
        },
        said: &[
            "after removal: ",
            "left /var/lib/mytool-cli left /var/lib/mytool-cli/left",
        ],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a path of the builder",
        package: OMNIBUS,
        inject: |it| it.append("opt/mytool/bin/mytool", "# /omnibuild/build/bin/python\n"),
        said: &["`/opt/mytool/bin/mytool` holds a path of the builder"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an interpreter that is not there",
        package: OMNIBUS,
        inject: |it| {
            it.replace(
                "opt/mytool/bin/mytool",
                "/opt/mytool/bin/python",
                "/opt/mytool/bin/snake",
            );
        },
        said: &["`/opt/mytool/bin/mytool` is run by `/opt/mytool/bin/snake`, which is missing"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an entry point that leads nowhere",
        package: OMNIBUS,
        inject: |it| {
            it.append(
                &it.site("mytool-1.4.2.dist-info/entry_points.txt"),
                "\n[gui_scripts]\nmytool-window = mytool.absent:main\n",
            );
        },
        said: &["the entry point `mytool-window` of `mytool` leads to `mytool.absent:main`"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "an unsatisfied requirement",
        package: OMNIBUS,
        inject: |it| {
            it.replace(
                &it.site("mytool-1.4.2.dist-info/METADATA"),
                "Name: mytool\n",
                "Name: mytool\nRequires-Dist: click>=99\n",
            );
        },
        said: &["`mytool 1.4.2` requires `click>=99`, and the bundle has click"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that is missing on disk",
        package: META,
        inject: |it| it.script("postinst", "rm -f /usr/share/man/man1/mytool.1.gz"),
        said: &["missing on disk: /usr/share/man/man1/mytool.1.gz"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that no package has",
        package: OMNIBUS,
        inject: |it| it.script("postinst", ": >/opt/mytool/bin/more"),
        said: &["on disk and in no package: /opt/mytool/bin/more"],
        group: Group::Effects,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file with another digest",
        package: OMNIBUS,
        inject: |it| it.script("postinst", "echo '# more' >>/opt/mytool/pyvenv.cfg"),
        said: &[
            "the package manager finds files altered",
            "/opt/mytool/pyvenv.cfg",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "configuration that is overwritten",
        package: META,
        inject: |it| it.add("etc/mytool.conf", 0o644, "listen = 1\n"),
        said: &["overwrites `/etc/mytool.conf`, which an administrator has changed"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a script after installation that fails",
        package: META,
        inject: |it| it.script("postinst", "exit 3"),
        said: &["can't install the packages", "acme-mytool-cli"],
        group: Group::Alone,
        rpm: Rpm::Says(&["a script of a package fails", "acme-mytool-cli"]),
    },
    Fault {
        name: "a script before removal that fails",
        package: META,
        inject: |it| it.script("prerm", "[ \"$1\" != remove ] && [ \"$1\" != 0 ]"),
        said: &["the package manager can't remove the packages"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a setuid program",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/bin/mytool", 0o4755),
        said: &["`/opt/mytool/bin/mytool` is setuid or setgid (4755)"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file that everybody may change",
        package: OMNIBUS,
        inject: |it| it.mode("opt/mytool/pyvenv.cfg", 0o666),
        said: &["`/opt/mytool/pyvenv.cfg` is world-writable (0666)"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a daemon without its user",
        package: META,
        inject: |it| {
            it.add(
                "usr/lib/systemd/system/mytool-user.service",
                0o644,
                "[Service]\nUser=mytoold\nExecStart=/usr/bin/mytool load\n",
            );
        },
        said: &["runs as `mytoold`, a user that nothing makes"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a unit whose command is not there",
        package: META,
        inject: |it| {
            it.add(
                "usr/lib/systemd/system/mytool.service",
                0o644,
                "[Service]\nExecStart=-/usr/sbin/mytoold --run\n",
            );
        },
        said: &["starts `/usr/sbin/mytoold`, which does not exist"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a link that leads nowhere",
        package: META,
        inject: |it| it.link("usr/bin/mytool-old", "/opt/mytool/bin/mytool-old"),
        said: &[
            "`/usr/bin/mytool-old` is a link to `/opt/mytool/bin/mytool-old`, which does not exist",
        ],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a file of another package",
        package: META,
        inject: |it| it.add("usr/bin/env", 0o755, "#!/bin/sh\n"),
        said: &["can't install the packages", "/usr/bin/env"],
        group: Group::Alone,
        rpm: Rpm::Same,
    },
    Fault {
        name: "byte code of another Python",
        package: OMNIBUS,
        inject: |it| it.patch_bytecode(),
        said: &["byte code of another Python than", "measure.cpython-"],
        group: Group::Content,
        rpm: Rpm::Same,
    },
    Fault {
        name: "a script that is in the way of its successor",
        package: META,
        inject: |it| {
            it.script(
                "postinst",
                "if [ \"$1\" = 1 ] || [ \"$1\" = configure -a -z \"$2\" ]; then\n\
                 ! grep -q ^mytooler: /etc/group || exit 3\n\
                 echo mytooler:x:990: >>/etc/group\n\
                 fi",
            );
        },
        said: &["can't be installed after a purge", "acme-mytool-cli"],
        group: Group::Effects,
        rpm: Rpm::Says(&[
            "a script of a package fails when it is installed after a purge",
            "acme-mytool-cli",
        ]),
    },
];

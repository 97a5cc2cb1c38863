//! The folders that distributions own, so that packages don't: those of the file system, of systemd,
//! and of programs that read what others drop there.

use crate::platform::Family;

/// Each stands for the folders above it too.
const FOLDERS: [&str; 63] = [
    "/etc/apache2/conf-available",
    "/etc/bash_completion.d",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/dbus-1/system.d",
    "/etc/default",
    "/etc/firewalld/services",
    "/etc/httpd/conf.d",
    "/etc/init.d",
    "/etc/ld.so.conf.d",
    "/etc/logrotate.d",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/nginx/conf.d",
    "/etc/opt",
    "/etc/pam.d",
    "/etc/polkit-1/rules.d",
    "/etc/profile.d",
    "/etc/rsyslog.d",
    "/etc/security/limits.d",
    "/etc/skel",
    "/etc/ssl/certs",
    "/etc/sudoers.d",
    "/etc/sysconfig",
    "/etc/sysctl.d",
    "/etc/systemd/system",
    "/etc/tmpfiles.d",
    "/etc/udev/rules.d",
    "/etc/ufw/applications.d",
    "/etc/xdg/autostart",
    "/lib/systemd/system",
    "/opt",
    "/srv",
    "/usr/bin",
    "/usr/include",
    "/usr/lib/firewalld/services",
    "/usr/lib/modules-load.d",
    "/usr/lib/sysctl.d",
    "/usr/lib/systemd/system",
    "/usr/lib/systemd/system-preset",
    "/usr/lib/systemd/user",
    "/usr/lib/sysusers.d",
    "/usr/lib/tmpfiles.d",
    "/usr/lib/udev/rules.d",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/sbin",
    "/usr/share/applications",
    "/usr/share/bash-completion/completions",
    "/usr/share/dbus-1/system-services",
    "/usr/share/doc",
    "/usr/share/fish/vendor_completions.d",
    "/usr/share/licenses",
    "/usr/share/zsh/site-functions",
    "/usr/share/zsh/vendor-completions",
    "/usr/src",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/spool/cron",
];

/// Folders of programs that a package brings files for and does not need. Where such a program is not
/// installed nobody would own them, so every RPM package that has a file there owns them too (Fedora's
/// packaging guidelines, "File and Directory Ownership"). Those that their owner gives another mode
/// than 0755, as sudo and cron do, are not here: rpm would give them ours.
const SHARED: [&str; 14] = [
    "/etc/httpd",
    "/etc/httpd/conf.d",
    "/etc/logrotate.d",
    "/etc/nginx",
    "/etc/nginx/conf.d",
    "/etc/rsyslog.d",
    "/usr/lib/firewalld",
    "/usr/lib/firewalld/services",
    "/usr/share/bash-completion",
    "/usr/share/bash-completion/completions",
    "/usr/share/fish",
    "/usr/share/fish/vendor_completions.d",
    "/usr/share/zsh",
    "/usr/share/zsh/site-functions",
];

/// Whether a package has a folder of the distribution too when it brings a file for it.
pub(super) fn is_shared_folder(family: Family, folder: &str) -> bool {
    match family {
        // dpkg knows no owners of folders but those of the files in them, and removes the empty ones.
        Family::Debian => false,
        Family::Redhat => SHARED.contains(&folder),
    }
}

/// Whether a folder, by its absolute path, is the distribution's.
pub(super) fn is_system_folder(folder: &str) -> bool {
    let manual = folder
        .strip_prefix("/usr/share/man")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("/man"));
    let above = |known: &&str| {
        known
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    folder.is_empty() || manual || FOLDERS.iter().any(above)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_folders_are_the_distribution_s() {
        for folder in SHARED {
            assert!(is_system_folder(folder), "{folder}");
            assert!(!is_shared_folder(Family::Debian, folder), "{folder}");
        }
    }

    #[test]
    fn what_is_above_a_folder_of_the_distribution_is_too() {
        for folder in [
            "",
            "/etc",
            "/usr",
            "/usr/share/man/man8",
            "/usr/lib/systemd",
            "/var",
            "/opt",
        ] {
            assert!(is_system_folder(folder), "{folder}");
        }
        for folder in [
            "/etc/mytool",
            "/usr/bin/x",
            "/opt/mytool",
            "/var/lib/mytool",
            "/et",
        ] {
            assert!(!is_system_folder(folder), "{folder}");
        }
    }
}

//! The folders that distributions own, so that packages don't: those of the file system, of systemd,
//! and of programs that read what others drop there.

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

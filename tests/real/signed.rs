//! Signed packages as the platforms' own package managers see them.

use crate::support::engine::{Container, base_of};
use crate::support::project::Project;
use crate::support::{keys, platform};

#[test]
fn packages_are_signed_so_that_the_package_manager_insists_on_it() {
    for platform in platform::asked_of(&["rocky-9", "centos-7"]) {
        platform::warm(platform);
        let project = Project::copy_of("mytool");
        let home = tempfile::tempdir().expect("a temporary folder can be made");
        keys::make(home.path());
        let secret = home.path().join("secret.asc");
        let signing = format!(
            "[tool.omnibuild.signing]\nkey-file = \"{}\"\n",
            secret.display()
        );
        let before = "[tool.omnibuild.packages.cli]\n";
        project.replace("pyproject.toml", before, &format!("{signing}\n{before}"));
        project
            .run(&["--sysbase", platform.id])
            .succeeded()
            .said(&["3 packages", "signed"]);
        let package = platform.file_name("acme-python-mytool", "1.4.2", false);
        let package = project.package(platform, &package);

        let container = Container::start(&base_of(platform), platform.manager);
        container.put(&home.path().join("public.asc"), "/public.asc");
        container.put(&package, "/package.rpm");
        let (good, said) = container.try_run(&["rpm", "-K", "/package.rpm"]);
        assert!(
            !good,
            "a signature by a key that is not known is no good one: {said}"
        );
        container.run(&["rpm", "--import", "/public.asc"]);
        let said = container.run(&["rpm", "-Kv", "/package.rpm"]);
        assert!(
            said.contains("RSA/SHA256 Signature") && !said.contains("NOT"),
            "{said}"
        );
        let checked = "--setopt=localpkg_gpgcheck=1";
        container.run(&[container.yum(), "-y", checked, "install", "/package.rpm"]);
        container.run(&["/opt/mytool/bin/mytool", "selfcheck"]);
    }
}

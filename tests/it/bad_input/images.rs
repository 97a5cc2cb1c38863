//! Runtime images that can't be made as they are configured.

use super::plan_and_build_refuse;
use crate::support::TestProject;

#[test]
fn a_line_of_an_image_that_can_not_be_done_has_its_place() {
    let project = |line: &str| {
        let text = format!("[images.core]\ndockerfile = ['RUN true', '{line}']\n");
        TestProject::new().file("omnibuild.toml", &text)
    };
    let failure = plan_and_build_refuse(&project("COPY absent /srv/"), 9);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:2:27: images.core: `COPY absent /srv/`: `absent` does not exist"
    );
    assert_eq!(failure.hints, ["it is looked for in `[PROJECT]`"]);
    let failure = plan_and_build_refuse(&project("COPY a.txt /tmp/").file("a.txt", ""), 2);
    assert_eq!(
        failure.message,
        "[PROJECT]/omnibuild.toml:2:27: images.core: `COPY a.txt /tmp/`: `/tmp/a.txt` would be in no image"
    );
    let failure = plan_and_build_refuse(&project("WORKDIR /srv"), 2);
    assert!(
        failure.message.contains("omnibuild.toml:2:14"),
        "{failure:?}"
    );
    let said = format!("{failure:?}");
    assert!(said.contains("working-directory"), "{said}");
}

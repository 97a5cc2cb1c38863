//! Each mode shows the same run; secrets show in none of them; logs are complete.

use std::path::PathBuf;
use std::sync::Mutex;

use fs_err as fs;
use indicatif::TermLike;

use super::*;
use crate::digest::Digest;

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|&word| word.to_owned()).collect()
}

fn debian() -> TargetId {
    "debian-12".parse().unwrap()
}

/// A run with everything in it; gives the path of its log.
fn run(reporter: &Reporter, folder: &tempfile::TempDir) -> PathBuf {
    let log_path = folder.path().join("logs/debian-12.log");
    let platform = reporter.platform(&debian(), &log_path).unwrap();
    platform.stage(Stage::Base).reused("same key 0123456789ab");
    let wheels = platform.stage(Stage::Wheels);
    wheels.message("compiling greenlet");
    wheels.progress(12, 74, Unit::Wheels);
    wheels.progress(18_200_000, None, Unit::Bytes);
    let command = platform.command(&words(&["pip", "wheel", "a b"]));
    command.line("Collecting \u{1b}[1ma\u{1b}[0m");
    platform.warn("the index is slow", Some("use `--index`"));
    wheels.finished("74 wheels made");
    drop(platform.stage(Stage::Bundle));
    platform.finish(Outcome::Failed {
        kind: Kind::Build,
        message: "no space".to_owned(),
    });
    log_path
}

#[test]
fn plain_lines_name_platform_stage_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let reporter = Reporter::hidden();
    run(&reporter, &folder);
    assert_eq!(
        reporter.recorded(Stream::Progress),
        [
            "debian-12: base: reused: same key 0123456789ab",
            "warning: debian-12: the index is slow",
            "hint: use `--index`",
            "debian-12: wheels: 74 wheels made (0.0 s)",
            "debian-12: bundle: stopped (0.0 s)",
            "debian-12: failed (build), 0.0 s",
        ]
    );
    assert!(reporter.recorded(Stream::Results).is_empty());
}

#[test]
fn verbose_lines_show_commands_and_their_output_without_control() {
    let folder = tempfile::tempdir().unwrap();
    let reporter = Reporter::recording(Mode::Plain, 1);
    run(&reporter, &folder);
    let lines = reporter.recorded(Stream::Progress);
    for line in [
        "debian-12: wheels: started",
        "debian-12: wheels: compiling greenlet",
        "debian-12 $ pip wheel 'a b'",
        "debian-12 | Collecting a",
    ] {
        assert!(
            lines.iter().any(|shown| shown == line),
            "{line} is not in {lines:#?}"
        );
    }
}

#[test]
fn json_lines_are_objects_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let reporter = Reporter::recording(Mode::Json, 1);
    let log_path = run(&reporter, &folder);
    assert!(reporter.recorded(Stream::Progress).is_empty());
    let lines = reporter.recorded(Stream::Results);
    let objects: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let base = |event: &str, stage: Option<&str>, fields: serde_json::Value| {
        let mut object = serde_json::json!({
            "schema": 1, "event": event, "seconds": 0.0, "platform": "debian-12",
            "architecture": "amd64",
        });
        if let Some(stage) = stage {
            object["stage"] = stage.into();
        }
        object
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        object
    };
    assert_eq!(
        objects,
        [
            base(
                "platform-started",
                None,
                serde_json::json!({"log": log_path})
            ),
            base("stage-started", Some("base"), serde_json::json!({})),
            base(
                "stage-reused",
                Some("base"),
                serde_json::json!({"reason": "same key 0123456789ab", "took": 0.0})
            ),
            base("stage-started", Some("wheels"), serde_json::json!({})),
            base(
                "stage-message",
                Some("wheels"),
                serde_json::json!({"text": "compiling greenlet"})
            ),
            base(
                "stage-progress",
                Some("wheels"),
                serde_json::json!({"done": 12, "total": 74, "unit": "wheels"})
            ),
            base(
                "command",
                None,
                serde_json::json!({"argv": ["pip", "wheel", "a b"]})
            ),
            base(
                "output",
                None,
                serde_json::json!({"text": "Collecting \u{1b}[1ma\u{1b}[0m"})
            ),
            base(
                "warning",
                None,
                serde_json::json!({"text": "the index is slow", "hint": "use `--index`"})
            ),
            base(
                "stage-finished",
                Some("wheels"),
                serde_json::json!({"text": "74 wheels made", "took": 0.0})
            ),
            base("stage-started", Some("bundle"), serde_json::json!({})),
            base(
                "stage-stopped",
                Some("bundle"),
                serde_json::json!({"took": 0.0})
            ),
            base(
                "platform-finished",
                None,
                serde_json::json!({
                    "outcome": "failed", "kind": "build", "message": "no space", "took": 0.0
                })
            ),
        ]
    );
}

#[test]
fn quiet_shows_warnings_errors_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let reporter = Reporter::recording(Mode::Quiet, 1);
    run(&reporter, &folder);
    reporter.print_error(None, &Error::new(Kind::Config, "no project here"));
    reporter.print_listing("platforms", &["platform"], &[words(&["debian-12"])]);
    assert_eq!(
        reporter.recorded(Stream::Progress),
        [
            "warning: debian-12: the index is slow",
            "hint: use `--index`",
            "error: no project here",
        ]
    );
    assert_eq!(
        reporter.recorded(Stream::Results),
        ["platform", "----------", "debian-12"].map(str::to_owned)
    );
}

/// Keeps what is drawn. Its lines are so long that none is cut.
#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        200
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut screen = self.0.lock().unwrap();
        screen.push_str(text.trim_end());
        screen.push('\n');
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn on_screen(screen: &Screen, colours: bool) -> Reporter {
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    let view = View::Terminal(terminal::Terminal::new(target, 0, colours));
    Reporter::assemble(
        view,
        Sink::recorded(),
        Clock::Stopped,
        colours,
        Look::default(),
    )
}

#[test]
fn a_terminal_shows_one_line_a_platform_and_keeps_the_last() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::default();
    let reporter = on_screen(&screen, false);
    run(&reporter, &folder);
    let drawn = screen.text();
    for part in [
        " debian-12     base     0:00  reused: same key 0123456789ab\n",
        " debian-12     wheels   12/74 wheels  18.2 MB  0:00  compiling greenlet\n",
        "warning: debian-12: the index is slow\n",
        " debian-12     bundle   0:00\n",
    ] {
        assert!(drawn.contains(part), "{part:?} is not in {drawn}");
    }
    assert!(!drawn.contains("pip wheel"), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "{drawn}");
    assert_eq!(
        reporter.recorded(Stream::Progress),
        ["✗ debian-12     failed (build)  0.0 s"]
    );
}

#[test]
fn results_and_other_platforms_lines_live_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let screen = Screen::default();
    let reporter = on_screen(&screen, true);
    let open = |name: &str| {
        let log_path = folder.path().join(name).with_extension("log");
        reporter
            .platform(&name.parse().unwrap(), &log_path)
            .unwrap()
    };
    let (first, second) = (open("debian-12"), open("centos-7"));
    let stage = second.stage(Stage::Image);
    first.finish(Outcome::Built);
    assert!(
        screen
            .text()
            .contains("\u{1b}[32m✓\u{1b}[0m debian-12     built  0.0 s\n")
    );
    reporter.print_listing("platforms", &["platform"], &[words(&["debian-12"])]);
    assert_eq!(reporter.recorded(Stream::Results).len(), 3);
    stage.finished("built");
    second.finish(Outcome::Built);
    assert!(reporter.close().is_ok());
}

#[test]
fn a_secret_is_in_no_output_and_no_log() {
    let secret = "s3cr\"et' w0rd";
    for (mode, verbose) in [
        (Mode::Plain, 1),
        (Mode::Json, 1),
        (Mode::Terminal, 1),
        (Mode::Quiet, 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let reporter = Reporter::recording(mode, verbose);
        reporter.redact(secret);
        let log_path = folder.path().join("debian-12.log");
        let platform = reporter.platform(&debian(), &log_path).unwrap();
        let around = format!("a{secret}z");
        let stage = platform.stage(Stage::Base);
        stage.message(&around);
        let command = platform.command(&words(&["tool", &around]));
        command.line(&around);
        platform.output_line(&around);
        platform.warn(&around, Some(&around));
        reporter.note(None, &around);
        stage.finished(&around);
        platform.stage(Stage::Image).reused(&around);
        let error = Error::new(Kind::Build, &*around)
            .hint(&*around)
            .command(command.failed(1));
        let raw = CommandFailedBy {
            argv: words(&["tool", &around]),
            line: around.clone(),
        };
        reporter.print_error(Some(&debian()), &error);
        reporter.print_error(None, &Error::new(Kind::Build, "x").command(raw.into()));
        let outcome = Outcome::of_error(&error);
        platform.finish(outcome.clone());
        let row = SummaryRow {
            platform: debian(),
            outcome,
            took: Duration::ZERO,
            reused: vec![around.clone()],
            files: vec![SummaryFile {
                name: around.clone(),
                size: 1,
                digest: Digest::of(""),
            }],
            log: log_path.clone(),
        };
        reporter.print_summary(&Summary { rows: vec![row] });
        reporter.print_listing("platforms", &["name"], &[vec![around.clone()]]);
        reporter.print_result("plan", &around, &around).unwrap();
        assert_eq!(platform.last_lines(), ["a***z", "a***z"]);

        let mut everything = fs::read_to_string(&log_path).unwrap();
        assert_eq!(everything.matches("a***z").count(), 6, "{everything}");
        for stream in [Stream::Progress, Stream::Results] {
            everything.push_str(&reporter.recorded(stream).join("\n"));
        }
        assert!(everything.contains("***"));
        for part in ["s3cr", "et' w", "w0rd"] {
            assert!(
                !everything.contains(part),
                "{mode:?} shows {part}: {everything}"
            );
        }
    }
}

/// A failed command whose words never went through a reporter.
struct CommandFailedBy {
    argv: Vec<String>,
    line: String,
}

impl From<CommandFailedBy> for crate::error::CommandFailed {
    fn from(by: CommandFailedBy) -> Self {
        Self {
            argv: by.argv,
            status: 1,
            last_lines: vec![by.line],
            log: None,
        }
    }
}

#[test]
fn each_command_knows_its_own_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log_path = folder.path().join("debian-12.log");
    let reporter = Reporter::hidden();
    let platform = reporter.platform(&debian(), &log_path).unwrap();
    let (one, two) = (
        platform.command(&words(&["one"])),
        platform.command(&words(&["two"])),
    );
    for number in 0..100 {
        one.line(&format!("one {number}"));
        two.line(&format!("two {number}\n"));
    }
    let failed = one.failed(7);
    assert_eq!((failed.argv, failed.status), (words(&["one"]), 7));
    let expected: Vec<String> = (70..100).map(|number| format!("one {number}")).collect();
    assert_eq!(failed.last_lines, expected);
    assert_eq!(platform.last_lines().len(), 30);
    assert_eq!(platform.last_lines().last().unwrap(), "two 99");
    // The error names the log while the platform still runs: everything must be in it.
    let log = fs::read_to_string(failed.log.unwrap()).unwrap();
    assert_eq!(
        log.lines().filter(|line| line.starts_with("one ")).count(),
        100
    );
    assert!(log.starts_with("$ one\n$ two\n"), "{log}");
}

#[test]
fn empty_lines_and_many_lines_at_once_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log_path = folder.path().join("debian-12.log");
    let platform = Reporter::hidden().platform(&debian(), &log_path).unwrap();
    platform.output_line("");
    platform.output_line("a\n\nb");
    assert_eq!(platform.last_lines(), ["", "a", "", "b"]);
}

#[test]
fn a_platform_that_is_dropped_was_cancelled_once() {
    let folder = tempfile::tempdir().unwrap();
    let log_path = folder.path().join("debian-12.log");
    let reporter = Reporter::hidden();
    let platform = reporter.platform(&debian(), &log_path).unwrap();
    let stage = platform.stage(Stage::Verify);
    drop(platform);
    assert!(
        reporter.recorded(Stream::Progress).is_empty(),
        "the stage still holds it"
    );
    drop(stage);
    let finished = reporter.platform(&debian(), &log_path).unwrap();
    finished.finish(Outcome::UpToDate);
    finished.finish(Outcome::Built);
    drop(finished);
    assert_eq!(
        reporter.recorded(Stream::Progress),
        [
            "debian-12: verify: stopped (0.0 s)",
            "debian-12: cancelled (0.0 s)",
            "debian-12: up to date (0.0 s)",
        ]
    );
}

#[test]
fn a_log_that_can_not_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log_path = folder.path().join("file/debian-12.log");
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let error = Reporter::hidden()
        .platform(&debian(), &log_path)
        .err()
        .unwrap();
    // Whose it is, the caller says: of all that fails on a platform.
    let folder = folder.path().join("file");
    let named = error.message().contains(&folder.display().to_string());
    assert!(named && !error.message().contains("debian-12: "), "{error}");
}

#[test]
fn results_read_by_programs_have_names() {
    let reporter = Reporter::recording(Mode::Json, 0);
    let rows = [words(&["debian-12", "deb"])];
    reporter.print_listing("platforms", &["platform", "format"], &rows);
    reporter.print_result("plan", "text", &["step"]).unwrap();
    let lines: Vec<serde_json::Value> = reporter
        .recorded(Stream::Results)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            serde_json::json!({
                "schema": 1, "event": "platforms", "seconds": 0.0,
                "result": [{"platform": "debian-12", "format": "deb"}],
            }),
            serde_json::json!({
                "schema": 1, "event": "plan", "seconds": 0.0, "result": ["step"],
            }),
        ]
    );
}

#[test]
fn reporters_can_be_used_by_tasks() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Reporter>();
    check::<PlatformReporter>();
    check::<StageHandle>();
    check::<CommandOutput>();
}

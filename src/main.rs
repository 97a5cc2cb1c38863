//! Parses the command line, runs the pipeline, prints the error with its hints, sets the exit code.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use omnibuild::cli::{Cli, Command, Environment};
use omnibuild::engine;
use omnibuild::error::{Error, Kind};
use omnibuild::memory;
use omnibuild::pipeline;
use omnibuild::report::{Mode, Reporter, Settings};

/// How long a stopped run may take to end the file it writes.
const LAST_WRITE_LIMIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    let helper = first.and_then(|word| engine::act_as_helper(word.to_str()?));
    if let Some(code) = helper {
        return code;
    }
    let cli = Cli::parse();
    let environment = Environment::read();
    let reporter = reporter(&cli, &environment);
    let command = cli.command.unwrap_or(Command::Build);
    if matches!(command, Command::Build | Command::Verify(_)) {
        memory::ask_for_large_pages(&environment.glibc_tunables);
    }
    let result = match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let work = pipeline::execute(command, &cli.common, &cli.build, &environment, &reporter);
            let result = runtime.block_on(work);
            runtime.shutdown_timeout(LAST_WRITE_LIMIT);
            result
        }
        Err(error) => Err(Error::new(Kind::Internal, format!("can't start: {error}"))),
    };
    match result.and_then(|()| reporter.close()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            reporter.print_error(None, &error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn reporter(cli: &Cli, environment: &Environment) -> Reporter {
    let mode = if cli.common.json {
        Mode::Json
    } else if std::io::stderr().is_terminal() && !environment.ci {
        Mode::Terminal
    } else {
        Mode::Plain
    };
    Reporter::with_settings(Settings {
        mode,
        verbose: cli.common.verbose,
        colours: !environment.no_color,
        width: None,
    })
}

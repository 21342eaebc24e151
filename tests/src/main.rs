//! `cargo playground`: the command line only.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use playground::{
    bench,
    binaries::{Binaries, Tool},
    demo, fields,
    operator_build::{Profile, build_operator},
    stack::{Stack, StackOptions},
    story::Story,
    up,
};
use tokio::signal::unix::{SignalKind, signal};

/// A real control plane on loopback with the operator and an emulated Adobe Experience Platform.
#[derive(Debug, Parser)]
#[command(name = "cargo playground", bin_name = "cargo playground")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plays the main job from start to end, tells each step, and exits 0 if all of it worked.
    Demo(StackArgs),
    /// Starts the same stack and leaves it running until interrupted.
    Up {
        /// Written once all is ready: JSON with kubeconfig, platformUrl, customerIoUrl, metricsUrl and operatorPid.
        /// Written again when the operator has been restarted.
        #[arg(long, value_name = "FILE")]
        info: Option<PathBuf>,
        #[command(flatten)]
        stack: StackArgs,
    },
    /// Measures the operator: time, memory, processor time and calls, and prints a table.
    Bench(bench::BenchArgs),
    /// Prints `docs/fields.md`, the reference of all fields.
    Fields,
    /// Runs the playground's own helm (found or built as for the demo) with these arguments.
    Helm(ToolArgs),
    /// Runs the playground's own kubectl with these arguments.
    Kubectl(ToolArgs),
    /// Simulates many seeds: the real controllers in memory, with faults and kills. See `soak --help`.
    #[command(disable_help_flag = true)]
    Soak(ToolArgs),
}

#[derive(Debug, Args)]
struct ToolArgs {
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARG"
    )]
    args: Vec<OsString>,
}

#[derive(Debug, Args)]
struct StackArgs {
    /// Take this operator instead of building the one of this checkout.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// Build the operator with optimizations.
    #[arg(long, conflicts_with = "operator")]
    release: bool,
    /// One more argument for `aep-operator run`, such as --operator-arg=--stalled-retry=10s; may be repeated.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    operator_arg: Vec<String>,
    #[command(flatten, next_help_heading = "The emulated platform")]
    emulator: aep_emulator::Options,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = tokio::runtime::Runtime::new()
        .context("cannot make a runtime")
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli));
            // A build of the control plane may be under way on a thread; it ends with this process.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("playground: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Demo(args) => {
            let mut args = args;
            args.emulator.empty = true;
            args.operator_arg.push(demo::PAUSE.to_owned());
            let work = async {
                let stack = start(args).await?;
                demo::play(&stack).await?;
                stack.stop().await
            };
            // Whatever loses is dropped, and with it every process.
            tokio::select! {
                result = work => result,
                name = interrupted() => bail!("interrupted by {}", name?),
            }
        }
        Command::Up { info, stack } => {
            let info = info.as_deref();
            info.map_or(Ok(()), up::remove_info)?;
            let stack = tokio::select! {
                stack = start(stack) => stack?,
                name = interrupted() => bail!("interrupted by {} before all was ready", name?),
            };
            let until = async {
                let _ = interrupted().await;
            };
            up::serve(&stack, info, until).await?;
            info.map_or(Ok(()), up::remove_info)?;
            stack.story().step("ending");
            stack.stop().await
        }
        Command::Bench(args) => {
            // Whatever loses is dropped, and with it every process.
            tokio::select! {
                result = bench::run(args) => result,
                name = interrupted() => bail!("interrupted by {}", name?),
            }
        }
        Command::Fields => {
            print!("{}", fields::page()?);
            Ok(())
        }
        Command::Helm(args) => tool(Tool::Helm, args).await,
        Command::Kubectl(args) => tool(Tool::Kubectl, args).await,
        Command::Soak(args) => soak(args).await,
    }
}

/// The simulation is a program of its own, built with optimizations: the playground stays light.
async fn soak(args: ToolArgs) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = tokio::process::Command::new(cargo)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .args([
            "run",
            "--quiet",
            "--profile=soak",
            "--package",
            "simulation",
        ])
        .args(["--", "soak"])
        .args(args.args)
        .status()
        .await?;
    if !status.success() {
        bail!("the simulation ended with {status}");
    }
    Ok(())
}

async fn tool(tool: Tool, args: ToolArgs) -> Result<()> {
    let binaries = Binaries::find(&[tool]).await?;
    let program = binaries.path(tool)?;
    let status = tokio::process::Command::new(program)
        .args(args.args)
        .status()
        .await?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}

async fn start(args: StackArgs) -> Result<Stack> {
    let story = Story::told();
    let operator = if let Some(operator) = args.operator {
        operator
    } else {
        story.step("building the operator");
        let profile = if args.release {
            Profile::Release
        } else {
            Profile::Dev
        };
        build_operator(profile).await?
    };
    let mut options = StackOptions::new(operator);
    options.operator_args = args.operator_arg.into_iter().map(Into::into).collect();
    options.emulator = args.emulator;
    options.control_plane.controller_manager = true;
    options.story = story;
    Stack::start(options).await
}

/// The name of the signal that asks us to end.
async fn interrupted() -> Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
}

//! `aep-operator`: the command line only.

use aep_operator::config::{Cli, Command};
use aep_operator::{process, resources, telemetry};
use anyhow::Context as _;
use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Crds => {
            print!("{}", resources::yaml()?);
            Ok(())
        }
        Command::Run(args) => {
            let provider = rustls::crypto::ring::default_provider();
            provider
                .install_default()
                .ok()
                .context("a TLS provider was installed before")?;
            let telemetry = telemetry::start(args.log_format, &args.log)?;
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?;
            let ended = runtime.block_on(process::run(*args, telemetry.filter.clone()));
            telemetry.end();
            ended
        }
    }
}

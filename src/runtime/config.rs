//! The configuration of a runtime image (image-spec, config.md), with the health check that Docker and
//! Podman read beside it.
//!
//! Knows nothing of containers and layers but their digests.

use serde_json::{Map, Value, json};

use crate::error::{Error, Kind, Result};
use crate::oci;
use crate::oci::layer::Layer;
use crate::plan::{HealthCheck, RunConfig, RuntimePlan};
use crate::platform::Arch;

/// Where programs are when nobody says, as Docker has it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of a configuration comes from the image below, key by key.
pub(super) fn inherited(run: &RunConfig, below: &RunConfig) -> RunConfig {
    let mut environment = below.environment.clone();
    environment.extend(run.environment.clone());
    // Another entrypoint makes nothing of the words that were for the one below.
    let command = match run.entrypoint {
        Some(_) => run.command.clone(),
        None => run.command.clone().or_else(|| below.command.clone()),
    };
    RunConfig {
        environment,
        entrypoint: run.entrypoint.clone().or_else(|| below.entrypoint.clone()),
        command,
        user: run.user.clone().or_else(|| below.user.clone()),
        working_directory: run
            .working_directory
            .clone()
            .or_else(|| below.working_directory.clone()),
        ports: run.ports.union(&below.ports).cloned().collect(),
        volumes: run.volumes.union(&below.volumes).cloned().collect(),
        stop_signal: run
            .stop_signal
            .clone()
            .or_else(|| below.stop_signal.clone()),
        health_check: run
            .health_check
            .clone()
            .or_else(|| below.health_check.clone()),
    }
}

/// The bytes of the configuration of an image with these layers.
pub(super) fn document(
    plan: &RuntimePlan,
    run: &RunConfig,
    arch: Arch,
    layers: &[Layer],
) -> Result<Vec<u8>> {
    let created = created(plan)?;
    let set = |keys: Vec<String>| -> Value {
        keys.into_iter()
            .map(|key| (key, json!({})))
            .collect::<Map<_, _>>()
            .into()
    };
    let mut environment = run.environment.clone();
    environment
        .entry("PATH".to_owned())
        .or_insert_with(|| PATH.to_owned());
    let mut config = Map::new();
    config.insert("Env".to_owned(), oci::variables(&environment).into());
    config.insert("Labels".to_owned(), json!(plan.labels));
    let ports = run.ports.iter().map(|port| match port.as_str() {
        port if port.contains('/') => port.to_owned(),
        port => format!("{port}/tcp"),
    });
    let optional = [
        (
            "Entrypoint",
            run.entrypoint.as_ref().map(|words| json!(words)),
        ),
        ("Cmd", run.command.as_ref().map(|words| json!(words))),
        ("User", run.user.as_ref().map(|user| json!(user))),
        (
            "WorkingDir",
            run.working_directory.as_ref().map(|folder| json!(folder)),
        ),
        (
            "StopSignal",
            run.stop_signal.as_ref().map(|signal| json!(signal)),
        ),
        ("Healthcheck", run.health_check.as_ref().map(health_check)),
        (
            "ExposedPorts",
            (!run.ports.is_empty()).then(|| set(ports.collect())),
        ),
        (
            "Volumes",
            (!run.volumes.is_empty()).then(|| set(run.volumes.iter().cloned().collect())),
        ),
    ];
    for (key, value) in optional {
        if let Some(value) = value {
            config.insert(key.to_owned(), value);
        }
    }
    let history: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "created": created, "created_by": format!("omnibuild: {}", layer.purpose) }))
        .collect();
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| layer.diff_id.to_string())
        .collect();
    oci::bytes(&json!({
        "architecture": arch.debian(),
        "os": "linux",
        "created": created,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": history,
    }))
}

/// The time of an image as RFC 3339 has it.
pub(super) fn created(plan: &RuntimePlan) -> Result<String> {
    let seconds = i64::try_from(plan.epoch).ok();
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map(|time| time.to_string()).ok_or_else(|| {
        Error::new(
            Kind::Config,
            format!("SOURCE_DATE_EPOCH: {} is no time of our era", plan.epoch),
        )
        .hint("set it to the seconds since 1970 of the commit")
    })
}

fn health_check(check: &HealthCheck) -> Value {
    let mut test = vec!["CMD".to_owned()];
    test.extend(check.command.iter().cloned());
    let mut value = json!({ "Test": test });
    let times = [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            // In nanoseconds.
            value[key] = json!(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }
    if let Some(retries) = check.retries {
        value["Retries"] = json!(retries);
    }
    value
}

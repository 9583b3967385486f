//! What planning finds out outside the graph and the store: the user's files, and devices.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use super::{Options, PlanError};
use crate::fingerprint::{ColumnTexts, Fingerprint, Hash256, Input, WorkerFacts};
use crate::graph::{DeviceWish, Graph, StageId, StageInstance, StageMap};
use crate::stage::Place;
use crate::store::{Identity, Store};

/// What planning found out and running needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub files: HashMap<PathBuf, (Identity, Hash256)>,
    pub devices: StageMap<DeviceChoice>,
    /// Stages with valid entries that the index does not know as they are.
    pub remember: Vec<StageId>,
    environment: BTreeMap<String, String>,
    columns: ColumnTexts,
}

/// Where a body may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum DeviceChoice {
    #[default]
    Cpu,
    AnyGpu,
    Gpu(usize),
}

impl Facts {
    /// The fingerprint of a stage, given its inputs.
    pub fn fingerprint<'a>(&self, graph: &'a Graph, id: StageId, input: impl Fn(StageId, &str) -> Input<'a>) -> String {
        let stage = &graph[id];
        let inputs = stage
            .inputs
            .iter()
            .map(|from| (from.port, input(from.from, from.output)))
            .collect();
        let files = stage
            .files
            .iter()
            .filter_map(|file| Some((file.parameter.as_str(), self.files.get(&file.path)?.1)));
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        let environment = match stage.place {
            Place::Here => None,
            Place::Worker => Some(&self.environment),
            Place::Command => Some(NONE),
        };
        let worker = environment.map(|environment| WorkerFacts {
            device: if self.devices[id] == DeviceChoice::Cpu {
                "cpu"
            } else {
                "cuda"
            },
            environment,
            threads: stage.resources.tensor_threads(),
        });
        let fingerprint = Fingerprint {
            stage,
            inputs,
            files: files.collect(),
            worker,
        };
        fingerprint.to_json(&self.columns)
    }
}

/// Hashes the user's files and chooses devices.
pub(super) fn gather(
    graph: &Graph,
    store: &Store,
    options: &Options,
    selected: &StageMap<bool>,
    errors: &mut Vec<PlanError>,
) -> Facts {
    let mut facts = Facts {
        environment: options.environment.clone(),
        columns: ColumnTexts::of(graph),
        ..Facts::default()
    };
    // Device and problem, with the stages that ask for it: one mistake, however often it is met.
    let mut missing: BTreeMap<(DeviceWish, String), Vec<&StageInstance>> = BTreeMap::new();
    let mut devices = Vec::with_capacity(graph.stages.len());
    for (id, stage) in graph.iter() {
        let selected = selected[id];
        let choice = if selected && stage.place == Place::Worker {
            device(stage.resources.device, options.gpus).unwrap_or_else(|problem| {
                missing
                    .entry((stage.resources.device, problem))
                    .or_default()
                    .push(stage);
                DeviceChoice::Cpu
            })
        } else {
            DeviceChoice::Cpu
        };
        devices.push(choice);
        for file in stage.files.iter().filter(|_| selected) {
            if facts.files.contains_key(&file.path) {
                continue;
            }
            match store.hash_user_file(&file.path) {
                Ok(found) => {
                    facts.files.insert(file.path.clone(), found);
                }
                Err(source) => errors.push(PlanError::File {
                    stage: stage.label.to_string(),
                    parameter: file.parameter.clone(),
                    path: file.path.clone(),
                    source,
                }),
            }
        }
    }
    facts.devices = devices.into_iter().collect();
    for ((device, problem), stages) in missing {
        let names: BTreeSet<&str> = stages.iter().map(|stage| &*stage.name).collect();
        errors.push(PlanError::Device {
            stage: stages[0].name.to_string(),
            kind: stages[0].kind,
            others: names.len() - 1,
            device: device.to_string(),
            problem,
        });
    }
    facts
}

fn device(wanted: DeviceWish, gpus: usize) -> Result<DeviceChoice, String> {
    match wanted {
        DeviceWish::Cpu => Ok(DeviceChoice::Cpu),
        DeviceWish::Auto if gpus == 0 => Ok(DeviceChoice::Cpu),
        DeviceWish::Cuda if gpus == 0 => Err("there is no GPU that libtorch can use".to_owned()),
        DeviceWish::Auto | DeviceWish::Cuda => Ok(DeviceChoice::AnyGpu),
        DeviceWish::Numbered(number) if usize::from(number) < gpus => Ok(DeviceChoice::Gpu(number.into())),
        DeviceWish::Numbered(_) => Err(format!("there are {gpus} GPUs")),
    }
}

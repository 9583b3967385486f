//! The description of a crate: RO-Crate 1.1 with the profile Workflow Run Crate 0.5, as JSON-LD.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use runner::clock::{self, rfc3339};
use runner::plan::Entry;
use serde_json::{Map, Value, json};

use super::gather::{Made, Source};
use super::lock::Lock;
use super::read::in_results;
use super::{Item, LOCK, METADATA};

const CONTEXT: [&str; 2] = [
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
];

/// The profiles that it keeps to: address, name, version.
const PROFILES: [(&str, &str, &str); 3] = [
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    (
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
        "Workflow RO-Crate",
        "1.0",
    ),
];

/// The text of `ro-crate-metadata.json`.
pub fn metadata(source: &Source<'_>, lock: &Lock, made: &[Made<'_>], items: &[Item]) -> String {
    let files = files(lock, made, items);
    let (parameters, values) = parameters(lock);
    let actions = actions(made);
    let results = results(source, made);
    let data = data(source, lock, items);
    let times = made.iter().filter_map(|one| span(one));
    let ends: Vec<SystemTime> = times.clone().map(|(_, end)| end).collect();
    let (begin, end) = (times.map(|(begin, _)| begin).min(), ends.iter().max().copied());
    let end = end.map_or_else(|| "1980-01-01T00:00:00Z".to_owned(), rfc3339);

    let mut graph = vec![descriptor(), root(source, lock, items, &actions, &end)];
    graph
        .extend(PROFILES.map(
            |(id, name, version)| json!({ "@id": id, "@type": "CreativeWork", "name": name, "version": version }),
        ));
    graph.extend(licence(source));
    graph.push(json!({
        "@id": "#language", "@type": "ComputerLanguage", "name": "pipeline of actionfinder",
        "description": "YAML; the key below a stage is its kind",
    }));
    graph.push(json!({
        "@id": "#actionfinder", "@type": "SoftwareApplication", "name": "actionfinder", "softwareVersion": lock.program,
        "citation": reference("actionfinder/CITATION.cff"),
    }));
    graph.push(run(source, lock, (&results, &data, &values), (begin, &end)));
    let outputs: Vec<Value> = results
        .iter()
        .enumerate()
        .map(|(n, path)| result_port(n, path))
        .collect();
    let inputs: Vec<Value> = data.iter().enumerate().map(|(n, path)| data_port(n, path)).collect();
    let ports = parameters.iter().chain(&inputs).map(id).collect::<Vec<_>>();
    let (mut files, mut workflow) = (files, Map::new());
    if let Some(Value::Object(file)) = files.remove(&lock.file) {
        workflow = file;
    }
    workflow.insert(
        "@type".to_owned(),
        json!(["File", "SoftwareSourceCode", "ComputationalWorkflow"]),
    );
    workflow.insert("programmingLanguage".to_owned(), reference("#language"));
    workflow.insert("version".to_owned(), lock.yaml.short().into());
    workflow.insert("input".to_owned(), ports.into());
    workflow.insert("output".to_owned(), outputs.iter().map(id).collect());
    graph.push(Value::Object(workflow));
    graph.extend(files.into_values());
    graph.extend(parameters.into_iter().chain(values).chain(inputs).chain(outputs));
    graph.extend(kinds(made));
    graph.extend(actions);
    let all = json!({ "@context": CONTEXT, "@graph": graph });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn descriptor() -> Value {
    json!({
        "@id": METADATA, "@type": "CreativeWork", "about": reference("./"),
        "conformsTo": [reference("https://w3id.org/ro/crate/1.1"), reference(PROFILES[2].0)],
    })
}

fn root(source: &Source<'_>, lock: &Lock, items: &[Item], actions: &[Value], end: &str) -> Value {
    let mut parts: Vec<Value> = items.iter().map(|item| reference(&address(&item.path))).collect();
    parts.push(reference(LOCK));
    let mut mentions = vec![reference("#run")];
    mentions.extend(actions.iter().map(id));
    let about = source.graph.about.trim();
    let description = match about.is_empty() {
        true => format!(
            "Results of the pipeline {}, with all that they were made of.",
            lock.pipeline
        ),
        false => about.to_owned(),
    };
    json!({
        "@id": "./", "@type": "Dataset", "name": lock.pipeline, "description": description, "datePublished": end,
        "license": reference(&licence_address(source)), "conformsTo": PROFILES.map(|(id, ..)| reference(id)),
        "mainEntity": reference(&address(&lock.file)), "mentions": mentions, "hasPart": parts,
    })
}

const NO_LICENCE: &str = "#no-licence";

fn licence_address(source: &Source<'_>) -> String {
    match &source.licence {
        None => NO_LICENCE.to_owned(),
        Some(url) if url.contains("://") => url.clone(),
        Some(spdx) => format!("https://spdx.org/licenses/{}", address(spdx)),
    }
}

fn licence(source: &Source<'_>) -> Option<Value> {
    let id = licence_address(source);
    Some(match &source.licence {
        None => json!({
            "@id": id, "@type": "CreativeWork", "name": "no licence is stated",
            "description": "Ask those who made these results what may be done with them.",
        }),
        Some(name) => {
            json!({ "@id": id, "@type": "CreativeWork", "name": name, "description": "Licence of these results" })
        }
    })
}

/// The whole run.
fn run(
    source: &Source<'_>,
    lock: &Lock,
    (results, data, values): (&[String], &[String], &[Value]),
    (begin, end): (Option<SystemTime>, &str),
) -> Value {
    let mut objects: Vec<Value> = data.iter().map(|path| reference(&address(path))).collect();
    objects.extend(values.iter().map(id));
    let pipeline = &lock.pipeline;
    let set = lock.overrides.iter().map(|(name, value)| format!(" -p {name}={value}"));
    let to = lock.to.iter().map(|stage| format!(" --to {stage}"));
    let options: String = set.chain(to).collect();
    let name = source
        .file
        .path()
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut action = json!({
        "@id": "#run", "@type": "CreateAction", "name": format!("actionfinder run {name}{options}"),
        "description": format!("All stages of {pipeline}; those that were cached were made earlier."),
        "instrument": reference(&address(&lock.file)), "object": objects, "endTime": end,
        "result": results.iter().map(|path| reference(&address(path))).collect::<Vec<_>>(),
        "actionStatus": reference("http://schema.org/CompletedActionStatus"),
    });
    if let (Some(begin), Some(action)) = (begin, action.as_object_mut()) {
        action.insert("startTime".to_owned(), rfc3339(begin).into());
    }
    action
}

/// One action for each entry, whoever of the stages shares it.
fn actions(made: &[Made<'_>]) -> Vec<Value> {
    let mut of_entry: BTreeMap<_, Vec<&Made<'_>>> = BTreeMap::new();
    for one in made {
        of_entry.entry(one.cached.fingerprint).or_default().push(one);
    }
    let by_index: BTreeMap<usize, &Made<'_>> = made.iter().map(|one| (one.index, one)).collect();
    let mut seen = BTreeSet::new();
    let first = made.iter().filter(|one| seen.insert(one.cached.fingerprint));
    let mut actions = Vec::new();
    for one in first {
        let fingerprint = &one.cached.fingerprint;
        let labels: Vec<&str> = of_entry[fingerprint].iter().map(|one| &*one.stage.label).collect();
        let inputs = one.stage.inputs.iter().filter_map(|input| {
            let from = by_index.get(&input.from.index())?;
            let output = from.cached.output(input.output)?;
            Some(address(&in_results(
                from.stage.kind,
                &from.cached.fingerprint,
                &output.file,
            )))
        });
        let inputs: BTreeSet<String> = inputs.collect();
        let outputs = one.manifest.outputs.iter();
        let outputs = outputs.map(|output| address(&in_results(one.stage.kind, fingerprint, &output.file)));
        let mut action = json!({
            "@id": format!("#stage-{}", fingerprint.short()), "@type": "CreateAction", "name": labels.join(", "),
            "description": format!("{} on {}, {} threads at most", one.stage.kind, one.manifest.device, one.manifest.threads),
            "instrument": reference(&kind_address(one)), "endTime": one.manifest.when,
            "object": inputs.iter().map(|path| reference(path)).collect::<Vec<_>>(),
            "result": outputs.map(|path| reference(&path)).collect::<Vec<_>>(),
            "actionStatus": reference("http://schema.org/CompletedActionStatus"),
        });
        if let (Some((begin, _)), Some(action)) = (span(one), action.as_object_mut()) {
            action.insert("startTime".to_owned(), rfc3339(begin).into());
        }
        actions.push(action);
    }
    actions
}

fn kind_address(one: &Made<'_>) -> String {
    format!("#kind-{}-{}", one.stage.kind, one.stage.revision)
}

fn kinds(made: &[Made<'_>]) -> Vec<Value> {
    let kinds: BTreeMap<String, &Made<'_>> = made.iter().map(|one| (kind_address(one), one)).collect();
    let kind = |(id, one): (String, &Made<'_>)| {
        json!({
            "@id": id, "@type": "SoftwareApplication", "name": one.stage.kind, "isPartOf": reference("#actionfinder"),
            "softwareVersion": format!("revision {} in actionfinder {}", one.stage.revision, one.manifest.version),
        })
    };
    kinds.into_iter().map(kind).collect()
}

/// When the body of a stage began and ended.
fn span(one: &Made<'_>) -> Option<(SystemTime, SystemTime)> {
    let end = clock::parse(&one.manifest.when)?;
    let took = Duration::try_from_secs_f64(one.manifest.seconds).ok()?;
    Some((end.checked_sub(took)?, end))
}

/// Every file, by its path.
fn files(lock: &Lock, made: &[Made<'_>], items: &[Item]) -> BTreeMap<String, Value> {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for one in made {
        for output in &one.manifest.outputs {
            let path = in_results(one.stage.kind, &one.cached.fingerprint, &output.file);
            let name = format!("{}.{}", one.stage.label, output.port());
            names
                .entry(path)
                .and_modify(|known| *known = format!("{known}, {name}"))
                .or_insert(name);
        }
    }
    let mut files = BTreeMap::new();
    for item in items {
        let base = item.path.rsplit('/').next().unwrap_or(&item.path);
        let name = names.get(&item.path).map_or(base, String::as_str);
        let file = json!({
            "@id": address(&item.path), "@type": "File", "name": name, "contentSize": item.bytes.to_string(),
            "sha256": item.sha256.hex(), "encodingFormat": format_of(&item.path),
        });
        files.insert(item.path.clone(), file);
    }
    let about = format!(
        "Hashes of all files, and fingerprints of all stages of {}",
        lock.pipeline
    );
    let own = json!({ "@id": LOCK, "@type": "File", "name": LOCK, "description": about, "encodingFormat": "application/json" });
    files.insert(LOCK.to_owned(), own);
    files
}

/// Parameters of the pipeline, each with the value that it had.
fn parameters(lock: &Lock) -> (Vec<Value>, Vec<Value>) {
    let mut both = (Vec::new(), Vec::new());
    for (n, (name, value)) in lock.parameters.iter().enumerate() {
        let (port, own) = (format!("#parameter-{n}"), format!("#value-{n}"));
        let of = match value {
            Value::Bool(_) => "Boolean",
            Value::Number(_) => "Number",
            _ => "Text",
        };
        let shown = match value {
            Value::String(text) => Value::String(text.clone()),
            Value::Bool(_) | Value::Number(_) => value.clone(),
            other => Value::String(other.to_string()),
        };
        both.0.push(json!({
            "@id": port, "@type": "FormalParameter", "name": name, "additionalType": of, "workExample": reference(&own),
        }));
        both.1.push(json!({
            "@id": own, "@type": "PropertyValue", "name": name, "value": shown, "exampleOfWork": reference(&port),
        }));
    }
    both
}

/// What someone looks at: outputs that no other stage reads.
fn results(source: &Source<'_>, made: &[Made<'_>]) -> Vec<String> {
    let mut read = BTreeSet::new();
    for (stage, entry) in source.graph.stages.iter().zip(&source.plan.entries) {
        if *entry != Entry::Unselected {
            read.extend(stage.inputs.iter().map(|input| (input.from.index(), input.output)));
        }
    }
    let mut paths = BTreeSet::new();
    for one in made {
        let outputs = one.manifest.outputs.iter();
        let last = outputs.filter(|output| !read.contains(&(one.index, output.port())));
        paths.extend(last.map(|output| in_results(one.stage.kind, &one.cached.fingerprint, &output.file)));
    }
    paths.into_iter().collect()
}

/// The data that was read and is in the crate.
fn data(source: &Source<'_>, lock: &Lock, items: &[Item]) -> Vec<String> {
    let pipelines = source.file.files();
    let is_pipeline = |path: &str| {
        path == lock.file
            || pipelines.iter().any(|file| {
                file.file_name()
                    .is_some_and(|name| path.ends_with(&*name.to_string_lossy()))
            })
    };
    let inputs = items.iter().filter(|item| item.path.starts_with("pipeline/"));
    inputs
        .map(|item| item.path.clone())
        .filter(|path| !is_pipeline(path))
        .collect()
}

fn result_port(n: usize, path: &str) -> Value {
    port(&format!("#output-{n}"), path)
}

fn data_port(n: usize, path: &str) -> Value {
    port(&format!("#data-{n}"), path)
}

fn port(id: &str, path: &str) -> Value {
    let name = path.rsplit('/').next().unwrap_or(path);
    json!({
        "@id": id, "@type": "FormalParameter", "name": name, "additionalType": "File", "workExample": reference(&address(path)),
    })
}

fn reference(id: &str) -> Value {
    json!({ "@id": id })
}

fn id(entity: &Value) -> Value {
    json!({ "@id": entity["@id"] })
}

/// A path as a relative address: what is not plain is written by its bytes.
fn address(path: &str) -> String {
    let mut address = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => {
                address.push(char::from(byte))
            }
            _ => address.push_str(&format!("%{byte:02X}")),
        }
    }
    address
}

fn format_of(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("parquet") => "application/vnd.apache.parquet",
        Some("svg") => "image/svg+xml",
        Some("json") => "application/json",
        Some("html") => "text/html",
        Some("yaml" | "yml" | "cff") => "application/yaml",
        Some("csv") => "text/csv",
        Some("fits") => "image/fits",
        Some("hdf5" | "h5") => "application/x-hdf5",
        Some("txt" | "md") => "text/plain",
        _ => "application/octet-stream",
    }
}

//! How a run ended: what is kept of it, and what it says.

use std::collections::HashSet;
use std::time::Instant;

use super::Coordinator;
use super::node::Status;
use crate::event::Event;
use crate::fingerprint::Hash256;
use crate::plan::{Entry, Plan, Reason};
use crate::store::state::{Last, State};

/// How a run ended.
#[derive(Debug, Clone)]
pub struct RunSummary {
    /// The plan as it is now: a run of it would do only what this one could not.
    pub plan: Plan,
    /// Instances whose body ran to its end.
    pub ran: usize,
    /// Instances that were fresh.
    pub fresh: usize,
    /// Those that failed.
    pub failures: Vec<Failure>,
    /// Instances that were skipped.
    pub skipped: usize,
    /// Labels and titles of findings, of fresh stages too.
    pub findings: Vec<(String, String)>,
    /// Labels of stages with a comparison outside its tolerance, of fresh stages too; the manifests tell more.
    pub outside_tolerance: Vec<String>,
    /// Whether the run was cancelled before its end.
    pub interrupted: bool,
    /// Fingerprints of stages that were to run and have no outputs; they may have checkpoints.
    pub unfinished: Vec<Hash256>,
    /// What went wrong beside the stages, such as a state file that could not be written.
    pub warnings: Vec<String>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A stage that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stage label.
    pub stage: String,
    /// What happened.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
    /// Whether it is a bug of this program or its stages.
    pub bug: bool,
}

impl Coordinator<'_, '_> {
    /// Keeps which entry each stage has now.
    pub(super) fn keep_state(&mut self) {
        let (graph, plan, store) = (self.run.graph, self.run.plan, self.run.store);
        let folder = store.pipeline_folder(&graph.pipeline);
        let entries = graph.stages.iter().zip(self.nodes.values());
        let known = entries.filter_map(|(stage, node)| Some((stage, node.cached.as_ref()?.fingerprint)));
        // Of a complete pipeline nothing of the old state stays.
        let saved = if plan.whole && self.nodes.values().all(|node| node.cached.is_some()) {
            let known = known.map(|(stage, hash)| (&*stage.label, stage.kind, hash));
            State::save_all(known, &folder)
        } else {
            let loaded = self.state.take().unwrap_or_else(|| State::load(&folder));
            let mut state = loaded.unwrap_or_else(|problem| {
                self.log.warnings.push(format!("{problem}; it is written anew"));
                State::default()
            });
            if plan.whole {
                let labels: HashSet<&str> = graph.stages.iter().map(|stage| &*stage.label).collect();
                state.stages.retain(|label, _| labels.contains(label.as_str()));
                state.stopped.retain(|label, _| labels.contains(label.as_str()));
            }
            for (stage, hash) in known {
                let kind = stage.kind.to_owned();
                state.stages.insert(stage.label.to_string(), Last { kind, hash });
                state.stopped.remove(&*stage.label);
            }
            state.stopped.append(&mut self.log.stopped.clone());
            state.save(&folder)
        };
        if let Err(error) = saved {
            self.log.warnings.push(error.to_string());
        }
        // These only save hashing next time.
        for (path, (identity, hash)) in &plan.facts.files {
            let _ = store.remember_user_file(path, *identity, *hash);
        }
        for &id in &self.log.remember {
            if let Some(cached) = &self.nodes[id].cached {
                let _ = store.remember(graph[id].kind, &cached.fingerprint, || Some(self.json(id)));
            }
        }
    }

    pub(super) fn finish(mut self, begun: Instant) -> RunSummary {
        let count = |which: fn(&Status) -> bool| self.nodes.values().filter(|node| which(&node.status)).count();
        let (ran, fresh) = (count(|s| *s == Status::Ran), count(|s| *s == Status::Fresh));
        let (skipped, failed) = (count(|s| matches!(s, Status::Skipped { .. })), self.log.failures.len());
        let interrupted = count(|s| *s == Status::Interrupted) > 0;
        let unfinished = self.nodes.values().filter(|node| node.cached.is_none());
        let unfinished = unfinished.filter_map(|node| node.fingerprint).collect();
        let (mut findings, mut outside_tolerance) = (Vec::new(), Vec::new());
        let mut plan = self.run.plan.clone();
        for ((stage, node), entry) in self
            .run
            .graph
            .stages
            .iter()
            .zip(self.nodes.values())
            .zip(&mut plan.entries)
        {
            let label = || stage.label.to_string();
            if let Status::Skipped { because } = node.status {
                *entry = Entry::Skipped { because };
            }
            if let Some(stopped) = self.log.stopped.get(&*stage.label) {
                let checkpoint = self.run.store.has_checkpoint(&stopped.hash);
                *entry = Entry::Stale(Reason::of(&stopped.how, checkpoint));
            }
            if let Some(cached) = &node.cached {
                let told = cached.finding.iter().chain(&cached.findings);
                findings.extend(told.map(|title| (label(), title.clone())));
                outside_tolerance.extend(cached.outside_tolerance.then(label));
                *entry = Entry::Hit(cached.clone());
            }
        }
        plan.forced.values_mut().for_each(|forced| *forced = false);
        let seconds = begun.elapsed().as_secs_f64();
        self.tell(&Event::RunFinished {
            ran,
            fresh,
            failed,
            skipped,
            seconds,
        });
        let mut warnings = self.log.warnings;
        warnings.extend(self.run.store.warnings());
        warnings.extend(self.sinks.iter_mut().filter_map(|sink| sink.problem()));
        RunSummary {
            plan,
            ran,
            fresh,
            failures: self.log.failures,
            skipped,
            findings,
            outside_tolerance,
            interrupted,
            unfinished,
            warnings,
            seconds,
        }
    }
}

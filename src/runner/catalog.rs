//! The list of stage kinds a program knows.

use std::sync::{Arc, OnceLock};

use crate::context::StageContext;
use crate::error::StageError;
use crate::quantity::ReadQuantity;
use crate::stage::{AnyStage, Outcome, Place, Role, Stage};
use crate::worker::{Body, RunBody, on_threads};

/// Why `with:` is not this kind's parameters: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterError {
    /// Path below `with`.
    pub at: Vec<String>,
    /// serde's message.
    pub message: String,
}

type Parse = fn(&serde_json::Value) -> Result<Arc<dyn AnyStage>, ParameterError>;

/// One stage kind.
pub struct Kind {
    /// The key in YAML.
    pub name: &'static str,
    /// One line.
    pub about: &'static str,
    /// See [`Stage::REVISION`].
    pub revision: u32,
    /// See [`Stage::ROLE`].
    pub role: Role,
    /// See [`Stage::PLACE`].
    pub place: Place,
    /// Reads the parameters.
    pub parse: Parse,
    /// Makes the JSON Schema of the parameters.
    pub schema: fn() -> serde_json::Value,
    made: OnceLock<serde_json::Value>,
    /// Reads numbers with units; without it there are none.
    pub quantities: Option<ReadQuantity>,
    /// Runs the body from the parameters of a request; not of [`Place::Worker`].
    run: RunBody,
}

impl Kind {
    /// JSON Schema of the parameters, made once.
    pub fn parameters(&self) -> &serde_json::Value {
        self.made.get_or_init(self.schema)
    }

    /// A stage of this kind that sets what must be set, to any value that its type allows; `None` where a type allows too much to tell.
    pub fn example(&self) -> Option<Arc<dyn AnyStage>> {
        let schema = self.parameters();
        let examples = [false, true].into_iter();
        examples
            .filter_map(|second| crate::spec::example::of(schema, schema, second))
            .find_map(|value| (self.parse)(&value).ok())
    }

    /// The same with one parameter more, or with another choice of one, for each of them that its type allows.
    pub fn variants(&self) -> Vec<Variant> {
        let schema = self.parameters();
        let stage = |value: &serde_json::Value| (self.parse)(value).ok();
        let bases = [false, true].into_iter();
        let mut bases = bases.filter_map(|second| crate::spec::example::of(schema, schema, second));
        let Some(base) = bases.find(|base| stage(base).is_some()) else {
            return Vec::new();
        };
        let all = crate::spec::example::variants(schema, &base).into_iter();
        let parsed = all.filter_map(|(path, is_needed, value)| {
            Some(Variant {
                path,
                is_needed,
                stage: stage(&value)?,
            })
        });
        parsed.collect()
    }

    /// The body, for a worker that needs no libtorch.
    pub fn body(&self) -> Option<Body> {
        (self.place != Place::Worker).then_some(Body {
            kind: self.name,
            revision: self.revision,
            place: self.place,
            run: self.run,
        })
    }
}

/// A stage that sets what must be set, and one parameter besides.
pub struct Variant {
    /// The parameter, the choice that it makes if it is one, and a parameter of this choice.
    pub path: Vec<String>,
    /// Whether the parameter must be set.
    pub is_needed: bool,
    /// The stage.
    pub stage: Arc<dyn AnyStage>,
}

/// Stage kinds by name, in the order they were added.
#[derive(Default)]
pub struct Catalog {
    kinds: Vec<Kind>,
    quantities: Option<ReadQuantity>,
}

impl Catalog {
    /// Adds a kind.
    pub fn with<S: Stage>(mut self) -> Self {
        self.kinds.push(Kind {
            name: S::KIND,
            about: S::ABOUT,
            revision: S::REVISION,
            role: S::ROLE,
            place: S::PLACE,
            parse: parse::<S>,
            schema: || schemars::schema_for!(S).to_value(),
            made: OnceLock::new(),
            quantities: self.quantities,
            run: run::<S>,
        });
        self
    }

    /// Lets parameters with a unit be written with another one; `read` knows units.
    pub fn with_quantities(mut self, read: ReadQuantity) -> Self {
        self.quantities = Some(read);
        self.kinds.iter_mut().for_each(|kind| kind.quantities = Some(read));
        self
    }

    /// How quantities are read, where they are.
    pub fn quantities(&self) -> Option<ReadQuantity> {
        self.quantities
    }

    /// The kind called `name`.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }

    /// All kinds.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }
}

fn run<S: Stage>(parameters: serde_json::Value, context: &mut StageContext) -> Result<Outcome, StageError> {
    let stage = S::deserialize(&parameters)
        .map_err(|error| StageError::Bug(format!("parameters in the request of {}: {error}", S::KIND)))?;
    on_threads(context.threads, || Stage::run(&stage, context))
}

fn parse<S: Stage>(value: &serde_json::Value) -> Result<Arc<dyn AnyStage>, ParameterError> {
    if let Ok(stage) = S::deserialize(value) {
        return Ok(Arc::new(stage));
    }
    // Once more, to learn where it is wrong.
    match serde_path_to_error::deserialize::<_, S>(value) {
        Ok(stage) => Ok(Arc::new(stage)),
        Err(error) => {
            let at = error.path().iter().map(ToString::to_string).collect();
            Err(ParameterError {
                at,
                message: error.into_inner().to_string(),
            })
        }
    }
}

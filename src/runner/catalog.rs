//! The list of stage kinds a program knows.

use std::sync::{Arc, OnceLock};

use crate::stage::{AnyStage, Place, Stage};

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
    /// See [`Stage::PLACE`].
    pub place: Place,
    /// Reads the parameters.
    pub parse: Parse,
    /// Makes the JSON Schema of the parameters.
    pub schema: fn() -> serde_json::Value,
    made: OnceLock<serde_json::Value>,
}

impl Kind {
    /// JSON Schema of the parameters, made once.
    pub fn parameters(&self) -> &serde_json::Value {
        self.made.get_or_init(self.schema)
    }
}

/// Stage kinds by name, in the order they were added.
#[derive(Default)]
pub struct Catalog {
    kinds: Vec<Kind>,
}

impl Catalog {
    /// Adds a kind.
    pub fn with<S: Stage>(mut self) -> Self {
        self.kinds.push(Kind {
            name: S::KIND,
            about: S::ABOUT,
            revision: S::REVISION,
            place: S::PLACE,
            parse: parse::<S>,
            schema: || schemars::schema_for!(S).to_value(),
            made: OnceLock::new(),
        });
        self
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

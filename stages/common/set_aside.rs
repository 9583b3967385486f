//! Stars and orbits without a result: set aside under their own names, or by choice a failure of the stage.

use std::borrow::Cow;
use std::sync::LazyLock;

use runner::arrow_schema::SchemaRef;
use runner::context::StageContext;
use runner::error::StageError;
use runner::ports::OutputPort;
use runner::stage::Outcome;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::common::io::{TableContext, called};
use crate::common::layout::{Layout, StarId};

/// What to do about stars or orbits without a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// Leave them out of the result and list them, with the reason, in the output `set_aside`.
    #[default]
    SetAside,
    /// Fail, naming the first.
    Fail,
}

/// The output that lists them.
pub const PORT: &str = "set_aside";

/// That output as a port.
pub fn port() -> OutputPort {
    // Every instance of a sweep has it.
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| layout().schema().into());
    OutputPort::table(PORT, SCHEMA.clone())
}

/// A star or an orbit without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Which it is.
    pub id: StarId,
    /// Why.
    pub reason: Cow<'static, str>,
}

/// The columns of that output.
pub fn layout() -> Layout<LeftOut> {
    Layout::of_stars(|row: &LeftOut| row.id).text("reason", "why it has no result", |row| &row.reason)
}

/// Stars or orbits without a result, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetAside(Vec<LeftOut>);

impl SetAside {
    /// Adds one.
    pub fn push(&mut self, id: StarId, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        self.0.push(LeftOut { id, reason });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the output `set_aside`, of `total` things called `noun` ("stars"), with a metric and, where it is not empty, a note;
    /// or fails, if that is chosen.
    pub fn write(
        self,
        context: &StageContext,
        failures: OnFailure,
        total: usize,
        noun: &str,
    ) -> Result<(), StageError> {
        let count = self.len();
        if let (OnFailure::Fail, Some(LeftOut { id, reason })) = (failures, self.0.first()) {
            let (stream, star) = (called(context, id.stream)?, id.star);
            return Err(StageError::with_hint(
                format!("{count} of {total} {noun} have no result, first stream {stream}, star {star}: {reason}"),
                "failures: set_aside leaves them out and lists them in the output set_aside",
            ));
        }
        context.metric(PORT, count as f64, "");
        if let Some(LeftOut { id, reason }) = self.0.first().filter(|_| count < total) {
            let (stream, star) = (called(context, id.stream)?, id.star);
            context.note(format!(
                "{count} of {total} {noun} are set aside, first stream {stream}, star {star}: {reason}"
            ));
        }
        context.write_rows(PORT, &layout(), &self.0)
    }
}

/// Fails for the first star of a stage that writes its output `set_aside` piece by piece, if that is chosen.
pub fn may_be_set_aside(context: &StageContext, failures: OnFailure, first: &LeftOut) -> Result<(), StageError> {
    match failures {
        OnFailure::SetAside => Ok(()),
        OnFailure::Fail => Err(StageError::with_hint(
            format!(
                "stream {}, star {} has no result: {}",
                called(context, first.id.stream)?,
                first.id.star,
                first.reason
            ),
            "failures: set_aside leaves such stars out and lists them in the output set_aside",
        )),
    }
}

/// The finding of a stage that has set aside all `total` of its `noun`.
pub fn all_set_aside(total: usize, noun: &str) -> Outcome {
    Outcome::Finding {
        title: format!("all {total} {noun} are set aside"),
        detail: "the output set_aside says why".to_owned(),
    }
}

//! A content-hashed pipeline runner: spec → plan → execute → report. It knows no science, no tensors, no data frames.
//!
//! * [`stage`]: what a stage kind is: typed parameters, ports, a revision, a body.
//! * [`ports`]: what flows between stages, and how two ends are checked against each other.
//! * [`catalog`]: the list of stage kinds a program knows.
//! * [`quantity`]: numbers with units, as the program that knows units reads them.
//! * [`spec`]: reads a pipeline file and resolves it, or says all that is wrong with it.
//! * [`schema`]: JSON Schema of a pipeline file, for editors.
//! * [`canonical`]: JSON whose text is the same for equal values.
//! * [`graph`]: a pipeline with parameters substituted and sweep points expanded; nothing hashed yet.
//! * [`event`]: what a run tells; sinks only draw.
//! * [`executor`]: where bodies run.
//! * [`batch`]: stages as jobs of a batch system.
//! * [`shared`]: a cache that several results folders share.
//! * [`order`]: all that is to be done for a stage, as plain data.
//! * [`context`]: everything a stage body may touch.

pub mod batch;
pub mod canonical;
pub mod catalog;
pub mod clock;
pub mod context;
pub mod error;
pub mod event;
pub mod execute;
pub mod executor;
pub mod fingerprint;
pub mod graph;
pub mod journal;
pub mod live;
pub mod number;
pub mod order;
pub mod plan;
pub mod ports;
pub mod quantity;
mod refusal;
pub mod schema;
pub mod seal;
pub mod search;
pub mod shared;
pub mod spec;
pub mod stage;
pub mod store;
#[cfg(test)]
mod toys;
pub mod units;
pub mod worker;

pub use arrow_schema;

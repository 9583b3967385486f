//! Means and standard deviations over the stars of each stream.

use std::collections::BTreeMap;

use runner::context::StageContext;
use runner::error::StageError;
use stages::apply::predict::{StreamMean, stream_means};
use stages::common::columns::FREQUENCIES;
use stages::common::io::PieceWriter;

use crate::common::stretch::Stretch;

/// Running mean and sum of squared deviations of one number (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    mean: f64,
    squares: f64,
}

impl Running {
    fn add(&mut self, value: f64, count: f64) {
        let before = value - self.mean;
        self.mean += before / count;
        self.squares += before * (value - self.mean);
    }

    /// Of a sample; nothing of one.
    fn deviation(&self, count: f64) -> Option<f64> {
        (count > 1.0).then(|| (self.squares / (count - 1.0)).sqrt())
    }
}

#[derive(Debug, Clone, Default)]
struct Stream {
    stars: i64,
    actions: [Running; 3],
    frequencies: [Running; 3],
}

impl Stream {
    fn means(&self, stream: i64) -> StreamMean {
        let deviations = |of: &[Running; 3]| of.map(|running| running.deviation(self.stars as f64));
        StreamMean {
            stream,
            stars: self.stars,
            actions: self.actions.map(|running| running.mean),
            actions_sd: deviations(&self.actions),
            frequencies: self.frequencies.map(|running| running.mean),
            frequencies_sd: deviations(&self.frequencies),
        }
    }
}

/// The output table `streams` of `predict`.
pub struct StreamMeans {
    open: BTreeMap<i64, Stream>,
    /// Whether a stream is done when another begins.
    follow: bool,
    frequencies: bool,
    writer: PieceWriter,
}

impl StreamMeans {
    /// Begins the table; `follow` says whether the rows of each stream follow each other, so that only one need be kept.
    pub fn create(context: &StageContext, follow: bool) -> Result<Self, StageError> {
        let writer = PieceWriter::create(context, "streams")?;
        let frequencies = context
            .output_schema("streams")?
            .column_with_name(FREQUENCIES[0].name)
            .is_some();
        Ok(Self {
            open: BTreeMap::new(),
            follow,
            frequencies,
            writer,
        })
    }

    /// Counts stars in.
    pub fn add(&mut self, stars: &Stretch) {
        for (row, id) in stars.ids.iter().enumerate() {
            let stream = self.open.entry(id.stream).or_default();
            stream.stars += 1;
            let count = stream.stars as f64;
            let actions = stars.own_actions.as_ref().unwrap_or(&stars.actions);
            for (axis, values) in actions.iter().enumerate() {
                stream.actions[axis].add(values[row], count);
            }
            for (axis, values) in stars.frequencies.iter().flatten().enumerate() {
                stream.frequencies[axis].add(values[row], count);
            }
        }
    }

    /// Writes the streams that are done, when all stars up to those of `last` are counted in.
    pub fn flush(&mut self, last: Option<i64>) -> Result<(), StageError> {
        if !self.follow {
            return Ok(());
        }
        let last = last.and_then(|stream| Some((stream, self.open.remove(&stream)?)));
        let done = std::mem::take(&mut self.open);
        self.open.extend(last);
        self.write(&done)
    }

    /// Writes the rest.
    pub fn finish(mut self) -> Result<(), StageError> {
        let done = std::mem::take(&mut self.open);
        self.write(&done)?;
        self.writer.finish()
    }

    fn write(&mut self, streams: &BTreeMap<i64, Stream>) -> Result<(), StageError> {
        if streams.is_empty() {
            return Ok(());
        }
        let rows: Vec<StreamMean> = streams.iter().map(|(&stream, own)| own.means(stream)).collect();
        self.writer.append_rows(&stream_means(self.frequencies), &rows)
    }
}

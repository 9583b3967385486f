//! Sizes and times in `on`: `4 GB`, `10 min`.

use std::time::Duration;

use serde_json::Value;

use crate::quantity::parts;

const SIZES: [(&str, f64); 7] = [
    ("kB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("TB", 1e12),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TiB", 1_099_511_627_776.0),
];

const TIMES: [(&str, f64); 4] = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)];

/// The longest time and the largest size: more is a slip.
const MOST: f64 = 1e15;

/// A size in bytes.
pub(crate) fn memory(value: &Value) -> Option<u64> {
    read(value, &SIZES)
        .filter(|bytes| *bytes >= 1.0)
        .map(|bytes| bytes as u64)
}

/// A time.
pub(crate) fn time(value: &Value) -> Option<Duration> {
    read(value, &TIMES).map(Duration::from_secs_f64)
}

fn read(value: &Value, units: &[(&str, f64)]) -> Option<f64> {
    let (number, unit) = parts(value.as_str()?)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let found = number * factor;
    (found > 0.0 && found < MOST).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!(memory(&json!("4 GB")), Some(4_000_000_000));
        assert_eq!(memory(&json!("1.5GiB")), Some(1_610_612_736));
        assert_eq!(time(&json!("10 min")), Some(Duration::from_secs(600)));
        assert_eq!(time(&json!("0.5 s")), Some(Duration::from_millis(500)));
        for wrong in [
            json!(4),
            json!("4"),
            json!("4 kpc"),
            json!("-1 GB"),
            json!("0 GB"),
            json!("1e300 TB"),
            json!("5 Gb"),
        ] {
            assert_eq!(memory(&wrong), None, "{wrong}");
        }
        for wrong in [json!(10), json!("10"), json!("10 Myr"), json!("0 s"), json!("-3 min")] {
            assert_eq!(time(&wrong), None, "{wrong}");
        }
    }
}

//! Events in words, and numbers as people write them.

use runner::event::{Event, Told};

fn verbose() -> bool {
    super::manners().verbose
}

/// A line for an event that deserves one; progress does not, and numbers only where more is wanted.
pub fn line(event: &Event) -> Option<String> {
    let text = match event {
        Event::RunStarted {
            pipeline,
            stages,
            stale,
            behind,
            results,
        } => {
            let todo = match (*stale, *behind) {
                (0, 0) => ", all fresh".to_owned(),
                (stale, 0) => format!(": {stale} stale"),
                (1, behind) => format!(": 1 stale, {behind} behind it"),
                (stale, behind) => format!(": {stale} stale, {behind} behind them"),
            };
            let stages = count(*stages, "stage");
            format!("{pipeline}: {stages}{todo}; results in {results}")
        }
        Event::StageFresh { stage } if verbose() => format!("  fresh {stage}"),
        Event::Stage {
            stage,
            told: Told::Metric { name, value, unit },
        } if verbose() => format!("  told  {stage}: {name} = {} {unit}", number(*value))
            .trim_end()
            .to_owned(),
        Event::StageFresh { .. }
        | Event::Stage {
            told: Told::Progress { .. } | Told::Metric { .. },
            ..
        } => return None,
        Event::StageStarted {
            stage,
            kind,
            reason,
            device,
        } => {
            let place = if device == "cpu" {
                String::new()
            } else {
                format!(" on {device}")
            };
            format!("  run   {stage}: {kind}{place} ({reason})")
        }
        Event::Stage {
            stage,
            told: Told::Note { text },
        } => format!("  note  {stage}: {text}"),
        Event::Stage {
            stage,
            told: Told::Finding { text },
        } => format!("  FINDING  {stage}: {text}"),
        Event::Stage {
            stage,
            told: Told::OutsideTolerance { text },
        } => format!("  OUTSIDE TOLERANCE  {stage}: {text}"),
        Event::StageFinished {
            stage,
            seconds,
            finding: None,
        } => format!("  done  {stage} in {}", duration(*seconds)),
        Event::StageFinished {
            stage,
            seconds,
            finding: Some(title),
        } => {
            format!("  done  {stage} in {}, with a finding: {title}", duration(*seconds))
        }
        Event::StageFailed { stage, message, hint } => {
            let hint = hint
                .as_ref()
                .map(|hint| format!("\n        hint: {hint}"))
                .unwrap_or_default();
            format!("  FAILED  {stage}: {message}{hint}")
        }
        Event::StagePaused { stage, at, loss } => {
            format!(
                "  pause {stage} after {}: validation {}",
                count(usize::try_from(*at).unwrap_or(usize::MAX), "epoch"),
                number(*loss)
            )
        }
        Event::StageSkipped { stage, because } => format!("  skip  {stage}, because of {because}"),
        Event::RunFinished {
            ran,
            fresh,
            failed,
            skipped,
            seconds,
        } => {
            let mut parts = vec![format!("{ran} ran"), format!("{fresh} fresh")];
            parts.extend((*failed > 0).then(|| format!("{failed} failed")));
            parts.extend((*skipped > 0).then(|| format!("{skipped} skipped")));
            format!("{} in {}", parts.join(", "), duration(*seconds))
        }
    };
    Some(text)
}

/// `1 stage`, `2 stages`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// A duration with two or three digits.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.0005 {
        "0 s".to_owned()
    } else if seconds < 1.0 {
        format!("{:.0} ms", seconds * 1000.0)
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!(
            "{:.0} min {:02.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        )
    } else {
        format!(
            "{:.0} h {:02.0} min",
            (seconds / 3600.0).floor(),
            (seconds % 3600.0 / 60.0).floor()
        )
    }
}

/// A number with three significant digits.
pub fn number(value: f64) -> String {
    significant(value, 3)
}

/// A number with `digits` significant digits; powers of ten only where zeros would crowd it.
pub fn significant(value: f64, digits: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    let scientific = format!("{value:.*e}", digits.saturating_sub(1));
    let exponent = scientific
        .split_once('e')
        .and_then(|(_, e)| e.parse::<i32>().ok())
        .unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(digits as i32 - 1 - exponent).unwrap_or(0);
        format!("{value:.decimals$}")
    } else {
        scientific
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 1.0, 0.001234, 12345.6, 1.234e-7, 0.9999, -3.21e11].map(number);
        assert_eq!(shown, ["0", "1.00", "0.00123", "12346", "1.23e-7", "1.00", "-3.21e11"]);
    }

    #[test]
    fn durations_read_well() {
        let shown = [0.0, 0.0421, 7.26, 59.94, 75.0, 3723.0].map(duration);
        assert_eq!(shown, ["0 s", "42 ms", "7.3 s", "59.9 s", "1 min 15 s", "1 h 02 min"]);
    }

    #[test]
    fn fresh_stages_are_silent() {
        assert_eq!(
            line(&Event::StageFresh {
                stage: "orbits".to_owned()
            }),
            None
        );
        let started = Event::RunStarted {
            pipeline: "p".to_owned(),
            stages: 1,
            stale: 0,
            behind: 0,
            results: "results".to_owned(),
        };
        assert_eq!(
            line(&started).as_deref(),
            Some("p: 1 stage, all fresh; results in results")
        );
        let started = Event::RunStarted {
            pipeline: "p".to_owned(),
            stages: 35,
            stale: 1,
            behind: 4,
            results: "results".to_owned(),
        };
        assert_eq!(
            line(&started).as_deref(),
            Some("p: 35 stages: 1 stale, 4 behind it; results in results")
        );
    }
}

//! What came out: the means of every comparison, those of a sweep best first, and then every component.

use std::fmt::Write as _;

use super::super::data::{Data, StageData};
use super::super::html::{escape, table};
use super::super::results::{self, ErrorRow, MEAN};
use super::{percent, pill, with_unit};

/// The section; nothing where there is no comparison.
pub fn came_out(html: &mut String, data: &Data) {
    let comparisons = ordered(data);
    if comparisons.is_empty() {
        return;
    }
    html.push_str("<h2>What came out</h2>\n");
    let with_truth: Vec<&StageData> = comparisons.iter().copied().filter(|stage| stage.has_truth).collect();
    let along: Vec<&StageData> = comparisons.iter().copied().filter(|stage| !stage.has_truth).collect();
    if !with_truth.is_empty() {
        means(
            html,
            data,
            &with_truth,
            "Errors: mean absolute difference from the truth, over the stars compared and the components.",
        );
    }
    if !along.is_empty() {
        means(
            html,
            data,
            &along,
            "How constant actions are: mean absolute difference from the mean of the star's own stream. No truth is used: a small number \
             is needed for right actions, and does not prove them.",
        );
    }
    components(html, data, &comparisons);
}

/// Comparisons in the order of the file; those that only differ by what is swept, best first.
fn ordered(data: &Data) -> Vec<&StageData> {
    let mut groups: Vec<(&str, Vec<&StageData>)> = Vec::new();
    for stage in data.comparisons() {
        let known = groups.iter_mut().find(|(name, _)| *name == &*stage.name);
        match known {
            Some((_, group)) => group.push(stage),
            None => groups.push((&stage.name, vec![stage])),
        }
    }
    let first = |stage: &StageData| {
        let measure = results::measures(&stage.errors).first().copied().unwrap_or_default();
        results::headline(&stage.errors, measure).map_or(f64::INFINITY, |row| row.value)
    };
    let mut all = Vec::new();
    for (_, mut group) in groups {
        // Rows of a table have the table's order.
        if group.iter().all(|stage| stage.row.is_none()) {
            group.sort_by(|a, b| first(a).total_cmp(&first(b)));
        }
        all.extend(group);
    }
    all
}

/// A line for each comparison and measure.
fn means(html: &mut String, data: &Data, comparisons: &[&StageData], about: &str) {
    let several = comparisons.len() > 1;
    let beside_paper = comparisons.iter().any(|stage| {
        stage
            .errors
            .iter()
            .any(|row| row.paper.is_some() && row.component == MEAN)
    });
    // Where all are one stage at several points, its name says nothing.
    let one_name = comparisons
        .iter()
        .all(|stage| stage.row.is_none() && stage.name == comparisons[0].name);
    let title = |stage: &StageData| match data.setting_line(stage) {
        line if one_name && !line.is_empty() => line,
        _ => data.title(stage),
    };
    let best_first = several && comparisons.iter().all(|stage| stage.row.is_none());
    let mut uneven: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for stage in comparisons {
        let mark = stage.unevenness().map(|text| {
            let known = uneven.iter().position(|known| *known == text);
            known.unwrap_or_else(|| {
                uneven.push(text);
                uneven.len() - 1
            }) + 1
        });
        for measure in results::measures(&stage.errors) {
            let Some(row) = results::headline(&stage.errors, measure) else {
                continue;
            };
            let mut cells = Vec::new();
            cells.extend(several.then(|| escape(&title(stage))));
            cells.push(format!("<b>{}</b>", escape(results::symbol(measure))));
            cells.push(with_unit(row.value, &row.unit));
            if beside_paper {
                cells.push(row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default());
                let mark = mark.filter(|_| row.paper.is_some());
                let mark = mark.map(|mark| format!("<sup>{mark}</sup>")).unwrap_or_default();
                // An uneven comparison has no colour: it is neither good nor bad.
                let ratio = match (mark.is_empty(), row.ratio) {
                    (false, Some(ratio)) => crate::console::number(ratio),
                    _ => pill(row.ratio),
                };
                cells.push(format!("{ratio}{mark}"));
            }
            cells.push(percent(row.relative));
            rows.push(cells);
        }
    }
    let mut columns = Vec::new();
    columns.extend(several.then_some(("comparison", false)));
    columns.extend([("measure", false), ("ours", true)]);
    if beside_paper {
        columns.extend([("paper", true), ("ours / paper", true)]);
    }
    columns.push(("relative", true));
    let order = if best_first { " Best first." } else { "" };
    let paper = if beside_paper {
        " Ours / paper below 1 is nearer to the truth than the paper's figure."
    } else {
        ""
    };
    let _ = writeln!(
        html,
        "<p class=\"quiet\">{about}{order}{paper} Relative: divided by the mean size of what is compared with.</p>"
    );
    html.push_str(&table(&columns, &rows));
    for (n, text) in uneven.iter().enumerate() {
        let _ = writeln!(
            html,
            "<p class=\"quiet\"><sup>{}</sup> {}.</p>",
            n + 1,
            escape(&sentence(text))
        );
    }
}

/// With a capital at its beginning.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Every component of every comparison; of many, only the first are open.
fn components(html: &mut String, data: &Data, comparisons: &[&StageData]) {
    html.push_str("<h3>Every component</h3>\n");
    for (n, stage) in comparisons.iter().enumerate() {
        let open = if n < 1 || comparisons.len() <= 2 { " open" } else { "" };
        let (title, name) = (data.title(stage), &*stage.name);
        let beside = if title.contains(name) { "" } else { name };
        let _ = writeln!(
            html,
            "<details{open}><summary>{} <span class=\"quiet\">{}</span></summary><div>\n{}</div></details>",
            escape(&title),
            escape(beside),
            component_table(&stage.errors)
        );
    }
}

/// Measure and component of a row, as HTML.
fn name(row: &ErrorRow) -> String {
    let (measure, component) = (results::symbol(&row.measure), results::component(&row.component));
    escape(&format!("{measure} {component}"))
}

/// One line per measure and component, with mean and median beside each other.
fn component_table(errors: &[ErrorRow]) -> String {
    // That of the mean over components stands above, beside the mean.
    let published = errors.iter().any(|row| row.paper.is_some() && row.component != MEAN);
    let beside = |row: &ErrorRow| {
        let paper = row.paper.map(|paper| with_unit(paper, &row.unit)).unwrap_or_default();
        let ratio = row.ratio.map(crate::console::number).unwrap_or_default();
        [paper, ratio].into_iter().filter(move |_| published)
    };
    let mut rows = Vec::new();
    for row in errors.iter().filter(|row| row.statistic == results::MEAN_ABSOLUTE) {
        let median = errors.iter().find(|other| {
            other.statistic == "median_absolute" && other.measure == row.measure && other.component == row.component
        });
        let strong = |text: String| {
            if row.component == MEAN {
                format!("<b>{text}</b>")
            } else {
                text
            }
        };
        let median = median.map(|median| with_unit(median.value, &median.unit));
        let mut cells = vec![
            strong(name(row)),
            strong(with_unit(row.value, &row.unit)),
            median.unwrap_or_default(),
            percent(row.relative),
        ];
        cells.extend(beside(row));
        rows.push(cells);
    }
    let elsewhere = errors
        .iter()
        .filter(|row| row.statistic == results::ROOT_MEAN_SQUARE && row.paper.is_some());
    for row in elsewhere {
        let source = escape(&row.source);
        let mut cells = vec![
            format!("{} <small>root mean square, beside {source}</small>", name(row)),
            with_unit(row.value, &row.unit),
            String::new(),
            percent(row.relative),
        ];
        cells.extend(beside(row));
        rows.push(cells);
    }
    let mut columns = vec![
        ("component", false),
        ("mean", true),
        ("median", true),
        ("relative", true),
    ];
    if published {
        columns.extend([("published", true), ("ours / published", true)]);
    }
    let mut html = table(&columns, &rows);
    if let Some(row) = errors.first() {
        let set_aside = if row.set_aside > 0 {
            format!("; {} set aside", row.set_aside)
        } else {
            String::new()
        };
        let _ = writeln!(html, "<p class=\"quiet\">{} stars compared{set_aside}.</p>", row.stars);
    }
    html
}

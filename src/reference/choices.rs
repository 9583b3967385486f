//! What of a kind depends on its parameters: lines that are there always, and those that come with a choice.

use runner::catalog::{Kind, Variant};
use runner::stage::AnyStage;

/// Lines, and under which conditions they hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    always: Vec<String>,
    /// With what stands above them.
    with: Vec<(String, Vec<String>)>,
}

impl Told {
    /// Whether there is no line at all.
    pub fn is_empty(&self) -> bool {
        self.always.is_empty() && self.with.is_empty()
    }

    /// Writes them as lists, those with a condition below it.
    pub fn write(&self, text: &mut String) {
        if !self.always.is_empty() {
            text.push('\n');
            self.always.iter().for_each(|line| text.push_str(line));
        }
        for (condition, lines) in &self.with {
            text.push_str(&format!("\n{condition}:\n\n"));
            lines.iter().for_each(|line| text.push_str(line));
        }
    }
}

/// What `lines` says of a kind: of `stage`, with the least parameters, and of the others.
pub fn told(kind: &Kind, stage: &dyn AnyStage, lines: impl Fn(&dyn AnyStage) -> Vec<String>) -> Told {
    let variants: Vec<(Variant, Vec<String>)> = kind
        .variants()
        .into_iter()
        .map(|variant| {
            let lines = lines(variant.stage.as_ref());
            (variant, lines)
        })
        .collect();
    of(&lines(stage), &variants)
}

fn of(least: &[String], variants: &[(Variant, Vec<String>)]) -> Told {
    let mut told = Told {
        always: least.to_vec(),
        with: Vec::new(),
    };
    let mut parameters: Vec<&str> = Vec::new();
    for (variant, _) in variants {
        if !parameters.contains(&variant.path[0].as_str()) {
            parameters.push(&variant.path[0]);
        }
    }
    for parameter in parameters {
        if let Some(each) = each_choice(least, variants, parameter) {
            return each;
        }
        let own: Vec<&(Variant, Vec<String>)> = variants.iter().filter(|(of, _)| of.path[0] == parameter).collect();
        let choices: Vec<&(Variant, Vec<String>)> = own.iter().copied().filter(|(of, _)| of.path.len() < 3).collect();
        let mut lines: Vec<&String> = Vec::new();
        for line in choices.iter().flat_map(|(_, lines)| lines).chain(least) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        for line in lines {
            let with: Vec<&Variant> = choices
                .iter()
                .filter(|(_, own)| own.contains(line))
                .map(|(of, _)| of)
                .collect();
            if with.len() == choices.len() && least.contains(line) {
                continue;
            }
            // What one must choose decides; of what may be left out, what is there without it is.
            let is_needed = choices.first().is_some_and(|(of, _)| of.is_needed);
            if least.contains(line) && !is_needed {
                let without: Vec<&Variant> = choices
                    .iter()
                    .filter(|(_, own)| !own.contains(line))
                    .map(|(of, _)| of)
                    .collect();
                let condition = format!("Without {}", named(&without, choices.len()));
                told.always.retain(|other| other != line);
                told.add(condition, line);
                continue;
            }
            told.always.retain(|other| other != line);
            let condition = format!("With {}{}", named(&with, choices.len()), unless(&own, &with, line));
            told.add(condition, line);
        }
    }
    told
}

/// What each choice of a parameter comes with, where it decides about all lines.
fn each_choice(least: &[String], variants: &[(Variant, Vec<String>)], parameter: &str) -> Option<Told> {
    let choices = || {
        variants
            .iter()
            .filter(|(of, _)| of.path.len() == 2 && of.path[0] == parameter && of.is_needed)
    };
    let is_always = |line: &String| choices().all(|(_, lines)| lines.contains(line));
    if choices().count() < 2 || least.is_empty() || least.iter().any(is_always) {
        return None;
    }
    let with = choices().map(|(of, lines)| (format!("With {}", named(&[of], 0)), lines.clone()));
    Some(Told {
        always: Vec::new(),
        with: with.collect(),
    })
}

impl Told {
    fn add(&mut self, condition: String, line: &str) {
        match self.with.iter_mut().find(|(other, _)| *other == condition) {
            Some((_, lines)) => lines.push(line.to_owned()),
            None => self.with.push((condition, vec![line.to_owned()])),
        }
    }
}

/// The choices as YAML has them; the parameter alone where it is all of its choices.
fn named(choices: &[&Variant], of: usize) -> String {
    let parameter = choices
        .first()
        .map(|variant| variant.path[0].as_str())
        .unwrap_or_default();
    if choices.len() == of && !choices.iter().any(|variant| variant.is_needed) {
        return format!("`{parameter}`");
    }
    let words: Vec<&str> = choices
        .iter()
        .filter_map(|variant| variant.path.get(1))
        .map(String::as_str)
        .collect();
    match words.split_last() {
        None => format!("`{parameter}`"),
        Some((last, [])) => format!("`{parameter}: {last}`"),
        Some((last, [first, others @ ..])) => {
            let others: String = others.iter().map(|word| format!(", `{word}`")).collect();
            format!("`{parameter}: {first}`{others} or `{last}`")
        }
    }
}

/// A parameter of the choices with which the line is not there.
fn unless(own: &[&(Variant, Vec<String>)], with: &[&Variant], line: &String) -> String {
    let within = |choice: &Variant| -> Vec<String> {
        let deeper = own
            .iter()
            .filter(|(of, lines)| of.path.len() == 3 && of.path[..2] == choice.path[..] && !lines.contains(line));
        deeper.map(|(of, _)| of.path[2].clone()).collect()
    };
    let mut all: Vec<String> = with.iter().flat_map(|choice| within(choice)).collect();
    all.sort();
    all.dedup();
    match all.as_slice() {
        [] => String::new(),
        names => format!(
            ", without its {}",
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(" or ")
        ),
    }
}

//! What is said of a command line that is wrong.

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What an option or argument is, where its name alone says little: an example, and where the names are.
const EXAMPLES: [(&str, &str); 2] = [
    (
        "--potential",
        "such as --potential mcmillan_17; actionfinder explain potentials lists the names",
    ),
    ("--output", "such as -o stars.csv; its ending tells the format"),
];

/// Our sentence for a mistake on the command line; `None` where the library's own says all.
pub fn said(wrong: &clap::Error) -> Option<String> {
    let names = |kind| match wrong.get(kind) {
        Some(ContextValue::String(name)) => vec![name.clone()],
        Some(ContextValue::Strings(names)) => names.clone(),
        _ => Vec::new(),
    };
    let meant = |kind| match &names(kind)[..] {
        [] => String::new(),
        like => format!("\n  help: did you mean {}?", like.join(" or ")),
    };
    let text = match wrong.kind() {
        ErrorKind::MissingRequiredArgument => {
            let missing = names(ContextKind::InvalidArg);
            let is = if missing.len() == 1 { "is" } else { "are" };
            let examples = EXAMPLES
                .iter()
                .filter(|(option, _)| missing.iter().any(|name| name.starts_with(option)));
            let examples: Vec<String> = examples.map(|(_, text)| format!("\n  help: {text}")).collect();
            format!("{} {is} missing{}", missing.join(", "), examples.concat())
        }
        ErrorKind::UnknownArgument => {
            let option = names(ContextKind::InvalidArg).join(", ");
            format!("{option} is not known here{}", meant(ContextKind::SuggestedArg))
        }
        ErrorKind::InvalidSubcommand => {
            let command = names(ContextKind::InvalidSubcommand).join(", ");
            format!(
                "there is no command {command}{}",
                meant(ContextKind::SuggestedSubcommand)
            )
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (option, value) = (names(ContextKind::InvalidArg), names(ContextKind::InvalidValue));
            let why = std::error::Error::source(wrong).map(|why| {
                if why.is::<std::num::ParseIntError>() {
                    ": want a whole number".to_owned()
                } else {
                    format!(": {why}")
                }
            });
            let why = why.unwrap_or_default();
            let valid = match &names(ContextKind::ValidValue)[..] {
                [] => String::new(),
                valid => format!("\n  help: one of {}", valid.join(", ")),
            };
            return Some(match value.concat().as_str() {
                "" => format!("error: {} lacks its value{valid}", option.join(" ")),
                value => format!("error: {} cannot be '{value}'{why}{valid}", option.join(" ")),
            });
        }
        ErrorKind::ArgumentConflict => {
            let both = [names(ContextKind::InvalidArg), names(ContextKind::PriorArg)].concat();
            format!("{} exclude each other", both.join(" and "))
        }
        _ => return None,
    };
    let usage = wrong
        .get(ContextKind::Usage)
        .map(ToString::to_string)
        .unwrap_or_default();
    let usage = usage.trim().trim_start_matches("Usage: ");
    let command: Vec<&str> = usage
        .split(' ')
        .take(2)
        .filter(|word| !word.starts_with(['[', '<', '-']))
        .collect();
    let command = command.join(" ");
    Some(format!("error: {text}\n  usage: {usage}\n  more: {command} --help"))
}

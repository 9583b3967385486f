//! Every mistake that a pipeline file can hold: what is said, and what is advised.

use super::suggest;

/// Declares the enum with its messages and the list of its variants' names, so that a test can ask for an example of
/// each.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty),* $(,)? })? => $message:literal $(($($part:expr),*))?,)*) => {
        /// What is wrong.
        #[derive(Debug, Clone, PartialEq, thiserror::Error)]
        pub(super) enum Problem {
            $($(#[$doc])* #[error($message $($(, $part)*)?)] $name $({ $($field: $type),* })?,)*
        }

        impl Problem {
            /// Names of all variants.
            #[cfg(test)]
            pub(super) const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The variant's name.
            pub(super) fn name(&self) -> &'static str {
                match self { $(Self::$name { .. } => stringify!($name),)* }
            }
        }
    };
}

problems! {
    // The file.
    Unreadable { reason: String } => "the file cannot be read: {reason}",
    NotText { offset: usize } => "this is not a text file: byte {offset} is not UTF-8",
    Empty => "the file is empty",
    /// With the message of the parser, which is not shown.
    Syntax { message: String } => "this is not valid YAML: {}" (fault_of_syntax(message).0),
    Tab => "a tab cannot indent in YAML",
    BareBraces => "in a mapping or list in one line, YAML takes these braces for its own",
    SeveralDocuments => "a second YAML document begins here",
    TooManyAliases => "the aliases of this file multiply without bound",
    TooManyValues { most: usize } => "this file holds more than {most} values",
    TooDeep => "the values of this file are nested too deeply",

    // The form of the YAML.
    DuplicateKey { key: String } => "`{key}` is given twice",
    KeyNotText { key: String } => "the key `{key}` is not text",
    Tag { tag: String } => "the tag `{tag}` has no meaning here",
    NotFinite { value: String } => "`{value}` is not a finite number",
    BadMerge => "`<<` can only merge mappings",

    // The form of a pipeline.
    WrongShape { what: String, expected: &'static str, found: String, example: String }
        => "{what} must be {expected}, not {found}",
    UnknownKey { key: String, place: String, allowed: Vec<String> } => "{place} cannot have the key `{key}`",
    MissingKey { key: &'static str, example: &'static str } => "the pipeline has no `{key}`",
    NoStages => "the pipeline has no stages",
    BadName { what: &'static str, name: String } => "`{name}` cannot be the name of a {what}",
    LongName { what: &'static str, letters: usize, most: usize }
        => "the name of this {what} has {letters} letters; at most {most} are possible",
    ReservedName { name: String } => "`{name}` is a folder of the results, and cannot be the name of a pipeline",
    NoKind { stage: String } => "stage `{stage}` has no kind",
    SeveralKinds { stage: String, first: String, second: String }
        => "stage `{stage}` has two kinds, `{first}` and `{second}`",
    Misplaced { key: String, kind: String } => "`{key}` must stand inside `{kind}`",
    UnknownKind { kind: String, allowed: Vec<String> } => "there is no stage kind `{kind}`",

    // Parameters of the pipeline.
    UnknownParameter { name: String, allowed: Vec<String> } => "there is no parameter `{name}`",
    BadReference { text: String } => "`{text}` is not a reference to a parameter",
    LaterParameter { name: String, by: String } => "`{by}` refers to `{name}`, which is not set before it",
    ReferenceNotAllowed { place: &'static str } => "parameters cannot be used in {place}",
    NotInterpolable { name: String, found: String } => "`{name}` is {found} and cannot be part of a text",
    TooLong => "the parameters make this value too long",
    BadOverride { name: String, reason: String } => "`-p {name}=…`: {reason}",
    UnknownOverride { name: String, allowed: Vec<String> } => "`-p {name}=…`: there is no parameter `{name}`",
    OverrideOutsideRows { name: String, value: String, values: Vec<String> }
        => "`-p {name}={value}`: no row of the sweep has this value",

    // Other pipelines.
    NoFile { name: String } => "`{name}` does not say which pipeline it uses",
    UnreadableUse { reason: String } => "this pipeline cannot be read: {reason}",
    UseCycle { path: String } => "these files use each other: {path}",
    TooManyUses { most: usize } => "this pipeline uses others more than {most} times",
    UsedLikeStage { name: String } => "`{name}` is the name of a stage and of a used pipeline",
    NoSuchRow { name: String, value: String, values: Vec<String> } => "no row there has `{name}: {value}`",
    UnusedDefaults { kind: String } => "there is no stage of kind `{kind}` in this file",

    // Sweep.
    UnknownSwept { name: String, allowed: Vec<String> } => "the sweep sets `{name}`, but there is no such parameter",
    EmptyList { name: String } => "`{name}` has no values to sweep over",
    UnequalLists { name: String, length: usize, first: String, first_length: usize }
        => "`{name}` has {length} values, but `{first}` has {first_length}",
    BadRange { key: &'static str, reason: String } => "this is not a {key}: {reason}",
    BadSearch { name: String, reason: String } => "`{name}` cannot be searched so: {reason}",
    SearchInUse { name: String } => "`{name}` searches, which only a pipeline that is run itself can",
    SweptTwice { name: String } => "`{name}` is swept twice",
    UnusedSwept { name: String } => "`{name}` is swept, but no stage uses it",
    TooManyPoints { points: String } => "the sweep has {points} points",

    // Connections.
    UnknownStage { name: String, allowed: Vec<String> } => "there is no stage `{name}`",
    UnknownOutput { stage: String, output: String, allowed: Vec<String> } => "stage `{stage}` has no output `{output}`",
    UnknownInput { kind: String, port: String, allowed: Vec<String> } => "`{kind}` has no input `{port}`",
    TooManySources { port: String, most: usize }
        => "input `{port}` takes {}" (if *most == 1 { "one stage, not a list".to_owned() } else { format!("at most {most} stages") }),
    MissingInput { kind: String, port: String, accepts: String } => "`{kind}` needs the input `{port}`",
    Cycle { path: String } => "these stages wait for each other: {path}",
    WrongArtifact { port: String, expected: &'static str, origin: String, found: &'static str }
        => "input `{port}` takes a {expected}, but `{origin}` is a {found}",
    WrongNetwork { port: String, expected: String, origin: String, found: String, fitting: Vec<String> }
        => "input `{port}` takes a network of type {expected}, but `{origin}` is of type {found}",
    MissingColumns { port: String, columns: Vec<String>, origin: String, allowed: Vec<String> }
        => "input `{port}` needs {}, which `{origin}` does not have" (of_columns(columns)),
    UnitMismatch { port: String, columns: Vec<String>, expected: String, origin: String, found: String }
        => "input `{port}` needs {} in {expected}, but `{origin}` has {} in {found}"
            (of_columns(columns), if columns.len() == 1 { "it" } else { "them" }),
    Unfit { kind: String, reason: String } => "`{kind}` cannot use these inputs: {reason}",

    // Parameters of a stage.
    MissingParameter { names: Vec<String>, owner: String, place: String }
        => "`{owner}` needs {}" (suggest::all(names)),
    WrongType { expected: String, found: String, choices: Vec<String>, example: String }
        => "expected {expected}, found {found}",
    NoUnit { found: String, number: String } => "this is a number without a unit, not {found}",
    UnknownUnit { unit: String, allowed: Vec<String> } => "there is no unit `{unit}`",
    OtherDimension { expected: String, example: String, found: String }
        => "expected {expected}, such as {example}, not {found}",
    WrongLength { least: usize, most: usize, found: usize }
        => "expected a list of {}, found one of {found}" (length(*least, *most)),
    OutOfRange { noun: String, bound: String, unit: String, found: String }
        => "{noun} must be {bound}{}, not {found}" (in_brackets(unit)),
    UnknownChoice { given: String, allowed: Vec<String> } => "`{given}` is not one of the choices",
    BareChoice { choice: String, needs: String, example: String } => "`{choice}` needs {needs}",
    NoParameters { choice: String } => "`{choice}` has no parameters",
    SeveralChoices { first: String, second: String } => "`{first}` and `{second}` are two choices, where one is wanted",
    NotTaken { name: String, kind: String } => "`{kind}` cannot take `{name}` as it is here",
    InvalidParameter { message: String } => "{message}",
    Fault { message: String, hint: Option<String> } => "{message}",
    MissingFile { path: String } => "there is no file {path}",
    NotAFile { path: String } => "{path} is a folder, not a file",

    // Resources.
    BadDevice { given: String } => "`{given}` is not a device",
    BadThreads { given: String } => "the number of threads is {given}",
    BadMemory { given: String } => "`{given}` is no size of memory",
    BadTimeout { given: String } => "`{given}` is no time to wait",
    BadRetries { given: String } => "the number of retries is {given}",
    BadPriority { given: String } => "the priority is {given}",
    BadGpuShare { given: String } => "the share of a GPU is {given}",
    BadQueue { given: String } => "no batch system has a name such as {given}",
}

impl Problem {
    /// What to do about it.
    pub(super) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Unreadable { .. } => "give the path of a pipeline file, such as pipelines/quickstart.yaml",
            Self::NotText { .. } => "a pipeline is a YAML file in UTF-8",
            Self::Empty => "begin with `pipeline: NAME` and `stages:`",
            Self::Syntax { message } => return fault_of_syntax(message).1.map(str::to_owned),
            Self::Tab => "indent with spaces",
            Self::BareBraces => {
                "write `$name` for a whole value, or let `actionfinder fmt --edition 2` rewrite the file"
            }
            Self::SeveralDocuments => "one file holds one pipeline: remove `---` and what follows",
            Self::TooManyAliases => "write the values out, or use `params`",
            Self::TooManyValues { .. } => "use a sweep for many points, and a table for data",
            Self::TooDeep => "a pipeline needs no more than a few levels",
            Self::DuplicateKey { .. } => "keep one of the two",
            Self::KeyNotText { key } => return Some(format!("put it in quotes: \"{key}\"")),
            Self::Tag { .. } => "remove it",
            Self::NotFinite { .. } => "write a number",
            Self::BadMerge => "`<<: *anchor`, where the anchor is on a mapping, or a list of such",
            Self::WrongShape { example, .. } => return Some(format!("write {example}")),
            Self::UnknownKey { key, allowed, .. } => return suggest::hint(key, allowed, "allowed keys"),
            Self::MissingKey { example, .. } => return Some(format!("write {example}")),
            Self::NoStages => "write one stage a line below `stages:`, such as `orbits: { KIND: { with: {…} } }`",
            Self::BadName { .. } => "use letters, digits, `_` and `-`, and begin with a letter or `_`",
            Self::LongName { .. } => "names become names of files: choose a shorter one",
            Self::ReservedName { .. } => "choose another name",
            Self::NoKind { stage } => {
                return Some(format!("write `{stage}: {{ KIND: {{ from: {{…}}, with: {{…}} }} }}`"));
            }
            Self::SeveralKinds { .. } => "split it into two stages",
            Self::Misplaced { key, kind } => return Some(format!("write `{kind}: {{ {key}: … }}`")),
            Self::UnknownKind { kind, allowed } => return suggest::hint(kind, allowed, "stage kinds"),
            Self::UnknownParameter { name, allowed } => return suggest::hint(name, allowed, "parameters"),
            Self::BadReference { .. } => {
                "write `$name` for a whole value, `${name}` in a longer text, and `$$` for a plain `$`"
            }
            Self::LaterParameter { .. } => "a parameter can refer to those above it",
            Self::ReferenceNotAllowed { .. } => "write the value itself",
            Self::NotInterpolable { name, .. } => return Some(format!("use `${name}` as the whole value")),
            Self::TooLong => "parameters that repeat each other grow without bound",
            Self::BadOverride { .. } => "write `-p name=value`, with the value as in YAML",
            Self::UnknownOverride { name, allowed } => return suggest::hint(name, allowed, "parameters"),
            Self::NoFile { .. } => "write `pipeline: FILE`; a path is relative to the folder of this file",
            Self::UnreadableUse { .. } => "a path is absolute or relative to the folder of this file",
            Self::UseCycle { .. } => "no pipeline can use itself: take one of these uses away",
            Self::TooManyUses { .. } => "files that use others twice multiply: use fewer",
            Self::UsedLikeStage { .. } => "give one of them another name",
            Self::UnusedDefaults { .. } => "remove it, or correct the kind",
            Self::OverrideOutsideRows { name, values, .. } | Self::NoSuchRow { name, values, .. } => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                return Some(format!("values of `{name}`: {}", suggest::list(&values)));
            }
            Self::UnknownSwept { name, allowed } => return suggest::hint(name, allowed, "parameters"),
            Self::EmptyList { .. } => "give at least one value, or remove the line",
            Self::UnequalLists { .. } => "the lists of `zip` advance together, so they have one length",
            Self::BadRange { key: "log", .. } => "write `{ log: [first, last, count] }`; both ends count",
            Self::BadRange { .. } => {
                "write `{ range: [first, last] }` or `{ range: [first, last, step] }`; both ends count"
            }
            Self::BadSearch { .. } => {
                "write such as `search: { over: { width: { integer: [16, 128] } }, minimize: STAGE.MEASURE, trials: 50 }`"
            }
            Self::SearchInUse { .. } => "set the parameters that it searches in the `with` of this use",
            Self::SweptTwice { .. } => "keep it in one place of the sweep",
            Self::UnusedSwept { name } => {
                return Some(format!("use it as `${name}` in a stage, or remove it from the sweep"));
            }
            Self::TooManyPoints { .. } => "at most 100000 are possible; use fewer values",
            Self::UnknownStage { name, allowed } => return suggest::hint(name, allowed, "stages"),
            Self::UnknownOutput { output, allowed, .. } => return suggest::hint(output, allowed, "outputs"),
            Self::UnknownInput { port, allowed, .. } => return suggest::hint(port, allowed, "inputs"),
            Self::MissingInput { port, accepts, .. } => {
                return Some(format!("connect {accepts}: `from: {{ {port}: STAGE }}`"));
            }
            Self::TooManySources { port, .. } => return Some(format!("write `{port}: STAGE`")),
            Self::Cycle { .. } => "take the input of one of them from elsewhere",
            Self::WrongArtifact { expected, .. } => {
                return Some(format!("name an output that is a {expected}: `STAGE.OUTPUT`"));
            }
            Self::WrongNetwork { fitting, .. } if fitting.is_empty() => "connect a stage that gives such a network",
            Self::WrongNetwork { fitting, .. } => {
                let fitting: Vec<&str> = fitting.iter().map(String::as_str).collect();
                return Some(format!("outputs that fit: {}", suggest::list(&fitting)));
            }
            Self::MissingColumns { columns, allowed, .. } => {
                return match columns.as_slice() {
                    [column] => suggest::hint(column, allowed, "columns"),
                    _ => {
                        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
                        Some(format!("columns: {}", suggest::list(&allowed)))
                    }
                };
            }
            Self::UnitMismatch { .. } => {
                "units are never converted silently: convert the column in the stage that makes it"
            }
            Self::Unfit { .. } => return None,
            Self::MissingParameter { names, place, .. } => {
                let each: Vec<String> = names.iter().map(|name| format!("{name}: …")).collect();
                return Some(format!("add {} to `{place}`", suggest::all(&each)));
            }
            Self::WrongType { choices, example, .. } if choices.is_empty() => {
                return (!example.is_empty()).then(|| format!("with a unit, it is written such as `{example}`"));
            }
            Self::UnknownUnit { unit, allowed } => return suggest::hint(unit, allowed, "units"),
            Self::NoUnit { number, .. } => return Some(format!("write `{number}`, if that is meant")),
            Self::OtherDimension { .. } => return None,
            Self::WrongType { choices, .. } => {
                let choices: Vec<&str> = choices.iter().map(String::as_str).collect();
                return Some(format!("choices: {}", suggest::list(&choices)));
            }
            Self::WrongLength { .. } | Self::OutOfRange { .. } => return None,
            Self::BareChoice { choice, example, .. } => return Some(format!("write `{choice}: {example}`")),
            Self::NoParameters { choice } => return Some(format!("write `{choice}` alone")),
            Self::SeveralChoices { .. } => "keep one of the two",
            Self::NotTaken { .. } => "`actionfinder schema` describes every parameter",
            Self::UnknownChoice { given, allowed } => return suggest::hint(given, allowed, "choices"),
            Self::InvalidParameter { .. } => return None,
            Self::Fault { hint, .. } => return hint.clone(),
            Self::MissingFile { .. } => "a path is absolute or relative to the folder of this file",
            Self::NotAFile { .. } => "name a file in it",
            Self::BadDevice { .. } => "devices: `auto`, `cpu`, `cuda`, `cuda:0`, `cuda:1`, …",
            Self::BadThreads { .. } => "write a whole number, 1 or more, or leave it out",
            Self::BadMemory { .. } => "write a number with MB, GB or TB: `memory: 4 GB`",
            Self::BadTimeout { .. } => "write a number with s, min, h or d: `timeout: 10 min`",
            Self::BadQueue { .. } => "write the name that `sinfo` or `sacctmgr` shows, in quotes where it is a number",
            Self::BadPriority { .. } => "write a whole number from -100 to 100, or leave it out, which is 0",
            Self::BadGpuShare { .. } => {
                "write a part such as 0.25, which lets four such stages run on one GPU, or leave it out"
            }
            Self::BadRetries { .. } => "write a whole number up to 100, or leave it out",
        };
        Some(text.to_owned())
    }
}

/// `the column `x`` or `the columns `x` and `y``.
fn of_columns(names: &[String]) -> String {
    let noun = if names.len() == 1 { "column" } else { "columns" };
    format!("the {noun} {}", suggest::all(names))
}

/// How many items a list may have, in words.
fn length(least: usize, most: usize) -> String {
    match (least, most) {
        (least, most) if least == most => least.to_string(),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    }
}

fn in_brackets(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!(" ({unit})")
    }
}

/// What is wrong where the parser says `message`, and what to do.
fn fault_of_syntax(message: &str) -> (&'static str, Option<&'static str>) {
    let known = [
        (
            "mapping values are not allowed",
            "a `:` cannot stand here",
            "indent the line like its neighbours; put text that holds `: ` in quotes",
        ),
        (
            "expected ',' or '}'",
            "`{…}` does not end as it should",
            "a `}` or a comma is missing",
        ),
        (
            "expected ',' or ']'",
            "`[…]` does not end as it should",
            "a `]` or a comma is missing",
        ),
        (
            "unexpected end of stream, while scanning a quoted",
            "a text in quotes does not end",
            "a closing quote is missing",
        ),
        (
            "cannot start any token",
            "a text cannot begin with this character",
            "put text that begins with `@`, `%` or a back quote in quotes",
        ),
        (
            "unknown anchor",
            "there is no anchor of this name",
            "an alias `*name` needs an anchor `&name` above it; put text that begins with `*` in quotes",
        ),
        (
            "expected <block end>",
            "this line does not belong to what stands above it",
            "indent the line like its neighbours",
        ),
        (
            "could not find expected ':'",
            "a key has no `:`",
            "a `:` is missing, or the line belongs to a text that needs quotes",
        ),
        (
            "did not find expected key",
            "here should be a key",
            "indent the line like its neighbours; a `:` may be missing",
        ),
        (
            "control characters",
            "this character cannot be in a text file",
            "remove the invisible character",
        ),
    ];
    let found = known.iter().find(|(part, ..)| message.contains(part));
    found.map_or(("it cannot be read from here on", None), |(_, fault, hint)| {
        (*fault, Some(*hint))
    })
}

//! Starts the program in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_actionfinder");

/// A file of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The kinds of the program's catalog, in its order: the lines `.with::<IntegrateOrbits>()` of its file.
pub fn kinds() -> Vec<String> {
    let catalog = std::fs::read_to_string(project("src/catalog.rs")).unwrap();
    let names = catalog.lines().filter_map(|line| line.trim().strip_prefix(".with::<"));
    let snake = |name: &str| {
        let mut snake = String::new();
        for character in name.chars().take_while(|character| character.is_alphanumeric()) {
            if character.is_uppercase() && !snake.is_empty() {
                snake.push('_');
            }
            snake.extend(character.to_lowercase());
        }
        snake
    };
    let kinds: Vec<String> = names.map(snake).collect();
    assert!(kinds.len() > 15, "{kinds:?}");
    kinds
}

/// A temporary folder to run the program in; results go to its `results/`.
pub struct Place {
    folder: tempfile::TempDir,
}

/// What a command gave.
pub struct Gave {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A folder with one pipeline, `p.yaml`.
    pub fn with(yaml: &str) -> Self {
        let place = Self::new();
        place.write("p.yaml", yaml);
        place
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The command, ready to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("ACTIONFINDER_RESULTS")
            .env_remove("ACTIONFINDER_CACHE");
        command
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("OMP_NUM_THREADS", "1");
        command
    }

    /// Runs the program.
    pub fn run(&self, arguments: &[&str]) -> Gave {
        self.gave(self.command(arguments).output().unwrap())
    }

    /// Runs the program and expects exit code 0.
    pub fn well(&self, arguments: &[&str]) -> Gave {
        let gave = self.run(arguments);
        assert_eq!(gave.code, 0, "{arguments:?}\n{}\n{}", gave.out, gave.err);
        gave
    }

    /// Output as text, with what differs between places and runs made equal.
    pub fn gave(&self, output: Output) -> Gave {
        let text = |bytes: Vec<u8>| {
            tidy(
                &String::from_utf8(bytes).unwrap(),
                &self.folder.path().to_string_lossy(),
            )
        };
        Gave {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }
}

/// Paths become `[place]`, durations `[time]`.
fn tidy(text: &str, place: &str) -> String {
    let text = text.replace(place, "[place]");
    let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let mut tidied: Vec<String> = Vec::new();
    let mut n = 0;
    while n < words.len() {
        let unit = words
            .get(n + 1)
            .map(|next| next.split(|c: char| !c.is_alphabetic()).next().unwrap_or(""));
        let is_time = matches!(unit, Some("s" | "ms" | "min")) && words[n].parse::<f64>().is_ok();
        if is_time {
            let next = &words[n + 1];
            tidied.push(format!("[time]{}", &next[unit.unwrap_or("").len()..]));
            n += 2;
        } else {
            tidied.push(words[n].clone());
            n += 1;
        }
    }
    tidied.join(" ")
}

#[test]
fn times_and_paths_are_tidied() {
    assert_eq!(
        tidy("done a in 12 ms\n3 ran in 1.5 s, at /tmp/x/y", "/tmp/x"),
        "done a in [time]\n3 ran in [time], at [place]/y"
    );
}

/// The first file of this name below a folder.
pub fn find(folder: &Path, file: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == file) {
            return Some(path);
        }
        if let Some(found) = path.is_dir().then(|| find(&path, file)).flatten() {
            return Some(found);
        }
    }
    None
}

/// As `cargo install` leaves it: the program alone, away from the libraries of its build.
#[test]
fn a_program_that_was_installed_finds_its_library() {
    let place = Place::new();
    let installed = place.path("actionfinder");
    if std::fs::hard_link(PROGRAM, &installed).is_err() {
        std::fs::copy(PROGRAM, &installed).unwrap();
    }
    let output = Command::new(&installed)
        .arg("doctor")
        .current_dir(place.path(""))
        .output()
        .unwrap();
    let gave = place.gave(output);
    let line = gave.out.lines().find(|line| line.contains("tensor library")).unwrap();
    assert!(
        !line.starts_with("BAD") && line.contains("deps/libtensor_stages"),
        "{}",
        gave.out
    );
}

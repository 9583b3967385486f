//! What a command can reach: the system refuses the rest, so that no input is left undeclared.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// What a command may read and write besides what the system has for everybody.
pub(super) struct Reach {
    /// Files and folders to read, and to run programs from.
    pub read: Vec<PathBuf>,
    /// The folder in which everything is allowed.
    pub write: PathBuf,
}

/// Folders of the system that may be read: programs, libraries and how the system is set up.
pub(super) const SYSTEM: [&str; 12] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/proc",
    "/sys/devices/system",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
];

/// Devices that hold nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The folders of programs on `path`, and of what the program at `program` leads to. Where programs are in `bin` or `shims`, what they
/// need is in the folder above, unless that holds other things: the home folder, or `work`.
pub(super) fn program_folders(path: &OsStr, program: &Path, home: Option<&Path>, work: &Path) -> Vec<PathBuf> {
    let mut folders = BTreeSet::new();
    let mut add = |folder: &Path| {
        let holds = |other: &Path| other.starts_with(folder);
        if folder.is_absolute() && folder.parent().is_some() && !holds(work) && !home.is_some_and(holds) {
            folders.insert(folder.to_owned());
        }
    };
    let of_path = std::env::split_paths(path).filter(|folder| folder.is_dir());
    let leads_to = fs::canonicalize(program).ok();
    let of_program = [Some(program), leads_to.as_deref()].into_iter().flatten();
    for folder in of_path.chain(of_program.filter_map(|program| Some(program.parent()?.to_owned()))) {
        add(&folder);
        let is_bin = folder.file_name().is_some_and(|name| name == "bin" || name == "shims");
        if let Some(above) = folder.parent().filter(|_| is_bin) {
            add(above);
        }
    }
    folders.into_iter().collect()
}

/// Holds this thread, and all that it starts, to `reach`. What the system cannot enforce is said.
#[cfg(target_os = "linux")]
pub(super) fn enter(reach: &Reach) -> Result<Vec<String>, String> {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
        Scope, path_beneath_rules,
    };
    // What the kernel lacks of it is left out.
    const NEWEST: ABI = ABI::V10;
    let (all, read) = (AccessFs::from_all(NEWEST), AccessFs::from_read(NEWEST));
    let enter = || {
        Ruleset::default()
            .handle_access(all)?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(SYSTEM, read))?
            .add_rules(path_beneath_rules(&reach.read, read))?
            .add_rules(path_beneath_rules(DEVICES, AccessFs::from_file(NEWEST)))?
            .add_rules(path_beneath_rules([&reach.write], all))?
            .restrict_self()
    };
    let entered = enter().map_err(|error: landlock::RulesetError| error.to_string())?;
    Ok(match (entered.ruleset, entered.landlock) {
        (RulesetStatus::NotEnforced, _) => vec![UNHELD.to_owned()],
        (_, LandlockStatus::Available { effective_abi, .. }) if effective_abi < ABI::V4 => {
            vec!["this Linux cannot keep the command from the network: Landlock is older than ABI 4".to_owned()]
        }
        _ => Vec::new(),
    })
}

/// There is no such thing here.
#[cfg(not(target_os = "linux"))]
pub(super) fn enter(_reach: &Reach) -> Result<Vec<String>, String> {
    Ok(vec![UNHELD.to_owned()])
}

/// What is said where nothing is enforced.
const UNHELD: &str = "this system has no Landlock: the command could read what it does not declare";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_need_is_above_them_unless_that_is_home() {
        let place = tempfile::tempdir().map(|place| place.keep()).unwrap_or_default();
        let made = |name: &str| {
            let folder = place.join(name);
            let _ = fs::create_dir_all(&folder);
            folder
        };
        let (tools, home, shims) = (made("conda/bin"), made("home/bin"), made("home/.pyenv/shims"));
        let work = made("home/project/results");
        let path = std::env::join_paths([&tools, &home, &shims, Path::new("nowhere")]).unwrap_or_default();
        let found = program_folders(&path, &tools.join("python3"), Some(&place.join("home")), &work);
        let expected = [place.join("conda"), tools, place.join("home/.pyenv"), shims, home];
        assert_eq!(found, expected);
        let _ = fs::remove_dir_all(place);
    }
}

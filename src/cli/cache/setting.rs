//! Which shared cache is used: what the command line says, the environment, the project, or the user's settings.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use runner::shared::{Address, Mode, Setting, Shared};

use super::super::common::quoted;
use super::super::failure::Failure;

/// The variable that names one.
const VARIABLE: &str = "ACTIONFINDER_CACHE";

/// No shared cache, whatever the project says.
const NONE: &str = "none";

/// Which shared cache is used.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Cache {
    /// A cache to share with others: s3://bucket/prefix, gs://bucket/prefix or file:///folder; `none` for none [default:
    /// $ACTIONFINDER_CACHE, or `cache` in the project's .actionfinder or in actionfinder/settings.yaml of ~/.config]
    #[arg(long, value_name = "URL")]
    cache: Option<String>,
    /// What is done with it: fetch only, or also put there what is made
    #[arg(long, value_name = "MODE", value_enum)]
    cache_mode: Option<ModeWord>,
}

/// A mode as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeWord {
    /// Fetch
    Read,
    /// Fetch, and put there what is made here
    ReadWrite,
}

impl From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Read => Self::Read,
            ModeWord::ReadWrite => Self::ReadWrite,
        }
    }
}

impl Cache {
    /// The shared cache that is named for a project, whose file of settings this is, if one is; not the results folder itself.
    pub fn open(&self, project: Option<&Path>, results: &Path) -> Result<Option<Arc<Shared>>, Failure> {
        let Some(mut setting) = self.setting(project)? else {
            return Ok(None);
        };
        if let Some(mode) = self.cache_mode {
            setting.mode = mode.into();
        }
        if let Address::Folder(folder) = &setting.address
            && results.exists()
            && folder.canonicalize().ok() == results.canonicalize().ok()
        {
            let address = &setting.address;
            return Err(Failure::Usage(format!(
                "the shared cache {address} is the results folder itself"
            )));
        }
        let opened = crate::remote::open(&setting.address, setting.mode == Mode::ReadWrite);
        let (remote, only_read) =
            opened.map_err(|problem| Failure::Usage(format!("{}: {problem}", setting.address)))?;
        if only_read {
            setting.mode = Mode::Read;
        }
        Ok(Some(Arc::new(Shared::new(setting, remote))))
    }

    fn setting(&self, project: Option<&Path>) -> Result<Option<Setting>, Failure> {
        let variable = || std::env::var(VARIABLE).ok().filter(|named| !named.is_empty());
        let named = self.cache.clone().map(|text| ("--cache", text));
        let named = named.or_else(|| variable().map(|text| (VARIABLE, text)));
        if let Some((by, text)) = named {
            if text == NONE {
                return Ok(None);
            }
            let address = Address::parse(&text).map_err(|problem| Failure::Usage(format!("{by}: {problem}")))?;
            let mode = Mode::default();
            return Ok(Some(Setting { address, mode }));
        }
        for file in project.map(Path::to_owned).into_iter().chain(of_user()) {
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error)
                    if [ErrorKind::NotFound, ErrorKind::NotADirectory, ErrorKind::IsADirectory]
                        .contains(&error.kind()) =>
                {
                    continue;
                }
                Err(error) => return Err(Failure::file(&file, &error)),
            };
            let invalid = |problem| Failure::Invalid(format!("error: {}: {problem}", file.display()));
            if let Some(setting) = Setting::of_settings(&text).map_err(invalid)? {
                return Ok(Some(setting));
            }
        }
        Ok(None)
    }

    /// Whether the command line says anything of it.
    pub fn is_named(&self) -> bool {
        self.cache.is_some() || self.cache_mode.is_some()
    }

    /// The options that say it, each after a blank.
    pub fn options(&self) -> String {
        let cache = self.cache.as_ref().map(|cache| format!(" --cache {}", quoted(cache)));
        let mode = self
            .cache_mode
            .map(|mode| format!(" --cache-mode {}", Mode::from(mode).word()));
        cache.unwrap_or_default() + &mode.unwrap_or_default()
    }
}

/// The file of the user's settings.
fn of_user() -> Option<PathBuf> {
    Some(super::super::on::configuration()?.join("settings.yaml"))
}

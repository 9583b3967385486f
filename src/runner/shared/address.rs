//! Where a shared cache is, and what may be done with it.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

/// The place of a shared cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `s3://bucket/prefix`
    S3 {
        /// Bucket.
        bucket: String,
        /// Prefix of all keys, without slashes around it; may be empty.
        prefix: String,
    },
    /// `gs://bucket/prefix`
    Gs {
        /// Bucket.
        bucket: String,
        /// Prefix of all keys, without slashes around it; may be empty.
        prefix: String,
    },
    /// `file:///folder`
    Folder(PathBuf),
}

impl Address {
    /// Reads one, or says what is wrong with it. What may be a secret is not repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORMS: &str = "write s3://bucket/prefix, gs://bucket/prefix or file:///folder";
        if let Some(path) = text.strip_prefix("file://") {
            return match path.starts_with('/') {
                true => Ok(Self::Folder(PathBuf::from(path))),
                false => Err("a folder is named by its whole path: file:///folder".to_owned()),
            };
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(FORMS.to_owned());
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_matches('/').to_owned();
        if rest.contains('@') || rest.contains('?') {
            return Err("an address holds no keys and no options: they come from the environment".to_owned());
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if bucket.is_empty() || !bucket.chars().all(plain) {
            return Err(format!("the bucket is missing or misspelled: {FORMS}"));
        }
        let bucket = bucket.to_owned();
        match scheme {
            "s3" => Ok(Self::S3 { bucket, prefix }),
            "gs" => Ok(Self::Gs { bucket, prefix }),
            _ => Err(FORMS.to_owned()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, bucket, prefix) = match self {
            Self::S3 { bucket, prefix } => ("s3", bucket, prefix),
            Self::Gs { bucket, prefix } => ("gs", bucket, prefix),
            Self::Folder(path) => return write!(f, "file://{}", path.display()),
        };
        match prefix.is_empty() {
            true => write!(f, "{scheme}://{bucket}"),
            false => write!(f, "{scheme}://{bucket}/{prefix}"),
        }
    }
}

/// What may be done with a shared cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Entries are fetched.
    Read,
    /// And those that were made here are put there.
    #[default]
    ReadWrite,
}

impl Mode {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "read-write" => Ok(Self::ReadWrite),
            _ => Err("a mode is read or read-write".to_owned()),
        }
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadWrite => "read-write",
        }
    }
}

/// A shared cache as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where it is.
    pub address: Address,
    /// What may be done with it.
    pub mode: Mode,
}

impl Setting {
    /// Reads the text of a file of settings, `cache: { remote: …, mode: … }`; `None` where it says nothing of a cache.
    pub fn of_settings(text: &str) -> Result<Option<Self>, String> {
        let value: Value = serde_yaml::from_str(text).map_err(|error| {
            let line = error.location().map(|place| format!("line {}: ", place.line()));
            format!("{}it is no YAML", line.unwrap_or_default())
        })?;
        let settings = match value {
            Value::Null => return Ok(None),
            Value::Object(settings) => settings,
            _ => return Err("write `cache: { remote: s3://bucket/prefix, mode: read-write }`".to_owned()),
        };
        if let Some(key) = settings.keys().find(|key| *key != "cache") {
            return Err(format!("there is no key `{key}`; there is `cache`"));
        }
        let cache = match settings.get("cache") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(cache)) => cache,
            Some(_) => return Err("write `cache: { remote: s3://bucket/prefix, mode: read-write }`".to_owned()),
        };
        if let Some(key) = cache.keys().find(|key| !["remote", "mode"].contains(&key.as_str())) {
            return Err(format!("`cache` has no key `{key}`; it has `remote` and `mode`"));
        }
        let text = |key: &str| match cache.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(format!("`{key}` is a text")),
        };
        let remote = text("remote")?.ok_or("`cache` says where it is: `remote: s3://bucket/prefix`")?;
        Ok(Some(Self {
            address: Address::parse(remote).map_err(|problem| format!("remote: {problem}"))?,
            mode: text("mode")?.map_or(Ok(Mode::default()), Mode::parse)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["s3://bucket", "s3://bucket/a/b", "gs://my-bucket.x/p", "file:///a/b c"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("s3://bucket/a/").unwrap().to_string(), "s3://bucket/a");
        for (text, said) in [
            ("/a/b", "write s3://"),
            ("file://a/b", "whole path"),
            ("s3:///prefix", "bucket is missing"),
            ("s3://", "bucket is missing"),
            ("https://host/bucket", "write s3://"),
            ("s3://KEY:SECRET@bucket/p", "no keys"),
            ("s3://bucket?X-Amz-Signature=SECRET", "no options"),
        ] {
            let problem = Address::parse(text).unwrap_err();
            assert!(
                problem.contains(said) && !problem.contains("SECRET"),
                "{text}: {problem}"
            );
        }
    }

    #[test]
    fn settings_say_where_and_how() {
        let read = |text| Setting::of_settings(text).unwrap();
        let setting = read("cache: { remote: s3://b/p }").unwrap();
        assert_eq!(
            (setting.address.to_string().as_str(), setting.mode),
            ("s3://b/p", Mode::ReadWrite)
        );
        assert_eq!(
            read("cache: { remote: file:///x, mode: read }").unwrap().mode,
            Mode::Read
        );
        assert_eq!((read(""), read("cache:")), (None, None));
        for (text, said) in [
            ("cahce: {}", "no key `cahce`"),
            ("- a", "write `cache:"),
            ("cache: s3://b", "write `cache:"),
            ("cache: { mode: read }", "says where it is"),
            ("cache: { remote: 3 }", "`remote` is a text"),
            ("cache: { remote: s3://b, mode: write }", "read or read-write"),
            ("cache: { remote: s3://b, url: x }", "no key `url`"),
            ("cache: { remote: b }", "remote: write s3://"),
            ("cache: {", "no YAML"),
        ] {
            let problem = Setting::of_settings(text).unwrap_err();
            assert!(problem.contains(said), "{text}: {problem}");
        }
    }
}

//! Buckets of S3 and Google Cloud as the place of a shared cache. Asynchronous inside, blocking outside. Keys and tokens come from the
//! environment, under the names that `object_store` documents (`AWS_ACCESS_KEY_ID`, `GOOGLE_APPLICATION_CREDENTIALS`, …), and are never shown.

mod trouble;

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientConfigKey, Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
    WriteMultipart,
};
use runner::shared::{Content, Name, Put, Remote, Trouble};
use tokio::runtime::{Builder, Runtime};

use trouble::{refused, trouble};

/// Larger files are put there in parts.
const LARGE: u64 = 32 << 20;

/// Bytes of a part: S3 takes ten thousand of them.
const PART: usize = 64 << 20;

/// So many parts are on their way at a time.
const PARTS: usize = 2;

/// How long a place may take to answer, and between two answers.
const PATIENCE: [(ClientConfigKey, &str); 3] = [
    (ClientConfigKey::ConnectTimeout, "4 seconds"),
    (ClientConfigKey::ReadTimeout, "20 seconds"),
    // Of a whole answer, which may be many gigabytes.
    (ClientConfigKey::Timeout, "12 hours"),
];

/// What fails is tried again for so long: the run does not need it.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(2),
            base: 2.0,
        },
        max_retries: 3,
        retry_timeout: Duration::from_secs(10),
    }
}

/// A bucket, or what begins with a prefix in it.
pub struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    runtime: Runtime,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is in the store may be secret.
        f.debug_struct("Bucket")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// A bucket of S3, or of what speaks its language at `AWS_ENDPOINT_URL`.
    pub fn s3(bucket: &str, prefix: &str) -> Result<Self, String> {
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retries());
        for (key, value) in PATIENCE {
            builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
        }
        Self::new(prefix, || Ok(Arc::new(builder.build()?)))
    }

    /// A bucket of Google Cloud.
    pub fn gs(bucket: &str, prefix: &str) -> Result<Self, String> {
        let mut builder = GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(bucket)
            .with_retry(retries());
        for (key, value) in PATIENCE {
            builder = builder.with_config(GoogleConfigKey::Client(key), value);
        }
        Self::new(prefix, || Ok(Arc::new(builder.build()?)))
    }

    fn new(prefix: &str, build: impl FnOnce() -> object_store::Result<Arc<dyn ObjectStore>>) -> Result<Self, String> {
        // Another may have been chosen before: it does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start threads: {error}"))?;
        let store = {
            let _within = runtime.enter();
            build().map_err(|error| refused(&error))?
        };
        Ok(Self {
            store,
            prefix: prefix.to_owned(),
            runtime,
        })
    }

    fn path(&self, name: &Name<'_>) -> Path {
        Path::from(match self.prefix.is_empty() {
            true => name.key(),
            false => format!("{}/{}", self.prefix, name.key()),
        })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    async fn receive(&self, path: &Path, to: &mut dyn Write) -> Result<bool, Trouble> {
        let mut stream = match self.store.get(path).await {
            Ok(found) => found.into_stream(),
            Err(error) => return absent(error).map(|()| false),
        };
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(trouble)?;
            to.write_all(&bytes).map_err(Trouble::Here)?;
        }
        Ok(true)
    }

    /// Puts a content there that fits into memory.
    async fn send(&self, path: &Path, bytes: Vec<u8>, place: Put) -> Result<bool, Trouble> {
        let payload = PutPayload::from(bytes);
        let mode = match place {
            Put::New => PutMode::Create,
            Put::Anyway => PutMode::Overwrite,
        };
        match self.store.put_opts(path, payload.clone(), mode.into()).await {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            // Two who come here at the same time both write: either is whole.
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) if place == Put::New => {
                match self.store.head(path).await {
                    Ok(_) => return Ok(false),
                    Err(error) => absent(error)?,
                }
                self.store.put(path, payload).await.map(|_| true).map_err(trouble)
            }
            Err(error) => Err(trouble(error)),
        }
    }

    async fn send_parts(&self, path: &Path, mut file: File) -> Result<bool, Trouble> {
        let upload = self.store.put_multipart(path).await.map_err(trouble)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return parts.finish().await.map(|_| true).map_err(trouble),
                Ok(count) => {
                    parts.wait_for_capacity(PARTS).await.map_err(trouble)?;
                    parts.write(&buffer[..count]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let _ = parts.abort().await;
                    return Err(Trouble::Here(error));
                }
            }
        }
    }

    fn put_file(&self, path: &Path, file: &FilePath, place: Put) -> Result<bool, Trouble> {
        let mut file = File::open(file).map_err(Trouble::Here)?;
        let bytes = file.metadata().map_err(Trouble::Here)?.len();
        if bytes > LARGE {
            return self.wait(self.send_parts(path, file));
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(Trouble::Here)?;
        self.wait(self.send(path, content, place))
    }
}

impl Remote for Bucket {
    fn get(&self, name: &Name<'_>, to: &mut dyn Write) -> Result<bool, Trouble> {
        self.wait(self.receive(&self.path(name), to))
    }

    fn put(&self, name: &Name<'_>, content: Content<'_>, place: Put) -> Result<bool, Trouble> {
        let path = self.path(name);
        match content {
            Content::Bytes(bytes) => self.wait(self.send(&path, bytes.to_vec(), place)),
            Content::File(file) => self.put_file(&path, file, place),
        }
    }

    fn size(&self, name: &Name<'_>) -> Result<Option<u64>, Trouble> {
        match self.wait(self.store.head(&self.path(name))) {
            Ok(found) => Ok(Some(found.size)),
            Err(error) => absent(error).map(|()| None),
        }
    }

    fn list(&self, each: &mut dyn FnMut(&str, u64)) -> Result<(), Trouble> {
        let prefix = Path::from(self.prefix.as_str());
        self.wait(async {
            let mut found = self.store.list(Some(&prefix));
            while let Some(object) = found.next().await {
                let object = object.map_err(trouble)?;
                let key = object.location.as_ref();
                let key = key.strip_prefix(self.prefix.as_str()).unwrap_or(key);
                each(key.trim_start_matches('/'), object.size);
            }
            Ok(())
        })
    }
}

/// Whether an error only says that something is not there.
fn absent(error: Error) -> Result<(), Trouble> {
    match error {
        // A bucket that is not there says so in the same way.
        Error::NotFound { ref source, .. } if !source.to_string().contains("NoSuchBucket") => Ok(()),
        error => Err(trouble(error)),
    }
}

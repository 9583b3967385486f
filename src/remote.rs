//! Buckets as places of a shared cache.

use remote::Bucket;
use runner::shared::{Address, Folder, OtherResults, Remote};

/// The place of an address, and whether it is only read. A folder that is missing is made where something may be put there.
pub fn open(address: &Address, may_be_made: bool) -> Result<(Box<dyn Remote>, bool), String> {
    let bucket = |opened: Result<Bucket, String>| opened.map(|bucket| (Box::new(bucket) as Box<dyn Remote>, false));
    match address {
        Address::S3 { bucket: name, prefix } => bucket(Bucket::s3(name, prefix)),
        Address::Gs { bucket: name, prefix } => bucket(Bucket::gs(name, prefix)),
        Address::Folder(folder) => Ok(match OtherResults::find(folder) {
            Some(other) => (Box::new(other), true),
            None => (Box::new(Folder::new(folder.clone(), may_be_made)), false),
        }),
    }
}

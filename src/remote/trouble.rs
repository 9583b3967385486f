//! What errors of a bucket mean, in our own words.

use std::error::Error as _;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};
use runner::shared::Trouble;

/// What an error means.
pub fn trouble(error: Error) -> Trouble {
    match &error {
        Error::PermissionDenied { .. } => Trouble::Denied("access is denied".to_owned()),
        Error::Unauthenticated { .. } => Trouble::Denied("it does not know these credentials".to_owned()),
        Error::NotFound { .. } => Trouble::Unreachable("there is no such bucket".to_owned()),
        _ => Trouble::Unreachable(why(&error)),
    }
}

/// Why a bucket cannot be opened: something in the environment.
pub fn refused(error: &Error) -> String {
    let text = error.to_string();
    let about = ["region", "credential", "endpoint", "bucket", "service account"];
    let about = about.iter().find(|word| text.to_lowercase().contains(**word));
    format!(
        "the bucket cannot be opened: what the environment says of {} is wrong",
        about.unwrap_or(&"it")
    )
}

fn why(error: &Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return of_connection(http.kind()).to_owned();
        }
        cause = error.source();
    }
    // The text may hold addresses and names; only the number is told.
    let text = error.to_string();
    let status = text.split_once("status code: ").and_then(|(_, rest)| rest.get(..3));
    match status.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(status) => format!("it answers with error {status}"),
        None if text.contains("http scheme") || text.contains("HTTP scheme") || text.contains("not allowed") => {
            "plain http is allowed by AWS_ALLOW_HTTP=true only".to_owned()
        }
        None => "the request failed".to_owned(),
    }
}

fn of_connection(kind: HttpErrorKind) -> &'static str {
    match kind {
        HttpErrorKind::Connect => "no connection",
        HttpErrorKind::Timeout => "no answer in time",
        HttpErrorKind::Interrupted | HttpErrorKind::Request => "the connection broke",
        _ => "the request failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_holds_no_words_of_others() {
        let generic = |text: &str| Error::Generic {
            store: "S3",
            source: text.into(),
        };
        let told = |text: &str| trouble(generic(text)).to_string();
        assert_eq!(
            told("Server returned non-2xx status code: 503: <Secret/>"),
            "it answers with error 503"
        );
        assert_eq!(told("key AKIA is wrong"), "the request failed");
        let text = refused(&generic("Missing region AKIA"));
        assert!(text.contains("region") && !text.contains("AKIA"), "{text}");
    }
}

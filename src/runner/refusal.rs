//! Why the system refuses. Built into `runner` and into `tables`, neither of which may need the other.

/// Why the system refuses, in words, without its number.
pub fn reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let own = match error.kind() {
        ErrorKind::NotFound => "it does not exist",
        ErrorKind::PermissionDenied => "this is not permitted",
        ErrorKind::AlreadyExists => "there is something of this name already",
        ErrorKind::IsADirectory => "it is a folder",
        ErrorKind::NotADirectory => "its path leads through something that is no folder",
        ErrorKind::ReadOnlyFilesystem => "its disk may only be read",
        _ => "",
    };
    // What was said with an error of our own stays.
    if !own.is_empty() && error.raw_os_error().is_some() {
        return own.to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

//! Names of files and directories, as strangers choose them.

use thiserror::Error;

/// The longest name, in bytes: what file systems take.
pub const NAME_MAX: usize = 255;

/// Why something cannot be the name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// No name at all.
    #[error("a name is empty")]
    Empty,
    /// `.` or `..`, which mean other folders.
    #[error("a name is `.` or `..`")]
    Dots,
    /// A character that separates folders, ends strings or moves cursors.
    #[error("a name has a `/`, a `\\` or a control character in it")]
    Character,
    /// More than [`NAME_MAX`] bytes.
    #[error("a name is longer than {NAME_MAX} bytes")]
    Long,
}

/// Checks one component of a path.
///
/// # Errors
/// [`NameError`] says what is wrong with it.
pub fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    // A backslash separates folders on Windows, and a colon only means something there when it is
    // the second character of a whole path, which a component never is by itself.
    if name.chars().any(|c| c == '/' || c == '\\' || c.is_control()) {
        return Err(NameError::Character);
    }
    if name.len() > NAME_MAX {
        return Err(NameError::Long);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        assert_eq!(check_name(""), Err(NameError::Empty));
        assert_eq!(check_name("."), Err(NameError::Dots));
        assert_eq!(check_name(".."), Err(NameError::Dots));
        for bad in ["a/b", "/etc", "a\\b", "a\0", "\n", "\u{7f}"] {
            assert_eq!(check_name(bad), Err(NameError::Character), "{bad:?}");
        }
        assert_eq!(check_name(&"x".repeat(256)), Err(NameError::Long));
        for good in ["a", "...", ".hidden", "main.wasm", "é", &"x".repeat(255)] {
            assert_eq!(check_name(good), Ok(()), "{good:?}");
        }
    }
}

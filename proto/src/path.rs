//! Names that a manifest may hold. Reject, never rewrite.

/// Why a name may not be in a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} {why}")]
pub struct NameError {
    /// The name, as given.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks one component of a path.
///
/// # Errors
/// If it is not a name that every machine can hold and no person is misled by.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let _ = name;
    todo!()
}

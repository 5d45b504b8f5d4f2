//! What the rows of a list must match.

/// What the rows of a list must match. Empty, it lets everything pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
}

impl Filter {
    /// From what the user typed.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { text: text.trim().to_lowercase() })
    }

    /// What the user typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a row with this text passes.
    pub fn passes(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.text)
    }
}

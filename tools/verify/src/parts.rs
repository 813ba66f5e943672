//! To come.
pub fn merge(_: &[std::path::PathBuf]) -> anyhow::Result<()> { Ok(()) }

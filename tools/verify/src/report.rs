//! To come.
pub fn write() -> anyhow::Result<bool> { Ok(true) }

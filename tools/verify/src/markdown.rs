//! To come.
pub fn write() -> anyhow::Result<()> { Ok(()) }

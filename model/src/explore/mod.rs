//! Exhaustive exploration of small programs: every reachable state, with properties that hold in each.

mod configs;
mod monitor;
mod obligations;
mod projection;
mod properties;
mod run;
mod situations;
mod symmetry;
mod world;

pub use configs::{CONFIGS, Concept, Config, Depth, Grain, ONLY_POLLS};
pub use projection::{LOCK_PHASES, Projection, SCOPE_PHASES};
pub use properties::{Law, LawKind};
pub use run::{Report, Violation, check, explored, hunt};
pub use situations::SITUATIONS;
pub use world::{Action, Explored, World};

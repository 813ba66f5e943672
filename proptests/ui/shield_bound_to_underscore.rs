//! So is one bound to `_`, which is not a name. The lint that the documentation of `ShieldScope` recommends says so.

#![deny(let_underscore_drop)]

fn main() {
    let _ = shieldable::shield_scope();
    let _bound = shieldable::shield_scope();
}

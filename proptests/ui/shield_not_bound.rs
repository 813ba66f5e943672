//! A shield that is not bound to a name is closed at once, and the compiler says so; so for what else does nothing unbound.

#![deny(unused_must_use)]

fn main() {
    shieldable::shield_scope();
    shieldable::shielded(async {});
    shieldable::spawn(async {}).cancel_on_drop();
}

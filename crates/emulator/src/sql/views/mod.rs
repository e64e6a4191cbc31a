//! The catalog views. Their rows are made from the table catalog when a statement that names one runs.
//!
//! A view reaches SQLite as one JSON parameter. So its rows show this session's transaction at that moment, and
//! nothing is stored twice.

mod more;
mod objects;
mod rows;
mod security;
mod state;
mod view;

pub(crate) use view::{Context, View};

/// The view of that schema and name, in any case.
pub(crate) fn find(schema: Option<&str>, name: &str) -> Option<&'static View> {
    let schema = schema?;
    all().find(|view| view.is(schema, name))
}

/// The number that OBJECT_ID has for it: a system object's is negative.
pub(crate) fn object_id(schema: &str, name: &str) -> Option<i32> {
    let position = all().position(|view| view.is(schema, name))?;
    i32::try_from(position).ok().map(|position| -1 - position)
}

fn all() -> impl Iterator<Item = &'static View> {
    objects::VIEWS
        .iter()
        .chain(more::VIEWS)
        .chain(security::VIEWS)
        .chain(state::VIEWS)
}
